/* Taps in the daemon: who may attach one, what of that is journalled, and the hub's way to peers and journal. */
#ifndef SUT_APP_TAPS_H
#define SUT_APP_TAPS_H

#include "journal/service.h"
#include "tap/tap.h"
#include "wire/envelope.h"

struct sut_broker;

#define SUT_TAP_READ_TAG (UINT64_C(1) << 63) /* reads of taps, among those of the core */

typedef struct sut_taps {
    sut_tap_hub *hub;
    sut_arena *arena;
    uint64_t refused_total, unaudited_total;
} sut_taps;

SUT_MUST_CHECK sut_status sut_taps_init(struct sut_broker *b);
void sut_taps_deinit(struct sut_broker *b); /* idempotent; while journal and peers are still there */

/* The core's ops.tap and ops.untap. */
void sut_taps_on_tap(void *broker, uint64_t session, const sut_envelope *env);
void sut_taps_on_untap(void *broker, uint64_t session, uint64_t id);
void sut_taps_session_ended(struct sut_broker *b, uint64_t session);
void sut_taps_access_changed(struct sut_broker *b);
void sut_taps_read_done(struct sut_broker *b, uint64_t tag, sut_status status, sut_journal_batch *batch);

#endif
