/* Open calls, recent spans, and which traces are wanted. */
#include "recent.h"
#include "held.h"

#include "base/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct trace {
    sut_node age; /* by use */
    uint8_t id[SUT_TRACE_ID_BYTES];
    bool wanted;
    sut_node spans; /* held_span.in_trace */
} trace;

struct recent {
    recent_options opt;
    sut_u64map *open_calls; /* call → held_span */
    sut_node open, ended;   /* held_span.age */
    sut_strmap *by_id;      /* trace id → trace */
    sut_node traces;
    size_t bytes;
};

static sut_str id_of(const uint8_t id[SUT_TRACE_ID_BYTES])
{
    return (sut_str){(const char *)id, SUT_TRACE_ID_BYTES};
}

/* ---- spans ---- */

static void forget(recent *r, held_span *h)
{
    sut_node_unlink(&h->age);
    sut_node_unlink(&h->in_trace);
    r->bytes -= h->bytes;
    held_free(h);
}

static void forget_oldest(recent *r)
{
    sut_node *n = sut_list_pop_front(&r->ended);
    if (n)
        forget(r, SUT_CONTAINER(n, held_span, age));
}

/* ---- traces ---- */

static void trace_free(recent *r, trace *t)
{
    sut_node *n;
    (void)sut_strmap_take(r->by_id, id_of(t->id));
    sut_node_unlink(&t->age);
    while ((n = sut_list_pop_front(&t->spans)) != NULL)
        forget(r, SUT_CONTAINER(n, held_span, in_trace));
    free(t);
}

static trace *trace_get(recent *r, const uint8_t id[SUT_TRACE_ID_BYTES])
{
    trace *t = sut_strmap_get(r->by_id, id_of(id));
    if (t) {
        sut_node_unlink(&t->age);
        sut_list_push_back(&r->traces, &t->age);
        return t;
    }
    t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    memcpy(t->id, id, sizeof t->id);
    sut_list_init(&t->spans);
    if (sut_strmap_put(r->by_id, id_of(id), t) < 0) {
        free(t);
        return NULL;
    }
    sut_list_push_back(&r->traces, &t->age);
    while (sut_strmap_count(r->by_id) > r->opt.traces_max)
        trace_free(r, SUT_CONTAINER(r->traces.next, trace, age));
    return t;
}

static void want(recent *r, trace *t)
{
    sut_node *n;
    t->wanted = true;
    while ((n = sut_list_pop_front(&t->spans)) != NULL) {
        held_span *h = SUT_CONTAINER(n, held_span, in_trace);
        r->opt.capture(r->opt.arg, &h->span);
        forget(r, h);
    }
}

static bool is_urgent(const recent *r, const sut_span *s)
{
    return s->code.len || (s->ended && r->opt.slow_us && s->took_us >= r->opt.slow_us);
}

/* Takes the span over: captured, or kept for a while. `r->bytes` counts it already. */
static void settle(recent *r, held_span *h, bool urgent)
{
    trace *t = trace_get(r, h->span.trace_id);
    if (t && !t->wanted && (h->sampled || urgent))
        want(r, t);
    if (!t || t->wanted) {
        if (t)
            r->opt.capture(r->opt.arg, &h->span);
        forget(r, h);
        return;
    }
    sut_list_push_back(&r->ended, &h->age);
    sut_list_push_back(&t->spans, &h->in_trace);
}

/* ---- calls ---- */

static held_span *take_open(recent *r, uint64_t call)
{
    held_span *h = sut_u64map_take(r->open_calls, call);
    if (h)
        sut_node_unlink(&h->age);
    return h;
}

static void end_call(recent *r, held_span *h, const sut_sight *s, bool body_left_out)
{
    r->bytes -= h->bytes;
    held_end(h, s, body_left_out);
    r->bytes += h->bytes;
    settle(r, h, is_urgent(r, &h->span));
}

/* The one before was in the hand of an instance that died. */
static void end_lost(recent *r, held_span *h, int64_t at_us)
{
    const sut_sight lost = {.kind = SUT_SIGHT_ERROR, .at_us = at_us, .code = SUT_STR("lost")};
    end_call(r, h, &lost, true);
}

