/* What an engine fills in behind journal.h. An engine embeds sut_journal as its first member. */
#ifndef SUT_JOURNAL_PORT_H
#define SUT_JOURNAL_PORT_H

#include "journal/journal.h"

/* One thing to do with dead letters: put one, or (put NULL) remove some. */
typedef struct journal_dead_op {
    const sut_dead_letter *put;
    uint64_t id; /* of the one that was put */
    const uint64_t *remove;
    size_t remove_count;
    sut_status status; /* 0, or -ENOENT: one to be removed was not there; the rest is done all the same */
} journal_dead_op;

/* All that one transaction writes, so that cursors and dead letters cost no sync beside events. */
typedef struct journal_write {
    int64_t now_us;
    sut_append_group *groups;
    size_t group_count;
    const sut_journal_value *values;
    size_t value_count;
    journal_dead_op *dead;
    size_t dead_count;
} journal_write;

typedef struct journal_ops {
    sut_status (*write)(sut_journal *j, journal_write *w);
    sut_status (*release_due)(sut_journal *j, int64_t now_us, size_t max, sut_journal_batch **moved, int64_t *next_us);
    sut_status (*read)(sut_journal *j, const sut_journal_query *q, sut_journal_batch **out);
    sut_status (*seek_time)(sut_journal *j, int64_t time_us, uint64_t *sequence);
    sut_status (*each_value)(sut_journal *j, sut_str prefix, sut_journal_value_fn fn, void *arg);
    sut_status (*dead_each)(sut_journal *j, const sut_dead_query *q, sut_dead_fn fn, void *arg);
    sut_status (*dead_get)(sut_journal *j, uint64_t id, sut_dead_fn fn, void *arg);
    sut_status (*retain)(sut_journal *j, int64_t now_us, const sut_journal_retention *r, bool *more);
    sut_status (*probe)(sut_journal *j);
    sut_status (*settle)(sut_journal *j);
    sut_status (*get_stats)(sut_journal *j, sut_journal_stats *out);
    sut_status (*verify)(sut_journal *j, sut_journal_report_fn report, void *arg);
    sut_status (*backup)(sut_journal *j, const char *path);
    void (*close)(sut_journal *j);
} journal_ops;

struct sut_journal {
    const journal_ops *ops;
};

/* Checks what any engine would refuse, then hands it over. Every record of the write is durable when 0 is returned. */
SUT_MUST_CHECK sut_status journal_write_all(sut_journal *j, journal_write *w);
bool journal_value_ok(const sut_journal_value *v);
bool journal_wanted(const sut_journal_query *q, sut_str subject);

/* Keeps the line for sut_journal_last_error of this thread and returns `status`. */
sut_status journal_damaged(const sut_journal *j, uint64_t sequence, const char *fmt, ...)
    SUT_PRINTF(3, 4); /* -EBADMSG */
sut_status journal_fail(const sut_journal *j, sut_status status, const char *fmt, ...) SUT_PRINTF(3, 4);

#endif
