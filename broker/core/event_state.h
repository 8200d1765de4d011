/* The private state of the core's events, and what its parts offer each other. Who calls whom: events.c (inputs of the
 * daemon), publish.c, subscribe.c (inputs of peers) → group.c, ephemeral.c → group_window.c, lane.c, group_deliver.c,
 * group_fail.c → event_out.c. Nothing here is seen outside this folder. */
#ifndef SUT_CORE_EVENT_STATE_H
#define SUT_CORE_EVENT_STATE_H

#include "core/events.h"
#include "state.h"

#define CORE_CHUNK_ENTRIES         64
#define CORE_ROUTES_OF_EVENT       16   /* subjects that a publisher's session remembers */
#define CORE_RETRY_JOURNAL_MS      50   /* a publisher is told to wait so long for room in the journal's queue */
#define CORE_AGAIN_MS              100  /* after the journal failed or had no room */
#define CORE_DAMAGED_MS            5000 /* a damaged record is looked at again after so long */
#define CORE_STATE_MAX             (64u << 10)
#define CORE_ATTEMPTS_KEPT         8
#define CORE_ATTEMPT_TEXT          512 /* of code and message of one attempt */
#define CORE_DELAY_MAX_MS          600000
#define CORE_ACK_WAIT_MIN_MS       100
#define CORE_ACK_WAIT_MAX_MS       600000
#define CORE_READ_BYTES            (256u << 10)
#define CORE_READ_EVENTS           512
#define CORE_COUNTED_SAVED         512  /* events with failed attempts whose count is saved */
#define CORE_REDRIVES_MAX          1024 /* of one group, out or waiting */
#define CORE_PUBLISH_SLOT_BITS     20   /* a publish's tag is serial << bits | slot */
#define CORE_NOT_A_MEMBER          UINT32_MAX
#define CORE_SUBSCRIPTIONS_OF_TOOL 128 /* in all its sessions */

typedef struct core_copy_of_event core_event;
typedef struct core_entry core_entry;
typedef struct core_group core_group;
typedef struct core_lane core_lane;
typedef struct core_subscription core_subscription;
typedef struct core_trouble core_trouble;

/* An event kept, shared by all groups that keep it. */
struct core_copy_of_event {
    uint32_t refs;
    size_t size; /* of the whole allocation */
    sut_stored_event event;
    char bytes[];
};

typedef enum core_entry_state {
    CORE_ENTRY_PACED,   /* of a replay: its time has not come */
    CORE_ENTRY_BLOCKED, /* behind another one of its key */
    CORE_ENTRY_READY,   /* on group->ready, with its body */
    CORE_ENTRY_HUNGRY,  /* on group->hungry: as ready, but its body must be read again */
    CORE_ENTRY_OUT,     /* on its member's hand */
    CORE_ENTRY_WAITING, /* until trouble->timer fires */
    CORE_ENTRY_DYING,   /* on group->dying: to be buried */
    CORE_ENTRY_DONE
} core_entry_state;

/* One event of a group that is past its cursor; or one that was redriven, beside the window. */
struct core_entry {
    sut_node node; /* of the list that its state names */
    uint64_t sequence;
    core_event *copy; /* NULL: read again when it is needed */
    core_lane *lane;  /* NULL: it has no key, or is redriven */
    core_entry *lane_next;
    core_subscription *member; /* OUT: who has it */
    core_trouble *trouble;     /* NULL: nothing went wrong yet */
    uint64_t taken_ns;         /* when the group took it in */
    uint64_t due_ns;           /* OUT: its ack wait is over; PACED: its time */
    uint64_t given_ns;
    uint32_t attempt; /* deliveries so far that count */
    uint8_t state;    /* core_entry_state */
    bool burying;     /* DYING: with the journal, on group->burying */
};

typedef struct core_attempt_kept {
    uint32_t attempt;
    int64_t time_us;
    uint16_t consumer_len, code_len, message_len;
    char *text; /* the three, one behind the other; NULL: there was no room */
} core_attempt_kept;

