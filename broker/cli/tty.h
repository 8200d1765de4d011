/* Colours, where somebody sees them: a terminal, unless NO_COLOR is set (https://no-color.org). */
#ifndef SUT_CLI_TTY_H
#define SUT_CLI_TTY_H

#include <stdbool.h>
#include <stdio.h>

bool cli_colours(FILE *out);
const char *cli_dim(FILE *out);
const char *cli_bold(FILE *out);
const char *cli_red(FILE *out);
const char *cli_green(FILE *out);
const char *cli_yellow(FILE *out);
const char *cli_cyan(FILE *out);
const char *cli_plain(FILE *out);
/* What others named, without the bytes that steer a terminal. */
void cli_print_clean(FILE *out, const char *before, const char *text);

#endif
