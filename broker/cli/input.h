/* What commands are given: JSON from the command line, from a file, from standard input; and its way to msgpack, by
 * schema or as it stands. Faults are complained of where they are found; the functions return 0 or an exit code. */
#ifndef SUT_CLI_INPUT_H
#define SUT_CLI_INPUT_H

#include "cli.h"

#include "base/arena.h"
#include "wire/record.h"

#include <jansson.h>

/* The text of an argument: itself, `-` for standard input, @FILE. At most the buffer's limit. */
int cli_read_input(const char *arg, sut_buf *json);
/* `what` is the method's or event's name; the words for a body that breaks its declaration are the same for both. */
int cli_encode_by_schema(const char *what, const sut_record *record, sut_str json, sut_arena *arena, sut_buf *body);
int cli_encode_raw(const char *what, sut_str json, sut_buf *body);
/* An event's body by its schema; with `raw`, or when no schema knows it but `raw` is set, as it stands. */
int cli_encode_event(const char *subject, bool raw, sut_str json, sut_arena *arena, sut_buf *body);

/* raw.c: JSON to msgpack as it stands, for what no schema describes */
SUT_MUST_CHECK sut_status cli_json_to_msgpack(sut_str json, sut_buf *out, char *error, size_t error_size);
SUT_MUST_CHECK sut_status cli_value_to_msgpack(const json_t *v, sut_buf *out);

/* Numbers and patterns of options; false: complained. `text` NULL leaves *out as it is. */
bool cli_number(const char *option, const char *text, int64_t min, int64_t max, int64_t *out);
/* Patterns as subscriptions have them: tokens or `*`, a last `>`. */
bool cli_patterns_valid(const char *const *patterns, size_t count);
/* A comma-separated list as a JSON array; NULL for NULL. */
json_t *cli_list(const char *text);
/* Asks on the terminal; true when the answer is y or yes. Without a terminal: false, with a word about --yes. */
bool cli_confirm(const cli_args *a, const char *fmt, ...) SUT_PRINTF(2, 3);

#endif
