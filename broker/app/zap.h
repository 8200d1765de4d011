/* Who may connect: the ZAP handler (RFC 27) of the broker's ZeroMQ context. libzmq asks it once a connection, before
 * any message of the peer is let in; its answer names the peer for the life of the connection. */
#ifndef SUT_APP_ZAP_H
#define SUT_APP_ZAP_H

#include "access.h"

typedef struct sut_zap {
    void *socket;
    sut_watch watch;
    sut_task task;
    bool again; /* `task` is posted */
    sut_access *access;
    uint64_t granted_total, refused_total;
    /* Somebody was refused: why, and the name that was claimed ("" with CURVE, or if it is no name at all). */
    void (*on_refused)(void *arg, const char *mechanism, const char *why, sut_str claimed);
    void (*on_turn)(void *arg); /* requests were answered: the access list may have changed meanwhile */
    void *arg;
} sut_zap;

/* Must be done before any socket with an authentication domain is bound. */
SUT_MUST_CHECK sut_status sut_zap_init(sut_zap *z, void *zmq, sut_loop *loop, sut_access *access);
void sut_zap_deinit(sut_zap *z); /* idempotent; after all sockets that ask it are closed, and
                                    the loop turns no more */

#endif
