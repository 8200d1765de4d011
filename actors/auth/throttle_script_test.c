/* The scripts count as the table does: both are told the same histories and must give the same answers. The scripts run
 * in a real Redis as they are, but for the clock, which is an argument here. */
#include "fixture_test.h"
#include "throttle_script.h"

#include "base/clock.h"
#include "kit/redis.h"
#include "redis/redis.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CLOCK "redis.call('TIME')"

typedef struct both { /* of one history */
    auth_throttle_table table;
    const auth_bucket_rule *rules;
    const char *name; /* of its keys in Redis */
    uint64_t now_ms;
} both;

/* Too large for a fiber's stack. The caller frees it. */
static both *history(const auth_bucket_rule *rules, const char *name)
{
    both *b = calloc(1, sizeof *b);
    cr_assert_not_null(b);
    b->rules = rules;
    b->name = name;
    b->now_ms = 1700000000123;
    return b;
}

static const char *with_clock(const char *source, char *out, size_t size)
{
    const char *at = strstr(source, CLOCK);
    cr_assert(at && !strstr(at + 1, CLOCK), "the scripts ask for the time once");
    int n = snprintf(out, size, "%.*s{ARGV[#ARGV-1], ARGV[#ARGV]}%s", (int)(at - source), source, at + strlen(CLOCK));
    cr_assert(n > 0 && (size_t)n < size);
    return out;
}

static auth_bucket_key key_of(size_t i)
{
    auth_bucket_key key = {{0}};
    key.bytes[0] = key.bytes[15] = (uint8_t)(i + 1);
    return key;
}

/* Of the keys whose bits are set. */
static int64_t in_redis(sut_request *rq, const both *b, unsigned keys, bool takes)
{
    static char take[2048], refund[2048];
    static sut_redis_script scripts[2];
    sut_kit_redis_answer answer = {.i = -1};
    sut_str args[4 + 4 * AUTH_SCRIPT_ARGS_A_RULE];
    size_t n = 0, count = 0;
    if (!scripts[0].source) {
        cr_assert_eq(sut_redis_script_init(&scripts[0], with_clock(auth_throttle_refund_source, refund, 2048)), 0);
        cr_assert_eq(sut_redis_script_init(&scripts[1], with_clock(auth_throttle_take_source, take, 2048)), 0);
    }
    for (size_t i = 0; i < 2; i++)
        if (keys & 1u << i)
            args[n++] = sut_request_printf(rq, "%s:%zu", b->name, i);
    count = n;
    for (size_t i = 0; i < 2; i++) {
        const auth_bucket_rule *r = &b->rules[i];
        const uint32_t figures[AUTH_SCRIPT_ARGS_A_RULE] = {r->free, r->base_ms, r->max_ms, r->drain_ms};
        for (size_t j = 0; keys & 1u << i && j < AUTH_SCRIPT_ARGS_A_RULE; j++)
            args[n++] = sut_request_printf(rq, "%" PRIu32, figures[j]);
    }
    args[n++] = sut_request_printf(rq, "%" PRIu64, b->now_ms / 1000);
    args[n++] = sut_request_printf(rq, "%" PRIu64, b->now_ms % 1000 * 1000);
    cr_assert_eq(sut_kit_redis_eval(rq, &scripts[takes], count, args, n, &answer), 0);
    return answer.i;
}

static int64_t in_table(both *b, unsigned keys, bool takes)
{
    auth_bucket_key which[2];
    auth_bucket_rule rules[2];
    size_t n = 0;
    for (size_t i = 0; i < 2; i++)
        if (keys & 1u << i) {
            which[n] = key_of(i);
            rules[n++] = b->rules[i];
        }
    if (takes)
        return (int64_t)auth_table_take(&b->table, which, rules, n, b->now_ms);
    auth_table_refund(&b->table, which, rules, n, b->now_ms);
    return 0;
}

static int64_t alike(sut_request *rq, both *b, unsigned keys, bool takes)
{
    int64_t redis = in_redis(rq, b, keys, takes), table = in_table(b, keys, takes);
    cr_assert_eq(redis, table, "%s at %" PRIu64 ", keys %u, %s: Redis says %" PRId64 ", the table %" PRId64, b->name,
                 b->now_ms, keys, takes ? "take" : "refund", redis, table);
    return table;
}

/* ---- histories that were thought of ---- */

typedef struct step {
    uint64_t after_ms; /* the step before */
    unsigned keys;
    bool refund;
    int times;    /* so often at this moment */
    int64_t wait; /* what the last of them is told */
} step;

