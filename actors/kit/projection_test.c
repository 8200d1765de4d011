/* Rebuilding a projection: snapshot, what came after, comparison, swap; on a bus that the test plays. */
#include "kit/projection.h"

#include "fixture_test.h"
#include "stream.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct sut_delivery {
    sut_envelope env;
    bool acked;
    sut_buf body;
};

static sut_subscribe s_sub;
static int s_opened, s_ended, s_page_calls;
static sut_status s_page_fails;

static sut_status subscribe(void *bus, const sut_subscribe *opt, sut_subscription **out)
{
    (void)bus;
    cr_assert_null(opt->group);
    s_sub = *opt;
    s_opened++;
    *out = (sut_subscription *)&s_sub;
    return 0;
}

static sut_subscription *end(sut_subscription *s)
{
    (void)s;
    s_ended++;
    return NULL;
}

static const sut_envelope *envelope(const sut_delivery *d)
{
    return &d->env;
}

static void ack(sut_delivery *d)
{
    cr_assert_not(d->acked);
    d->acked = true;
}

static const sut_delivery_port s_bus = {.subscribe = subscribe, .end = end, .envelope = envelope, .ack = ack};

/* ---- the projection: of a user the highest n, which is its version as well ---- */

static const sut_pg_stmt s_make = {"proj_make",
                                   "CREATE TABLE steps_copy (user_id bigint PRIMARY KEY, n bigint NOT NULL)", 0};
static const sut_pg_stmt s_drop = {"proj_drop", "DROP TABLE IF EXISTS steps_fresh", 0};
static const sut_pg_stmt s_empty = {"proj_empty", "CREATE TABLE steps_fresh (LIKE steps_copy INCLUDING ALL)", 0};
static const sut_pg_stmt s_put = {"proj_put",
                                  "INSERT INTO steps_fresh AS f VALUES ($1, $2) ON CONFLICT (user_id) DO UPDATE SET n ="
                                  " excluded.n WHERE f.n < excluded.n",
                                  2};
static const sut_pg_stmt s_compare = {"proj_compare",
                                      "SELECT count(*) FILTER (WHERE c.n IS NULL), count(*) FILTER (WHERE f.n IS "
                                      "NULL), count(*) FILTER (WHERE f.n <> c.n)"
                                      " FROM steps_fresh f FULL JOIN steps_copy c USING (user_id)",
                                      0};
static const sut_pg_stmt s_gone = {"proj_gone", "DROP TABLE steps_copy", 0};
static const sut_pg_stmt s_rename = {"proj_rename", "ALTER TABLE steps_fresh RENAME TO steps_copy", 0};

static sut_status fresh(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    (void)rq;
    (void)arg;
    sut_status st = sut_pg_queue(tx, &s_drop, SUT_PG_NO_PARAMS);
    return st ? st : sut_pg_queue(tx, &s_empty, SUT_PG_NO_PARAMS);
}

/* The owner has users 1 to 5, with n 10 × user; a page holds two. */
static sut_status page(sut_request *rq, sut_projection_page *p)
{
    s_page_calls++;
    if (s_page_fails)
        return sut_fail(rq, s_page_fails, "the owner is away");
    sut_status st = 0;
    for (p->rows = 0; !st && p->rows < 2 && p->after < 5; p->rows++) {
        p->after++;
        st = sut_pg_run(rq, &s_put, SUT_PG_PARAMS(sut_pg_i64(p->after), sut_pg_i64(10 * p->after)), NULL);
    }
    p->more = p->after < 5;
    return st;
}

static sut_status apply(sut_request *rq, const sut_event *event, const void *body)
{
    const fix_step *step = body;
    cr_assert_eq(event, &fix_stepped);
    return sut_pg_run(rq, &s_put, SUT_PG_PARAMS(sut_pg_i64(step->user_id), sut_pg_i64(step->n)), NULL);
}

