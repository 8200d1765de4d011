/* How far a long command has come: a line that is drawn again and again on a terminal, and nothing elsewhere. */
#ifndef SUT_CLI_PROGRESS_H
#define SUT_CLI_PROGRESS_H

#include "base/status.h"

typedef struct cli_progress {
    const char *what; /* "published" */
    uint64_t total;   /* 0: not known */
    uint64_t begun_ns, shown_ns;
    bool on, drawn;
} cli_progress;

void cli_progress_begin(cli_progress *p, const char *what, uint64_t total);
/* Draws at most ten times a second. */
void cli_progress_show(cli_progress *p, uint64_t done);
void cli_progress_end(cli_progress *p); /* wipes the line away */

#define PROGRESS_SIZE 160
/* "[####······]  40 %  4000 of 10000 replayed  1.2 k/s  5 s left", at most `width` columns. */
const char *cli_progress_line(const char *what, uint64_t done, uint64_t total, double seconds, int width,
                              char out[PROGRESS_SIZE]);

#endif
