/* libsut: the client of the ShareUpTime bus. Calls methods, serves them, and (next) publishes and subscribes.
 *
 * One sut_client is one peer: it keeps one session with the broker, makes a new socket and says hello again whenever
 * the old one is lost (backoff with full jitter, 10 ms to 1 s), and decides call by call what was in flight: an
 * idempotent call that still has time is sent again, others end as SUT_ERR_OUTCOME_UNKNOWN, unsent ones wait for the
 * new session.
 *
 * Threads. Without `loop` the client runs a thread of its own: every function may be called from any thread, callbacks
 * run on the client's thread and must not block. With `loop` it runs on that loop's thread: callbacks run there,
 * blocking calls (sut_call_wait) are refused there, and the other functions but sut_client_free may still be called
 * from any thread. No callback runs within sut_call_start or sut_call_cancel.
 *
 * docs/protocol.md says what goes over the wire. */
#ifndef SUT_H
#define SUT_H

#include "wire/envelope.h"

struct sut_loop;

typedef struct sut_client sut_client;

/* Down: no broker there, or not yet; tried again within a second. Calls wait, by their deadlines. Refused: the broker
 * does not take our name, secret or service, or our secret cannot be read; tried again every two to three seconds
 * (a new key is then found). Calls end at once as SUT_ERR_UNAVAILABLE. */
typedef enum { SUT_SESSION_DOWN, SUT_SESSION_UP, SUT_SESSION_REFUSED } sut_session_state;
/* Runs on the client's thread at each change. `detail` is one line for people. */
typedef void (*sut_session_fn)(void *arg, sut_session_state state, const char *detail);

typedef struct sut_client_options {
    const char *endpoint;      /* ipc:///path or tcp://host:port (or $SUT_BROKER) */
    const char *name;          /* the peer's name in the broker's access list (or $SUT_NAME) */
    const char *secret_file;   /* ipc: file with the PLAIN password (or $SUT_SECRET_FILE); read at each connection */
    const char *curve_file;    /* tcp: our CURVE secret certificate (zcert format) */
    const char *server_key;    /* tcp: the broker's public key, Z85 */
    const char *instance;      /* instance id; NULL: name, pid and random */
    struct sut_loop *loop;     /* NULL: a thread of its own */
    sut_session_fn on_session; /* may be NULL */
    void *on_session_arg;
    uint32_t queue_max; /* calls accepted and unanswered; 0: 65,536; past it (or 256 MiB of them) -EAGAIN */
    uint32_t spin_us;   /* own thread: poll without sleeping before blocking; 0. A given loop is its owner's matter */
} sut_client_options;

/* Starts connecting and returns at once (with `loop`: when it runs). Strings are copied. -EINVAL with one line in
 * `error` for options that cannot be. */
SUT_MUST_CHECK sut_status sut_client_new(sut_client **out, const sut_client_options *opt, char *error,
                                         size_t error_size);
/* Ends all calls as SUT_ERR_CANCELLED (their callbacks run first), closes, frees. NULL is fine. Returns NULL. Not from
 * a callback; with `loop` on the loop's thread or when it runs no more. Incoming calls that are not yet answered may
 * still be, to no effect. After sut_client_bye it waits up to a second until the last answers have left. */
sut_client *sut_client_free(sut_client *c);
/* Blocks until the session is up: 0, -ETIMEDOUT, or -EACCES if the broker refuses us. -EDEADLK on the loop's thread. */
SUT_MUST_CHECK sut_status sut_client_wait_up(sut_client *c, uint32_t timeout_ms);
sut_session_state sut_client_state(const sut_client *c);

/* ---- calling ---- */

typedef struct sut_call {
    sut_str subject;                /* "user.profile_get" */
    sut_str key;                    /* may be absent */
    sut_str body;                   /* msgpack map; copied */
    uint32_t timeout_ms;            /* 0: 3,000 */
    const sut_principal *principal; /* NULL: none; tools may not set one */
    sut_str traceparent;            /* absent: a new one is made */
    sut_str idempotency_key;        /* may be absent: executed once in 24 hours for this key */
    sut_str instance;               /* may be absent: only this instance */
    bool idempotent;                /* may be sent again, once, after a lost session */
} sut_call;

