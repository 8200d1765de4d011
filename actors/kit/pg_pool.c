/* The pool: connections that one fiber has to itself, for writes, slow reads and transactions. At most SUT_PG_POOL of
 * them; idle ones are closed after 30 s; who must wait is counted and waits in order. */
#include "pg_port.h"

#include "pg_result.h"
#include "runtime.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

/* A fiber that waits for a connection; on its stack. */
typedef struct s_waiter {
    sut_node node;
    sut_request *rq;
    sut_pg_lease *given;
    bool refused; /* the server is away */
} s_waiter;

static void s_grow(sut_pg *pg);

/* ---- connections come and go ---- */

static void s_destroy(sut_pg_lease *l)
{
    sut_timer_stop(&l->idle_timer);
    sut_node_unlink(&l->node);
    sut_node_unlink(&l->all);
    sut_pg_conn_close(&l->conn);
    PQclear(l->result);
    PQclear(l->error);
    l->pg->lease_count--;
    free(l);
}

static void s_on_idle_timeout(sut_timer *t, void *arg)
{
    (void)t;
    s_destroy(arg);
}

static s_waiter *s_next_waiter(sut_pg *pg)
{
    sut_node *node = sut_list_pop_front(&pg->waiters);
    if (!node)
        return NULL;
    pg->waiter_count--;
    return SUT_CONTAINER(node, s_waiter, node);
}

static void s_hand_over(sut_pg_lease *l, s_waiter *w)
{
    l->leased = true;
    w->given = l;
    sut_request_wake(w->rq, 0);
}

/* A connection is free: to whoever waits longest, else to the idle ones. */
static void s_offer(sut_pg_lease *l)
{
    sut_pg *pg = l->pg;
    s_waiter *w = s_next_waiter(pg);
    if (w) {
        s_hand_over(l, w);
        return;
    }
    l->leased = false;
    sut_list_push_front(&pg->idle, &l->node); /* the last used first: the others may then time out */
    if (sut_timer_start_ms(pg->loop, &l->idle_timer, SUT_PG_IDLE_MS, s_on_idle_timeout, l))
        s_destroy(l);
}

static void s_on_ready(sut_pg_conn *c, void *arg)
{
    (void)c;
    s_offer(arg);
}

static void s_refuse_all(sut_pg *pg)
{
    for (s_waiter *w; (w = s_next_waiter(pg)) != NULL;) {
        w->refused = true;
        sut_request_wake(w->rq, 0);
    }
}

static void s_on_down(sut_pg_conn *c, sut_pg_failure why, const char *detail, void *arg)
{
    (void)c;
    (void)why;
    sut_pg_lease *l = arg;
    sut_pg *pg = l->pg;
    if (l->leased)
        return; /* its holder finds out, and returns it */
    sut_log(SUT_DEBUG, "kit:pg", "pg.pool_connection_lost", SUT_KV("detail", detail));
    s_destroy(l);
    if (pg->lease_count == 0)
        s_refuse_all(pg);
}

static void s_grow(sut_pg *pg)
{
    if (sut_pg_name(pg) && !pg->address[0])
        return; /* not found yet */
    if (pg->closing || pg->lease_count >= (uint32_t)pg->runtime->settings.pg_pool)
        return;
    sut_pg_lease *l = calloc(1, sizeof(*l));
    if (!l)
        return;
    l->pg = pg;
    sut_pg_conn_init(&l->conn, pg->loop, (sut_pg_conn_events){.ready = s_on_ready, .down = s_on_down, .arg = l});
    sut_list_push_back(&pg->leases, &l->all);
    pg->lease_count++;
    const char *keywords[SUT_PG_CONNINFO_MAX], *values[SUT_PG_CONNINFO_MAX];
    sut_pg_conninfo(pg, false, keywords, values);
    if (sut_pg_conn_connect(&l->conn, keywords, values, SUT_PG_CONNECT_TIMEOUT_MS))
        s_destroy(l);
}

void sut_pg_pool_close(sut_pg *pg)
{
    s_refuse_all(pg);
    for (sut_node *node; (node = sut_list_pop_front(&pg->leases)) != NULL;)
        s_destroy(SUT_CONTAINER(node, sut_pg_lease, all));
}

/* ---- leases ---- */

