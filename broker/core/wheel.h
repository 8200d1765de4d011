/* The core's timers: a wheel of 1 ms slots, O(1) to arm and to cancel. It has no clock; it is told what time it is. */
#ifndef SUT_CORE_WHEEL_H
#define SUT_CORE_WHEEL_H

#include "base/list.h"

#define CORE_WHEEL_SLOTS 4096

typedef enum core_timer_kind {
    CORE_TIMER_CALL,             /* a call's deadline */
    CORE_TIMER_SESSION,          /* the next look at a peer's silence */
    CORE_TIMER_SERVICE,          /* the end of the hold of a service without instances */
    CORE_TIMER_DRAIN,            /* the end of the broker's drain */
    CORE_TIMER_ENTRY,            /* the next attempt at an event */
    CORE_TIMER_GROUP,            /* a group asks the journal again, or its replay goes on */
    CORE_TIMER_SAVE,             /* a group's place is written */
    CORE_TIMER_SUBSCRIPTION,     /* the first ack wait of a member; the next marker of an ephemeral one */
    CORE_TIMER_SUBSCRIPTION_READ /* an ephemeral one asks the journal again */
} core_timer_kind;

typedef struct core_timer {
    sut_node node;
    uint64_t at_ms;
    core_timer_kind kind;
} core_timer;

typedef struct core_wheel {
    sut_node slots[CORE_WHEEL_SLOTS];
    uint64_t occupied[CORE_WHEEL_SLOTS / 64];
    sut_node due; /* taken out of their slots, not yet popped */
    uint64_t cur_ms;
} core_wheel;

void core_wheel_init(core_wheel *w);
/* Arms (again). It fires at the first pop with now >= at, rounded up to a whole millisecond; never early. */
void core_wheel_arm(core_wheel *w, core_timer *t, uint64_t at_ns);
void core_wheel_cancel(core_wheel *w, core_timer *t); /* no-op if not armed */
/* The next timer that is due, disarmed; NULL if none is. A forward jump of any length costs one turn of the wheel. */
core_timer *core_wheel_pop(core_wheel *w, uint64_t now_ns);
/* When to pop next; SUT_NEVER if nothing is armed. May be earlier than needed (a timer more than one turn away). */
uint64_t core_wheel_next_ns(const core_wheel *w);

#endif
