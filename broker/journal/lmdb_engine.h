/* The engine `lmdb`, inside: one environment, its tables, and what the writer keeps in memory.
 *
 *   log      sequence → event                    MDB_INTEGERKEY, appended only
 *   meta     "header" → what this file is; "state" → counters, written with every transaction
 *   ids      number → ids of one commit           for the id window at the next start
 *   sources  name → epoch, number
 *   delayed  big-endian due time, counter → event
 *   values   name → value
 *   dead     id → dead letter                     MDB_INTEGERKEY
 *
 * Small batches of events are made durable by a write-ahead log (wal.h) and kept in memory, the tail, until the next
 * transaction, or lmdb_settle, puts them into the tables. All that reads the log reads the tail behind it. */
#ifndef SUT_JOURNAL_LMDB_ENGINE_H
#define SUT_JOURNAL_LMDB_ENGINE_H

#include "batch.h"
#include "ids.h"
#include "journal/lmdb.h"
#include "port.h"
#include "record.h"
#include "sources.h"
#include "wal.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#define DELAYED_KEY  16
#define SOURCE_BYTES (RECORD_HEAD + 16) /* epoch, number; then the name */

typedef struct engine_state { /* in the order of the record */
    uint64_t next;            /* sequence */
    int64_t last_us;
    uint64_t record_bytes;
    uint64_t delayed_number, dead_next;
    uint64_t ids_next, ids_logged; /* commits; ids in the table */
    uint64_t first;                /* the lowest sequence that the log has, `next` if it is empty */
} engine_state;

/* Events that are durable in the write-ahead log and not yet in the tables: (u32 length, record), in order. */
typedef struct log_tail {
    pthread_mutex_t lock; /* the writer changes it, the reader reads it */
    uint64_t first, next; /* sequences; below `first` all is in the tables, above some may be missing: see wal_load */
    size_t count, record_bytes;
    sut_buf bytes;
} log_tail;

typedef struct engine {
    sut_journal base;
    MDB_env *env;
    MDB_dbi log, meta, ids, sources, delayed, values, dead;
    int lock_fd, data_fd;
    bool read_only;
    size_t page_size, map_pages;
    const uint8_t *map; /* where the file is mapped, and how much of it is */
    size_t map_bytes;
    size_t free_guess; /* pages; see lmdb_space.c */
    uint32_t dedup_max;
    int64_t dedup_us;
    engine_state state; /* as acknowledged; the writer's */
    wal *wal;           /* the writer's; NULL if it is read-only */
    log_tail tail;
    off_t asked_end;     /* up to there the disk keeps room for the file */
    bool no_ahead;       /* there is no room for that: not tried again before retention or a probe */
    int64_t clock_us;    /* the id window's, see engine_clock; the writer's … */
    int64_t wall_us;     /* … and what the wall clock was then */
    id_window *window;   /* the writer's */
    source_table *marks; /* the writer's */
    atomic_size_t window_count, file_seen;
    sut_buf scratch; /* the writer's: one encoded record */
    sut_buf ahead;   /* the writer's: records for the write-ahead log */
    sut_journal_batch *moved;
    uint8_t creation_id[16];
} engine;

static inline engine *engine_of(sut_journal *j)
{
    return SUT_CONTAINER(j, engine, base);
}

/* LMDB's code as a status, with a line for people. */
sut_status engine_fail(const engine *e, int rc, const char *what);
sut_status engine_bad_record(const engine *e, const char *table, uint64_t number, record_fault f);

sut_status engine_read_only(const engine *e); /* the refusal to write */
sut_status engine_begin(engine *e, bool write, MDB_txn **txn);
/* Begins a write transaction with the tail in it. *state: from here on. */
sut_status engine_begin_write(engine *e, MDB_txn **txn, engine_state *state);
/* Commits with the new state, which then becomes e->state; the tail is empty then. The transaction is over either way.
 */
sut_status engine_commit(engine *e, MDB_txn *txn, const engine_state *state);
sut_status engine_get_state(const engine *e, MDB_txn *txn, engine_state *out);
sut_status engine_put_state(engine *e, MDB_txn *txn, const engine_state *state);

/* False if a value that LMDB points at is not wholly inside the file (a damaged page can claim anything). */
bool engine_inside(const engine *e, const MDB_val *v);
/* engine_inside, then the checksum. */
record_fault engine_check(const engine *e, record_salt salt, const MDB_val *v);
/* A named record: the name is in it too, at `at`, so that the checksum covers it (its length is the head's u16; 0: from
 * before that). *end: where the name ends. */
record_fault engine_check_named(const engine *e, record_salt salt, const MDB_val *k, const MDB_val *v, size_t at,
                                size_t *end);
/* A log has no gaps: a sequence that is not there was on a page that is damaged, or is pointed at no more. */
sut_status engine_missing(const engine *e, uint64_t from, uint64_t to);
record_fault engine_event(const engine *e, record_salt salt, const MDB_val *v, sut_journal_event *out);
static inline MDB_val engine_key(const char *name)
{
    return (MDB_val){strlen(name), (void *)(uintptr_t)name}; /* LMDB does not write to keys */
}
static inline MDB_val engine_number_key(size_t *n)
{
    return (MDB_val){sizeof *n, n};
}
/* The number that a key of an MDB_INTEGERKEY table holds; false if it cannot be one. */
bool engine_key_number(const engine *e, const MDB_val *k, uint64_t *out);

