/* The shared read pipelines: single fast reads of all fibers on few connections, answered in order.
 *
 * Reads that are sent in the same turn of the loop share a sync point, and so a system call, a wake-up of the backend
 * and an answer. If one of them fails, PostgreSQL skips the rest of its batch: those were not executed and are sent
 * again, each in a batch of its own, so that a neighbour's error is never seen. All connections here are read-only and
 * cut statements off after 250 ms, so that none waits for long behind another.
 *
 * Why transactions are kept out: results come back in order. If T1 holds a row lock in a pool connection, and a fiber's
 * write waits for that lock in this pipeline, then T1's own next read, sent behind it, would wait for the write: a
 * circle that runs through our queue, where PostgreSQL's deadlock detector cannot see it. So no write may come here
 * (the connections are read-only, plain reads take no row locks) and no request that holds a transaction (sut_pg_read
 * refuses it): either alone breaks the circle. */
#include "pg_port.h"

#include "pg_result.h"
#include "runtime.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

#define S_ATTEMPTS_MAX   4
#define S_BACKOFF_MIN_MS 50
#define S_BACKOFF_MAX_MS 1000
#define S_LOOKUP_NS      (10 * SUT_NS_PER_S)

/* One read. It outlives its fiber if that leaves early. */
typedef struct s_read {
    sut_pg_op op;
    sut_pg_shared *shared;
    sut_request *rq;      /* NULL once the fiber has left */
    sut_pg_params params; /* the parked fiber's */
    uint32_t attempts;
    bool done;
} s_read;

static const sut_pg_stmt s_ping = {"sut_ping", "SELECT 1", 0};

static void s_connect(sut_pg_shared *s);

/* ---- connections ---- */

static void s_on_retry(sut_timer *t, void *arg)
{
    (void)t;
    s_connect(arg);
}

static void s_retry_later(sut_pg_shared *s)
{
    uint32_t ms = (uint32_t)S_BACKOFF_MIN_MS << (s->failures < 5 ? s->failures : 5);
    if (ms > S_BACKOFF_MAX_MS)
        ms = S_BACKOFF_MAX_MS;
    uint32_t jitter;
    sut_random(&jitter, sizeof(jitter));
    ms = ms / 2 + jitter % (ms / 2 + 1);
    s->failures++;
    if (sut_timer_start_ms(s->pg->loop, &s->retry_timer, ms, s_on_retry, s))
        sut_log(SUT_ERROR, "pg", "pg.retry_timer_failed");
}

static void s_on_ready(sut_pg_conn *c, void *arg)
{
    (void)c;
    sut_pg_shared *s = arg;
    s->failures = 0;
    s->up = true;
    s->pg->shared_ready++;
    sut_pg_changed(s->pg, SUT_PG_FAIL_NETWORK, NULL);
}

static void s_on_down(sut_pg_conn *c, sut_pg_failure why, const char *detail, void *arg)
{
    (void)c;
    sut_pg_shared *s = arg;
    s->pinged_ns = 0;
    if (s->up)
        s->pg->shared_ready--;
    s->up = false;
    sut_pg_changed(s->pg, why, detail);
    s_retry_later(s);
}

static void s_dial(sut_pg_shared *s)
{
    const char *keywords[SUT_PG_CONNINFO_MAX], *values[SUT_PG_CONNINFO_MAX];
    sut_pg_conninfo(s->pg, true, keywords, values);
    if (sut_pg_conn_connect(&s->conn, keywords, values, SUT_PG_CONNECT_TIMEOUT_MS))
        s_retry_later(s);
}

static sut_status s_look_up(sut_request *rq, void *arg)
{
    sut_pg_shared *s = arg;
    sut_status st = sut_pg_lookup(rq, sut_pg_name(s->pg), s->pg->address);
    s->looking = false;
    if (s->pg->runtime->draining)
        return st;
    if (!st) {
        s_dial(s);
        return 0;
    }
    sut_pg_changed(s->pg, SUT_PG_FAIL_NETWORK, rq->error.message.ptr ? rq->error.message.ptr : "name not found");
    s_retry_later(s);
    return st;
}

static void s_connect(sut_pg_shared *s)
{
    sut_request *rq = NULL;
    if (!sut_pg_name(s->pg)) {
        s_dial(s);
        return;
    }
    if (s->looking)
        return;
    if (sut_runtime_acquire(s->pg->runtime, &rq)) {
        s_retry_later(s);
        return;
    }
    s->looking = true;
    sut_request_begin(rq, "pg.lookup", sut_now_ns() + S_LOOKUP_NS, SUT_STR_NONE);
    sut_runtime_launch(s->pg->runtime, rq, s_look_up, s);
}

void sut_pg_shared_start(sut_pg *pg, sut_pg_shared *s)
{
    s->pg = pg;
    sut_pg_conn_init(&s->conn, pg->loop, (sut_pg_conn_events){.ready = s_on_ready, .down = s_on_down, .arg = s});
    s_connect(s);
}

void sut_pg_shared_stop(sut_pg_shared *s)
{
    sut_timer_stop(&s->retry_timer);
    sut_pg_conn_close(&s->conn);
}

static void s_on_ping(sut_pg_op *op, void *arg)
{
    PQclear(op->result);
    op->result = NULL;
    ((sut_pg_shared *)arg)->pinged_ns = 0;
}

static void s_ping_one(sut_pg_shared *s, uint64_t now)
{
    if (s->conn.state != SUT_PG_READY)
        return;
    if (s->pinged_ns) {
        if (now - s->pinged_ns < SUT_PG_HUNG_MS * SUT_NS_PER_MS)
            return;
        sut_pg_conn_close(&s->conn);
        s_on_down(&s->conn, SUT_PG_FAIL_NETWORK, "no answer to a ping for 2 s", s);
        return;
    }
    s->ping = (sut_pg_op){.stmt = &s_ping, .done = s_on_ping, .arg = s};
    if (sut_pg_conn_send(&s->conn, &s->ping, SUT_PG_NO_PARAMS))
        s->pinged_ns = now;
}

