/* The loop's side, and the thread: its life, its turns, its jobs. */
#include "capture/capture.h"
#include "queue.h"
#include "recent.h"
#include "ring.h"
#include "sample.h"
#include "strip.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS           "capture"
#define QUEUE_BYTES  (1u << 20)
#define RECENT_BYTES (8u << 20)
#define TRACES_MAX   16384
#define OPEN_MAX     8192
#define OPEN_US      (120 * INT64_C(1000000)) /* twice the longest time that a call may have */
#define BODY_MAX     (32u << 10)
#define JOBS_MAX     64
#define TURN_MS      100
#define EXAMINE_MAX  200000 /* records for one page */
#define RATE_DEFAULT 4000

struct sut_capture {
    sut_loop *loop;
    /* The loop's: */
    sampler sampler;
    uint64_t seen_total, taken_total, full_total;
    char *key_file;
    queue queue;
    /* The thread's: */
    ring *ring;
    recent *recent;
    stripper stripper;
    sut_keyring *keys;
    /* Both: */
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
    sut_keyring *fresh_keys; /* to be taken by the thread */
    sut_node jobs;
    uint32_t job_count; /* waiting, or on their way back */
    ring_stats ring_stats;
    size_t recent_bytes;
};

struct sut_capture_reader {
    sut_capture *c;
};

/* ---- the loop's side ---- */

/* The broker's own methods are how operators look at it: what they see is captured already. */
static bool is_ours(sut_str subject)
{
    static const char prefix[] = "broker.";
    return subject.len > sizeof prefix - 1 && memcmp(subject.ptr, prefix, sizeof prefix - 1) == 0;
}

uint8_t sut_capture_pick(sut_capture *c, sut_str traceparent, sut_str subject, int64_t at_us)
{
    if (is_ours(subject))
        return SAMPLE_PASS;
    c->seen_total++;
    return (uint8_t)sampler_pick(&c->sampler, traceparent, at_us);
}

void sut_capture_see(sut_capture *c, const sut_sight *s)
{
    if (is_ours(s->subject))
        return;
    c->seen_total += s->kind == SUT_SIGHT_EVENT || s->kind == SUT_SIGHT_DELIVERY;
    const sample_class class = sampler_judge(&c->sampler, s);
    if (class == SAMPLE_PASS)
        return;
    if (!queue_put(&c->queue, s, class == SAMPLE_SAMPLED, BODY_MAX)) {
        c->full_total++;
        return;
    }
    c->taken_total++;
    if (queue_is_half_full(&c->queue))
        pthread_cond_signal(&c->wake); /* without the lock: one that is missed only waits for the next turn */
}

sut_status sut_capture_ask(sut_capture *c, sut_capture_job *job)
{
    sut_status st = 0;
    job->capture = c;
    pthread_mutex_lock(&c->lock);
    if (c->job_count == JOBS_MAX) {
        st = -EAGAIN;
    } else {
        c->job_count++;
        sut_list_push_back(&c->jobs, &job->node);
        pthread_cond_signal(&c->wake);
    }
    pthread_mutex_unlock(&c->lock);
    return st;
}

void sut_capture_reload(sut_capture *c)
{
    char error[256];
    sut_keyring *fresh = NULL, *unused;
    if (seal_keys_load(&fresh, c->key_file, error, sizeof error) < 0) {
        sut_log(SUT_ERROR, NS, "capture.keys.unreadable", SUT_KV("error", error));
        return;
    }
    pthread_mutex_lock(&c->lock);
    unused = c->fresh_keys;
    c->fresh_keys = fresh;
    pthread_mutex_unlock(&c->lock);
    sut_keyring_free(unused);
}

void sut_capture_get_stats(sut_capture *c, sut_capture_stats *out)
{
    const sampler *s = &c->sampler;
    pthread_mutex_lock(&c->lock);
    const ring_stats r = c->ring_stats;
    const size_t held = c->recent_bytes;
    pthread_mutex_unlock(&c->lock);
    *out = (sut_capture_stats){.seen_total = c->seen_total,
                               .taken_total = c->taken_total,
                               .passed_total = s->passed_total,
                               .lost_total = c->full_total + r.lost_total,
                               .spans_total = r.written_total,
                               .damaged_total = r.damaged_total,
                               .segments = r.segments,
                               .records = r.records,
                               .bytes = r.bytes,
                               .memory_bytes = held + QUEUE_BYTES,
                               .one_in = (uint64_t)s->one_in << s->shift,
                               .oldest_us = r.oldest_us,
                               .fault = r.fault};
}

/* ---- the thread ---- */

static void on_captured(void *arg, const sut_span *s)
{
    sut_capture *c = arg;
    sut_span clean;
    strip(&c->stripper, s, &clean);
    ring_add(c->ring, &clean, sut_wall_us());
}

static void take_in(void *arg)
{
    sut_capture *c = arg;
    queued_sight q;
    while (queue_peek(&c->queue, &q)) {
        recent_see(c->recent, &q);
        queue_drop(&c->queue);
    }
}

static void drain(sut_capture *c)
{
    take_in(c);
    recent_expire(c->recent, sut_wall_us());
    ring_flush(c->ring, sut_wall_us());
}

static void on_done(sut_task *t, void *arg)
{
    sut_capture_job *job = arg;
    sut_capture *c = job->capture;
    (void)t;
    pthread_mutex_lock(&c->lock);
    c->job_count--;
    pthread_mutex_unlock(&c->lock);
    job->done(job);
}

