/* Taps: what passes the broker, shown to who may see it. The routing loop only matches header positions and, within a
 * byte budget, copies into a ring of the tap; a thread of the hub decodes, redacts by the schemas and encodes; the loop
 * then sends what is ready. So a tap never delays routing: what its budget or its ring has no room for is counted as
 * lost, and told with the next record. Secret fields never leave; personal ones only to a request that says so, which
 * the daemon must have allowed and journalled before it attaches the tap.
 *
 * Everything here is called on the loop's thread. Pure of sockets and of the journal: those are functions in
 * sut_tap_ops. */
#ifndef SUT_TAP_TAP_H
#define SUT_TAP_TAP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/loop.h"
#include "wire/sight.h"

#define SUT_TAP_PATTERNS 16
#define SUT_TAP_MAX      32 /* in all: a set of taps is the bits of a word */

/* ---- the request ---- */

typedef struct sut_tap_request {
    const sut_str *subjects; /* patterns */
    size_t subject_count;    /* 0: all */
    uint32_t kinds;          /* SUT_SIGHT_CALL, _REPLY, _ERROR, _EVENT, or'ed; never 0 */
    int64_t user_id;         /* 0: all */
    sut_str trace, key;      /* absent: all; trace: 32 hex digits, lower case */
    int64_t since_us, until_us;
    bool has_since, has_until, follow;
    uint64_t bytes_per_second; /* 0: not said */
    bool personal;
    sut_str reason;
} sut_tap_request;

/* Reads the body of a tap request; strings live in the arena. False with one line in `error`. */
bool sut_tap_request_read(sut_str body, sut_arena *a, sut_tap_request *out, char *error, size_t error_size);

/* ---- the hub ---- */

typedef struct sut_tap_hub sut_tap_hub;

typedef struct sut_tap_limits {
    uint32_t max_taps; /* 32 at most */
    uint32_t taps_per_session;
    uint64_t bytes_per_second;     /* of a tap that says nothing */
    uint64_t bytes_per_second_max; /* asked for more, it gets this */
} sut_tap_limits;
#define SUT_TAP_LIMITS_DEFAULT ((sut_tap_limits){SUT_TAP_MAX, 16, 8u << 20, 64u << 20})

typedef struct sut_tap_read {
    uint64_t from;
    int64_t from_time_us; /* not 0: from the first event of that time on, instead of `from` */
    const sut_str *patterns;
    size_t pattern_count; /* 0: all */
} sut_tap_read;

/* None of them may call back into the hub. */
typedef struct sut_tap_ops {
    /* May the session's peer see what passes under this subject? Asked once a subject, until sut_tap_hub_recheck. */
    bool (*allows)(void *app, uint64_t session, sut_str subject);
    /* Queues a frame of encoded envelopes for the session's peer and takes the malloc'd bytes over; false: not now, it
     * is tried again. */
    bool (*send)(void *app, uint64_t session, uint8_t *bytes, size_t len, uint32_t envelopes);
    /* The tap ended, and not by sut_tap_hub_detach: err 0: its last record and the gap behind it are sent; else a
     * sut_err, which its peer is still to be told. */
    void (*ended)(void *app, uint64_t session, uint64_t id, int err, const char *message);
    /* Which kinds of sights are needed from now on (SUT_SIGHT_… or'ed; 0: none). */
    void (*watch)(void *app, uint32_t kinds);
    /* Reads events: 0 and sut_tap_hub_read_done follows, or -EAGAIN: it is tried again. NULL: there is no journal. */
    sut_status (*read)(void *app, uint64_t tag, const sut_tap_read *r);
    void (*release)(void *app, void *owner); /* of what sut_tap_hub_read_done lent */
} sut_tap_ops;

SUT_MUST_CHECK sut_status sut_tap_hub_new(sut_tap_hub **out, sut_loop *loop, const sut_tap_ops *ops, void *app,
                                          const sut_tap_limits *limits);
sut_tap_hub *sut_tap_hub_free(sut_tap_hub *h); /* ends its thread; no op runs any more. Returns NULL */
void sut_tap_hub_set_limits(sut_tap_hub *h, const sut_tap_limits *limits); /* for taps that come after */

/* Attaches a tap of the session; `id` is what its envelopes bear. The request was authorised. -EEXIST: that id taps
 * already; -ENOSPC with the reason in `error`; -ENODEV: history was asked for, and there is no journal; -ENOMEM. */
SUT_MUST_CHECK sut_status sut_tap_hub_attach(sut_tap_hub *h, uint64_t now_ns, uint64_t session, uint64_t id,
                                             sut_str peer, const sut_tap_request *request, char *error,
                                             size_t error_size);
/* Ends it at once; what was not sent is dropped. False if there is none. `lost`: what its peer was not told of yet. */
bool sut_tap_hub_detach(sut_tap_hub *h, uint64_t session, uint64_t id, uint64_t *lost);
void sut_tap_hub_session_ended(sut_tap_hub *h, uint64_t session);
/* Ends all of them as unavailable, with that message; new ones may come. */
void sut_tap_hub_end_all(sut_tap_hub *h, const char *message);
/* The access list has changed: taps that `still` does not allow any more end as forbidden. */
void sut_tap_hub_recheck(sut_tap_hub *h, bool (*still)(void *app, uint64_t session, const sut_tap_request *r));

/* Something passes. `at_us` is set if it was 0 and a tap takes it. */
void sut_tap_hub_see(sut_tap_hub *h, uint64_t now_ns, sut_sight *s);
/* All events below `next` have been seen; also once at the start. */
void sut_tap_hub_appended(sut_tap_hub *h, uint64_t next);
/* The answer to ops.read: `owner` is lent until ops.release. On failure a negative status and nothing else. */
void sut_tap_hub_read_done(sut_tap_hub *h, uint64_t tag, sut_status status, const sut_stored_event *events,
                           size_t count, uint64_t next, uint64_t oldest, void *owner);

/* The end of a tap as its peer is told: a gap `{from: 0, to: 0, reason: "end", lost}`. */
SUT_MUST_CHECK sut_status sut_tap_end_body(sut_buf *out, uint64_t lost);

/* ---- views ---- */

typedef struct sut_tap_view {
    uint64_t session, id;
    sut_str peer;
    const sut_tap_request *request;
    bool in_history;
    uint64_t bytes_per_second, records_total, lost_total, waiting_bytes;
    uint64_t opened_ns;
} sut_tap_view;
void sut_tap_hub_each(const sut_tap_hub *h, void (*fn)(const sut_tap_view *v, void *arg), void *arg);
typedef struct sut_tap_counts {
    uint32_t taps;
    uint64_t attached_total, records_total, bytes_total, lost_total; /* lost: of taps that have ended, too */
} sut_tap_counts;
void sut_tap_hub_get_counts(const sut_tap_hub *h, sut_tap_counts *out);

#endif
