/* Events in the core: publishing, durable groups, ephemeral subscribers. The same pure state machine as calls (core.h):
 * what touches the journal is asked of the daemon through sut_core_event_ops and answered by the inputs below.
 *
 * Rules it keeps (DESIGN section 5; the simulator checks them):
 * - a publish is answered once: `published` only when the journal has it on disk, else an error that says why;
 * - each event goes to one member of each group whose filter matches, and is acknowledged, dead, or given again:
 *   acknowledged ⊆ delivered-or-pending-or-dead, across the death of consumers and of the broker;
 * - of one key at most one event is out at a time in a group, in order of sequence; keys go in parallel;
 * - a member never holds more events than the credits of its subscription;
 * - a group reads at most `group_window` events past its oldest unacknowledged one; memory is bounded whatever the lag;
 * - an ephemeral subscriber that does not keep up is told the range that it missed, and slows nobody. */
#ifndef SUT_CORE_EVENTS_H
#define SUT_CORE_EVENTS_H

#include "core/core.h"
#include "wire/event.h"

#define SUT_GROUP_NAME_MAX    64 /* [a-z0-9_.-], begins with a letter or digit */
#define SUT_GROUP_SUBJECTS    16 /* patterns of one subscription or group */
#define SUT_PUBLISH_BATCH_MAX 1000

typedef struct sut_core_event_limits {
    uint32_t max_groups;                /* 256 */
    uint32_t subscriptions_per_session; /* 64 */
    uint32_t publishes_per_peer;        /* without an answer, 65,536 */
    uint64_t publish_bytes_per_peer;    /* 16 MiB */
    uint32_t group_window;              /* 65,536 */
    uint64_t group_bytes;       /* bodies that one group keeps in memory, 4 MiB; others are read again when due */
    uint64_t event_bytes;       /* all groups and subscribers together, 64 MiB */
    uint32_t max_event_credits; /* of one subscription, 4,096 */
    uint32_t max_deliveries;    /* 8, then the event is dead */
    uint32_t backoff_min_ms;    /* 100, doubling … */
    uint32_t backoff_max_ms;    /* … to 5,000, with jitter */
    uint32_t ack_wait_ms;       /* 5,000, unless the subscription says otherwise (to 600,000) */
    uint32_t marker_ms;         /* 500 */
    uint32_t save_ms;           /* cursors are written at most so often, 200 */
} sut_core_event_limits;
#define SUT_CORE_EVENT_LIMITS_DEFAULT                                                                                  \
    ((sut_core_event_limits){256, 64, 65536, 16u << 20, 65536, 4u << 20, 64u << 20, 4096, 8, 100, 5000, 5000, 500, 200})

/* What the event table says of a subject. Unknown subjects may not be published. */
typedef struct sut_core_event_desc {
    bool known, open;
    sut_str service; /* who may serve it may publish; not looked at if `open` */
} sut_core_event_desc;

typedef struct sut_core_read {
    uint64_t from;
    int64_t from_time_us; /* not 0: from the first event of that time on, instead of `from` */
    const sut_str *patterns;
    size_t pattern_count;
    uint32_t max_events;
    uint64_t max_bytes;
} sut_core_read;

typedef struct sut_core_attempt { /* one delivery that failed */
    uint32_t attempt;
    int64_t time_us; /* wall clock, as the daemon gives it to the core with ops.wall_us */
    sut_str consumer, code, message;
} sut_core_attempt;

typedef struct sut_core_dead {
    uint64_t dead_id; /* 0: a new dead letter; else the one that was redriven and died again */
    sut_str group;
    uint32_t generation; /* of the group: burying the same event of the same generation again does nothing */
    const sut_stored_event *event;
    const sut_core_attempt *attempts;
    size_t attempt_count;
} sut_core_dead;

/* Outputs. They must not call back into the core. Each that returns a status: 0, and the answer comes later by the
 * input named; or -EAGAIN, no room now: the core tries again when it ticks (publish: the publisher is told
 * `overloaded`). */
