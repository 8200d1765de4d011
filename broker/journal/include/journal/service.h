/* The journal for a loop that may never touch the disk: a writer thread (group commit) and a reader thread, with
 * bounded queues. Requests are made on the loop's thread; answers come there too, in order for each kind of request.
 *
 * Group commit: what is waiting when the writer is free is committed together, at most 4,096 events or 1 MiB; an idle
 * writer commits at once, so that a lone publish does not wait for company. */
#ifndef SUT_JOURNAL_SERVICE_H
#define SUT_JOURNAL_SERVICE_H

#include "base/loop.h"
#include "journal/journal.h"

typedef struct sut_journal_service sut_journal_service;

/* Why an event was refused. Strings live until the callback returns. */
typedef struct sut_publish_fault {
    int err; /* sut_err: INVALID, NO_SUCH_EVENT, FENCED, SOURCE_GAP, STORAGE_FULL, UNAVAILABLE, INTERNAL;
                OUTCOME_UNKNOWN: the disk failed while it was written, and it may be there all the same */
    sut_str message;
    const sut_field_error *errors; /* INVALID: the fields; in a batch pointers start with /events/N */
    size_t error_count;
} sut_publish_fault;

struct sut_arena;
struct sut_journal_job;
typedef struct sut_journal_service_ops {
    /* On the writer's thread: judges an event by its schema and sets its key. 0, or a sut_err with `fault` filled in,
     * whose strings live in `a`. May be NULL. */
    int (*check)(void *app, sut_journal_event *e, struct sut_arena *a, sut_publish_fault *fault);
    /* On the loop's thread, as all that follow. The publish of `tag` ended: `fault` NULL and one result an event; or
     * the fault, and nothing was written. */
    void (*published)(void *app, uint64_t tag, const sut_append_result *results, size_t count,
                      const sut_publish_fault *fault);
    /* Events that have just become part of the log, in order and without gaps; take a reference to keep them. Comes
     * before the `published` of those who sent them. After an I/O error a batch may have no events and a `next` further
     * on: what lies between is in the log and has to be read. */
    void (*appended)(void *app, sut_journal_batch *batch);
    /* -EBADMSG: `batch` has no events and its `next` is the record that is damaged, or `batch` is NULL: not known. */
    void (*read)(void *app, uint64_t tag, sut_status status, sut_journal_batch *batch);
    /* Values or dead letters were written, or could not be. */
    void (*stored)(void *app, uint64_t tag, sut_status status, uint64_t id);
    /* A query that was given to sut_journal_service_query is done; `job` is the caller's again. */
    void (*done)(void *app, struct sut_journal_job *job);
    /* Retention moved the oldest sequence; or the journal can be written again, or no more (0 or negative). */
    void (*changed)(void *app, uint64_t oldest, sut_status writable);
} sut_journal_service_ops;

typedef struct sut_journal_service_options {
    sut_journal_retention retention;
    uint32_t queue_events;    /* 0: 65,536; past it -EAGAIN */
    uint64_t queue_bytes;     /* 0: 64 MiB */
    uint32_t retain_every_ms; /* 0: 1,000 */
    uint32_t settle_after_ms; /* a publish; see sut_journal_settle; 0: 100 */
} sut_journal_service_options;

/* Takes the journal over.
 *
 * Faults: a disk or map that is full refuses publishes with STORAGE_FULL, reading goes on, and each publish tries
 * again. After -EIO the engine is closed and `reopen` (arg: app; on the writer's thread) gets a new one, NULL: not yet;
 * what it reads there is given out again, and publishes are refused with UNAVAILABLE. Either way a probe looks after
 * 0.1 s, then after twice as long, at most every 2 s, whether it is over: nobody has to publish for that. ops.changed
 * tells. */
SUT_MUST_CHECK sut_status sut_journal_service_new(sut_journal_service **out, sut_journal *j, sut_loop *loop,
                                                  const sut_journal_service_ops *ops, void *app,
                                                  sut_journal *(*reopen)(void *app),
                                                  const sut_journal_service_options *opt);
/* Writes what is queued, stops both threads, closes the journal. No callback runs any more. Returns NULL. */
sut_journal_service *sut_journal_service_free(sut_journal_service *s);

/* Copies the events. -EAGAIN: the queue is full; -EMSGSIZE. `tag` comes back. Several events are all or nothing. */
SUT_MUST_CHECK sut_status sut_journal_service_publish(sut_journal_service *s, uint64_t tag,
                                                      const sut_journal_event *events, size_t count);
/* Copies the query. At most 1,024 reads wait: -EAGAIN. */
SUT_MUST_CHECK sut_status sut_journal_service_read(sut_journal_service *s, uint64_t tag, const sut_journal_query *q);
/* Copies. In order with each other; they travel with the next commit, so cost no sync of their own under load. */
SUT_MUST_CHECK sut_status sut_journal_service_put(sut_journal_service *s, uint64_t tag, const sut_journal_value *values,
                                                  size_t count);
SUT_MUST_CHECK sut_status sut_journal_service_dead_put(sut_journal_service *s, uint64_t tag, const sut_dead_letter *d);
SUT_MUST_CHECK sut_status sut_journal_service_dead_remove(sut_journal_service *s, uint64_t tag, const uint64_t *ids,
                                                          size_t count);
/* Anything else that reads (dead letters, time to sequence, statistics): `run` on the reader's thread, then ops.done.
 * The job stays the caller's memory. */
typedef struct sut_journal_job {
    sut_status (*run)(struct sut_journal_job *job, sut_journal *j);
    sut_status status; /* what run returned */
    sut_node node;
    sut_task task;
} sut_journal_job;
SUT_MUST_CHECK sut_status sut_journal_service_query(sut_journal_service *s, sut_journal_job *job);

typedef struct sut_journal_service_stats {
    uint32_t queued_events, reads_waiting;
    uint64_t queued_bytes;
    uint64_t events_total, commits_total, duplicates_total, refused_total, failures_total;
    uint64_t commit_ns_max, commit_ns_total;
    sut_status writable; /* 0, or why not … */
    char fault[192];     /* … in words */
} sut_journal_service_stats;
void sut_journal_service_get_stats(const sut_journal_service *s, sut_journal_service_stats *out);

#endif
