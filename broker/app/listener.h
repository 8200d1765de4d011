/* One listening ROUTER socket with its monitor: makes it, binds it, receives from it and sends to its peers. Knows
 * ZeroMQ and descriptors; knows nothing of sessions. */
#ifndef SUT_APP_LISTENER_H
#define SUT_APP_LISTENER_H

#include "base/list.h"
#include "base/loop.h"
#include "base/map.h"
#include "flight.h"

#include <sys/types.h>
#include <zmq.h>

typedef enum sut_listener_kind { SUT_LISTEN_IPC, SUT_LISTEN_TCP } sut_listener_kind;
#define SUT_LISTENER_KINDS 2

typedef struct sut_listener_options {
    sut_listener_kind kind;
    const char *endpoint;        /* ipc://PATH or tcp://HOST:PORT */
    const uint8_t *curve_secret; /* tcp: 32 bytes */
    int hwm;                     /* messages a peer in libzmq's own queues */
    int handshake_ms;            /* a connection that is not authenticated by then is closed by libzmq */
    uint64_t silent_ns;          /* an authenticated one that says nothing for so long is closed by us */
    uint32_t max_connections;    /* above it a new one is closed at once */
} sut_listener_options;

typedef struct sut_listener sut_listener;

/* A descriptor that the listener accepted, from the monitor's accepted event to its disconnected event. */
typedef struct sut_connection {
    sut_listener *listener;
    int fd;
    ino_t inode;       /* of the socket: tells a reused descriptor apart */
    uint64_t since_ns; /* accepted */
    void *peer;        /* who speaks over it; NULL until its first message */
    sut_node silent;   /* on the listener's list while nobody spoke */
} sut_connection;

struct sut_listener {
    sut_listener_options opt;
    void *router, *monitor;
    sut_watch router_watch, monitor_watch;
    sut_u64map *connections; /* fd → sut_connection */
    sut_node silent;         /* connections that said nothing yet, oldest first */
    sut_timer reap;
    uint64_t accepted_total, reaped_total;
    uint64_t handshake_failed_total;
    uint64_t unspoken_total; /* ended before their first message, for whatever reason */
    /* The connection is gone; its last messages may still be in the socket. May only mark the peer: it is called from
     * within most functions below. */
    void (*on_gone)(void *arg, void *peer);
    void (*on_monitor)(void *arg); /* from the loop, after monitor events were handled */
    void *arg;
};

/* Zeroes and makes it; nothing is bound yet. On failure everything is undone. Set on_gone, on_monitor and arg after. */
SUT_MUST_CHECK sut_status sut_listener_init(sut_listener *l, void *zmq, const sut_listener_options *opt);
/* Listens and watches the sockets from `loop`. -EADDRINUSE: somebody else has the address. */
SUT_MUST_CHECK sut_status sut_listener_start(sut_listener *l, sut_loop *loop);
void sut_listener_deinit(sut_listener *l, int linger_ms); /* idempotent */

/* One received message: its first part; a peer has no business to send more, and those were thrown away. */
typedef struct sut_received {
    zmq_msg_t body; /* close it with zmq_msg_close */
    uint32_t route;
    bool route_ours; /* the routing id is one that the broker assigned */
    bool multipart;
} sut_received;
/* 0, -EAGAIN when there is none, or another negative status. */
SUT_MUST_CHECK sut_status sut_listener_receive(sut_listener *l, sut_received *out);
/* Never blocks. -EAGAIN: the peer's pipe is full; -EHOSTUNREACH: there is no such route. A frame of SUT_FLIGHT_MIN
 * bytes or more is not copied: the malloc'd bytes are libzmq's then, and `*taken` is true. */
SUT_MUST_CHECK sut_status sut_listener_send(sut_listener *l, uint32_t route, sut_flight *flight, uint8_t *bytes,
                                            size_t len, bool *taken);

/* The connection that a message came over, if it is still open and nobody else's; NULL otherwise. Reads the monitor
 * first, so that the answer is not older than the message. */
sut_connection *sut_listener_connection(sut_listener *l, zmq_msg_t *msg);
void sut_connection_claim(sut_connection *c, void *peer);
/* Ends the connection `fd` of `peer` in both directions, if it is still theirs. */
void sut_listener_cut(sut_listener *l, int fd, const void *peer);

#endif
