/* The writer's thread: waits for jobs, for delayed events that are due, for the time of retention, or for the journal
 * to be had again. */
#include "service_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#define RELEASE_EVENTS   1024
#define RETAIN_STEPS     4 /* between two looks at the queue */
#define RELEASE_RETRY_US INT64_C(1000000)

static void note_oldest(writer_state *w)
{
    sut_journal_stats st;
    sut_status status = sut_journal_get_stats(w->s->journal, &st);
    if (status || st.first == w->oldest)
        return;
    w->oldest = st.first;
    completion *c = completion_new(DONE_CHANGED);
    c->oldest = st.first;
    c->status = w->fault;
    service_complete(w->s, c);
}

static void complain(const writer_state *w, sut_status status, const char *what)
{
    sut_log(SUT_ERROR, "journal", what, SUT_KV("error", strerror(-status)),
            SUT_KV("why", sut_journal_last_error(w->s->journal)));
}

static void release(writer_state *w)
{
    sut_journal_batch *moved;
    int64_t now_us = sut_wall_us();
    if (w->next_due_us > now_us)
        return;
    sut_status status = sut_journal_release_due(w->s->journal, now_us, RELEASE_EVENTS, &moved, &w->next_due_us);
    if (status) {
        complain(w, status, "release.failed");
        w->next_due_us = now_us + RELEASE_RETRY_US;
        writer_failed(w, status);
        return;
    }
    if (!moved)
        return;
    completion *c = completion_new(DONE_COMMIT);
    c->batch = sut_journal_batch_ref(moved);
    c->batch->oldest = w->oldest;
    w->told = moved->next;
    service_complete(w->s, c);
}

static void settle(writer_state *w)
{
    if (w->fault || sut_now_ns() < w->settle_at_ns) /* a probe does it too */
        return;
    w->settle_at_ns = UINT64_MAX;
    sut_status status = sut_journal_settle(w->s->journal);
    if (status) {
        complain(w, status, "settle.failed");
        writer_failed(w, status);
    }
}

/* The wall clock, but never further on than time has passed: a leap of it must not age what nobody has read yet. */
static int64_t steady_us(const writer_state *w)
{
    const int64_t passed = w->start_us + (int64_t)((sut_now_ns() - w->start_ns) / SUT_NS_PER_US), wall = sut_wall_us();
    return wall < passed ? wall : passed;
}

static void retain(writer_state *w)
{
    const sut_journal_service *s = w->s;
    uint64_t now_ns = sut_now_ns();
    bool more = true;
    if (now_ns < w->retain_at_ns)
        return;
    for (int i = 0; i < RETAIN_STEPS && more && !w->broken; i++) {
        sut_status status = sut_journal_retain(s->journal, steady_us(w), &s->opt.retention, &more);
        if (status) {
            complain(w, status, "retention.failed");
            writer_failed(w, status);
            more = false;
        }
    }
    w->retain_at_ns = more ? now_ns : now_ns + s->opt.retain_every_ms * SUT_NS_PER_MS;
    note_oldest(w);
}

static uint64_t deadline(const writer_state *w)
{
    if (w->fault == -EIO)
        return w->broken && w->s->journal ? 0 : w->try_at_ns;
    int64_t left_us = w->next_due_us == INT64_MAX ? INT64_MAX : w->next_due_us - sut_wall_us();
    uint64_t now_ns = sut_now_ns(), at = w->retain_at_ns;
    if (w->fault && w->try_at_ns < at)
        at = w->try_at_ns;
    if (!w->fault && w->settle_at_ns < at)
        at = w->settle_at_ns;
    if (left_us <= 0)
        return 0;
    if ((uint64_t)left_us < UINT64_MAX / SUT_NS_PER_US / 2 && now_ns + (uint64_t)left_us * SUT_NS_PER_US < at)
        at = now_ns + (uint64_t)left_us * SUT_NS_PER_US;
    return at;
}

static void wait_until(sut_journal_service *s, uint64_t at_ns)
{
    const struct timespec ts = {.tv_sec = (time_t)(at_ns / SUT_NS_PER_S), .tv_nsec = (long)(at_ns % SUT_NS_PER_S)};
    while (sut_list_empty(&s->writes) && !s->stopping)
        if (pthread_cond_timedwait(&s->write_wake, &s->write_lock, &ts))
            return;
}

static void take(sut_journal_service *s, sut_node *jobs)
{
    size_t events = 0, bytes = 0;
    while (!sut_list_empty(&s->writes)) {
        write_job *job = SUT_CONTAINER(s->writes.next, write_job, node);
        if (events && (events + job->count > COMMIT_EVENTS || bytes + job->bytes > COMMIT_BYTES))
            return;
        events += job->count;
        bytes += job->bytes;
        sut_node_unlink(&job->node);
        sut_list_push_back(jobs, &job->node);
        s->stats.queued_bytes -= job->bytes;
        if (job->kind == WRITE_PUBLISH)
            s->stats.queued_events -= (uint32_t)job->count;
        else
            s->stores_waiting--;
    }
}

/* False: the service stops and nothing is left to write. */
static bool next_jobs(const writer_state *w, sut_node *jobs)
{
    sut_journal_service *s = w->s;
    uint64_t at_ns = deadline(w);
    pthread_mutex_lock(&s->write_lock);
    wait_until(s, at_ns);
    take(s, jobs);
    bool go_on = !s->stopping || !sut_list_empty(jobs);
    pthread_mutex_unlock(&s->write_lock);
    return go_on;
}

/* Before the first job, too: what a kill has left in the write-ahead log, and what has grown too old. */
static void look_after(writer_state *w)
{
    writer_repair(w);
    if (w->fault != -EIO) /* else nothing is written, and there may be no journal */
        settle(w);
    if (w->fault != -EIO)
        release(w);
    if (w->fault != -EIO)
        retain(w);
}

void *service_writer(void *arg)
{
    writer_state w = {.s = arg, .start_us = sut_wall_us(), .start_ns = sut_now_ns()};
    sut_journal_stats st;
    sut_node jobs;
    sut_list_init(&jobs);
    if (!sut_journal_get_stats(w.s->journal, &st))
        w.told = st.next;
    while (sut_arena_new(&w.scratch, 0))
        (void)sched_yield();
    do {
        if (!sut_list_empty(&jobs))
            writer_commit(&w, &jobs);
        look_after(&w);
    } while (next_jobs(&w, &jobs));
    sut_arena_free(w.scratch);
    return NULL;
}
