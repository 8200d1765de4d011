/* The worker pool, sleeping, background functions: bounds, deadlines, cancels. */
#include "kit/work.h"

#include "fixture_test.h"

#include "base/clock.h"
#include "work.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct job {
    int in, out;
} job;

static pthread_mutex_t s_gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_int s_begun;

static void triple(void *arg)
{
    job *j = arg;
    j->out = 3 * j->in;
}

/* Waits until the test opens the gate. */
static void gated(void *arg)
{
    atomic_fetch_add(&s_begun, 1);
    pthread_mutex_lock(&s_gate);
    pthread_mutex_unlock(&s_gate);
    triple(arg);
}

static sut_status three_times(sut_request *rq, void *arg)
{
    job *j = arg;
    cr_assert_eq(sut_work(rq, triple, j, sizeof(*j)), 0);
    return 0;
}

static sut_status many(sut_request *rq, void *arg)
{
    (void)arg;
    job j[60];
    for (int i = 0; i < 60; i++)
        j[i] = (job){.in = i};
    fix_all(rq, three_times, j, 60, sizeof(j[0]));
    for (int i = 0; i < 60; i++)
        cr_assert_eq(j[i].out, 3 * i);
    static char large[SUT_WORK_JOB_MAX + 1];
    cr_assert_eq(sut_work(rq, triple, large, sizeof(large)), SUT_ERR_INTERNAL);
    return 0;
}

Test(work, jobs_are_done_and_copied_back, .timeout = 30)
{
    cr_assert_eq(sut_test_actor(&fix_options, many, NULL), 0);
}

typedef struct waiting {
    job j;
    sut_status status;
    uint32_t retry_after_ms;
    uint32_t timeout_ms;
} waiting;

static sut_status wait_at_gate(sut_request *rq, void *arg)
{
    waiting *w = arg;
    if (w->timeout_ms)
        rq->deadline_ns = sut_now_ns() + w->timeout_ms * SUT_NS_PER_MS;
    w->status = sut_work(rq, gated, &w->j, sizeof(w->j));
    w->retry_after_ms = rq->error.retry_after_ms;
    if (w->status == SUT_ERR_OVERLOADED)
        pthread_mutex_unlock(&s_gate); /* the last one finds all full, and lets the others through */
    return 0;
}

static sut_status overload(sut_request *rq, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&s_gate);
    waiting w[4] = {{.j.in = 1}, {.j.in = 2}, {.j.in = 3}, {.j.in = 4}};
    cr_assert_eq(sut_background(rq, "first", wait_at_gate, &w[0], 0, 0), 0);
    while (atomic_load(&s_begun) < 1) /* one runs; then two may wait, and the fourth may not */
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    fix_all(rq, wait_at_gate, &w[1], 3, sizeof(w[0]));
    while (sut_work_pool_busy(rq->runtime->work))
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(w[i].j.out, 3 * (i + 1));
    cr_assert_eq(w[3].status, SUT_ERR_OVERLOADED);
    cr_assert_gt(w[3].retry_after_ms, 0);
    return 0;
}

Test(work, a_full_queue_is_overloaded, .timeout = 30)
{
    setenv("SUT_WORKERS", "1", 1);
    setenv("SUT_WORK_QUEUE", "2", 1);
    cr_assert_eq(sut_test_actor(&fix_options, overload, NULL), 0);
}

static void slow(void *arg)
{
    (void)arg;
    (void)nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
}

static sut_status hopeless(sut_request *rq, void *arg)
{
    (void)arg;
    job j = {0};
    cr_assert_eq(sut_work(rq, slow, &j, sizeof(j)), 0); /* so that the pool knows how long a job takes */
    pthread_mutex_lock(&s_gate);
    waiting w[3] = {{.j.in = 1}, {.j.in = 2}, {.j.in = 3, .timeout_ms = 10}};
    cr_assert_eq(sut_background(rq, "first", wait_at_gate, &w[0], 0, 0), 0);
    while (atomic_load(&s_begun) < 1)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    fix_all(rq, wait_at_gate, &w[1], 2, sizeof(w[0]));
    while (sut_work_pool_busy(rq->runtime->work))
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    cr_assert_eq(w[2].status, SUT_ERR_OVERLOADED, "not queued only to expire there");
    cr_assert_gt(w[2].retry_after_ms, 0);
    cr_assert_eq(w[1].j.out, 6);
    return 0;
}

