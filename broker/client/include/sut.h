/* libsut: the client of the ShareUpTime bus. Calls methods, serves them, publishes and subscribes.
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
    sut_str parent;                 /* traceparent of the work within which this is called: then its own is made from
                                     * it, a new span of the same trace, and the broker is told of which it is a child.
                                     * Absent, or not a valid one: it is nobody's child. Not with `traceparent` */
    sut_str idempotency_key;        /* may be absent: executed once in 24 hours for this key */
    sut_str instance;               /* may be absent: only this instance */
    bool idempotent;                /* may be sent again, once, after a lost session */
    bool replayed;                  /* a recorded call that is made again (`sut replay --diff`) */
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

/* ---- publishing ---- */

typedef struct sut_publish {
    sut_str subject;                /* "probe.sent" */
    sut_str key;                    /* may be absent: the broker takes it from the body */
    sut_str body;                   /* msgpack map; copied */
    const uint8_t *event_id;        /* SUT_EVENT_ID_LEN bytes; NULL: one is minted */
    int64_t not_before_us;          /* 0: at once */
    const sut_principal *principal; /* NULL: none; tools may not set one */
    sut_str traceparent;            /* absent: a new one is made */
    uint64_t number;                /* of the batch's source; else 0 */
    bool replayed;                  /* history from another broker */
} sut_publish;

typedef struct sut_publish_options {
    uint32_t timeout_ms; /* 0: 3,000 */
    sut_str source;      /* absent: none; with `number` in each event */
    uint64_t epoch;
} sut_publish_options;

/* What a publish came to. Valid during the callback only. */
typedef struct sut_published {
    int err; /* 0: on disk; else a sut_err, and nothing was published, but for SUT_ERR_OUTCOME_UNKNOWN */
    sut_str code, message, body; /* of the error; body is the error body */
    uint32_t retry_after_ms;
    const uint64_t *sequences; /* one an event; 0: delayed, or a duplicate whose place is forgotten */
    const bool *duplicates;
    size_t count;
    sut_dedup dedup;
} sut_published;
typedef void (*sut_published_fn)(void *arg, const sut_published *p);

/* Publishes `count` events, 1 to SUT_PUBLISH_MAX, all or none. The callback runs exactly once if 0 is returned. Since
 * an event's id makes a repetition harmless, a publish that a lost session left undecided is sent again on the next
 * one, until its time is over: then it ends as SUT_ERR_OUTCOME_UNKNOWN. Publishes of one client reach the broker in
 * order. Statuses as sut_call_start. */
#define SUT_PUBLISH_MAX 1000
SUT_MUST_CHECK sut_status sut_publish_start(sut_client *c, const sut_publish *events, size_t count,
                                            const sut_publish_options *opt, sut_published_fn fn, void *arg);
/* Blocking style, one event: 0 and *sequence; a sut_err above 0 with one line in `error`; or negative as
 * sut_call_start. */
SUT_MUST_CHECK sut_status sut_publish_wait(sut_client *c, const sut_publish *event, const sut_publish_options *opt,
                                           uint64_t *sequence, char *error, size_t error_size);
/* 16 random bytes (a UUID of version 4, RFC 9562). */
void sut_event_id_make(uint8_t out[SUT_EVENT_ID_LEN]);

/* ---- subscribing ---- */

typedef struct sut_subscription sut_subscription;
typedef struct sut_delivery sut_delivery; /* an event that was given to us; owned by us until answered */

typedef enum { SUT_START_END, SUT_START_BEGINNING, SUT_START_SEQUENCE, SUT_START_TIME } sut_start;

/* What a subscription tells besides events. */
typedef enum {
    SUT_SUB_UP,      /* the broker took it: position is the first one that it gives */
    SUT_SUB_DOWN,    /* the session is lost; it is made again on the next one */
    SUT_SUB_REFUSED, /* it never will be, as it is: see text. No more comes */
    SUT_SUB_GAP,   /* from..to were missed (text: why; "deleted": an operator ended the group, and it is asked for anew)
                    */
    SUT_SUB_MARKER /* ephemeral: all up to position was given to us */
} sut_sub_news;
typedef struct sut_sub_notice {
    sut_sub_news news;
    uint64_t position, from, to;
    int err; /* REFUSED: sut_err */
    sut_str text;
} sut_sub_notice;

typedef void (*sut_delivery_fn)(void *arg, sut_delivery *d);
typedef void (*sut_sub_notice_fn)(void *arg, const sut_sub_notice *n);

