/* The broker's core: sessions, services, pending calls. A pure state machine: (state, input, now) → outputs through
 * sut_core_ops. No sockets, no clock, no threads; deterministic, so that the simulator drives it from a seed. The
 * daemon (broker/app) feeds it what its sockets say and writes out what it emits.
 *
 * Rules it keeps (DESIGN section 5; the simulator checks them):
 * - each accepted call gets exactly one reply or error, by its deadline plus one tick;
 * - credits are neither lost nor made; an instance never has more calls outstanding than it granted;
 * - `unavailable` is answered only for calls that were certainly never given to an instance;
 * - no queue passes its bound, and memory returns to its start when all peers have gone. */
#ifndef SUT_CORE_CORE_H
#define SUT_CORE_CORE_H

#include "core/acl.h"
#include "wire/sight.h"

typedef struct sut_core sut_core;

typedef struct sut_core_limits {
    uint32_t max_sessions;           /* 1024 */
    uint32_t max_services;           /* 256 */
    uint32_t queue_calls;            /* a service: queued calls, 10,000 */
    uint64_t queue_bytes;            /* a service: bytes of queued calls, 64 MiB */
    uint32_t pending_calls_per_peer; /* calls in flight or queued of one caller, 65,536 */
    uint64_t pending_bytes;          /* all copies that the core holds, 256 MiB */
    uint32_t max_ttl_ms;             /* longest deadline that a caller may ask for, 60,000 */
    uint32_t default_ttl_ms;         /* when a call names none and its method is unknown, 3,000 */
    uint32_t max_credits;            /* an instance's grant is cut to this, 4,096 */
    uint32_t ping_after_ms;          /* 500 of silence, then ping */
    uint32_t pings_missed;           /* 3 unanswered: dead */
    uint32_t drain_ms;               /* 2,000: what may finish after sut_core_drain */
    uint32_t hold_ms;                /* 5,000: how long calls wait for a service whose last instance has gone */
    uint64_t hand_bytes; /* 4 MiB: an instance with so much unanswered is given nothing more, whatever its credits */
} sut_core_limits;
#define SUT_CORE_LIMITS_DEFAULT                                                                                        \
    ((sut_core_limits){1024, 256, 10000, 64u << 20, 65536, 256u << 20, 60000, 3000, 4096, 500, 3, 2000, 5000, 4u << 20})

/* What the method table says of a subject; the daemon implements it over the schema tables. Unknown methods get safe
 * defaults (not idempotent, default_ttl_ms). */
typedef struct sut_core_method {
    bool known, idempotent;
    uint32_t timeout_ms;
    bool service_only; /* for the platform's own peers: a tool may call it only if its access list names it in full */
} sut_core_method;

typedef enum sut_drop_reason {
    SUT_DROP_BAD_ENVELOPE,
    SUT_DROP_VERSION,
    SUT_DROP_SILENT,
    SUT_DROP_REVOKED,
    SUT_DROP_REPLACED,
    SUT_DROP_LIMIT,
    SUT_DROP_BYE
} sut_drop_reason;
const char *sut_drop_reason_name(sut_drop_reason r);

/* Outputs. Called from within the inputs below; they must not call back into the core (but `control` may call
 * sut_core_control_reply). `env` is borrowed. */
typedef struct sut_core_ops {
    /* Queue this envelope for the session's peer. The daemon bounds the queue; a peer over it is closed afterwards. */
    void (*emit)(void *app, uint64_t session, const sut_envelope *env);
    /* Close the peer's connection; the session is already gone from the core when this is called. */
    void (*drop)(void *app, uint64_t session, sut_drop_reason reason);
    /* Look a subject up in the method table. */
    void (*method)(void *app, sut_str subject, sut_core_method *out);
    /* A call to `broker.*`: the daemon answers it by sut_core_control_reply now or later. */
    void (*control)(void *app, uint64_t call, uint64_t session, const sut_envelope *env);
    /* Something refused, for log and count: what ("call", "serve", "principal", "hello" …) and which subject. */
    void (*refused)(void *app, uint64_t session, const char *what, sut_str subject, int err);
    /* An accepted call ended: how long it took in all, and the err it was answered with (0: reply;
     * SUT_ERR_DOMAIN_FIRST: an error that its instance answered, whose code the core does not read). For histograms. */
    void (*finished)(void *app, sut_str subject, uint64_t took_ns, int err);
    /* A ready session asks for a tap, which the daemon answers by itself; and an unsubscribe that names no
     * subscription: perhaps it is a tap's. Without these there are no taps. */
    void (*tap)(void *app, uint64_t session, const sut_envelope *env);
    void (*untap)(void *app, uint64_t session, uint64_t id);
    /* What passes, of the kinds that sut_core_watch asked for. `at_us` is an event's own time, else 0: whoever needs it
     * sets it, for the core has no clock. Deliveries of events whose body had no room in memory name only group,
     * consumer and sequence. */
    void (*seen)(void *app, sut_sight *sight);
    /* While calls are watched: who is to be told of this call, which was just accepted? Its answer is the sights'
     * `picked`. 0: nobody, unless it ends in an error or slowly (sut_core_watch_slow); that end then names trace,
     * parent and principal, but no key and no login session. So whoever needs only some of many calls costs little for
     * the others. NULL: all are told. */
    uint8_t (*picks)(void *app, const sut_envelope *env);
    /* An operator makes a recorded call again for somebody (its principal), as its access list lets it. False: that
     * cannot be written down now, and the call is refused. */
    bool (*replayed)(void *app, uint64_t session, const sut_envelope *env);
} sut_core_ops;