Test(work, what_would_be_done_too_late_is_overloaded, .timeout = 30)
{
    setenv("SUT_WORKERS", "1", 1);
    cr_assert_eq(sut_test_actor(&fix_options, hopeless, NULL), 0);
}

static sut_status late(sut_request *rq, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&s_gate);
    waiting w[2] = {{.j.in = 1, .timeout_ms = 30}, {.j.in = 2, .timeout_ms = 30}};
    fix_all(rq, wait_at_gate, w, 2, sizeof(w[0])); /* one is running, one is queued: both fibers leave in time */
    cr_assert_eq(w[0].status, SUT_ERR_DEADLINE_EXCEEDED);
    cr_assert_eq(w[1].status, SUT_ERR_DEADLINE_EXCEEDED);
    cr_assert_eq(sut_work_pool_busy(rq->runtime->work), 1, "the queued one is not begun any more");
    pthread_mutex_unlock(&s_gate);
    job j = {.in = 5};
    cr_assert_eq(sut_work(rq, triple, &j, sizeof(j)), 0);
    cr_assert_eq(j.out, 15);
    cr_assert_eq(atomic_load(&s_begun), 1);
    cr_assert_eq(w[0].j.out, 0, "nothing is written behind the back of a fiber that left");
    return 0;
}

Test(work, a_fiber_leaves_at_its_deadline, .timeout = 30)
{
    setenv("SUT_WORKERS", "1", 1);
    cr_assert_eq(sut_test_actor(&fix_options, late, NULL), 0);
}

/* ---- sleeping, cancels, background ---- */

typedef struct napper {
    sut_request *rq;
    bool asleep;
    sut_status status;
} napper;

static sut_status nap(sut_request *rq, void *arg)
{
    napper *n = arg;
    if (n->asleep) { /* the second one: wakes the first */
        sut_request_cancel(n->rq);
        return 0;
    }
    n->rq = rq;
    n->asleep = true;
    n->status = sut_request_sleep_ms(rq, 15000);
    cr_assert_eq(sut_request_sleep_ms(rq, 1), SUT_ERR_CANCELLED, "and stays cancelled");
    return 0;
}

static sut_status naps(sut_request *rq, void *arg)
{
    (void)arg;
    napper n = {0};
    fix_all(rq, nap, &n, 2, 0);
    cr_assert_eq(n.status, SUT_ERR_CANCELLED);
    return 0;
}

Test(work, a_cancel_wakes_a_parked_fiber, .timeout = 30)
{
    cr_assert_eq(sut_test_actor(&fix_options, naps, NULL), 0);
}

static sut_status forever(sut_request *rq, void *arg)
{
    fix_until(rq, arg);
    return 0;
}

static sut_status background_bound(sut_request *rq, void *arg)
{
    (void)arg;
    static bool end;
    int started = 0;
    sut_status st;
    while ((st = sut_background(rq, "forever", forever, &end, 0, 0)) == 0)
        started++;
    cr_assert_eq(st, SUT_ERR_OVERLOADED);
    cr_assert_eq(started, SUT_BACKGROUND_MAX);
    end = true;
    while (rq->runtime->background_count)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    return 0;
}

Test(work, background_functions_are_bounded, .timeout = 30)
{
    cr_assert_eq(sut_test_actor(&fix_options, background_bound, NULL), 0);
}

static int s_ticks;

static sut_status tick(sut_request *rq, void *arg)
{
    (void)arg;
    s_ticks++;
    return s_ticks == 2 ? sut_fail(rq, SUT_ERR_UNAVAILABLE, "this time it fails") : 0;
}

static sut_status ticks(sut_request *rq, void *arg)
{
    (void)arg;
    while (s_ticks < 4)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    return 0;
}

Test(work, periodic_functions_go_on_after_a_failure, .timeout = 30)
{
    static const sut_periodic periodic = {.name = "fix.tick", .fn = tick, .every_ms = 5};
    sut_actor_options o = fix_options;
    o.periodics = &periodic;
    o.periodic_count = 1;
    cr_assert_eq(sut_test_actor(&o, ticks, NULL), 0);
}

/* ---- memory ---- */

