/* The journal port: an append-only log of events with durable cursors, dead letters and delayed events, behind one
 * table of functions that each engine fills (engine `lmdb`: lmdb.h). Synchronous: every function may touch the disk, so
 * the broker calls it from the journal's own threads only (service.h), tools from wherever they like.
 *
 * Threads: one writer at a time (append, cursors, dead letters, retention); `read`, `*_list`, `*_get` and `stats` may
 * run on one other thread beside it.
 *
 * Statuses: 0; -ENOSPC (disk or map full: nothing of that call was written, reading goes on, the next call may
 * succeed); -EIO (the engine must be closed and opened again: an fsync that failed cannot be repeated); -EBADMSG (a
 * record whose checksum or version is wrong: `error` of sut_journal_last_error names it); -EBUSY (another process has
 * the folder); -ENOENT, -EINVAL, -EMSGSIZE, -ENOMEM. */
#ifndef SUT_JOURNAL_JOURNAL_H
#define SUT_JOURNAL_JOURNAL_H

#include "wire/event.h"

typedef struct sut_journal sut_journal;

typedef sut_stored_event sut_journal_event;

/* ---- appending ---- */

typedef enum sut_append_state {
    SUT_APPEND_TAKEN,     /* sequence is its position; or it is delayed: then sequence is 0 */
    SUT_APPEND_DUPLICATE, /* it was there: sequence is the first one's if still known, else 0 */
    SUT_APPEND_GAP,       /* number is not the source's last one + 1; `expected` is */
    SUT_APPEND_FENCED     /* epoch is lower than the source's last one, which `expected` holds */
} sut_append_state;

typedef struct sut_append_result {
    sut_append_state state;
    sut_dedup dedup; /* which rule judged */
    uint64_t sequence, expected;
} sut_append_result;

/* Consecutive items that must be taken together or not at all: a peer's batch. A group of one is the usual case. */
typedef struct sut_append_group {
    sut_journal_event *events; /* sequence and time_us are filled in */
    sut_append_result *results;
    size_t count;
    bool refused; /* set: one of several was neither taken nor a duplicate, so none was */
} sut_append_group;

/* Appends all groups in one transaction and syncs it: when 0 is returned they are durable. On failure none is.
 * Dedup: a source's numbers go up by one (an unknown source, and an unknown source only, may begin anywhere; a higher
 * epoch goes on from the same number); other events by id, among the last 10 min or 1,000,000 ids, whichever is less,
 * across restarts, within one call too. A delayed event is judged when it comes, not when it is due. */
SUT_MUST_CHECK sut_status sut_journal_append(sut_journal *j, int64_t now_us, sut_append_group *groups, size_t count);
/* Moves delayed events that are due into the log, at most `max`; `moved` gets them (borrowed until the next call).
 * *next_us: when the next one is due, INT64_MAX if there is none. */
typedef struct sut_journal_batch sut_journal_batch;
SUT_MUST_CHECK sut_status sut_journal_release_due(sut_journal *j, int64_t now_us, size_t max, sut_journal_batch **moved,
                                                  int64_t *next_us);

/* ---- reading ---- */

/* Events that own their memory; counted references, so that batches may cross threads. */
struct sut_journal_batch {
    const sut_journal_event *events;
    size_t count;
    uint64_t next;   /* where to read on: everything below it was looked at */
    uint64_t oldest; /* the log's first sequence at the time of reading; above `from`: what is between is gone */
};
sut_journal_batch *sut_journal_batch_ref(sut_journal_batch *b);
sut_journal_batch *sut_journal_batch_unref(sut_journal_batch *b); /* returns NULL; NULL is fine */

typedef struct sut_journal_query {
    uint64_t from;           /* first sequence */
    int64_t from_time_us;    /* not 0: `from` is where the events of that time begin */
    uint64_t to;             /* last sequence, 0: no end */
    const sut_str *patterns; /* sut_subject_match; none: all */
    size_t pattern_count;
    size_t max_events; /* that match; 0: 1,024 */
    size_t max_scan;   /* looked at; 0: 65,536 */
    size_t max_bytes;  /* 0: 1 MiB; one event is always given */
} sut_journal_query;
/* -EBADMSG: the first record of the range is damaged or missing, and sut_journal_last_damage tells its sequence. What
 * comes before a damaged one is given first; what comes behind it is read by asking from there on. */
SUT_MUST_CHECK sut_status sut_journal_read(sut_journal *j, const sut_journal_query *q, sut_journal_batch **out);
/* The first sequence appended at or after that time; the next one to be appended if there is none. */
SUT_MUST_CHECK sut_status sut_journal_seek_time(sut_journal *j, int64_t time_us, uint64_t *sequence);

/* ---- small durable values: cursors of groups, and whatever the broker keeps beside its log ---- */

