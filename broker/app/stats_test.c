/* Rates, reasons, services and the log budget. */
#include "stats.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(stats, .timeout = 20);

Test(stats, a_rate_is_of_the_last_ten_full_seconds)
{
    sut_rate r = {0};

    for (uint64_t s = 100; s < 110; s++)
        sut_rate_add(&r, s * SUT_NS_PER_S + 5, 30);
    sut_rate_add(&r, 110 * SUT_NS_PER_S, 1000); /* the running second does not count yet */
    cr_assert_eq(sut_rate_get(&r, 110 * SUT_NS_PER_S + 10), 30.0);
    cr_assert_eq(sut_rate_get(&r, 115 * SUT_NS_PER_S), 115.0 /* (5 × 30 + 1000) / 10 */);
    cr_assert_eq(sut_rate_get(&r, 200 * SUT_NS_PER_S), 0.0);
}

Test(stats, reasons_past_the_last_slot_are_other)
{
    static char names[100][8];
    sut_reasons r = {0};

    for (int i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "r%d", i);
        sut_reasons_add(&r, names[i]);
    }
    sut_reasons_add(&r, "r0");
    cr_assert_eq(sut_reasons_get(&r, "r0"), 2);
    cr_assert_eq(sut_reasons_get(&r, "r99"), 0);
    cr_assert_eq(sut_reasons_get(&r, "other"), 100 - (SUT_STATS_REASONS - 1));
}

Test(stats, services_are_learnt_from_replies_only)
{
    sut_stats s;
    char subject[32];
    const sut_service_stats *v;

    cr_assert_eq(sut_stats_init(&s, 0), 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(subject, sizeof subject, "nobody%d.x", i);
        sut_stats_finished(&s, sut_str_from(subject), 0, 1000, "no_such_service");
    }
    cr_assert_eq(sut_strmap_count(s.services), 0);
    sut_stats_finished(&s, SUT_STR("user.profile_get"), 0, 3000000, NULL);
    sut_stats_finished(&s, SUT_STR("user.profile_put"), 0, 5000000, "overloaded");
    v = sut_strmap_get(s.services, SUT_STR("user"));
    cr_assert_not_null(v);
    cr_assert_eq(v->replies, 1);
    cr_assert_eq(v->errors, 1);
    cr_assert_geq(sut_histogram_quantile_us(&v->latency, 0.99), 5000);
    for (int i = 0; i < 1000; i++) {
        snprintf(subject, sizeof subject, "s%d.x", i);
        sut_stats_finished(&s, sut_str_from(subject), 0, 1000, NULL);
    }
    cr_assert_eq(sut_strmap_count(s.services), (size_t)SUT_STATS_SERVICES);
    sut_stats_deinit(&s);
    sut_stats_deinit(&s);
}

Test(stats, log_lines_are_bounded_a_second)
{
    sut_stats s;
    int lines = 0;

    cr_assert_eq(sut_stats_init(&s, 0), 0);
    for (int i = 0; i < 1000; i++)
        lines += sut_stats_may_log(&s, 5 * SUT_NS_PER_S + (uint64_t)i);
    cr_assert_eq(lines, SUT_LOG_LINES_A_SEC);
    cr_assert(sut_stats_may_log(&s, 6 * SUT_NS_PER_S));
    sut_stats_deinit(&s);
}