typedef struct sut_core_event_ops {
    void (*event)(void *app, sut_str subject, sut_core_event_desc *out);
    /* The service to which a declared group belongs; absent: a group of tools. */
    sut_str (*group_service)(void *app, sut_str group);
    int64_t (*wall_us)(void *app);
    uint64_t (*random)(void *app); /* jitter; the simulator's is seeded */
    /* → sut_core_published. Several events are all or nothing. `publisher` and the principal are set. */
    sut_status (*publish)(void *app, uint64_t tag, const sut_stored_event *events, size_t count);
    sut_status (*read)(void *app, uint64_t tag, const sut_core_read *r); /* → sut_core_read_done */
    /* → sut_core_saved. `value` absent: the group was deleted, forget it. */
    sut_status (*save)(void *app, uint64_t tag, sut_str group, sut_str value);
    sut_status (*bury)(void *app, uint64_t tag, const sut_core_dead *d); /* → sut_core_buried */
    sut_status (*forget)(void *app, uint64_t tag, uint64_t dead_id);     /* redriven, acknowledged → sut_core_saved */
    /* For taps, traces and counts: what became of one delivery. outcome: "delivered", "acked", "nacked", "expired" (ack
     * wait over), "lost" (its consumer died), "termed", "dead". Of an event whose body had no room in memory only the
     * sequence is set. May be NULL. */
    void (*delivery)(void *app, const char *outcome, sut_str group, sut_str consumer, const sut_stored_event *event,
                     uint32_t attempt, uint64_t took_ns);
} sut_core_event_ops;

/* Before this, all about events is answered `unavailable`. `first`: the oldest sequence; `next`: the one to be given
 * next. Once. */
SUT_MUST_CHECK sut_status sut_core_events_start(sut_core *c, const sut_core_event_limits *limits,
                                                const sut_core_event_ops *ops, uint64_t first, uint64_t next);
/* SIGHUP; holds for what comes after, and from now on for the markers of those who are subscribed. */
void sut_core_set_event_limits(sut_core *c, const sut_core_event_limits *limits);
/* What ops.save wrote in an earlier life; right after sut_core_events_start. -EBADMSG if it cannot be read. */
SUT_MUST_CHECK sut_status sut_core_group_restore(sut_core *c, uint64_t now_ns, sut_str group, sut_str value);

/* ---- answers of the journal ---- */

typedef struct sut_core_publish_answer {
    int err; /* 0, or a sut_err with message and errors */
    sut_str message;
    const sut_field_error *errors;
    size_t error_count;
    const struct sut_core_position { /* one an event */
        uint64_t sequence;           /* 0: delayed, or a duplicate whose place is not known any more */
        bool duplicate;
        sut_dedup dedup;
    } * positions;
    size_t count;
} sut_core_publish_answer;
void sut_core_published(sut_core *c, uint64_t now_ns, uint64_t tag, const sut_core_publish_answer *a);
/* What has become part of the log, in order, without gaps; `next` follows the last one. */
void sut_core_appended(sut_core *c, uint64_t now_ns, const sut_stored_event *events, size_t count, uint64_t next);
/* 0 with events and where to read on; or a negative status: it is asked again after a pause. `oldest`: the first one
 * kept. -EBADMSG with a `next`: that record is damaged. A group stands there until SUT_GROUP_SKIP, an ephemeral
 * subscriber is told by a gap and goes on. */
void sut_core_read_done(sut_core *c, uint64_t now_ns, uint64_t tag, sut_status status, const sut_stored_event *events,
                        size_t count, uint64_t next, uint64_t oldest);
void sut_core_saved(sut_core *c, uint64_t now_ns, uint64_t tag, sut_status status);
void sut_core_buried(sut_core *c, uint64_t now_ns, uint64_t tag, sut_status status, uint64_t dead_id);
void sut_core_retained(sut_core *c, uint64_t now_ns, uint64_t oldest);

/* ---- operators ---- */