static sut_status swap(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    (void)rq;
    const sut_pg_result *r;
    sut_projection_diff *diff = arg;
    sut_status st = sut_pg_exec(tx, &s_compare, SUT_PG_NO_PARAMS, &r);
    if (st)
        return st;
    *diff = (sut_projection_diff){sut_pg_get_i64(r, 0, 0), sut_pg_get_i64(r, 0, 1), sut_pg_get_i64(r, 0, 2)};
    st = sut_pg_queue(tx, &s_gone, SUT_PG_NO_PARAMS);
    return st ? st : sut_pg_queue(tx, &s_rename, SUT_PG_NO_PARAMS);
}

static const sut_event *const s_events[] = {&fix_stepped};
static const sut_projection s_projections[] = {{.name = "steps",
                                                .events = s_events,
                                                .event_count = 1,
                                                .fresh = fresh,
                                                .page = page,
                                                .apply = apply,
                                                .swap = swap}};

static void run(sut_request_fn body)
{
    sut_test_postgres p;
    sut_actor_options opt = fix_pg_options;
    opt.projections = s_projections;
    opt.projection_count = SUT_ARRAY_LEN(s_projections);
    fix_run_pg(&opt, body, &p);
}

/* ---- the broker's side ---- */

static void until_opened(sut_request *rq, int count)
{
    while (s_opened < count)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
}

static void notice(sut_sub_news news, uint64_t position)
{
    const sut_sub_notice n = {.news = news, .position = position, .text = SUT_STR("why")};
    s_sub.on_notice(s_sub.arg, &n);
}

static void deliver(sut_delivery *d, int64_t user_id, int64_t n, uint64_t sequence)
{
    const fix_step step = {.user_id = user_id, .n = n};
    *d = (sut_delivery){0};
    sut_buf_init(&d->body, 0);
    cr_assert_eq(sut_record_encode(&fix_step_record, &step, &d->body), 0);
    d->env = (sut_envelope){.subject = SUT_STR("fix.stepped"),
                            .body = {(const char *)d->body.data, d->body.len},
                            .opt = {.sequence = sequence}};
    s_sub.on_event(s_sub.arg, d);
}

static sut_projection_status until_over(sut_request *rq)
{
    sut_projection_status status;
    do {
        cr_assert_eq(sut_request_sleep_ms(rq, 2), 0);
        cr_assert_eq(sut_projection_look(rq, SUT_STR("steps"), &status), 0);
    } while (sut_str_is(status.state, "running"));
    return status;
}

static void begin(sut_request *rq)
{
    rq->runtime->deliveries = &s_bus;
    cr_assert_eq(sut_pg_run(rq, &s_make, SUT_PG_NO_PARAMS, NULL), 0);
}

static sut_status rebuilt(sut_request *rq, void *p)
{
    sut_delivery d[3];
    sut_projection_status status;
    begin(rq);
    cr_assert_eq(sut_projection_rebuild(rq, SUT_STR("nothing")), SUT_ERR_NOT_FOUND);
    cr_assert_eq(sut_projection_look(rq, SUT_STR("steps"), &status), 0);
    cr_assert(sut_str_is(status.state, "idle"));
    /* The live copy lost user 1, has a wrong n for user 2, and an 8 that nobody knows. */
    sut_test_postgres_sql(p, "INSERT INTO steps_copy VALUES (2, 3), (3, 30), (4, 40), (5, 50), (8, 1)");

    cr_assert_eq(sut_projection_rebuild(rq, SUT_STR("steps")), 0);
    cr_assert_eq(sut_projection_rebuild(rq, SUT_STR("steps")), SUT_ERR_CONFLICT, "one at a time");
    until_opened(rq, 1);
    cr_assert_eq(s_sub.start, SUT_START_END);
    cr_assert_eq(s_page_calls, 0, "the end is noted before the snapshot");
    notice(SUT_SUB_UP, 100);
    until_opened(rq, 2);
    cr_assert_eq(s_page_calls, 3);
    cr_assert_eq(s_sub.start, SUT_START_SEQUENCE);
    cr_assert_eq(s_sub.start_sequence, 100);
    notice(SUT_SUB_UP, 100);
    deliver(&d[0], 4, 7, 100);  /* older than the snapshot */
    deliver(&d[1], 5, 51, 101); /* newer */
    deliver(&d[2], 6, 60, 102); /* new */
    cr_assert_eq(sut_request_sleep_ms(rq, 50), 0);
    cr_assert_eq(sut_projection_look(rq, SUT_STR("steps"), &status), 0);
    cr_assert(sut_str_is(status.state, "running"), "until a marker says that this is all");
    notice(SUT_SUB_MARKER, 102);
    status = until_over(rq);
    cr_assert(sut_str_is(status.state, "done"), "%.*s", SUT_STR_FMT(status.error));
    cr_assert(status.rows == 5 && status.replayed == 3);
    cr_assert(status.diff.missing == 2 && status.diff.extra == 1 && status.diff.different == 2);
    cr_assert_str_eq(
        sut_test_postgres_sql(p, "SELECT string_agg(user_id || ':' || n, ' ' ORDER BY user_id) FROM steps_copy"),
        "1:10 2:20 3:30 4:40 5:51 6:60");
    cr_assert_eq(s_ended, 2);
    for (int i = 0; i < 3; i++) {
        cr_assert(d[i].acked);
        sut_buf_deinit(&d[i].body);
    }
    return 0;
}

