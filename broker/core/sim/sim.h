/* The simulator: a broker core in a virtual world of peers, connections and faults, all from one seed. What its parts
 * share. world.c runs events; net.c carries messages; peers.c behaves like callers and instances; faults.c breaks
 * things; oracle.c and invariants.c know what must hold, independently of the core, and say so. */
#ifndef SUT_CORE_SIM_H
#define SUT_CORE_SIM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "core/core.h"

#define SIM_SERVICES      2
#define SIM_PEERS         10
#define SIM_DROP_REASONS  (SUT_DROP_BYE + 1)
#define SIM_CONNS         160
#define SIM_CALLS         1200
#define SIM_JOBS          2600
#define SIM_OUTSTANDING   96
#define SIM_NONE          UINT32_MAX
#define SIM_SESSION_IDS   (UINT64_C(1) << 40) /* ids of hello and ping, apart from those of calls */
#define SIM_MS(ms)        ((uint64_t)(ms)*SUT_NS_PER_MS)
#define SIM_DELAY_MAX_MS  150
#define SIM_DOWN_MAX      200 /* messages on their way to a peer: the daemon closes it past that */
#define SIM_DETECT_MAX_MS 1760

/* Rare ways through the world of events. A run of many seeds that never took one proves nothing about it. */
typedef enum sim_path {
    SIM_PATH_JOURNAL_BUSY,
    SIM_PATH_STORAGE_FULL,
    SIM_PATH_OVERLOADED,
    SIM_PATH_SAID_AGAIN,
    SIM_PATH_DUPLICATE,
    SIM_PATH_SOURCE_DUPLICATE,
    SIM_PATH_FENCED,
    SIM_PATH_BATCH,
    SIM_PATH_DELAYED,
    SIM_PATH_TOLD_LATE,
    SIM_PATH_READ_AHEAD,
    SIM_PATH_RETAINED,
    SIM_PATH_ACKED,
    SIM_PATH_NACKED,
    SIM_PATH_EXPIRED,
    SIM_PATH_CONSUMER_LOST,
    SIM_PATH_TERMED,
    SIM_PATH_DEAD,
    SIM_PATH_BURY_FAILED,
    SIM_PATH_LAST_TRY,
    SIM_PATH_STALE_ACK,
    SIM_PATH_EATEN,
    SIM_PATH_WINDOW_FULL,
    SIM_PATH_GROUP_GAP,
    SIM_PATH_SLOW_GAP,
    SIM_PATH_LISTENER_GAP,
    SIM_PATH_MARKER,
    SIM_PATH_LISTENER_RESUMED,
    SIM_PATH_LISTENER_REFUSED,
    SIM_PATH_REDRIVEN,
    SIM_PATH_REDRIVEN_ACKED,
    SIM_PATH_REDRIVEN_DEAD,
    SIM_PATH_PAUSED,
    SIM_PATH_DELETED,
    SIM_PATH_REPLAY,
    SIM_PATH_REPLAY_NEW,
    SIM_PATH_REPLAY_PACED,
    SIM_PATH_REPLAY_STOPPED,
    SIM_PATH_REPLAY_ENDED,
    SIM_PATH_REPLAY_RESTARTED,
    SIM_PATH_RESTART,
    SIM_PATH_DRAINED,
    SIM_PATH_COUNT
} sim_path;
extern const char *const sim_path_names[SIM_PATH_COUNT];

typedef struct sim_options {
    uint64_t seed;
    uint32_t events; /* how many go by before the world calms down */
    bool verbose;    /* trace to standard output */
} sim_options;

typedef struct sim_result {
    bool ok;
    char reason[320];
    uint64_t hash; /* of all that happened: equal for equal seeds */
    uint32_t calls, replies, errors, failovers, executions, drops;
    uint32_t by_error[SUT_ERR_PLATFORM_COUNT]; /* answers, by sut_err; 0: replies and errors of services */
    uint32_t by_drop[SIM_DROP_REASONS];
    uint32_t paths[SIM_PATH_COUNT]; /* of the world of events */
} sim_result;

/* Runs one seed. Returns result->ok; out of memory is a failure too. */
bool sim_run(const sim_options *options, sim_result *result);

/* The world of events (events.c), the same way; `executions` are its deliveries. */
bool sim_events_run(uint64_t seed, sim_result *result);