static const struct {
    const char *name;
    auth_bucket_rule rules[2];
    step steps[12]; /* up to times 0 */
} s_histories[] = {
    {"waits double up to the longest",
     {{.free = 3, .base_ms = 1000, .max_ms = 4000, .drain_ms = 600000},
      {.free = 100, .base_ms = 1, .max_ms = 1, .drain_ms = 1000}},
     {{0, 1, false, 4, 0},
      {0, 1, false, 1, 1000},
      {999, 1, false, 1, 1},
      {1, 1, false, 1, 0},
      {0, 1, false, 1, 2000},
      {2000, 1, false, 1, 0},
      {4000, 1, false, 1, 0},
      {3999, 1, false, 1, 1},
      {1, 1, false, 1, 0}}},
    {"drained to the free ones and past",
     {{.free = 2, .base_ms = 1000, .max_ms = 8000, .drain_ms = 10000},
      {.free = 100, .base_ms = 1, .max_ms = 1, .drain_ms = 1000}},
     {{0, 1, false, 3, 0},
      {9999, 1, false, 1, 0},
      {0, 1, false, 1, 2000},
      {10001, 1, false, 1, 0},
      {30000, 1, false, 2, 0},
      {1000000, 1, false, 3, 0},
      {0, 1, false, 1, 1000}}},
    {"all keys or none",
     {{.free = 1, .base_ms = 500, .max_ms = 500, .drain_ms = 60000},
      {.free = 3, .base_ms = 3000, .max_ms = 3000, .drain_ms = 60000}},
     {{0, 1, false, 2, 0},
      {0, 3, false, 1, 500},
      {0, 2, false, 4, 0},
      {0, 3, false, 1, 3000},
      {500, 1, false, 1, 0},
      {0, 3, false, 1, 2500}}},
    {"what is given back is free again, and no more than that",
     {{.free = 2, .base_ms = 1000, .max_ms = 9000, .drain_ms = 60000},
      {.free = 2, .base_ms = 1000, .max_ms = 9000, .drain_ms = 60000}},
     {{0, 3, true, 3, 0},
      {0, 3, false, 3, 0},
      {0, 3, false, 1, 1000},
      {0, 3, true, 1, 0},
      {0, 3, false, 1, 0},
      {0, 3, false, 1, 1000},
      {0, 3, true, 9, 0},
      {0, 3, false, 3, 0},
      {0, 3, false, 1, 1000}}},
    {"a wait that outlasts its count",
     {{.free = 0, .base_ms = 60000, .max_ms = 60000, .drain_ms = 10},
      {.free = 100, .base_ms = 1, .max_ms = 1, .drain_ms = 1000}},
     {{0, 1, false, 1, 0},
      {1000, 1, false, 1, 59000},
      {1, 1, true, 1, 0},
      {0, 1, false, 1, 0},
      {0, 1, false, 1, 60000}}},
};

static sut_status thought_of(sut_request *rq, void *arg)
{
    (void)arg;
    for (size_t h = 0; h < SUT_ARRAY_LEN(s_histories); h++) {
        both *b = history(s_histories[h].rules, s_histories[h].name);
        for (const step *s = s_histories[h].steps; s->times > 0; s++) {
            int64_t wait = 0;
            b->now_ms += s->after_ms;
            for (int i = 0; i < s->times; i++)
                wait = alike(rq, b, s->keys, !s->refund);
            cr_assert_eq(wait, s->wait, "%s, step %td: %" PRId64, b->name, s - s_histories[h].steps, wait);
        }
        free(b);
    }
    return 0;
}

Test(throttle_script, counts_as_the_table_does, .timeout = 60)
{
    fix_run(thought_of);
}

/* ---- histories that chance made ---- */

static sut_status chance(sut_request *rq, void *arg)
{
    static const uint64_t pauses[] = {0, 0, 0, 1, 7, 250, 999, 1000, 1001, 30000, 600000};
    const char *said = getenv("SUT_SEED");
    uint64_t state = said ? strtoull(said, NULL, 10) : sut_now_ns(), seed = state;
    (void)arg;
    for (int h = 0; h < 20; h++) {
        const auth_bucket_rule rules[2] = {
            {.free = (uint32_t)(sut_prng(&state) % 4), .base_ms = 1000, .max_ms = 60000, .drain_ms = 7013},
            {.free = 5, .base_ms = 1 + (uint32_t)(sut_prng(&state) % 3000), .max_ms = 20000, .drain_ms = 30000}};
        both *b = history(rules, sut_request_printf(rq, "chance %d of SUT_SEED=%" PRIu64, h, seed).ptr);
        for (int i = 0; i < 150; i++) {
            b->now_ms += pauses[sut_prng(&state) % SUT_ARRAY_LEN(pauses)];
            (void)alike(rq, b, 1 + (unsigned)(sut_prng(&state) % 3), sut_prng(&state) % 4 != 0);
        }
        free(b);
    }
    return 0;
}

Test(throttle_script, counts_as_the_table_does_whatever_happens, .timeout = 60)
{
    fix_run(chance);
}
