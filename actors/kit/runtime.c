/* Making and unmaking the runtime: loop, fibers, stores, workers. */
#include "runtime.h"

#include "dispatch.h"
#include "outbox.h"
#include "periodic.h"
#include "pg_port.h"
#include "redis/redis.h"
#include "transfer.h"
#include "work.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool s_on_turn(sut_hook *h, void *arg)
{
    (void)h;
    return sut_runtime_run_ready(arg);
}

static void s_on_redis_state(sut_redis *r, sut_redis_state state, void *arg)
{
    (void)r;
    (void)state;
    sut_runtime *rt = arg;
    if (rt->redis_waiter)
        sut_request_wake(rt->redis_waiter, 0);
}

static sut_status s_make_stats(sut_runtime *rt)
{
    rt->stats = calloc(rt->opt->entry_count + 1, sizeof(*rt->stats));
    if (!rt->stats)
        return SUT_TRACE(-ENOMEM, "method statistics");
    for (size_t i = 0; i < rt->opt->entry_count; i++) {
        sut_method_stats *s = &rt->stats[i];
        snprintf(s->labels, sizeof(s->labels), "method=\"%s\"", rt->opt->entries[i].method->name);
        s->calls = (sut_metric){.name = "sut_actor_calls_total",
                                .help = "Calls that reached this actor.",
                                .labels = s->labels,
                                .kind = SUT_COUNTER};
        s->errors = (sut_metric){.name = "sut_actor_errors_total",
                                 .help = "Calls that it answered with an error.",
                                 .labels = s->labels,
                                 .kind = SUT_COUNTER};
        sut_metric_register(&s->calls);
        sut_metric_register(&s->errors);
    }
    return 0;
}

static sut_status s_make_stores(sut_runtime *rt, char *error, size_t error_size)
{
    const sut_kit_settings *set = &rt->settings;
    sut_status st = 0;
    if (rt->opt->database_setting)
        st = sut_pg_new(&rt->pg, rt, set->database_url, error, error_size);
    if (!st && rt->opt->redis_setting)
        st = sut_redis_new(
            &rt->redis, rt->loop,
            &(sut_redis_options){
                .url = set->redis_url, .required = true, .on_state = s_on_redis_state, .on_state_arg = rt},
            error, error_size);
    return st;
}

sut_status sut_runtime_new(sut_runtime **out, const sut_actor_options *opt, const sut_kit_settings *settings,
                           char *error, size_t error_size)
{
    error[0] = 0;
    sut_runtime *rt = calloc(1, sizeof(*rt));
    *out = NULL;
    if (!rt)
        return SUT_TRACE(-ENOMEM, "runtime");
    rt->opt = opt;
    rt->settings = *settings;
    rt->started_ns = sut_now_ns();
    sut_list_init(&rt->ready);
    sut_list_init(&rt->running);
    sut_list_init(&rt->idle);
    rt->hook = (sut_hook){.fn = s_on_turn, .arg = rt};
    sut_status st = sut_loop_new(&rt->loop);
    if (!st) {
        sut_loop_set_spin_us(rt->loop, (unsigned)settings->spin_us);
        sut_hook_add(rt->loop,
                     &rt->hook); /* before the stores' hooks, which send what the fibers of a turn asked for */
        st = sut_strmap_new(&rt->breakers);
    }
    if (!st)
        st = s_make_stats(rt);
    if (!st)
        st = sut_work_pool_new(&rt->work, rt->loop, (uint32_t)settings->workers, (uint32_t)settings->work_queue);
    if (!st)
        st = s_make_stores(rt, error, error_size);
    if (st) {
        if (!error[0])
            snprintf(error, error_size, "cannot start: %s", strerror(-st));
        sut_runtime_free(rt);
        return st;
    }
    *out = rt;
    return 0;
}

static void s_free_requests(sut_node *list)
{
    for (sut_node *node; (node = sut_list_pop_front(list)) != NULL;) {
        sut_request *rq = SUT_CONTAINER(node, sut_request, node);
        sut_request_deinit(rq);
        free(rq);
    }
}

static void s_free_breakers(sut_strmap *breakers)
{
    size_t pos = 0;
    sut_str key;
    void *value;
    while (breakers && sut_strmap_next(breakers, &pos, &key, &value))
        free(value);
    sut_strmap_free(breakers);
}

sut_runtime *sut_runtime_free(sut_runtime *rt)
{
    if (!rt)
        return NULL;
    sut_periodics_free(rt);
    sut_outbox_free(rt);
    rt->transfers = sut_transfers_free(rt->transfers);
    rt->redis = sut_redis_free(rt->redis);
    rt->pg = sut_pg_free(rt->pg);
    rt->work = sut_work_pool_free(rt->work);
    rt->work_slow = sut_work_pool_free(rt->work_slow);
    s_free_breakers(rt->breakers);
    s_free_requests(&rt->idle);
    sut_hook_remove(&rt->hook);
    sut_loop_free(rt->loop);
    free(rt);
    return NULL;
}
