/* The core's private state, and what its parts offer each other. Who calls whom: core.c (inputs) → session.c, call.c,
 * reply.c, control.c → service.c → answer.c (outputs). Nothing here is seen outside this folder. */
#ifndef SUT_CORE_STATE_H
#define SUT_CORE_STATE_H

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "core/core.h"
#include "wheel.h"

#define CORE_NAME_MAX         64
#define CORE_ROUTE_SLOTS      32 /* subjects that a session remembers */
#define CORE_SERVICES_A_PEER  16
#define CORE_CONTROL_PREFIX   "broker."
#define CORE_RETRY_DRAIN_MS   200 /* what a caller is told to wait for a broker or an instance that leaves */
#define CORE_RETRY_UNKNOWN_MS 1000

#define CORE_FAILOVER_MS       2000 /* a call whose only instance died is answered so long after it was given … */
#define CORE_FAILOVER_LEAST_MS 200  /* … but not before a restart had this time */

typedef struct core_call core_call;
typedef struct core_instance core_instance;
typedef struct core_service core_service;
typedef struct core_session core_session;

/* What a caller asked for, kept: an envelope that owns its bytes. */
typedef struct core_copy {
    sut_envelope env;
    size_t size; /* of the whole allocation */
    char bytes[];
} core_copy;

/* What the sight of a call's end tells of its beginning: short and in the call itself, but for a key, which few have.
 */
typedef struct core_origin {
    char traceparent[SUT_TRACEPARENT_LEN], parent_id[SUT_SPAN_ID_LEN];
    uint8_t traceparent_len, parent_id_len, level;
    uint16_t key_len;
    char *key; /* NULL: none */
    int64_t user_id;
} core_origin;

typedef enum core_call_state {
    CORE_CALL_QUEUED, /* on its service's queue, or if pinned on its instance's */
    CORE_CALL_GIVEN,  /* in the hand of `instance` */
    CORE_CALL_CONTROL /* with the daemon */
} core_call_state;

/* One call, from acceptance until both its caller has been answered and no instance has it in hand. */
struct core_call {
    core_timer timer;        /* deadline; armed as long as `caller` is set */
    sut_node caller_node;    /* caller->calls */
    sut_node place_node;     /* the queue that it waits in, or the hand that it is in */
    core_session *caller;    /* NULL: answered, or gone */
    core_service *service;   /* NULL: control */
    core_instance *instance; /* given to; or pinned to, while queued */
    core_copy *copy;         /* NULL unless queued, or idempotent */
    uint64_t caller_id;      /* correlation id of the caller's session */
    uint64_t given_id;       /* … of the instance's session; of a control call: its handle */
    uint64_t sequence;       /* order of acceptance */
    uint64_t accepted_ns, deadline_ns;
    uint64_t given_ns; /* when an instance got it last */
    core_call_state state;
    uint32_t given_bytes; /* the size that it was given with */
    uint32_t attempt;     /* how often it was given to an instance */
    bool idempotent, pinned;
    bool passed_over; /* nobody picked it: only an error or a slow reply is told */
    bool has_origin;  /* somebody watches */
    uint8_t picked;
    uint8_t subject_len;
    char subject[SUT_SUBJECT_MAX];
    core_origin origin;
};

/* One session's part in one service. */
struct core_instance {
    sut_node session_node, service_node;
    core_session *session;
    core_service *service;
    sut_node pinned;                         /* queued calls that ask for this instance */
    uint32_t granted, credits_free, in_hand; /* granted == credits_free + in_hand */
    uint64_t hand_bytes;                     /* of the calls in hand */
    bool full;                               /* hand_bytes has reached its limit: takes none until it answers */
    uint32_t heap_index;                     /* CORE_NOT_IN_HEAP: takes no new calls */
    uint64_t last_used;                      /* ties go to the least recently used */
};
#define CORE_NOT_IN_HEAP UINT32_MAX

typedef struct core_rate { /* answers while calls wait, a window of a second at a time */
    uint64_t window_ns, answers;
    uint64_t per_s; /* of the last whole window; 0: there was none since the queue began */
} core_rate;

