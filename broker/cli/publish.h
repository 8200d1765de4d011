/* Publishing in batches, blocking. */
#ifndef SUT_CLI_PUBLISH_H
#define SUT_CLI_PUBLISH_H

#include "cli.h"

#include <jansson.h>

typedef struct cli_batch cli_batch; /* events that own their memory, up to a frame's worth */

SUT_MUST_CHECK sut_status cli_batch_new(cli_batch **out);
cli_batch *cli_batch_free(cli_batch *b); /* returns NULL */
size_t cli_batch_count(const cli_batch *b);
/* An event with what `event` says; its strings and its id are copied. -ENOSPC: full, send it first. */
SUT_MUST_CHECK sut_status cli_batch_add(cli_batch *b, const sut_publish *event);

typedef struct cli_published { /* of one batch */
    uint64_t first, last;      /* sequences; 0: none (delayed, or a duplicate) */
    size_t count, duplicates;
} cli_published;
/* Publishes and empties it; waits for the answer. Prints each sequence as JSON on `lines` if that is not NULL. 0, or an
 * exit code with the reason printed. */
int cli_batch_send(const cli_args *a, sut_client *client, cli_batch *b, cli_published *done, FILE *lines, FILE *out);

#endif
