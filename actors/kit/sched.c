/* Which fiber runs next: parking, waking, deadlines and cancels (request.h says how they meet). Woken fibers are
 * resumed from a hook of the loop, not from inside the operation that wakes them, so that no operation sees itself
 * re-entered, and so that what a batch of them sends next goes out together. */
#include "outbox.h"
#include "request.h"
#include "runtime.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

#define S_RESUME_BATCH 256

static void s_on_deadline(sut_timer *t, void *arg)
{
    (void)t;
    sut_request *rq = arg;
    rq->expired = true;
    if (rq->parked)
        sut_request_wake(rq, SUT_ERR_DEADLINE_EXCEEDED);
}

sut_status sut_request_interrupted(sut_request *rq)
{
    if (!rq->expired && rq->deadline_ns != SUT_NEVER && sut_now_ns() >= rq->deadline_ns)
        rq->expired = true;
    if (rq->expired)
        return SUT_ERR_DEADLINE_EXCEEDED;
    if (rq->cancelled && !rq->tx && !rq->uninterruptible)
        return SUT_ERR_CANCELLED;
    return 0;
}

sut_status sut_request_say_interrupted(sut_request *rq, sut_status status)
{
    if (status == SUT_ERR_DEADLINE_EXCEEDED)
        return sut_fail(rq, status, "The deadline passed.");
    if (status == SUT_ERR_CANCELLED)
        return sut_fail(rq, status, "The call was cancelled.");
    return status;
}

sut_status sut_request_park(sut_request *rq)
{
    sut_status st = sut_request_interrupted(rq);
    if (st)
        return st;
    if (rq->deadline_ns != SUT_NEVER && !rq->timer.loop) {
        st = sut_timer_start_at(rq->runtime->loop, &rq->timer, rq->deadline_ns, s_on_deadline, rq);
        if (st)
            return st;
    }
    rq->parked = true;
    rq->woken_with = 0;
    sut_fiber_yield();
    return rq->woken_with;
}

void sut_request_wake(sut_request *rq, sut_status status)
{
    if (!rq->parked)
        return;
    rq->parked = false;
    rq->woken_with = status;
    sut_list_push_back(&rq->runtime->ready, &rq->ready);
}

void sut_request_cancel(sut_request *rq)
{
    rq->cancelled = true;
    if (rq->parked && !rq->tx && !rq->uninterruptible)
        sut_request_wake(rq, SUT_ERR_CANCELLED);
}

static void s_on_slept(sut_timer *t, void *arg)
{
    (void)t;
    sut_request_wake(arg, 0);
}

sut_status sut_request_sleep_ms(sut_request *rq, uint32_t ms)
{
    sut_timer timer = {0};
    sut_status st = sut_timer_start_ms(rq->runtime->loop, &timer, ms, s_on_slept, rq);
    if (!st)
        st = sut_request_park(rq);
    sut_timer_stop(&timer);
    return sut_request_say_interrupted(rq, st);
}

/* ---- the runtime's side ---- */

static void s_fiber_main(void *arg)
{
    sut_request *rq = arg;
    rq->woken_with = rq->fn(rq, rq->arg);
}

static void s_resume(sut_runtime *rt, sut_request *rq)
{
    sut_request *owner = rq->owner;
    sut_log_set_trace(rq->trace_id);
    sut_fiber_resume(owner->fiber);
    sut_log_set_trace(NULL);
    if (sut_fiber_done(owner->fiber))
        sut_runtime_release(rt, owner);
}

bool sut_runtime_run_ready(sut_runtime *rt)
{
    bool any = false;
    for (unsigned n = 0; n < S_RESUME_BATCH; n++) {
        sut_node *node = sut_list_pop_front(&rt->ready);
        if (!node)
            return any;
        any = true;
        s_resume(rt, SUT_CONTAINER(node, sut_request, ready));
    }
    return true;
}

sut_status sut_runtime_acquire(sut_runtime *rt, sut_request **out)
{
    sut_node *node = sut_list_pop_front(&rt->idle);
    if (node) {
        rt->idle_count--;
        *out = SUT_CONTAINER(node, sut_request, node);
    } else {
        sut_request *rq = calloc(1, sizeof(*rq));
        if (!rq)
            return SUT_TRACE(-ENOMEM, "request");
        sut_status st = sut_request_init(rq, rt);
        if (st) {
            free(rq);
            return st;
        }
        *out = rq;
    }
    sut_list_push_back(&rt->running, &(*out)->node);
    rt->running_count++;
    return 0;
}

void sut_runtime_launch(sut_runtime *rt, sut_request *rq, sut_request_fn fn, void *arg)
{
    rq->fn = fn;
    rq->arg = arg;
    sut_fiber_start(rq->fiber, s_fiber_main, rq);
    sut_list_push_back(&rt->ready, &rq->ready);
}

void sut_runtime_release(sut_runtime *rt, sut_request *rq)
{
    sut_request_end(rq);
    sut_node_unlink(&rq->node);
    rt->running_count--;
    if (rt->idle_count < SUT_IDLE_FIBERS) {
        sut_list_push_front(&rt->idle, &rq->node); /* the warmest stack first */
        rt->idle_count++;
    } else {
        sut_request_deinit(rq);
        free(rq);
    }
    if (rt->draining && rt->on_idle && rt->running_count <= (sut_outbox_running(rt) ? 1 : 0))
        rt->on_idle(rt);
}