/* What went wrong with an entry so far. */
struct core_trouble {
    core_timer timer;       /* WAITING */
    sut_node node;          /* group->redrives, if redriven */
    struct core_op *forget; /* redriven: what the journal is asked when it is acknowledged */
    core_group *group;
    core_entry *entry;
    uint64_t dead_id;       /* of a redriven dead letter */
    uint32_t first_attempt; /* deliveries that a redriven one had before */
    uint32_t count;
    core_attempt_kept kept[CORE_ATTEMPTS_KEPT]; /* the last ones */
};

/* The events of one key that are past the cursor, in order; only the first one may be out. */
struct core_lane {
    core_lane *next_free;
    uint64_t hash;
    core_entry *first, *last;
};

typedef struct core_chunk {
    struct core_chunk *next_free;
    core_entry entries[CORE_CHUNK_ENTRIES];
} core_chunk;

/* The ring of entries past the cursor: positions count up, from `head` to below `tail`. */
typedef struct core_window {
    core_chunk **chunks; /* chunk of position p: chunks[p / CORE_CHUNK_ENTRIES & mask] */
    uint64_t mask;
    uint64_t head, tail;
    bool held;    /* chunks is there */
    bool of_tool; /* takes from the tools' half of memory */
} core_window;

typedef struct core_range {
    uint64_t from, to;
} core_range;

typedef struct core_counted { /* an entry's failed deliveries, known from before */
    uint64_t sequence;
    uint32_t attempts;
} core_counted;

/* Where a group stands without its window: what is saved, and what is kept while it has no member. */
typedef struct core_place {
    uint64_t cursor;      /* all up to it is done */
    int64_t from_time_us; /* not 0: the cursor is not known yet; from the first event of that time on */
    core_range *done;     /* above the cursor, in order, apart */
    size_t done_count, done_cap;
    core_counted *counted; /* by sequence */
    size_t counted_count, counted_cap;
} core_place;

typedef struct core_replay {
    bool on, is_new; /* new: the group was made for it */
    bool paced;      /* start_ns and time0_us are known */
    uint64_t from, to, at;
    double speed;
    uint64_t start_ns, paused_ns;
    int64_t time0_us;  /* of the first event that was read since start_ns */
    core_place before; /* where the group was */
    uint32_t generation_before;
} core_replay;

typedef enum core_op_kind { CORE_OP_READ, CORE_OP_SAVE, CORE_OP_BURY, CORE_OP_FORGET } core_op_kind;

/* Something asked of the journal. */
typedef struct core_op {
    sut_node node; /* of its group or subscription; unlinked: that is gone */
    uint64_t tag;
    core_op_kind kind;
    core_group *group;               /* NULL: gone, or of a subscription */
    core_subscription *subscription; /* READ of an ephemeral one */
    core_entry *entry;               /* BURY */
    uint64_t dead_id;                /* FORGET */
    uint64_t from;                   /* READ */
    bool in_redrive;                 /* BURY: of one beside the window */
    bool again;                      /* READ: of bodies */
} core_op;

typedef struct core_found { /* what a read gave */
    const sut_stored_event *events;
    size_t count;
    uint64_t next, oldest;
} core_found;

typedef struct core_filter {
    sut_str patterns[SUT_GROUP_SUBJECTS];
    size_t count;
    char *text;
} core_filter;

struct core_group {
    sut_node node; /* events->groups, by name; or events->erased */
    char name[SUT_GROUP_NAME_MAX + 1];
    uint8_t name_len;
    char owner[CORE_NAME_MAX + 1]; /* the tool whose subscription made it; "": nobody's */
    core_filter filter;
    uint64_t damaged;    /* the record at which it stands */
    bool paused, stored; /* stored: the journal knows it, so who subscribed may be told */
    bool live;           /* it has looked at all that was appended: appended events are offered to it */
    bool dirty, saving;
    bool erased; /* deleted, and the journal has not said yet that it knows */
    uint32_t generation, generation_last;
    uint64_t read;    /* the next sequence to look at, unless live */
    core_place place; /* with a window only `done` above what was read and `counted` count */
    core_window window;
    sut_u64map *lanes;
    uint32_t in_flight, waiting, ready_count, hungry_count, paced_count;
    uint32_t dying_count, burying_count; /* dying: with those that the journal is burying */
    sut_node ready, hungry, dying, burying, paced;
    sut_node redrives;
    uint32_t redrive_count;
    sut_node forgets; /* core_op FORGET that the journal had no room for */
    sut_node members; /* subscriptions */
    uint32_t member_count;
    core_subscription **heap;
    uint32_t heap_len, heap_cap;
    uint32_t credits_total; /* of the members in the heap */
    uint64_t window_bytes;  /* copies that it refers to */
    core_op *reading, *save_op;
    sut_node ops; /* READ, BURY, FORGET */
    sut_node ahead_node, pump_node;
    core_timer timer; /* journal again, next paced event */
    core_timer save_timer;
    uint64_t saved_ns;
    uint64_t bury_ns; /* not before: the journal took no dead letter */
    core_replay replay;
    uint64_t delivered_total, acked_total, nacked_total, expired_total, dead_total, stale_total, lost_total;
    uint64_t gaps_total, missed_total;
};

