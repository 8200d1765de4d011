/* Redis from fibers, on a real server. */
#include "kit/redis.h"

#include "fixture_test.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static sut_status commands(sut_request *rq, void *arg)
{
    sut_test_redis *server = arg;
    sut_kit_redis_answer a;
    cr_assert_eq(SUT_KIT_REDIS(rq, &a, SUT_STR("SET"), SUT_STR("k"), ((sut_str){"a\0 b\r\n", 6})), 0);
    cr_assert(sut_str_is(a.s, "OK"));
    cr_assert_eq(SUT_KIT_REDIS(rq, &a, SUT_STR("GET"), SUT_STR("k")), 0);
    cr_assert(sut_str_eq(a.s, ((sut_str){"a\0 b\r\n", 6})));
    cr_assert_eq(SUT_KIT_REDIS(rq, &a, SUT_STR("GET"), SUT_STR("nothing")), 0);
    cr_assert_eq(a.type, SUT_KIT_REDIS_NIL);
    cr_assert_eq(SUT_KIT_REDIS(rq, &a, SUT_STR("RPUSH"), SUT_STR("l"), SUT_STR("x"), SUT_STR("y")), 0);
    cr_assert_eq(a.i, 2);
    cr_assert_eq(SUT_KIT_REDIS(rq, &a, SUT_STR("LRANGE"), SUT_STR("l"), SUT_STR("0"), SUT_STR("-1")), 0);
    cr_assert_eq(a.count, 2);
    cr_assert(sut_str_is(a.items[1].s, "y"));
    cr_assert_eq(SUT_KIT_REDIS(rq, &a, SUT_STR("INCR"), SUT_STR("l")), SUT_ERR_INTERNAL, "WRONGTYPE is our fault");
    sut_test_redis_stop(server);
    sut_status st = SUT_KIT_REDIS(rq, NULL, SUT_STR("GET"), SUT_STR("k"));
    cr_assert(st == SUT_ERR_UNAVAILABLE || st == SUT_ERR_OUTCOME_UNKNOWN, "%d", st);
    sut_test_redis_again(server);
    uint64_t end = sut_now_ns() + 5 * SUT_NS_PER_S;
    while ((st = SUT_KIT_REDIS(rq, NULL, SUT_STR("PING"))) != 0 && sut_now_ns() < end)
        cr_assert_eq(sut_request_sleep_ms(rq, 10), 0);
    cr_assert_eq(st, 0, "it did not come back: %d", st);
    return 0;
}

static sut_status versions(sut_request *rq, void *arg)
{
    (void)arg;
    bool newer = false;
    sut_kit_redis_answer a;
    const sut_kit_redis_field one[] = {{SUT_STR("name"), SUT_STR("ada")}, {SUT_STR("city"), SUT_STR("London")}};
    const sut_kit_redis_field two[] = {{SUT_STR("name"), SUT_STR("lovelace")}};
    cr_assert_eq(sut_kit_redis_put_newer(rq, SUT_STR("p"), 2, one, 2, 0, &newer), 0);
    cr_assert(newer);
    cr_assert_eq(sut_kit_redis_put_newer(rq, SUT_STR("p"), 2, two, 1, 0, &newer), 0);
    cr_assert_not(newer, "the same version again");
    cr_assert_eq(sut_kit_redis_put_newer(rq, SUT_STR("p"), 1, two, 1, 0, &newer), 0);
    cr_assert_not(newer, "older news");
    cr_assert_eq(SUT_KIT_REDIS(rq, &a, SUT_STR("HGET"), SUT_STR("p"), SUT_STR("name")), 0);
    cr_assert(sut_str_is(a.s, "ada"));
    cr_assert_eq(sut_kit_redis_put_newer(rq, SUT_STR("p"), 9007199254740992, two, 1, 60000, &newer), 0);
    cr_assert(newer);
    cr_assert_eq(SUT_KIT_REDIS(rq, &a, SUT_STR("HLEN"), SUT_STR("p")), 0);
    cr_assert_eq(a.i, 2, "exactly these fields, and the version");
    cr_assert_eq(SUT_KIT_REDIS(rq, &a, SUT_STR("PTTL"), SUT_STR("p")), 0);
    cr_assert(a.i > 0 && a.i <= 60000);
    cr_assert_eq(sut_kit_redis_put_newer(rq, SUT_STR("p"), 5, NULL, 0, 0, &newer), 0);
    cr_assert_not(newer);
    cr_assert_eq(sut_kit_redis_put_newer(rq, SUT_STR("q"), 3, NULL, 0, 0, NULL), 0);
    cr_assert_eq(SUT_KIT_REDIS(rq, &a, SUT_STR("HLEN"), SUT_STR("q")), 0);
    cr_assert_eq(a.i, 1, "gone, but for its version");
    return 0;
}

Test(redis, a_newer_version_wins_in_whatever_order_they_come, .timeout = 40)
{
    sut_test_redis server;
    sut_test_redis_start(&server);
    setenv("FIX_REDIS_URL", server.url, 1);
    sut_actor_options o = fix_options;
    o.redis_setting = "FIX_REDIS_URL";
    sut_status st = sut_test_actor(&o, versions, &server);
    sut_test_redis_remove(&server);
    cr_assert_eq(st, 0);
}

Test(redis, commands_answers_and_a_restart, .timeout = 40)
{
    sut_test_redis server;
    sut_test_redis_start(&server);
    setenv("FIX_REDIS_URL", server.url, 1);
    sut_actor_options o = fix_options;
    o.redis_setting = "FIX_REDIS_URL";
    sut_status st = sut_test_actor(&o, commands, &server);
    sut_test_redis_remove(&server);
    cr_assert_eq(st, 0);
}
