/* The saved value of a group: numbers as LEB128, in the order in which they are read; version first. A value that is
 * damaged is refused whole: a guessed cursor would lose events, or tell them twice without end. */
#include "event_state.h"

#include <errno.h>
#include <stdlib.h>

#define VERSION 1

enum { FLAG_PAUSED = 1, FLAG_REPLAY = 2, FLAG_REPLAY_NEW = 4, FLAG_OWNED = 8, FLAGS_KNOWN = 15 };

/* ---- writing ---- */

static sut_status put(sut_buf *b, uint64_t v)
{
    uint8_t bytes[10];
    size_t len = 0;
    do {
        bytes[len++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        v >>= 7;
    } while (v);
    return sut_buf_append(b, bytes, len);
}

static sut_status put_text(sut_buf *b, sut_str s)
{
    sut_status st = put(b, s.len);
    return st ? st : sut_buf_append(b, s.ptr, s.len);
}

static sut_status put_filter(sut_buf *b, const core_filter *f)
{
    sut_status st = put(b, f->count);
    for (size_t i = 0; st == 0 && i < f->count; i++)
        st = put_text(b, f->patterns[i]);
    return st;
}

/* Ranges are written as the step from the last one's end and their length. What has no room (a window full of single
 * holes) is left out from the far end: those events may come again after a restart. */
static sut_status put_place(sut_buf *b, const core_place *p, size_t room)
{
    const size_t start = b->len;
    uint64_t last = p->cursor;
    sut_status st = put(b, p->cursor);
    if (st == 0)
        st = put(b, (uint64_t)p->from_time_us);
    for (size_t i = 0; st == 0 && i < p->done_count && b->len - start + 24 < room; i++) {
        st = put(b, p->done[i].from - last);
        if (st == 0)
            st = put(b, p->done[i].to - p->done[i].from + 1);
        last = p->done[i].to;
    }
    if (st == 0)
        st = put(b, 0); /* the end: no step is 0 */
    last = p->cursor;
    for (size_t i = 0; st == 0 && i < p->counted_count && i < CORE_COUNTED_SAVED; i++) {
        st = put(b, p->counted[i].sequence - last);
        if (st == 0)
            st = put(b, p->counted[i].attempts);
        last = p->counted[i].sequence;
    }
    return st ? st : put(b, 0);
}

static sut_status put_replay(sut_buf *b, const core_replay *r)
{
    uint64_t speed;
    memcpy(&speed, &r->speed, sizeof(speed));
    sut_status st = put(b, r->from);
    if (st == 0)
        st = put(b, r->to);
    if (st == 0)
        st = put(b, speed);
    if (st == 0)
        st = put(b, r->generation_before);
    return st == 0 ? put_place(b, &r->before, CORE_STATE_MAX / 4) : st;
}

sut_status core_state_encode(struct core_events *e, const core_group *g, sut_buf *out)
{
    core_place place;
    sut_status st = core_place_of(e, g, &place);
    const uint64_t flags = (g->paused ? FLAG_PAUSED : 0u) | (g->replay.on ? FLAG_REPLAY : 0u) |
                           (g->replay.on && g->replay.is_new ? FLAG_REPLAY_NEW : 0u) | (g->owner[0] ? FLAG_OWNED : 0u);
    const uint64_t numbers[] = {VERSION, flags, g->generation, g->generation_last};
    for (size_t i = 0; st == 0 && i < SUT_ARRAY_LEN(numbers); i++)
        st = put(out, numbers[i]);
    if (st == 0)
        st = put_filter(out, &g->filter);
    if (st == 0 && g->owner[0])
        st = put_text(out, sut_str_from(g->owner));
    if (st == 0)
        st = put_place(out, &place, CORE_STATE_MAX / 2);
    if (st == 0 && g->replay.on)
        st = put_replay(out, &g->replay);
    core_place_free(e, &place);
    return st;
}

/* ---- reading ---- */

typedef struct in {
    const uint8_t *at, *end;
    bool bad;
} in;

static uint64_t take(in *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->at == r->end)
            break;
        const uint8_t byte = *r->at++;
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return v;
    }
    r->bad = true;
    return 0;
}