static sut_status s_wait_for_one(sut_pg *pg, sut_request *rq, sut_pg_lease **out)
{
    if (pg->waiter_count >= (uint32_t)pg->runtime->settings.pg_waiters)
        return sut_fail_retry(rq, SUT_ERR_OVERLOADED, SUT_RETRY_SOON_MS, "Too many requests wait for the database.");
    s_waiter w = {.rq = rq};
    sut_list_push_back(&pg->waiters, &w.node);
    pg->waiter_count++;
    s_grow(pg);
    if (pg->lease_count == 0 && sut_node_linked(&w.node)) { /* not even one could be begun */
        sut_node_unlink(&w.node);
        pg->waiter_count--;
        return sut_pg_say_away(rq);
    }
    sut_status st = sut_request_park(rq);
    if (sut_node_linked(&w.node)) {
        sut_node_unlink(&w.node);
        pg->waiter_count--;
    }
    if (st && w.given)
        sut_pg_lease_return(w.given);
    if (st)
        return sut_request_say_interrupted(rq, st);
    if (w.refused || !w.given)
        return sut_pg_say_away(rq);
    *out = w.given;
    return 0;
}

static void s_clear_batch(sut_pg_lease *l)
{
    PQclear(l->result);
    PQclear(l->error);
    l->result = l->error = NULL;
    l->error_stmt = NULL;
    l->used = 0;
}

sut_status sut_pg_lease_take(sut_pg *pg, sut_request *rq, sut_pg_lease **out)
{
    sut_status st = sut_request_interrupted(rq);
    if (st)
        return sut_request_say_interrupted(rq, st);
    sut_node *node = sut_list_empty(&pg->waiters) ? sut_list_pop_front(&pg->idle) : NULL;
    if (node) {
        sut_pg_lease *l = SUT_CONTAINER(node, sut_pg_lease, node);
        sut_timer_stop(&l->idle_timer);
        l->leased = true;
        *out = l;
    } else {
        st = s_wait_for_one(pg, rq, out);
        if (st)
            return st;
    }
    s_clear_batch(*out);
    (*out)->lost = false;
    return 0;
}

void sut_pg_lease_return(sut_pg_lease *l)
{
    sut_pg *pg = l->pg;
    s_clear_batch(l);
    if (!pg->closing && sut_pg_conn_idle(&l->conn) && !l->conn.broken) {
        s_offer(l);
        return;
    }
    s_destroy(l);
    if (!sut_list_empty(&pg->waiters))
        s_grow(pg);
    if (pg->lease_count == 0)
        s_refuse_all(pg);
}

static void s_on_op(sut_pg_op *op, void *arg)
{
    sut_pg_lease *l = arg;
    if (op->outcome == SUT_PG_OP_LOST)
        l->lost = true;
    if (op->outcome == SUT_PG_OP_ERROR && !l->error) {
        l->error = op->result;
        l->error_stmt = op->stmt;
        op->result = NULL;
    } else if (op->outcome == SUT_PG_OP_OK && op->stmt) {
        PQclear(l->result);
        l->result = op->result;
        op->result = NULL;
    }
    PQclear(op->result);
    op->result = NULL;
    if (op->stmt)
        return;
    l->done = true;
    if (l->waiter)
        sut_request_wake(l->waiter, 0);
}

bool sut_pg_lease_send(sut_pg_lease *l, const sut_pg_stmt *stmt, sut_pg_params params)
{
    if (l->used >= SUT_ARRAY_LEN(l->ops) - 1)
        return false;
    sut_pg_op *op = &l->ops[l->used];
    *op = (sut_pg_op){.stmt = stmt, .done = s_on_op, .arg = l};
    if (!sut_pg_conn_send(&l->conn, op, params))
        return false;
    l->used++;
    return true;
}

sut_status sut_pg_lease_wait(sut_pg_lease *l, sut_request *rq)
{
    sut_pg_op *op = &l->ops[l->used];
    *op = (sut_pg_op){.done = s_on_op, .arg = l};
    if (!sut_pg_conn_sync(&l->conn, op)) {
        l->lost = true;
        return 0;
    }
    l->used++;
    l->waiter = rq;
    l->done = false;
    sut_status st = sut_request_park(rq);
    l->waiter = NULL;
    if (l->done)
        st = 0;
    if (st)
        sut_pg_conn_close(&l->conn); /* its backend notices within client_connection_check_interval, and rolls back */
    l->used = 0;
    return st;
}

void sut_pg_lease_wait_quietly(sut_pg_lease *l, sut_request *rq)
{
    if (sut_pg_lease_wait(l, rq) == 0) {
        PQclear(l->error);
        l->error = NULL;
        l->error_stmt = NULL;
    }
}
