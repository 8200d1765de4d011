/* Spans to bytes and back. */
#include "span_bytes.h"

#include <string.h>

enum { F_ENDED = 1, F_REPLAYED = 2, F_BODY = 4, F_REPLY = 8, F_CUT = 16, F_ALL = 31 };

/* ---- writing ---- */

typedef struct writer {
    sut_buf *out;
    sut_status status;
} writer;

static void put(writer *w, const void *bytes, size_t len)
{
    if (w->status == 0 && len)
        w->status = sut_buf_append(w->out, bytes, len);
}

static void put_number(writer *w, uint64_t v, size_t bytes)
{
    uint8_t le[8];
    for (size_t i = 0; i < bytes; i++)
        le[i] = (uint8_t)(v >> (8 * i));
    put(w, le, bytes);
}

static void put_text(writer *w, sut_str s, size_t max)
{
    const size_t len = s.len < max ? s.len : max;
    put_number(w, len, 2);
    put(w, s.ptr, len);
}

sut_status span_put_meta(sut_buf *out, const sut_span *s)
{
    writer w = {.out = out};
    const unsigned flags = (s->ended ? F_ENDED : 0u) | (s->replayed ? F_REPLAYED : 0u) | (s->has_body ? F_BODY : 0u) |
                           (s->has_reply ? F_REPLY : 0u) | (s->cut ? F_CUT : 0u);
    put_number(&w, s->kind, 1);
    put_number(&w, flags, 1);
    put_number(&w, (uint64_t)s->level, 1);
    put(&w, s->trace_id, sizeof s->trace_id);
    put(&w, s->span_id, sizeof s->span_id);
    put(&w, s->parent_id, sizeof s->parent_id);
    put(&w, s->event_id, sizeof s->event_id);
    put_number(&w, (uint64_t)s->at_us, 8);
    put_number(&w, s->took_us, 8);
    put_number(&w, (uint64_t)s->user_id, 8);
    put_number(&w, s->sequence, 8);
    put_number(&w, s->attempt, 4);
    put_text(&w, s->subject, SPAN_TEXT_MAX);
    put_text(&w, s->from, SPAN_TEXT_MAX);
    put_text(&w, s->to, SPAN_TEXT_MAX);
    put_text(&w, s->code, SPAN_TEXT_MAX);
    put_text(&w, s->group, SPAN_TEXT_MAX);
    return w.status;
}

sut_status span_put_inner(sut_buf *out, const sut_span *s)
{
    writer w = {.out = out};
    put_text(&w, s->key, SUT_KEY_MAX);
    put_number(&w, s->has_body ? s->body.len : 0, 4);
    put(&w, s->body.ptr, s->has_body ? s->body.len : 0);
    put_number(&w, s->has_reply ? s->reply.len : 0, 4);
    put(&w, s->reply.ptr, s->has_reply ? s->reply.len : 0);
    return w.status;
}

/* ---- reading ---- */

typedef struct reader {
    const uint8_t *at, *end;
    bool bad;
} reader;

static const uint8_t *take(reader *r, size_t len)
{
    const uint8_t *p = r->at;
    if (r->bad || len > (size_t)(r->end - r->at)) {
        r->bad = true;
        return NULL;
    }
    r->at += len;
    return p;
}

static uint64_t take_number(reader *r, size_t bytes)
{
    const uint8_t *p = take(r, bytes);
    uint64_t v = 0;
    for (size_t i = 0; p && i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void take_bytes(reader *r, void *out, size_t len)
{
    const uint8_t *p = take(r, len);
    if (p)
        memcpy(out, p, len);
}

static sut_str take_text(reader *r, size_t len_bytes, size_t max)
{
    const size_t len = (size_t)take_number(r, len_bytes);
    if (len > max)
        r->bad = true;
    const uint8_t *p = take(r, len);
    return p && len ? (sut_str){(const char *)p, len} : SUT_STR_NONE;
}

static reader reader_of(sut_str bytes)
{
    return (reader){.at = (const uint8_t *)bytes.ptr, .end = (const uint8_t *)bytes.ptr + bytes.len};
}

bool span_get_meta(sut_str meta, sut_span *out)
{
    reader r = reader_of(meta);
    *out = (sut_span){.number = 0};
    if (!meta.len)
        return false;
    const uint64_t kind = take_number(&r, 1), flags = take_number(&r, 1), level = take_number(&r, 1);
    take_bytes(&r, out->trace_id, sizeof out->trace_id);
    take_bytes(&r, out->span_id, sizeof out->span_id);
    take_bytes(&r, out->parent_id, sizeof out->parent_id);
    take_bytes(&r, out->event_id, sizeof out->event_id);
    out->at_us = (int64_t)take_number(&r, 8);
    out->took_us = take_number(&r, 8);
    out->user_id = (int64_t)take_number(&r, 8);
    out->sequence = take_number(&r, 8);
    out->attempt = (uint32_t)take_number(&r, 4);
    out->subject = take_text(&r, 2, SPAN_TEXT_MAX);
    out->from = take_text(&r, 2, SPAN_TEXT_MAX);
    out->to = take_text(&r, 2, SPAN_TEXT_MAX);
    out->code = take_text(&r, 2, SPAN_TEXT_MAX);
    out->group = take_text(&r, 2, SPAN_TEXT_MAX);
    out->kind = (sut_span_kind)kind;
    out->level = (int32_t)level;
    out->ended = flags & F_ENDED;
    out->replayed = flags & F_REPLAYED;
    out->has_body = flags & F_BODY;
    out->has_reply = flags & F_REPLY;
    out->cut = flags & F_CUT;
    return !r.bad && r.at == r.end && kind >= SUT_SPAN_CALL && kind <= SUT_SPAN_DELIVERY &&
           !(flags & ~(uint64_t)F_ALL) && level <= 3 && out->at_us >= 0 && out->user_id >= 0 &&
           sut_subject_valid(out->subject);
}

bool span_get_inner(sut_str inner, sut_span *out)
{
    reader r = reader_of(inner);
    if (!inner.len)
        return false;
    out->key = take_text(&r, 2, SUT_KEY_MAX);
    out->body = take_text(&r, 4, 2 * SPAN_BODY_MAX);
    out->reply = take_text(&r, 4, 2 * SPAN_BODY_MAX);
    if (!r.bad && r.at == r.end)
        return true;
    out->key = out->body = out->reply = SUT_STR_NONE;
    return false;
}
