/* The world of events: what its parts share. events.c runs it; ev_journal.c is a journal that answers late, out of turn
 * or with an error; ev_publishers.c and ev_peers.c are the peers; ev_operators.c what operators do; ev_groups.c and
 * ev_ephemeral.c know what each group and each subscriber is owed, independently of the core, and ev_checks.c holds the
 * core's views against that. Nothing in here looks into the core. */
#ifndef SUT_CORE_SIM_EVENTS_H
#define SUT_CORE_SIM_EVENTS_H

#include "core/events.h"
#include "sim.h"

#define EV_LOG       360 /* sequences */
#define EV_UIDS      1024
#define EV_BATCH     3
#define EV_PUBLISHES 64
#define EV_ASKS      512
#define EV_CONSUMERS 5
#define EV_LISTENERS 3
#define EV_GROUPS    3
#define EV_CREDITS   4
#define EV_HELD      16
#define EV_LETTERS   256
#define EV_VALUE     2048
#define EV_TRIES     8
#define EV_PACES     24
#define EV_KEYS      5
#define EV_NONE      UINT32_MAX
#define EV_SUB       5 /* the id of every subscription */
#define EV_DELAYED   32
#define EV_QUIET_MS  400000 /* so long after the last fault at most until all is quiet */

typedef enum ev_done { EV_OWED, EV_ACKED, EV_DEAD, EV_LOST } ev_done;

typedef struct ev_event {
    uint32_t uid;
    uint8_t key, subject, user; /* key 0: none; user 0: nobody */
    int64_t time_us;
} ev_event;

/* What a group has behind it and before it. */
typedef struct ev_stand {
    bool exists, paused, replaying, is_new;
    bool by_time,
        before_by_time; /* where it begins is found by its first read: what was eaten before is no part of it */
    uint32_t generation, generation_before, generation_last;
    uint64_t start, from, to, before_start;
    double speed;
    uint8_t done[EV_LOG], before[EV_LOG]; /* ev_done */
} ev_stand;

/* No event of a paced replay comes before `at_ns` plus its distance from `time_us`, at the replay's speed. */
typedef struct ev_pace {
    uint64_t at_ns;
    int64_t time_us;
} ev_pace;

typedef struct ev_group {
    ev_stand now, durable;
    uint8_t value[EV_VALUE]; /* as saved */
    size_t value_len;
    uint32_t out[EV_LOG]; /* who has it: consumer + 1 */
    uint32_t attempt[EV_LOG];
    uint16_t letter[EV_LOG]; /* the one that the core took to redrive it + 1 */
    uint64_t cursor;         /* as it was last seen */
    uint64_t passed;         /* events that it went past because retention had eaten them, in this life of the broker */
    ev_pace paces[EV_PACES];
    uint32_t pace_count;
    uint64_t paused_ns;
} ev_group;

typedef struct ev_letter {
    uint64_t id; /* 0: free */
    uint32_t group, attempts;
    uint64_t sequence;
    bool redriving;        /* as the journal has it */
    uint32_t out, attempt; /* consumer + 1 */
} ev_letter;

typedef enum ev_ask_kind { ASK_PUBLISH, ASK_READ, ASK_SAVE, ASK_BURY, ASK_FORGET } ev_ask_kind;
typedef struct ev_ask {
    ev_ask_kind kind;
    uint64_t tag;
    uint32_t group; /* save, bury */
    uint64_t from;  /* read */
    int64_t from_time_us;
    uint32_t max_events, patterns; /* patterns: a bit a subject that they match */
    uint64_t sequence, dead_id;    /* bury, forget */
    uint32_t attempts;
    uint32_t count; /* publish */
    ev_event events[EV_BATCH];
    int64_t due_us;
    uint64_t number, epoch; /* of the source; 0: unnamed */
    bool erases;
    size_t value_len;
    uint8_t value[EV_VALUE];
    ev_stand stand;
} ev_ask;

typedef struct ev_held {
    uint64_t sequence;
    uint32_t attempt;
} ev_held;

typedef struct ev_consumer {
    uint64_t session, pong;
    uint32_t group, credits, out, held_count;
    bool answered, ended; /* subscribe was; its group was deleted */
    ev_held held[EV_HELD];
} ev_consumer;

typedef struct ev_listener { /* ephemeral */
    uint64_t session, pong;
    uint64_t next;  /* the first position that it was not told of; 0: never subscribed */
    uint64_t acked; /* sequence */
    uint32_t credits, out_count;
    uint64_t out[EV_CREDITS * 4];
    uint8_t key, user; /* filters; 0: none */
    uint32_t patterns;
    uint32_t lazy; /* answers so seldom */
    bool subscribed;
} ev_listener;

typedef struct ev_publish { /* said, and not answered */
    uint64_t session, id;   /* 0: free */
    uint32_t count, uids[EV_BATCH];
    bool batch;
} ev_publish;

typedef struct ev_publisher {
    uint64_t session, pong, next_id;
    uint32_t unknown[EV_BATCH * 8]; /* uids whose answer was lost */
    uint32_t unknown_count;
} ev_publisher;

