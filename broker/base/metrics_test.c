/* Metrics and the histogram's error bound. */
#include "base/clock.h"
#include "base/metrics.h"

#include <criterion/criterion.h>
#include <pthread.h>

static sut_histogram s_hist;

static uint64_t only(uint64_t us)
{
    memset(&s_hist, 0, sizeof s_hist);
    sut_histogram_record_us(&s_hist, us);
    sut_histogram_record_us(&s_hist, UINT64_MAX / 4); /* so that the edge is not cut by the largest value */
    return sut_histogram_quantile_us(&s_hist, 0.5);
}

Test(metrics, the_error_is_below_one_sixteenth_up_to_64_s, .timeout = 10)
{
    uint64_t seed = 5;
    for (uint64_t us = 0; us < 5000; us++) {
        uint64_t got = only(us);
        cr_assert(got >= us && got - us <= us / 16, "%lu came back as %lu", (unsigned long)us, (unsigned long)got);
    }
    for (int i = 0; i < 20000; i++) {
        uint64_t us = sut_prng(&seed) % (UINT64_C(64000000) >> (i % 20)), got = only(us);
        cr_assert(got >= us && got - us <= us / 16, "%lu came back as %lu", (unsigned long)us, (unsigned long)got);
    }
}

Test(metrics, quantiles_of_a_known_distribution, .timeout = 5)
{
    cr_assert_eq(sut_histogram_quantile_us(&s_hist, 0.5), 0, "empty");
    for (uint64_t us = 1; us <= 10000; us++)
        sut_histogram_record_us(&s_hist, us);
    static const double q[] = {0.01, 0.5, 0.9, 0.99, 0.999};
    for (size_t i = 0; i < SUT_ARRAY_LEN(q); i++) {
        double got = (double)sut_histogram_quantile_us(&s_hist, q[i]), want = q[i] * 10000;
        cr_assert(got >= want && got <= want * 1.0625, "q %.3f: %.0f", q[i], got);
    }
    cr_assert_eq(sut_histogram_quantile_us(&s_hist, 1), 10000, "never above the largest value seen");
    cr_assert_eq(sut_histogram_quantile_us(&s_hist, 0), 1);
    cr_assert_eq(s_hist.count, 10000);
    cr_assert_eq(s_hist.sum_us, 50005000);
}

Test(metrics, values_past_the_end_are_kept, .timeout = 5)
{
    sut_histogram_record_us(&s_hist, UINT64_MAX);
    sut_histogram_record_us(&s_hist, UINT64_C(1) << 31);
    cr_assert_eq(sut_histogram_quantile_us(&s_hist, 0.5), UINT64_MAX);
}

static sut_metric s_calls = {.name = "test_calls_total", .help = "calls"};
static sut_metric s_depth = {.name = "test_depth", .help = "depth", .kind = SUT_GAUGE};

static void *add_many(void *arg)
{
    for (int i = 0; i < 50000; i++) {
        sut_metric_add(arg, 1);
        sut_histogram_record_us(&s_hist, (uint64_t)i);
    }
    return NULL;
}

static void sum_up(const sut_metric *m, void *arg)
{
    *(int64_t *)arg += sut_metric_get(m);
}

Test(metrics, updates_of_several_threads_add_up, .timeout = 10)
{
    sut_metric_register(&s_calls);
    sut_metric_register(&s_depth);
    sut_metric_set(&s_depth, 7);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, add_many, &s_calls), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    int64_t sum = 0;
    sut_metric_each(sum_up, &sum);
    cr_assert_eq(sum, 150007);
    cr_assert_eq(s_hist.count, 150000);
    cr_assert_eq(s_hist.max_us, 49999);
}