typedef struct sut_subscribe {
    const char *const *subjects; /* patterns; copied, as all strings here */
    size_t subject_count;
    const char *group; /* NULL: ephemeral */
    uint32_t credits;  /* 0: 64, ephemeral 1,024 */
    sut_start start;   /* of a group that does not exist, or of an ephemeral one */
    uint64_t start_sequence;
    int64_t start_time_us;
    uint32_t ack_wait_ms; /* 0: 5,000; groups */
    const char *key;      /* ephemeral: only of this key; NULL: all */
    int64_t user_id;      /* ephemeral: only of this principal; 0: all */
    sut_delivery_fn on_event;
    sut_sub_notice_fn on_notice; /* may be NULL */
    void *arg;
} sut_subscribe;

/* Subscribes now or when the session is up, and again after each lost session: a group by its name, an ephemeral one
 * from behind the last event that was answered. Callbacks run on the client's thread and must not block. At most 64 a
 * client: -ENOSPC; -EINVAL. */
SUT_MUST_CHECK sut_status sut_subscribe_start(sut_client *c, const sut_subscribe *opt, sut_subscription **out);
/* Gives back what is not answered, and ends: no callback runs after it on the client's thread, or, from another thread,
 * after it returned. Deliveries in hand may still be answered, to no effect. Frees. Returns NULL. */
sut_subscription *sut_subscribe_end(sut_subscription *s);
/* No new events, but those in hand are answered: `done` runs once on the client's thread when they are. For a drain. */
void sut_subscribe_pause(sut_subscription *s, void (*done)(void *arg), void *arg);

/* subject, key, principal, traceparent, body and the options sequence, attempt, event_id, published_at, replayed,
 * generation.
 */
const sut_envelope *sut_delivery_envelope(const sut_delivery *d);
/* Exactly one of these three for each delivery, from any thread; frees it. An ephemeral one is just acknowledged. */
void sut_ack(sut_delivery *d);
void sut_nack(sut_delivery *d, uint32_t delay_ms, sut_str code, sut_str message); /* delay_ms 0: the broker's backoff */
void sut_term(sut_delivery *d, sut_str code, sut_str message);
/* More time; any thread, any number of times before the answer. */
void sut_delivery_progress(sut_delivery *d);
/* Its session is lost or its time over: somebody else may have it by now. */
bool sut_delivery_stale(const sut_delivery *d);

/* ---- tapping ---- */

typedef struct sut_tap sut_tap;

typedef struct sut_tap_options {
    sut_str request; /* msgpack map, as docs/protocol.md has it under Taps; copied */
    /* Both on the client's thread; must not block. The envelope has subject, key, principal, traceparent and the record
     * as its body; valid during the callback only. */
    void (*on_record)(void *arg, const sut_envelope *env);
    /* Once, and nothing after it: err 0: it came to its end; else a sut_err: refused, or UNAVAILABLE when the session
     * was lost (records were missed: whoever wants more starts another tap, from a time that it chooses). Not after
     * sut_tap_end. */
    void (*on_end)(void *arg, int err, sut_str code, sut_str message);
    void *arg;
} sut_tap_options;

/* Starts a tap on this session, or on the next one if there is none. At most 16 a client: -ENOSPC; -EINVAL; -EMSGSIZE.
 */
SUT_MUST_CHECK sut_status sut_tap_start(sut_client *c, const sut_tap_options *opt, sut_tap **out);
/* As sut_subscribe_end: no callback runs after it. Frees. Returns NULL. */
sut_tap *sut_tap_end(sut_tap *t);

/* Drain: tells the broker that no new calls are wanted. `done` runs once on the client's thread (perhaps before this
 * returns) when those that were on their way have come and all in hand is answered; not if the client is freed before.
 * Calls of our own go on. Only the first bye counts. */
void sut_client_bye(sut_client *c, void (*done)(void *arg), void *arg);

typedef struct sut_client_stats {
    uint64_t sessions, calls, replies, errors, retried, bytes_out, bytes_in;
    uint64_t published, delivered; /* events of ours that are on disk; that were given to us */
    uint32_t in_flight, serving;
} sut_client_stats;
void sut_client_get_stats(sut_client *c, sut_client_stats *out);

/* Makes a fresh W3C traceparent into out[56], continuing `parent`'s trace id and flags if it is a valid one. A new
 * trace is not flagged as sampled: what is captured is the broker's to say. */
void sut_traceparent_make(sut_str parent, char out[SUT_TRACEPARENT_LEN + 1]);
bool sut_traceparent_valid(sut_str s);

#endif