void sut_pg_shared_ping(sut_pg *pg)
{
    uint64_t now = sut_now_ns();
    for (uint32_t i = 0; i < pg->shared_count; i++)
        s_ping_one(&pg->shared[i], now);
}

/* ---- batches ---- */

static void s_on_synced(sut_pg_op *op, void *arg)
{
    (void)arg;
    PQclear(op->result);
    free(op);
}

static bool s_end_batch(sut_pg_conn *c)
{
    if (c->state != SUT_PG_READY || c->broken || c->batch == 0)
        return false;
    sut_pg_op *op = calloc(1, sizeof(*op));
    if (!op)
        return false; /* tried again next turn */
    op->done = s_on_synced;
    if (!sut_pg_conn_sync(c, op))
        free(op);
    return true;
}

bool sut_pg_shared_flush(sut_pg *pg)
{
    bool any = false;
    for (uint32_t i = 0; i < pg->shared_count; i++)
        any = s_end_batch(&pg->shared[i].conn) || any;
    return any;
}

/* ---- reads ---- */

/* Again, in a batch of its own, where no neighbour's error can reach it. */
static bool s_send_alone(s_read *read)
{
    sut_pg_conn *c = &read->shared->conn;
    PQclear(read->op.result);
    read->op.result = NULL;
    s_end_batch(c);
    if (!sut_pg_conn_send(c, &read->op, read->params))
        return false;
    s_end_batch(c);
    return true;
}

static void s_on_read(sut_pg_op *op, void *arg)
{
    s_read *read = arg;
    if (!read->rq) {
        PQclear(op->result);
        free(read);
        return;
    }
    if (op->outcome == SUT_PG_OP_SKIPPED && ++read->attempts < S_ATTEMPTS_MAX && s_send_alone(read))
        return;
    read->done = true;
    sut_request_wake(read->rq, 0);
}

static sut_pg_shared *s_least_busy(sut_pg *pg)
{
    sut_pg_shared *best = NULL;
    for (uint32_t i = 0; i < pg->shared_count; i++) {
        sut_pg_shared *s = &pg->shared[i];
        if (s->conn.state == SUT_PG_READY && !s->conn.broken && (!best || s->conn.op_count < best->conn.op_count))
            best = s;
    }
    return best;
}

/* What an answered read came to; takes its result. */
static sut_status s_conclude(sut_request *rq, s_read *read, bool *away, const sut_pg_result **out)
{
    PGresult *result = read->op.result;
    if (read->op.outcome == SUT_PG_OP_OK)
        return sut_pg_result_keep(rq, read->op.stmt, result, out);
    *away = read->op.outcome != SUT_PG_OP_ERROR || sut_pg_meaning_of(result) == SUT_PG_MEANS_AWAY;
    sut_status st = *away ? sut_pg_say_away(rq) : sut_pg_fail(rq, read->op.stmt, result);
    PQclear(result);
    return st;
}

static sut_status s_send_and_wait(sut_request *rq, sut_pg_shared *s, s_read *read, bool *away,
                                  const sut_pg_result **out)
{
    if (!sut_pg_conn_send(&s->conn, &read->op, read->params)) {
        const char *name = read->op.stmt->name;
        free(read);
        *away = s->conn.broken;
        return *away ? sut_pg_say_away(rq) : sut_fail_internal(rq, "statement %s could not be sent", name);
    }
    if (s->conn.batch >= SUT_PG_BATCH_MAX)
        s_end_batch(&s->conn);
    sut_status st = sut_request_park(rq);
    if (st && !read->done) {
        read->rq = NULL; /* s_on_read frees it */
        return sut_request_say_interrupted(rq, st);
    }
    st = s_conclude(rq, read, away, out);
    free(read);
    return st;
}

static sut_status s_read_now(sut_pg *pg, sut_request *rq, const sut_pg_stmt *stmt, sut_pg_params params, bool *away,
                             const sut_pg_result **out)
{
    sut_pg_shared *s = s_least_busy(pg);
    if (!s) {
        *away = true;
        return sut_pg_say_away(rq);
    }
    if (s->conn.op_count >= SUT_PG_SHARED_OPS_MAX)
        return sut_fail_retry(rq, SUT_ERR_OVERLOADED, SUT_RETRY_SOON_MS, "Too many reads are waiting.");
    s_read *read = calloc(1, sizeof(*read));
    if (!read)
        return SUT_TRACE(-ENOMEM, "read");
    *read = (s_read){.op = {.stmt = stmt, .done = s_on_read, .arg = read}, .shared = s, .rq = rq, .params = params};
    return s_send_and_wait(rq, s, read, away, out);
}

sut_status sut_pg_read(sut_request *rq, const sut_pg_stmt *stmt, sut_pg_params params, const sut_pg_result **out)
{
    sut_pg *pg = rq->runtime->pg;
    if (!pg)
        return sut_fail_internal(rq, "this actor has no database");
    if (rq->tx) {
        rq->faulty = true;
        return sut_fail_internal(rq, "statement %s: a shared read while a transaction is open", stmt->name);
    }
    sut_status st = sut_request_interrupted(rq);
    if (st)
        return sut_request_say_interrupted(rq, st);
    st = sut_pg_admit(pg, rq);
    if (st)
        return st;
    bool away = false;
    uint64_t started_ns = sut_now_ns();
    st = s_read_now(pg, rq, stmt, params, &away, out);
    sut_pg_report(pg, started_ns, st, away);
    return st;
}