struct core_service {
    sut_node node;      /* core->services, sorted by name */
    core_timer timer;   /* armed while calls are held for an instance to come */
    sut_node instances; /* in order of registration */
    uint32_t instance_count;
    core_instance **heap; /* those that take new calls, the most free one first */
    uint32_t heap_len, heap_cap;
    sut_node queue;
    uint32_t queued; /* with the pinned ones */
    uint64_t queued_bytes;
    uint32_t in_flight;
    bool gone; /* the hold is over: calls are refused as no_such_service */
    uint64_t calls_total, errors_total, overloaded_total, failovers_total, expired_total;
    core_rate rate;
    uint8_t name_len;
    char name[SUT_SUBJECT_MAX];
};

/* What a session remembers of a subject that it calls. */
typedef struct core_route {
    uint32_t acl_generation, service_generation; /* those that it was made under */
    bool allowed, control;
    uint8_t subject_len;
    sut_core_method method;
    core_service *service; /* NULL: nobody serves it */
    char subject[SUT_SUBJECT_MAX];
} core_route;

typedef struct core_slot {
    core_call *call;
    uint32_t next_free;
} core_slot;

/* All sessions of one name (peer.c). */
typedef struct core_peer {
    uint32_t sessions, subscriptions, publishes_pending;
    uint64_t subscription_bytes, publish_bytes;
} core_peer;

struct core_session {
    sut_node node; /* core->sessions, by id */
    core_timer timer;
    uint64_t id, opened_ns, last_heard_ns;
    char name[CORE_NAME_MAX + 1], instance[CORE_NAME_MAX + 1];
    core_peer *peer;          /* held */
    const sut_acl_entry *acl; /* NULL: no such peer (any more) */
    sut_role role;            /* as of hello */
    bool ready, draining, closing;
    sut_str title; /* what sights call it: its name, or if that has several sessions its instance */
    uint32_t pings_out;
    uint64_t farewell_ping; /* behind our bye or our last answer; its pong says that all sent before it was read. 0:
                               none out */
    sut_node calls;         /* as a caller, in order of acceptance */
    sut_u64map *calls_by_id;
    uint32_t calls_pending;
    uint32_t queued; /* of these, on a service's queue */
    uint64_t queued_bytes;
    sut_node instances;
    uint32_t instance_count;
    sut_node hand; /* calls given to it, in order */
    uint32_t in_hand;
    core_slot *slots; /* a given id's low bits are its slot here; as many as credits were granted */
    uint32_t slot_count, slot_free;
    uint64_t given_serial;
    core_route *routes; /* CORE_ROUTE_SLOTS of them, once it calls */
    sut_node subscriptions;
    uint32_t subscription_count;
    uint32_t publishes_pending; /* with the journal */
    uint64_t publish_bytes;
    struct core_event_route *event_routes; /* once it publishes */
};

struct sut_core {
    sut_core_limits limits;
    sut_core_ops ops;
    void *app;
    uint32_t watched; /* kinds of sights */
    sut_sight sight;  /* of calls: filled in place, for clearing so much each time costs more than filling it */
    uint64_t slow_ns;
    const sut_acl *acl;
    uint64_t now_ns;
    char broker_name[CORE_NAME_MAX + 1];
    sut_u64map *sessions_by_id;
    sut_strmap *services_by_name;
    sut_strmap *peers;    /* core_peer by name, of those with sessions */
    sut_u64map *controls; /* by handle */
    sut_node sessions, services;
    uint32_t session_count, service_count;
    uint32_t acl_generation, service_generation;
    uint64_t next_session, next_sequence, next_use, next_ping, next_control;
    bool draining, drain_over;
    core_timer drain_timer;
    uint32_t farewells; /* sessions with a farewell ping out */
    uint32_t pending;
    struct core_pool *pool;
    sut_buf scratch;         /* bodies that the core makes itself */
    struct sut_arena *arena; /* decoding of hello and of error bodies */
    sut_core_counts counts;
    struct core_events *events; /* event_state.h; NULL: the journal is not open */
    core_wheel wheel;
};

static inline sut_str core_call_subject(const core_call *call)
{
    return (sut_str){call->subject, call->subject_len};
}
static inline sut_str core_service_name(const core_service *s)
{
    return (sut_str){s->name, s->name_len};
}
/* Time never runs backwards here, whatever the caller says. */
static inline void core_set_now(sut_core *c, uint64_t now_ns)
{
    if (now_ns > c->now_ns)
        c->now_ns = now_ns;
}
static inline bool core_call_never_given(const core_call *call)
{
    return call->attempt == 0;
}

