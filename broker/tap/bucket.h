/* A token bucket of bytes. What is larger than all of it may pass once it is full, and is paid back. */
#ifndef SUT_TAP_BUCKET_H
#define SUT_TAP_BUCKET_H

#include "base/clock.h"

typedef struct tap_bucket {
    uint64_t rate; /* bytes a second */
    int64_t burst, tokens;
    uint64_t filled_ns;
} tap_bucket;

/* `burst` bytes may pass at once. */
static inline tap_bucket tap_bucket_of(uint64_t rate, uint64_t burst, uint64_t now_ns)
{
    return (tap_bucket){.rate = rate, .burst = (int64_t)burst, .tokens = (int64_t)burst, .filled_ns = now_ns};
}

/* Filled a millisecond at a time, so that most looks cost a comparison. */
static inline void tap_bucket_fill(tap_bucket *b, uint64_t now_ns)
{
    if (now_ns < b->filled_ns + SUT_NS_PER_MS)
        return;
    uint64_t passed_us = (now_ns - b->filled_ns) / SUT_NS_PER_US;
    b->filled_ns += passed_us * SUT_NS_PER_US;
    if (passed_us > 10000000) /* ten seconds fill any bucket; and no product may overflow */
        passed_us = 10000000;
    b->tokens += (int64_t)(b->rate * passed_us / 1000000);
    if (b->tokens > b->burst)
        b->tokens = b->burst;
}

static inline bool tap_bucket_has(tap_bucket *b, uint64_t now_ns, size_t bytes)
{
    tap_bucket_fill(b, now_ns);
    return b->tokens >= (int64_t)bytes || (b->tokens > 0 && b->tokens == b->burst);
}

static inline void tap_bucket_take(tap_bucket *b, size_t bytes)
{
    b->tokens -= (int64_t)bytes;
}

#endif
