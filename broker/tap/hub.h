/* The hub, inside. Two threads meet here: the loop's attaches, matches, copies and sends; the worker redacts and
 * encodes. They share of a tap its ring (ring.h) and its frames (under the hub's lock); the lock is never held across
 * work. A tap that ended is freed by the worker, the last to look at it. */
#ifndef SUT_TAP_HUB_H
#define SUT_TAP_HUB_H

#include "bucket.h"
#include "pack.h"
#include "record.h"
#include "tap/tap.h"

#include <pthread.h>

#define TAP_RING_BYTES (1u << 20)
#define TAP_OUT_BYTES  (1u << 20) /* encoded and not sent, of one tap; past it the worker leaves the ring alone */
#define TAP_SUBJECTS   64         /* that the hub remembers who may and wants to see */
#define TAP_PEER_MAX   64
#define TAP_WORKED_MAX (2 * SUT_TAP_MAX) /* … so many at most: each has a ring until the worker has freed it */

typedef enum tap_state {
    TAP_HISTORY, /* events come from the journal */
    TAP_LIVE,
    TAP_ENDING /* the end waits for room in the ring, or is in it */
} tap_state;

typedef struct tap_frame {
    sut_node node; /* tap->frames */
    uint8_t *bytes;
    size_t len;
    uint32_t envelopes;
    bool last; /* the gap that ends the tap is in it */
} tap_frame;

typedef struct tap_history {
    uint64_t tag; /* of the read that is out; 0: none */
    const sut_stored_event *events;
    size_t count, at;
    uint64_t next; /* where to read on */
    void *owner;   /* NULL: nothing is held */
} tap_history;

typedef struct tap {
    sut_node node;        /* hub->taps: the loop's; unlinked: it has ended */
    sut_node worker_node; /* hub->worked: under the lock */
    uint32_t slot;        /* its bit */
    uint64_t session, id, opened_ns;
    char peer[TAP_PEER_MAX + 1];
    sut_arena *arena; /* of the request's strings */
    sut_tap_request request;
    /* the loop's */
    tap_state state;
    uint64_t position; /* events below it are not shown live: they came from history */
    tap_history history;
    tap_bucket bucket;
    uint64_t lost, lost_total, records_total;
    bool end_put;
    /* shared */
    tap_ring ring;
    uint64_t unencoded; /* the worker's: lost there, and not told yet */
    sut_node frames;    /* under the lock */
    size_t frame_bytes;
    atomic_bool ended;
} tap;

typedef struct tap_subject { /* which taps a subject concerns */
    uint32_t generation;
    uint32_t taps; /* bits */
    uint8_t len;
    char text[SUT_SUBJECT_MAX];
} tap_subject;

struct sut_tap_hub {
    sut_loop *loop;
    sut_tap_ops ops;
    void *app;
    sut_tap_limits limits;
    sut_node taps;
    uint32_t tap_count, kinds; /* kinds: of all of them */
    uint32_t generation;       /* of what tap_subject knows */
    tap_subject subjects[TAP_SUBJECTS];
    uint64_t next_event; /* all below were seen */
    uint64_t next_tag;
    sut_timer timer;
    sut_tap_counts counts;
    /* shared */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    sut_node worked; /* taps, also ended ones … */
    uint32_t worked_count;
    atomic_bool sleeping;
    bool started, stopping;
    bool posted; /* under the lock: `ready` is in the loop's queue */
    sut_task ready;
    pthread_t worker;
    tap_scratch scratch; /* the worker's */
};

/* filter.c */
uint32_t tap_subject_mask(sut_tap_hub *h, sut_str subject);
bool tap_wants(const tap *t, const sut_sight *s); /* all but the subject */

/* history.c */
SUT_MUST_CHECK sut_status tap_history_begin(sut_tap_hub *h, tap *t);
bool tap_history_go_on(sut_tap_hub *h, tap *t, uint64_t now_ns); /* false: the tap has ended, and is gone */
void tap_history_drop(const sut_tap_hub *h, tap *t);

/* hub.c */
/* Copies the sight; false: no room or no budget now. */
bool tap_put(sut_tap_hub *h, tap *t, uint64_t now_ns, sut_sight *s);
void tap_begin_end(sut_tap_hub *h, tap *t);                          /* once what it has is shown */
void tap_fail(sut_tap_hub *h, tap *t, int err, const char *message); /* at once: the tap is gone */
void tap_hub_on_ready(sut_task *task, void *hub);                    /* the worker has frames */

/* worker.c */
SUT_MUST_CHECK sut_status tap_worker_start(sut_tap_hub *h);
void tap_worker_stop(sut_tap_hub *h);
void tap_worker_wake(sut_tap_hub *h); /* the loop's: something may be there to do */
void tap_free(tap *t);

#endif
