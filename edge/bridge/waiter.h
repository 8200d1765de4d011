/* The wake-up of one thread: filled by the loop's thread, slept on by its owner. */
#ifndef SUT_BRIDGE_WAITER_H
#define SUT_BRIDGE_WAITER_H

#include "bridge/bridge.h"

#include <stdatomic.h>

struct sut_waiter {
    _Atomic uint32_t done; /* the futex word: 0 waiting, 1 answered */
    sut_buf bytes;
    sut_bridge_reply reply;
};

void sut_waiter_arm(sut_waiter *w);
/* Copies the result in and wakes the owner. */
void sut_waiter_fire(sut_waiter *w, const sut_result *r);
/* False if nothing came within `timeout_ms`. */
bool sut_waiter_sleep(sut_waiter *w, uint32_t timeout_ms);

#endif
