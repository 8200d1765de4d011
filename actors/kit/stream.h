/* A piece of the journal, read by one fiber: an ephemeral subscription whose events it takes one by one. Private to the
 * kit. */
#ifndef SUT_KIT_STREAM_H
#define SUT_KIT_STREAM_H

#include "consume.h"

#define SUT_STREAM_CREDITS 256

typedef struct sut_stream {
    const sut_delivery_port *port;
    sut_subscription *subscription;
    sut_request *reader; /* while it waits */
    sut_delivery *queue[SUT_STREAM_CREDITS];
    uint64_t pushed, popped;
    uint64_t marked; /* `pushed` at the last marker + 1; 0: there was none */
    uint64_t position;
    bool up, broken;
    char why[128]; /* broken */
} sut_stream;

/* Subscribes from `sequence` on (0: from the end), and parks until the broker has taken it: position is the
 * sequence of the first event that it gives. */
SUT_MUST_CHECK sut_status sut_stream_open(sut_stream *s, sut_request *rq, const sut_delivery_port *port,
                                          const char *const *subjects, size_t count, uint64_t sequence);
/* Parks for the next event; *out NULL: all that there was at some moment after the opening has been taken. To be
 * acknowledged by the port. SUT_ERR_UNAVAILABLE: something is missing, or nothing comes any more. */
SUT_MUST_CHECK sut_status sut_stream_next(sut_stream *s, sut_request *rq, sut_delivery **out);
void sut_stream_close(sut_stream *s); /* idempotent; what was not taken is given back */

#endif
