/* The timer wheel against a plain list: it fires each timer once, never early, at most a millisecond late. */
#include "wheel.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define TIMERS 400

static core_wheel *new_wheel(void)
{
    core_wheel *w = malloc(sizeof(*w));
    cr_assert_not_null(w);
    core_wheel_init(w);
    return w;
}

Test(wheel, fires_when_due_and_not_before, .timeout = 10)
{
    core_wheel *w = new_wheel();
    core_timer t = {.kind = CORE_TIMER_CALL};
    cr_assert_eq(core_wheel_next_ns(w), SUT_NEVER);
    core_wheel_arm(w, &t, 10 * SUT_NS_PER_MS + 1);
    cr_assert_eq(core_wheel_next_ns(w), 11 * SUT_NS_PER_MS);
    cr_assert_null(core_wheel_pop(w, 11 * SUT_NS_PER_MS - 1));
    cr_assert_eq(core_wheel_pop(w, 11 * SUT_NS_PER_MS), &t);
    cr_assert_null(core_wheel_pop(w, 12 * SUT_NS_PER_MS));
    cr_assert_eq(core_wheel_next_ns(w), SUT_NEVER);
    free(w);
}

Test(wheel, a_cancelled_timer_leaves_no_alarm, .timeout = 10)
{
    core_wheel *w = new_wheel();
    core_timer t = {0};
    core_wheel_arm(w, &t, 5 * SUT_NS_PER_S);
    core_wheel_cancel(w, &t);
    core_wheel_cancel(w, &t);
    cr_assert_eq(core_wheel_next_ns(w), SUT_NEVER);
    cr_assert_null(core_wheel_pop(w, 10 * SUT_NS_PER_S));
    free(w);
}

Test(wheel, a_timer_in_the_past_fires_within_a_millisecond, .timeout = 10)
{
    core_wheel *w = new_wheel();
    core_timer t = {0};
    uint64_t now = 100 * SUT_NS_PER_S;
    cr_assert_null(core_wheel_pop(w, now));
    core_wheel_arm(w, &t, now - SUT_NS_PER_S);
    cr_assert_eq(core_wheel_pop(w, now + SUT_NS_PER_MS), &t);
    free(w);
}

/* Popping one timer may cancel another that is due at the same time. */
Test(wheel, a_due_timer_can_still_be_cancelled, .timeout = 10)
{
    core_wheel *w = new_wheel();
    core_timer a = {0}, b = {0};
    core_wheel_arm(w, &a, SUT_NS_PER_MS);
    core_wheel_arm(w, &b, SUT_NS_PER_MS);
    cr_assert_eq(core_wheel_pop(w, SUT_NS_PER_S), &a);
    cr_assert_eq(core_wheel_next_ns(w), 0);
    core_wheel_cancel(w, &b);
    cr_assert_null(core_wheel_pop(w, SUT_NS_PER_S));
    cr_assert_eq(core_wheel_next_ns(w), SUT_NEVER);
    free(w);
}

static void arm_somewhere(core_wheel *w, core_timer *t, uint64_t *at, uint64_t now, uint64_t *seed)
{
    *at = now + 1 + sut_prng(seed) % (60 * SUT_NS_PER_S);
    core_wheel_arm(w, t, *at);
}

Test(wheel, agrees_with_a_list_also_over_jumps, .timeout = 30)
{
    core_wheel *w = new_wheel();
    static core_timer timers[TIMERS];
    static uint64_t at[TIMERS];
    uint64_t seed = 7, now = 12345678901;
    for (size_t i = 0; i < TIMERS; i++)
        arm_somewhere(w, &timers[i], &at[i], now, &seed);
    for (int round = 0; round < 20000; round++) {
        uint64_t dice = sut_prng(&seed) % 1000;
        now += dice == 0 ? sut_prng(&seed) % (200 * SUT_NS_PER_S) : sut_prng(&seed) % (9 * SUT_NS_PER_MS);
        for (core_timer *t; (t = core_wheel_pop(w, now));) {
            size_t i = (size_t)(t - timers);
            cr_assert_leq(at[i], now);
            arm_somewhere(w, t, &at[i], now, &seed);
        }
        size_t victim = sut_prng(&seed) % TIMERS;
        arm_somewhere(w, &timers[victim], &at[victim], now, &seed);
        for (size_t i = 0; i < TIMERS; i++)
            cr_assert_gt(at[i] + SUT_NS_PER_MS, now, "timer %zu is late", i);
        cr_assert_leq(core_wheel_next_ns(w), now + 61 * SUT_NS_PER_S);
    }
    free(w);
}
