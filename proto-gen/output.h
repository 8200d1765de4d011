/* The files of one run: emitters fill buffers by name; afterwards they are written aside and renamed where they
 * changed, or compared with what is there. */
#ifndef PG_OUTPUT_H
#define PG_OUTPUT_H

#include "context.h"

typedef struct pg_output {
    const char *name; /* relative: "auth_schema.h" */
    sut_buf text;
    struct pg_output *next;
} pg_output;

typedef struct pg_outputs {
    pg_output *first, **tail;
} pg_outputs;

void pg_outputs_init(pg_outputs *o);
void pg_outputs_deinit(pg_outputs *o);
/* A new, empty file of that name. */
sut_buf *pg_output_new(pg_context *c, pg_outputs *o, const char *name);

/* Appending; running out of memory ends the program. */
void pg_put(sut_buf *b, const char *fmt, ...) SUT_PRINTF(2, 3);
void pg_put_bytes(sut_buf *b, const void *bytes, size_t len);
/* The text as a C or JSON string literal, quotes included. */
void pg_put_c_string(sut_buf *b, const char *text);
void pg_put_json_string(sut_buf *b, const char *text);
/* Text inside a C comment: cannot end it. */
void pg_put_comment(sut_buf *b, const char *text);

/* Writes all into `dir` (made if missing). Files with the same contents are left alone, their times too. On failure
 * returns negative after saying which file on standard error. */
SUT_MUST_CHECK sut_status pg_outputs_write(const pg_outputs *o, const char *dir);
/* How many files in `dir` are missing or different, each named on standard error. */
size_t pg_outputs_compare(const pg_outputs *o, const char *dir);

#endif
