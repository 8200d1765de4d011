/* The calls of a recording, each with its answer, as lines of a test case's calls.jsonl:
 *
 *   {subject, key?, as?, body, reply} or {…, error}      as: what `sut call --as` takes
 *
 * In a reply "<volatile>" stands for times and what the schema says differs from run to run, "<redacted>" for what was
 * not shown: the runner wants something to be there. A line without reply and error is made, and any answer will do. */
#ifndef SUT_CLI_FIXTURE_CALLS_H
#define SUT_CLI_FIXTURE_CALLS_H

#include <jansson.h>
#include <stdio.h>

typedef struct cli_fixture_calls {
    json_t *made;  /* call lines, in order */
    json_t *by_id; /* the broker's number → that call, until it is answered */
    size_t count;  /* that were written */
    size_t hidden, unanswered, inner, unknown;
} cli_fixture_calls;

void cli_fixture_calls_init(cli_fixture_calls *c);
void cli_fixture_calls_deinit(cli_fixture_calls *c);
/* A line of kind call, reply or error. */
void cli_fixture_calls_add(cli_fixture_calls *c, json_t *line);
/* Writes those that can be made again and have a known answer, and counts why the others cannot. */
void cli_fixture_calls_write(cli_fixture_calls *c, FILE *to);
/* "; 3 calls were left out (2 made for others, 1 with what is not shown)", or nothing. */
void cli_fixture_calls_say(const cli_fixture_calls *c, FILE *out);

#endif