/* ---- inside ---- */

typedef struct sim_method {
    const char *subject;
    uint32_t service; /* SIM_NONE: nobody's */
    bool known, idempotent, control;
} sim_method;
extern const sim_method sim_methods[];
extern const uint32_t sim_method_count;
extern const char *const sim_services[SIM_SERVICES];
uint32_t sim_service_of(sut_str subject);

typedef struct sim_peer {
    char name[16];
    sut_role role;
    bool calls, serves[SIM_SERVICES];
    bool active, slow, stopped, start_pending;
    bool revoked, no_call, no_serve; /* as the access list has it now */
    uint32_t conn;                   /* SIM_NONE: not connected */
    uint32_t runs;                   /* restarts: part of the instance id of some */
    uint64_t resumed_awake;          /* when it was last stopped or slow */
} sim_peer;

typedef struct sim_given { /* a call that an instance was given and whose answer the core has not seen */
    uint64_t id;
    uint32_t call, attempt, service;
} sim_given;

typedef struct sim_message {
    struct sim_message *next;
    uint32_t len;
    int garbage; /* a sut_envelope_fault: these bytes are no envelope */
    uint8_t bytes[];
} sim_message;

typedef struct sim_conn {
    uint32_t peer;
    uint64_t session;       /* 0: the core has no session (any more) */
    char label[24];         /* instance id */
    bool peer_open, cut;    /* cut: nothing goes through, and nobody has noticed */
    bool killed;            /* the process behind it is gone, with its jobs */
    bool bad;               /* it broke the protocol: the core may drop it for that */
    bool rights_changed;    /* … or for this */
    bool ready, bye;        /* as the core has it */
    bool welcomed, leaving; /* as the peer has it */
    uint32_t hello[SIM_SERVICES], granted[SIM_SERVICES], outstanding[SIM_SERVICES];
    sim_given given[SIM_OUTSTANDING];
    uint32_t given_count;
    uint64_t last_up, last_down, heard_awake;
    uint64_t late_until; /* messages to it were late until then */
    uint32_t down_count;
    sim_message *inbox, **inbox_end; /* what a stopped peer has not read */
} sim_conn;

typedef struct sim_call {
    uint32_t conn, method;
    uint32_t ttl_ms;
    uint64_t deadline;
    bool sent_twice, pending, pinned, cancelled, principal;
    bool before_hello;
    bool denied;         /* some right is missing */
    bool not_executed;   /* the caller was told so */
    bool cancel_due;     /* the cancel that is going in finds it waiting */
    bool cancel_sent;    /* its instance was told */
    uint32_t duplicates; /* bad_envelope answers that are owed besides */
    uint32_t given, executed, answers;
} sim_call;

typedef struct sim_job { /* a call in the hand of an instance, as the instance has it */
    uint32_t conn, call, service, attempt;
    uint64_t id, deadline;
    bool cancelled, done;
} sim_job;

typedef enum sim_event_kind {
    SIM_UP,      /* a message reaches the core */
    SIM_DOWN,    /* … a peer */
    SIM_CLOSED,  /* the daemon notices that a connection is gone */
    SIM_LOST,    /* … the peer notices */
    SIM_START,   /* a peer connects */
    SIM_CALL,    /* a caller calls */
    SIM_CANCEL,  /* … cancels */
    SIM_WORK,    /* an instance begins a job */
    SIM_ANSWER,  /* … answers it */
    SIM_GRANT,   /* … grants more credit */
    SIM_CONTROL, /* the daemon answers a control call */
    SIM_FAULT,   /* something breaks */
    SIM_RESUME   /* a stopped peer goes on */
} sim_event_kind;

typedef struct sim_event {
    uint64_t at, order;
    sim_event_kind kind;
    uint32_t target; /* connection, peer, call or job, by kind */
    uint64_t value;
    sim_message *message;
} sim_event;

