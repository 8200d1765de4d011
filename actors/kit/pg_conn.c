/* A libpq connection in pipeline mode on the loop.
 *
 * Results come back in the order of the statements. For each: its Parse's result if one was sent, then its own, each
 * followed by a NULL from PQgetResult; for a sync point PGRES_PIPELINE_SYNC alone. An error skips the rest of the batch
 * up to the sync point (PGRES_PIPELINE_ABORTED), so that whoever shares a connection chooses where batches end. */
#include "pg_conn.h"

#include "base/log.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>

typedef struct s_prepared {
    uint8_t nparams;
    uint8_t types[SUT_PG_PARAMS_MAX];
} s_prepared;

static void s_on_event(sut_watch *w, unsigned events, void *arg);

void sut_pg_conn_init(sut_pg_conn *c, sut_loop *loop, sut_pg_conn_events events)
{
    *c = (sut_pg_conn){.loop = loop, .events = events};
    sut_list_init(&c->ops);
}

bool sut_pg_conn_idle(const sut_pg_conn *c)
{
    return c->state == SUT_PG_READY && c->op_count == 0 && c->batch == 0;
}

/* ---- the end of a connection ---- */

static void s_forget_prepared(sut_pg_conn *c)
{
    if (!c->prepared)
        return;
    size_t pos = 0;
    uint64_t key;
    void *value;
    while (sut_u64map_next(c->prepared, &pos, &key, &value))
        free(value);
    c->prepared = sut_u64map_free(c->prepared);
}

static void s_finish_op(sut_pg_conn *c, sut_pg_op *op, sut_pg_outcome outcome)
{
    sut_node_unlink(&op->node);
    c->op_count--;
    op->outcome = outcome;
    op->done(op, op->arg);
}

void sut_pg_conn_close(sut_pg_conn *c)
{
    c->state = SUT_PG_DOWN;
    c->generation++;
    c->batch = 0;
    c->want_flush = c->broken = false;
    sut_timer_stop(&c->connect_timer);
    sut_watch_stop(&c->watch);
    if (c->pg) {
        PQfinish(c->pg);
        c->pg = NULL;
    }
    s_forget_prepared(c);
    while (!sut_list_empty(&c->ops))
        s_finish_op(c, SUT_CONTAINER(c->ops.next, sut_pg_op, node), SUT_PG_OP_LOST);
}

static sut_pg_failure s_classify(const PGconn *pg)
{
    const char *text = PQerrorMessage(pg);
    if (PQconnectionNeedsPassword(pg) || strstr(text, "FATAL:  28"))
        return SUT_PG_FAIL_PASSWORD;
    return strstr(text, "FATAL:  3D000") ? SUT_PG_FAIL_DATABASE : SUT_PG_FAIL_NETWORK;
}

/* The first line of libpq's words. */
static void s_detail(const PGconn *pg, char *out, size_t size)
{
    const char *text = pg ? PQerrorMessage(pg) : "out of memory";
    size_t len = strcspn(text, "\n");
    if (len >= size)
        len = size - 1;
    memcpy(out, text, len);
    out[len] = 0;
}

static void s_lose(sut_pg_conn *c, const char *fallback)
{
    char detail[200];
    sut_pg_failure why = c->pg ? s_classify(c->pg) : SUT_PG_FAIL_NETWORK;
    s_detail(c->pg, detail, sizeof(detail));
    if (!detail[0] && fallback)
        memcpy(detail, fallback, strlen(fallback) + 1);
    sut_pg_conn_close(c);
    c->events.down(c, why, detail, c->events.arg);
}

/* ---- connecting ---- */

static void s_on_connect_timeout(sut_timer *t, void *arg)
{
    (void)t;
    s_lose(arg, "no answer within the connect timeout");
}

static void s_on_ready(sut_pg_conn *c)
{
    sut_timer_stop(&c->connect_timer);
    if (PQsetnonblocking(c->pg, 1) || !PQenterPipelineMode(c->pg) || sut_u64map_new(&c->prepared) ||
        sut_watch_modify(&c->watch, EPOLLIN)) {
        s_lose(c, "pipeline mode was refused");
        return;
    }
    c->state = SUT_PG_READY;
    c->events.ready(c, c->events.arg);
}

static void s_poll_connect(sut_pg_conn *c)
{
    PostgresPollingStatusType next = PQconnectPoll(c->pg);
    if (next == PGRES_POLLING_FAILED) {
        s_lose(c, "the connection was refused");
        return;
    }
    /* libpq may have moved on to another address, and so to another descriptor. */
    unsigned events = next == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT;
    int fd = PQsocket(c->pg);
    if (c->watch.fd != fd || !c->watch.loop) {
        sut_watch_stop(&c->watch);
        if (sut_watch_start(c->loop, &c->watch, fd, events, s_on_event, c)) {
            s_lose(c, "the descriptor cannot be watched");
            return;
        }
    } else if (sut_watch_modify(&c->watch, events)) {
        s_lose(c, "the descriptor cannot be watched");
        return;
    }
    if (next == PGRES_POLLING_OK)
        s_on_ready(c);
}

