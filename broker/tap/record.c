/* What a tap is shown of one envelope. Runs on the tap's thread: touches its arguments and the schemas' tables only. */
#include "record.h"

#include "wire/msgpack.h"
#include "wire/schema.h"

#include <stdlib.h>

static char *put(char *at, sut_str *s)
{
    if (!s->ptr)
        return at;
    memcpy(at, s->ptr, s->len);
    at[s->len] = '\0';
    s->ptr = at;
    return at + s->len + 1;
}

tap_copy *tap_copy_new(const sut_sight *s)
{
    const size_t size = sizeof(tap_copy) + s->from.len + s->to.len + s->subject.len + s->key.len + s->traceparent.len +
                        s->body.len + 6;
    tap_copy *c = malloc(size);
    if (!c)
        return NULL;
    *c = (tap_copy){.size = size, .sight = *s};
    if (s->principal)
        c->principal = (sut_principal){.user_id = s->principal->user_id, .level = s->principal->level};
    c->sight.principal = &c->principal;
    if (s->event) { /* its strings are the sight's; of the rest only numbers are shown */
        c->event.sequence = s->event->sequence;
        c->event.replayed = s->event->replayed;
        memcpy(c->event.id, s->event->id, SUT_EVENT_ID_LEN);
        c->sight.event = &c->event;
    }
    char *at = put(c->bytes, &c->sight.from);
    at = put(at, &c->sight.to);
    at = put(at, &c->sight.subject);
    at = put(at, &c->sight.key);
    at = put(at, &c->sight.traceparent);
    (void)put(at, &c->sight.body);
    return c;
}

/* ---- the record ---- */

typedef struct page {
    sut_buf *out;
    size_t pairs;
    sut_status st;
} page;

static void keep(page *p, sut_status st)
{
    if (p->st == 0)
        p->st = st;
}

static void key(page *p, const char *name)
{
    p->pairs++;
    keep(p, sut_mp_add_str(p->out, sut_str_from(name)));
}

static void put_str(page *p, const char *name, sut_str s)
{
    key(p, name);
    keep(p, sut_mp_add_str(p->out, s));
}

static void put_uint(page *p, const char *name, uint64_t v)
{
    key(p, name);
    keep(p, sut_mp_add_uint(p->out, v));
}

static void put_true(page *p, const char *name)
{
    key(p, name);
    keep(p, sut_mp_add_bool(p->out, true));
}

static const char *kind_name(unsigned kind)
{
    return kind == SUT_TAP_CALL ? "call" : kind == SUT_TAP_REPLY ? "reply" : kind == SUT_TAP_ERROR ? "error" : "event";
}

/* The table that says what may be shown; NULL: nothing. */
static const sut_record *table_of(const sut_sight *s)
{
    if (s->kind == SUT_TAP_EVENT) {
        const sut_event *e = sut_event_find(s->subject);
        return e ? e->body : NULL;
    }
    const sut_method *m = sut_method_find(s->subject);
    return !m ? NULL : s->kind == SUT_TAP_CALL ? m->in : m->out;
}

/* Of an error only its code: its words are free text, which may hold anything. */
static void put_error(page *p, const sut_sight *s)
{
    sut_arena *a = NULL;
    sut_error_body body;
    if (sut_arena_new(&a, 256u << 10) == 0 && sut_error_body_decode(a, s->body, &body) == 0)
        put_str(p, "code", body.code);
    put_true(p, "withheld");
    sut_arena_free(a);
}

static void put_body(page *p, const tap_copy *c, sut_buf *scratch)
{
    const sut_record *table = table_of(&c->sight);
    const bool empty = c->sight.body.len == 0;
    sut_buf_reset(scratch);
    if (!empty && (!table || sut_record_redact(table, c->sight.body, !c->personal, scratch) < 0)) {
        put_true(p, "withheld");
        return;
    }
    key(p, "body");
    if (empty)
        keep(p, sut_mp_add_map(p->out, 0));
    else
        keep(p, sut_buf_append(p->out, scratch->data, scratch->len));
}

static void put_event(page *p, const sut_stored_event *e)
{
    put_uint(p, "sequence", e->sequence);
    key(p, "event_id");
    keep(p, sut_mp_add_bin(p->out, (sut_str){(const char *)e->id, SUT_EVENT_ID_LEN}));
    if (e->replayed)
        put_true(p, "replayed");
}

/* A map of fewer than 16 pairs has a head of one byte, which is set when they are counted. */
sut_status tap_record_encode(const tap_copy *c, sut_buf *scratch, sut_buf *body, sut_envelope *env)
{
    const sut_sight *s = &c->sight;
    page p = {.out = body};
    sut_buf_reset(body);
    keep(&p, sut_mp_add_map(body, 0));
    put_uint(&p, "at", (uint64_t)s->at_us);
    put_str(&p, "kind", sut_str_from(kind_name(s->kind)));
    put_str(&p, "from", s->from.ptr ? s->from : SUT_STR(""));
    put_str(&p, "to", s->to.ptr ? s->to : SUT_STR(""));
    put_str(&p, "subject", s->subject);
    put_uint(&p, "id", s->id);
    put_uint(&p, "bytes", s->body.len);
    put_uint(&p, "lost", c->lost);
    if (s->kind == SUT_TAP_REPLY || s->kind == SUT_TAP_ERROR)
        put_uint(&p, "took_us", s->took_us);
    if (s->event)
        put_event(&p, s->event);
    if (s->kind == SUT_TAP_ERROR)
        put_error(&p, s);
    else
        put_body(&p, c, scratch);
    if (p.st < 0)
        return p.st;
    body->data[0] = (uint8_t)(0x80 | p.pairs);
    *env = (sut_envelope){.version = SUT_PROTOCOL_VERSION,
                          .kind = SUT_TAP,
                          .id = c->id,
                          .subject = s->subject,
                          .key = s->key,
                          .traceparent = s->traceparent,
                          .principal = {.user_id = c->principal.user_id, .level = c->principal.level},
                          .body = {(const char *)body->data, body->len}};
    return 0;
}
