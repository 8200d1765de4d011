/* The embedded engine: one LMDB environment in a folder. */
#ifndef SUT_JOURNAL_LMDB_H
#define SUT_JOURNAL_LMDB_H

#include "journal/journal.h"

typedef struct sut_lmdb_options {
    const char *path;   /* the folder; made with mode 0700 if it is not there */
    uint64_t map_bytes; /* fixed at start: the most that the file may grow to */
    bool read_only;     /* for tools: beside a running broker, or on a copy. Does not take the lock */
    bool no_sync;       /* only for the test that shows that the power-loss test notices it */
    uint32_t dedup_ids; /* 0: 1,000,000 */
    int64_t dedup_us;   /* 0: 10 min */
} sut_lmdb_options;

/* -EBUSY: another process has it open for writing. -EBADMSG: not a journal of ours, of a newer format, or damaged. One
 * line in `error`. */
SUT_MUST_CHECK sut_status sut_journal_open_lmdb(sut_journal **out, const sut_lmdb_options *opt, char *error,
                                                size_t error_size);

#endif
