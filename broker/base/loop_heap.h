/* The timers of a loop: a 4-ary heap ordered by time, and by order of starting for equal times. Private to base. */
#ifndef SUT_BASE_LOOP_HEAP_H
#define SUT_BASE_LOOP_HEAP_H

#include "base/loop.h"

typedef struct heap_entry {
    uint64_t at_ns, order;
    sut_timer *timer;
} heap_entry;

typedef struct timer_heap {
    heap_entry *entries;
    size_t len, cap;
    uint64_t next_order;
} timer_heap;

/* Puts the timer in, or moves it if it is in already (timer->loop not NULL). Only growth can fail. */
SUT_MUST_CHECK sut_status timer_heap_put(timer_heap *h, sut_timer *t, uint64_t at_ns);
void timer_heap_remove(timer_heap *h, sut_timer *t);
static inline const heap_entry *timer_heap_first(const timer_heap *h)
{
    return h->len ? &h->entries[0] : NULL;
}

#endif
