/* Who in the daemon is told of what passes, and of which kinds: the core is asked for all that somebody needs. */
#ifndef SUT_APP_SIGHTS_H
#define SUT_APP_SIGHTS_H

#include "wire/sight.h"

struct sut_broker;

typedef enum sut_watcher { SUT_WATCHER_TAPS, SUT_WATCHER_CAPTURE, SUT_WATCHERS } sut_watcher;

typedef struct sut_sights {
    uint32_t kinds[SUT_WATCHERS];
} sut_sights;

/* This watcher needs these kinds from now on (SUT_SIGHT_… or'ed; 0: none). */
void sut_sights_watch(struct sut_broker *b, sut_watcher who, uint32_t kinds);
/* The core's ops.picks and ops.seen. */
uint8_t sut_sights_on_picks(void *broker, const sut_envelope *env);
void sut_sights_on_seen(void *broker, sut_sight *sight);

#endif