struct core_subscription {
    sut_node session_node, place_node; /* place: group->members or events->ephemeral */
    core_session *session;
    core_group *group; /* NULL: ephemeral */
    uint64_t id;
    uint32_t credits, in_flight;
    uint64_t weight;  /* counted at its peer */
    core_timer timer; /* ack wait of the first in hand; or the next marker */
    uint64_t gaps_total, missed_total;
    bool answered; /* the reply to subscribe is out */
    /* of a group */
    sut_node hand;                /* entries, by due_ns */
    uint32_t heap_index, overdue; /* overdue: expired here, and not answered since */
    uint64_t ack_wait_ms, last_used;
    /* ephemeral */
    core_filter filter;
    bool live, slow;
    uint64_t position; /* the next sequence to look at, unless live */
    int64_t from_time_us;
    uint64_t missed_from;
    char *key;
    uint16_t key_len;
    bool has_key;
    int64_t user_id;
    uint64_t *sent; /* ring of the sequences that are not acknowledged */
    uint32_t sent_head;
    core_op *reading;
    core_timer again;
    sut_node ahead_node;
};

typedef struct core_publish { /* without an answer */
    uint64_t tag;             /* 0: free */
    uint64_t session, id;
    uint32_t bytes, count, next_free;
    bool batch;
} core_publish;

typedef struct core_event_route core_event_route;
struct core_event_route {
    uint32_t acl_generation; /* 0: never made */
    uint8_t subject_len;
    bool known, named, allowed; /* named: the access list has it; allowed: the schema lets this peer */
    char subject[SUT_SUBJECT_MAX];
};

struct core_events {
    sut_core_event_limits limits;
    sut_core_event_ops ops;
    uint64_t first, next;
    uint64_t hash_seed;
    core_publish *publishes; /* slots; a tag's low bits are its slot */
    uint32_t publish_slots, publish_free, publish_count;
    uint64_t next_tag;
    sut_u64map *operations; /* core_op by tag */
    sut_strmap *groups_by_name;
    sut_node groups, erased, ephemeral;
    sut_node ahead_groups, ahead_subscriptions; /* their reads are ahead of what the core was told of */
    sut_node pumps;                             /* groups to look at before the input ends */
    uint32_t group_count, subscription_count;
    uint32_t in_flight, dirty, saves, buries; /* of all groups; saves, buries: with the journal */
    uint64_t match_generation;                /* never comes round: lists of an old one hold what is freed */
    struct core_match *matches;
    core_lane *free_lanes;
    core_chunk *free_chunk;
    struct sut_arena *arena; /* decoding of batches */
    sut_buf buf;             /* bodies made here, saved values */
    uint64_t next_use;
    sut_core_event_counts counts;
};

static inline sut_str core_group_name(const core_group *g)
{
    return (sut_str){g->name, g->name_len};
}
static inline uint64_t core_group_read(const struct core_events *e, const core_group *g)
{
    return g->live ? e->next : g->read;
}

/* event_pool.c: memory, charged to limits.event_bytes. */
bool core_event_room(const struct core_events *e, uint64_t bytes, bool for_tool); /* tools share one half */
bool core_event_charge(struct core_events *e, uint64_t bytes);
void core_event_charge_always(struct core_events *e, uint64_t bytes); /* what progress needs */
void core_event_discharge(struct core_events *e, uint64_t bytes);
core_event *core_event_keep(struct core_events *e, const sut_stored_event *event, bool for_tool,
                            bool always); /* NULL: no room */
