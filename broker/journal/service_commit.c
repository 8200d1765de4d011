/* One commit of the writer: what was waiting becomes one transaction, and every job gets its answer. */
#include "service_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

typedef struct choice { /* which of the jobs a transaction takes */
    const write_job *only;
    bool stores_only;
} choice;

static write_job *job_of(sut_node *n)
{
    return SUT_CONTAINER(n, write_job, node);
}

static bool chosen(const write_job *job, const choice *c)
{
    if (job->kind == WRITE_PUBLISH)
        return !job->faulty && !c->stores_only && (!c->only || c->only == job);
    return !c->only || c->only == job;
}

typedef struct plan {
    journal_write write;
    sut_append_group *groups;
    sut_journal_value *values;
    journal_dead_op *dead;
} plan;

static journal_dead_op dead_op(const write_job *job)
{
    if (job->kind == WRITE_DEAD_PUT)
        return (journal_dead_op){.put = &job->dead};
    return (journal_dead_op){.remove = job->ids, .remove_count = job->count};
}

static bool plan_make(plan *p, commit_batch *cb, const choice *c)
{
    size_t groups = 0, values = 0, dead = 0;
    for (sut_node *n = cb->jobs.next; n != &cb->jobs; n = n->next) {
        const write_job *job = job_of(n);
        groups += job->kind == WRITE_PUBLISH;
        values += job->kind == WRITE_PUT ? job->count : 0;
        dead += job->kind == WRITE_DEAD_PUT || job->kind == WRITE_DEAD_REMOVE;
    }
    p->groups = sut_arena_array(cb->arena, groups + 1, sizeof *p->groups);
    p->values = sut_arena_array(cb->arena, values + 1, sizeof *p->values);
    p->dead = sut_arena_array(cb->arena, dead + 1, sizeof *p->dead);
    if (!p->groups || !p->values || !p->dead)
        return false;
    p->write = (journal_write){.now_us = sut_wall_us(), .groups = p->groups, .values = p->values, .dead = p->dead};
    for (sut_node *n = cb->jobs.next; n != &cb->jobs; n = n->next) {
        const write_job *job = job_of(n);
        if (!chosen(job, c))
            continue;
        if (job->kind == WRITE_PUBLISH)
            p->groups[p->write.group_count++] =
                (sut_append_group){.events = job->events, .results = job->results, .count = job->count};
        else if (job->kind == WRITE_PUT)
            for (size_t i = 0; i < job->count; i++)
                p->values[p->write.value_count++] = job->values[i];
        else
            p->dead[p->write.dead_count++] = dead_op(job);
    }
    return true;
}

static void refuse_group(write_job *job, sut_arena *keep)
{
    for (size_t i = 0; i < job->count; i++) {
        const sut_append_result *r = &job->results[i];
        const sut_journal_event *e = &job->events[i];
        if (r->state == SUT_APPEND_FENCED)
            writer_refuse(job, keep, SUT_ERR_FENCED, "event %zu: source %.*s is at epoch %llu, this is %llu", i,
                          SUT_STR_FMT(e->source), (unsigned long long)r->expected, (unsigned long long)e->epoch);
        else if (r->state == SUT_APPEND_GAP)
            writer_refuse(job, keep, SUT_ERR_SOURCE_GAP, "event %zu: source %.*s must go on with %llu, this is %llu", i,
                          SUT_STR_FMT(e->source), (unsigned long long)r->expected, (unsigned long long)e->number);
        if (job->faulty)
            return;
    }
}

static void fail_job(write_job *job, sut_arena *keep, sut_status status, const char *why)
{
    job->status = status;
    if (job->kind != WRITE_PUBLISH)
        return;
    switch (status) {
    case -ENOSPC: writer_refuse(job, keep, SUT_ERR_STORAGE_FULL, "the journal cannot be written: %s", why); break;
    case -EINVAL: writer_refuse(job, keep, SUT_ERR_INVALID, "%s", why); break;
    case -EMSGSIZE: writer_refuse(job, keep, SUT_ERR_PAYLOAD_TOO_LARGE, "%s", why); break;
    case -EBADMSG: writer_refuse(job, keep, SUT_ERR_INTERNAL, "the journal is damaged: %s", why); break;
    case -EIO: /* the sync failed, and may have failed too late */
        writer_refuse(job, keep, SUT_ERR_OUTCOME_UNKNOWN,
                      "the disk failed while it was written; publish it again with the same id or number: %s", why);
        break;
    default: writer_refuse(job, keep, SUT_ERR_UNAVAILABLE, "the journal cannot be written: %s", why); break;
    }
}

/* Hands out what the transaction said, in the order in which plan_make took the jobs. */
static void settle(writer_state *w, commit_batch *cb, const choice *c, const plan *p, sut_status status)
{
    size_t group = 0, dead = 0;
    const char *why = status ? sut_journal_last_error(w->s->journal) : "";
    for (sut_node *n = cb->jobs.next; n != &cb->jobs; n = n->next) {
        write_job *job = job_of(n);
        if (!chosen(job, c))
            continue;
        job->status = 0;
        if (status) {
            fail_job(job, cb->arena, status, why);
        } else if (job->kind == WRITE_PUBLISH) {
            if (p->groups[group++].refused)
                refuse_group(job, cb->arena);
        } else if (job->kind != WRITE_PUT) {
            job->status = p->dead[dead].status;
            job->id = p->dead[dead++].id;
        }
    }
}

static void published(writer_state *w)
{
    writer_set_writable(w, 0, NULL);
    if (w->settle_at_ns == UINT64_MAX)
        w->settle_at_ns = sut_now_ns() + w->s->opt.settle_after_ms * SUT_NS_PER_MS;
}

