/* One dead letter: read it, redrive it with another body. */
#ifndef SUT_CLI_DLQ_H
#define SUT_CLI_DLQ_H

#include "cli.h"

#include <jansson.h>

/* The letter of a->position[1], with its body as a JSON object by the event's schema and its id in hex. With `personal`
 * a->reason goes along. 0, or an exit code with the reason printed; *letter is NULL then. */
int cli_dead_letter(const cli_args *a, sut_client *client, bool personal, json_t **letter, FILE *out);
/* Redrives it with the body of --body, or of $EDITOR. */
int cli_dead_redrive_edited(const cli_args *a, sut_client *client, FILE *out);

/* edit.c: $VISUAL, $EDITOR or vi on `text`. 0: *edited (malloc) is what was saved; else an exit code. */
int cli_edit(const char *text, char **edited);

#endif