core_event *core_event_ref(core_event *copy);
void core_event_unref(struct core_events *e, core_event *copy);
SUT_MUST_CHECK sut_status core_filter_set(core_filter *f, const sut_str *patterns, size_t count);
void core_filter_free(core_filter *f);
bool core_filter_matches(const core_filter *f, sut_str subject);
bool core_filter_same(const core_filter *f, const sut_str *patterns, size_t count);

/* event_op.c: what is asked of the journal, by tag. */
core_op *core_op_new(struct core_events *e, core_op_kind kind, sut_node *owner); /* NULL: out of memory */
void core_op_free(struct core_events *e, core_op *op);
core_op *core_op_take(struct core_events *e, uint64_t tag, core_op_kind kind, core_op_kind or_kind);
void core_ops_orphan(sut_node *owner); /* their answers will be ignored */

/* publish.c, published.c */
void core_publish_release(struct core_events *e, uint64_t tag);
void core_publish_input(sut_core *c, core_session *s, const sut_envelope *env);
void core_publish_refuse(sut_core *c, const core_session *s, const sut_envelope *env, const core_error *e);
/* May this peer publish this? If not it was told. */
bool core_publish_check(sut_core *c, core_session *s, const sut_envelope *env, const sut_stored_event *event);
void core_publish_hand_over(sut_core *c, core_session *s, const sut_envelope *env, const sut_stored_event *events,
                            size_t count, bool batch);
void core_publish_mint(sut_core *c, uint8_t id[SUT_EVENT_ID_LEN]);
/* publish_batch.c */
void core_publish_batch_input(sut_core *c, core_session *s, const sut_envelope *env);

/* subscribe.c */
void core_subscribe_input(sut_core *c, core_session *s, const sut_envelope *env);
void core_unsubscribe_input(sut_core *c, core_session *s, const sut_envelope *env);
void core_ack_input(sut_core *c, core_session *s, const sut_envelope *env); /* ack, nack, progress, term */
core_subscription *core_subscription_find(const core_session *s, uint64_t id);
void core_subscription_answer(sut_core *c, core_subscription *sub);
void core_subscription_end(sut_core *c, core_subscription *sub, bool lost);
void core_subscription_alarm(sut_core *c, core_subscription *sub); /* its timer */
void core_subscriptions_retire(const core_session *s);             /* no more events of groups */
void core_subscriptions_close(sut_core *c, core_session *s);
void core_subscriptions_remark(sut_core *c, const core_session *s); /* the time between markers has changed */
bool core_subscriptions_allowed(const sut_core *c, const core_session *s);
/* subscribe_body.c */
typedef struct core_wanted {
    sut_str subjects[SUT_GROUP_SUBJECTS];
    size_t subject_count;
    bool has_group, has_key;
    sut_str group, key;
    uint32_t credits, ack_wait_ms;
    int64_t user_id;
    enum { CORE_START_END, CORE_START_BEGINNING, CORE_START_SEQUENCE, CORE_START_TIME } start;
    uint64_t start_sequence;
    int64_t start_time_us;
} core_wanted;
/* Reads the body into `w` (strings in the core's arena); else says why in `message`. */
bool core_wanted_read(sut_core *c, sut_str body, core_wanted *w, char *message, size_t size);
bool core_group_name_valid(sut_str s);
bool core_patterns_valid(const sut_str *patterns, size_t count);

/* event_out.c: envelopes of events. */
void core_send_deliver(sut_core *c, const core_subscription *sub, const sut_stored_event *event, uint32_t attempt);
void core_send_gap(sut_core *c, core_subscription *sub, uint64_t from, uint64_t to, const char *reason);
void core_send_marker(sut_core *c, const core_subscription *sub);
bool core_deliverable(const sut_stored_event *event); /* fits whatever the broker adds to it */
void core_tell_delivery(sut_core *c, const char *outcome, const core_group *g, const core_subscription *sub,
                        const core_entry *entry, const sut_stored_event *event);

/* sight.c: each is called only if its kind is watched. */
void core_see_event(sut_core *c, const sut_stored_event *event);
void core_see_delivery(sut_core *c, const core_group *g, const core_entry *entry, sut_str code);

