/* When the journal cannot be written: how it is found out that it can be again. The loop hears of both by ops.changed.
 *
 * A disk that is full or has become read-only needs patience only. After an I/O error nobody knows what is on the disk:
 * the kernel drops pages whose write failed and says so once (fsync(2)), so only what a new opening finds counts, and
 * nothing is written before a probe has shown that a sync works. */
#include "service_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PAUSE_FIRST_NS (100 * SUT_NS_PER_MS)
#define PAUSE_MOST_NS  (2 * SUT_NS_PER_S)

static void tell_changed(const writer_state *w)
{
    completion *c = completion_new(DONE_CHANGED);
    c->oldest = w->oldest;
    c->status = w->fault;
    service_complete(w->s, c);
}

void writer_set_writable(writer_state *w, sut_status status, const char *why)
{
    sut_journal_service *s = w->s;
    if (w->fault == status)
        return;
    w->fault = status;
    pthread_mutex_lock(&s->write_lock);
    s->stats.writable = status;
    snprintf(s->stats.fault, sizeof s->stats.fault, "%s", status ? why : "");
    pthread_mutex_unlock(&s->write_lock);
    if (status) {
        w->pause_ns = PAUSE_FIRST_NS;
        w->try_at_ns = sut_now_ns() + w->pause_ns;
        w->retain_at_ns = 0; /* what is past its time may make room at once */
    }
    tell_changed(w);
}

void writer_failed(writer_state *w, sut_status status)
{
    w->broken |= status == -EIO;
    if (status == -EIO || status == -ENOSPC || status == -EROFS)
        writer_set_writable(w, status, sut_journal_last_error(w->s->journal));
}

static void try_later(writer_state *w)
{
    w->pause_ns = w->pause_ns < PAUSE_MOST_NS / 2 ? w->pause_ns * 2 : PAUSE_MOST_NS;
    w->try_at_ns = sut_now_ns() + w->pause_ns;
}

/* The reader waits at the lock: it never finds the journal away unless it cannot be opened. */
static void reopen(writer_state *w)
{
    sut_journal_service *s = w->s;
    pthread_mutex_lock(&s->journal_lock);
    s->journal = sut_journal_close(s->journal);
    if (s->reopen)
        s->journal = s->reopen(s->app);
    pthread_mutex_unlock(&s->journal_lock);
}

static void close_for_good(writer_state *w, uint64_t next)
{
    sut_log(SUT_ERROR, "journal", "journal.went_back", SUT_KV_U("told", w->told), SUT_KV_U("next", next));
    pthread_mutex_lock(&w->s->journal_lock);
    w->s->journal = sut_journal_close(w->s->journal);
    pthread_mutex_unlock(&w->s->journal_lock);
}

/* What the disk kept of a commit that failed is part of the log now: the loop reads it. Less than was acknowledged must
 * never be gone on with: its numbers would be given out twice. */
static bool compare(writer_state *w)
{
    sut_journal_stats st;
    sut_journal_batch *none;
    batch_maker m;
    if (sut_journal_get_stats(w->s->journal, &st))
        return false;
    if (st.next < w->told) {
        close_for_good(w, st.next);
        return false;
    }
    if (st.next == w->told)
        return true;
    batch_maker_init(&m);
    if (batch_maker_finish(&m, &none))
        return false;
    none->next = w->told = st.next;
    none->oldest = w->oldest;
    completion *c = completion_new(DONE_COMMIT);
    c->batch = none;
    service_complete(w->s, c);
    return true;
}

static void open_again(writer_state *w)
{
    sut_journal_service *s = w->s;
    if (s->journal)
        sut_log(SUT_ERROR, "journal", "journal.reopened", SUT_KV("why", s->stats.fault));
    reopen(w);
    if (!s->journal || !compare(w)) {
        try_later(w);
        return;
    }
    w->broken = false;
    w->next_due_us = 0;
}

static void probe(writer_state *w)
{
    sut_status status = sut_journal_probe(w->s->journal);
    if (!status) {
        w->retain_at_ns = 0;
        writer_set_writable(w, 0, NULL);
        return;
    }
    writer_failed(w, status); /* it may be another one now */
    try_later(w);
}

void writer_repair(writer_state *w)
{
    bool first = w->broken && w->s->journal; /* not to be read from any longer than need be */
    if (!w->fault || (!first && sut_now_ns() < w->try_at_ns))
        return;
    if (w->broken)
        open_again(w);
    else
        probe(w);
}
