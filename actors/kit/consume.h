/* From a delivery to its answer. Private to the kit. */
#ifndef SUT_KIT_CONSUME_H
#define SUT_KIT_CONSUME_H

#include "kit/event.h"
#include "kit/task.h"
#include "request.h"

#include "sut.h"

struct sut_runtime;
struct sut_buf;

/* What consumers ask of the bus. Tests put another in its place. */
typedef struct sut_delivery_port sut_delivery_port;
struct sut_delivery_port {
    sut_status (*subscribe)(void *bus, const sut_subscribe *opt, sut_subscription **out);
    sut_subscription *(*end)(sut_subscription *s);
    void (*pause)(sut_subscription *s, void (*done)(void *arg), void *arg);
    const sut_envelope *(*envelope)(const sut_delivery *d);
    void (*ack)(sut_delivery *d);
    void (*nack)(sut_delivery *d, uint32_t delay_ms, sut_str code, sut_str message);
    void (*term)(sut_delivery *d, sut_str code, sut_str message);
    void (*progress)(sut_delivery *d);
    bool (*stale)(const sut_delivery *d);
    void *bus;
};
sut_delivery_port sut_delivery_port_of(sut_client *client); /* libsut's */

/* What a request knows of the event that it is about; in its arena. */
typedef struct sut_consuming {
    const sut_consumer_entry *entry;
    sut_delivery *delivery; /* NULL in tests */
    sut_request_event event;
    uint32_t ack_wait_ms;
    bool recorded;   /* (group, generation, id) is in the database, by a transaction of ours or an earlier one */
    bool unreadable; /* the body breaks its schema: no use to try again */
} sut_consuming;

/* Subscribes each group; deliveries come from then on. */
SUT_MUST_CHECK sut_status sut_consumers_start(struct sut_runtime *rt, const sut_delivery_port *port);
/* No new ones; `done` runs once, perhaps before this returns, when those in hand are answered. */
void sut_consumers_pause(struct sut_runtime *rt, void (*done)(void *arg), void *arg);
void sut_consumers_free(struct sut_runtime *rt); /* before the client */
/* Appends to the reply of NAME.health: a list of {group, subjects, up, taken, failed, unreadable, running}. */
SUT_MUST_CHECK sut_status sut_consumers_describe(const struct sut_runtime *rt, struct sut_buf *out);

/* Decodes the body and runs the handler. */
sut_status sut_consume_event(sut_request *rq, sut_str body);

/* For pg_tx.c: in a consumer's first transaction, records the event in it; *seen: it was recorded before. */
SUT_MUST_CHECK sut_status sut_consume_record(sut_request *rq, sut_pg_tx *tx, bool *seen);
void sut_consume_committed(sut_request *rq);

extern const sut_periodic sut_consumed_cleaner; /* removes what is older than SUT_CONSUMED_DAYS */

#endif