/* lane.c */
uint64_t core_key_hash(uint64_t seed, sut_str key);
/* Appends the entry to the lane of the key; false: out of memory. */
bool core_lane_join(struct core_events *e, core_group *g, core_entry *entry, sut_str key);
core_entry *core_lane_leave(struct core_events *e, core_group *g, core_entry *entry); /* the one whose turn it is */
void core_lanes_clear(struct core_events *e, core_group *g); /* with entries that are going away */
void core_lanes_free(struct core_events *e);

/* group_window.c */
SUT_MUST_CHECK sut_status core_window_init(core_window *w, bool of_tool);
void core_window_free(struct core_events *e, core_window *w);
core_entry *core_window_push(struct core_events *e, core_window *w, uint64_t sequence); /* NULL: no memory */
void core_window_unpush(struct core_events *e, core_window *w);                         /* the last one */
core_entry *core_window_at(const core_window *w, uint64_t position);
core_entry *core_window_find(const core_window *w, uint64_t sequence);
void core_window_pop(struct core_events *e, core_window *w);
static inline uint32_t core_window_count(const core_window *w)
{
    return (uint32_t)(w->tail - w->head);
}

/* group.c: life, members, reading. */
core_group *core_group_find(const struct core_events *e, sut_str name);
SUT_MUST_CHECK sut_status core_group_new(sut_core *c, sut_str name, const sut_str *patterns, size_t count,
                                         core_group **out);
void core_group_free(sut_core *c, core_group *g);
void core_group_erase(sut_core *c, core_group *g); /* from the journal, too */
uint64_t core_group_cursor(const struct core_events *e, const core_group *g);
void core_group_wake(sut_core *c, core_group *g); /* it is looked at before the input ends */
void core_groups_pump(sut_core *c);
void core_group_alarm(sut_core *c, core_group *g);
void core_group_later(sut_core *c, core_group *g, uint32_t ms);
/* Ends the window and all that is in it; the place is kept. */
void core_group_collapse(sut_core *c, core_group *g);
void core_window_drop(sut_core *c, core_group *g); /* the place is not touched */
/* group_read.c */
void core_group_read_more(sut_core *c, core_group *g);
void core_group_skip_damaged(sut_core *c, core_group *g);
void core_group_read_done(sut_core *c, const core_op *op, sut_status status, const core_found *found);
/* An event that was appended; `*shared` is the one copy of it, made when the first group needs it. */
void core_group_offer(sut_core *c, core_group *g, const sut_stored_event *event, core_event **shared);
void core_group_fall_behind(sut_core *c, core_group *g, uint64_t sequence); /* it was live */
/* group_retain.c */
void core_group_tell_gap(sut_core *c, core_group *g, uint64_t from, uint64_t to, const char *reason);
void core_group_lose_below(sut_core *c, core_group *g, uint64_t oldest); /* of the window, what has no body any more */
void core_group_retained(sut_core *c, core_group *g, uint64_t oldest);
/* group_member.c: the heap of members by free credit. */
SUT_MUST_CHECK sut_status core_member_add(core_group *g, core_subscription *sub);
void core_member_retire(core_group *g, core_subscription *sub);
void core_member_fix(core_group *g, core_subscription *sub);
core_subscription *core_member_most_free(const core_group *g);
/* group_deliver.c */
void core_entry_ready(sut_core *c, core_group *g, core_entry *entry, bool first);
void core_entry_keep(sut_core *c, core_group *g, core_entry *entry, const sut_stored_event *event, core_event **shared,
                     bool always);
