/* The way back to the loop: the threads put completions into a list, one task a burst wakes the loop, which takes the
 * whole list. A task that is in the loop's queue cannot be called back, so the mailbox outlives its service if need be.
 */
#include "service_parts.h"

#include <stdlib.h>
#include <time.h>

void *service_patient_alloc(size_t bytes)
{
    void *p;
    while (!(p = calloc(1, bytes))) {
        const struct timespec pause = {.tv_nsec = 10000000};
        nanosleep(&pause, NULL);
    }
    return p;
}

completion *completion_new(completion_kind kind)
{
    completion *c = service_patient_alloc(sizeof *c);
    c->kind = kind;
    return c;
}

void completion_free(completion *c)
{
    sut_journal_batch_unref(c->batch);
    free(c);
}

static void tell_job(const sut_journal_service *s, const write_job *job)
{
    if (job->kind == WRITE_PUBLISH)
        s->ops->published(s->app, job->tag, job->faulty ? NULL : job->results, job->faulty ? 0 : job->count,
                          job->faulty ? &job->fault : NULL);
    else
        s->ops->stored(s->app, job->tag, job->status, job->id);
}

/* A callback may free the service: the mailbox tells. */
static void tell_commit(const mailbox *box, completion *c)
{
    if (c->batch->count || c->batch->next) /* no events, but a place: what lies before it is read */
        box->service->ops->appended(box->service->app, c->batch);
    if (!c->commit)
        return;
    sut_node *jobs = &c->commit->jobs;
    for (sut_node *n = jobs->next; n != jobs && box->service; n = n->next)
        tell_job(box->service, SUT_CONTAINER(n, write_job, node));
}

static void tell(const mailbox *box, completion *c)
{
    const sut_journal_service *s = box->service;
    switch (c->kind) {
    case DONE_COMMIT: tell_commit(box, c); break;
    case DONE_READ: s->ops->read(s->app, c->tag, c->status, c->batch); break;
    case DONE_CHANGED: s->ops->changed(s->app, c->oldest, c->status); break;
    }
}

static void mailbox_free(void *arg)
{
    mailbox *box = arg;
    sut_node *n;
    sut_node_unlink(&box->farewell.node);
    while ((n = sut_list_pop_front(&box->done)))
        completion_free(SUT_CONTAINER(n, completion, node));
    pthread_mutex_destroy(&box->lock);
    free(box);
}

static void splice(sut_node *from, sut_node *to)
{
    sut_node *n;
    sut_list_init(to);
    while ((n = sut_list_pop_front(from)))
        sut_list_push_back(to, n);
}

static void deliver(sut_task *t, void *arg)
{
    mailbox *box = arg;
    sut_node done, queries, *n;
    (void)t;
    pthread_mutex_lock(&box->lock);
    splice(&box->done, &done);
    splice(&box->queries, &queries);
    box->posted = false;
    pthread_mutex_unlock(&box->lock);
    box->delivering = true;
    while ((n = sut_list_pop_front(&done))) {
        completion *c = SUT_CONTAINER(n, completion, node);
        if (box->service)
            tell(box, c);
        completion_free(c);
    }
    while ((n = sut_list_pop_front(&queries)))
        if (box->service)
            box->service->ops->done(box->service->app, SUT_CONTAINER(n, sut_journal_job, node));
    box->delivering = false;
    if (!box->service && !box->posted)
        mailbox_free(box);
}

mailbox *mailbox_new(sut_loop *loop, sut_journal_service *s)
{
    mailbox *box = calloc(1, sizeof *box);
    if (!box)
        return NULL;
    if (pthread_mutex_init(&box->lock, NULL)) {
        free(box);
        return NULL;
    }
    sut_list_init(&box->done);
    sut_list_init(&box->queries);
    box->loop = loop;
    box->service = s;
    return box;
}

static void add(mailbox *box, sut_node *list, sut_node *n)
{
    pthread_mutex_lock(&box->lock);
    sut_list_push_back(list, n);
    bool post = !box->posted;
    box->posted = true;
    if (post)
        sut_loop_post(box->loop, &box->task, deliver, box);
    pthread_mutex_unlock(&box->lock);
}

void service_complete(sut_journal_service *s, completion *c)
{
    add(s->box, &s->box->done, &c->node);
}

void service_query_done(sut_journal_service *s, sut_journal_job *job)
{
    add(s->box, &s->box->queries, &job->node);
}

void mailbox_leave(mailbox *box)
{
    box->service = NULL;
    while (sut_list_pop_front(&box->queries)) /* callers' memory: not looked at again */
        continue;
    if (box->posted) {
        box->farewell = (sut_farewell){.fn = mailbox_free, .arg = box};
        sut_loop_on_free(box->loop, &box->farewell);
    } else if (!box->delivering) {
        mailbox_free(box);
    }
}
