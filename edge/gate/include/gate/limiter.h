/* Rate limits by class of operation and client address: GCRA (ITU-T I.371, the leaky bucket as a virtual schedule). Any
 * thread; a fixed amount of memory: of many clients the longest idle are forgotten first.
 *
 * Counts this process only. The caller sees one function, so that limits leased from Redis by all edges can stand
 * behind it later without a change to the gate. */
#ifndef SUT_GATE_LIMITER_H
#define SUT_GATE_LIMITER_H

#include "base/str.h"

#define SUT_LIMIT_CLASSES_MAX 16

typedef struct sut_limiter sut_limiter;

/* `rules` reads "login=20/60,register=10/60,default=600/60": so many requests, at once or spread, in so many seconds. A
 * class without a rule has that of "default"; without one it is not limited. "off": nothing is. On failure -EINVAL and
 * one line in `error`. */
SUT_MUST_CHECK sut_status sut_limiter_new(sut_limiter **out, const char *rules, char *error, size_t error_size);
sut_limiter *sut_limiter_free(sut_limiter *l);

typedef struct sut_limit_verdict {
    bool allowed;
    uint32_t limit, remaining; /* requests; limit 0: the class is not limited */
    uint32_t reset_s;          /* until all of the limit is there again */
    uint32_t retry_after_ms;   /* refused: when one more will be allowed */
} sut_limit_verdict;

/* Takes one of `klass` for `client` (an address as text). */
sut_limit_verdict sut_limiter_take(sut_limiter *l, const char *klass, sut_str client, uint64_t now_ns);

#endif