#define SUT_JOURNAL_VALUE_MAX (64u << 10)
/* Name: 1 to 128 bytes. value.ptr NULL removes. Several at once are one transaction. Synced. */
typedef struct sut_journal_value {
    sut_str name, value;
} sut_journal_value;
SUT_MUST_CHECK sut_status sut_journal_put(sut_journal *j, const sut_journal_value *values, size_t count);
typedef void (*sut_journal_value_fn)(void *arg, sut_str name, sut_str value);
SUT_MUST_CHECK sut_status sut_journal_each_value(sut_journal *j, sut_str prefix, sut_journal_value_fn fn, void *arg);

/* ---- dead letters ---- */

typedef struct sut_dead_attempt {
    uint32_t attempt;
    int64_t time_us;
    sut_str consumer; /* instance */
    sut_str code, message;
} sut_dead_attempt;

typedef struct sut_dead_letter {
    uint64_t id; /* from 1; set when it is put with 0 */
    sut_str group;
    int64_t died_us;
    bool redriving;      /* given to its group again, not yet acknowledged */
    uint32_t generation; /* of the group's dedup space; 24 bits are kept */
    sut_journal_event event;
    const sut_dead_attempt *attempts;
    size_t attempt_count;
} sut_dead_letter;

/* Inserts (id 0: *id is set) or replaces. Synced. One of the same group, generation and sequence that is there already
 * stays as it is, and *id is its: burying again does nothing. */
SUT_MUST_CHECK sut_status sut_journal_dead_put(sut_journal *j, const sut_dead_letter *d, uint64_t *id);
/* Removes; -ENOENT if one is not there (the others are removed). */
SUT_MUST_CHECK sut_status sut_journal_dead_remove(sut_journal *j, const uint64_t *ids, size_t count);
typedef struct sut_dead_query {
    sut_str group;           /* absent: all */
    const sut_str *subjects; /* patterns */
    size_t subject_count;
    sut_str key;
    uint64_t after; /* ids above this */
    size_t max;     /* 0: 100 */
    bool redriving_only;
} sut_dead_query;
/* In order of ids. `fn` gets borrowed strings; it returns false to stop. */
typedef bool (*sut_dead_fn)(void *arg, const sut_dead_letter *d);
SUT_MUST_CHECK sut_status sut_journal_dead_each(sut_journal *j, const sut_dead_query *q, sut_dead_fn fn, void *arg);
/* -ENOENT if it is not there. */
SUT_MUST_CHECK sut_status sut_journal_dead_get(sut_journal *j, uint64_t id, sut_dead_fn fn, void *arg);

/* ---- upkeep ---- */

typedef struct sut_journal_retention {
    int64_t max_age_us;  /* 0: for ever */
    uint64_t max_bytes;  /* of the log's records, 0: what the map holds */
    int64_t dead_age_us; /* of dead letters */
} sut_journal_retention;
/* Removes what is past its time, a bounded number of records a call; *more: call again. Freed pages are used again. */
SUT_MUST_CHECK sut_status sut_journal_retain(sut_journal *j, int64_t now_us, const sut_journal_retention *r,
                                             bool *more);

/* Whether an append could be written and synced now: commits a transaction that changes nothing, after it has asked the
 * disk for room to grow. For whoever refuses appends after a failure and wants to know when it is over. */
SUT_MUST_CHECK sut_status sut_journal_probe(sut_journal *j);

/* Moves what an engine keeps in a write-ahead log to where it stays. Nothing changes for anybody who reads; other
 * processes, which read the files, may see it only now. For whoever has a moment, within a second of an append. Nothing
 * if there is nothing to move. Statuses of an append. */
SUT_MUST_CHECK sut_status sut_journal_settle(sut_journal *j);

typedef struct sut_journal_stats {
    uint64_t first, next; /* sequences: the oldest one kept, the one to be given next */
    int64_t first_us, last_us;
    uint64_t records, record_bytes; /* of the log */
    uint64_t file_bytes, map_bytes, free_pages;
    uint64_t delayed, dead, sources, dedup_ids;
    uint8_t creation_id[16];
    uint32_t format;
} sut_journal_stats;
SUT_MUST_CHECK sut_status sut_journal_get_stats(sut_journal *j, sut_journal_stats *out);

/* Reads everything and checks each record's checksum, order and header. `report` gets a line for each fault. Returns 0,
 * or -EBADMSG if there was one. */
typedef void (*sut_journal_report_fn)(void *arg, const char *line);
SUT_MUST_CHECK sut_status sut_journal_verify(sut_journal *j, sut_journal_report_fn report, void *arg);
/* A consistent copy into the empty folder `path`, while others append. */
SUT_MUST_CHECK sut_status sut_journal_backup(sut_journal *j, const char *path);

/* One line about the last failure on this journal, for people. */
const char *sut_journal_last_error(const sut_journal *j);
/* If that was -EBADMSG of a read: the sequence of the log's record that is damaged or missing; 0: it is not known. */
uint64_t sut_journal_last_damage(const sut_journal *j);
sut_journal *sut_journal_close(sut_journal *j); /* returns NULL */

#endif
