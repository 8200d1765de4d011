/* The breaker's walk through its states. */
#include "base/breaker.h"
#include "base/clock.h"

#include <criterion/criterion.h>

#define MS SUT_NS_PER_MS

static sut_breaker fresh(void)
{
    sut_breaker b;
    sut_breaker_init(&b,
                     (sut_breaker_options){.window_ms = 1000, .min_volume = 10, .error_percent = 50, .reset_ms = 500});
    return b;
}

static void results(sut_breaker *b, uint64_t now_ns, int ok, int failed)
{
    for (int i = 0; i < ok; i++)
        sut_breaker_result(b, now_ns, false);
    for (int i = 0; i < failed; i++)
        sut_breaker_result(b, now_ns, true);
}

Test(breaker, it_opens_at_the_share_of_failures_and_never_below_the_volume, .timeout = 5)
{
    sut_breaker b = fresh();
    results(&b, 5000 * MS, 0, 9);
    cr_assert_eq(b.state, SUT_BREAKER_CLOSED, "nine of nine are too few to judge");
    results(&b, 5000 * MS, 0, 1);
    cr_assert_eq(b.state, SUT_BREAKER_OPEN);
    b = fresh();
    results(&b, 5000 * MS, 60, 59);
    cr_assert_eq(b.state, SUT_BREAKER_CLOSED);
    results(&b, 5000 * MS, 0, 1);
    cr_assert_eq(b.state, SUT_BREAKER_OPEN);
    cr_assert_eq(b.opened_total, 1);
}

Test(breaker, failures_leave_the_window, .timeout = 5)
{
    sut_breaker b = fresh();
    results(&b, 5000 * MS, 0, 9);
    results(&b, 6150 * MS, 0, 9);
    cr_assert_eq(b.state, SUT_BREAKER_CLOSED, "the first nine are older than the window");
    results(&b, 7050 * MS, 0, 1);
    cr_assert_eq(b.state, SUT_BREAKER_OPEN, "nine of 900 ms ago and this one");
    b = fresh();
    results(&b, 5000 * MS, 0, 9);
    results(&b, 500000 * MS, 0, 9); /* the same bucket, many turns of the window later */
    cr_assert_eq(b.state, SUT_BREAKER_CLOSED);
}

static sut_breaker opened_at(uint64_t now_ns)
{
    sut_breaker b = fresh();
    results(&b, now_ns, 0, 10);
    cr_assert_eq(b.state, SUT_BREAKER_OPEN);
    return b;
}

Test(breaker, open_it_refuses_and_says_for_how_long, .timeout = 5)
{
    sut_breaker b = opened_at(5000 * MS);
    uint32_t retry = 0;
    cr_assert_not(sut_breaker_allow(&b, 5100 * MS, &retry));
    cr_assert_eq(retry, 400);
    cr_assert_not(sut_breaker_allow(&b, 5500 * MS - 1, &retry));
    cr_assert_eq(retry, 1, "rounded up: never told to come back too early");
    cr_assert_not(sut_breaker_allow(&b, 5500 * MS - 1, NULL));
    cr_assert_eq(b.refused_total, 3);
    sut_breaker_result(&b, 5200 * MS, false);
    cr_assert_eq(b.state, SUT_BREAKER_OPEN, "a late result of an earlier call says nothing");
}

Test(breaker, one_probe_decides, .timeout = 5)
{
    sut_breaker b = opened_at(5000 * MS);
    uint32_t retry = 7;
    cr_assert(sut_breaker_allow(&b, 5500 * MS, &retry));
    cr_assert_eq(retry, 0);
    cr_assert_eq(b.state, SUT_BREAKER_HALF_OPEN);
    cr_assert_not(sut_breaker_allow(&b, 5501 * MS, &retry), "one at a time");
    cr_assert_gt(retry, 0);
    sut_breaker_result(&b, 5502 * MS, true);
    cr_assert_eq(b.state, SUT_BREAKER_OPEN);
    cr_assert_not(sut_breaker_allow(&b, 5600 * MS, NULL), "the wait starts anew");
    cr_assert(sut_breaker_allow(&b, 6002 * MS, NULL));
    sut_breaker_result(&b, 6003 * MS, false);
    cr_assert_eq(b.state, SUT_BREAKER_CLOSED);
    cr_assert(sut_breaker_allow(&b, 6003 * MS, NULL));
    results(&b, 6004 * MS, 0, 9);
    cr_assert_eq(b.state, SUT_BREAKER_CLOSED, "what was counted before it opened is forgotten");
}

Test(breaker, a_probe_can_be_given_back_or_lost, .timeout = 5)
{
    sut_breaker b = opened_at(5000 * MS);
    cr_assert(sut_breaker_allow(&b, 5500 * MS, NULL));
    sut_breaker_release(&b);
    cr_assert(sut_breaker_allow(&b, 5501 * MS, NULL), "given back: the next one probes");
    cr_assert_not(sut_breaker_allow(&b, 5900 * MS, NULL));
    cr_assert(sut_breaker_allow(&b, 6001 * MS, NULL), "its result never came");
    cr_assert_str_eq(sut_breaker_state_name(b.state), "half-open");
    cr_assert_str_eq(sut_breaker_state_name(SUT_BREAKER_OPEN), "open");
    cr_assert_str_eq(sut_breaker_state_name(SUT_BREAKER_CLOSED), "closed");
    b = fresh();
    sut_breaker_release(&b);
    cr_assert_eq(b.state, SUT_BREAKER_CLOSED);
}
