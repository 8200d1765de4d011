/* Sagas: killed at every point they end all done or all undone, each effect once; leases are fenced. */
#include "saga_store.h"

#include "dispatch.h"
#include "fixture_test.h"
#include "kit/call.h"

#include "base/health.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

static const sut_pg_stmt s_local = {"local", "INSERT INTO local (step) VALUES ($1)", 1};
static const sut_pg_stmt s_local_undo = {"local_undo", "DELETE FROM local WHERE step = $1", 1};
/* Another actor's, which keeps idempotency keys. */
static const sut_pg_stmt s_remote = {"remote", "INSERT INTO remote (key, delta) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                                     2};

static const char s_schema[] =
    "CREATE TABLE local (step text);\nCREATE TABLE remote (key text PRIMARY KEY, delta int);\n";
static const sut_pg_migration s_migration = {1, "0001_trip", s_schema};
static const sut_pg_migrations s_migrations = {"fix", &s_migration, 1};

static char s_kill_at[32];       /* "b:run:before" */
static sut_status s_last_result; /* of step c */
static sut_status s_undo_result; /* of the compensation of b */
static int s_transient;          /* failures of b that pass */
static bool s_hold_b, s_b_held;
static int s_b_runs;

static void maybe_die(const char *where)
{
    if (strcmp(where, s_kill_at) == 0)
        raise(SIGKILL);
}

static sut_status put_local(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    (void)rq;
    return sut_pg_exec(tx, &s_local, SUT_PG_PARAMS(sut_pg_text(sut_str_from(arg))), NULL);
}

static sut_status drop_local(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    (void)rq;
    return sut_pg_exec(tx, &s_local_undo, SUT_PG_PARAMS(sut_pg_text(sut_str_from(arg))), NULL);
}

static sut_status local_step(sut_request *rq, sut_saga_run *run, sut_pg_tx_fn fn, char *step, const char *way)
{
    char where[32];
    snprintf(where, sizeof(where), "%s:%s:before", step, way);
    maybe_die(where);
    sut_status st = sut_saga_tx(rq, run, fn, step);
    snprintf(where, sizeof(where), "%s:%s:after", step, way);
    maybe_die(where);
    return st;
}

static sut_status run_a(sut_request *rq, sut_saga_run *run)
{
    cr_assert(sut_str_is(((const fix_text *)sut_saga_context(run))->text, "to Rome"));
    return local_step(rq, run, put_local, (char[]){"a"}, "run");
}

static sut_status undo_a(sut_request *rq, sut_saga_run *run)
{
    return local_step(rq, run, drop_local, (char[]){"a"}, "back");
}

static sut_status run_b(sut_request *rq, sut_saga_run *run)
{
    s_b_runs++;
    maybe_die("b:run:before");
    if (s_transient > 0 && s_transient--)
        return sut_fail(rq, SUT_ERR_UNAVAILABLE, "not now");
    sut_status st = sut_pg_run(rq, &s_remote, SUT_PG_PARAMS(sut_pg_text(sut_saga_key(run)), sut_pg_i32(1)), NULL);
    maybe_die("b:run:after");
    if (s_hold_b) {
        s_b_held = true;
        while (s_hold_b)
            cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
        return sut_saga_tx(rq, run, put_local, (char[]){"late"});
    }
    return st;
}

static sut_status undo_b(sut_request *rq, sut_saga_run *run)
{
    maybe_die("b:back:before");
    if (s_undo_result)
        return sut_fail(rq, s_undo_result, "it will not be undone");
    sut_status st = sut_pg_run(rq, &s_remote, SUT_PG_PARAMS(sut_pg_text(sut_saga_key(run)), sut_pg_i32(-1)), NULL);
    maybe_die("b:back:after");
    return st;
}

static sut_status run_c(sut_request *rq, sut_saga_run *run)
{
    if (s_last_result)
        return sut_fail(rq, s_last_result, "no room for alice@example.com");
    return local_step(rq, run, put_local, (char[]){"c"}, "run");
}

static const sut_saga_step s_steps[] = {{.name = "a", .run = run_a, .compensate = undo_a},
                                        {.name = "b", .run = run_b, .compensate = undo_b, .attempts = 3},
                                        {.name = "c", .run = run_c}};
static const sut_saga s_trip = {"trip", s_steps, SUT_ARRAY_LEN(s_steps), &fix_text_record};
static const sut_saga *const s_sagas[] = {&s_trip};

static sut_actor_options options(void)
{
    sut_actor_options o = fix_pg_options;
    o.migrations = &s_migrations;
    o.sagas = s_sagas;
    o.saga_count = 1;
    return o;
}

static sut_saga_run *s_started;

static sut_status begin(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    fix_text context = {SUT_STR("to Rome")};
    return sut_saga_start(rq, tx, &s_trip, sut_str_from(arg), &context, &s_started);
}

static sut_status start_and_go(sut_request *rq, const char *key, sut_saga_end *end)
{
    sut_status st = sut_pg_tx_run(rq, begin, (void *)(uintptr_t)key);
    return st ? st : sut_saga_go(rq, s_started, end);
}

static sut_status travel(sut_request *rq, void *arg)
{
    (void)arg;
    sut_saga_end end;
    return start_and_go(rq, "k", &end);
}

static sut_test_postgres s_pg;

static const char *sql(const char *text)
{
    return sut_test_postgres_sql(&s_pg, text);
}

static void start_cluster(void)
{
    sut_test_postgres_start(&s_pg);
    setenv("FIX_DATABASE_URL", s_pg.url, 1);
}

static void expect(const char *status, const char *local, const char *remote)
{
    cr_assert_str_eq(sql("SELECT string_agg(status, ',') FROM sut_saga"), status, "killed at '%s'", s_kill_at);
    cr_assert_str_eq(sql("SELECT coalesce(string_agg(step, ',' ORDER BY step), '') FROM local"), local);
    cr_assert_str_eq(sql("SELECT coalesce(sum(delta), 0) FROM remote"), remote);
    cr_assert_str_eq(sql("SELECT count(*) FROM sut_saga WHERE context IS NOT NULL AND status IN ('done', 'undone')"),
                     "0");
}

/* Whoever held the lease is dead: the test says so, not the clock. The runner does the rest. */
static sut_status wait_for_end(sut_request *rq, void *arg)
{
    (void)arg;
    sql("UPDATE sut_saga SET claimed_until = now(), next_at = now()");
    while (strcmp(sql("SELECT count(*) FROM sut_saga WHERE status = 'running'"), "0") != 0)
        cr_assert_eq(sut_request_sleep_ms(rq, 20), 0);
    return 0;
}

/* Also what is not killed runs in a process of its own: the one that forks has no threads then. */
static int in_a_child(sut_request_fn body)
{
    sut_actor_options o = options();
    int status = 0;
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(sut_test_actor(&o, body, NULL) ? 1 : 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static void kill_and_resume(const char *where)
{
    snprintf(s_kill_at, sizeof(s_kill_at), "%s", where);
    int status = in_a_child(travel);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "nothing died at %s", where);
    s_kill_at[0] = 0;
    status = in_a_child(wait_for_end);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it was not taken up after %s", where);
    snprintf(s_kill_at, sizeof(s_kill_at), "%s", where); /* for what expect says */
}

static void each_point(const char *const *points, size_t count, const char *status, const char *local,
                       const char *remote)
{
    start_cluster();
    for (size_t i = 0; i < count; i++) {
        kill_and_resume(points[i]);
        expect(status, local, remote);
        sql("TRUNCATE sut_saga, local, remote");
    }
    sut_test_postgres_remove(&s_pg);
}

Test(saga, killed_on_the_way_it_gets_there, .timeout = 100)
{
    static const char *const points[] = {"a:run:before", "a:run:after",  "b:run:before",
                                         "b:run:after",  "c:run:before", "c:run:after"};
    each_point(points, SUT_ARRAY_LEN(points), "done", "a,c", "1");
}

Test(saga, killed_on_the_way_back_it_is_undone, .timeout = 100)
{
    static const char *const points[] = {"a:run:before",  "a:run:after",  "b:run:before",  "b:run:after",
                                         "b:back:before", "b:back:after", "a:back:before", "a:back:after"};
    s_last_result = SUT_ERR_NOT_FOUND;
    each_point(points, SUT_ARRAY_LEN(points), "undone", "", "0");
}

/* ---- in one process ---- */

static void run_body(sut_request_fn body)
{
    sut_actor_options o = options();
    start_cluster();
    sut_status st = sut_test_actor(&o, body, NULL);
    cr_assert_eq(st, 0, "the body returned %d", st);
    sut_test_postgres_remove(&s_pg);
}

static sut_status ends(sut_request *rq, void *arg)
{
    (void)arg;
    sut_saga_end end;
    cr_assert_eq(start_and_go(rq, "one", &end), 0);
    cr_assert_eq(end, SUT_SAGA_DONE);
    expect("done", "a,c", "1");
    cr_assert_eq(start_and_go(rq, "one", &end), SUT_ERR_CONFLICT, "the key is taken");
    sql("TRUNCATE sut_saga, local, remote");
    s_last_result = SUT_ERR_NOT_FOUND;
    cr_assert_eq(start_and_go(rq, "two", &end), SUT_ERR_NOT_FOUND, "the refusal reaches the handler");
    cr_assert_eq(end, SUT_SAGA_UNDONE);
    expect("undone", "", "0");
    cr_assert_str_eq(sql("SELECT error_code FROM sut_saga"), "not_found");
    cr_assert_str_eq(sql("SELECT count(*) FROM sut_saga WHERE sut_saga::text LIKE '%alice%'"), "0");
    cr_assert_str_eq(sql("SELECT string_agg(h->>'step' || ':' || (h->>'outcome'), ' ') FROM sut_saga,"
                         " jsonb_array_elements(history) h"),
                     "a:ok b:ok c:failed b:ok a:ok");
    return 0;
}

Test(saga, done_or_undone, .timeout = 40)
{
    run_body(ends);
}

static sut_status retries(sut_request *rq, void *arg)
{
    (void)arg;
    sut_saga_end end;
    s_transient = 2;
    cr_assert_eq(start_and_go(rq, "k", &end), SUT_ERR_OUTCOME_UNKNOWN);
    cr_assert_eq(end, SUT_SAGA_PENDING);
    cr_assert_eq(wait_for_end(rq, NULL), 0);
    expect("done", "a,c", "1");
    sql("TRUNCATE sut_saga, local, remote");
    s_transient = 3; /* as many as it has attempts */
    s_b_runs = 0;
    cr_assert_eq(start_and_go(rq, "k", &end), SUT_ERR_OUTCOME_UNKNOWN);
    cr_assert_eq(wait_for_end(rq, NULL), 0);
    cr_assert_eq(s_b_runs, 3);
    cr_assert_str_eq(sql("SELECT status FROM sut_saga"), "undone");
    cr_assert_str_eq(sql("SELECT count(*) FROM local"), "0");
    return 0;
}

Test(saga, tries_again_within_bounds, .timeout = 60)
{
    run_body(retries);
}

static sut_status slow_traveller(sut_request *rq, void *arg)
{
    (void)arg;
    sut_saga_end end;
    cr_assert_eq(start_and_go(rq, "k", &end), SUT_ERR_OUTCOME_UNKNOWN);
    cr_assert_eq(end, SUT_SAGA_PENDING, "it no longer knows");
    s_b_held = false;
    return 0;
}

static sut_status takeover(sut_request *rq, void *arg)
{
    (void)arg;
    s_hold_b = true;
    cr_assert_eq(sut_background(rq, "slow", slow_traveller, NULL, 0, 20000), 0);
    fix_until(rq, &s_b_held);
    const int64_t id = sut_saga_id(s_started); /* while its request lives */
    cr_assert_eq(s_b_runs, 1);
    const sut_pg_result *r;
    cr_assert_eq(sut_saga_claim(rq, 1, &r), 0);
    cr_assert_eq(sut_pg_rows(r), 0, "a lease that holds is left alone");
    sql("UPDATE sut_saga SET fence = fence + 1, claimed_until = now() + interval '1 minute'"); /* another instance */
    s_hold_b = false;
    while (s_b_held)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    cr_assert_str_eq(sql("SELECT count(*) FROM local WHERE step = 'late'"), "0", "the old owner committed");
    cr_assert_str_eq(sql("SELECT step FROM sut_saga"), "b");
    sut_saga_run *run;
    sut_saga_end end;
    cr_assert_eq(sut_saga_load(rq, id, 1, &run), 0);
    cr_assert_null(run);
    cr_assert_eq(sut_saga_load(rq, id, 2, &run), 0);
    cr_assert_eq(sut_saga_go(rq, run, &end), 0);
    expect("done", "a,c", "1");
    return 0;
}

Test(saga, a_lost_lease_commits_nothing, .timeout = 60)
{
    run_body(takeover);
}

/* ---- operators ---- */

static sut_status operate(sut_request *rq, const char *method, sut_str body, sut_buf *reply)
{
    const sut_service_entry *entry = sut_saga_entry(rq->runtime, sut_str_from(method));
    cr_assert_not_null(entry);
    return sut_dispatch_call(rq, entry, body, reply);
}

static bool holds(const sut_buf *b, const char *text)
{
    return memmem(b->data, b->len, text, strlen(text)) != NULL;
}

static sut_status stuck(sut_request *rq, void *arg)
{
    (void)arg;
    sut_saga_end end;
    s_last_result = s_undo_result = SUT_ERR_NOT_FOUND;
    cr_assert_eq(start_and_go(rq, "k", &end), SUT_ERR_NOT_FOUND);
    cr_assert_eq(end, SUT_SAGA_STUCK);
    expect("stuck", "a", "1");
    cr_assert_eq(sut_saga_runner.fn(rq, NULL), 0);
    sut_health_item items[SUT_HEALTH_MAX];
    size_t count = sut_health_list(items);
    bool degraded = false;
    for (size_t i = 0; i < count; i++)
        degraded |= strcmp(items[i].name, "sagas") == 0 && items[i].state == SUT_HEALTH_DEGRADED;
    cr_assert(degraded);
    sut_buf reply SUT_CLEANUP(sut_buf_deinit);
    sut_buf_init(&reply, 0);
    cr_assert_eq(operate(rq, "fix.saga_list", SUT_STR("\x81\xA6status\xA5stuck"), &reply), 0);
    cr_assert(holds(&reply, "trip"));
    sut_buf_deinit(&reply);
    sut_buf_init(&reply, 0);
    cr_assert_eq(operate(rq, "fix.saga_show", SUT_STR("\x81\xA2id\x01"), &reply), 0);
    cr_assert(holds(&reply, "not_found") && holds(&reply, "outcome") && !holds(&reply, "Rome"));
    cr_assert_eq(operate(rq, "fix.saga_show", SUT_STR("\x81\xA2id\x09"), &reply), SUT_ERR_NOT_FOUND);
    rq->principal.user_id = 5;
    cr_assert_eq(operate(rq, "fix.saga_list", SUT_STR("\x80"), &reply), SUT_ERR_FORBIDDEN);
    cr_assert_eq(operate(rq, "fix.saga_show", SUT_STR("\x81\xA2id\x01"), &reply), SUT_ERR_FORBIDDEN);
    cr_assert_eq(operate(rq, "fix.saga_retry", SUT_STR("\x81\xA2id\x01"), &reply), SUT_ERR_FORBIDDEN);
    rq->principal.user_id = 0;
    s_undo_result = 0;
    cr_assert_eq(operate(rq, "fix.saga_retry", SUT_STR("\x81\xA2id\x01"), &reply), 0);
    cr_assert_eq(wait_for_end(rq, NULL), 0);
    expect("undone", "", "0");
    cr_assert_eq(operate(rq, "fix.saga_retry", SUT_STR("\x81\xA2id\x01"), &reply), SUT_ERR_CONFLICT);
    cr_assert_null(sut_saga_entry(rq->runtime, SUT_STR("other.saga_list")));
    return 0;
}

Test(saga, stuck_until_an_operator_retries, .timeout = 40)
{
    run_body(stuck);
}

/* ---- what cannot go on ---- */

static const sut_field s_secret_field = {.name = "text",
                                         .name_len = 4,
                                         .type = SUT_T_STRING,
                                         .flags = SUT_F_REQUIRED | SUT_F_SECRET,
                                         .has_offset = UINT16_MAX};
static const sut_record s_secret_record = {"secret", &s_secret_field, 1, sizeof(fix_text), "A secret."};
static const sut_saga s_leak = {"leak", s_steps, 1, &s_secret_record};

static sut_status leak(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    (void)arg;
    fix_text context = {SUT_STR("canary")};
    return sut_saga_start(rq, tx, &s_leak, SUT_STR_NONE, &context, NULL);
}

static sut_status leave(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    (void)arg;
    fix_text context = {SUT_STR("to Rome")};
    return sut_saga_start(rq, tx, &s_trip, SUT_STR_NONE, &context, NULL);
}

static sut_status never(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    sut_status st = leave(rq, tx, arg);
    return st ? st : sut_fail(rq, SUT_ERR_NOT_FOUND, "no");
}

static sut_status limits(sut_request *rq, void *arg)
{
    (void)arg;
    cr_assert_eq(sut_pg_tx_run(rq, leak, NULL), SUT_ERR_INTERNAL);
    cr_assert_eq(sut_pg_tx_run(rq, never, NULL), SUT_ERR_NOT_FOUND);
    cr_assert_str_eq(sql("SELECT count(*) FROM sut_saga"), "0", "it is the caller's transaction");
    cr_assert_eq(sut_pg_tx_run(rq, leave, NULL), 0);
    cr_assert_eq(wait_for_end(rq, NULL), 0);
    expect("done", "a,c", "1");
    sql("TRUNCATE sut_saga, local, remote");
    sql("INSERT INTO sut_saga (name, context, step, attempt) VALUES ('trip', '\\x81a474657874a7746f20526f6d65', "
        "'gone', 0)");
    cr_assert_eq(wait_for_end(rq, NULL), 0);
    cr_assert_str_eq(sql("SELECT status || ' ' || error_code FROM sut_saga"), "stuck unknown_step");
    sql("UPDATE sut_saga SET status = 'running', step = 'b', context = '\\xc1'");
    cr_assert_eq(wait_for_end(rq, NULL), 0);
    cr_assert_str_eq(sql("SELECT status || ' ' || error_code FROM sut_saga"), "stuck unreadable_context");
    s_b_runs = 0; /* it has been claimed as often as it may, and recorded nothing: it kills its process */
    sql("UPDATE sut_saga SET status = 'running', attempt = 3, context = '\\x81a474657874a7746f20526f6d65'");
    cr_assert_eq(wait_for_end(rq, NULL), 0);
    cr_assert_str_eq(sql("SELECT status FROM sut_saga"), "undone");
    cr_assert_eq(s_b_runs, 0);
    return 0;
}

Test(saga, what_cannot_go_on, .timeout = 60)
{
    run_body(limits);
}

static sut_status wait_long(sut_request *rq, sut_saga_run *run)
{
    (void)run;
    return sut_request_sleep_ms(rq, 30000);
}

static const sut_saga_step s_slow_steps[] = {{.name = "a", .run = wait_long, .attempts = 1, .timeout_ms = 50}};
static const sut_saga s_slow = {"slow", s_slow_steps, 1, NULL};

static sut_status begin_slow(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    (void)arg;
    return sut_saga_start(rq, tx, &s_slow, SUT_STR_NONE, NULL, &s_started);
}

static sut_status times_out(sut_request *rq, void *arg)
{
    (void)arg;
    sut_saga_end end;
    uint64_t deadline = sut_request_deadline_ns(rq);
    cr_assert_eq(sut_pg_tx_run(rq, begin_slow, NULL), 0);
    cr_assert_eq(sut_saga_go(rq, s_started, &end), SUT_ERR_DEADLINE_EXCEEDED);
    cr_assert_eq(end, SUT_SAGA_UNDONE);
    cr_assert_eq(sut_request_deadline_ns(rq), deadline);
    cr_assert_eq(sut_request_sleep_ms(rq, 100), 0, "the step's deadline is gone");
    cr_assert_eq(sut_pg_tx_run(rq, begin_slow, NULL), 0);
    rq->runtime->draining = true;
    cr_assert_eq(sut_saga_go(rq, s_started, &end), SUT_ERR_OUTCOME_UNKNOWN);
    cr_assert_str_eq(sql("SELECT attempt FROM sut_saga WHERE status = 'running' AND claimed_until IS NULL"), "0",
                     "a drain hands it over at once");
    return 0;
}

Test(saga, a_step_has_its_time, .timeout = 40)
{
    run_body(times_out);
}

/* ---- many instances ---- */

static sut_status leave_often(sut_request *rq, void *arg)
{
    (void)arg;
    for (int i = 0; i < 30; i++)
        cr_assert_eq(sut_pg_tx_run(rq, leave, NULL), 0);
    return 0;
}

static sut_status help(sut_request *rq, void *arg)
{
    (void)arg;
    while (strcmp(sql("SELECT count(*) FROM sut_saga WHERE status = 'running'"), "0") != 0)
        if (sut_request_sleep_ms(rq, 20))
            return SUT_ERR_CANCELLED;
    return 0;
}

Test(saga, instances_share_the_work, .timeout = 60)
{
    enum { COUNT = 3 };
    sut_actor_options o = options();
    pid_t pid[COUNT];
    start_cluster();
    cr_assert_eq(sut_test_actor(&o, leave_often, NULL), 0);
    for (int i = 0; i < COUNT; i++) {
        pid[i] = fork();
        if (pid[i] == 0)
            _exit(sut_test_actor(&o, help, NULL) ? 1 : 0);
    }
    for (int i = 0; i < COUNT; i++) {
        int status = -1;
        waitpid(pid[i], &status, 0);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "instance %d", i);
    }
    cr_assert_str_eq(sql("SELECT count(*) FROM sut_saga WHERE status = 'done'"), "30");
    cr_assert_str_eq(sql("SELECT count(*) FROM sut_saga WHERE fence <> 2"), "0", "each was claimed once");
    cr_assert_str_eq(sql("SELECT count(*) FROM local"), "60");
    cr_assert_str_eq(sql("SELECT count(*) FROM remote"), "30");
    sut_test_postgres_remove(&s_pg);
}
