/* What `sut subscribe` and the commands that read events share. */
#ifndef SUT_CLI_SUBSCRIBE_H
#define SUT_CLI_SUBSCRIBE_H

#include "cli.h"
#include "inbox.h"

/* Something that a subscription gave: an event, or a notice. Owned by who took it. */
typedef struct cli_news {
    sut_delivery *delivery; /* NULL: a notice */
    sut_sub_notice notice;
    char text[256];
} cli_news;

typedef struct cli_feed {
    cli_inbox *inbox;
    sut_subscription *subscription;
} cli_feed;

/* Subscribes with on_event, on_notice and arg filled in; deliveries and notices come through the inbox. 0, or an exit
 * code with the reason printed. */
int cli_feed_open(cli_feed *f, sut_client *client, sut_subscribe *opt);
/* Waits for the next one. The caller answers the delivery and frees the news. */
cli_got cli_feed_take(cli_feed *f, int ms, cli_news **news);
void cli_feed_close(cli_feed *f); /* gives back what is unanswered */

/* Says a notice on standard error (markers and ups only when verbose). 0, or the exit code of a refusal. */
int cli_say_notice(const cli_args *a, const sut_sub_notice *n, FILE *out);

/* Runs `sh -c command` with `input` on its standard input; keeps the delivery alive meanwhile. 0: it exited with 0; 1:
 * it did not, and `error` has the first line of its standard error, or how it ended. Negative: it could not be run. */
int cli_exec_event(const char *command, const char *input, sut_delivery *d, char *error, size_t error_size);

#endif