static sut_str take_text(in *r)
{
    const uint64_t len = take(r);
    if (r->bad || len > (size_t)(r->end - r->at)) {
        r->bad = true;
        return SUT_STR_NONE;
    }
    const sut_str s = {(const char *)r->at, (size_t)len};
    r->at += len;
    return s;
}

static void take_owner(in *r, core_group *g)
{
    const sut_str name = take_text(r);
    r->bad = r->bad || name.len == 0 || name.len > CORE_NAME_MAX;
    if (!r->bad)
        memcpy(g->owner, name.ptr, name.len);
}

static void take_filter(in *r, sut_str patterns[SUT_GROUP_SUBJECTS], size_t *count)
{
    *count = (size_t)take(r);
    r->bad = r->bad || *count == 0 || *count > SUT_GROUP_SUBJECTS;
    for (size_t i = 0; !r->bad && i < *count; i++)
        patterns[i] = take_text(r);
    r->bad = r->bad || !core_patterns_valid(patterns, *count);
}

static sut_status take_place(struct core_events *e, in *r, core_place *p)
{
    sut_status st = 0;
    uint64_t step, last;
    p->cursor = take(r);
    p->from_time_us = (int64_t)take(r);
    last = p->cursor;
    while (st == 0 && (step = take(r)) && !r->bad) {
        const uint64_t length = take(r), from = last + step, to = from + length - 1;
        r->bad = r->bad || length == 0 || from < last || to < from;
        if (!r->bad)
            st = core_place_add_done(e, p, from, to);
        last = to;
    }
    last = p->cursor;
    while (st == 0 && !r->bad && (step = take(r)) && !r->bad) {
        const uint64_t attempts = take(r), sequence = last + step;
        r->bad = r->bad || sequence < last || attempts == 0 || attempts > UINT32_MAX;
        if (!r->bad)
            st = core_place_add_counted(e, p, sequence, (uint32_t)attempts);
        last = sequence;
    }
    r->bad = r->bad || p->cursor == UINT64_MAX || p->from_time_us < 0;
    return st;
}

static sut_status take_replay(struct core_events *e, in *r, core_replay *out)
{
    out->on = true;
    out->from = take(r);
    out->to = take(r);
    const uint64_t speed = take(r);
    memcpy(&out->speed, &speed, sizeof(speed));
    const uint64_t generation = take(r);
    r->bad = r->bad || !(out->speed >= 0 && out->speed <= 1e9) || generation > UINT32_MAX || out->from == 0 ||
             out->from > out->to;
    out->generation_before = (uint32_t)generation;
    return take_place(e, r, &out->before);
}

sut_status core_state_decode(struct core_events *e, core_group *g, sut_str value)
{
    in r = {(const uint8_t *)value.ptr, (const uint8_t *)value.ptr + value.len, value.len == 0};
    sut_str patterns[SUT_GROUP_SUBJECTS];
    size_t count = 0;
    r.bad = r.bad || take(&r) != VERSION;
    const uint64_t flags = take(&r), generation = take(&r), generation_last = take(&r);
    r.bad = r.bad || (flags & ~(uint64_t)FLAGS_KNOWN) || generation > UINT32_MAX || generation_last > UINT32_MAX;
    take_filter(&r, patterns, &count);
    if (!r.bad && (flags & FLAG_OWNED))
        take_owner(&r, g);
    sut_status st = r.bad ? -EBADMSG : core_filter_set(&g->filter, patterns, count);
    if (st == 0)
        st = take_place(e, &r, &g->place);
    if (st == 0 && (flags & FLAG_REPLAY))
        st = take_replay(e, &r, &g->replay);
    if (st)
        return st;
    g->paused = flags & FLAG_PAUSED;
    g->replay.is_new = flags & FLAG_REPLAY_NEW;
    g->replay.at = g->replay.on ? g->place.cursor : 0;
    g->generation = (uint32_t)generation;
    g->generation_last = (uint32_t)generation_last;
    return r.bad || r.at != r.end ? -EBADMSG : 0;
}
