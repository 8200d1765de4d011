/* Sights on their way from the loop to the capture thread: a ring of bytes in memory for one writer and one reader.
 * Neither waits for the other, nothing is allocated: what does not fit is not taken. */
#ifndef SUT_CAPTURE_QUEUE_H
#define SUT_CAPTURE_QUEUE_H

#include "wire/sight.h"

#include <stdatomic.h>

typedef struct queue {
    uint8_t *bytes;
    size_t size;                        /* a power of two */
    _Alignas(64) _Atomic uint64_t head; /* written so far */
    uint64_t tail_seen;                 /* the writer's view of `tail`, so that it rarely touches the reader's line */
    _Alignas(64) _Atomic uint64_t tail; /* read so far */
} queue;

SUT_MUST_CHECK sut_status queue_init(queue *q, size_t size);
void queue_deinit(queue *q); /* idempotent */

/* The writer: false if there is no room. Bodies over `body_max` are left out. */
bool queue_put(queue *q, const sut_sight *s, bool sampled, size_t body_max);
bool queue_is_half_full(const queue *q); /* as the writer last saw it */

typedef struct queued_sight {
    sut_sight sight; /* strings point into the queue */
    bool sampled, body_left_out;
} queued_sight;
/* The reader: the oldest one, until queue_drop. False: none. */
bool queue_peek(queue *q, queued_sight *out);
void queue_drop(queue *q);

#endif
