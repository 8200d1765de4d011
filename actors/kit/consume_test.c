/* Consumers: one effect an event, however often it is delivered. */
#include "consume.h"

#include "fixture_test.h"

#include "kit/event.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const sut_pg_stmt s_make = {"make_steps", "CREATE TABLE steps (user_id bigint, n bigint)", 0};
static const sut_pg_stmt s_put = {"put_step", "INSERT INTO steps VALUES ($1, $2)", 2};
static const sut_pg_stmt s_slow = {"slow", "SELECT pg_sleep(0.2)::text", 0};

static int s_runs;
static bool s_slowly;
static int s_fail_with;
static sut_request_event s_seen;

static sut_status effect(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    const fix_step *step = arg;
    const sut_pg_result *r;
    s_runs++;
    sut_status st = 0;
    if (s_slowly)
        st = sut_pg_exec(tx, &s_slow, SUT_PG_NO_PARAMS, &r);
    if (!st)
        st = sut_pg_queue(tx, &s_put, SUT_PG_PARAMS(sut_pg_i64(step->user_id), sut_pg_i64(step->n)));
    if (!st && s_fail_with)
        st = sut_fail(rq, s_fail_with, "not now");
    return st;
}

static sut_status on_stepped(sut_request *rq, const void *event)
{
    const sut_request_event *d = sut_request_delivery(rq);
    cr_assert_not_null(d);
    s_seen = *d;
    fix_step step = *(const fix_step *)event;
    return sut_pg_tx_run(rq, effect, &step);
}

static const sut_consumer s_consumer = {.name = "fix.stepped",
                                        .service = "fix",
                                        .group = "fix-steps",
                                        .event = &fix_stepped,
                                        .ack_wait_ms = 5000,
                                        .doc = ""};
static const sut_consumer_entry s_entries[] = {{&s_consumer, on_stepped}};

static void run(sut_request_fn body)
{
    sut_test_postgres p;
    sut_actor_options opt = fix_pg_options;
    opt.consumers = s_entries;
    opt.consumer_count = SUT_ARRAY_LEN(s_entries);
    fix_run_pg(&opt, body, &p);
}

static sut_test_delivery of(const uint8_t *id, uint32_t generation)
{
    return (sut_test_delivery){.event_id = id, .generation = generation};
}

static const char *steps(void *p)
{
    return sut_test_postgres_sql(p, "SELECT count(*) FROM steps");
}

static const uint8_t s_id[SUT_EVENT_ID_LEN] = {1, 2, 3}, s_other[SUT_EVENT_ID_LEN] = {4};

static sut_status once(sut_request *rq, void *p)
{
    const fix_step step = {.user_id = 7, .n = 1};
    sut_test_delivery first = of(s_id, 1), next = of(s_other, 1), replay = of(s_id, 2);
    cr_assert_eq(sut_pg_run(rq, &s_make, SUT_PG_NO_PARAMS, NULL), 0);
    cr_assert_null(sut_request_delivery(rq));
    cr_assert_eq(sut_test_deliver(rq, &s_consumer, &step, &first, NULL), 0);
    cr_assert_eq(s_seen.generation, 1);
    cr_assert_eq(s_seen.attempt, 1);
    cr_assert_eq(memcmp(s_seen.id, s_id, sizeof(s_id)), 0);
    cr_assert_str_eq(s_seen.group, "fix-steps");
    cr_assert_eq(sut_test_deliver(rq, &s_consumer, &step, &first, NULL), 0, "acknowledged again");
    cr_assert_eq(s_runs, 1, "without running");
    cr_assert_str_eq(steps(p), "1");
    cr_assert_eq(sut_test_deliver(rq, &s_consumer, &step, &next, NULL), 0);
    cr_assert_eq(sut_test_deliver(rq, &s_consumer, &step, &replay, NULL), 0);
    cr_assert_str_eq(steps(p), "3", "another event, and another generation, are others");
    return 0;
}

Test(consume, an_event_has_one_effect, .timeout = 60)
{
    run(once);
}

static sut_status failing(sut_request *rq, void *p)
{
    const fix_step step = {.user_id = 7, .n = 1}, broken = {.user_id = 7, .n = 0};
    sut_test_delivery d = of(s_id, 1);
    sut_error_body error;
    cr_assert_eq(sut_pg_run(rq, &s_make, SUT_PG_NO_PARAMS, NULL), 0);
    s_fail_with = SUT_ERR_CONFLICT;
    cr_assert_eq(sut_test_deliver(rq, &s_consumer, &step, &d, &error), SUT_ERR_CONFLICT);
    cr_assert(sut_str_is(error.code, "conflict"));
    cr_assert(sut_str_is(error.message, "not now"));
    cr_assert_str_eq(steps(p), "0");
    cr_assert_str_eq(sut_test_postgres_sql(p, "SELECT count(*) FROM sut_consumed"), "0", "not recorded either");
    s_fail_with = 0;
    cr_assert_eq(sut_test_deliver(rq, &s_consumer, &step, &d, NULL), 0);
    cr_assert_str_eq(steps(p), "1");
    d.event_id = s_other;
    cr_assert_eq(sut_test_deliver(rq, &s_consumer, &broken, &d, &error), SUT_ERR_INVALID);
    cr_assert_eq(error.error_count, 1);
    return 0;
}

Test(consume, a_failed_delivery_leaves_nothing_and_may_come_again, .timeout = 60)
{
    run(failing);
}

static sut_status deliver(sut_request *rq, void *arg)
{
    const fix_step step = {.user_id = 7, .n = 1};
    sut_test_delivery d = of(s_id, 1);
    *(sut_status *)arg = sut_test_deliver(rq, &s_consumer, &step, &d, NULL);
    return 0;
}

static sut_status together(sut_request *rq, void *p)
{
    sut_status results[5] = {-1, -1, -1, -1, -1};
    cr_assert_eq(sut_pg_run(rq, &s_make, SUT_PG_NO_PARAMS, NULL), 0);
    s_slowly = true;
    fix_all(rq, deliver, results, SUT_ARRAY_LEN(results), sizeof(results[0]));
    for (size_t i = 0; i < SUT_ARRAY_LEN(results); i++)
        cr_assert_eq(results[i], 0);
    cr_assert_eq(s_runs, 1, "the others waited for its commit");
    cr_assert_str_eq(steps(p), "1");
    return 0;
}

Test(consume, deliveries_of_one_event_at_a_time_have_one_effect, .timeout = 60)
{
    run(together);
}

static sut_status cleaned(sut_request *rq, void *p)
{
    sut_test_postgres_sql(p, "INSERT INTO sut_consumed SELECT 'fix-steps', 1, int8send(i), now() - interval '31 days' "
                             "FROM generate_series(1, 2500) i RETURNING 1");
    sut_test_postgres_sql(p, "INSERT INTO sut_consumed SELECT 'fix-steps', 1, int8send(i), now() - interval '29 days' "
                             "FROM generate_series(3001, 3010) i RETURNING 1");
    cr_assert_eq(sut_consumed_cleaner.fn(rq, NULL), 0);
    cr_assert_str_eq(sut_test_postgres_sql(p, "SELECT count(*) FROM sut_consumed"), "10");
    return 0;
}

Test(consume, what_no_journal_holds_any_more_is_forgotten, .timeout = 60)
{
    run(cleaned);
}
