/* What every stage of proto-gen shares: the arena that owns the model, and the list of errors found so far. The
 * generator runs once and exits, so running out of memory ends it with a message. */
#ifndef PG_CONTEXT_H
#define PG_CONTEXT_H

#include "base/arena.h"
#include "base/buf.h"

typedef struct pg_pos {
    const char *file; /* as given on the command line */
    int line, column; /* from 1 */
} pg_pos;

typedef struct pg_error_item {
    pg_pos pos;
    const char *message;
    struct pg_error_item *next;
} pg_error_item;

typedef struct pg_context {
    sut_arena *arena;
    pg_error_item *errors; /* newest first, until printed */
    size_t error_count;
} pg_context;

void pg_context_init(pg_context *c);
void pg_context_deinit(pg_context *c);

void *pg_alloc(pg_context *c, size_t count, size_t size); /* zeroed, never NULL */
#define PG_NEW(c, type)          ((type *)pg_alloc((c), 1, sizeof(type)))
#define PG_ARRAY(c, count, type) ((type *)pg_alloc((c), (count), sizeof(type)))
char *pg_strdup(pg_context *c, const char *s, size_t len);
char *pg_printf(pg_context *c, const char *fmt, ...) SUT_PRINTF(2, 3);

/* Notes one error; the run goes on, so that all are shown at once. */
void pg_error(pg_context *c, pg_pos pos, const char *fmt, ...) SUT_PRINTF(3, 4);
/* `FILE:LINE:COLUMN: error: MESSAGE` for each, sorted by file, line, column, message; the same one only once. */
void pg_print_errors(const pg_context *c, sut_buf *out);

/* "; did you mean \"NAME\"?" for the nearest of the candidates, or "" if none is near. */
const char *pg_did_you_mean(pg_context *c, const char *word, const char *const *candidates, size_t count);

#endif