/* pool.c: call objects and copies of envelopes, charged to limits.pending_bytes. */
SUT_MUST_CHECK sut_status core_pool_new(struct core_pool **out);
struct core_pool *core_pool_free(struct core_pool *p);
core_call *core_call_new(sut_core *c);             /* zeroed; NULL: over the bound or out of memory */
void core_call_free(sut_core *c, core_call *call); /* with its copy; on no list any more */
/* Keeps a copy of the request in the call (if it has none yet). False: over the bound or out of memory. */
bool core_call_keep(sut_core *c, core_call *call, const sut_envelope *env);
void core_call_forget_copy(sut_core *c, core_call *call);
/* Without memory for its key the call goes on, and its end is seen without it. */
void core_call_note_origin(sut_core *c, core_call *call, const sut_envelope *env, bool with_key);

/* sight.c: what ops.seen is told. Each is called only if its kind is watched. */
#define CORE_SIGHTS_OF_ENDS  (SUT_SIGHT_REPLY | SUT_SIGHT_ERROR)
#define CORE_SIGHTS_OF_CALLS (SUT_SIGHT_CALL | SUT_SIGHT_REPLY | SUT_SIGHT_ERROR)
bool core_tells_reply(const sut_core *c, const core_call *call);                 /* also whether replies are watched */
void core_see_acceptance(sut_core *c, core_call *call, const sut_envelope *env); /* who is told of it? */
void core_see_call(sut_core *c, const core_call *call, const core_session *to, const sut_envelope *env);
/* The end of a call whose caller was `caller`; `from` NULL: the broker itself answers. */
void core_see_reply(sut_core *c, const core_call *call, const core_session *caller, const core_session *from,
                    sut_str body);
void core_see_error(sut_core *c, const core_call *call, const core_session *caller, const core_session *from,
                    sut_str code, sut_str body);
/* The broker's own error, whose body was just made in `scratch`; of a call that was accepted, and of one that was not.
 */
void core_see_failure(sut_core *c, const core_call *call, const core_session *caller, int err);
void core_see_refusal(sut_core *c, const core_session *caller, const sut_envelope *env, int err);
void core_see_names(sut_core *c, sut_str name); /* a session of this name came or goes */

/* answer.c: what is sent to peers. */
/* The broker's own ids and options may take more bytes than what they replace. An envelope goes on only if it is within
 * its limit whatever they take: or it would cost the next peer, which did nothing wrong, its connection. */
static inline bool core_fits(const sut_envelope *env)
{
    return sut_envelope_size_bound(env) <= SUT_ENVELOPE_MAX;
}
typedef struct core_error {
    int err;
    uint32_t retry_after_ms;
    const char *message;
} core_error;
void core_emit(sut_core *c, const core_session *s, const sut_envelope *env);
void core_send_error(sut_core *c, const core_session *s, uint64_t id, uint32_t attempt, sut_str subject,
                     const core_error *e);
/* Ends the caller's wait: takes the call from its caller, counts, tells `finished`; sends nothing. */
void core_call_settle(sut_core *c, core_call *call, int err);
/* Answers the caller with an error and frees the call unless an instance has it in hand. Must be on no queue. */
void core_call_fail(sut_core *c, core_call *call, const core_error *e);

/* route.c */
const core_route *core_route_find(sut_core *c, core_session *s, sut_str subject); /* NULL: out of memory */

/* service.c: services, instances, credits, queues. */
core_service *core_service_find(const sut_core *c, sut_str name);
SUT_MUST_CHECK sut_status core_service_get(sut_core *c, sut_str name, core_service **out); /* makes it if need be */
SUT_MUST_CHECK sut_status core_instance_add(sut_core *c, core_session *s, core_service *service, uint32_t credits);
SUT_MUST_CHECK sut_status core_instance_grant(sut_core *c, core_instance *inst, uint32_t credits);
core_instance *core_instance_of(const core_session *s, const core_service *service);
/* Takes no new calls from now on; those pinned to it are refused as unavailable. */
void core_instance_retire(sut_core *c, core_instance *inst);
void core_instance_remove(sut_core *c, core_instance *inst); /* retired, nothing in hand */
bool core_service_has_taker(const core_service *s);
core_instance *core_service_most_free(const core_service *s); /* NULL: nobody can take one */
static inline bool core_instance_can_take(const core_instance *inst)
{
    return inst->credits_free > 0 && !inst->full;
}
core_instance *core_service_pinned(const core_service *s, sut_str instance);
bool core_service_queue_has_room(const sut_core *c, const core_service *s, size_t bytes);
/* A tool may fill a quarter of a queue: the rest is for those that the platform depends on. */
bool core_session_may_queue(const sut_core *c, const core_session *s, size_t bytes);
void core_service_enqueue(sut_core *c, core_service *s,
                          core_call *call); /* by order of acceptance; call->copy is kept */