static void s_ignore_notice(void *arg, const PGresult *r)
{
    (void)arg;
    (void)r;
}

sut_status sut_pg_conn_connect(sut_pg_conn *c, const char *const *keywords, const char *const *values,
                               uint32_t timeout_ms)
{
    c->pg = PQconnectStartParams(keywords, values, 0);
    if (!c->pg)
        return SUT_TRACE(-ENOMEM, "PQconnectStart");
    /* Verbose, so that SQLSTATE stands in the message of a refused connection. */
    PQsetErrorVerbosity(c->pg, PQERRORS_VERBOSE);
    PQsetNoticeReceiver(c->pg, s_ignore_notice, NULL);
    c->state = SUT_PG_CONNECTING;
    if (PQstatus(c->pg) == CONNECTION_BAD) /* told from the loop, as every other end */
        return sut_timer_start_ms(c->loop, &c->connect_timer, 0, s_on_connect_timeout, c);
    sut_status st = sut_watch_start(c->loop, &c->watch, PQsocket(c->pg), EPOLLOUT, s_on_event, c);
    if (!st)
        st = sut_timer_start_ms(c->loop, &c->connect_timer, timeout_ms, s_on_connect_timeout, c);
    if (st)
        sut_pg_conn_close(c);
    return st;
}

/* ---- statements out ---- */

static void s_on_broken(sut_timer *t, void *arg)
{
    (void)t;
    s_lose(arg, "the connection was lost");
}

/* Torn down by the loop, outside of whatever is going on now. By a timer: libpq may have closed the descriptor itself,
 * and then no event would come any more. */
static void s_break(sut_pg_conn *c)
{
    c->broken = true;
    if (sut_timer_start_ms(c->loop, &c->connect_timer, 0, s_on_broken, c))
        sut_log(SUT_ERROR, "pg", "pg.break_timer_failed");
}

static bool s_flush(sut_pg_conn *c)
{
    int left = PQflush(c->pg);
    if (left < 0)
        return false;
    bool want = left == 1;
    if (want == c->want_flush)
        return true;
    c->want_flush = want;
    return sut_watch_modify(&c->watch, want ? EPOLLIN | EPOLLOUT : EPOLLIN) == 0;
}

static bool s_same_types(const s_prepared *p, sut_pg_params params)
{
    bool same = p->nparams == params.count;
    for (size_t i = 0; same && i < params.count; i++)
        same = p->types[i] == (uint8_t)params.items[i].type;
    return same;
}

static bool s_add_prepared(sut_pg_conn *c, const sut_pg_stmt *stmt, sut_pg_params params)
{
    s_prepared *p = calloc(1, sizeof(*p));
    if (!p)
        return false;
    p->nparams = (uint8_t)params.count;
    for (size_t i = 0; i < params.count; i++)
        p->types[i] = (uint8_t)params.items[i].type;
    if (sut_u64map_put(c->prepared, (uintptr_t)stmt, p) == 0)
        return true;
    free(p);
    return false;
}

static void s_drop_prepared(sut_pg_conn *c, const sut_pg_stmt *stmt)
{
    free(sut_u64map_take(c->prepared, (uintptr_t)stmt));
}

static bool s_send_encoded(sut_pg_conn *c, sut_pg_op *op, sut_pg_params params, const sut_pg_encoded *e)
{
    int n = (int)params.count;
    const sut_pg_stmt *stmt = op->stmt;
    s_prepared *known = sut_u64map_get(c->prepared, (uintptr_t)stmt);
    op->preparing = !known;
    if (known && !s_same_types(known, params)) {
        sut_log(SUT_ERROR, "pg", "pg.parameter_types_differ", SUT_KV("statement", stmt->name));
        return false;
    }
    if (!known) {
        if (!PQsendPrepare(c->pg, stmt->name, stmt->sql, n, e->types))
            return false;
        if (!s_add_prepared(c, stmt, params)) {
            s_break(c); /* a Parse is on its way that no operation stands for */
            return false;
        }
    }
    if (PQsendQueryPrepared(c->pg, stmt->name, n, e->values, e->lengths, e->formats, 1))
        return true;
    s_break(c);
    return false;
}

bool sut_pg_conn_send(sut_pg_conn *c, sut_pg_op *op, sut_pg_params params)
{
    if (c->state != SUT_PG_READY || c->broken || params.count != op->stmt->nparams || params.count > SUT_PG_PARAMS_MAX)
        return false;
    sut_pg_encoded e;
    bool sent = sut_pg_encode(params, &e) && s_send_encoded(c, op, params, &e);
    sut_pg_encoded_deinit(&e);
    if (!sent)
        return false;
    op->sent_to_server = true;
    sut_list_push_back(&c->ops, &op->node);
    c->op_count++;
    c->batch++;
    return true;
}