/* As not answered. That alone makes nobody want it if it is only for want of room. */
static void give_up_oldest(recent *r, bool urgent)
{
    held_span *h = SUT_CONTAINER(r->open.next, held_span, age);
    (void)take_open(r, h->call);
    settle(r, h, urgent);
}

static void trim(recent *r)
{
    while (sut_u64map_count(r->open_calls) > r->opt.open_max)
        give_up_oldest(r, false);
    while (r->bytes > r->opt.bytes_max && !sut_list_empty(&r->ended))
        forget_oldest(r);
    while (r->bytes > r->opt.bytes_max && !sut_list_empty(&r->open)) {
        give_up_oldest(r, false);
        forget_oldest(r);
    }
}

static void begin_call(recent *r, const queued_sight *q)
{
    held_span *before = take_open(r, q->sight.call);
    if (before)
        end_lost(r, before, q->sight.at_us);
    held_span *h = held_new(q);
    if (!h)
        return;
    if (sut_u64map_put(r->open_calls, h->call, h) < 0) {
        held_free(h);
        return;
    }
    r->bytes += h->bytes;
    sut_list_push_back(&r->open, &h->age);
}

static void see_end(recent *r, const queued_sight *q)
{
    held_span *h = take_open(r, q->sight.call);
    if (!h) {
        h = held_new(q);
        if (!h)
            return;
        h->span.attempt = 1;
        r->bytes += h->bytes;
    }
    h->sampled = h->sampled || q->sampled;
    end_call(r, h, &q->sight, q->body_left_out);
}

static void see_whole(recent *r, const queued_sight *q)
{
    held_span *h = held_new(q);
    if (!h)
        return;
    r->bytes += h->bytes;
    settle(r, h, is_urgent(r, &h->span));
}

void recent_see(recent *r, const queued_sight *q)
{
    switch (q->sight.kind) {
    case SUT_SIGHT_CALL: begin_call(r, q); break;
    case SUT_SIGHT_REPLY:
    case SUT_SIGHT_ERROR: see_end(r, q); break;
    case SUT_SIGHT_EVENT:
    case SUT_SIGHT_DELIVERY: see_whole(r, q); break;
    }
    trim(r);
}

void recent_expire(recent *r, int64_t now_us)
{
    while (!sut_list_empty(&r->open) &&
           SUT_CONTAINER(r->open.next, held_span, age)->span.at_us < now_us - r->opt.open_us)
        give_up_oldest(r, true);
}

/* ---- looking ---- */

void recent_each(const recent *r, const uint8_t trace_id[SUT_TRACE_ID_BYTES], bool (*fn)(void *arg, const sut_span *s),
                 void *arg)
{
    const trace *t = sut_strmap_get(r->by_id, id_of(trace_id));
    for (const sut_node *n = t ? t->spans.next : NULL; n && n != &t->spans; n = n->next)
        if (!fn(arg, &SUT_CONTAINER(n, held_span, in_trace)->span))
            return;
    for (const sut_node *n = r->open.next; n != &r->open; n = n->next) {
        const held_span *h = SUT_CONTAINER(n, held_span, age);
        if (memcmp(h->span.trace_id, trace_id, SUT_TRACE_ID_BYTES) == 0 && !fn(arg, &h->span))
            return;
    }
}

size_t recent_bytes(const recent *r)
{
    return r->bytes;
}

/* ---- life ---- */

sut_status recent_new(recent **out, const recent_options *opt)
{
    recent *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->opt = *opt;
    sut_list_init(&r->open);
    sut_list_init(&r->ended);
    sut_list_init(&r->traces);
    if (sut_u64map_new(&r->open_calls) < 0 || sut_strmap_new(&r->by_id) < 0) {
        recent_free(r);
        return -ENOMEM;
    }
    *out = r;
    return 0;
}

recent *recent_free(recent *r)
{
    sut_node *n;
    if (!r)
        return NULL;
    while ((n = sut_list_pop_front(&r->open)) != NULL)
        forget(r, SUT_CONTAINER(n, held_span, age));
    while ((n = sut_list_pop_front(&r->traces)) != NULL)
        trace_free(r, SUT_CONTAINER(n, trace, age));
    sut_u64map_free(r->open_calls);
    sut_strmap_free(r->by_id);
    free(r);
    return NULL;
}
