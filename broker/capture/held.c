/* From sights to spans. */
#include "held.h"

#include "wire/span.h"

#include <stdlib.h>
#include <string.h>

#define TRACE_AT 3
#define SPAN_AT  36

static sut_str copy(uint8_t **at, sut_str s)
{
    const sut_str made = {s.len ? (char *)*at : NULL, s.len};
    if (s.len)
        memcpy(*at, s.ptr, s.len);
    *at += s.len;
    return made;
}

static bool hex_id(const char *hex, uint8_t *out, size_t bytes)
{
    return sut_unhex((sut_str){hex, 2 * bytes}, out, bytes);
}

/* Whose child it is: a call says so, the others follow from what they are (wire/span.h). */
static bool set_ids(sut_span *span, const sut_sight *s)
{
    char own[SUT_SPAN_ID_LEN + 1], event[SUT_SPAN_ID_LEN + 1];
    if (s->traceparent.len != SUT_TRACEPARENT_LEN)
        return false;
    const char *within = s->traceparent.ptr + SPAN_AT;
    if (!hex_id(s->traceparent.ptr + TRACE_AT, span->trace_id, 16))
        return false;
    switch (s->kind) {
    case SUT_SIGHT_EVENT:
        sut_span_of_event(s->event_id, own);
        return hex_id(own, span->span_id, 8) && hex_id(within, span->parent_id, 8);
    case SUT_SIGHT_DELIVERY:
        sut_span_of_delivery(s->event_id, s->group, s->attempt ? s->attempt : 1, own);
        sut_span_of_event(s->event_id, event);
        return hex_id(own, span->span_id, 8) && hex_id(event, span->parent_id, 8);
    default:
        if (s->parent_id.len == SUT_SPAN_ID_LEN && !hex_id(s->parent_id.ptr, span->parent_id, 8))
            return false;
        return hex_id(within, span->span_id, 8);
    }
}

static sut_span_kind kind_of(const sut_sight *s)
{
    return s->kind == SUT_SIGHT_EVENT      ? SUT_SPAN_EVENT
           : s->kind == SUT_SIGHT_DELIVERY ? SUT_SPAN_DELIVERY
                                           : SUT_SPAN_CALL;
}

held_span *held_new(const queued_sight *q)
{
    const sut_sight *s = &q->sight;
    const bool is_end = s->kind == SUT_SIGHT_REPLY || s->kind == SUT_SIGHT_ERROR; /* its begin was not seen */
    const size_t strings =
        s->subject.len + s->from.len + s->to.len + s->key.len + s->code.len + s->group.len + (is_end ? 0 : s->body.len);
    held_span *h = malloc(sizeof *h + strings);
    if (!h)
        return NULL;
    uint8_t *at = h->data;
    *h = (held_span){.call = s->call, .sampled = q->sampled, .bytes = sizeof *h + strings};
    sut_span *span = &h->span;
    if (!set_ids(span, s)) {
        free(h);
        return NULL;
    }
    span->kind = kind_of(s);
    span->at_us = s->at_us;
    span->replayed = s->replayed;
    span->user_id = s->principal.user_id;
    span->level = s->principal.level;
    span->attempt = s->attempt;
    span->sequence = s->sequence;
    memcpy(span->event_id, s->event_id, sizeof span->event_id);
    span->subject = copy(&at, s->subject);
    span->from = copy(&at, is_end ? s->to : s->from); /* an answer goes the other way */
    span->to = copy(&at, is_end ? s->from : s->to);
    span->key = copy(&at, s->key);
    span->group = copy(&at, s->group);
    span->code = copy(&at, s->kind == SUT_SIGHT_DELIVERY && sut_str_is(s->code, "acked") ? SUT_STR_NONE : s->code);
    span->has_body = !is_end && span->kind != SUT_SPAN_DELIVERY && !q->body_left_out;
    span->body = is_end ? SUT_STR_NONE : copy(&at, s->body);
    if (span->kind != SUT_SPAN_CALL) {
        span->ended = true;
        span->took_us = s->took_us;
        span->at_us -= span->kind == SUT_SPAN_DELIVERY ? (int64_t)s->took_us : 0;
    }
    return h;
}

held_span *held_free(held_span *h)
{
    if (h)
        free(h->reply);
    free(h);
    return NULL;
}

/* Code and reply live in one piece of memory. */
void held_end(held_span *h, const sut_sight *s, bool body_left_out)
{
    sut_span *span = &h->span;
    const bool is_reply = s->kind == SUT_SIGHT_REPLY, keep = is_reply && !body_left_out;
    const size_t bytes = s->code.len + (keep ? s->body.len : 0);
    const int64_t began_us = s->at_us - (int64_t)s->took_us;
    free(h->reply);
    h->reply = malloc(bytes + 1);
    span->ended = true;
    /* From its acceptance, which is before its first attempt was given to an instance; a later one has its own time. */
    if (span->attempt <= 1 && began_us < span->at_us)
        span->at_us = began_us;
    span->took_us = s->at_us > span->at_us ? (uint64_t)(s->at_us - span->at_us) : 0;
    span->code = span->reply = SUT_STR_NONE;
    span->has_reply = false;
    if (!h->reply)
        return;
    uint8_t *at = h->reply;
    h->bytes += bytes;
    span->code = copy(&at, s->code);
    if (keep) {
        span->reply = copy(&at, s->body);
        span->has_reply = true;
    }
}
