/* Health: order, what counts, and what happens when the table is full. */
#include "base/health.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(health, the_whole_follows_from_the_parts, .timeout = 5)
{
    cr_assert_eq(sut_health_overall(), SUT_HEALTH_UP, "nothing needed, nothing missing");
    sut_health_set("redis", true, SUT_HEALTH_UNKNOWN, NULL);
    cr_assert_eq(sut_health_overall(), SUT_HEALTH_DOWN, "required and not known to be up");
    sut_health_set("redis", true, SUT_HEALTH_UP, NULL);
    cr_assert_eq(sut_health_overall(), SUT_HEALTH_UP);
    sut_health_set("mail", false, SUT_HEALTH_DOWN, "connection refused");
    cr_assert_eq(sut_health_overall(), SUT_HEALTH_DEGRADED);
    sut_health_set("redis", true, SUT_HEALTH_DEGRADED, "slow");
    cr_assert_eq(sut_health_overall(), SUT_HEALTH_DEGRADED);
    sut_health_set("redis", true, SUT_HEALTH_DOWN, "gone");
    cr_assert_eq(sut_health_overall(), SUT_HEALTH_DOWN);
    sut_health_set("redis", true, SUT_HEALTH_UP, NULL);
    sut_health_set("mail", false, SUT_HEALTH_UP, NULL);
    cr_assert_eq(sut_health_overall(), SUT_HEALTH_UP);
}

Test(health, items_are_sorted_and_updated_in_place, .timeout = 5)
{
    sut_health_item items[SUT_HEALTH_MAX];
    sut_health_set("redis", true, SUT_HEALTH_UP, NULL);
    sut_health_set("broker", true, SUT_HEALTH_UP, NULL);
    sut_health_set("postgres", false, SUT_HEALTH_DOWN, "refused");
    cr_assert_eq(sut_health_list(items), 3);
    cr_assert_str_eq(items[0].name, "broker");
    cr_assert_str_eq(items[1].name, "postgres");
    cr_assert_str_eq(items[1].detail, "refused");
    cr_assert_str_eq(items[2].name, "redis");
    int64_t since = items[1].since_us;
    sut_health_set("postgres", false, SUT_HEALTH_DOWN, "still refused");
    cr_assert_eq(sut_health_list(items), 3);
    cr_assert_eq(items[1].since_us, since, "since when it is down, not when it was last said");
    cr_assert_str_eq(items[1].detail, "still refused");
    cr_assert_str_eq(sut_health_state_name(items[1].state), "down");
    cr_assert_str_eq(sut_health_state_name(SUT_HEALTH_DEGRADED), "degraded");
}

Test(health, a_full_table_is_never_called_healthy, .timeout = 5)
{
    sut_health_item items[SUT_HEALTH_MAX];
    char name[16];
    for (int i = 0; i < SUT_HEALTH_MAX; i++) {
        snprintf(name, sizeof name, "part-%02d", i);
        sut_health_set(name, true, SUT_HEALTH_UP, NULL);
    }
    cr_assert_eq(sut_health_overall(), SUT_HEALTH_UP);
    sut_health_set("one-more", true, SUT_HEALTH_DOWN, NULL);
    cr_assert_eq(sut_health_list(items), SUT_HEALTH_MAX);
    cr_assert_eq(sut_health_overall(), SUT_HEALTH_DEGRADED);
}