static sut_status memory(sut_request *rq, void *arg)
{
    (void)arg;
    size_t got = 0;
    while (sut_request_alloc(rq, 4096))
        got += 4096;
    cr_assert_leq(got, 65536);
    cr_assert_geq(got, 32768);
    cr_assert_null(sut_request_str(rq, SUT_STR("more")).ptr);
    cr_assert_eq(sut_fail(rq, SUT_ERR_NOT_FOUND, "without a message, but told"), SUT_ERR_NOT_FOUND);
    return 0;
}

Test(work, a_request_has_so_much_memory_and_no_more, .timeout = 30)
{
    setenv("SUT_REQUEST_MEMORY", "65536", 1);
    cr_assert_eq(sut_test_actor(&fix_options, memory, NULL), 0);
}

/* ---- an end and an interruption in the same turn ---- */

/* A timer's callback cancels, and lets the job end before it returns: so in one turn of the loop the cancel comes
 * first, the job's end second, and only then the fiber. What was done must neither be lost nor leak (then the pool
 * would never be idle again). */
typedef struct together {
    sut_request *rq;
    sut_timer timer;
    job j;
    sut_status status;
} together;

static void cancel_and_let_end(sut_timer *timer, void *arg)
{
    (void)timer;
    together *t = arg;
    while (atomic_load(&s_begun) < 1)
        ;
    sut_request_cancel(t->rq);
    pthread_mutex_unlock(&s_gate);
    uint64_t end = sut_now_ns() + 100 * SUT_NS_PER_MS;
    while (sut_now_ns() < end) /* the worker posts its end meanwhile */
        ;
}

static sut_status wait_for_job(sut_request *rq, void *arg)
{
    together *t = arg;
    t->rq = rq;
    cr_assert_eq(sut_timer_start_ms(rq->runtime->loop, &t->timer, 0, cancel_and_let_end, t), 0);
    t->status = sut_work(rq, gated, &t->j, sizeof(t->j));
    return 0;
}

static sut_status ends_together(sut_request *rq, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&s_gate);
    together t = {.j.in = 7, .status = -1};
    fix_all(rq, wait_for_job, &t, 1, 0);
    while (sut_work_pool_busy(rq->runtime->work))
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    cr_assert(t.status == SUT_ERR_CANCELLED || (t.status == 0 && t.j.out == 21), "%d", t.status);
    return 0;
}

Test(work, an_end_and_a_cancel_may_come_together, .timeout = 40)
{
    cr_assert_eq(sut_test_actor(&fix_options, ends_together, NULL), 0);
}

static sut_status slow_child(sut_request *rq, void *arg)
{
    job *j = arg;
    cr_assert_eq(sut_work_slow(rq, gated, j, sizeof(*j)), 0);
    return 0;
}

typedef struct slow_one {
    job j;
    bool *done;
} slow_one;

static sut_status slow_fiber(sut_request *rq, void *arg)
{
    slow_one *one = *(slow_one **)arg;
    (void)slow_child(rq, &one->j);
    *one->done = true;
    return 0;
}

static sut_status apart(sut_request *rq, void *arg)
{
    enum { COUNT = SUT_WORK_SLOW_THREADS };
    slow_one all[COUNT];
    bool done[COUNT] = {false};
    job quick = {.in = 5};
    (void)arg;
    pthread_mutex_lock(&s_gate);
    for (int i = 0; i < COUNT; i++) {
        slow_one *one = &all[i];
        all[i] = (slow_one){.j = {.in = i}, .done = &done[i]};
        cr_assert_eq(sut_background(rq, "slow", slow_fiber, &one, sizeof one, 20000), 0);
    }
    while (atomic_load(&s_begun) < COUNT)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    cr_assert_eq(sut_work(rq, triple, &quick, sizeof quick), 0, "while all slow threads wait");
    cr_assert_eq(quick.out, 15);
    pthread_mutex_unlock(&s_gate);
    for (int i = 0; i < COUNT; i++) {
        fix_until(rq, &done[i]);
        cr_assert_eq(all[i].j.out, 3 * i);
    }
    return 0;
}

Test(work, slow_jobs_keep_no_thread_from_others, .timeout = 30)
{
    cr_assert_eq(sut_test_actor(&fix_options, apart, NULL), 0);
}
