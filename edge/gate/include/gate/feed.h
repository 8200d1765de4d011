/* Keeps the revocations current. It subscribes to session.revoked first, then loads auth.revocations page by page: what
 * is revoked meanwhile is in one of them, or in both. From then on each event adds one, and each marker of the stream
 * says that all of them have come. After a gap it loads again. Without a marker for SUT_REVOCATIONS_STALE_MS tokens are
 * refused. All of it runs on the loop's thread. */
#ifndef SUT_GATE_FEED_H
#define SUT_GATE_FEED_H

#include "base/loop.h"
#include "gate/revocations.h"
#include "sut.h"

typedef struct sut_feed sut_feed;

/* What it asks of the bus. Tests put another in its place. */
typedef struct sut_feed_bus {
    sut_status (*call)(void *bus, const sut_call *call, sut_result_fn fn, void *arg);
    sut_status (*subscribe)(void *bus, const sut_subscribe *opt, sut_subscription **out);
    sut_subscription *(*unsubscribe)(sut_subscription *s);
    const sut_envelope *(*envelope)(const sut_delivery *d);
    void (*ack)(sut_delivery *d);
    void *bus;
} sut_feed_bus;
sut_feed_bus sut_feed_bus_of(sut_client *client); /* libsut's */

/* Starts at once. Reports the health of "revocations". */
SUT_MUST_CHECK sut_status sut_feed_new(sut_feed **out, sut_loop *loop, const sut_feed_bus *bus, sut_revocations *table);
/* Ends the subscription: no callback comes any more but those of calls, so before the client is freed … */
void sut_feed_stop(sut_feed *f);
/* … and this after it. NULL is fine. Returns NULL. */
sut_feed *sut_feed_free(sut_feed *f);

#endif