typedef enum sut_group_action {
    SUT_GROUP_CREATE, /* with subjects and start; -EEXIST */
    SUT_GROUP_PAUSE,  /* nothing is delivered any more; what is out may still be acknowledged */
    SUT_GROUP_RESUME,
    SUT_GROUP_DELETE, /* -EBUSY while it has members and is not paused; they are told by a gap and their subscriptions
                         end */
    SUT_GROUP_REPLAY, /* of a paused or new group: from..to again, marked replayed, in a new generation, at `speed` */
    SUT_GROUP_STOP,   /* ends a replay: where it stopped is in the view; the group is as it was before, paused */
    SUT_GROUP_SKIP    /* goes on behind the damaged record at which it stands; members are told by a gap */
} sut_group_action;

typedef struct sut_group_command {
    sut_group_action action;
    sut_str group;
    const sut_str *subjects; /* CREATE; REPLAY of a new group */
    size_t subject_count;
    uint64_t from;        /* CREATE: start, 0: the end; REPLAY */
    int64_t from_time_us; /* instead of `from` */
    uint64_t to;          /* REPLAY: the last one; 0: where the log ends now */
    double speed;         /* REPLAY: times real time, from the events' own times; 0: as fast as its members take */
} sut_group_command;
/* 0; -ENOENT, -EEXIST, -EBUSY, -EINVAL, -ENOSPC (max_groups) with one line in `error`. When a replay is over the group
 * goes on behind the place where it was before, if it existed, else behind `to`. */
SUT_MUST_CHECK sut_status sut_core_group_command(sut_core *c, uint64_t now_ns, const sut_group_command *cmd,
                                                 char *error, size_t error_size);
/* Gives a dead letter to its group again, at once, beside the order of its key. When it is acknowledged ops.forget
 * follows, when it dies again ops.bury with its id. -ENOENT: no such group; -EALREADY: it is out; -EAGAIN: too many. */
SUT_MUST_CHECK sut_status sut_core_redrive(sut_core *c, uint64_t now_ns, sut_str group, uint64_t dead_id,
                                           const sut_stored_event *event, const sut_core_attempt *attempts,
                                           size_t attempt_count, char *error, size_t error_size);

/* ---- views, in stable order ---- */

typedef struct sut_core_group_view {
    sut_str name;
    const sut_str *subjects;
    size_t subject_count;
    bool paused, replaying;
    uint32_t members, credits_free, generation;
    uint64_t cursor;                     /* all up to it is done */
    uint64_t read;                       /* looked at up to here */
    uint64_t next;                       /* of the log: lag is next - 1 - cursor */
    uint32_t window, in_flight, waiting; /* events past the cursor; out; due later */
    uint64_t window_bytes;
    uint64_t oldest_ns; /* how long the oldest unacknowledged one has been pending here; 0: none */
    sut_str oldest_key; /* the key that holds the cursor */
    uint64_t delivered_total, acked_total, nacked_total, expired_total, dead_total, stale_total, lost_total;
    uint64_t gaps_total, missed_total; /* what retention removed before the group had read it: times, sequences */
    uint64_t damaged;                  /* the record of the journal that cannot be read, where it stands; 0: none */
    uint64_t replay_from, replay_to, replay_at;
    double replay_speed;
} sut_core_group_view;
typedef struct sut_core_subscription_view {
    uint64_t session, id;
    sut_str peer, group; /* group absent: ephemeral */
    uint32_t credits, in_flight;
    uint64_t position, gaps_total, missed_total;
    bool current;
} sut_core_subscription_view;
void sut_core_each_group(const sut_core *c, void (*fn)(const sut_core_group_view *v, void *arg), void *arg);
void sut_core_each_subscription(const sut_core *c, void (*fn)(const sut_core_subscription_view *v, void *arg),
                                void *arg);
typedef struct sut_core_event_counts {
    uint32_t groups, subscriptions, publishes_pending;
    uint64_t published_total, publish_errors_total, duplicates_total, delivered_total, gaps_total, stale_acks_total;
    uint64_t bytes_held, bytes_held_max;
} sut_core_event_counts;
void sut_core_get_event_counts(const sut_core *c, sut_core_event_counts *out);

#endif
