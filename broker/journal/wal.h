/* The write-ahead log: a file of fixed size beside the database, written once and in place when events are few, so that
 * they cost one sync of a file that does not grow and not the two of a database's commit (docs/decisions/0020).
 *
 * Blocks of 4 KiB. The first one is the header: the common head of records (record.h), magic, creation id of the
 * journal, and the run, a random number. Then records, each of whole blocks so that what was acknowledged is never
 * written again: head, u64 run, u64 first sequence, u32 count, u32 bytes in all; then each event as u32 length and its
 * record. A record of another run is none. After wal_restart the next record overwrites the first one, which is
 * distinguished by its sequences from those that are still there.
 *
 * Not thread-safe: the writer's. */
#ifndef SUT_JOURNAL_WAL_H
#define SUT_JOURNAL_WAL_H

#include "port.h"

#define WAL_NAME       "journal.wal"
#define WAL_BLOCK      4096
#define WAL_BLOCKS     1024
#define WAL_RECORD_MAX (64u << 10) /* bytes of events in one record that is appended */

typedef struct wal wal;

/* What is to be appended: `bytes` are events as (u32 length, record), whose sequences go up by one from `first`. */
typedef struct wal_events {
    uint64_t first;
    uint32_t count;
    const uint8_t *bytes;
    size_t len;
} wal_events;

/* Touches no file yet. `j`: whose errors these are; `path`: the journal's folder. no_sync: see sut_lmdb_options. */
SUT_MUST_CHECK sut_status wal_new(wal **out, const sut_journal *j, const char *path, const uint8_t creation_id[16],
                                  bool no_sync);
wal *wal_free(wal *w);

/* Whether something was appended since it was made. */
bool wal_begun(const wal *w);
/* Whether a record of so many bytes fits in before the next restart. */
bool wal_has_room(const wal *w, size_t len);
/* Durable when 0 is returned. The first one of a process makes the file if it must and begins a new run: nothing of an
 * earlier run may be needed any more. -ENOSPC and the like: nothing was written. -EIO: it may have been. */
SUT_MUST_CHECK sut_status wal_append(wal *w, const wal_events *e);
/* All that was appended is elsewhere now. */
void wal_restart(wal *w);

/* Calls `fn` for each record of the file's last run that has an event from `next` on, in order of sequences. 0 if there
 * is no file. -EBADMSG: the header is damaged, or another journal's. Of damaged records the sequences are missing. */
typedef sut_status (*wal_fn)(void *arg, const wal_events *e);
SUT_MUST_CHECK sut_status wal_load(const wal *w, uint64_t next, wal_fn fn, void *arg);
/* Writes a whole file with these events into another folder: for a backup. */
SUT_MUST_CHECK sut_status wal_write_copy(const wal *w, const char *path, const wal_events *e);

#endif
