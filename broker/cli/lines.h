/* Events and tapped records as JSON: one line each, for programs, files and commands; and back again. */
#ifndef SUT_CLI_LINES_H
#define SUT_CLI_LINES_H

#include "sut.h"

#include <jansson.h>
#include <stdio.h>

/* {sequence, subject, key?, event_id, published_at, attempt?, generation?, replayed?, user_id?, level?, traceparent?,
 * body}. The body by its schema unless `raw`, or if it is not what the schema says. NULL: out of memory. */
json_t *cli_event_line(const sut_envelope *env, bool raw);
/* {at, kind, from, to, subject, key?, user_id?, trace_id?, id?, took_us?, code?, sequence?, event_id?, replayed?,
 * bytes, lost?, withheld?, body?} of a tap's envelope. `at` is RFC 3339. NULL: it cannot be read. */
json_t *cli_tap_line(const sut_envelope *env, bool raw);

/* A body as JSON: by the event's or the method's schema (what timestamps are is known from there only). */
typedef enum { CLI_BODY_EVENT, CLI_BODY_CALL, CLI_BODY_REPLY, CLI_BODY_OTHER } cli_body_kind;
json_t *cli_body_json(sut_str subject, cli_body_kind kind, sut_str body, bool raw);
/* The same for a body that is JSON already, as it is within a reply or a record: timestamps become texts in place. */
void cli_body_by_schema(const char *subject, cli_body_kind kind, json_t *body);

/* Reads a file line by line. */
typedef struct cli_line_reader {
    FILE *file;
    const char *name;
    char *line;
    size_t cap, number;
} cli_line_reader;
int cli_lines_open(cli_line_reader *r, const char *name); /* `-` is standard input; 0, or an exit code */
/* The next line that is not blank. 0: *v is an object; -1: the end; else an exit code, the reason printed. */
int cli_lines_next(cli_line_reader *r, json_t **v);
void cli_lines_close(cli_line_reader *r);

#endif
