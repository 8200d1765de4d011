/* What the capture thread holds in memory: calls that are not answered yet, and spans of traces that nobody wanted so
 * far. Both are bounded, the oldest go first. A trace becomes wanted when it is sampled, or when one of its spans is an
 * error, slow, or a failed delivery: then all of it that is still here is captured, and what comes later, too. */
#ifndef SUT_CAPTURE_RECENT_H
#define SUT_CAPTURE_RECENT_H

#include "capture/span.h"
#include "queue.h"

typedef struct recent recent;

typedef struct recent_options {
    uint64_t slow_us;  /* 0: nothing is slow */
    size_t bytes_max;  /* of spans, open ones included */
    size_t traces_max; /* that are remembered as wanted or not */
    size_t open_max;   /* calls without an answer */
    int64_t open_us;   /* then a call is given up as not answered */
    /* A span is captured. Its bodies are as they came. */
    void (*capture)(void *arg, const sut_span *s);
    void *arg;
} recent_options;

SUT_MUST_CHECK sut_status recent_new(recent **out, const recent_options *opt);
recent *recent_free(recent *r);
void recent_see(recent *r, const queued_sight *q);
void recent_expire(recent *r, int64_t now_us);
/* Those that are here of a trace, in no particular order. */
void recent_each(const recent *r, const uint8_t trace_id[SUT_TRACE_ID_BYTES], bool (*fn)(void *arg, const sut_span *s),
                 void *arg);
size_t recent_bytes(const recent *r);

#endif
