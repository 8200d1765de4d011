/* The outbox's relay: from the rows that sut_emit left to the broker's journal. Private to the kit. */
#ifndef SUT_KIT_OUTBOX_H
#define SUT_KIT_OUTBOX_H

#include "request.h"
#include "sut.h"

struct sut_runtime;
typedef struct sut_outbox sut_outbox;

/* What the relay asks of the bus. Tests put another in its place. */
typedef struct sut_event_port {
    sut_status (*publish)(void *bus, const sut_publish *events, size_t count, const sut_publish_options *opt,
                          sut_published_fn fn, void *arg);
    bool (*up)(void *bus);
    uint64_t (*sessions)(void *bus); /* how many there have been: a publish is sent twice only if this grew */
    void *bus;
} sut_event_port;

/* Of libsut. */
sut_event_port sut_event_port_of(sut_client *client);

/* Starts the relay's fiber: one instance of all that share the database does the work. Health: "outbox". */
SUT_MUST_CHECK sut_status sut_outbox_start(struct sut_runtime *rt, const sut_event_port *port);
/* What can be sent at once still is; then the fiber ends. Idempotent; nothing if it was not started. */
void sut_outbox_stop(struct sut_runtime *rt);
bool sut_outbox_running(const struct sut_runtime *rt); /* its fiber has not ended */
/* After a commit that emitted. */
void sut_outbox_committed(struct sut_runtime *rt);
void sut_outbox_free(struct sut_runtime *rt); /* when no fiber is left */

typedef struct sut_outbox_status {
    bool relaying;           /* this instance is the one */
    int64_t rows, oldest_ms; /* unsent, counted up to 10,000 */
    int64_t refused, sent;   /* rows set aside; sent by this process */
} sut_outbox_status;
/* False: it does not run. */
bool sut_outbox_look(const struct sut_runtime *rt, sut_outbox_status *out);

#endif
