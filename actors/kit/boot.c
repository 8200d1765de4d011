/* What happens before an actor serves: its stores are up, its tables are of this build's age, its on_start is through.
 * A store that is away is waited for; one that will never let us in ends the process with one line. */
#include "runtime.h"

#include "migrations.h"
#include "periodic.h"
#include "pg_migrate.h"
#include "redis/redis.h"
#include "saga_store.h"

#include "kit/work.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

#define S_REDIS_WAIT_MS 2000

static sut_status s_give_up(sut_runtime *rt, int exit_code, const char *what, const char *detail)
{
    rt->exit_code = exit_code;
    snprintf(rt->error, sizeof(rt->error), "%s%s%s", what, detail[0] ? ": " : "", detail);
    return SUT_ERR_INTERNAL;
}

static sut_status s_wait_database(sut_runtime *rt, sut_request *rq)
{
    if (!rt->pg)
        return 0;
    sut_status st = sut_pg_wait_up(rt->pg, rq);
    if (st == SUT_ERR_FORBIDDEN)
        return s_give_up(rt, SUT_EXIT_NOPERM, rt->opt->database_setting, rt->pg->last_detail);
    if (st == SUT_ERR_NOT_FOUND)
        return s_give_up(rt, SUT_EXIT_CONFIG, rt->opt->database_setting, rt->pg->last_detail);
    return st;
}

static sut_status s_migrate(sut_runtime *rt, sut_request *rq, const sut_pg_migrations *migrations)
{
    if (!rt->pg || !migrations)
        return 0;
    for (;;) {
        sut_migrate_job job = {.pg = rt->pg, .migrations = migrations};
        rq->uninterruptible = true; /* the worker uses what we own */
        sut_status st = sut_work(rq, sut_migrate, &job, sizeof(job));
        rq->uninterruptible = false;
        if (st)
            return st;
        if (job.outcome == SUT_MIGRATE_EDITED)
            return s_give_up(rt, SUT_EXIT_CONFIG, job.error, "");
        if (job.outcome == SUT_MIGRATE_FAILED)
            return s_give_up(rt, SUT_EXIT_SOFTWARE, job.error, "");
        if (job.outcome == SUT_MIGRATED)
            return 0;
        sut_log(SUT_WARN, "kit", "migration.waits", SUT_KV("detail", job.error));
        st = sut_request_sleep_ms(rq, SUT_RETRY_SOON_MS);
        if (!st)
            st = s_wait_database(rt, rq);
        if (st)
            return st;
    }
}

static void s_on_redis_waited(sut_timer *t, void *arg)
{
    (void)t;
    sut_request_wake(arg, 0);
}

/* Redis is waited for a little: an actor can start without it, and says so in its health. */
static sut_status s_wait_redis(sut_runtime *rt, sut_request *rq)
{
    if (!rt->redis)
        return 0;
    sut_timer timer = {0};
    sut_status st = sut_timer_start_ms(rt->loop, &timer, S_REDIS_WAIT_MS, s_on_redis_waited, rq);
    while (!st && timer.loop && sut_redis_state_of(rt->redis) != SUT_REDIS_READY) {
        if (sut_redis_state_of(rt->redis) == SUT_REDIS_REFUSED) {
            st = s_give_up(rt, SUT_EXIT_NOPERM, rt->opt->redis_setting, sut_redis_detail(rt->redis));
            break;
        }
        rt->redis_waiter = rq;
        st = sut_request_park(rq);
        rt->redis_waiter = NULL;
    }
    sut_timer_stop(&timer);
    return st;
}

static sut_status s_steps(sut_runtime *rt, sut_request *rq)
{
    sut_status st = s_wait_database(rt, rq);
    if (!st)
        st = s_migrate(rt, rq, &sut_kit_migrations);
    if (!st && rt->opt->saga_count)
        st = s_migrate(rt, rq, &sut_saga_migrations);
    if (!st)
        st = s_migrate(rt, rq, rt->opt->migrations);
    if (!st)
        st = s_wait_redis(rt, rq);
    if (!st && rt->opt->on_start) {
        st = rt->opt->on_start(rq, rt->opt->on_start_arg);
        if (st && !rt->error[0]) {
            char detail[160];
            snprintf(detail, sizeof(detail), "%.*s (%d)", SUT_STR_FMT(rq->error.message), st);
            return s_give_up(rt, SUT_EXIT_UNAVAILABLE, "the actor's own start failed", detail);
        }
    }
    return st ? st : sut_periodics_start(rt);
}

static sut_status s_boot(sut_request *rq, void *arg)
{
    sut_runtime *rt = arg;
    sut_status st = s_steps(rt, rq);
    rt->boot = NULL;
    rt->serving = st == 0;
    if (!st)
        sut_log(SUT_INFO, "kit", "actor.ready", SUT_KV("service", rt->opt->name),
                SUT_KV_U("ms", (sut_now_ns() - rt->started_ns) / SUT_NS_PER_MS));
    if (rt->on_booted)
        rt->on_booted(rt, st);
    return st;
}

sut_status sut_runtime_boot(sut_runtime *rt)
{
    sut_status st = sut_runtime_acquire(rt, &rt->boot);
    if (st)
        return st;
    sut_request_begin(rt->boot, "boot", SUT_NEVER, SUT_STR_NONE);
    sut_runtime_launch(rt, rt->boot, s_boot, rt);
    return 0;
}
