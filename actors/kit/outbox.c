/* Who relays a database's outbox, and when.
 *
 * All instances that share the database try for one session lock, each on a connection of its own; the one that has it
 * is the owner, and raises the source's epoch in the same statement. All that the owner does to the outbox goes over
 * that connection too: when it is lost, so is the lock, and nothing of the old owner is still under way in the
 * database; what it may still have on its way to the broker is fenced there by the epoch.
 *
 * An owner that hangs keeps its lock. So it renews a lease once a second; when that is 5 s old, and its backend has had
 * nothing to do for as long, whoever tries next terminates the backend. The second condition spares an owner that got
 * the lock this very moment.
 *
 * No business transaction notifies: NOTIFY takes a lock that makes commits wait for each other. Commits in the owner's
 * process wake it directly; other processes notify it from a statement of their own, once in 5 ms; and it looks by
 * itself every 250 ms. */
#include "outbox_state.h"

#include "periodic.h"

#include "base/clock.h"
#include "base/health.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define S_HEALTH        "outbox"
#define S_TRY_MS        1000 /* between attempts to become the owner */
#define S_NOTIFY_MS     5
#define S_NOTIFY_WAIT   5000
#define S_LATE_MS       5000 /* the oldest row's age from which health says so */
#define S_NEVER_RENEWED 0

#define LAG_SQL                                                                                                        \
    "(SELECT count(*) FROM (SELECT 1 FROM sut_outbox LIMIT 10000) l), "                                                \
    "(SELECT greatest(0, extract(epoch FROM clock_timestamp() - created_at) * 1000)::bigint FROM sut_outbox"           \
    " ORDER BY id LIMIT 1), (SELECT count(*) FROM (SELECT 1 FROM sut_outbox_refused LIMIT 10000) l)"

static const sut_pg_stmt s_take = {"sut_outbox_take",
                                   "WITH lock AS MATERIALIZED (SELECT pg_try_advisory_lock(7307, 1) AS got)"
                                   " UPDATE sut_outbox_source SET epoch = epoch + 1, owner = $1,"
                                   " renewed_at = clock_timestamp() FROM lock WHERE lock.got"
                                   " RETURNING source, epoch, last_number",
                                   1};
static const sut_pg_stmt s_listen = {"sut_outbox_listen", "LISTEN sut_outbox", 0};
static const sut_pg_stmt s_renew = {"sut_outbox_renew",
                                    "UPDATE sut_outbox_source SET renewed_at = clock_timestamp() WHERE epoch = $1"
                                    " RETURNING " LAG_SQL,
                                    1};
static const sut_pg_stmt s_evict = {
    "sut_outbox_evict",
    "SELECT pg_terminate_backend(l.pid), s.owner FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid,"
    " sut_outbox_source s WHERE l.locktype = 'advisory' AND l.classid = 7307 AND l.objid = 1 AND l.objsubid = 2"
    " AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND l.pid <> pg_backend_pid() AND a.state_change < clock_timestamp() - make_interval(secs => $1)"
    " AND s.renewed_at < clock_timestamp() - make_interval(secs => $1)",
    1};
static const sut_pg_stmt s_lag = {"sut_outbox_lag", "SELECT " LAG_SQL, 0};
static const sut_pg_stmt s_notify = {"sut_outbox_notify", "SELECT pg_notify('sut_outbox', '')", 0};

static sut_metric s_rows = {
    .name = "sut_outbox_rows", .help = "Events that wait to be published, counted up to 10,000.", .kind = SUT_GAUGE};
static sut_metric s_oldest = {
    .name = "sut_outbox_oldest_ms", .help = "How long the oldest of them has been waiting.", .kind = SUT_GAUGE};
static sut_metric s_refused = {
    .name = "sut_outbox_refused_rows", .help = "Events that the broker refused for good.", .kind = SUT_GAUGE};
static sut_metric s_owner = {
    .name = "sut_outbox_owner", .help = "1: this process relays its database's outbox.", .kind = SUT_GAUGE};

