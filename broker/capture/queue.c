/* Each entry is a head of fixed size and the bytes of its strings, in one piece; what is left at the end of the ring is
 * skipped by an entry without a sight. */
#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN   8
#define SKIP    0 /* kind of an entry that fills the ring's end */
#define STRINGS 9

enum { F_SAMPLED = 1, F_LEFT_OUT = 2, F_REPLAYED = 4 };

typedef struct entry {
    uint32_t bytes; /* of all of it, a multiple of ALIGN; first, for a SKIP has no room for more */
    uint8_t kind, flags, level;
    uint8_t unused;
    uint32_t attempt;
    uint32_t len[STRINGS];
    int64_t at_us, user_id;
    uint64_t took_us, call, id, sequence;
    uint8_t event_id[SUT_EVENT_ID_LEN];
} entry;

_Static_assert(sizeof(entry) % ALIGN == 0, "entries stay aligned");

sut_status queue_init(queue *q, size_t size)
{
    *q = (queue){.bytes = aligned_alloc(64, size), .size = size};
    return q->bytes ? 0 : -ENOMEM;
}

void queue_deinit(queue *q)
{
    free(q->bytes);
    q->bytes = NULL;
}

static size_t used(const queue *q, uint64_t head)
{
    return (size_t)(head - q->tail_seen);
}

bool queue_is_half_full(const queue *q)
{
    return used(q, atomic_load_explicit(&q->head, memory_order_relaxed)) > q->size / 2;
}

/* Room for `bytes` at `head`, in one piece: skips the ring's end if need be. */
static bool make_room(queue *q, uint64_t *head, size_t bytes)
{
    const size_t at = (size_t)(*head & (q->size - 1)), to_end = q->size - at;
    const size_t skip = to_end < bytes ? to_end : 0;

    if (q->size - used(q, *head) < skip + bytes)
        q->tail_seen = atomic_load_explicit(&q->tail, memory_order_acquire);
    if (q->size - used(q, *head) < skip + bytes)
        return false;
    if (skip) {
        const uint32_t len = (uint32_t)skip;
        memcpy(q->bytes + at, &len, sizeof len);
        q->bytes[at + offsetof(entry, kind)] = SKIP;
        *head += skip;
    }
    return true;
}

static const sut_str *string_of(const sut_sight *s, size_t i)
{
    const sut_str *const all[STRINGS] = {&s->traceparent, &s->parent_id, &s->from,  &s->to,  &s->subject,
                                         &s->key,         &s->code,      &s->group, &s->body};
    return all[i];
}

bool queue_put(queue *q, const sut_sight *s, bool sampled, size_t body_max)
{
    const bool left_out = s->body.len > body_max;
    size_t total = sizeof(entry);
    entry e = {.kind = (uint8_t)s->kind,
               .flags =
                   (uint8_t)((sampled ? F_SAMPLED : 0) | (left_out ? F_LEFT_OUT : 0) | (s->replayed ? F_REPLAYED : 0)),
               .level = (uint8_t)s->principal.level,
               .attempt = s->attempt,
               .at_us = s->at_us,
               .user_id = s->principal.user_id,
               .took_us = s->took_us,
               .call = s->call,
               .id = s->id,
               .sequence = s->sequence};

    for (size_t i = 0; i < STRINGS; i++) {
        e.len[i] = i == STRINGS - 1 && left_out ? 0 : (uint32_t)string_of(s, i)->len;
        total += e.len[i];
    }
    total = (total + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    e.bytes = (uint32_t)total;
    memcpy(e.event_id, s->event_id, sizeof e.event_id);

    uint64_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
    if (total > q->size / 4 || !make_room(q, &head, total))
        return false;
    uint8_t *at = q->bytes + (head & (q->size - 1));
    memcpy(at, &e, sizeof e);
    at += sizeof e;
    for (size_t i = 0; i < STRINGS; i++) {
        if (e.len[i])
            memcpy(at, string_of(s, i)->ptr, e.len[i]);
        at += e.len[i];
    }
    atomic_store_explicit(&q->head, head + total, memory_order_release);
    return true;
}

static sut_str take(const uint8_t **at, uint32_t len)
{
    const sut_str s = {len ? (const char *)*at : NULL, len};
    *at += len;
    return s;
}

static void read_entry(const uint8_t *at, queued_sight *out)
{
    entry e;
    memcpy(&e, at, sizeof e);
    at += sizeof e;
    sut_sight *s = &out->sight;
    *out = (queued_sight){.sampled = e.flags & F_SAMPLED, .body_left_out = e.flags & F_LEFT_OUT};
    s->kind = (sut_sight_kind)e.kind;
    s->replayed = e.flags & F_REPLAYED;
    s->principal = (sut_principal){.user_id = e.user_id, .level = e.level};
    s->attempt = e.attempt;
    s->at_us = e.at_us;
    s->took_us = e.took_us;
    s->call = e.call;
    s->id = e.id;
    s->sequence = e.sequence;
    memcpy(s->event_id, e.event_id, sizeof s->event_id);
    s->traceparent = take(&at, e.len[0]);
    s->parent_id = take(&at, e.len[1]);
    s->from = take(&at, e.len[2]);
    s->to = take(&at, e.len[3]);
    s->subject = take(&at, e.len[4]);
    s->key = take(&at, e.len[5]);
    s->code = take(&at, e.len[6]);
    s->group = take(&at, e.len[7]);
    s->body = take(&at, e.len[8]);
}

bool queue_peek(queue *q, queued_sight *out)
{
    const uint64_t head = atomic_load_explicit(&q->head, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
    while (tail != head) {
        const uint8_t *at = q->bytes + (tail & (q->size - 1));
        if (at[offsetof(entry, kind)] != SKIP) {
            read_entry(at, out);
            return true;
        }
        uint32_t len;
        memcpy(&len, at, sizeof len);
        tail += len;
        atomic_store_explicit(&q->tail, tail, memory_order_release);
    }
    return false;
}

void queue_drop(queue *q)
{
    const uint64_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
    uint32_t len;
    memcpy(&len, q->bytes + (tail & (q->size - 1)), sizeof len);
    atomic_store_explicit(&q->tail, tail + len, memory_order_release);
}
