/* The circuit breaker: a rolling window of results, and three states. */
#include "base/breaker.h"

#include "base/clock.h"

#include <string.h>

#define PROBE_RETRY_MS 1000 /* what callers are told while the probe is out */

void sut_breaker_init(sut_breaker *b, sut_breaker_options opt)
{
    memset(b, 0, sizeof *b);
    b->opt = opt;
    b->state = SUT_BREAKER_CLOSED;
}

static uint64_t slice_of(const sut_breaker *b, uint64_t now_ns)
{
    uint64_t slice_ns = b->opt.window_ms * SUT_NS_PER_MS / SUT_BREAKER_BUCKETS;
    return now_ns / (slice_ns ? slice_ns : 1);
}

static void open_it(sut_breaker *b, uint64_t now_ns)
{
    b->state = SUT_BREAKER_OPEN;
    b->opened_ns = now_ns;
    b->opened_total++;
    b->probing = false;
    memset(b->bucket, 0, sizeof b->bucket);
}

static void close_it(sut_breaker *b)
{
    b->state = SUT_BREAKER_CLOSED;
    b->probing = false;
    memset(b->bucket, 0, sizeof b->bucket);
}

static bool refuse(sut_breaker *b, uint64_t wait_ns, uint32_t *retry_after_ms)
{
    b->refused_total++;
    if (retry_after_ms)
        *retry_after_ms = (uint32_t)((wait_ns + SUT_NS_PER_MS - 1) / SUT_NS_PER_MS);
    return false;
}

bool sut_breaker_allow(sut_breaker *b, uint64_t now_ns, uint32_t *retry_after_ms)
{
    uint64_t reset_ns = b->opt.reset_ms * SUT_NS_PER_MS;
    if (retry_after_ms)
        *retry_after_ms = 0;
    if (b->state == SUT_BREAKER_CLOSED)
        return true;
    if (b->state == SUT_BREAKER_OPEN && now_ns - b->opened_ns < reset_ns)
        return refuse(b, reset_ns - (now_ns - b->opened_ns), retry_after_ms);
    /* A probe whose result never came is given up after as long as the breaker stays open. */
    if (b->probing && now_ns - b->probe_ns < reset_ns)
        return refuse(b, PROBE_RETRY_MS * SUT_NS_PER_MS, retry_after_ms);
    b->state = SUT_BREAKER_HALF_OPEN;
    b->probing = true;
    b->probe_ns = now_ns;
    return true;
}

static void count(sut_breaker *b, uint64_t now_ns, bool failed)
{
    uint64_t slice = slice_of(b, now_ns), ok = 0, bad = 0;
    size_t at = slice % SUT_BREAKER_BUCKETS;
    if (b->bucket[at].slice != slice) {
        b->bucket[at].slice = slice;
        b->bucket[at].ok = b->bucket[at].failed = 0;
    }
    if (!failed) {
        b->bucket[at].ok++;
        return;
    }
    b->bucket[at].failed++;
    for (size_t i = 0; i < SUT_BREAKER_BUCKETS; i++) {
        if (slice - b->bucket[i].slice >= SUT_BREAKER_BUCKETS)
            continue;
        ok += b->bucket[i].ok;
        bad += b->bucket[i].failed;
    }
    if (ok + bad >= b->opt.min_volume && bad * 100 >= (ok + bad) * b->opt.error_percent)
        open_it(b, now_ns);
}

void sut_breaker_result(sut_breaker *b, uint64_t now_ns, bool failed)
{
    switch (b->state) {
    case SUT_BREAKER_CLOSED: count(b, now_ns, failed); return;
    case SUT_BREAKER_OPEN: return; /* of a call from before it opened */
    case SUT_BREAKER_HALF_OPEN:
        if (failed)
            open_it(b, now_ns);
        else if (b->probing)
            close_it(b);
        return;
    }
}

void sut_breaker_release(sut_breaker *b)
{
    if (b->state == SUT_BREAKER_HALF_OPEN)
        b->probing = false;
}

const char *sut_breaker_state_name(sut_breaker_state s)
{
    switch (s) {
    case SUT_BREAKER_CLOSED: return "closed";
    case SUT_BREAKER_OPEN: return "open";
    case SUT_BREAKER_HALF_OPEN: return "half-open";
    }
    return "unknown";
}
