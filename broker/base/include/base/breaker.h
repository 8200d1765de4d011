/* Circuit breaker around one dependency: a pure state machine over (event, now). Closed, it counts results in a rolling
 * window of `buckets` slices; at or past `error_percent` of at least `min_volume` calls it opens; after `reset_ms` it
 * lets one probe through (half-open), whose result closes or opens it. (M. Nygard, Release It!; the seed: 3000 ms, 50
 * %, 30 s.) Not thread-safe: one a loop, or under the owner's lock. */
#ifndef SUT_BASE_BREAKER_H
#define SUT_BASE_BREAKER_H

#include "base/status.h"

typedef struct sut_breaker_options {
    uint32_t window_ms;     /* 10000 */
    uint32_t min_volume;    /* 20 */
    uint32_t error_percent; /* 50 */
    uint32_t reset_ms;      /* 30000 */
} sut_breaker_options;
#define SUT_BREAKER_DEFAULTS ((sut_breaker_options){10000, 20, 50, 30000})

typedef enum { SUT_BREAKER_CLOSED, SUT_BREAKER_OPEN, SUT_BREAKER_HALF_OPEN } sut_breaker_state;

#define SUT_BREAKER_BUCKETS 10
typedef struct sut_breaker {
    sut_breaker_options opt;
    sut_breaker_state state;
    uint64_t opened_ns, probe_ns;
    bool probing;
    uint64_t opened_total, refused_total;
    struct {
        uint64_t slice;
        uint32_t ok, failed;
    } bucket[SUT_BREAKER_BUCKETS];
} sut_breaker;

void sut_breaker_init(sut_breaker *b, sut_breaker_options opt);
/* May a call go out now? False: refuse it as unavailable; `*retry_after_ms` (may be NULL) says when to try again. */
bool sut_breaker_allow(sut_breaker *b, uint64_t now_ns, uint32_t *retry_after_ms);
/* Result of an allowed call. `failed`: timeouts, connection errors, internal errors; not overload nor caller's errors.
 */
void sut_breaker_result(sut_breaker *b, uint64_t now_ns, bool failed);
/* An allowed call ended without saying anything of the dependency (cancelled, overloaded): gives the probe back. */
void sut_breaker_release(sut_breaker *b);
const char *sut_breaker_state_name(sut_breaker_state s); /* "closed", "open", "half-open" */

#endif
