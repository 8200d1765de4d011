/* The three ways of `sut replay`, and what they share. */
#ifndef SUT_CLI_REPLAY_H
#define SUT_CLI_REPLAY_H

#include "cli.h"
#include "times.h"

#include <jansson.h>

typedef struct cli_replay {
    const cli_args *args;
    cli_place from, to;
    double speed; /* times real time; 0: as fast as it goes */
    json_t *subjects;
    FILE *out;
} cli_replay;

bool cli_speed_parse(const char *text, double *speed); /* "1x", "10x", "0.5x", "max" */
int cli_replay_to_group(const cli_replay *r);
int cli_replay_to_broker(const cli_replay *r);
int cli_replay_diff(const cli_replay *r);

#endif
