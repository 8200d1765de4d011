/* Building records. A body is shown as its schema allows: method's input, its output, or the event's body; of an error
 * its declared code and numbers, never its words, which may quote anything. */
#include "record.h"
#include "tap/tap.h"

#include "wire/msgpack.h"
#include "wire/schema.h"

#include <errno.h>

#define ARENA_MAX (1u << 20)
#define REDACTED  SUT_STR("<redacted>")

sut_status tap_scratch_init(tap_scratch *s)
{
    sut_buf_init(&s->record, SUT_ENVELOPE_MAX);
    sut_buf_init(&s->body, SUT_ENVELOPE_MAX);
    return sut_arena_new(&s->arena, ARENA_MAX);
}

void tap_scratch_deinit(tap_scratch *s)
{
    sut_buf_deinit(&s->record);
    sut_buf_deinit(&s->body);
    s->arena = sut_arena_free(s->arena);
}

typedef struct shown { /* what may be shown of one sight */
    sut_str key, code, body;
    bool withheld;
} shown;

/* ---- bodies ---- */

static void show_body(tap_scratch *s, const sut_record *desc, const tap_taken *t, bool personal, shown *out)
{
    bool left_out = false;
    if (!desc || t->body_left || sut_record_redact_told(desc, t->sight.body, !personal, &s->body, &left_out)) {
        out->withheld = out->withheld || !desc || t->bytes > 0;
        return;
    }
    out->body = (sut_str){(const char *)s->body.data, s->body.len};
    out->withheld = out->withheld || left_out;
}

/* What a schema keys an event by may be personal, and is then as personal beside the body as in it. */
static void show_event(tap_scratch *s, const tap_taken *t, bool personal, shown *out)
{
    const sut_event *e = sut_event_find(t->sight.subject);
    const bool hidden = t->sight.key.len > 0 && (!e || !e->key || e->key->flags & SUT_F_SECRET ||
                                                 (!personal && e->key->flags & SUT_F_PERSONAL));
    if (hidden)
        out->key = REDACTED;
    show_body(s, e ? e->body : NULL, t, personal, out);
}

static sut_status add_number(sut_buf *b, sut_str name, uint64_t value)
{
    sut_status st = sut_mp_add_str(b, name);
    return st ? st : sut_mp_add_uint(b, value);
}

static sut_status add_text(sut_buf *b, sut_str name, sut_str value)
{
    sut_status st = sut_mp_add_str(b, name);
    return st ? st : sut_mp_add_str(b, value);
}

static sut_status write_error(sut_buf *b, sut_str code, const sut_error_body *e)
{
    sut_status st = sut_mp_add_map(b, (size_t)(code.len > 0) + (e->http_status > 0) + (e->retry_after_ms > 0));
    if (st == 0 && code.len > 0)
        st = add_text(b, SUT_STR("code"), code);
    if (st == 0 && e->http_status > 0)
        st = add_number(b, SUT_STR("http_status"), e->http_status);
    if (st == 0 && e->retry_after_ms > 0)
        st = add_number(b, SUT_STR("retry_after_ms"), e->retry_after_ms);
    return st;
}

/* A code that nobody declared is free text, too. */
static void show_error(tap_scratch *s, const tap_taken *t, shown *out)
{
    const sut_error_desc *desc = sut_method_error(sut_method_find(t->sight.subject), t->sight.code);
    sut_error_body e = {0};
    out->code = desc ? sut_str_from(desc->code) : SUT_STR_NONE;
    out->withheld = t->bytes > 0;
    sut_arena_reset(s->arena);
    if (t->body_left || sut_error_body_decode(s->arena, t->sight.body, &e))
        return;
    if (write_error(&s->body, out->code, &e) == 0)
        out->body = (sut_str){(const char *)s->body.data, s->body.len};
}

static shown show(tap_scratch *s, const tap_taken *t, bool personal)
{
    const sut_sight *sight = &t->sight;
    const sut_method *m = NULL;
    shown out = {.key = sight->key};
    sut_buf_reset(&s->body);
    switch (sight->kind) {
    case SUT_SIGHT_EVENT: show_event(s, t, personal, &out); break;
    case SUT_SIGHT_ERROR: show_error(s, t, &out); break;
    default:
        m = sut_method_find(sight->subject);
        show_body(s, !m ? NULL : sight->kind == SUT_SIGHT_CALL ? m->in : m->out, t, personal, &out);
        break;
    }
    return out;
}

/* ---- records ---- */

static const char *kind_name(sut_sight_kind kind)
{
    return kind == SUT_SIGHT_CALL    ? "call"
           : kind == SUT_SIGHT_REPLY ? "reply"
           : kind == SUT_SIGHT_ERROR ? "error"
                                     : "event";
}

