/* The database as a whole: where it is, whether it is up, and the breaker before it. */
#include "pg_port.h"

#include "runtime.h"

#include "base/clock.h"
#include "base/health.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define S_RECONNECT_MS    1000
#define S_HEALTH          "postgres"
#define S_TELLING_WAIT_NS (100 * SUT_NS_PER_MS) /* a deadline that left less time says nothing of the database */

static void s_on_ping_timer(sut_timer *t, void *arg)
{
    sut_pg *pg = arg;
    sut_pg_shared_ping(pg);
    if (sut_timer_start_ms(pg->loop, t, SUT_PG_PING_MS, s_on_ping_timer, pg))
        sut_log(SUT_ERROR, "pg", "pg.ping_timer_failed");
}

static bool s_on_turn(sut_hook *h, void *arg)
{
    (void)h;
    return sut_pg_shared_flush(arg);
}

/* ---- where it is ---- */

static const char *s_option(const sut_pg *pg, const char *keyword)
{
    for (const PQconninfoOption *o = pg->url; o && o->keyword; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val;
    return NULL;
}

const char *sut_pg_name(const sut_pg *pg)
{
    const char *host = s_option(pg, "host");
    return !s_option(pg, "hostaddr") && sut_pg_is_name(host) ? host : NULL;
}

static sut_status s_make_options(sut_pg *pg)
{
    static const char common[] = "-c client_connection_check_interval=500 -c idle_in_transaction_session_timeout=10000";
    const char *given = s_option(pg, "options");
    if (!given)
        given = "";
    if (asprintf(&pg->read_options, "%s %s -c default_transaction_read_only=on -c statement_timeout=%d", given, common,
                 SUT_PG_READ_TIMEOUT_MS) < 0) {
        pg->read_options = NULL;
        return SUT_TRACE(-ENOMEM, "options");
    }
    if (asprintf(&pg->write_options, "%s %s -c statement_timeout=%lld", given, common,
                 (long long)pg->runtime->settings.pg_timeout_ms) < 0) {
        pg->write_options = NULL;
        return SUT_TRACE(-ENOMEM, "options");
    }
    return 0;
}

void sut_pg_conninfo(const sut_pg *pg, bool shared, const char *keywords[SUT_PG_CONNINFO_MAX],
                     const char *values[SUT_PG_CONNINFO_MAX])
{
    const char *own[][2] = {
        {"options", shared ? pg->read_options : pg->write_options},
        {"client_encoding", "UTF8"},
        {"fallback_application_name", pg->runtime->opt->name},
        {"tcp_user_timeout", s_option(pg, "tcp_user_timeout") ? s_option(pg, "tcp_user_timeout") : "5000"},
    };
    size_t n = 0;
    for (const PQconninfoOption *o = pg->url; o->keyword && n < SUT_PG_CONNINFO_MAX - SUT_ARRAY_LEN(own) - 2; o++) {
        if (o->val) {
            keywords[n] = o->keyword;
            values[n++] = o->val;
        }
    }
    if (pg->address[0]) {
        keywords[n] = "hostaddr";
        values[n++] = pg->address;
    }
    for (size_t i = 0; i < SUT_ARRAY_LEN(own); i++) { /* a later one wins over an earlier one */
        keywords[n] = own[i][0];
        values[n++] = own[i][1];
    }
    keywords[n] = values[n] = NULL;
}

/* ---- whether it is up ---- */

void sut_pg_changed(sut_pg *pg, sut_pg_failure why, const char *detail)
{
    if (!detail) {
        if (pg->shared_ready == 1) { /* a server that lets us in again is proof enough; the probe need not wait */
            sut_breaker_init(&pg->breaker, SUT_BREAKER_DEFAULTS);
            sut_health_set(S_HEALTH, true, SUT_HEALTH_UP, NULL);
            sut_log(SUT_INFO, "pg", "pg.up");
        }
        pg->last_detail[0] = 0;
    } else {
        bool news = pg->last_failure != why || strcmp(pg->last_detail, detail) != 0;
        pg->last_failure = why;
        snprintf(pg->last_detail, sizeof(pg->last_detail), "%s", detail);
        if (pg->shared_ready == 0) {
            sut_health_set(S_HEALTH, true, SUT_HEALTH_DOWN, detail);
            if (news) /* not once a second while it lasts */
                sut_log(SUT_WARN, "pg", "pg.down", SUT_KV("detail", detail));
        }
    }
    if (pg->booting)
        sut_request_wake(pg->booting, 0);
}

sut_status sut_pg_wait_up(sut_pg *pg, sut_request *rq)
{
    while (pg->shared_ready == 0) {
        if (pg->last_detail[0] && pg->last_failure == SUT_PG_FAIL_PASSWORD)
            return SUT_ERR_FORBIDDEN;
        if (pg->last_detail[0] && pg->last_failure == SUT_PG_FAIL_DATABASE)
            return SUT_ERR_NOT_FOUND;
        pg->booting = rq;
        sut_status st = sut_request_park(rq);
        pg->booting = NULL;
        if (st)
            return st;
    }
    return 0;
}

sut_status sut_pg_say_away(sut_request *rq)
{
    return sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, SUT_RETRY_SOON_MS, "The database is not available.");
}