typedef struct sim_world {
    sim_options options;
    sim_result *result;
    uint64_t random;
    uint64_t now, awake; /* awake: now without the jumps of the clock */
    uint64_t last_jump_awake;
    sut_core *core;
    sut_core_limits limits;
    sut_acl *acl, *old_acl;
    sut_arena *arena;
    sut_buf buf;
    sim_event *events; /* a binary heap by (at, order) */
    uint32_t event_count, event_cap;
    uint64_t next_order, next_id;
    uint32_t steps;
    bool calm, draining, ended;
    uint64_t drain_at;
    sim_peer peers[SIM_PEERS];
    sim_conn conns[SIM_CONNS];
    uint32_t conn_count;
    uint32_t conn_of_session[SIM_CONNS + 1];
    sim_call calls[SIM_CALLS];
    uint32_t call_count;
    sim_job jobs[SIM_JOBS];
    uint32_t job_count;
    uint32_t waiting[SIM_SERVICES]; /* unpinned calls that were never given and not answered */
    /* What the core is being told just now, so that the oracle can judge its outputs. */
    uint32_t input_kind; /* sut_kind; 0: something else */
    uint32_t input_call; /* the call that an instance's answer is for; SIM_NONE */
} sim_world;

/* world.c */
uint64_t sim_random(sim_world *w, uint64_t below);
bool sim_chance(sim_world *w, uint32_t percent);
void sim_at(sim_world *w, uint64_t at, sim_event_kind kind, uint32_t target, uint64_t value);
void sim_push(sim_world *w, sim_event e);
void sim_note(sim_world *w, const char *fmt, ...) SUT_PRINTF(2, 3);
void sim_fail(sim_world *w, const char *fmt, ...) SUT_PRINTF(2, 3);
void sim_set_acl(sim_world *w);

/* net.c */
uint32_t sim_connect(sim_world *w, uint32_t peer); /* SIM_NONE: refused */
void sim_send_up(sim_world *w, uint32_t conn, const sut_envelope *env);
void sim_send_garbage(sim_world *w, uint32_t conn, sut_envelope_fault fault);
void sim_send_down(sim_world *w, uint32_t conn, const sut_envelope *env);
void sim_arrive_up(sim_world *w, uint32_t conn, sim_message *m);
void sim_arrive_down(sim_world *w, uint32_t conn, sim_message *m);
void sim_read_inbox(sim_world *w, uint32_t conn);
void sim_peer_closes(sim_world *w, uint32_t conn, bool noticed); /* the peer's end is gone */
void sim_core_closes(sim_world *w, uint32_t conn);               /* the daemon closes */
void sim_core_dropped(sim_world *w, uint32_t conn);              /* the core said drop */
void sim_free_inbox(sim_conn *k);

/* peers.c */
void sim_peer_start(sim_world *w, uint32_t peer);
void sim_peer_lost(sim_world *w, uint32_t conn);
void sim_peer_receive(sim_world *w, uint32_t conn, const sut_envelope *env);
void sim_peer_bye(sim_world *w, uint32_t peer);
void sim_caller_calls(sim_world *w, uint32_t peer);
void sim_caller_cancels(sim_world *w, uint32_t call);
void sim_job_work(sim_world *w, uint32_t job);
void sim_job_answer(sim_world *w, uint32_t job, uint64_t how);
void sim_instance_grants(sim_world *w, uint32_t conn);

/* faults.c */
void sim_fault(sim_world *w);
void sim_stop(sim_world *w, uint32_t peer);
void sim_resume(sim_world *w, uint32_t peer);

/* oracle.c */
bool sim_oracle_before(sim_world *w, uint32_t conn, const sut_envelope *env); /* false: this would prove nothing */
void sim_oracle_after(sim_world *w, uint32_t conn, const sut_envelope *env);
void sim_oracle_emit(sim_world *w, uint32_t conn, const sut_envelope *env);
void sim_oracle_dropped(sim_world *w, uint32_t conn, sut_drop_reason reason);
void sim_oracle_closed(sim_world *w, uint32_t conn);
bool sim_oracle_accepts(const sim_conn *k, uint32_t service);
static inline uint32_t sim_free_credit(const sim_conn *k, uint32_t service)
{
    return k->granted[service] - k->outstanding[service];
}
void sim_oracle_executed(sim_world *w, uint32_t call);

/* invariants.c */
void sim_oracle_bounds(sim_world *w);
void sim_oracle_time(sim_world *w); /* after a tick */
void sim_oracle_quiet(sim_world *w);
void sim_oracle_empty(sim_world *w);

#endif
