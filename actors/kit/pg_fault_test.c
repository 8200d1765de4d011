/* The database away, hung, or full; the pool at its bound. */
#include "fixture_test.h"

#include "base/clock.h"
#include "pg_port.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const sut_pg_stmt s_one = {"one", "SELECT 1::bigint", 0};
static const sut_pg_stmt s_make = {"make", "CREATE TABLE t (id bigint PRIMARY KEY)", 0};
static const sut_pg_stmt s_put = {"put", "INSERT INTO t VALUES ($1)", 1};
static const sut_pg_stmt s_sleep = {"sleep", "SELECT pg_sleep($1)::text", 1};
static const sut_pg_stmt s_kill_me = {"kill_me", "SELECT pg_terminate_backend(pg_backend_pid())", 0};

static sut_status read_one(sut_request *rq)
{
    const sut_pg_result *r = NULL;
    return sut_pg_read(rq, &s_one, SUT_PG_NO_PARAMS, &r);
}

static sut_status put(sut_request *rq, int64_t id)
{
    return sut_pg_run(rq, &s_put, SUT_PG_PARAMS(sut_pg_i64(id)), NULL);
}

/* Both ways to the database work again, within `ms`. */
static void expect_recovery(sut_request *rq, int64_t id, uint64_t ms)
{
    uint64_t end = sut_now_ns() + ms * SUT_NS_PER_MS;
    sut_status st;
    while ((st = read_one(rq)) != 0 && sut_now_ns() < end)
        cr_assert_eq(sut_request_sleep_ms(rq, 10), 0);
    cr_assert_eq(st, 0, "reads did not come back");
    while ((st = put(rq, id)) != 0 && sut_now_ns() < end)
        cr_assert_eq(sut_request_sleep_ms(rq, 10), 0);
    cr_assert_eq(st, 0, "writes did not come back: %d", st);
}

static sut_status restarts(sut_request *rq, void *arg)
{
    sut_test_postgres *p = arg;
    cr_assert_eq(sut_pg_run(rq, &s_make, SUT_PG_NO_PARAMS, NULL), 0);
    for (int round = 0; round < 2; round++) {
        if (round == 0)
            sut_test_postgres_stop(p);
        else
            sut_test_postgres_signal(p, SIGKILL);
        /* More than the breaker's minimum volume: it opens, and must not delay the return. */
        for (int i = 0; i < 60; i++) {
            sut_request_clear_error(rq);
            sut_status st = (i + round) % 2 ? read_one(rq) : put(rq, 1000 + i); /* either may find out */
            if (i < 2 && st == SUT_ERR_OUTCOME_UNKNOWN)
                continue;
            cr_assert_eq(st, SUT_ERR_UNAVAILABLE, "%d: %d", i, st);
            cr_assert_gt(rq->error.retry_after_ms, 0);
        }
        cr_assert_eq(rq->runtime->pg->breaker.state, SUT_BREAKER_OPEN);
        sut_test_postgres_again(p);
        expect_recovery(rq, round, 5000);
    }
    return 0;
}

Test(pg_fault, a_database_that_comes_back_is_used_again, .timeout = 40)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, restarts, &p);
}

typedef struct held {
    bool inside, go;
    sut_status status;
} held;

static sut_status hold(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    held *h = arg;
    sut_status st = sut_pg_exec(tx, &s_put, SUT_PG_PARAMS(sut_pg_i64(7)), NULL);
    if (st)
        return st;
    h->inside = true;
    fix_until(rq, &h->go);
    return 0;
}

static sut_status run_hold(sut_request *rq, void *arg)
{
    held *h = arg;
    h->status = sut_pg_tx_run(rq, hold, h);
    return 0;
}

typedef struct killing {
    sut_test_postgres *p;
    held h;
    sut_request *victim;
} killing;

static sut_status kill_meanwhile(sut_request *rq, void *arg)
{
    killing *k = arg;
    fix_until(rq, &k->h.inside);
    sut_test_postgres_signal(k->p, SIGKILL);
    sut_test_postgres_again(k->p);
    k->h.go = true;
    return 0;
}

static sut_status killing_role(sut_request *rq, void *arg)
{
    static int next;
    killing *k = arg;
    return next++ ? kill_meanwhile(rq, k) : run_hold(rq, &k->h);
}

static sut_status killed_inside(sut_request *rq, void *arg)
{
    cr_assert_eq(sut_pg_run(rq, &s_make, SUT_PG_NO_PARAMS, NULL), 0);
    killing k = {.p = arg, .h.status = -1};
    fix_all(rq, killing_role, &k, 2, 0);
    cr_assert(k.h.status == SUT_ERR_UNAVAILABLE || k.h.status == SUT_ERR_OUTCOME_UNKNOWN, "%d", k.h.status);
    expect_recovery(rq, 7, 5000); /* the row of the killed transaction is not there */
    return 0;
}

Test(pg_fault, a_transaction_of_a_killed_server_is_no_success, .timeout = 40)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, killed_inside, &p);
}

static sut_status lost_write(sut_request *rq, void *arg)
{
    (void)arg;
    sut_status st = sut_pg_run(rq, &s_kill_me, SUT_PG_NO_PARAMS, NULL);
    cr_assert(st == SUT_ERR_OUTCOME_UNKNOWN || st == SUT_ERR_UNAVAILABLE, "%d", st);
    cr_assert_eq(read_one(rq), 0);
    cr_assert_eq(sut_pg_run(rq, &s_one, SUT_PG_NO_PARAMS, NULL), 0, "the next one gets another connection");
    return 0;
}

