/* The high-water marks of numbered sources, as the writer sees them inside a transaction: what was changed since
 * source_table_keep is known and can be undone. Not thread-safe. */
#ifndef SUT_JOURNAL_SOURCES_H
#define SUT_JOURNAL_SOURCES_H

#include "base/str.h"

typedef struct source_mark {
    bool known; /* false: never seen */
    bool dirty; /* to be written with this transaction */
    uint64_t epoch, number;
    size_t name_len;
    char name[];
} source_mark;

typedef struct source_table source_table;

SUT_MUST_CHECK sut_status source_table_new(source_table **out);
source_table *source_table_free(source_table *t);
source_mark *source_table_get(source_table *t, sut_str name); /* NULL: not loaded yet */
/* -ENOMEM. */
SUT_MUST_CHECK sut_status source_table_add(source_table *t, sut_str name, source_mark **out);

/* -ENOMEM: nothing was changed. */
SUT_MUST_CHECK sut_status source_table_change(source_table *t, source_mark *m, uint64_t epoch, uint64_t number);
size_t source_table_mark(const source_table *t);      /* how many changes there are: a point to go back to */
void source_table_undo(source_table *t, size_t mark); /* back to it */
/* The i-th change's mark; NULL at the end. */
source_mark *source_table_changed(const source_table *t, size_t i);
/* What was changed is written. in_file: the table in the file has all of it, so that marks past a bound can be
 * forgotten. */
void source_table_keep(source_table *t, bool in_file);

#endif
