#include "gate/limiter.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(limiter, .timeout = 30);

#define T0 (1000 * SUT_NS_PER_S)

static sut_limiter *make(const char *rules)
{
    char error[256];
    sut_limiter *l = NULL;
    cr_assert_eq(sut_limiter_new(&l, rules, error, sizeof(error)), 0, "%s", error);
    return l;
}

static bool take(sut_limiter *l, const char *klass, const char *client, uint64_t now_ns)
{
    return sut_limiter_take(l, klass, sut_str_from(client), now_ns).allowed;
}

Test(limiter, allows_a_burst_then_the_sustained_rate)
{
    sut_limiter *l = make("login=3/30");
    for (int i = 0; i < 3; i++)
        cr_assert(take(l, "login", "a", T0));
    cr_assert_not(take(l, "login", "a", T0));
    cr_assert_not(take(l, "login", "a", T0 + 9 * SUT_NS_PER_S));
    cr_assert(take(l, "login", "a", T0 + 10 * SUT_NS_PER_S));
    cr_assert_not(take(l, "login", "a", T0 + 10 * SUT_NS_PER_S));
    for (int i = 0; i < 3; i++)
        cr_assert(take(l, "login", "a", T0 + 100 * SUT_NS_PER_S));
    cr_assert_not(take(l, "login", "a", T0 + 100 * SUT_NS_PER_S));
    sut_limiter_free(l);
}

Test(limiter, a_refused_request_costs_nothing_and_says_when_to_come_back)
{
    sut_limiter *l = make("login=1/10");
    cr_assert(take(l, "login", "a", T0));
    for (int i = 0; i < 100; i++)
        cr_assert_not(take(l, "login", "a", T0 + SUT_NS_PER_S));
    sut_limit_verdict v = sut_limiter_take(l, "login", SUT_STR("a"), T0 + SUT_NS_PER_S);
    cr_assert_eq(v.retry_after_ms, 9000);
    cr_assert_eq(v.limit, 1);
    cr_assert_eq(v.remaining, 0);
    cr_assert(take(l, "login", "a", T0 + 10 * SUT_NS_PER_S));
    sut_limiter_free(l);
}

Test(limiter, remaining_counts_down)
{
    sut_limiter *l = make("login=5/50");
    for (uint32_t left = 5; left-- > 0;)
        cr_assert_eq(sut_limiter_take(l, "login", SUT_STR("a"), T0).remaining, left);
    sut_limiter_free(l);
}

Test(limiter, clients_and_classes_do_not_share)
{
    sut_limiter *l = make("login=1/10,register=1/10");
    cr_assert(take(l, "login", "a", T0));
    cr_assert(take(l, "login", "b", T0));
    cr_assert(take(l, "register", "a", T0));
    cr_assert_not(take(l, "register", "a", T0));
    sut_limiter_free(l);
}

Test(limiter, a_class_without_a_rule_has_that_of_default)
{
    sut_limiter *l = make("default=1/10");
    cr_assert(take(l, "search", "a", T0));
    cr_assert_not(take(l, "search", "a", T0));
    cr_assert_not(take(l, NULL, "a", T0));
    sut_limiter_free(l);
    l = make("login=1/10");
    for (int i = 0; i < 50; i++)
        cr_assert(take(l, "search", "a", T0));
    sut_limiter_free(l);
}

Test(limiter, off_limits_nothing)
{
    sut_limiter *l = make("off");
    for (int i = 0; i < 1000; i++) {
        sut_limit_verdict v = sut_limiter_take(l, "login", SUT_STR("a"), T0);
        cr_assert(v.allowed && v.limit == 0);
    }
    sut_limiter_free(l);
}

Test(limiter, one_client_is_held_while_a_hundred_thousand_others_come)
{
    sut_limiter *l = make("default=2/1000");
    char name[32];
    cr_assert(take(l, "x", "held", T0));
    cr_assert(take(l, "x", "held", T0));
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(name, sizeof(name), "10.%d.%d.%d", i >> 16, (i >> 8) & 255, i & 255);
        cr_assert(take(l, "x", name, T0));
    }
    cr_assert_not(take(l, "x", "held", T0), "twenty thousand fit the table beside it");
    sut_limiter_free(l);
}

Test(limiter, wrong_rules_are_named)
{
    static const char *const wrong[] = {"x",       "a=1",   "a=1/",   "a=/1",         "=1/1",     "a=0/1",
                                        "a=1/0",   "a=b/1", "a=1/b",  "a=1/1,a=2/2",  "a=1/1/1",  "a=-1/1",
                                        "a=1/1,,", "OFF",   "a=1 /1", "a=10000000/1", "a=1/90000"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(wrong); i++) {
        char error[256] = "";
        sut_limiter *l = NULL;
        cr_assert_neq(sut_limiter_new(&l, wrong[i], error, sizeof(error)), 0, "%s", wrong[i]);
        cr_assert(strstr(error, "SUT_RATE_LIMITS"), "%s", error);
        cr_assert_null(l);
    }
}
