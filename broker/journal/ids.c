/* Open addressing with linear probing over a ring of entries. The ring doubles up to the bound, so that a quiet journal
 * does not hold memory for a million ids. */
#include "ids.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_ENTRIES 1024

struct id_window {
    id_seen *ring;
    size_t cap, head, count; /* cap is a power of two; entries are head … head + count - 1 */
    uint32_t *slots;         /* 2 * cap; index into the ring + 1, 0: free */
    size_t max;
    int64_t max_age_us;
    uint64_t seed[2]; /* peers choose ids: they must not choose collisions */
};

static size_t slot_of(const id_window *w, const uint8_t *id)
{
    uint64_t a, b;
    memcpy(&a, id, 8);
    memcpy(&b, id + 8, 8);
    unsigned __int128 product = (unsigned __int128)(a ^ w->seed[0]) * (b ^ w->seed[1]);
    uint64_t mixed = (uint64_t)product ^ (uint64_t)(product >> 64);
    return (size_t)(mixed * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (2 * w->cap - 1);
}

static size_t find_slot(const id_window *w, const uint8_t *id)
{
    size_t slot = slot_of(w, id);
    while (w->slots[slot] && memcmp(w->ring[w->slots[slot] - 1].id, id, SUT_EVENT_ID_LEN) != 0)
        slot = (slot + 1) & (2 * w->cap - 1);
    return slot;
}

/* Deletion that leaves no tombstones: what was pushed past the hole moves back into it (Knuth, vol. 3, 6.4, R). */
static void clear_slot(id_window *w, size_t hole)
{
    size_t mask = 2 * w->cap - 1;
    for (size_t at = (hole + 1) & mask; w->slots[at]; at = (at + 1) & mask) {
        size_t home = slot_of(w, w->ring[w->slots[at] - 1].id);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            w->slots[hole] = w->slots[at];
            hole = at;
        }
    }
    w->slots[hole] = 0;
}

static sut_status resize(id_window *w, size_t cap)
{
    id_seen *ring = malloc(cap * sizeof *ring);
    uint32_t *slots = calloc(2 * cap, sizeof *slots);
    if (!ring || !slots) {
        free(ring);
        free(slots);
        return -ENOMEM;
    }
    for (size_t i = 0; i < w->count; i++)
        ring[i] = w->ring[(w->head + i) & (w->cap - 1)];
    free(w->ring);
    free(w->slots);
    w->ring = ring;
    w->slots = slots;
    w->cap = cap;
    w->head = 0;
    for (size_t i = 0; i < w->count; i++)
        w->slots[find_slot(w, ring[i].id)] = (uint32_t)(i + 1);
    return 0;
}

sut_status id_window_new(id_window **out, uint32_t max_ids, int64_t max_age_us)
{
    id_window *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    w->max = max_ids;
    w->max_age_us = max_age_us;
    sut_random(w->seed, sizeof w->seed);
    sut_status status = resize(w, FIRST_ENTRIES);
    if (status) {
        free(w);
        return status;
    }
    *out = w;
    return 0;
}

id_window *id_window_free(id_window *w)
{
    if (w) {
        free(w->ring);
        free(w->slots);
        free(w);
    }
    return NULL;
}

const id_seen *id_window_find(const id_window *w, const uint8_t id[SUT_EVENT_ID_LEN])
{
    uint32_t entry = w->slots[find_slot(w, id)];
    return entry ? &w->ring[entry - 1] : NULL;
}

sut_status id_window_add(id_window *w, const id_seen *seen)
{
    if (w->count == w->cap) {
        sut_status status = w->cap > UINT32_MAX / 4 ? -ENOMEM : resize(w, 2 * w->cap);
        if (status)
            return status;
    }
    size_t at = (w->head + w->count) & (w->cap - 1);
    w->ring[at] = *seen;
    w->slots[find_slot(w, seen->id)] = (uint32_t)(at + 1);
    w->count++;
    return 0;
}

static void forget(id_window *w, size_t at)
{
    clear_slot(w, find_slot(w, w->ring[at].id));
    w->count--;
}

void id_window_take_back(id_window *w, size_t count)
{
    while (count--)
        forget(w, (w->head + w->count - 1) & (w->cap - 1));
}

void id_window_expire(id_window *w, int64_t now_us)
{
    while (w->count > 0 && (w->count > w->max || now_us - w->ring[w->head].time_us > w->max_age_us)) {
        forget(w, w->head);
        w->head = (w->head + 1) & (w->cap - 1);
    }
}

size_t id_window_count(const id_window *w)
{
    return w->count;
}
