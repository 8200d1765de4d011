/* What the broker says of itself, as pages for people. Input is the JSON of its replies; missing parts read as zero or
 * empty, so that brokers of other ages can be looked at. */
#ifndef SUT_CLI_RENDER_H
#define SUT_CLI_RENDER_H

#include "base/status.h"

#include <jansson.h>
#include <stdio.h>

bool cli_render_status(const json_t *status, FILE *out);
bool cli_render_services(const json_t *reply, FILE *out);
bool cli_render_peers(const json_t *reply, FILE *out);
bool cli_render_groups(const json_t *reply, FILE *out); /* a line each */
bool cli_render_group(const json_t *group, FILE *out);  /* all of one */
bool cli_render_journal(const json_t *stats, FILE *out);
bool cli_render_dead_letters(const json_t *items, FILE *out);
bool cli_render_dead_letter(const json_t *letter, FILE *out); /* `body` is a JSON object */

#endif
