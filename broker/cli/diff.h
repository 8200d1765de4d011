/* What differs between two JSON values, field by field. */
#ifndef SUT_CLI_DIFF_H
#define SUT_CLI_DIFF_H

#include "wire/record.h"

#include <jansson.h>

/* `path` is a JSON pointer; NULL for what one side does not have. */
typedef void (*cli_diff_fn)(void *arg, const char *path, const json_t *was, const json_t *is);
/* Calls fn for each difference; returns how many. Fields that the record marks volatile, at any depth, count for
 * nothing; nor do secret ones, and personal ones that `was` has only as redacted. `record` may be NULL. */
size_t cli_diff(const sut_record *record, const json_t *was, const json_t *is, cli_diff_fn fn, void *arg);

#endif