Test(pg_fault, a_terminated_backend_costs_one_statement, .timeout = 40)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, lost_write, &p);
}

static sut_status hung(sut_request *rq, void *arg)
{
    sut_test_postgres *p = arg;
    cr_assert_eq(sut_pg_run(rq, &s_make, SUT_PG_NO_PARAMS, NULL), 0);
    sut_test_postgres_signal(p, SIGSTOP);
    uint64_t start = sut_now_ns();
    sut_status st = read_one(rq); /* the ping finds out, long before this request's own deadline of 60 s */
    cr_assert_eq(st, SUT_ERR_UNAVAILABLE, "%d", st);
    cr_assert_lt(sut_now_ns() - start, 20 * SUT_NS_PER_S);
    sut_test_postgres_signal(p, SIGCONT);
    expect_recovery(rq, 1, 10000);
    return 0;
}

Test(pg_fault, a_hung_server_is_noticed, .timeout = 40)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, hung, &p);
}

/* ---- the pool's bounds ---- */

typedef struct sleeper {
    sut_status status;
    uint32_t retry_after_ms;
} sleeper;

static uint32_t s_most; /* connections seen at once */

static sut_status sleep_in_pool(sut_request *rq, void *arg)
{
    sleeper *s = arg;
    s->status = sut_pg_run(rq, &s_sleep, SUT_PG_PARAMS(sut_pg_f64(0.05)), NULL);
    s->retry_after_ms = rq->error.retry_after_ms;
    if (rq->runtime->pg->lease_count > s_most)
        s_most = rq->runtime->pg->lease_count;
    return 0;
}

static sut_status pool_bounds(sut_request *rq, void *arg)
{
    (void)arg;
    sleeper s[10];
    memset(s, -1, sizeof(s));
    fix_all(rq, sleep_in_pool, s, 10, sizeof(s[0])); /* at most three at a time and four that wait */
    int served = 0, refused = 0;
    for (int i = 0; i < 10; i++) {
        served += s[i].status == 0;
        refused += s[i].status == SUT_ERR_OVERLOADED && s[i].retry_after_ms > 0;
    }
    cr_assert_eq(served + refused, 10);
    cr_assert_geq(refused, 3);
    cr_assert_geq(served, 4);
    cr_assert_leq(s_most, 3);
    return 0;
}

Test(pg_fault, the_pool_and_its_waiters_are_bounded, .timeout = 40)
{
    setenv("SUT_PG_POOL", "3", 1);
    setenv("SUT_PG_WAITERS", "4", 1);
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, pool_bounds, &p);
}

/* ---- cancel ---- */

typedef struct cancelled {
    sut_request *rq;
    bool in_tx, waiting;
    sut_status status, after;
} cancelled;

static sut_status slow_tx(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    cancelled *c = arg;
    c->rq = rq;
    c->in_tx = true;
    sut_status st = sut_pg_exec(tx, &s_sleep, SUT_PG_PARAMS(sut_pg_f64(0.05)), NULL);
    return st ? st : sut_pg_queue(tx, &s_put, SUT_PG_PARAMS(sut_pg_i64(5)));
}

static sut_status run_slow_tx(sut_request *rq, void *arg)
{
    cancelled *c = arg;
    c->status = sut_pg_tx_run(rq, slow_tx, c);
    c->after = sut_request_sleep_ms(rq, 1000);
    return 0;
}

static sut_status cancel_role(sut_request *rq, void *arg)
{
    static int next;
    cancelled *c = arg;
    if (next++ == 0)
        return run_slow_tx(rq, c);
    fix_until(rq, &c->in_tx);
    sut_request_cancel(c->rq);
    return 0;
}

static sut_status cancels(sut_request *rq, void *arg)
{
    (void)arg;
    cr_assert_eq(sut_pg_run(rq, &s_make, SUT_PG_NO_PARAMS, NULL), 0);
    cancelled c = {.status = -1};
    fix_all(rq, cancel_role, &c, 2, 0);
    cr_assert_eq(c.status, 0, "what has opened a transaction runs on");
    cr_assert_eq(c.after, SUT_ERR_CANCELLED, "and then stops");
    cr_assert_eq(put(rq, 5), SUT_ERR_CONFLICT, "its row is there");
    return 0;
}

Test(pg_fault, a_cancelled_transaction_runs_on, .timeout = 40)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, cancels, &p);
}

/* ---- what never comes up ---- */

static sut_status never(sut_request *rq, void *arg)
{
    (void)rq;
    (void)arg;
    return 0;
}

Test(pg_fault, a_wrong_password_ends_the_start, .timeout = 40)
{
    sut_test_postgres p;
    sut_test_postgres_start(&p);
    setenv("FIX_DATABASE_URL", p.wrong_url, 1);
    cr_assert_eq(sut_test_actor(&fix_pg_options, never, NULL), -EINVAL);
    sut_test_postgres_remove(&p);
}

Test(pg_fault, a_malformed_url_is_named, .timeout = 40)
{
    setenv("FIX_DATABASE_URL", "postgresql://u@h/db?nonsense=1", 1);
    cr_assert_eq(sut_test_actor(&fix_pg_options, never, NULL), -EINVAL);
}
