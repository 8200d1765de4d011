/* Background functions: fibers without a call behind them, once or again and again. */
#include "kit/task.h"

#include "consume.h"
#include "idempotency.h"
#include "periodic.h"
#include "request.h"
#include "runtime.h"
#include "saga_store.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

#define S_TIMEOUT_MS 30000

static void s_log_end(sut_request *rq, sut_status st)
{
    uint64_t took_us = (sut_now_ns() - rq->started_ns) / SUT_NS_PER_US;
    if (!st) {
        sut_log(SUT_DEBUG, "kit:task", "task.done", SUT_KV("task", rq->name), SUT_KV_U("us", took_us));
        return;
    }
    sut_log(SUT_WARN, "kit", "task.failed", SUT_KV("task", rq->name), SUT_KV_I("error", st),
            SUT_KV_S("message", rq->error.message), SUT_KV_U("us", took_us));
}

static uint64_t s_deadline(uint32_t timeout_ms)
{
    return sut_now_ns() + (timeout_ms ? timeout_ms : S_TIMEOUT_MS) * SUT_NS_PER_MS;
}

/* ---- once ---- */

typedef struct s_once {
    sut_request_fn fn;
    const void *arg;
    size_t size;
    _Alignas(max_align_t) unsigned char copy[];
} s_once;

static sut_status s_run_once(sut_request *rq, void *arg)
{
    s_once *once = arg;
    /* The function gets its own copy, or the caller's pointer as it is. */
    sut_status st = once->fn(rq, once->size ? (void *)once->copy : (void *)(uintptr_t)once->arg);
    s_log_end(rq, st);
    explicit_bzero(once->copy, once->size);
    free(once);
    rq->runtime->background_count--;
    return st;
}

sut_status sut_background(sut_request *rq, const char *name, sut_request_fn fn, const void *arg, size_t arg_size,
                          uint32_t timeout_ms)
{
    sut_runtime *rt = rq->runtime;
    if (rt->background_count >= SUT_BACKGROUND_MAX)
        return sut_fail_retry(rq, SUT_ERR_OVERLOADED, SUT_RETRY_SOON_MS, "Too much is under way.");
    s_once *once = malloc(sizeof(*once) + arg_size);
    sut_request *child = NULL;
    if (!once || sut_runtime_acquire(rt, &child)) {
        free(once);
        return SUT_TRACE(-ENOMEM, "background function");
    }
    *once = (s_once){.fn = fn, .arg = arg, .size = arg_size};
    if (arg_size)
        memcpy(once->copy, arg, arg_size);
    rt->background_count++;
    sut_request_begin(child, name, s_deadline(timeout_ms), (sut_str){rq->traceparent, SUT_TRACEPARENT_LEN});
    sut_runtime_launch(rt, child, s_run_once, once);
    return 0;
}

/* ---- again and again ---- */

struct sut_periodic_run {
    sut_runtime *rt;
    const sut_periodic *what;
    sut_timer timer;
};

static void s_schedule(sut_periodic_run *run);

static sut_status s_run_periodic(sut_request *rq, void *arg)
{
    sut_periodic_run *run = arg;
    sut_status st = run->what->fn(rq, run->what->arg);
    s_log_end(rq, st);
    if (!run->rt->draining)
        s_schedule(run);
    return st;
}

static void s_on_due(sut_timer *t, void *arg)
{
    (void)t;
    sut_periodic_run *run = arg;
    sut_request *rq = NULL;
    if (sut_runtime_acquire(run->rt, &rq)) {
        s_schedule(run);
        return;
    }
    sut_request_begin(rq, run->what->name, s_deadline(run->what->timeout_ms), SUT_STR_NONE);
    sut_runtime_launch(run->rt, rq, s_run_periodic, run);
}

static void s_schedule(sut_periodic_run *run)
{
    uint32_t jitter;
    sut_random(&jitter, sizeof(jitter));
    uint64_t ms = run->what->every_ms + jitter % (run->what->every_ms / 10 + 1);
    if (sut_timer_start_ms(run->rt->loop, &run->timer, ms, s_on_due, run))
        sut_log(SUT_ERROR, "kit", "task.timer_failed", SUT_KV("task", run->what->name));
}

sut_status sut_periodics_start(sut_runtime *rt)
{
    size_t count = rt->opt->periodic_count;
    rt->periodics = calloc(count + 4, sizeof(*rt->periodics));
    if (!rt->periodics)
        return SUT_TRACE(-ENOMEM, "periodic functions");
    for (size_t i = 0; i < count; i++)
        rt->periodics[i] = (sut_periodic_run){.rt = rt, .what = &rt->opt->periodics[i]};
    if (rt->pg) {
        rt->periodics[count++] = (sut_periodic_run){.rt = rt, .what = &sut_idempotency_cleaner};
        rt->periodics[count++] = (sut_periodic_run){.rt = rt, .what = &sut_consumed_cleaner};
    }
    if (rt->pg && rt->opt->saga_count) {
        rt->periodics[count++] = (sut_periodic_run){.rt = rt, .what = &sut_saga_runner};
        rt->periodics[count++] = (sut_periodic_run){.rt = rt, .what = &sut_saga_cleaner};
    }
    for (rt->periodic_count = 0; rt->periodic_count < count; rt->periodic_count++)
        s_schedule(&rt->periodics[rt->periodic_count]);
    return 0;
}

void sut_periodics_stop(sut_runtime *rt)
{
    for (size_t i = 0; i < rt->periodic_count; i++)
        sut_timer_stop(&rt->periodics[i].timer);
}

void sut_periodics_free(sut_runtime *rt)
{
    sut_periodics_stop(rt);
    free(rt->periodics);
    rt->periodics = NULL;
    rt->periodic_count = 0;
}
