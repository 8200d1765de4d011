/* A terminal as a page: the alternate screen, keys without echo; and back again, however the program ends. */
#ifndef SUT_CLI_TERMINAL_H
#define SUT_CLI_TERMINAL_H

#include <stdbool.h>

bool cli_terminal_begin(void); /* false: standard input and output are not one */
void cli_terminal_end(void);   /* idempotent; also runs at exit */
void cli_terminal_size(int *width, int *height);
/* Draws lines of text over what was there. `foot` is the last line, inverted. */
void cli_terminal_draw(const char *text, const char *foot);
/* A key within `ms`; 0: none; -1: a stop was asked. */
int cli_terminal_key(int ms);

#endif
