/* broker.trace and broker.captured_calls: what was captured, asked of the capture's thread, which also takes out what
 * may not be shown; the loop only encodes the answer. */
#include "audit.h"
#include "broker.h"
#include "control_request.h"
#include "traffic.h"

#include "broker_schema.h"

#include <errno.h>

#define SPANS_MAX  2000
#define PAGE_BYTES (640u << 10) /* of arguments and replies in one answer */

typedef struct asking {
    sut_capture_job job;
    sut_control_request *rq;
    sut_status status;
    const void **items; /* structs of records, in the arena */
    size_t count;
    /* broker.trace: */
    uint8_t trace_id[SUT_TRACE_ID_BYTES];
    bool more;
    /* broker.captured_calls: */
    size_t bytes;
    uint64_t after;
    sut_buf shown;
} asking;

/* ---- what both need ---- */

static sut_str copy(asking *a, sut_str s)
{
    const sut_str made = s.len ? sut_arena_str(a->rq->arena, s) : SUT_STR("");

    if (!made.ptr)
        a->status = -ENOMEM;
    return made;
}

static sut_str hex(asking *a, const uint8_t *bytes, size_t len)
{
    char *text = sut_arena_alloc(a->rq->arena, 2 * len + 1);

    if (!text) {
        a->status = -ENOMEM;
        return SUT_STR("");
    }
    sut_hex(bytes, len, text);
    return (sut_str){text, 2 * len};
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i])
            return false;
    return true;
}

static uint8_t present(bool is)
{
    return is ? SUT_PRESENT : SUT_ABSENT;
}

/* An event's key is one of its fields, and shown if that may be: as taps have it. */
static bool may_show_key(const sut_span *s)
{
    const sut_event *e = s->kind == SUT_SPAN_CALL ? NULL : sut_event_find(s->subject);

    return s->kind == SUT_SPAN_CALL || (e && e->key && !(e->key->flags & (SUT_F_SECRET | SUT_F_PERSONAL)));
}

static void on_done(sut_capture_job *job);

static asking *asking_new(sut_control_request *rq, size_t items_max,
                          void (*run)(sut_capture_job *job, sut_capture_reader *r))
{
    asking *a;

    if (!rq->broker->capturing.capture) {
        sut_control_fail(rq, SUT_ERR_UNAVAILABLE, "this broker captures nothing (SUT_CAPTURE_DIR is not set)");
        return NULL;
    }
    a = sut_control_alloc(rq, sizeof *a);
    if (a)
        a->items = sut_arena_array(rq->arena, items_max, sizeof *a->items);
    if (!a || !a->items) {
        sut_control_fail(rq, SUT_ERR_OVERLOADED, "no memory");
        return NULL;
    }
    a->rq = rq;
    a->job = (sut_capture_job){.run = run, .done = on_done};
    return a;
}

static void ask(asking *a)
{
    a->rq->state = a;
    if (sut_capture_ask(a->rq->broker->capturing.capture, &a->job) < 0)
        sut_control_fail(a->rq, SUT_ERR_OVERLOADED, "too many ask for what was captured");
}

/* ---- broker.trace ---- */

static bool take_span(void *arg, const sut_span *s)
{
    asking *a = arg;

    if (a->count == SPANS_MAX) {
        a->more = true;
        return false;
    }
    broker_span *out = sut_arena_alloc(a->rq->arena, sizeof *out);
    if (!out) {
        a->status = -ENOMEM;
        return false;
    }
    const bool key = s->key.len && may_show_key(s);
    *out = (broker_span){
        .kind = s->kind == SUT_SPAN_CALL    ? BROKER_SPAN_KIND_CALL
                : s->kind == SUT_SPAN_EVENT ? BROKER_SPAN_KIND_EVENT
                                            : BROKER_SPAN_KIND_DELIVERY,
        .subject = copy(a, s->subject),
        .from = copy(a, s->from),
        .has_from = present(s->from.len),
        .to = copy(a, s->to),
        .has_to = present(s->to.len),
        .at = s->at_us,
        .took_us = (int64_t)s->took_us,
        .has_took_us = present(s->ended && s->kind != SUT_SPAN_EVENT),
        .code = copy(a, s->code),
        .has_code = present(s->code.len),
        .attempt = (int32_t)s->attempt,
        .group = copy(a, s->group),
        .has_group = present(s->group.len),
        .sequence = (int64_t)s->sequence,
        .has_sequence = present(s->sequence),
        .key = key ? copy(a, s->key) : SUT_STR(""),
        .has_key = present(key),
        .user_id = s->user_id,
        .has_user_id = present(s->user_id),
        .span_id = hex(a, s->span_id, sizeof s->span_id),
        .parent_id = hex(a, s->parent_id, sizeof s->parent_id),
        .has_parent_id = present(!is_zero(s->parent_id, sizeof s->parent_id)),
        .replayed = s->replayed,
    };
    a->items[a->count++] = out;
    return a->status == 0;
}

static void run_trace(sut_capture_job *job, sut_capture_reader *r)
{
    asking *a = SUT_CONTAINER(job, asking, job);

    sut_capture_each_of_trace(r, a->trace_id, take_span, a);
}