SUT_MUST_CHECK sut_status sut_core_new(sut_core **out, const sut_core_limits *limits, const sut_core_ops *ops,
                                       void *app);
sut_core *sut_core_free(sut_core *c);
/* The name that welcome tells peers; at most 64 bytes, else -EMSGSIZE. "sut-broker" unless set. */
SUT_MUST_CHECK sut_status sut_core_set_broker_name(sut_core *c, sut_str name);
/* Which kinds (SUT_SIGHT_… or'ed) ops.seen is told of; 0, as at first: none, and what passes costs one branch. This one
 * may be called from within an output. Ends of
 * calls that were accepted before name neither principal nor trace. */
void sut_core_watch(sut_core *c, uint32_t kinds);
/* Replies of calls that nobody picked are told if they took so long; 0, as at first: never. */
void sut_core_watch_slow(sut_core *c, uint64_t slow_ns);
void sut_core_set_limits(sut_core *c, const sut_core_limits *limits); /* SIGHUP; holds for what comes after */

/* A connection was authenticated by the transport as `name`. Must say hello before anything else. Its ACL entry is
 * looked up by name at each envelope (so that a reload holds at once). Returns the session id, 0 if max_sessions are
 * open, or a quarter of them by this one tool. */
uint64_t sut_core_open(sut_core *c, uint64_t now_ns, sut_str name);
/* The transport lost it (disconnect, EHOSTUNREACH, queue over its bound). Its calls are cancelled; calls given to it
 * fail over or end as outcome_unknown. No `drop` is emitted. Unknown ids are ignored. */
void sut_core_close(sut_core *c, uint64_t now_ns, uint64_t session);
/* One decoded envelope from the session. Unknown sessions are ignored. */
void sut_core_input(sut_core *c, uint64_t now_ns, uint64_t session, const sut_envelope *env);
/* Bytes of the session that are no envelope: answers an error where it can, and drops. */
void sut_core_garbage(sut_core *c, uint64_t now_ns, uint64_t session, sut_envelope_fault fault);
/* Swaps the access list (borrowed; outlives the core or the next swap) and drops sessions whose name is gone or
 * revoked. */
void sut_core_set_acl(sut_core *c, uint64_t now_ns, const sut_acl *acl);
/* Answers a control call: body of the reply, or err != 0 with a message in the body. */
void sut_core_control_reply(sut_core *c, uint64_t now_ns, uint64_t call, int err, sut_str body_or_message);

uint64_t sut_core_next_ns(const sut_core *c); /* when tick wants to run next; SUT_NEVER if idle */
void sut_core_tick(sut_core *c, uint64_t now_ns);
/* Says bye to all, and a ping behind it; refuses new calls as unavailable. Ends when all in flight is done and every
 * peer has answered that ping (what it sent before it read the bye has then been answered), or when drain_ms passed. */
void sut_core_drain(sut_core *c, uint64_t now_ns);
bool sut_core_drained(const sut_core *c);
/* Once drained: a ping to all, behind their last answers. Drained again when each has answered it: what is closed then
 * has been read. (A connection that ends takes what its peer has not read yet with it: libzmq's DEALER with
 * ZMQ_RECONNECT_IVL -1 throws it away.) The application bounds the wait. */
void sut_core_leave(sut_core *c, uint64_t now_ns);

/* Read-only views for broker.status, in stable order. */
typedef struct sut_core_session_view {
    uint64_t id;
    sut_str name, instance;
    sut_role role;
    bool ready, draining;
    uint32_t calls_pending; /* as a caller */
    uint32_t calls_in_hand; /* as an instance */
    uint64_t opened_ns, last_heard_ns;
} sut_core_session_view;
typedef struct sut_core_service_view {
    sut_str name;
    uint32_t instances, credits_free; /* of instances that take new calls */
    uint32_t in_flight;               /* given to instances and not answered by them */
    uint32_t queued;
    uint64_t queued_bytes, calls_total, errors_total, overloaded_total, failovers_total, expired_total;
} sut_core_service_view;
void sut_core_each_session(const sut_core *c, void (*fn)(const sut_core_session_view *v, void *arg), void *arg);
void sut_core_each_service(const sut_core *c, void (*fn)(const sut_core_service_view *v, void *arg), void *arg);
uint64_t sut_core_bytes_held(const sut_core *c); /* call objects and copies of envelopes; 0 when nothing is pending */
uint32_t sut_core_pending(const sut_core *c);    /* calls whose caller waits for an answer */

typedef struct sut_core_counts {
    uint32_t sessions, services,
        calls; /* objects alive; calls includes those answered but still in an instance's hand */
    uint64_t bytes_held, pending_bytes_max;
    uint64_t calls_total, errors_total, refused_total, drops_total;
    uint64_t stray_replies_total;  /* replies for calls that the instance does not have in hand: ignored */
    uint64_t wrong_attempts_total; /* replies for another attempt: only the credit was taken back */
    uint64_t credits_cut_total;    /* grants cut to max_credits */
} sut_core_counts;
void sut_core_get_counts(const sut_core *c, sut_core_counts *out);

#endif
