/* The service as the loop's thread sees it: jobs are copied, counted against their bounds and queued. */
#include "service_parts.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

/* ---- copies: a struct, arrays and the bytes of strings in one allocation ---- */

static sut_str copy_str(char **at, sut_str s)
{
    if (!s.ptr)
        return SUT_STR_NONE;
    sut_str out = {*at, s.len};
    if (s.len)
        memcpy(*at, s.ptr, s.len);
    (*at)[s.len] = 0;
    *at += s.len + 1;
    return out;
}

static size_t event_bytes(const sut_journal_event *e)
{
    return e->subject.len + e->key.len + e->principal.session.len + e->traceparent.len + e->source.len +
           e->publisher.len + e->body.len + 7;
}

static void copy_event(char **at, sut_journal_event *to, const sut_journal_event *from)
{
    *to = *from;
    to->subject = copy_str(at, from->subject);
    to->key = copy_str(at, from->key);
    to->principal.session = copy_str(at, from->principal.session);
    to->traceparent = copy_str(at, from->traceparent);
    to->source = copy_str(at, from->source);
    to->publisher = copy_str(at, from->publisher);
    to->body = copy_str(at, from->body);
}

static write_job *job_new(write_kind kind, uint64_t tag, size_t count, size_t tail)
{
    write_job *job = malloc(sizeof *job + tail);
    if (!job)
        return NULL;
    *job = (write_job){.kind = kind, .tag = tag, .count = count, .bytes = sizeof *job + tail};
    return job;
}

static sut_status enqueue(sut_journal_service *s, write_job *job)
{
    sut_journal_service_stats *st = &s->stats;
    bool publish = job->kind == WRITE_PUBLISH;
    pthread_mutex_lock(&s->write_lock);
    bool full = publish ? st->queued_events + job->count > s->opt.queue_events ||
                              st->queued_bytes + job->bytes > s->opt.queue_bytes
                        : s->stores_waiting >= STORES_MAX || st->queued_bytes + job->bytes > 2 * s->opt.queue_bytes;
    if (!full) {
        sut_list_push_back(&s->writes, &job->node);
        st->queued_bytes += job->bytes;
        st->queued_events += publish ? (uint32_t)job->count : 0;
        s->stores_waiting += !publish;
        pthread_cond_signal(&s->write_wake);
    }
    pthread_mutex_unlock(&s->write_lock);
    if (full)
        free(job);
    return full ? -EAGAIN : 0;
}

sut_status sut_journal_service_publish(sut_journal_service *s, uint64_t tag, const sut_journal_event *events,
                                       size_t count)
{
    size_t strings = 0;
    if (count == 0)
        return -EINVAL;
    if (count > COMMIT_EVENTS)
        return -EMSGSIZE;
    for (size_t i = 0; i < count; i++) {
        if (events[i].body.len > SUT_ENVELOPE_MAX)
            return -EMSGSIZE;
        strings += event_bytes(&events[i]);
    }
    write_job *job = job_new(WRITE_PUBLISH, tag, count, count * (sizeof *job->events + sizeof *job->results) + strings);
    if (!job)
        return -ENOMEM;
    job->events = (sut_journal_event *)(job + 1);
    job->results = (sut_append_result *)(job->events + count);
    char *at = (char *)(job->results + count);
    for (size_t i = 0; i < count; i++)
        copy_event(&at, &job->events[i], &events[i]);
    return enqueue(s, job);
}

sut_status sut_journal_service_put(sut_journal_service *s, uint64_t tag, const sut_journal_value *values, size_t count)
{
    size_t strings = 0;
    if (count == 0 || count > COMMIT_EVENTS)
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (!journal_value_ok(&values[i]))
            return values[i].value.len > SUT_JOURNAL_VALUE_MAX ? -EMSGSIZE : -EINVAL;
        strings += values[i].name.len + values[i].value.len + 2;
    }
    write_job *job = job_new(WRITE_PUT, tag, count, count * sizeof *job->values + strings);
    if (!job)
        return -ENOMEM;
    job->values = (sut_journal_value *)(job + 1);
    char *at = (char *)(job->values + count);
    for (size_t i = 0; i < count; i++) {
        job->values[i].name = copy_str(&at, values[i].name);
        job->values[i].value = copy_str(&at, values[i].value);
    }
    return enqueue(s, job);
}