/* Space: lmdb_space.c */
sut_status engine_room(engine *e, size_t bytes);            /* -ENOSPC if an append of so many bytes must not begin */
sut_status engine_free_pages(const engine *e, size_t *out); /* counted in the free list */
size_t engine_used_file_pages(const engine *e);
/* The disk keeps room for so many bytes more of the file. -ENOSPC, -EIO. */
sut_status engine_ask_disk(engine *e, size_t bytes);

/* Marks of dead letters: lmdb_dead_mark.c. *id: the letter's that there is of this event in this group, or 0. */
sut_status engine_find_dead(const engine *e, MDB_txn *txn, const sut_dead_letter *d, uint64_t *id);
sut_status engine_mark_dead(const engine *e, MDB_txn *txn, const sut_dead_letter *d);
sut_status engine_unmark_dead(const engine *e, MDB_txn *txn, const sut_dead_letter *d);

/* Faults in the mapped file end the process in words: lmdb_guard.c.*/
void engine_guard(const engine *e, const char *path); /* before the file is opened */
void engine_guard_map(const engine *e);               /* where it is mapped is known now */
void engine_unguard(const engine *e);

/* The tail: lmdb_tail.c. */
void engine_tail_init(engine *e);
sut_status engine_tail_open(engine *e, const char *path, bool no_sync); /* the state is loaded */
void engine_tail_close(engine *e);
/* Whether events of so many bytes may go there. */
bool engine_tail_takes(const engine *e, size_t bytes);
/* Makes them durable and visible. `state` is what it is then. */
sut_status engine_tail_put(engine *e, const wal_events *events, const engine_state *state);
sut_status engine_tail_apply(engine *e, MDB_txn *txn, engine_state *s);
void engine_tail_applied(engine *e); /* it is committed */
/* Goes on at *next, behind what the tables had. 1: they have more by now, and must be read again from *next on. */
sut_status engine_tail_read(engine *e, const sut_journal_query *q, batch_maker *m, uint64_t *next);
/* The first one of that time or later, *sequence being the tables' end. 1: as above. */
sut_status engine_tail_seek(engine *e, int64_t time_us, uint64_t *sequence);
/* Writes it into the folder of a backup, if there is *any. */
sut_status engine_tail_copy(engine *e, const char *path, bool *any);
/* Adds what is in it. 1: as above. */
sut_status engine_tail_stats(engine *e, sut_journal_stats *st);

/* The id log: lmdb_ids.c. Its clock begins where the log ends and goes on as retention is called, in small steps only,
 * so that neither a leap of the wall clock nor the time when nobody had the journal open makes ids forgotten. */
int64_t engine_clock(engine *e, int64_t now_us);
sut_status engine_load_ids(engine *e, MDB_txn *txn);
sut_status engine_log_ids(engine *e, MDB_txn *txn, engine_state *s, const sut_buf *entries);
sut_status engine_trim_ids(engine *e, MDB_txn *txn, engine_state *s, unsigned max);

/* The functions of the table. */
sut_status lmdb_write(sut_journal *j, journal_write *w);
sut_status lmdb_release_due(sut_journal *j, int64_t now_us, size_t max, sut_journal_batch **moved, int64_t *next_us);
sut_status lmdb_read(sut_journal *j, const sut_journal_query *q, sut_journal_batch **out);
sut_status lmdb_seek_time(sut_journal *j, int64_t time_us, uint64_t *sequence);
sut_status lmdb_each_value(sut_journal *j, sut_str prefix, sut_journal_value_fn fn, void *arg);
sut_status lmdb_dead_each(sut_journal *j, const sut_dead_query *q, sut_dead_fn fn, void *arg);
sut_status lmdb_dead_get(sut_journal *j, uint64_t id, sut_dead_fn fn, void *arg);
sut_status lmdb_retain(sut_journal *j, int64_t now_us, const sut_journal_retention *r, bool *more);
sut_status lmdb_probe(sut_journal *j);
sut_status lmdb_get_stats(sut_journal *j, sut_journal_stats *out);
sut_status lmdb_verify(sut_journal *j, sut_journal_report_fn report, void *arg);
sut_status lmdb_backup(sut_journal *j, const char *path);
sut_status lmdb_settle(sut_journal *j);

/* Parts of lmdb_write: values and dead letters, and the shared way into the log. */
sut_status engine_put_values(engine *e, MDB_txn *txn, const sut_journal_value *values, size_t count);
sut_status engine_put_dead(engine *e, MDB_txn *txn, engine_state *s, journal_dead_op *ops, size_t count);
/* Gives `ev` the next sequence, and makes its record in e->scratch. */
sut_status engine_encode_event(engine *e, engine_state *s, sut_journal_event *ev);
/* engine_encode_event, and puts it into the log. */
sut_status engine_log_event(engine *e, MDB_txn *txn, engine_state *s, sut_journal_event *ev);
sut_status engine_put_record(engine *e, MDB_txn *txn, uint64_t sequence, const void *record, size_t len);
sut_status engine_put_mark(engine *e, MDB_txn *txn, sut_str source, uint64_t epoch, uint64_t number);
/* One entry of the id log. */
sut_status engine_id_entry(sut_buf *entries, const uint8_t id[SUT_EVENT_ID_LEN], uint64_t sequence);

#endif
