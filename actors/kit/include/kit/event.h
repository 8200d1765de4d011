/* Events for handlers: publishing by a transactional outbox, and consuming.
 *
 * Publishing. The event is a row in the transaction that causes it; nothing is published if that does not commit, and
 * nothing is lost once it has. There is no way for a handler to publish beside its transaction.
 *
 *     auth_user_registered ev = {.user_id = id, …};
 *     sut_status st = sut_emit(rq, tx, &auth_user_registered_event, &ev, NULL);
 *
 * Consuming. A schema's `consumes:` gives a handler; sut_actor_options lists NAME_consumer_entries.
 *
 *     sut_status user_on_registered(sut_request *rq, const auth_user_registered *event);
 *
 * It runs in a fiber as a call's handler does (principal, trace and deadline are the delivery's). Returning 0
 * acknowledges; anything else comes again later and at last becomes a dead letter, with the words of sut_fail. The
 * first transaction that it opens by sut_pg_tx_run records (group, generation, event id) with its effect: delivered
 * again, the transaction's function does not run, and sut_pg_tx_run returns 0. So all effects of a consumer belong into
 * that one transaction; stores without transactions are written by versioned upserts. */
#ifndef SUT_KIT_EVENT_H
#define SUT_KIT_EVENT_H

#include "kit/pg.h"

typedef struct sut_emit_options {
    int64_t not_before_us; /* 0: at once */
} sut_emit_options;

/* Inserts the event into the outbox. `body` points to a struct of event->body; the event's id is minted here. Lock what
 * the key names before (SELECT … FOR UPDATE, or the UPDATE that causes the event), so that events of one key are
 * numbered as they happened. Principal and trace are the request's. SUT_ERR_INTERNAL if the body breaks its schema or
 * is another service's. */
SUT_MUST_CHECK sut_status sut_emit(sut_request *rq, sut_pg_tx *tx, const sut_event *event, const void *body,
                                   const sut_emit_options *opt);

/* In a consumer's handler: what was delivered. */
typedef struct sut_request_event {
    const sut_event *event;
    const char *group;
    uint64_t sequence;
    uint8_t id[SUT_EVENT_ID_LEN];
    int64_t published_us;
    uint32_t attempt, generation;
    bool replayed; /* history told again: send no mail */
} sut_request_event;
const sut_request_event *sut_request_delivery(const sut_request *rq); /* NULL in a call or background function */
/* More time for this delivery, when work takes long. */
void sut_request_progress(sut_request *rq);

#endif