static sut_status write_chosen(writer_state *w, commit_batch *cb, const choice *c, bool last_try)
{
    plan p = {.groups = NULL};
    uint64_t start = sut_now_ns();
    sut_status status = plan_make(&p, cb, c) ? journal_write_all(w->s->journal, &p.write) : -ENOMEM;
    uint64_t took = sut_now_ns() - start;
    if (!status || last_try)
        settle(w, cb, c, &p, status);
    sut_journal_service_stats *st = &w->s->stats;
    pthread_mutex_lock(&w->s->write_lock);
    st->commits_total += status == 0;
    st->failures_total += status != 0;
    st->commit_ns_total += took;
    st->commit_ns_max = took > st->commit_ns_max ? took : st->commit_ns_max;
    pthread_mutex_unlock(&w->s->write_lock);
    if (status)
        writer_failed(w, status);
    else if (p.write.group_count)
        published(w);
    return status;
}

static void fail_all(commit_batch *cb, sut_status status, const char *why)
{
    const choice all = {.only = NULL};
    for (sut_node *n = cb->jobs.next; n != &cb->jobs; n = n->next)
        if (chosen(job_of(n), &all))
            fail_job(job_of(n), cb->arena, status, why);
}

/* One bad event must not take its neighbours with it, nor a full disk the cursors, which fit where events do not. */
static void write_all(writer_state *w, commit_batch *cb)
{
    choice all = {.only = NULL}, stores = {.stores_only = true};
    bool alone = cb->jobs.next == cb->jobs.prev;
    if (w->fault == -EIO) { /* certainly not executed: nothing is tried before a probe */
        fail_all(cb, -EAGAIN, w->s->stats.fault);
        return;
    }
    sut_status status = write_chosen(w, cb, &all, alone);
    if (!status || alone)
        return;
    if (status == -EINVAL || status == -EMSGSIZE) {
        for (sut_node *n = cb->jobs.next; n != &cb->jobs; n = n->next) {
            choice one = {.only = job_of(n)};
            if (chosen(job_of(n), &one))
                (void)write_chosen(w, cb, &one, true);
        }
        return;
    }
    fail_all(cb, status, sut_journal_last_error(w->s->journal));
    if (status == -ENOSPC)
        (void)write_chosen(w, cb, &stores, true);
}

static void release_commit(journal_batch *b)
{
    commit_batch *cb = SUT_CONTAINER(b, commit_batch, base);
    sut_node *n;
    while ((n = sut_list_pop_front(&cb->jobs)))
        free(job_of(n));
    sut_arena_free(cb->arena);
    free(cb);
}

static commit_batch *batch_of(sut_node *jobs)
{
    size_t events = 0;
    sut_node *n;
    for (n = jobs->next; n != jobs; n = n->next)
        events += job_of(n)->kind == WRITE_PUBLISH ? job_of(n)->count : 0;
    commit_batch *cb = service_patient_alloc(sizeof *cb + events * sizeof cb->events[0]);
    journal_batch_init(&cb->base, release_commit);
    cb->base.pub.events = cb->events;
    sut_list_init(&cb->jobs);
    while ((n = sut_list_pop_front(jobs)))
        sut_list_push_back(&cb->jobs, n);
    return cb;
}

static void collect(writer_state *w, commit_batch *cb, const write_job *job, sut_journal_service_stats *add)
{
    add->refused_total += job->faulty ? job->count : 0;
    for (size_t i = 0; i < job->count && !job->faulty; i++) {
        const sut_journal_event *e = &job->events[i];
        if (job->results[i].state != SUT_APPEND_TAKEN) {
            add->duplicates_total++;
            continue;
        }
        add->events_total++;
        if (e->sequence)
            cb->events[cb->base.pub.count++] = *e;
        else if (e->not_before_us < w->next_due_us)
            w->next_due_us = e->not_before_us;
    }
}

static void finish(writer_state *w, commit_batch *cb)
{
    sut_journal_service_stats add = {.events_total = 0}, *st = &w->s->stats;
    for (sut_node *n = cb->jobs.next; n != &cb->jobs; n = n->next)
        if (job_of(n)->kind == WRITE_PUBLISH)
            collect(w, cb, job_of(n), &add);
    sut_journal_batch *b = &cb->base.pub;
    b->next = b->count ? b->events[b->count - 1].sequence + 1 : 0;
    w->told = b->count ? b->next : w->told;
    b->oldest = w->oldest;
    pthread_mutex_lock(&w->s->write_lock);
    st->events_total += add.events_total;
    st->duplicates_total += add.duplicates_total;
    st->refused_total += add.refused_total;
    pthread_mutex_unlock(&w->s->write_lock);
    completion *c = completion_new(DONE_COMMIT);
    c->batch = b;
    c->commit = cb;
    service_complete(w->s, c);
}

void writer_commit(writer_state *w, sut_node *jobs)
{
    commit_batch *cb = batch_of(jobs);
    if (sut_arena_new(&cb->arena, 0)) {
        for (sut_node *n = cb->jobs.next; n != &cb->jobs; n = n->next) {
            write_job *job = job_of(n);
            job->status = -ENOMEM;
            job->faulty = job->kind == WRITE_PUBLISH;
            job->fault = (sut_publish_fault){.err = SUT_ERR_UNAVAILABLE, .message = SUT_STR("out of memory")};
        }
        finish(w, cb);
        return;
    }
    for (sut_node *n = cb->jobs.next; n != &cb->jobs; n = n->next)
        if (job_of(n)->kind == WRITE_PUBLISH)
            writer_check(w, job_of(n), cb->arena);
    write_all(w, cb);
    finish(w, cb);
}
