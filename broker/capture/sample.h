/* Which sights the loop hands over at all: pure arithmetic, so that the loop never waits and never pays for more than
 * its allowance. A sight is of one of three classes, each with an allowance of its own:
 *   sampled  its trace is one of the one in N, told by the trace id alone, so all of a trace or nothing. When they are
 *            too many for the allowance, N doubles for a while: still whole traces, only fewer.
 *   urgent   an error, a slow call, a delivery that failed.
 *   recent   everything else: kept in memory for a while, for the case that its trace turns out to be urgent. */
#ifndef SUT_CAPTURE_SAMPLE_H
#define SUT_CAPTURE_SAMPLE_H

#include "wire/sight.h"

#define SAMPLE_WINDOW_US 10000
#define SAMPLE_SHIFT_MAX 20

typedef enum { SAMPLE_PASS, SAMPLE_RECENT, SAMPLE_SAMPLED, SAMPLE_URGENT, SAMPLE_CLASSES } sample_class;

typedef struct sampler {
    uint32_t one_in; /* 0: no head sampling */
    uint64_t slow_us;
    bool flagged;       /* traces whose flags say sampled are */
    uint32_t allowance; /* sights a window, for each class */
    uint32_t shift;     /* one in (one_in << shift), for now */
    uint64_t below;     /* hashes below that are sampled: a division a call would be felt */
    int64_t window;     /* number of it */
    uint32_t used[SAMPLE_CLASSES];
    uint32_t quiet;        /* windows with room for twice as many */
    uint64_t passed_total; /* beyond an allowance */
} sampler;

void sampler_init(sampler *s, uint32_t one_in, uint64_t slow_us, bool flagged, uint32_t sights_per_second);
/* Is this trace (traceparent) one of those that are sampled? */
bool sampler_picks(const sampler *s, sut_str traceparent);
/* Of a call that begins: RECENT, SAMPLED, or PASS: then only an urgent end of it is wanted. */
sample_class sampler_pick(sampler *s, sut_str traceparent, int64_t at_us);
/* What becomes of a sight; PASS: nothing. Of calls `picked` must be what sampler_pick said. */
sample_class sampler_judge(sampler *s, const sut_sight *sight);

#endif