/* A map under construction; it keeps the first failure, so that its writer reads as the document that it writes. Its
 * count is filled in at the end. */
typedef struct map_out {
    sut_buf *b;
    size_t head;
    uint8_t count;
    sut_status st;
} map_out;

static map_out map_begin(sut_buf *b)
{
    map_out m = {.b = b, .head = b->len};
    m.st = sut_buf_append(b, "\xde\0\0", 3);
    return m;
}

static sut_status map_end(map_out *m)
{
    if (m->st == 0)
        m->b->data[m->head + 2] = m->count;
    return m->st;
}

static void put_uint(map_out *m, const char *name, uint64_t value)
{
    m->count++;
    if (m->st == 0)
        m->st = add_number(m->b, sut_str_from(name), value);
}

static void put_str(map_out *m, const char *name, sut_str value)
{
    m->count++;
    if (m->st == 0)
        m->st = add_text(m->b, sut_str_from(name), value);
}

static void put_true(map_out *m, const char *name)
{
    m->count++;
    if (m->st == 0)
        m->st = sut_mp_add_str(m->b, sut_str_from(name));
    if (m->st == 0)
        m->st = sut_mp_add_bool(m->b, true);
}

static void put_body(map_out *m, sut_str body)
{
    m->count++;
    if (m->st == 0)
        m->st = sut_mp_add_str(m->b, SUT_STR("body"));
    if (m->st == 0)
        m->st = sut_buf_append(m->b, body.ptr, body.len);
}

static void put_event(map_out *m, const sut_sight *s)
{
    char id[2 * SUT_EVENT_ID_LEN + 1];
    sut_hex(s->event_id, SUT_EVENT_ID_LEN, id);
    put_uint(m, "sequence", s->sequence);
    put_str(m, "event_id", sut_str_from(id));
    if (s->replayed)
        put_true(m, "replayed");
}

static void put_call(map_out *m, const sut_sight *s)
{
    put_uint(m, "id", s->call);
    if (s->attempt > 1)
        put_uint(m, "attempt", s->attempt);
    if (s->kind != SUT_SIGHT_CALL)
        put_uint(m, "took_us", s->took_us);
}

static sut_status write_record(sut_buf *b, const tap_taken *t, const shown *w)
{
    const sut_sight *s = &t->sight;
    map_out m = map_begin(b);
    put_uint(&m, "at", (uint64_t)(s->at_us > 0 ? s->at_us : 0));
    put_str(&m, "kind", sut_str_from(kind_name(s->kind)));
    put_str(&m, "from", s->from);
    if (s->to.ptr)
        put_str(&m, "to", s->to);
    put_str(&m, "subject", s->subject);
    put_uint(&m, "bytes", t->bytes);
    if (s->kind == SUT_SIGHT_EVENT)
        put_event(&m, s);
    else
        put_call(&m, s);
    if (w->code.len > 0)
        put_str(&m, "code", w->code);
    if (w->body.len > 0)
        put_body(&m, w->body);
    if (w->withheld)
        put_true(&m, "withheld");
    put_uint(&m, "lost", t->lost);
    return map_end(&m);
}

sut_status tap_record_append(tap_scratch *s, const tap_taken *t, uint64_t id, bool personal, sut_buf *out)
{
    shown w = show(s, t, personal);
    sut_buf_reset(&s->record);
    sut_status st = write_record(&s->record, t, &w);
    if (st)
        return st;
    const sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                              .kind = SUT_TAP,
                              .id = id,
                              .subject = t->sight.subject,
                              .key = w.key,
                              .principal = {.user_id = t->sight.principal.user_id, .level = t->sight.principal.level},
                              .traceparent = t->sight.traceparent,
                              .body = {(const char *)s->record.data, s->record.len}};
    return sut_envelope_encode(out, &env);
}

sut_status sut_tap_end_body(sut_buf *out, uint64_t lost)
{
    map_out m = map_begin(out);
    put_uint(&m, "from", 0);
    put_uint(&m, "to", 0);
    put_str(&m, "reason", SUT_STR("end"));
    put_uint(&m, "lost", lost);
    return map_end(&m);
}

sut_status tap_end_append(tap_scratch *s, uint64_t id, uint64_t lost, sut_buf *out)
{
    sut_buf_reset(&s->record);
    sut_status st = sut_tap_end_body(&s->record, lost);
    const sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                              .kind = SUT_GAP,
                              .id = id,
                              .body = {(const char *)s->record.data, s->record.len}};
    return st ? st : sut_envelope_encode(out, &env);
}
