/* What a tap's peer is shown of a sight: an encoded envelope, redacted by the schemas. Fails closed: what is not
 * certainly showable is left out, and the record says so. */
#ifndef SUT_TAP_RECORD_H
#define SUT_TAP_RECORD_H

#include "base/arena.h"
#include "base/buf.h"
#include "pack.h"

typedef struct tap_scratch { /* of one thread; its buffers are used again */
    sut_buf record, body;
    sut_arena *arena;
} tap_scratch;

SUT_MUST_CHECK sut_status tap_scratch_init(tap_scratch *s);
void tap_scratch_deinit(tap_scratch *s); /* idempotent */

/* Appends the envelope of kind tap with that id. */
SUT_MUST_CHECK sut_status tap_record_append(tap_scratch *s, const tap_taken *t, uint64_t id, bool personal,
                                            sut_buf *out);
/* Appends the gap that ends the tap. */
SUT_MUST_CHECK sut_status tap_end_append(tap_scratch *s, uint64_t id, uint64_t lost, sut_buf *out);

#endif
