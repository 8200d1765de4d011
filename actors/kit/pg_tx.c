/* Single statements and transactions on connections of the pool, and what their ends mean. */
#include "pg_port.h"

#include "consume.h"
#include "outbox.h"
#include "pg_result.h"
#include "runtime.h"

#include "base/clock.h"
#include "base/log.h"

#define S_ATTEMPTS_MAX 4
#define S_RETRY_MIN_MS 2
#define S_RETRY_MAX_MS 40

struct sut_pg_tx {
    sut_request *rq;
    sut_pg_lease *lease;
    bool begun;        /* BEGIN was sent */
    bool retryable;    /* serialization failure or deadlock */
    bool away;         /* the connection or the server was lost */
    sut_status failed; /* once it cannot go on */
    unsigned queued;
};

static const sut_pg_stmt s_begin = {"sut_begin", "BEGIN", 0};
static const sut_pg_stmt s_commit = {"sut_commit", "COMMIT", 0};
static const sut_pg_stmt s_rollback = {"sut_rollback", "ROLLBACK", 0};

static sut_status s_say_unknown(sut_request *rq)
{
    return sut_fail_retry(rq, SUT_ERR_OUTCOME_UNKNOWN, SUT_RETRY_SOON_MS,
                          "The database was lost while it worked on this.");
}

/* ---- single statements ---- */

static sut_status s_run_on(sut_request *rq, sut_pg_lease *l, const sut_pg_stmt *stmt, sut_pg_params params, bool *away,
                           const sut_pg_result **out)
{
    if (!sut_pg_lease_send(l, stmt, params)) {
        *away = l->conn.broken || l->conn.state != SUT_PG_READY;
        return *away ? sut_pg_say_away(rq) : sut_fail_internal(rq, "statement %s could not be sent", stmt->name);
    }
    rq->uninterruptible = true; /* a cancel must not leave a write half told; the deadline still ends the wait */
    sut_status st = sut_pg_lease_wait(l, rq);
    rq->uninterruptible = false;
    if (st)
        return sut_request_say_interrupted(rq, st);
    if (l->error) {
        *away = sut_pg_meaning_of(l->error) == SUT_PG_MEANS_AWAY;
        return sut_pg_fail(rq, stmt, l->error);
    }
    if (l->lost || !l->result) {
        *away = true;
        return s_say_unknown(rq);
    }
    PGresult *result = l->result;
    l->result = NULL;
    return sut_pg_result_keep(rq, stmt, result, out);
}

static sut_status s_open(sut_request *rq, const char *what)
{
    if (!rq->runtime->pg)
        return sut_fail_internal(rq, "this actor has no database");
    if (rq->tx) {
        rq->faulty = true;
        return sut_fail_internal(rq, "%s while a transaction is open: use it", what);
    }
    return sut_pg_admit(rq->runtime->pg, rq);
}

sut_status sut_pg_run(sut_request *rq, const sut_pg_stmt *stmt, sut_pg_params params, const sut_pg_result **out)
{
    sut_status st = s_open(rq, stmt->name);
    if (st)
        return st;
    sut_pg *pg = rq->runtime->pg;
    uint64_t started_ns = sut_now_ns();
    sut_pg_lease *lease = NULL;
    bool away = false;
    st = sut_pg_lease_take(pg, rq, &lease);
    if (!st) {
        st = s_run_on(rq, lease, stmt, params, &away, out);
        sut_pg_lease_return(lease);
    } else {
        away = st == SUT_ERR_UNAVAILABLE;
    }
    sut_pg_report(pg, started_ns, st, away);
    return st;
}

/* ---- inside a transaction ---- */

/* What the batch that was waited for came to. */
static sut_status s_conclude(sut_pg_tx *tx, sut_status waited)
{
    sut_pg_lease *l = tx->lease;
    if (waited) {
        tx->failed = sut_request_say_interrupted(tx->rq, waited);
    } else if (l->error) {
        sut_pg_meaning meaning = sut_pg_meaning_of(l->error);
        tx->retryable = meaning == SUT_PG_MEANS_RETRY;
        tx->away = meaning == SUT_PG_MEANS_AWAY;
        tx->failed = sut_pg_fail(tx->rq, l->error_stmt ? l->error_stmt : &s_commit, l->error);
    } else if (l->lost) {
        tx->away = true;
        tx->failed = sut_pg_say_away(tx->rq); /* rolled back, unless it was COMMIT: s_commit_tx says so */
    }
    tx->queued = 0;
    return tx->failed;
}

static sut_status s_send(sut_pg_tx *tx, const sut_pg_stmt *stmt, sut_pg_params params)
{
    if (tx->failed)
        return tx->failed;
    if (!tx->begun && !sut_pg_lease_send(tx->lease, &s_begin, SUT_PG_NO_PARAMS)) {
        tx->away = true;
        return tx->failed = sut_pg_say_away(tx->rq);
    }
    tx->begun = true;
    if (sut_pg_lease_send(tx->lease, stmt, params))
        return 0;
    tx->away = tx->lease->conn.broken || tx->lease->conn.state != SUT_PG_READY;
    tx->failed =
        tx->away ? sut_pg_say_away(tx->rq) : sut_fail_internal(tx->rq, "statement %s could not be sent", stmt->name);
    return tx->failed;
}

sut_status sut_pg_exec(sut_pg_tx *tx, const sut_pg_stmt *stmt, sut_pg_params params, const sut_pg_result **out)
{
    sut_status st = s_send(tx, stmt, params);
    if (st)
        return st;
    st = s_conclude(tx, sut_pg_lease_wait(tx->lease, tx->rq));
    PGresult *result = tx->lease->result;
    tx->lease->result = NULL;
    if (st) {
        PQclear(result);
        return st;
    }
    st = sut_pg_result_keep(tx->rq, stmt, result, out);
    if (st)
        tx->failed = st;
    return st;
}

