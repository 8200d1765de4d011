/* Packing: a fixed head, then the strings back to back. */
#include "pack.h"

#include <string.h>

enum { FROM, TO, SUBJECT, KEY, TRACE, CODE, STRINGS };
#define ABSENT UINT16_MAX

typedef struct packed {
    int64_t at_us, user_id;
    uint64_t took_us, call, sequence, lost;
    uint8_t event_id[SUT_EVENT_ID_LEN];
    uint32_t attempt, body_bytes, body_copied;
    uint16_t len[STRINGS];
    uint8_t kind, level;
    bool replayed, is_end;
} packed;

static void strings_of(const sut_sight *s, sut_str out[STRINGS])
{
    out[FROM] = s->from;
    out[TO] = s->to;
    out[SUBJECT] = s->subject;
    out[KEY] = s->key;
    out[TRACE] = s->traceparent;
    out[CODE] = s->code;
}

static size_t body_copied(const sut_sight *s)
{
    return s->body.len <= TAP_BODY_MAX ? s->body.len : 0;
}

/* All of these are short: the envelope's limits and the broker's names see to it. */
size_t tap_pack_size(const sut_sight *s)
{
    return sizeof(packed) + s->from.len + s->to.len + s->subject.len + s->key.len + s->traceparent.len + s->code.len +
           body_copied(s);
}

static char *put(char *at, sut_str s)
{
    if (s.ptr)
        memcpy(at, s.ptr, s.len);
    return at + s.len;
}

bool tap_pack(tap_ring *r, const sut_sight *s, size_t size, uint64_t lost)
{
    packed *p = tap_ring_begin(r, size);
    sut_str strings[STRINGS];
    if (!p)
        return false;
    p->at_us = s->at_us;
    p->user_id = s->principal.user_id;
    p->took_us = s->took_us;
    p->call = s->call;
    p->sequence = s->sequence;
    p->lost = lost;
    memcpy(p->event_id, s->event_id, SUT_EVENT_ID_LEN);
    p->attempt = s->attempt;
    p->body_bytes = (uint32_t)s->body.len;
    p->body_copied = (uint32_t)body_copied(s);
    p->kind = (uint8_t)s->kind;
    p->level = (uint8_t)s->principal.level;
    p->replayed = s->replayed;
    p->is_end = false;
    strings_of(s, strings);
    char *at = (char *)(p + 1);
    for (size_t i = 0; i < STRINGS; i++) {
        p->len[i] = strings[i].ptr ? (uint16_t)strings[i].len : ABSENT;
        at = put(at, strings[i]);
    }
    (void)put(at, (sut_str){s->body.ptr, p->body_copied});
    tap_ring_commit(r);
    return true;
}

bool tap_pack_end(tap_ring *r, uint64_t lost)
{
    packed *p = tap_ring_begin(r, sizeof *p);
    if (!p)
        return false;
    *p = (packed){.lost = lost, .is_end = true};
    tap_ring_commit(r);
    return true;
}

static sut_str take(const char **at, uint16_t len)
{
    if (len == ABSENT)
        return SUT_STR_NONE;
    const sut_str s = {*at, len};
    *at += len;
    return s;
}

void tap_unpack(const void *record, size_t len, tap_taken *out)
{
    const packed *p = record;
    const char *at = (const char *)(p + 1);
    (void)len;
    *out = (tap_taken){
        .lost = p->lost, .bytes = p->body_bytes, .body_left = p->body_copied < p->body_bytes, .is_end = p->is_end};
    if (p->is_end)
        return;
    sut_sight *s = &out->sight;
    s->kind = (sut_sight_kind)p->kind;
    s->at_us = p->at_us;
    s->took_us = p->took_us;
    s->call = p->call;
    s->sequence = p->sequence;
    s->attempt = p->attempt;
    s->replayed = p->replayed;
    s->principal = (sut_principal){.user_id = p->user_id, .level = p->level};
    memcpy(s->event_id, p->event_id, SUT_EVENT_ID_LEN);
    s->from = take(&at, p->len[FROM]);
    s->to = take(&at, p->len[TO]);
    s->subject = take(&at, p->len[SUBJECT]);
    s->key = take(&at, p->len[KEY]);
    s->traceparent = take(&at, p->len[TRACE]);
    s->code = take(&at, p->len[CODE]);
    s->body = (sut_str){at, p->body_copied};
}