typedef struct ev_world {
    sut_core *core;
    sut_acl *acl;
    sim_result *result;
    uint64_t random, now;
    bool calm, full;
    sut_core_event_limits limits;
    /* the journal */
    ev_event log[EV_LOG];
    uint64_t next, oldest, told_next, told_oldest;
    ev_ask *asks[EV_ASKS], *spare;
    uint32_t ask_count;
    uint64_t sequence_of[EV_UIDS]; /* 0: not in the log */
    bool delayed[EV_UIDS];
    struct {
        ev_event event;
        int64_t due_us;
    } later[EV_DELAYED];
    uint32_t later_count;
    uint64_t source_number, source_epoch;
    ev_letter letters[EV_LETTERS];
    uint64_t next_letter;
    /* peers */
    ev_event made[EV_UIDS]; /* as its publisher means it */
    uint32_t uid_count;
    ev_publish publishes[EV_PUBLISHES];
    ev_publisher pub, box;
    uint64_t box_number, box_epoch; /* the last one acknowledged */
    uint32_t box_uid;               /* of the one under way; 0: none */
    ev_consumer consumers[EV_CONSUMERS];
    ev_listener listeners[EV_LISTENERS];
    ev_group groups[EV_GROUPS];
    ev_held said; /* what the core is just told the answer of */
} ev_world;

extern const char *const ev_subjects[2];
extern const char *const ev_groups[EV_GROUPS];
extern const uint32_t ev_group_patterns[EV_GROUPS];

uint64_t ev_draw(ev_world *w, uint64_t below);
void ev_broke(ev_world *w, const char *rule, uint32_t group, uint64_t sequence);
static inline void ev_saw(ev_world *w, sim_path path)
{
    w->result->paths[path]++;
}
static inline int64_t ev_now_us(const ev_world *w)
{
    return (int64_t)(w->now / SUT_NS_PER_US);
}
void ev_says(ev_world *w, uint64_t session, sut_envelope env);
uint64_t ev_connect(ev_world *w, const char *name);
bool ev_start(ev_world *w); /* a life of the broker, with what the journal holds */

/* ev_journal.c */
extern const sut_core_event_ops ev_ops;
void ev_journal_answer(ev_world *w); /* one of what was asked */
void ev_journal_crash(ev_world *w);  /* of what was asked some was done, and nobody is told */
void ev_journal_tell(ev_world *w);   /* what was appended, what retention has removed */
void ev_journal_retain(ev_world *w);
void ev_journal_due(ev_world *w); /* delayed events whose time has come */
void ev_journal_free(ev_world *w);
sut_stored_event ev_stored(const ev_world *w, uint64_t sequence);
uint32_t ev_group_of(sut_str name);
ev_letter *ev_letter_find(ev_world *w, uint64_t id);

/* ev_publishers.c */
void ev_publish_step(ev_world *w);
void ev_source_step(ev_world *w);
void ev_publish_answered(ev_world *w, uint64_t session, const sut_envelope *env);
void ev_publishers_lost(ev_world *w, ev_publisher *p);
bool ev_publisher_of(const ev_world *w, uint64_t session);
uint32_t ev_publishes_open(const ev_world *w);

/* ev_peers.c */
void ev_consumer_join(ev_world *w, ev_consumer *k);
void ev_consumer_answer(ev_world *w, ev_consumer *k);
void ev_consumer_leave(ev_world *w, ev_consumer *k);
void ev_listener_join(ev_world *w, ev_listener *k);
void ev_listener_ack(ev_world *w, ev_listener *k);
void ev_listener_leave(ev_world *w, ev_listener *k);

/* ev_operators.c */
void ev_operator_step(ev_world *w);
void ev_operator_resume(ev_world *w);
void ev_operator_restored(ev_world *w); /* what the daemon gives to its groups again when it starts */

/* ev_groups.c */
bool ev_owed(const ev_world *w, uint32_t group, uint64_t sequence); /* to be given or given already */
void ev_group_delivered(ev_world *w, ev_consumer *k, const sut_envelope *env);
void ev_group_outcome(ev_world *w, const char *outcome, uint32_t group, uint64_t sequence, uint32_t attempt);
void ev_group_given_back(ev_world *w, ev_consumer *k);
void ev_group_sync(ev_world *w, uint32_t group); /* has its replay ended? */
void ev_group_pace(ev_world *w, uint32_t group); /* it may begin anew here */
void ev_replay_stopped(ev_world *w, uint32_t group);
bool ev_group_view(const ev_world *w, uint32_t group, sut_core_group_view *out);

/* ev_ephemeral.c */
void ev_listener_heard(ev_world *w, ev_listener *k, const sut_envelope *env);

/* ev_checks.c */
void ev_check(ev_world *w);
bool ev_quiet(const ev_world *w);
void ev_check_end(ev_world *w);
void ev_check_empty(ev_world *w);
void ev_check_drained(ev_world *w);

#endif
