/* Taps: operators watch what passes through the broker (docs/protocol.md, Taps). The loop only matches header positions
 * and copies into a bounded queue; a thread of its own decodes, redacts by the schemas and encodes; the loop sends what
 * is ready. Nothing here ever makes routing wait: what does not fit is counted and told with the next record.
 *
 * What leaves: fields that a schema declares and does not mark secret, nor personal unless this tap may see those.
 * Undeclared fields, bodies that cannot be decoded, bodies of subjects that no schema knows and the free text of errors are
 * withheld. */
#ifndef SUT_TAP_TAP_H
#define SUT_TAP_TAP_H

#include "base/arena.h"
#include "base/loop.h"
#include "wire/event.h"

#define SUT_TAPS_MAX           16
#define SUT_TAP_PATTERNS       16
#define SUT_TAP_BUDGET_DEFAULT (8u << 20) /* bytes a second */
#define SUT_TAP_BUDGET_MAX     (64u << 20)

enum { SUT_TAP_CALL = 1, SUT_TAP_REPLY = 2, SUT_TAP_ERROR = 4, SUT_TAP_EVENT = 8, SUT_TAP_ALL = 15 };

/* What a tap asks for; strings live in the arena that it was read into. */
typedef struct sut_tap_request {
    const sut_str *subjects; /* patterns; none: all */
    size_t subject_count;
    unsigned kinds; /* of SUT_TAP_… */
    int64_t user_id; /* 0: all */
    sut_str trace;   /* 32 hex digits; absent: all */
    sut_str key;     /* absent: all */
    int64_t since_us, until_us; /* 0: not said */
    bool follow, personal;
    sut_str reason;
    uint32_t bytes_per_second;
} sut_tap_request;

/* 0, or SUT_ERR_INVALID with one line in `error`. */
int sut_tap_request_read(sut_str body, sut_arena *a, sut_tap_request *out, char *error, size_t error_size);

/* One envelope that passes. Strings are borrowed. */
typedef struct sut_sight {
    unsigned kind;         /* one of SUT_TAP_… */
    int64_t at_us;
    sut_str from, to;      /* names of peers, or of a service */
    sut_str subject, key, traceparent;
    const sut_principal *principal; /* may be NULL */
    uint64_t id;           /* the caller's */
    uint64_t took_us;      /* replies and errors */
    const sut_stored_event *event; /* of events */
    sut_str body;
} sut_sight;

typedef struct sut_taps sut_taps;

typedef struct sut_tap_ops {
    /* Sends to the tap's session. False: no room now. On the loop. */
    bool (*emit)(void *app, uint64_t session, const sut_envelope *env);
    /* This tap's history was passed on up to `next`; read further events from there and give them to
     * sut_taps_history, or none at the end. On the loop. */
    void (*more)(void *app, uint64_t session, uint64_t id, const sut_tap_request *request, uint64_t next);
} sut_tap_ops;

SUT_MUST_CHECK sut_status sut_taps_new(sut_taps **out, sut_loop *loop, const sut_tap_ops *ops, void *app);
sut_taps *sut_taps_free(sut_taps *t); /* ends the thread; returns NULL */

/* Begins one; `personal` was judged by the caller. Copies the request. -ENOSPC: SUT_TAPS_MAX; -EEXIST: this session has
 * one of that id. With since_us, `more` is asked for history at once, and live records follow it if `follow`. */
SUT_MUST_CHECK sut_status sut_taps_open(sut_taps *t, uint64_t session, uint64_t id, const sut_tap_request *request);
bool sut_taps_close(sut_taps *t, uint64_t session, uint64_t id); /* false: no such tap */
void sut_taps_session_lost(sut_taps *t, uint64_t session);

/* Is anybody watching? The one branch that an untapped broker pays. */
bool sut_taps_any(const sut_taps *t);
/* Shows it to the taps that it concerns. Never blocks, never fails. */
void sut_taps_see(sut_taps *t, uint64_t now_ns, const sut_sight *s);
/* Events that `more` asked for, and where to read on; `end`: there are no further ones. */
void sut_taps_history(sut_taps *t, uint64_t session, uint64_t id, const sut_stored_event *events, size_t count,
                      uint64_t next, bool end);

typedef struct sut_taps_stats {
    uint32_t taps;
    uint64_t seen_total, sent_total, lost_total, queued_bytes;
} sut_taps_stats;
void sut_taps_get_stats(const sut_taps *t, sut_taps_stats *out);

#endif
