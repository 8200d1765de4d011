/* The reader's thread: reads of the log and the caller's queries, each kind in order. */
#include "service_parts.h"

#include "base/log.h"

#include <errno.h>

static bool next(sut_journal_service *s, read_job **read, sut_journal_job **query)
{
    pthread_mutex_lock(&s->read_lock);
    while (sut_list_empty(&s->reads) && sut_list_empty(&s->queries) && !s->read_stopping)
        pthread_cond_wait(&s->read_wake, &s->read_lock);
    bool go_on = !s->read_stopping;
    sut_node *r = go_on ? sut_list_pop_front(&s->reads) : NULL, *q = go_on ? sut_list_pop_front(&s->queries) : NULL;
    s->reads_waiting -= r != NULL;
    s->queries_waiting -= q != NULL;
    pthread_mutex_unlock(&s->read_lock);
    *read = r ? SUT_CONTAINER(r, read_job, node) : NULL;
    *query = q ? SUT_CONTAINER(q, sut_journal_job, node) : NULL;
    return go_on;
}

/* A read that meets damage tells by an empty batch where it is. */
static void tell_damage(const sut_journal_service *s, read_job *read)
{
    batch_maker m;
    uint64_t sequence = sut_journal_last_damage(s->journal);
    sut_log(SUT_ERROR, "journal", "read.damaged", SUT_KV_U("sequence", sequence),
            SUT_KV("why", sut_journal_last_error(s->journal)));
    batch_maker_init(&m);
    if (sequence && batch_maker_finish(&m, &read->done.batch) == 0)
        read->done.batch->next = sequence;
}

static void run_read(const sut_journal_service *s, read_job *read)
{
    read->done.status = s->journal ? sut_journal_read(s->journal, &read->query, &read->done.batch) : -EIO;
    if (read->done.status == -EBADMSG)
        tell_damage(s, read);
}

void *service_reader(void *arg)
{
    sut_journal_service *s = arg;
    read_job *read;
    sut_journal_job *query;
    while (next(s, &read, &query)) {
        pthread_mutex_lock(&s->journal_lock);
        if (read)
            run_read(s, read);
        if (query)
            query->status = s->journal ? query->run(query, s->journal) : -EIO;
        pthread_mutex_unlock(&s->journal_lock);
        if (read)
            service_complete(s, &read->done);
        if (query)
            service_query_done(s, query);
    }
    return NULL;
}