static void run_jobs(sut_capture *c, sut_node *jobs)
{
    sut_capture_reader reader = {c};
    for (sut_node *n; (n = sut_list_pop_front(jobs)) != NULL;) {
        sut_capture_job *job = SUT_CONTAINER(n, sut_capture_job, node);
        job->run(job, &reader);
        sut_loop_post(c->loop, &job->task, on_done, job);
    }
}

static void note_stats(sut_capture *c)
{
    ring_stats r;
    ring_get_stats(c->ring, &r);
    pthread_mutex_lock(&c->lock);
    c->ring_stats = r;
    c->recent_bytes = recent_bytes(c->recent);
    pthread_mutex_unlock(&c->lock);
}

/* Waits a turn's time, or for jobs. True: to be stopped. */
static bool wait_turn(sut_capture *c, sut_node *jobs, sut_keyring **fresh)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TURN_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&c->lock);
    if (!c->stop && sut_list_empty(&c->jobs))
        (void)pthread_cond_timedwait(&c->wake, &c->lock, &until);
    for (sut_node *n; !c->stop && (n = sut_list_pop_front(&c->jobs)) != NULL;)
        sut_list_push_back(jobs, n);
    *fresh = c->fresh_keys;
    c->fresh_keys = NULL;
    const bool stop = c->stop;
    pthread_mutex_unlock(&c->lock);
    return stop;
}

static void *run(void *arg)
{
    sut_capture *c = arg;
    sut_node jobs;
    bool stop = false;
    sut_list_init(&jobs);
    ring_load(c->ring);
    note_stats(c);
    while (!stop) {
        sut_keyring *fresh = NULL;
        stop = wait_turn(c, &jobs, &fresh);
        if (fresh) {
            ring_set_keys(c->ring, fresh);
            sut_keyring_free(c->keys);
            c->keys = fresh;
        }
        drain(c);
        run_jobs(c, &jobs);
        note_stats(c);
    }
    return NULL;
}

/* ---- asking ---- */

void sut_capture_each_of_trace(sut_capture_reader *r, const uint8_t trace_id[SUT_TRACE_ID_BYTES], sut_capture_fn fn,
                               void *arg)
{
    const ring_query q = {
        .trace_id = trace_id, .open = true, .examine_max = SIZE_MAX, .between = take_in, .between_arg = r->c};
    uint64_t at;
    bool more;
    ring_each(r->c->ring, &q, fn, arg, &at, &more);
    recent_each(r->c->recent, trace_id, fn, arg);
}

void sut_capture_each(sut_capture_reader *r, const sut_capture_filter *f, sut_capture_fn fn, void *arg, uint64_t *after)
{
    const ring_query q = {.user_id = f->user_id,
                          .since_us = f->since_us,
                          .until_us = f->until_us,
                          .after = f->after,
                          .open = true,
                          .examine_max = EXAMINE_MAX,
                          .between = take_in,
                          .between_arg = r->c};
    bool more;
    ring_each(r->c->ring, &q, fn, arg, after, &more);
    if (!more)
        *after = 0;
}

/* ---- life ---- */

static sut_status start_thread(sut_capture *c)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int e = pthread_create(&c->thread, NULL, run, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    c->running = e == 0;
    return -e;
}

static sut_status make_parts(sut_capture *c, const sut_capture_options *opt)
{
    const recent_options in_memory = {.slow_us = opt->slow_us,
                                      .bytes_max = RECENT_BYTES,
                                      .traces_max = TRACES_MAX,
                                      .open_max = OPEN_MAX,
                                      .open_us = OPEN_US,
                                      .capture = on_captured,
                                      .arg = c};
    sampler_init(&c->sampler, opt->one_in, opt->slow_us, opt->flagged,
                 opt->sights_per_second ? opt->sights_per_second : RATE_DEFAULT);
    stripper_init(&c->stripper);
    c->key_file = strdup(opt->key_file);
    sut_status st = c->key_file ? queue_init(&c->queue, QUEUE_BYTES) : -ENOMEM;
    return st < 0 ? st : recent_new(&c->recent, &in_memory);
}

static sut_capture *allocate(sut_loop *loop)
{
    sut_capture *c = aligned_alloc(64, (sizeof(sut_capture) + 63) & ~(size_t)63);
    pthread_condattr_t clock;
    if (!c)
        return NULL;
    memset(c, 0, sizeof *c);
    c->loop = loop;
    sut_list_init(&c->jobs);
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&c->wake, &clock);
    pthread_condattr_destroy(&clock);
    return c;
}

sut_status sut_capture_new(sut_capture **out, sut_loop *loop, const sut_capture_options *opt, char *error,
                           size_t error_size)
{
    const ring_options on_disk = {.dir = opt->dir, .bytes = opt->bytes, .age_us = opt->age_us};
    sut_capture *c = allocate(loop);
    if (!c)
        return -ENOMEM;
    snprintf(error, error_size, "no memory");
    sut_status st = make_parts(c, opt);
    if (st == 0)
        st = seal_keys_load(&c->keys, opt->key_file, error, error_size);
    if (st == 0)
        st = ring_new(&c->ring, &on_disk, c->keys, error, error_size);
    if (st == 0 && (st = start_thread(c)) < 0)
        snprintf(error, error_size, "its thread cannot start: %s", strerror(-st));
    if (st < 0) {
        sut_capture_free(c);
        return st;
    }
    *out = c;
    return 0;
}

sut_capture *sut_capture_free(sut_capture *c)
{
    if (!c)
        return NULL;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    if (c->running)
        pthread_join(c->thread, NULL);
    ring_free(c->ring);
    recent_free(c->recent);
    stripper_deinit(&c->stripper);
    queue_deinit(&c->queue);
    sut_keyring_free(c->keys);
    sut_keyring_free(c->fresh_keys);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c->key_file);
    free(c);
    return NULL;
}
