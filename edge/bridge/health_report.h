/* What SERVICE.health answers (actors/kit says it, docs/protocol.md documents it), as far as the edge needs it. */
#ifndef SUT_BRIDGE_HEALTH_REPORT_H
#define SUT_BRIDGE_HEALTH_REPORT_H

#include "base/arena.h"
#include "base/health.h"

typedef struct sut_health_report {
    sut_health_state overall;
    sut_health_item items[SUT_HEALTH_MAX]; /* since_us is not read: 0 */
    size_t count;                          /* items past SUT_HEALTH_MAX are left out */
} sut_health_report;

/* -EBADMSG if it is not such a body. Texts that are too long for an item are cut at its size. */
SUT_MUST_CHECK sut_status sut_health_report_decode(sut_arena *a, sut_str body, sut_health_report *out);

#endif