/* ---- waiting ---- */

void sut_outbox_on_timer(sut_timer *t, void *arg)
{
    (void)t;
    sut_outbox *o = arg;
    if (o->relay)
        sut_request_wake(o->relay, 0);
}

void sut_outbox_wake(sut_outbox *o)
{
    o->woken = true;
    if (o->sleeping)
        sut_request_wake(o->relay, 0);
}

sut_status sut_outbox_pause(sut_outbox *o, sut_request *rq, uint32_t ms, bool wakeable)
{
    sut_timer timer = {0};
    if (o->stopping || (wakeable && o->woken)) {
        o->woken = false;
        return 0;
    }
    sut_status st = sut_timer_start_ms(o->rt->loop, &timer, ms, sut_outbox_on_timer, o);
    o->sleeping = wakeable;
    o->pausing = !wakeable;
    if (!st)
        st = sut_request_park(rq);
    o->sleeping = o->pausing = false;
    if (wakeable)
        o->woken = false;
    sut_timer_stop(&timer);
    return st;
}

static void s_on_news(void *arg)
{
    sut_outbox_wake(arg);
}

/* ---- lag ---- */

static void s_note_lag(sut_outbox *o, const sut_pg_result *r)
{
    o->status.rows = sut_pg_get_i64(r, 0, 0);
    o->status.oldest_ms = sut_pg_get_i64(r, 0, 1);
    o->status.refused = sut_pg_get_i64(r, 0, 2);
    sut_metric_set(&s_rows, o->status.rows);
    sut_metric_set(&s_oldest, o->status.oldest_ms);
    sut_metric_set(&s_refused, o->status.refused);
    char detail[128] = "";
    if (o->status.oldest_ms >= S_LATE_MS)
        snprintf(detail, sizeof(detail), "%lld events wait to be published, the oldest for %lld s",
                 (long long)o->status.rows, (long long)(o->status.oldest_ms / 1000));
    else if (o->status.refused)
        snprintf(detail, sizeof(detail), "%lld events were refused for good: see the table sut_outbox_refused",
                 (long long)o->status.refused);
    sut_health_set(S_HEALTH, false, detail[0] ? SUT_HEALTH_DEGRADED : SUT_HEALTH_UP, detail[0] ? detail : NULL);
}

bool sut_outbox_look(const sut_runtime *rt, sut_outbox_status *out)
{
    if (!rt->outbox)
        return false;
    *out = rt->outbox->status;
    return true;
}

/* ---- the lock ---- */

static void s_set_owner(sut_outbox *o, bool owner)
{
    o->owner = o->status.relaying = owner;
    sut_metric_set(&s_owner, owner);
}

static sut_status s_begin_term(sut_outbox *o, sut_request *rq, const sut_pg_result *r)
{
    sut_str source = sut_pg_get_text(r, 0, 0);
    if (source.len == 0 || source.len > SUT_SOURCE_MAX)
        return sut_fail_internal(rq, "the outbox's source has a name of %zu bytes", source.len);
    memcpy(o->source, source.ptr, source.len);
    o->source[source.len] = 0;
    o->epoch = (uint64_t)sut_pg_get_i64(r, 0, 1);
    o->tried = sut_pg_get_i64(r, 0, 2);
    o->acked = 0;
    o->batch = SUT_PUBLISH_MAX;
    o->failures = 0;
    o->refused_ns = 0;
    o->renewed_ns = S_NEVER_RENEWED;
    s_set_owner(o, true);
    sut_log(SUT_INFO, "kit", "outbox.owner", SUT_KV("source", o->source), SUT_KV_U("epoch", o->epoch));
    return sut_pg_own_run(o->conn, rq, &s_listen, SUT_PG_NO_PARAMS, NULL);
}