sut_status sut_journal_service_dead_put(sut_journal_service *s, uint64_t tag, const sut_dead_letter *d)
{
    size_t strings = d->group.len + 1 + event_bytes(&d->event);
    for (size_t i = 0; i < d->attempt_count; i++)
        strings += d->attempts[i].consumer.len + d->attempts[i].code.len + d->attempts[i].message.len + 3;
    write_job *job = job_new(WRITE_DEAD_PUT, tag, 1, d->attempt_count * sizeof *d->attempts + strings);
    if (!job)
        return -ENOMEM;
    sut_dead_attempt *attempts = (sut_dead_attempt *)(job + 1);
    char *at = (char *)(attempts + d->attempt_count);
    job->dead = *d;
    job->dead.group = copy_str(&at, d->group);
    copy_event(&at, &job->dead.event, &d->event);
    for (size_t i = 0; i < d->attempt_count; i++) {
        attempts[i] = d->attempts[i];
        attempts[i].consumer = copy_str(&at, d->attempts[i].consumer);
        attempts[i].code = copy_str(&at, d->attempts[i].code);
        attempts[i].message = copy_str(&at, d->attempts[i].message);
    }
    job->dead.attempts = attempts;
    return enqueue(s, job);
}

sut_status sut_journal_service_dead_remove(sut_journal_service *s, uint64_t tag, const uint64_t *ids, size_t count)
{
    if (count == 0 || count > COMMIT_EVENTS)
        return -EINVAL;
    write_job *job = job_new(WRITE_DEAD_REMOVE, tag, count, count * sizeof *ids);
    if (!job)
        return -ENOMEM;
    job->ids = (uint64_t *)(job + 1);
    memcpy(job->ids, ids, count * sizeof *ids);
    return enqueue(s, job);
}

/* ---- reading ---- */

static read_job *read_job_new(uint64_t tag, const sut_journal_query *q)
{
    size_t strings = 0;
    for (size_t i = 0; i < q->pattern_count; i++)
        strings += q->patterns[i].len + 1;
    read_job *job = calloc(1, sizeof *job + q->pattern_count * sizeof *q->patterns + strings);
    if (!job)
        return NULL;
    sut_str *patterns = (sut_str *)(job + 1);
    char *at = (char *)(patterns + q->pattern_count);
    for (size_t i = 0; i < q->pattern_count; i++)
        patterns[i] = copy_str(&at, q->patterns[i]);
    job->done.kind = DONE_READ;
    job->done.tag = tag;
    job->query = *q;
    job->query.patterns = patterns;
    return job;
}

static bool enqueue_read(sut_journal_service *s, sut_node *list, sut_node *n, uint32_t *waiting)
{
    pthread_mutex_lock(&s->read_lock);
    bool room = *waiting < READS_MAX;
    if (room) {
        ++*waiting;
        sut_list_push_back(list, n);
        pthread_cond_signal(&s->read_wake);
    }
    pthread_mutex_unlock(&s->read_lock);
    return room;
}

sut_status sut_journal_service_read(sut_journal_service *s, uint64_t tag, const sut_journal_query *q)
{
    read_job *job = read_job_new(tag, q);
    if (!job)
        return -ENOMEM;
    if (enqueue_read(s, &s->reads, &job->node, &s->reads_waiting))
        return 0;
    free(job);
    return -EAGAIN;
}

sut_status sut_journal_service_query(sut_journal_service *s, sut_journal_job *job)
{
    return enqueue_read(s, &s->queries, &job->node, &s->queries_waiting) ? 0 : -EAGAIN;
}

