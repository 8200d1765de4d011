/* What is handed over: whole traces, the urgent, and never more than the allowance. */
#include "sample.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(sample, .timeout = 60);

static char s_trace[SUT_TRACEPARENT_LEN + 1];

static sut_str trace(unsigned n, const char *flags)
{
    (void)snprintf(s_trace, sizeof s_trace, "00-%032x-%016x-%s", n + 1, n + 1, flags);
    return (sut_str){s_trace, SUT_TRACEPARENT_LEN};
}

static sut_sight sight(sut_sight_kind kind, unsigned n, int64_t at_us)
{
    return (sut_sight){.kind = kind, .call = n + 1, .at_us = at_us, .traceparent = trace(n, "00")};
}

Test(sample, one_in_n_by_the_trace_alone)
{
    static sampler s, other;
    unsigned picked = 0;
    sampler_init(&s, 100, 0, false, 10000);
    sampler_init(&other, 10, 0, false, 10000);
    for (unsigned i = 0; i < 100000; i++) {
        const bool yes = sampler_picks(&s, trace(i, "00"));
        picked += yes;
        cr_assert_eq(yes, sampler_picks(&s, trace(i, "01")), "flags do not count");
        cr_assert(!yes || sampler_picks(&other, trace(i, "00")), "a higher rate has all of a lower one");
        s_trace[40] = 'f';
        cr_assert_eq(yes, sampler_picks(&s, (sut_str){s_trace, SUT_TRACEPARENT_LEN}), "another span of it");
    }
    cr_assert(picked > 800 && picked < 1200, "%u of 100,000", picked);
    sampler_init(&s, 0, 0, false, 10000);
    cr_assert_not(sampler_picks(&s, trace(1, "00")));
    sampler_init(&s, 1, 0, false, 10000);
    for (unsigned i = 0; i < 1000; i++)
        cr_assert(sampler_picks(&s, trace(i, "00")));
    cr_assert_not(sampler_picks(&s, SUT_STR_NONE));
}

Test(sample, a_flag_counts_if_it_is_listened_to)
{
    static sampler s;
    sampler_init(&s, 0, 0, true, 10000);
    cr_assert(sampler_picks(&s, trace(1, "01")));
    cr_assert(sampler_picks(&s, trace(1, "0b")));
    cr_assert_not(sampler_picks(&s, trace(1, "00")));
    cr_assert_not(sampler_picks(&s, trace(1, "02")));
}

Test(sample, errors_and_slow_calls_are_urgent)
{
    static sampler s;
    sampler_init(&s, 0, 1000, false, 10000);
    sut_sight error = sight(SUT_SIGHT_ERROR, 1, 0), slow = sight(SUT_SIGHT_REPLY, 2, 0),
              quick = sight(SUT_SIGHT_REPLY, 3, 0), failed = sight(SUT_SIGHT_DELIVERY, 4, 0);
    slow.took_us = 1000;
    quick.took_us = 999;
    failed.code = SUT_STR("expired");
    cr_assert_eq(sampler_judge(&s, &error), SAMPLE_URGENT);
    cr_assert_eq(sampler_judge(&s, &slow), SAMPLE_URGENT);
    cr_assert_eq(sampler_judge(&s, &quick), SAMPLE_PASS, "an end whose begin was not picked says nothing");
    cr_assert_eq(sampler_judge(&s, &failed), SAMPLE_URGENT);
    failed.code = SUT_STR("acked");
    cr_assert_eq(sampler_judge(&s, &failed), SAMPLE_RECENT);
}

Test(sample, the_end_of_a_call_follows_its_begin)
{
    static sampler s;
    sampler_init(&s, 0, 0, false, 10000);
    sut_sight end = sight(SUT_SIGHT_REPLY, 1, 1);
    end.picked = (uint8_t)sampler_pick(&s, trace(1, "00"), 0);
    cr_assert_eq(end.picked, SAMPLE_RECENT);
    for (unsigned i = 0; i < 1000; i++)
        cr_assert_eq(sampler_judge(&s, &end), SAMPLE_RECENT, "whatever the allowance");
}

Test(sample, what_is_beyond_the_allowance_is_passed_over_and_counted)
{
    static sampler s;
    unsigned taken = 0;
    sampler_init(&s, 0, 0, false, 10000); /* 100 in ten milliseconds: 50 calls with their ends */
    for (unsigned i = 0; i < 1000; i++)
        taken += sampler_pick(&s, trace(i, "00"), 5) != SAMPLE_PASS;
    cr_assert_eq(taken, 50);
    cr_assert_eq(s.passed_total, 1900);
    const sut_sight error = sight(SUT_SIGHT_ERROR, 2000, 5);
    cr_assert_eq(sampler_judge(&s, &error), SAMPLE_URGENT, "it has an allowance of its own");
    cr_assert_eq(sampler_pick(&s, trace(1, "00"), SAMPLE_WINDOW_US), SAMPLE_RECENT);
}

Test(sample, with_too_many_sampled_traces_there_are_fewer_but_whole_ones)
{
    static sampler s;
    sampler_init(&s, 1, 0, false, 10000);
    for (unsigned window = 0; window < 20; window++)
        for (unsigned i = 0; i < 1000; i++)
            (void)sampler_pick(&s, trace(window * 1000 + i, "00"), window * (int64_t)SAMPLE_WINDOW_US);
    cr_assert(s.shift >= 4 && s.shift <= 6, "2,000 a window, 100 allowed: one in 16 to 64, is one in %u",
              1u << s.shift);
    for (unsigned window = 1; s.shift && window < 10000; window++)
        (void)sampler_pick(&s, trace(window, "00"), (20 + window) * (int64_t)SAMPLE_WINDOW_US);
    cr_assert_eq(s.shift, 0, "it comes back when it is quiet");
}
