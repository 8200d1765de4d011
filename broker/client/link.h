/* The ZeroMQ side of one session: a DEALER that never reconnects by itself, and its monitor. Knows sockets, not the
 * protocol. Loop's thread only. */
#ifndef SUT_CLIENT_LINK_H
#define SUT_CLIENT_LINK_H

#include "config.h"

#include "base/loop.h"

typedef enum { LINK_NOTHING, LINK_LOST, LINK_REFUSED } client_link_event;

typedef struct client_link {
    void *ctx;
    void *dealer;  /* NULL while closed */
    void *monitor; /* PAIR on which libzmq tells of the connection */
    sut_watch dealer_watch, monitor_watch;
    bool look;         /* something may have come: ZMQ_FD tells edges only, so look before each sleep */
    bool look_monitor; /* the same for the monitor */
    bool blocked;      /* the last send found the queue full */
    uint64_t opened;   /* sockets so far: names the monitor's endpoint */
} client_link;

SUT_MUST_CHECK sut_status client_link_init(client_link *k);
void client_link_deinit(client_link *k); /* closes; waits for libzmq to let go (at most the linger given to close) */
/* -EACCES: our secret cannot be read. */
SUT_MUST_CHECK sut_status client_link_open(client_link *k, sut_loop *loop, const client_config *cfg, char *error,
                                           size_t error_size);
void client_link_close(client_link *k, int linger_ms); /* idempotent */
/* The next thing that the monitor tells; LINK_NOTHING if there is none. */
client_link_event client_link_next_event(client_link *k);
/* One frame. `*bytes` stays valid until the next call (or close). -EAGAIN: nothing there; -EBADMSG: several parts. */
typedef struct client_frame {
    const uint8_t *bytes;
    size_t len;
    unsigned char hold[64] __attribute__((aligned(8))); /* a zmq_msg_t */
} client_frame;
SUT_MUST_CHECK sut_status client_link_receive(client_link *k, client_frame *out);
void client_frame_done(client_frame *f);
/* A frame of `len` bytes to be filled in, then sent or dropped. -EAGAIN from send: kept, try again when writable. */
SUT_MUST_CHECK sut_status client_frame_new(client_frame *out, size_t len);
SUT_MUST_CHECK sut_status client_link_send(client_link *k, client_frame *f);
bool client_link_writable(client_link *k); /* looks whether a blocked link takes frames again */

#endif
