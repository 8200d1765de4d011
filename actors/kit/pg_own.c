/* A connection of one fiber: a lease that no pool knows. */
#include "pg_own.h"

#include "pg_result.h"
#include "runtime.h"

#include <errno.h>
#include <stdlib.h>

struct sut_pg_own {
    sut_pg_lease lease;
    sut_request *opener; /* while it connects */
    sut_pg_own_fn on_news;
    void *arg;
};

static void s_on_ready(sut_pg_conn *c, void *arg)
{
    (void)c;
    sut_pg_own *own = arg;
    if (own->opener)
        sut_request_wake(own->opener, 0);
}

static void s_on_down(sut_pg_conn *c, sut_pg_failure why, const char *detail, void *arg)
{
    (void)c;
    (void)why;
    (void)detail;
    sut_pg_own *own = arg;
    if (own->opener)
        sut_request_wake(own->opener, 0);
    else
        own->on_news(own->arg);
}

static void s_on_notified(sut_pg_conn *c, void *arg)
{
    (void)c;
    sut_pg_own *own = arg;
    own->on_news(own->arg);
}

static sut_status s_connect(sut_pg_own *own, sut_request *rq)
{
    sut_pg *pg = own->lease.pg;
    const char *keywords[SUT_PG_CONNINFO_MAX], *values[SUT_PG_CONNINFO_MAX];
    if (sut_pg_name(pg) && !pg->address[0])
        return sut_pg_say_away(rq);
    sut_pg_conninfo(pg, false, keywords, values);
    if (sut_pg_conn_connect(&own->lease.conn, keywords, values, SUT_PG_CONNECT_TIMEOUT_MS))
        return sut_pg_say_away(rq);
    own->opener = rq;
    sut_status st = sut_request_park(rq);
    own->opener = NULL;
    if (st)
        return sut_request_say_interrupted(rq, st);
    return sut_pg_own_up(own) ? 0 : sut_pg_say_away(rq);
}

sut_status sut_pg_own_open(sut_pg *pg, sut_request *rq, sut_pg_own_fn on_news, void *arg, sut_pg_own **out)
{
    *out = NULL;
    sut_pg_own *own = calloc(1, sizeof(*own));
    if (!own)
        return SUT_TRACE(-ENOMEM, "connection");
    own->lease.pg = pg;
    own->lease.leased = true;
    own->on_news = on_news;
    own->arg = arg;
    sut_pg_conn_init(
        &own->lease.conn, pg->loop,
        (sut_pg_conn_events){.ready = s_on_ready, .down = s_on_down, .notified = s_on_notified, .arg = own});
    sut_status st = s_connect(own, rq);
    if (st) {
        sut_pg_own_close(own);
        return st;
    }
    *out = own;
    return 0;
}

sut_pg_own *sut_pg_own_close(sut_pg_own *own)
{
    if (!own)
        return NULL;
    sut_pg_conn_close(&own->lease.conn);
    PQclear(own->lease.result);
    PQclear(own->lease.error);
    free(own);
    return NULL;
}

bool sut_pg_own_up(const sut_pg_own *own)
{
    return own->lease.conn.state == SUT_PG_READY && !own->lease.conn.broken;
}

sut_status sut_pg_own_send(sut_pg_own *own, sut_request *rq, const sut_pg_stmt *stmt, sut_pg_params params)
{
    if (sut_pg_lease_send(&own->lease, stmt, params))
        return 0;
    return sut_pg_own_up(own) ? sut_fail_internal(rq, "statement %s could not be sent", stmt->name)
                              : sut_pg_say_away(rq);
}

sut_status sut_pg_own_run(sut_pg_own *own, sut_request *rq, const sut_pg_stmt *stmt, sut_pg_params params,
                          const sut_pg_result **out)
{
    sut_pg_lease *l = &own->lease;
    sut_status st = sut_pg_own_send(own, rq, stmt, params);
    if (st)
        return st;
    st = sut_pg_lease_wait(l, rq);
    if (st)
        return sut_request_say_interrupted(rq, st);
    PGresult *result = l->result, *error = l->error;
    l->result = l->error = NULL;
    if (error || l->lost || !result) {
        st = error ? sut_pg_fail(rq, l->error_stmt ? l->error_stmt : stmt, error) : sut_pg_say_away(rq);
        PQclear(result);
        PQclear(error);
        return st;
    }
    return sut_pg_result_keep(rq, stmt, result, out);
}