void core_entry_drop_copy(sut_core *c, core_group *g, core_entry *entry);
bool core_entry_deliver(sut_core *c, core_group *g, core_entry *entry, const sut_stored_event *event);
void core_entry_take_back(sut_core *c, core_group *g, core_entry *entry); /* from its member's hand */
void core_entry_done(sut_core *c, core_group *g, core_entry *entry);
void core_entry_unlist(sut_core *c, core_group *g, core_entry *entry);
void core_entry_die(sut_core *c, core_group *g, core_entry *entry); /* it is on no list */
void core_redrives_drop(sut_core *c, core_group *g);
void core_group_deliver(sut_core *c, core_group *g);
core_entry *core_hand_entry(const core_subscription *sub, uint64_t sequence, uint32_t attempt);
void core_hand_alarm(sut_core *c, core_subscription *sub);
void core_hand_arm(sut_core *c, core_subscription *sub);
/* group_fail.c */
typedef struct core_fault {
    const char *outcome;
    sut_str code, message;
    uint32_t delay_ms; /* nack: named by its consumer */
    bool at_once, never_again;
    bool by_consumer; /* it said so itself */
} core_fault;
void core_entry_failed(sut_core *c, core_group *g, core_entry *entry, const core_fault *f);
void core_entry_again(sut_core *c, core_trouble *t); /* its timer */
void core_trouble_free(sut_core *c, core_entry *entry);
core_trouble *core_trouble_of(sut_core *c, core_group *g, core_entry *entry);
void core_trouble_note(sut_core *c, core_trouble *t, uint32_t attempt, int64_t time_us, sut_str consumer, sut_str code,
                       sut_str message);
void core_group_bury(sut_core *c, core_group *g);
void core_group_forget(sut_core *c, core_group *g);

/* group_place.c */
void core_place_free(struct core_events *e, core_place *p);
SUT_MUST_CHECK sut_status core_place_add_done(struct core_events *e, core_place *p, uint64_t from, uint64_t to);
SUT_MUST_CHECK sut_status core_place_add_counted(struct core_events *e, core_place *p, uint64_t sequence,
                                                 uint32_t attempts);
bool core_place_is_done(const core_place *p, uint64_t sequence);
uint32_t core_place_attempts(const core_place *p, uint64_t sequence);
void core_place_forget_below(struct core_events *e, core_place *p, uint64_t sequence);
/* What stands in the window joins the place. */
SUT_MUST_CHECK sut_status core_place_of(struct core_events *e, const core_group *g, core_place *out);
/* group_save.c, group_state.c */
void core_group_dirty(sut_core *c, core_group *g);
void core_group_save(sut_core *c, core_group *g); /* its timer */
void core_group_restored(sut_core *c, core_group *g);
void core_group_forget_save(sut_core *c, core_group *g); /* the group is going away */
SUT_MUST_CHECK sut_status core_state_encode(struct core_events *e, const core_group *g, sut_buf *out);
SUT_MUST_CHECK sut_status core_state_decode(struct core_events *e, core_group *g, sut_str value);
/* group_replay.c */
void core_replay_begin(sut_core *c, core_group *g, const core_replay *replay, int64_t from_time_us, bool is_new);
void core_replay_pause(sut_core *c, core_group *g);   /* g->paused has changed */
void core_replay_release(sut_core *c, core_group *g); /* whose time has come */
void core_replay_end(sut_core *c, core_group *g, bool stopped);
bool core_replay_over(const struct core_events *e, const core_group *g);
uint64_t core_replay_due(sut_core *c, core_group *g, const sut_stored_event *event);

/* ephemeral.c */
void core_ephemeral_start(sut_core *c, core_subscription *sub);
void core_ephemeral_offer(sut_core *c, core_subscription *sub, const sut_stored_event *event);
void core_ephemeral_ack(sut_core *c, core_subscription *sub, uint64_t sequence);
void core_ephemeral_read_done(sut_core *c, const core_op *op, sut_status status, const core_found *f);
void core_ephemeral_fall_behind(sut_core *c, core_subscription *sub, uint64_t sequence);
void core_ephemeral_marker(sut_core *c, core_subscription *sub);
void core_ephemeral_arm(sut_core *c, core_subscription *sub); /* the next marker */
void core_ephemeral_pump(sut_core *c, core_subscription *sub);
void core_ephemeral_retained(sut_core *c, core_subscription *sub, uint64_t oldest);

/* match.c: subject → who gets it. */
typedef struct core_match {
    uint64_t generation;
    uint8_t subject_len;
    char subject[SUT_SUBJECT_MAX];
    core_group **groups;
    core_subscription **subscriptions;
    size_t group_count, subscription_count;
} core_match;
const core_match *core_match_find(sut_core *c, sut_str subject); /* NULL: out of memory */
void core_matches_free(struct core_events *e);

/* events.c */
void core_events_free(sut_core *c);
void core_events_drain(sut_core *c);
bool core_events_drained(const sut_core *c);

#endif