void sut_journal_service_get_stats(const sut_journal_service *s, sut_journal_service_stats *out)
{
    sut_journal_service *own = (sut_journal_service *)(uintptr_t)s; /* for its locks only */
    pthread_mutex_lock(&own->write_lock);
    *out = s->stats;
    pthread_mutex_unlock(&own->write_lock);
    pthread_mutex_lock(&own->read_lock);
    out->reads_waiting = s->reads_waiting + s->queries_waiting;
    pthread_mutex_unlock(&own->read_lock);
}

/* ---- begin and end ---- */

static sut_status init_locks(sut_journal_service *s)
{
    pthread_condattr_t monotonic;
    int rc = pthread_mutex_init(&s->journal_lock, NULL);
    if (!rc)
        rc = pthread_mutex_init(&s->write_lock, NULL);
    if (!rc)
        rc = pthread_mutex_init(&s->read_lock, NULL);
    if (!rc)
        rc = pthread_cond_init(&s->read_wake, NULL);
    if (!rc)
        rc = pthread_condattr_init(&monotonic);
    if (rc)
        return -rc;
    rc = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    if (!rc)
        rc = pthread_cond_init(&s->write_wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return -rc;
}

static void stop_writer(sut_journal_service *s)
{
    pthread_mutex_lock(&s->write_lock);
    s->stopping = true;
    pthread_cond_signal(&s->write_wake);
    pthread_mutex_unlock(&s->write_lock);
    pthread_join(s->writer, NULL);
}

/* Signals are the loop's: its signalfd must be the only one to see them. */
static sut_status start_threads(sut_journal_service *s)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&s->writer, NULL, service_writer, s);
    if (!rc) {
        rc = pthread_create(&s->reader, NULL, service_reader, s);
        if (rc)
            stop_writer(s);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

static void release(sut_journal_service *s)
{
    sut_node *n;
    while ((n = sut_list_pop_front(&s->reads)))
        free(SUT_CONTAINER(n, read_job, node));
    if (s->box)
        mailbox_leave(s->box);
    pthread_cond_destroy(&s->write_wake);
    pthread_cond_destroy(&s->read_wake);
    pthread_mutex_destroy(&s->write_lock);
    pthread_mutex_destroy(&s->read_lock);
    pthread_mutex_destroy(&s->journal_lock);
    free(s);
}

sut_status sut_journal_service_new(sut_journal_service **out, sut_journal *j, sut_loop *loop,
                                   const sut_journal_service_ops *ops, void *app, sut_journal *(*reopen)(void *app),
                                   const sut_journal_service_options *opt)
{
    sut_journal_service *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->ops = ops;
    s->app = app;
    s->reopen = reopen;
    s->opt = *opt;
    s->opt.queue_events = opt->queue_events ? opt->queue_events : 65536;
    s->opt.queue_bytes = opt->queue_bytes ? opt->queue_bytes : 64u << 20;
    s->opt.retain_every_ms = opt->retain_every_ms ? opt->retain_every_ms : 1000;
    s->opt.settle_after_ms = opt->settle_after_ms ? opt->settle_after_ms : 100;
    s->journal = j;
    sut_list_init(&s->writes);
    sut_list_init(&s->reads);
    sut_list_init(&s->queries);
    sut_status status = init_locks(s);
    if (!status)
        status = (s->box = mailbox_new(loop, s)) ? start_threads(s) : -ENOMEM;
    if (status) {
        release(s); /* the journal stays the caller's */
        return status;
    }
    *out = s;
    return 0;
}

sut_journal_service *sut_journal_service_free(sut_journal_service *s)
{
    if (!s)
        return NULL;
    stop_writer(s);
    pthread_mutex_lock(&s->read_lock);
    s->read_stopping = true;
    pthread_cond_signal(&s->read_wake);
    pthread_mutex_unlock(&s->read_lock);
    pthread_join(s->reader, NULL);
    s->journal = sut_journal_close(s->journal);
    release(s);
    return NULL;
}
