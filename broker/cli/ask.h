/* Calls of the broker's own methods, as JSON: by their schemas, so times are RFC 3339 and bytes base64. */
#ifndef SUT_CLI_ASK_H
#define SUT_CLI_ASK_H

#include "cli.h"

#include <jansson.h>

/* Calls `subject` with `in` (NULL: nothing; not taken over). 0: *reply is the caller's; else an exit code, the reason
 * printed. */
int cli_ask(const cli_args *a, sut_client *client, const char *subject, const json_t *in, json_t **reply, FILE *out);
/* The same with a msgpack map, and the answer as it came: 0, and sut_answer_deinit frees it. */
int cli_ask_body(const cli_args *a, sut_client *client, const char *subject, sut_str body, sut_answer *answer,
                 FILE *out);
/* The arguments as JSON, the answer as it came. */
int cli_ask_answer(const cli_args *a, sut_client *client, const char *subject, const json_t *in, sut_answer *answer,
                   FILE *out);
/* An answer's body as JSON, by the method's schema if there is one. */
int cli_answer_json(const char *subject, sut_str body, json_t **reply);
/* The same on a connection of its own. */
int cli_ask_once(const cli_args *a, const char *subject, const json_t *in, json_t **reply, FILE *out);
int cli_dump(const json_t *v, FILE *out); /* one line */

/* What is not there reads as zero or empty. */
double cli_num(const json_t *o, const char *name);
const char *cli_txt(const json_t *o, const char *name);
bool cli_set(json_t *o, const char *name, json_t *v); /* takes v over; NULL is left out */

#endif
