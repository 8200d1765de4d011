/* What a command that goes on for a while waits for: things that the client's thread hands over, and Ctrl-C. The main
 * thread takes them one by one, so that printing, commands and answers happen in one place and block nobody. */
#ifndef SUT_CLI_INBOX_H
#define SUT_CLI_INBOX_H

#include "sut.h"

typedef struct cli_inbox cli_inbox;
typedef enum { CLI_GOT_ITEM, CLI_GOT_STOP, CLI_GOT_NOTHING } cli_got;

/* SIGINT, SIGTERM and SIGHUP become a readable descriptor from now on. Before the first client is made, as its thread
 * inherits the mask. 0, or an exit code. */
int cli_stop_begin(void);
bool cli_stop_asked(void); /* stays true */
int cli_stop_fd(void);
/* Sleeps up to `ms`; true when a stop was asked. */
bool cli_stop_wait(uint32_t ms);

/* At most `max` items wait; free_item frees one that nobody took. */
SUT_MUST_CHECK sut_status cli_inbox_new(cli_inbox **out, size_t max, void (*free_item)(void *item));
cli_inbox *cli_inbox_free(cli_inbox *in); /* returns NULL */
/* Any thread. Takes the item over; -EAGAIN when full (the item stays the caller's; it is counted). */
SUT_MUST_CHECK sut_status cli_inbox_put(cli_inbox *in, void *item);
uint64_t cli_inbox_lost(cli_inbox *in); /* since the last time it was asked */
/* The next item, a stop, or nothing within `ms` (negative: no end). */
cli_got cli_inbox_take(cli_inbox *in, int ms, void **item);

#endif
