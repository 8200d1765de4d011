/* A bounded ring of records between two threads: the loop's puts, the hub's takes; neither waits for the other. Records
 * are contiguous: one that would pass the end of the memory begins at its start again. */
#ifndef SUT_TAP_RING_H
#define SUT_TAP_RING_H

#include "base/status.h"

#include <stdatomic.h>

typedef struct tap_ring {
    uint8_t *bytes;
    size_t size;           /* a power of two */
    _Atomic uint64_t head; /* the taker's: all below was taken */
    _Atomic uint64_t tail; /* the putter's: all below may be taken */
    uint64_t head_seen;    /* by the putter, so that it rarely looks at the taker's line of cache */
    uint64_t begun;        /* where the record that is being put ends */
} tap_ring;

SUT_MUST_CHECK sut_status tap_ring_init(tap_ring *r, size_t size);
void tap_ring_deinit(tap_ring *r);
/* Room for `len` bytes, aligned to 8; NULL if there is none now. A quarter of the ring always fits an empty one. */
void *tap_ring_begin(tap_ring *r, size_t len);
void tap_ring_commit(tap_ring *r);
/* The oldest record; NULL if there is none. */
const void *tap_ring_peek(tap_ring *r, size_t *len);
void tap_ring_pop(tap_ring *r);
size_t tap_ring_used(const tap_ring *r); /* bytes; either thread */

#endif
