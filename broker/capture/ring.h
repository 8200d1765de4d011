/* The ring on disk: segment files of a folder, written by one thread, bounded in bytes and age, the oldest dropped
 * first. There is no index: what is asked for is found by reading the segments of that time, at a gigabyte a second and
 * more (docs/decisions/0018-capture.md).
 *
 * Nothing here is fsynced: it is for looking at, not for keeping. A crash loses what was not written; a write that
 * fails (ENOSPC, EIO) loses what it held, and a second later the ring is tried again in a new segment. */
#ifndef SUT_CAPTURE_RING_H
#define SUT_CAPTURE_RING_H

#include "capture/span.h"
#include "segment.h"

typedef struct ring ring;

typedef struct ring_options {
    const char *dir;
    uint64_t bytes;
    int64_t age_us; /* 0: only by bytes */
} ring_options;

typedef struct ring_stats {
    uint64_t segments, records, bytes;
    uint64_t written_total, lost_total; /* spans; lost: the disk would not take them */
    uint64_t damaged_total;             /* places that were passed over */
    int64_t oldest_us;                  /* 0: nothing is there */
    int fault;                          /* errno of what keeps it from writing; 0: it writes */
} ring_stats;

/* Borrows the keys until ring_set_keys. Touches no disk yet but the folder and its lock. -EBUSY: another broker has it.
 */
SUT_MUST_CHECK sut_status ring_new(ring **out, const ring_options *opt, const sut_keyring *keys, char *error,
                                   size_t error_size);
ring *ring_free(ring *r); /* writes what is buffered; returns NULL */
/* Reads what is there. The first of the following does so too, if it was not done. */
void ring_load(ring *r);
void ring_set_keys(ring *r, const sut_keyring *keys); /* the next segment is sealed under their first key */

/* Takes the span into the buffer. Its strings are copied. */
void ring_add(ring *r, const sut_span *s, int64_t now_us);
/* Writes the buffer; closes what is full, drops what is too much or too old. */
void ring_flush(ring *r, int64_t now_us);
void ring_get_stats(const ring *r, ring_stats *out);

typedef struct ring_query {
    const uint8_t *trace_id;    /* NULL: of any */
    int64_t user_id;            /* 0: of any */
    uint64_t after;             /* only larger numbers */
    int64_t since_us, until_us; /* by the begin of spans; 0: no bound */
    bool open;                  /* unseal key, body and reply where the key is known */
    size_t examine_max;         /* look at so many records at most */
    void (*between)(void *arg); /* called after each segment: may add spans, which this query does not see. Or NULL */
    void *between_arg;
} ring_query;
/* In the order of numbers, until fn returns false, having taken its last one. The span is borrowed. `*at` is the number
 * of the last record that was looked at, `*more` whether there may be others behind it. */
void ring_each(ring *r, const ring_query *q, bool (*fn)(void *arg, const sut_span *s), void *arg, uint64_t *at,
               bool *more);

#endif
