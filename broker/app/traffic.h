/* Messages in, envelopes out: between the listeners and the core. */
#ifndef SUT_APP_TRAFFIC_H
#define SUT_APP_TRAFFIC_H

#include "broker.h"

extern const sut_core_ops sut_traffic_ops; /* `app` is the sut_broker */

/* Reads a bounded batch from a port and lets the core work on it. True if there may be more. */
bool sut_traffic_receive(sut_broker *b, sut_broker_port *port);
/* Must follow whatever may have called the core: closes doomed peers, answers broker.*, sends, arms timers. */
void sut_traffic_settle(sut_broker *b);
/* The same, once this turn is over: for what comes in many small pieces. */
void sut_traffic_soon(sut_broker *b);
bool sut_traffic_on_soon(sut_hook *h, void *broker);
/* Queues for the session's peer, as the core's outputs do; nothing if it has none. */
void sut_traffic_send(sut_broker *b, uint64_t session, const sut_envelope *env);
/* The same with a frame of encoded envelopes, whose malloc'd bytes it takes over. False: it was not taken, for enough
 * waits for that peer. */
bool sut_traffic_send_frame(sut_broker *b, uint64_t session, uint8_t *bytes, size_t len, uint32_t envelopes);
/* sut_listener.on_gone. */
void sut_traffic_on_gone(void *broker, void *peer);
/* Logs and counts a refusal before there was a session. */
void sut_traffic_refused(sut_broker *b, const char *reason, const char *what, sut_str name);

#endif
