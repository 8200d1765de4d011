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
