/* Wilcoxon's signed-rank test over pairs of requests (Biometrics Bulletin 1, 1945): it asks nothing of the distribution
 * of times, and what the machine does meanwhile hits both of a pair. */
#include "timing_test.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define PAIRS_ROUND 300
#define SURE        4.5 /* standard deviations: one run in 150,000 fails by chance */

typedef struct time_pair {
    double known_ns, other_ns;
} time_pair;

typedef struct time_rank {
    double size;
    bool positive;
} time_rank;

static int by_size(const void *a, const void *b)
{
    const time_rank *x = a, *y = b;
    return (x->size > y->size) - (x->size < y->size);
}

static int by_number(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The signed ranks as a normal deviate: how far from chance the known ones would be slower if each took `more_ns` more.
 */
static double deviate(const time_pair *pairs, size_t count, double more_ns)
{
    static time_rank ranks[TIMING_PAIRS_MAX];
    double sum = 0, n = (double)count;
    for (size_t i = 0; i < count; i++) {
        const double d = pairs[i].known_ns + more_ns - pairs[i].other_ns;
        ranks[i] = (time_rank){fabs(d), d > 0};
    }
    qsort(ranks, count, sizeof *ranks, by_size);
    for (size_t i = 0; i < count; i++)
        sum += ranks[i].positive ? (double)(i + 1) : 0;
    return (sum - n * (n + 1) / 4) / sqrt(n * (n + 1) * (2 * n + 1) / 24);
}

static double median_of_others(const time_pair *pairs, size_t count)
{
    static double times[TIMING_PAIRS_MAX];
    for (size_t i = 0; i < count; i++)
        times[i] = pairs[i].other_ns;
    qsort(times, count, sizeof *times, by_number);
    return times[count / 2];
}

static double time_of(sut_request *rq, sut_status expected, timing_ask ask, bool known, size_t i)
{
    uint64_t start = sut_now_ns();
    sut_status st = ask(rq, known, i);
    double took = (double)(sut_now_ns() - start);
    cr_assert_eq(st, expected, "pair %zu was answered %d", i, st);
    return took;
}

void timing_assert_same(sut_request *rq, sut_status expected, timing_ask ask)
{
    static time_pair pairs[TIMING_PAIRS_MAX];
    size_t count = 0;
    uint64_t state = 7;
    bool told_apart = false;
    for (size_t i = 0; i < 10; i++) /* connections, statements, caches */
        (void)time_of(rq, expected, ask, false, TIMING_PAIRS_MAX + i);
    while (count < TIMING_PAIRS_MAX && !told_apart) {
        for (int i = 0; i < PAIRS_ROUND; i++, count++) {
            const bool known_first = sut_prng(&state) & 1;
            if (known_first)
                pairs[count].known_ns = time_of(rq, expected, ask, true, count);
            pairs[count].other_ns = time_of(rq, expected, ask, false, count);
            if (!known_first)
                pairs[count].known_ns = time_of(rq, expected, ask, true, count);
        }
        told_apart = deviate(pairs, count, median_of_others(pairs, count) / 4) > SURE;
    }
    cr_assert(told_apart, "on a busy machine it takes more pairs until a quarter more would be seen; these were too few");
    const double z = deviate(pairs, count, 0);
    cr_assert(fabs(z) < SURE, "the times of known and unknown ones differ: z = %.1f", z);
}
