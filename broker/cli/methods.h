/* What `sut methods` shows of methods and of events. */
#ifndef SUT_CLI_METHODS_H
#define SUT_CLI_METHODS_H

#include "cli.h"
#include "table.h"

#include "wire/schema.h"

#include <jansson.h>

#define CLI_FIELD_COLUMNS 5
extern const cli_column cli_field_columns[CLI_FIELD_COLUMNS];
void cli_add_record(cli_table *t, const char *what, const sut_record *r);
json_t *cli_fields_json(const sut_record *r);

int cli_list_events(const cli_args *a, FILE *out);
int cli_show_event(const cli_args *a, const sut_event *e, FILE *out);

#endif
