/* Wilcoxon's signed ranks over pairs of one request of each kind, one right after the other: what the machine does
 * meanwhile hits both. */
#include "timing_test.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define PAIRS_ROUND 300
#define ROUNDS_MAX  6
#define WARM        10 /* connections, statements, caches */

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

/* As a normal deviate: how far from chance the known ones would be slower if each took `more_ns` more. */
static double deviate(const time_pair *pairs, size_t count, double more_ns)
{
    static time_rank ranks[PAIRS_ROUND * ROUNDS_MAX];
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
    static double times[PAIRS_ROUND * ROUNDS_MAX];
    for (size_t i = 0; i < count; i++)
        times[i] = pairs[i].other_ns;
    qsort(times, count, sizeof *times, by_number);
    return times[count / 2];
}

static time_pair measure(sut_request *rq, fix_time_fn one, size_t i, bool known_first)
{
    time_pair pair;
    if (known_first)
        pair.known_ns = one(rq, true, i);
    pair.other_ns = one(rq, false, i);
    if (!known_first)
        pair.known_ns = one(rq, true, i);
    return pair;
}

void fix_equal_time(sut_request *rq, fix_time_fn one)
{
    static time_pair pairs[PAIRS_ROUND * ROUNDS_MAX];
    size_t count = 0;
    uint64_t state = 7;
    bool told_apart = false;
    for (size_t i = 0; i < WARM; i++)
        (void)measure(rq, one, PAIRS_ROUND * ROUNDS_MAX + i, true);
    for (int round = 0; round < ROUNDS_MAX && !told_apart; round++) {
        for (int i = 0; i < PAIRS_ROUND; i++, count++)
            pairs[count] = measure(rq, one, count, sut_prng(&state) & 1);
        told_apart = deviate(pairs, count, median_of_others(pairs, count) / 4) > 4.5;
    }
    cr_assert(told_apart, "a quarter more would have been seen");
    const double z = deviate(pairs, count, 0);
    cr_assert(fabs(z) < 4.5, "the times of known and unknown ones differ: z = %.1f", z);
}