Test(projection, is_built_anew_compared_and_swapped_in, .timeout = 60)
{
    run(rebuilt);
}

static sut_status failing(sut_request *rq, void *p)
{
    sut_delivery d;
    begin(rq);
    sut_test_postgres_sql(p, "INSERT INTO steps_copy VALUES (2, 3)");
    s_page_fails = SUT_ERR_UNAVAILABLE;
    cr_assert_eq(sut_projection_rebuild(rq, SUT_STR("steps")), 0);
    until_opened(rq, 1);
    notice(SUT_SUB_UP, 100);
    sut_projection_status status = until_over(rq);
    cr_assert(sut_str_is(status.state, "failed"));
    cr_assert(sut_str_is(status.error, "the owner is away"));

    s_page_fails = 0;
    cr_assert_eq(sut_projection_rebuild(rq, SUT_STR("steps")), 0);
    until_opened(rq, 2);
    notice(SUT_SUB_UP, 100);
    until_opened(rq, 3);
    notice(SUT_SUB_UP, 100);
    deliver(&d, 5, 51, 100);
    notice(SUT_SUB_GAP, 0);
    status = until_over(rq);
    cr_assert(sut_str_is(status.state, "failed"), "what was missed cannot be made up");
    cr_assert(d.acked);
    sut_buf_deinit(&d.body);
    cr_assert_str_eq(sut_test_postgres_sql(p, "SELECT n FROM steps_copy"), "3", "the live copy is as it was");
    return 0;
}

Test(projection, a_failed_rebuild_leaves_the_live_copy_alone, .timeout = 60)
{
    run(failing);
}

static sut_status abandoned(sut_request *rq, void *p)
{
    sut_projection_status status;
    begin(rq);
    sut_test_postgres_sql(p,
                          "INSERT INTO sut_projections (name, run, state, renewed_at) VALUES ('steps', 7, 'running', "
                          "now() - interval '31 seconds')");
    cr_assert_eq(sut_projection_look(rq, SUT_STR("steps"), &status), 0);
    cr_assert(sut_str_is(status.state, "failed"));
    cr_assert_neq(status.error.len, 0);
    cr_assert_eq(sut_projection_rebuild(rq, SUT_STR("steps")), 0, "its instance is gone: another may begin");
    until_opened(rq, 1);
    sut_test_postgres_sql(p, "UPDATE sut_projections SET run = 9");
    notice(SUT_SUB_UP, 100);
    while (s_page_calls == 0)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    cr_assert_eq(sut_request_sleep_ms(rq, 100), 0);
    cr_assert_eq(s_opened, 1, "a run that was taken for dead goes no further");
    return 0;
}

Test(projection, a_run_of_an_instance_that_died_is_taken_over, .timeout = 60)
{
    run(abandoned);
}
