#include "sights.h"
#include "broker.h"

void sut_sights_watch(sut_broker *b, sut_watcher who, uint32_t kinds)
{
    uint32_t all = 0;

    b->sights.kinds[who] = kinds;
    for (size_t i = 0; i < SUT_WATCHERS; i++)
        all |= b->sights.kinds[i];
    sut_core_watch(b->core, all);
}

void sut_sights_on_seen(void *broker, sut_sight *sight)
{
    sut_broker *b = broker;

    if (b->sights.kinds[SUT_WATCHER_TAPS] & sight->kind)
        sut_tap_hub_see(b->taps.hub, b->now_ns, sight);
    if (b->sights.kinds[SUT_WATCHER_CAPTURE] & sight->kind)
        sut_capturing_see(b, sight);
}