void core_service_dequeue(core_call *call);
void core_service_pump(sut_core *c, core_service *s);      /* gives queued calls to whoever has free credit */
void core_instance_pump(sut_core *c, core_instance *inst); /* the same, after this one got credit */
void core_service_hold_over(sut_core *c, core_service *s); /* its timer */
void core_service_flush(sut_core *c, core_service *s);     /* refuses all that is queued */
void core_service_free(sut_core *c, core_service *s);

/* rate.c: how fast a service works off its queue. */
void core_rate_queue_begins(const sut_core *c, core_rate *r);
void core_rate_answered(const sut_core *c, core_rate *r);
/* How long a call that joins the queue now will take to be answered, by Little's law; 0: not known. */
uint32_t core_rate_answer_ms(const sut_core *c, const core_service *s);
uint32_t core_rate_retry_after_ms(const sut_core *c, const core_service *s);

/* credit.c: heap of free credit, and the hand of a session. */
void core_heap_add(core_service *s, core_instance *inst); /* room was made */
void core_heap_remove(core_service *s, core_instance *inst);
void core_heap_fix(core_service *s, core_instance *inst);
SUT_MUST_CHECK sut_status core_hand_grow(core_session *s, uint32_t credits); /* room for this many more calls */
/* Gives the call to the instance, which has free credit: takes the credit, sends. */
void core_hand_give(sut_core *c, core_instance *inst, core_call *call, const sut_envelope *env);
core_call *core_hand_find(const core_session *s, uint64_t given_id);
void core_hand_take_back(sut_core *c, core_call *call); /* the credit is free again */

/* call.c: a call's way to an instance. */
void core_call_input(sut_core *c, core_session *s, const sut_envelope *env);
void core_call_cancel_input(sut_core *c, core_session *s, const sut_envelope *env);
void core_call_expire(sut_core *c, core_call *call);
void core_call_abandon(sut_core *c, core_call *call);            /* the caller has gone */
void core_call_stop(sut_core *c, core_call *call);               /* the broker's drain is over */
void core_call_cancel_given(sut_core *c, const core_call *call); /* tells its instance */

/* reply.c: a call's way back, and what becomes of the calls of an instance that died. */
void core_reply_input(sut_core *c, core_session *s, const sut_envelope *env);
void core_hand_lost(sut_core *c, core_session *s); /* the session is closing */

/* control.c */
void core_control_input(sut_core *c, core_session *s, core_call *call, const sut_envelope *env);
void core_control_forget(sut_core *c, core_call *call);

/* hello.c */
void core_hello_input(sut_core *c, core_session *s, const sut_envelope *env);

/* session.c */
core_peer *core_peer_find(const sut_core *c, sut_str name); /* NULL: it has no session */
core_peer *core_peer_hold(sut_core *c, sut_str name);       /* NULL: out of memory */
void core_peer_drop(sut_core *c, core_peer *p, sut_str name);
core_session *core_session_find(const sut_core *c, uint64_t id);
void core_session_alarm(sut_core *c, core_session *s); /* its timer */
void core_session_bye(sut_core *c, core_session *s);
void core_session_farewell(sut_core *c, core_session *s); /* the broker's own bye, and a ping behind it */
void core_session_await(sut_core *c, core_session *s);    /* that ping: until its pong, the core is not drained */
void core_session_pong(sut_core *c, core_session *s, uint64_t id);
void core_session_retire(sut_core *c, core_session *s); /* all its instances */
void core_session_close(sut_core *c, core_session *s);  /* frees it */
/* Tells the peer why (e may be NULL), closes, tells the daemon. The session is gone afterwards. */
void core_session_drop(sut_core *c, core_session *s, sut_drop_reason reason, uint64_t id, const core_error *e);

#endif
