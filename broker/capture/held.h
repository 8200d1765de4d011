/* A span that owns its strings, made from what the queue holds. */
#ifndef SUT_CAPTURE_HELD_H
#define SUT_CAPTURE_HELD_H

#include "capture/span.h"
#include "queue.h"

#include "base/list.h"

typedef struct held_span {
    sut_node age;      /* recent: by the order of their ends, or of their begins while open */
    sut_node in_trace; /* of one that ended */
    uint64_t call;
    bool sampled;
    size_t bytes;
    sut_span span;
    uint8_t *reply; /* malloc'd */
    uint8_t data[]; /* the other strings */
} held_span;

held_span *held_new(const queued_sight *q); /* NULL: no memory, or no trace */
held_span *held_free(held_span *h);         /* returns NULL */
/* The answer of a call, or an end without one (`body` absent). */
void held_end(held_span *h, const sut_sight *s, bool body_left_out);

#endif
