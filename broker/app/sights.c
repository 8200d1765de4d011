#include "sights.h"
#include "broker.h"

#define CALLS          (SUT_SIGHT_CALL | SUT_SIGHT_REPLY | SUT_SIGHT_ERROR)
#define PICKED_BY_TAPS 0x80

_Static_assert((SUT_CAPTURE_PICKED & PICKED_BY_TAPS) == 0, "each has bits of its own");

void sut_sights_watch(sut_broker *b, sut_watcher who, uint32_t kinds)
{
    uint32_t all = 0;

    b->sights.kinds[who] = kinds;
    for (size_t i = 0; i < SUT_WATCHERS; i++)
        all |= b->sights.kinds[i];
    sut_core_watch(b->core, all);
}

/* Taps look at all calls: the bit is theirs, the others are the capture's. */
uint8_t sut_sights_on_picks(void *broker, const sut_envelope *env)
{
    sut_broker *b = broker;
    uint8_t picked = b->sights.kinds[SUT_WATCHER_TAPS] & CALLS ? PICKED_BY_TAPS : 0;

    if (b->sights.kinds[SUT_WATCHER_CAPTURE])
        picked |= sut_capturing_pick(b, env);
    return picked;
}

void sut_sights_on_seen(void *broker, sut_sight *sight)
{
    sut_broker *b = broker;

    if (b->sights.kinds[SUT_WATCHER_TAPS] & sight->kind)
        sut_tap_hub_see(b->taps.hub, b->now_ns, sight);
    if (b->sights.kinds[SUT_WATCHER_CAPTURE] & sight->kind)
        sut_capturing_see(b, sight);
}
