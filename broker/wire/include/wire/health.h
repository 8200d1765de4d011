/* Body of the answer to SERVICE.health, which every actor serves and the edge asks for once a second:
 * {state: "up"|"degraded"|"down"|"unknown", items: [{name, state, required, detail?}]}. */
#ifndef SUT_WIRE_HEALTH_H
#define SUT_WIRE_HEALTH_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/health.h"

typedef struct sut_health_report {
    sut_health_state overall;
    sut_health_item items[SUT_HEALTH_MAX]; /* since_us is not told: 0 */
    size_t count;                          /* items past SUT_HEALTH_MAX are left out */
} sut_health_report;

/* Appends what this process knows of its dependencies (base/health.h). */
SUT_MUST_CHECK sut_status sut_health_body_encode(sut_buf *out);
/* -EBADMSG if it is not such a body. Texts that are too long for an item are cut at its size. */
SUT_MUST_CHECK sut_status sut_health_body_decode(sut_arena *a, sut_str body, sut_health_report *out);

#endif
