/* Deadlines of many calls on one loop timer: a hashed wheel of 1,024 slots of a millisecond (G. Varghese, T. Lauck,
 * "Hashed and hierarchical timing wheels", 1987, scheme 6). Adding and removing are O(1); later rounds of a slot stay
 * in it until theirs comes. */
#ifndef SUT_CLIENT_DEADLINES_H
#define SUT_CLIENT_DEADLINES_H

#include "base/loop.h"

#define DEADLINE_SLOTS 1024u

typedef struct client_deadline { /* embedded; zeroed before first use */
    sut_node node;
    uint64_t tick; /* ms, rounded up */
} client_deadline;

typedef struct client_deadlines {
    sut_node slot[DEADLINE_SLOTS];
    uint64_t occupied[DEADLINE_SLOTS / 64]; /* a bit a slot that has entries */
    uint64_t done_tick;                     /* all ticks up to this one were looked at */
    uint64_t armed_tick;                    /* UINT64_MAX: the timer does not run */
    size_t count;
    sut_loop *loop;
    sut_timer timer;
    void (*expired)(client_deadline *d, void *arg);
    void *arg;
} client_deadlines;

/* `expired` runs on the loop with the entry already removed; it may add and remove others. */
void client_deadlines_init(client_deadlines *w, sut_loop *loop, uint64_t now_ns,
                           void (*expired)(client_deadline *d, void *arg), void *arg);
void client_deadlines_stop(client_deadlines *w);
SUT_MUST_CHECK sut_status client_deadlines_add(client_deadlines *w, client_deadline *d, uint64_t at_ns);
void client_deadlines_remove(client_deadlines *w, client_deadline *d); /* no-op if not in */
/* Expires what is due at `now_ns`; the timer calls it, tests may. */
void client_deadlines_run(client_deadlines *w, uint64_t now_ns);

#endif