sut_status sut_pg_admit(sut_pg *pg, sut_request *rq)
{
    uint32_t retry_ms = 0;
    if (sut_breaker_allow(&pg->breaker, sut_now_ns(), &retry_ms))
        return 0;
    if (pg->shared_ready == 0 &&
        retry_ms > S_RECONNECT_MS) /* a connection closes the breaker, and is tried all the time */
        retry_ms = S_RECONNECT_MS;
    return sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, retry_ms, "The database is not available.");
}

void sut_pg_report(sut_pg *pg, uint64_t started_ns, sut_status status, bool away)
{
    uint64_t now = sut_now_ns();
    bool interrupted = status == SUT_ERR_CANCELLED || status == SUT_ERR_OVERLOADED;
    if (status == SUT_ERR_DEADLINE_EXCEEDED && now - started_ns < S_TELLING_WAIT_NS)
        interrupted = true;
    if (interrupted)
        sut_breaker_release(&pg->breaker);
    else
        sut_breaker_result(&pg->breaker, now, away || status == SUT_ERR_DEADLINE_EXCEEDED);
}

/* ---- life ---- */

sut_status sut_pg_new(sut_pg **out, struct sut_runtime *rt, const char *url, char *error, size_t error_size)
{
    sut_pg *pg = calloc(1, sizeof(*pg));
    *out = NULL;
    if (!pg)
        return SUT_TRACE(-ENOMEM, "postgres");
    pg->runtime = rt;
    pg->loop = rt->loop;
    pg->hook = (sut_hook){.fn = s_on_turn, .arg = pg};
    sut_list_init(&pg->idle);
    sut_list_init(&pg->waiters);
    sut_list_init(&pg->leases);
    sut_breaker_init(&pg->breaker, SUT_BREAKER_DEFAULTS);
    char *why = NULL;
    pg->url = PQconninfoParse(url, &why);
    if (!pg->url) {
        snprintf(error, error_size, "%s: %.*s", rt->opt->database_setting, why ? (int)strcspn(why, "\n") : 0, why);
        PQfreemem(why);
        sut_pg_free(pg);
        return -EINVAL;
    }
    pg->shared = calloc((size_t)rt->settings.pg_shared, sizeof(*pg->shared));
    sut_status st = pg->shared ? s_make_options(pg) : SUT_TRACE(-ENOMEM, "shared connections");
    if (!st)
        st = sut_timer_start_ms(pg->loop, &pg->ping_timer, SUT_PG_PING_MS, s_on_ping_timer, pg);
    if (st) {
        sut_pg_free(pg);
        return st;
    }
    sut_hook_add(pg->loop, &pg->hook);
    sut_health_set(S_HEALTH, true, SUT_HEALTH_UNKNOWN, "connecting");
    for (; pg->shared_count < (uint32_t)rt->settings.pg_shared; pg->shared_count++)
        sut_pg_shared_start(pg, &pg->shared[pg->shared_count]);
    *out = pg;
    return 0;
}

sut_pg *sut_pg_free(sut_pg *pg)
{
    if (!pg)
        return NULL;
    pg->closing = true;
    sut_hook_remove(&pg->hook);
    sut_timer_stop(&pg->ping_timer);
    for (uint32_t i = 0; i < pg->shared_count; i++)
        sut_pg_shared_stop(&pg->shared[i]);
    sut_pg_pool_close(pg);
    free(pg->shared);
    PQconninfoFree(pg->url);
    free(pg->read_options);
    free(pg->write_options);
    free(pg);
    return NULL;
}