/* A round trip for what is queued. */
static sut_status s_flush(sut_pg_tx *tx)
{
    if (tx->failed)
        return tx->failed;
    sut_status st = s_conclude(tx, sut_pg_lease_wait(tx->lease, tx->rq));
    PQclear(tx->lease->result);
    tx->lease->result = NULL;
    return st;
}

sut_status sut_pg_queue(sut_pg_tx *tx, const sut_pg_stmt *stmt, sut_pg_params params)
{
    if (tx->queued >= SUT_PG_QUEUE_MAX) {
        sut_status full = s_flush(tx);
        if (full)
            return full;
    }
    sut_status st = s_send(tx, stmt, params);
    if (!st)
        tx->queued++;
    return st;
}

/* ---- its end ---- */

static void s_roll_back(sut_pg_tx *tx)
{
    sut_pg_lease *l = tx->lease;
    if (!tx->begun || l->conn.state != SUT_PG_READY || l->lost)
        return;
    /* What was sent without a sync point is skipped or executed, and then undone by the ROLLBACK behind it; but after
     * an error in this batch the ROLLBACK would be skipped too. */
    PQclear(l->error);
    l->error = NULL;
    if (l->conn.batch)
        sut_pg_lease_wait_quietly(l, tx->rq);
    if (l->conn.state != SUT_PG_READY || !sut_pg_lease_send(l, &s_rollback, SUT_PG_NO_PARAMS))
        return;
    sut_pg_lease_wait_quietly(l, tx->rq);
    if (l->error || l->lost)
        sut_pg_conn_close(&l->conn);
}

static sut_status s_commit_tx(sut_pg_tx *tx)
{
    sut_pg_lease *l = tx->lease;
    sut_status st = sut_request_interrupted(tx->rq); /* too late: better undone than done behind the caller's back */
    if (st) {
        s_roll_back(tx);
        return sut_request_say_interrupted(tx->rq, st);
    }
    st = s_send(tx, &s_commit, SUT_PG_NO_PARAMS);
    if (st)
        return st;
    st = s_conclude(tx, sut_pg_lease_wait(l, tx->rq));
    if (l->lost || (st && tx->away))
        return s_say_unknown(tx->rq);
    if (st == SUT_ERR_DEADLINE_EXCEEDED && l->conn.state != SUT_PG_READY)
        return st;
    if (st) {
        s_roll_back(tx);
        return st;
    }
    if (l->result && strcmp(PQcmdStatus(l->result), "COMMIT") == 0)
        return 0;
    return sut_fail_internal(tx->rq, "COMMIT was answered by %s", l->result ? PQcmdStatus(l->result) : "nothing");
}

static sut_status s_finish(sut_pg_tx *tx, sut_status st)
{
    if (tx->rq->faulty && !st)
        st = SUT_ERR_INTERNAL;
    if (!st)
        st = tx->failed;
    if (st) {
        s_roll_back(tx);
        return st;
    }
    return tx->begun ? s_commit_tx(tx) : 0;
}

/* In a consumer, fn does not run for an event that an earlier transaction has recorded. */
static sut_status s_run_fn(sut_pg_tx *tx, sut_pg_tx_fn fn, void *arg)
{
    bool seen = false;
    sut_status st = sut_consume_record(tx->rq, tx, &seen);
    return st || seen ? st : fn(tx->rq, tx, arg);
}

/* One attempt, from BEGIN to its end. */
static sut_status s_attempt(sut_request *rq, sut_pg_tx_fn fn, void *arg, bool *again)
{
    sut_status st = s_open(rq, "a transaction");
    if (st)
        return st;
    sut_pg *pg = rq->runtime->pg;
    uint64_t started_ns = sut_now_ns();
    sut_pg_tx tx = {.rq = rq};
    st = sut_pg_lease_take(pg, rq, &tx.lease);
    if (st) {
        sut_pg_report(pg, started_ns, st, st == SUT_ERR_UNAVAILABLE);
        return st;
    }
    rq->tx = &tx;
    rq->emitted = false;
    st = s_finish(&tx, s_run_fn(&tx, fn, arg));
    rq->tx = NULL;
    sut_pg_lease_return(tx.lease);
    if (!st)
        sut_consume_committed(rq);
    if (rq->emitted && (!st || st == SUT_ERR_OUTCOME_UNKNOWN))
        sut_outbox_committed(rq->runtime);
    sut_pg_report(pg, started_ns, tx.away || st == SUT_ERR_DEADLINE_EXCEEDED ? st : 0, tx.away);
    *again = tx.retryable && !rq->faulty;
    return st;
}

sut_status sut_pg_tx_run(sut_request *rq, sut_pg_tx_fn fn, void *arg)
{
    for (unsigned attempt = 1;; attempt++) {
        bool again = false;
        sut_status st = s_attempt(rq, fn, arg, &again);
        if (!again || !st || attempt == S_ATTEMPTS_MAX)
            return st;
        uint32_t jitter;
        sut_random(&jitter, sizeof(jitter));
        uint32_t ms = S_RETRY_MIN_MS + jitter % (S_RETRY_MAX_MS * attempt);
        if (sut_request_remaining_ms(rq) <= ms)
            return st;
        sut_log(SUT_DEBUG, "kit:pg", "pg.tx_retry", SUT_KV("method", rq->name), SUT_KV("sqlstate", rq->error.sqlstate),
                SUT_KV_U("attempt", attempt));
        sut_request_clear_error(rq);
        st = sut_request_sleep_ms(rq, ms);
        if (st)
            return st;
    }
}
