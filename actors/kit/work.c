/* A bounded pool of threads for work that would block the loop. A job goes: queued → running → done, under one lock;
 * its fiber may leave it at any point, and then whoever has the job frees it. */
#include "work.h"

#include "request.h"
#include "runtime.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

typedef struct s_job {
    sut_node node;
    sut_task task; /* posts the end to the loop */
    sut_work_pool *pool;
    sut_request *rq; /* the loop's: NULL once the fiber has left */
    sut_work_fn fn;
    bool queued; /* under the lock */
    bool done;   /* the loop's */
    size_t size;
    _Alignas(max_align_t) unsigned char bytes[];
} s_job;

struct sut_work_pool {
    sut_loop *loop;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    sut_node queue; /* under the lock, as the next four */
    uint32_t waiting, running, queue_max;
    uint64_t average_ns; /* of a job's run, smoothed; for retry-after */
    bool stopping;
    uint32_t busy; /* the loop's: jobs not yet freed */
    uint32_t thread_count;
    pthread_t threads[];
};

static void s_job_free(s_job *job)
{
    job->pool->busy--;
    explicit_bzero(job->bytes, job->size);
    free(job);
}

static void s_on_done(sut_task *t, void *arg)
{
    (void)t;
    s_job *job = arg;
    if (!job->rq) {
        s_job_free(job);
        return;
    }
    job->done = true;
    sut_request_wake(job->rq, 0); /* its fiber copies the bytes and frees */
}

static s_job *s_next(sut_work_pool *p)
{
    while (!p->stopping && sut_list_empty(&p->queue))
        pthread_cond_wait(&p->wake, &p->lock);
    if (p->stopping)
        return NULL;
    s_job *job = SUT_CONTAINER(sut_list_pop_front(&p->queue), s_job, node);
    job->queued = false;
    p->waiting--;
    p->running++;
    return job;
}

static void *s_thread_main(void *arg)
{
    sut_work_pool *p = arg;
    pthread_mutex_lock(&p->lock);
    for (s_job *job; (job = s_next(p)) != NULL;) {
        pthread_mutex_unlock(&p->lock);
        uint64_t start = sut_now_ns();
        job->fn(job->bytes);
        uint64_t took = sut_now_ns() - start;
        sut_loop_post(p->loop, &job->task, s_on_done, job);
        pthread_mutex_lock(&p->lock);
        p->running--;
        p->average_ns = p->average_ns ? (p->average_ns * 7 + took) / 8 : took;
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static sut_status s_start_threads(sut_work_pool *p, uint32_t threads)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = 0;
    while (p->thread_count < threads && !error) {
        error = pthread_create(&p->threads[p->thread_count], NULL, s_thread_main, p);
        if (!error)
            p->thread_count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error ? SUT_TRACE(-error, "worker thread") : 0;
}

sut_status sut_work_pool_new(sut_work_pool **out, sut_loop *loop, uint32_t threads, uint32_t queue_max)
{
    sut_work_pool *p = calloc(1, sizeof(*p) + threads * sizeof(p->threads[0]));
    if (!p)
        return SUT_TRACE(-ENOMEM, "worker pool");
    p->loop = loop;
    p->queue_max = queue_max;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    sut_list_init(&p->queue);
    sut_status st = s_start_threads(p, threads);
    if (st)
        p = sut_work_pool_free(p);
    *out = p;
    return st;
}

sut_work_pool *sut_work_pool_free(sut_work_pool *p)
{
    if (!p)
        return NULL;
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (uint32_t i = 0; i < p->thread_count; i++)
        pthread_join(p->threads[i], NULL);
    for (sut_node *node; (node = sut_list_pop_front(&p->queue)) != NULL;)
        s_job_free(SUT_CONTAINER(node, s_job, node));
    while (p->busy) /* ends that were posted, and that nobody waits for */
        if (sut_loop_turn(p->loop, 0))
            break;
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
    return NULL;
}

uint32_t sut_work_pool_busy(const sut_work_pool *p)
{
    return p->busy;
}

/* Queues the job, or says how long the queue will take (above 0). One that could only be done too late is refused like
 * one too many: told now, its caller knows that nothing was done, and no thread works for nobody. */
static uint32_t s_submit(sut_work_pool *p, s_job *job, uint64_t deadline_ns)
{
    uint32_t retry_ms = 0;
    pthread_mutex_lock(&p->lock);
    uint64_t wait_ns = p->average_ns * (p->waiting + p->running) / p->thread_count;
    bool hopeless = p->waiting > 0 && deadline_ns != SUT_NEVER && sut_now_ns() + wait_ns + p->average_ns > deadline_ns;
    if (p->waiting >= p->queue_max || hopeless) {
        retry_ms = 1 + (uint32_t)(wait_ns / SUT_NS_PER_MS);
    } else {
        job->queued = true;
        sut_list_push_back(&p->queue, &job->node);
        p->waiting++;
        pthread_cond_signal(&p->wake);
    }
    pthread_mutex_unlock(&p->lock);
    return retry_ms;
}

/* The fiber goes before the end: unqueues the job, or leaves it to the thread that runs it. */
static void s_abandon(sut_work_pool *p, s_job *job)
{
    pthread_mutex_lock(&p->lock);
    bool was_queued = job->queued;
    if (was_queued) {
        sut_node_unlink(&job->node);
        p->waiting--;
    }
    pthread_mutex_unlock(&p->lock);
    if (was_queued)
        s_job_free(job);
    else
        job->rq = NULL;
}

static sut_status s_work(sut_request *rq, sut_work_pool *p, sut_work_fn fn, void *job_bytes, size_t size)
{
    if (size > SUT_WORK_JOB_MAX)
        return sut_fail_internal(rq, "a job of %zu bytes is over the limit of %u", size, (unsigned)SUT_WORK_JOB_MAX);
    s_job *job = calloc(1, sizeof(*job) + size);
    if (!job)
        return SUT_TRACE(-ENOMEM, "job");
    job->pool = p;
    job->rq = rq;
    job->fn = fn;
    job->size = size;
    memcpy(job->bytes, job_bytes, size);
    p->busy++;
    uint32_t retry_ms = s_submit(p, job, rq->deadline_ns);
    if (retry_ms) {
        s_job_free(job);
        return sut_fail_retry(rq, SUT_ERR_OVERLOADED, retry_ms, "Too much is waiting to be worked on.");
    }
    sut_status st = sut_request_park(rq);
    if (st && !job->done) {
        s_abandon(p, job);
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the job is its thread's by now, or freed
        return sut_request_say_interrupted(rq, st);
    }
    memcpy(job_bytes, job->bytes, size);
    s_job_free(job);
    return 0;
}

sut_status sut_work(sut_request *rq, sut_work_fn fn, void *job, size_t job_size)
{
    return s_work(rq, rq->runtime->work, fn, job, job_size);
}

sut_status sut_work_slow(sut_request *rq, sut_work_fn fn, void *job, size_t job_size)
{
    sut_runtime *rt = rq->runtime;
    sut_work_pool *p = rt->work_slow;
    if (!p && sut_work_pool_new(&p, rt->loop, SUT_WORK_SLOW_THREADS, SUT_WORK_SLOW_QUEUE) == 0)
        rt->work_slow = p;
    return p ? s_work(rq, p, fn, job, job_size) : sut_fail_internal(rq, "threads for slow work cannot be made");
}