void sut_control_trace(sut_control_request *rq)
{
    const broker_trace_in *in = rq->in;
    asking *a = asking_new(rq, SPANS_MAX, run_trace);

    if (!a)
        return;
    if (sut_unhex(in->trace_id, a->trace_id, sizeof a->trace_id))
        ask(a);
    else
        sut_control_fail(rq, SUT_ERR_INVALID, "/trace_id must be 32 hex digits");
}

/* ---- broker.captured_calls ---- */

static bool subject_fits(const broker_captured_calls_in *in, sut_str subject)
{
    const sut_str *patterns = in->subjects.items;

    for (size_t i = 0; i < in->subjects.count; i++)
        if (sut_subject_match(patterns[i], subject))
            return true;
    return in->subjects.count == 0;
}

/* A body without what this caller may not see; nothing secret is in it any more. False: it cannot be shown. */
static bool show(asking *a, const sut_record *desc, sut_str body, sut_str *out, size_t *withheld)
{
    const broker_captured_calls_in *in = a->rq->in;

    sut_buf_reset(&a->shown);
    if (!body.ptr || sut_record_redact_counted(desc, body, !in->personal, &a->shown, withheld) < 0)
        return false;
    *out = copy(a, (sut_str){(const char *)a->shown.data, a->shown.len});
    a->bytes += out->len;
    return true;
}

static void show_bodies(asking *a, const sut_span *s, broker_captured_call *out)
{
    const broker_captured_calls_in *in = a->rq->in;
    const sut_method *m = sut_method_find(s->subject);
    size_t withheld = 0, unused = 0;

    out->withheld = true;
    if (in->heads_only || !m)
        return;
    if (s->has_body && show(a, m->in, s->body, &out->body, &withheld)) {
        out->has_body = SUT_PRESENT;
        out->withheld = s->cut || withheld;
    }
    if (s->has_reply && show(a, m->out, s->reply, &out->reply, &unused))
        out->has_reply = SUT_PRESENT;
}

static bool take_call(void *arg, const sut_span *s)
{
    asking *a = arg;
    const broker_captured_calls_in *in = a->rq->in;

    if (s->kind != SUT_SPAN_CALL || !subject_fits(in, s->subject))
        return true;
    broker_captured_call *out = sut_arena_alloc(a->rq->arena, sizeof *out);
    if (!out) {
        a->status = -ENOMEM;
        return false;
    }
    *out = (broker_captured_call){
        .subject = copy(a, s->subject),
        .from = copy(a, s->from),
        .has_from = present(s->from.len),
        .at = s->at_us,
        .took_us = (int64_t)s->took_us,
        .has_took_us = present(s->ended),
        .trace_id = hex(a, s->trace_id, sizeof s->trace_id),
        .root = is_zero(s->parent_id, sizeof s->parent_id),
        .user_id = s->user_id,
        .has_user_id = present(s->user_id),
        .level = s->level,
        .key = copy(a, s->key),
        .has_key = present(s->key.len),
        .code = copy(a, s->code),
        .has_code = present(s->code.len),
    };
    show_bodies(a, s, out);
    a->items[a->count++] = out;
    return a->status == 0 && a->count < (size_t)in->limit && a->bytes < PAGE_BYTES;
}

static void run_calls(sut_capture_job *job, sut_capture_reader *r)
{
    asking *a = SUT_CONTAINER(job, asking, job);
    const broker_captured_calls_in *in = a->rq->in;
    const sut_capture_filter filter = {
        .user_id = in->has_user_id == SUT_PRESENT ? in->user_id : 0,
        .since_us = in->has_since == SUT_PRESENT ? in->since : 0,
        .until_us = in->has_until == SUT_PRESENT ? in->until : 0,
        .after = (uint64_t)in->after,
    };

    sut_buf_init(&a->shown, 0);
    sut_capture_each(r, &filter, take_call, a, &a->after);
    sut_buf_deinit(&a->shown);
}

void sut_control_captured_calls(sut_control_request *rq)
{
    const broker_captured_calls_in *in = rq->in;

    if (in->personal && !rq->broker->events.open) {
        sut_control_fail(rq, SUT_ERR_UNAVAILABLE, "without a journal nothing personal is shown");
        return;
    }
    if (in->personal && !sut_audit_personal(rq, in->has_reason == SUT_PRESENT ? in->reason : SUT_STR_NONE))
        return;
    asking *a = asking_new(rq, (size_t)in->limit, run_calls);
    if (a)
        ask(a);
}

/* ---- in the loop again ---- */

static void reply_trace(asking *a, sut_list items)
{
    const broker_trace_out out = {.spans = items, .more = a->more};

    sut_control_reply(a->rq, &out);
}

static void reply_calls(asking *a, sut_list items)
{
    const broker_captured_calls_out out = {
        .items = items, .after = (int64_t)a->after, .has_after = present(a->after != 0)};

    sut_control_reply(a->rq, &out);
}

static void on_done(sut_capture_job *job)
{
    asking *a = SUT_CONTAINER(job, asking, job);
    sut_control_request *rq = a->rq;
    sut_broker *b = rq->broker;
    const sut_list items = {(void *)(uintptr_t)a->items, a->count};

    if (a->status < 0)
        sut_control_fail(rq, SUT_ERR_OVERLOADED, "the answer is too large: ask for less");
    else if (rq->method == &broker_trace_method)
        reply_trace(a, items);
    else
        reply_calls(a, items);
    sut_traffic_soon(b);
}
