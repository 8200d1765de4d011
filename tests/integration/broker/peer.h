/* A peer of the bus over raw libzmq: one DEALER, envelopes in and out. */
#ifndef SUT_TEST_PEER_H
#define SUT_TEST_PEER_H

#include "bus.h"
#include "wire/envelope.h"

#include <zmq.h>

typedef struct peer {
    void *socket, *monitor;
    zmq_msg_t frame;
    bool holds_frame;
    size_t at; /* in the frame */
    uint64_t next_id;
    bool answers_pings; /* true unless the test says otherwise */
} peer;

typedef struct peer_options {
    const char *name;       /* PLAIN user; NULL: no mechanism at all */
    const char *password;   /* NULL: from its secret file */
    const char *routing_id; /* NULL: the broker assigns one */
    int receive_hwm;        /* 0: libzmq's default */
    bool curve;             /* over tcp with the certificate of `name` */
    const char *server_key; /* curve: NULL: the broker's */
    const char *endpoint;   /* NULL: ipc, or tcp with curve */
} peer_options;

void peer_open(peer *p, bus *b, const peer_options *o); /* connects; nothing is said yet */
void peer_close(peer *p);

/* Opens it as `name` and says hello, with `credits` for `service` if that is not NULL; waits for welcome. */
void peer_join(peer *p, bus *b, const char *name, const char *service, int credits);

void peer_send(peer *p, const sut_envelope *env);
void peer_send_bytes(peer *p, const void *bytes, size_t len);
void peer_hello(peer *p, const char *name, const char *service, int credits);
/* The next envelope that is no ping, within timeout_ms; borrowed until the next call. False if there is none. */
bool peer_receive(peer *p, sut_envelope *out, int timeout_ms);
/* Waits for one of that kind, throwing others away. */
void peer_expect(peer *p, sut_kind kind, sut_envelope *out);

uint64_t peer_call(peer *p, const char *subject, uint32_t ttl_ms, sut_str body); /* returns its id */
void peer_reply(peer *p, const sut_envelope *call, sut_str body);
/* A call by `caller`, answered by `actor`, with its reply checked. */
void peer_round_trip(peer *caller, peer *actor, const char *subject);
/* The code of an error envelope's body, in a static buffer. */
const char *peer_error_code(const sut_envelope *env);

/* Waits until the connection has ended: refused, cut or lost. Returns the last monitor event. */
int peer_wait_end(peer *p);
bool peer_ended(peer *p); /* without waiting */

#endif
