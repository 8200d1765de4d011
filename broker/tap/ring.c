/* The ring: each record has a head of 8 bytes with its length; a length of WRAP says that it goes on at the start. */
#include "ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEAD UINT64_C(8)
#define WRAP UINT64_MAX

sut_status tap_ring_init(tap_ring *r, size_t size)
{
    *r = (tap_ring){.size = size};
    r->bytes = malloc(size);
    return r->bytes ? 0 : SUT_TRACE(-ENOMEM, "tap ring");
}

void tap_ring_deinit(tap_ring *r)
{
    free(r->bytes);
    r->bytes = NULL;
}

static uint64_t padded(size_t len)
{
    return HEAD + ((len + 7) & ~(uint64_t)7);
}

static void put_head(tap_ring *r, uint64_t at, uint64_t value)
{
    memcpy(r->bytes + (at & (r->size - 1)), &value, sizeof value);
}

static uint64_t get_head(const tap_ring *r, uint64_t at)
{
    uint64_t value;
    memcpy(&value, r->bytes + (at & (r->size - 1)), sizeof value);
    return value;
}

static bool has_room(tap_ring *r, uint64_t tail, uint64_t bytes)
{
    if (tail + bytes - r->head_seen <= r->size)
        return true;
    r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
    return tail + bytes - r->head_seen <= r->size;
}

void *tap_ring_begin(tap_ring *r, size_t len)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    const uint64_t bytes = padded(len), to_end = r->size - (tail & (r->size - 1));
    if (len > r->size / 4)
        return NULL;
    if (bytes > to_end) {
        if (!has_room(r, tail, to_end + bytes))
            return NULL;
        put_head(r, tail, WRAP);
        tail += to_end;
    } else if (!has_room(r, tail, bytes)) {
        return NULL;
    }
    put_head(r, tail, len);
    r->begun = tail + bytes;
    return r->bytes + (tail & (r->size - 1)) + HEAD;
}

void tap_ring_commit(tap_ring *r)
{
    atomic_store_explicit(&r->tail, r->begun, memory_order_release);
}

const void *tap_ring_peek(tap_ring *r, size_t *len)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    if (head == atomic_load_explicit(&r->tail, memory_order_acquire))
        return NULL;
    uint64_t value = get_head(r, head);
    if (value == WRAP) { /* a record always follows: both became visible together */
        head += r->size - (head & (r->size - 1));
        atomic_store_explicit(&r->head, head, memory_order_release);
        value = get_head(r, head);
    }
    *len = (size_t)value;
    return r->bytes + (head & (r->size - 1)) + HEAD;
}

void tap_ring_pop(tap_ring *r)
{
    const uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    atomic_store_explicit(&r->head, head + padded((size_t)get_head(r, head)), memory_order_release);
}

size_t tap_ring_used(const tap_ring *r)
{
    const uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    return (size_t)(atomic_load_explicit(&r->tail, memory_order_acquire) - head);
}