static sut_status s_evict_hung(sut_outbox *o, sut_request *rq)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_own_run(o->conn, rq, &s_evict, SUT_PG_PARAMS(sut_pg_f64(SUT_OUTBOX_STALE_S)), &r);
    if (!st && sut_pg_rows(r) > 0)
        sut_log(SUT_WARN, "kit", "outbox.evicted", SUT_KV_S("owner", sut_pg_get_text(r, 0, 1)),
                SUT_KV("terminated", sut_pg_get_bool(r, 0, 0) ? "yes" : "no"));
    return st;
}

static sut_status s_try_lock(sut_outbox *o, sut_request *rq)
{
    const sut_pg_result *r;
    sut_str me = sut_str_from(o->rt->settings.instance ? o->rt->settings.instance : "");
    sut_status st = sut_pg_own_run(o->conn, rq, &s_take, SUT_PG_PARAMS(sut_pg_text(me)), &r);
    if (st)
        return st;
    if (sut_pg_rows(r) > 0)
        return s_begin_term(o, rq, r);
    st = s_evict_hung(o, rq);
    if (!st)
        st = sut_pg_own_run(o->conn, rq, &s_lag, SUT_PG_NO_PARAMS, &r);
    if (st)
        return st;
    s_note_lag(o, r);
    return sut_outbox_pause(o, rq, S_TRY_MS, false);
}

sut_status sut_outbox_renew(sut_outbox *o, sut_request *rq, bool now)
{
    const sut_pg_result *r;
    uint64_t at = sut_now_ns();
    if (!now && o->renewed_ns && at - o->renewed_ns < SUT_OUTBOX_RENEW_MS * SUT_NS_PER_MS)
        return 0;
    sut_status st = sut_pg_own_run(o->conn, rq, &s_renew, SUT_PG_PARAMS(sut_pg_i64((int64_t)o->epoch)), &r);
    if (st)
        return st;
    if (sut_pg_rows(r) == 0)
        return sut_fail(rq, SUT_ERR_FENCED, "Another instance has taken the outbox over.");
    o->renewed_ns = at;
    s_note_lag(o, r);
    return 0;
}

/* ---- the fiber ---- */

static sut_status s_round(sut_outbox *o, sut_request *rq, bool *over)
{
    bool idle = true;
    if (!o->owner) {
        *over = o->stopping;
        return o->stopping ? 0 : s_try_lock(o, rq);
    }
    o->woken = false;
    sut_status st = sut_outbox_renew(o, rq, false);
    if (!st)
        st = sut_outbox_send(o, rq, &idle);
    if (st)
        return st;
    if (!idle || (o->stopping && o->woken)) /* what was committed while this one looked is sent before the end */
        return 0;
    *over = o->stopping;
    return *over ? 0 : sut_outbox_pause(o, rq, o->poll_ms, true);
}

/* One connection's life. */
static void s_term(sut_outbox *o, sut_request *rq)
{
    bool over = false;
    sut_status st = sut_pg_own_open(o->rt->pg, rq, s_on_news, o, &o->conn);
    while (!st && !over) {
        st = s_round(o, rq, &over);
        if (!st)
            sut_request_recycle(rq);
    }
    if (st)
        sut_log(o->owner ? SUT_WARN : SUT_DEBUG, o->owner ? "kit" : "kit:outbox", "outbox.term_over",
                SUT_KV_I("error", st), SUT_KV_S("message", rq->error.message));
    s_set_owner(o, false);
    o->conn = sut_pg_own_close(o->conn);
    sut_request_recycle(rq);
}

static sut_status s_relay(sut_request *rq, void *arg)
{
    sut_outbox *o = arg;
    sut_status st = 0;
    while (!st && !o->stopping) {
        s_term(o, rq);
        uint32_t jitter;
        sut_random(&jitter, sizeof(jitter));
        if (!o->stopping)
            st = sut_outbox_pause(o, rq, S_TRY_MS / 2 + jitter % S_TRY_MS, false);
    }
    o->relay = NULL;
    return st;
}

