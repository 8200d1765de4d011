/* Frames that were handed to libzmq and not sent yet, by peer. libzmq bounds its queues by messages only: 64 of them
 * may be 64 MiB. A large frame is therefore handed over without a copy, and libzmq says when it has freed it. */
#ifndef SUT_APP_FLIGHT_H
#define SUT_APP_FLIGHT_H

#include "base/status.h"

#include <zmq.h>

#define SUT_FLIGHT_MIN (8u << 10) /* smaller frames are copied and not counted: at most HWM of them */
#define SUT_FLIGHT_MAX (1u << 20) /* bytes a peer; a single frame may be larger */

typedef struct sut_flight sut_flight; /* outlives its peer until the last frame is freed */

sut_flight *sut_flight_new(void);              /* NULL without memory */
sut_flight *sut_flight_release(sut_flight *f); /* the peer is gone; returns NULL */
bool sut_flight_has_room(const sut_flight *f, size_t len);
/* Makes `msg` of malloc'd bytes, which are libzmq's from now on. On failure they stay the caller's. */
SUT_MUST_CHECK sut_status sut_flight_message(sut_flight *f, zmq_msg_t *msg, uint8_t *bytes, size_t len);

#endif
