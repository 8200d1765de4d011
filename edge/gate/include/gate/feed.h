/* Keeps the revocations current: asks auth.revocations every 500 ms from where the last answer ended, until there are
 * events to listen to. All of it runs on the loop's thread. */
#ifndef SUT_GATE_FEED_H
#define SUT_GATE_FEED_H

#include "base/loop.h"
#include "gate/revocations.h"
#include "sut.h"

typedef struct sut_feed sut_feed;

/* Starts at once, with a full load. Reports the health of "revocations". */
SUT_MUST_CHECK sut_status sut_feed_new(sut_feed **out, sut_loop *loop, sut_client *client, sut_revocations *table);
/* After the client was freed (its callbacks are over). NULL is fine. Returns NULL. */
sut_feed *sut_feed_free(sut_feed *f);

#endif
