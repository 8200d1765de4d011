/* What waits to be sent to one peer: envelopes packed into frames, bounded by bytes and by count. Pure: the socket is a
 * function that the caller passes, so that its refusals can be tested. */
#ifndef SUT_APP_OUTBOX_H
#define SUT_APP_OUTBOX_H

#include "base/list.h"
#include "wire/envelope.h"

#define SUT_OUTBOX_SPARES 16

/* Buffers of a frame's size that were used a moment ago: idle peers own none. One a broker. */
typedef struct sut_outbox_pool {
    uint8_t *spare[SUT_OUTBOX_SPARES];
    size_t cap[SUT_OUTBOX_SPARES];
    size_t count;
} sut_outbox_pool;
void sut_outbox_pool_deinit(sut_outbox_pool *p);

typedef struct sut_outbox_bounds {
    size_t bytes;
    uint32_t envelopes;
} sut_outbox_bounds;

typedef struct sut_outbox {
    sut_buf open;    /* the frame that is being filled; sent at the end of the turn, sealed when full */
    sut_node sealed; /* full frames that wait for the socket, oldest first */
    size_t bytes;    /* in all frames */
    uint32_t open_envelopes, envelopes;
} sut_outbox;

void sut_outbox_init(sut_outbox *o);
void sut_outbox_deinit(sut_outbox *o, sut_outbox_pool *pool); /* idempotent; drops what waits */
bool sut_outbox_empty(const sut_outbox *o);

/* Appends one envelope. SUT_OUTBOX_FULL past a bound (nothing was added); negative if it cannot be encoded. An envelope
 * that finds the box empty always fits, whatever the bound: otherwise one large reply could never be sent. */
enum { SUT_OUTBOX_FULL = 1 };
SUT_MUST_CHECK sut_status sut_outbox_add(sut_outbox *o, sut_outbox_pool *pool, const sut_outbox_bounds *bounds,
                                         const sut_envelope *env);

/* Appends a frame of encoded envelopes, whatever the bounds (its caller looks at `bytes` first), and takes over its
 * malloc'd memory. -ENOMEM: nothing was added or taken. */
SUT_MUST_CHECK sut_status sut_outbox_add_frame(sut_outbox *o, uint8_t *bytes, size_t len, uint32_t envelopes);

/* Sends frames in order until all are out or the socket refuses. `send` copies the malloc'd bytes, or keeps them and
 * says so in `taken`; it returns 0, -EAGAIN (kept, try later) or another negative status (the peer is gone); so does
 * this function. */
typedef sut_status (*sut_outbox_send_fn)(void *arg, uint8_t *bytes, size_t len, bool *taken);
SUT_MUST_CHECK sut_status sut_outbox_flush(sut_outbox *o, sut_outbox_pool *pool, sut_outbox_send_fn send, void *arg);

#endif
