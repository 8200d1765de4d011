/* A tap whose records are taken one by one on the main thread, as lines of JSON. */
#ifndef SUT_CLI_TAP_FEED_H
#define SUT_CLI_TAP_FEED_H

#include "cli.h"
#include "inbox.h"

#include <jansson.h>

typedef struct cli_tapped { /* owned by who took it: cli_tapped_free */
    json_t *line;           /* NULL: the tap is over */
    int err;                /* then: why; 0: its history or its time is over */
    char code[64], text[512];
} cli_tapped;
cli_tapped *cli_tapped_free(cli_tapped *t); /* returns NULL */

typedef struct cli_tap_feed {
    cli_inbox *inbox;
    sut_tap *tap;
    bool raw;
} cli_tap_feed;

/* The request of the options: subjects (a->position from `first` on), kinds, user, trace, key, since, until, follow,
 * personal. NULL: complained. */
json_t *cli_tap_request(const cli_args *a, size_t first);
/* `inbox` may be shared with other feeds that put cli_tapped items; NULL: one is made. */
int cli_tap_open(cli_tap_feed *f, sut_client *client, const json_t *request, bool raw);
cli_got cli_tap_take(cli_tap_feed *f, int ms, cli_tapped **t);
uint64_t cli_tap_lost(cli_tap_feed *f); /* by us, since the last time it was asked */
void cli_tap_close(cli_tap_feed *f);
/* Says why a tap ended, and the exit code of that. */
int cli_tap_ended(const cli_args *a, const cli_tapped *t, FILE *out);

/* tap_render.c: one line for people */
void cli_render_record(const json_t *line, int64_t now_us, FILE *out);

#endif