bool sut_pg_conn_sync(sut_pg_conn *c, sut_pg_op *op)
{
    if (c->state != SUT_PG_READY || c->broken)
        return false;
    if (!PQpipelineSync(c->pg) || !s_flush(c)) {
        s_break(c);
        return false;
    }
    op->stmt = NULL;
    op->sent_to_server = true;
    sut_list_push_back(&c->ops, &op->node);
    c->op_count++;
    c->batch = 0;
    return true;
}

/* ---- results in ---- */

static bool s_is_error(ExecStatusType s)
{
    return s == PGRES_FATAL_ERROR || s == PGRES_BAD_RESPONSE || s == PGRES_NONFATAL_ERROR;
}

/* A result of the statement at the head; takes it. */
static void s_take_result(sut_pg_op *op, PGresult *r)
{
    bool first_error = s_is_error(PQresultStatus(r)) && !(op->result && s_is_error(PQresultStatus(op->result)));
    if (!op->result || first_error) {
        PQclear(op->result);
        op->result = r;
    } else {
        PQclear(r);
    }
}

static sut_pg_outcome s_outcome(const sut_pg_op *op)
{
    ExecStatusType s = PQresultStatus(op->result);
    if (s == PGRES_PIPELINE_ABORTED)
        return SUT_PG_OP_SKIPPED;
    return op->result && s_is_error(s) ? SUT_PG_OP_ERROR : SUT_PG_OP_OK;
}

/* NULL from libpq: the Parse of the head is through, or the head is. */
static void s_end_of_results(sut_pg_conn *c, sut_pg_op *op)
{
    sut_pg_outcome outcome = s_outcome(op);
    if (op->preparing) {
        op->preparing = false;
        if (outcome != SUT_PG_OP_OK)
            s_drop_prepared(c, op->stmt);
        if (outcome !=
            SUT_PG_OP_ERROR) { /* an error of the Parse is the statement's: kept, its own result is ABORTED */
            PQclear(op->result);
            op->result = NULL;
        }
        return;
    }
    const char *state = outcome == SUT_PG_OP_ERROR ? PQresultErrorField(op->result, PG_DIAG_SQLSTATE) : NULL;
    if (state && strcmp(state, "26000") == 0) { /* its Parse was skipped in an earlier batch: may be sent again */
        s_drop_prepared(c, op->stmt);
        outcome = SUT_PG_OP_SKIPPED;
    } else if (state && strcmp(state, "0A000") == 0) { /* a migration changed a result's type: prepare all anew */
        s_break(c);
    }
    s_finish_op(c, op, outcome);
}

static void s_on_result(sut_pg_conn *c, PGresult *r)
{
    if (sut_list_empty(&c->ops)) {
        PQclear(r);
        return;
    }
    sut_pg_op *op = SUT_CONTAINER(c->ops.next, sut_pg_op, node);
    if (!r) {
        if (op->stmt && op->result)
            s_end_of_results(c, op);
    } else if (PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
        PQclear(r);
        if (op->stmt)
            c->broken = true; /* out of step: cannot be */
        else
            s_finish_op(c, op, s_outcome(op));
    } else {
        s_take_result(op, r);
    }
}

static void s_take_notices(sut_pg_conn *c)
{
    bool any = false;
    for (PGnotify *n; (n = PQnotifies(c->pg)) != NULL;) {
        PQfreemem(n);
        any = true;
    }
    if (any && c->events.notified)
        c->events.notified(c, c->events.arg);
}

static void s_read(sut_pg_conn *c)
{
    if (!PQconsumeInput(c->pg) || !s_flush(c)) {
        c->broken = true;
        return;
    }
    uint64_t generation = c->generation;
    unsigned nulls = 0; /* two in a row: nothing is there */
    while (c->generation == generation && !sut_list_empty(&c->ops) && !PQisBusy(c->pg)) {
        PGresult *r = PQgetResult(c->pg);
        nulls = r ? 0 : nulls + 1;
        if (nulls > 2)
            break;
        s_on_result(c, r);
    }
    if (c->generation == generation)
        s_take_notices(c);
    if (c->generation == generation && PQstatus(c->pg) == CONNECTION_BAD)
        c->broken = true;
}

static void s_on_event(sut_watch *w, unsigned events, void *arg)
{
    (void)w;
    sut_pg_conn *c = arg;
    if (c->state == SUT_PG_CONNECTING) {
        s_poll_connect(c);
        return;
    }
    uint64_t generation = c->generation;
    if (events & ~(unsigned)EPOLLOUT)
        s_read(c);
    else if (!s_flush(c))
        c->broken = true;
    if (c->generation == generation && c->broken)
        s_lose(c, "the connection was lost");
}