sut_status sut_outbox_start(sut_runtime *rt, const sut_event_port *port)
{
    static bool registered;
    if (!rt->pg || rt->outbox)
        return 0;
    sut_outbox *o = calloc(1, sizeof(*o));
    if (!o)
        return SUT_TRACE(-ENOMEM, "outbox");
    *o = (sut_outbox){.rt = rt, .port = *port, .batch = SUT_PUBLISH_MAX, .poll_ms = SUT_OUTBOX_POLL_MS};
    sut_status st = sut_runtime_acquire(rt, &o->relay);
    if (st) {
        free(o);
        return st;
    }
    if (!registered) {
        sut_metric_register(&s_rows);
        sut_metric_register(&s_oldest);
        sut_metric_register(&s_refused);
        sut_metric_register(&s_owner);
        sut_outbox_register_metrics();
    }
    registered = true;
    rt->outbox = o;
    sut_health_set(S_HEALTH, false, SUT_HEALTH_UNKNOWN, "not looked at yet");
    sut_request_begin(o->relay, "kit.outbox_relay", SUT_NEVER, SUT_STR_NONE);
    sut_runtime_launch(rt, o->relay, s_relay, o);
    return 0;
}

void sut_outbox_stop(sut_runtime *rt)
{
    sut_outbox *o = rt->outbox;
    if (!o || o->stopping)
        return;
    o->stopping = true;
    sut_timer_stop(&o->notify_timer);
    if (o->sleeping || o->pausing)
        sut_request_wake(o->relay, 0);
}

bool sut_outbox_running(const sut_runtime *rt)
{
    return rt->outbox && rt->outbox->relay;
}

void sut_outbox_free(sut_runtime *rt)
{
    if (rt->outbox)
        sut_timer_stop(&rt->outbox->notify_timer);
    free(rt->outbox);
    rt->outbox = NULL;
}

/* ---- commits in a process that is not the owner ---- */

static sut_status s_tell(sut_request *rq, void *arg)
{
    sut_outbox *o = arg;
    sut_status st = sut_pg_run(rq, &s_notify, SUT_PG_NO_PARAMS, NULL);
    o->notifying = false;
    if (o->notify_again)
        sut_outbox_committed(o->rt);
    return st; /* if it was not heard, the owner's next look finds the rows */
}

static void s_on_notify_due(sut_timer *t, void *arg)
{
    (void)t;
    sut_outbox *o = arg;
    sut_request *rq = NULL;
    if (o->stopping || sut_runtime_acquire(o->rt, &rq))
        return;
    o->notifying = true;
    o->notify_again = false;
    sut_request_begin(rq, "kit.outbox_notify", sut_now_ns() + S_NOTIFY_WAIT * SUT_NS_PER_MS, SUT_STR_NONE);
    sut_runtime_launch(o->rt, rq, s_tell, o);
}

void sut_outbox_committed(sut_runtime *rt)
{
    sut_outbox *o = rt->outbox;
    if (!o || o->stopping)
        return;
    if (o->owner) {
        sut_outbox_wake(o);
    } else if (o->notifying) {
        o->notify_again = true;
    } else if (!o->notify_timer.loop) {
        if (sut_timer_start_ms(rt->loop, &o->notify_timer, S_NOTIFY_MS, s_on_notify_due, o))
            sut_log(SUT_ERROR, "kit", "outbox.notify_timer_failed");
    }
}

/* ---- libsut as the port ---- */

static sut_status s_publish(void *bus, const sut_publish *events, size_t count, const sut_publish_options *opt,
                            sut_published_fn fn, void *arg)
{
    return sut_publish_start(bus, events, count, opt, fn, arg);
}

static bool s_up(void *bus)
{
    return sut_client_state(bus) == SUT_SESSION_UP;
}

static uint64_t s_sessions(void *bus)
{
    sut_client_stats stats;
    sut_client_get_stats(bus, &stats);
    return stats.sessions;
}

sut_event_port sut_event_port_of(sut_client *client)
{
    return (sut_event_port){.publish = s_publish, .up = s_up, .sessions = s_sessions, .bus = client};
}