/* What a call came to. Valid during the callback only (the blocking style copies it). */
typedef struct sut_result {
    int err;      /* 0: reply; a sut_err for platform codes; SUT_ERR_DOMAIN_FIRST for a domain's own (see code) */
    sut_str body; /* reply: msgpack map; error: the error body */
    sut_str code; /* error: its code, e.g. "email_taken" */
    sut_str message;
    uint32_t retry_after_ms;
    uint32_t http_status;
    uint32_t attempt;
} sut_result;

typedef uint64_t sut_call_id; /* never 0 */
typedef void (*sut_result_fn)(void *arg, const sut_result *r);

/* The callback runs exactly once if 0 is returned, never otherwise: by the deadline at the latest (a millisecond or two
 * late), also without a broker. A call that was not sent by then ends as SUT_ERR_UNAVAILABLE, one that was sent as
 * SUT_ERR_DEADLINE_EXCEEDED. -EAGAIN: queue_max; -EMSGSIZE: over the envelope's limit; -EINVAL: malformed subject, key,
 * principal or traceparent; -ESHUTDOWN: the client is ending. `id` may be NULL. */
SUT_MUST_CHECK sut_status sut_call_start(sut_client *c, const sut_call *call, sut_result_fn fn, void *arg,
                                         sut_call_id *id);
/* Asks for an end: the callback runs with SUT_ERR_CANCELLED, or with the result if that was first. */
void sut_call_cancel(sut_client *c, sut_call_id id);

typedef struct sut_answer { /* a sut_result that owns its bytes */
    sut_result result;
    void *memory;
} sut_answer;
/* Blocking style. 0 when there is an answer (also an error answer: look at result.err), which sut_answer_deinit frees.
 * -EDEADLK on the loop's thread; else as sut_call_start. */
SUT_MUST_CHECK sut_status sut_call_wait(sut_client *c, const sut_call *call, sut_answer *out);
void sut_answer_deinit(sut_answer *a);

/* ---- serving ---- */

typedef struct sut_incoming sut_incoming; /* a call that was given to us; owned by us until answered */
typedef void (*sut_incoming_fn)(void *arg, sut_incoming *in);

/* Serves all methods of `service` with `credits` calls at a time; announced at each hello, so best called right after
 * sut_client_new: later it costs a new session. Once a client (then -EALREADY). `fn` runs on the client's thread and
 * must not block; it may answer at once or leave that to whomever. */
SUT_MUST_CHECK sut_status sut_serve(sut_client *c, const char *service, uint32_t credits, sut_incoming_fn fn,
                                    void *arg);
const sut_envelope *sut_incoming_envelope(const sut_incoming *in);
uint64_t sut_incoming_deadline_ns(const sut_incoming *in); /* monotonic */
bool sut_incoming_cancelled(const sut_incoming *in);       /* the caller is gone or asked for an end */
/* Called on the client's thread when it becomes cancelled, also by the loss of its session; at once if it already is.
 * May be set once an incoming. Who answers from another thread sees to it that `arg` outlives the answer. */
void sut_incoming_on_cancel(sut_incoming *in, void (*fn)(void *arg), void *arg);
/* Exactly one of these for each incoming, from any thread; frees it. Late or lost sessions are handled inside. */
void sut_reply(sut_incoming *in, sut_str body);
void sut_reply_error(sut_incoming *in, const sut_error_body *e);

/* Drain: tells the broker that no new calls are wanted. `done` runs once on the client's thread (perhaps before this
 * returns) when those that were on their way have come and all in hand is answered; not if the client is freed before.
 * Calls of our own go on. Only the first bye counts. */
void sut_client_bye(sut_client *c, void (*done)(void *arg), void *arg);

typedef struct sut_client_stats {
    uint64_t sessions, calls, replies, errors, retried, bytes_out, bytes_in;
    uint32_t in_flight, serving;
} sut_client_stats;
void sut_client_get_stats(sut_client *c, sut_client_stats *out);

/* Makes a fresh W3C traceparent (sampled) into out[56], continuing `parent`'s trace id if it is a valid one. */
void sut_traceparent_make(sut_str parent, char out[SUT_TRACEPARENT_LEN + 1]);
bool sut_traceparent_valid(sut_str s);

#endif
