/* Inside libsut: the state of one client, shared by the files of this folder and by nobody else.
 *
 * All of it but the mailbox, the atomics and what `lock` covers belongs to the client's thread: the loop's. Other
 * threads reach it through the mailbox. */
#ifndef SUT_CLIENT_INTERNAL_H
#define SUT_CLIENT_INTERNAL_H

#include "sut.h"

#include "config.h"
#include "deadlines.h"
#include "link.h"
#include "mailbox.h"
#include "subscribe.h"
#include "tap.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/map.h"

#include <pthread.h>
#include <stdatomic.h>

#define CLIENT_LOG "client"

/* One encoded envelope on its way out; the bytes are behind it or, after a change of its remaining time, apart. */
typedef struct client_item {
    sut_node node;
    uint8_t *bytes;
    uint32_t len;
    bool is_call; /* embedded in a client_call, which outlives the sending; else freed once sent */
    bool apart;   /* `bytes` is an allocation of its own */
} client_item;

typedef enum { CALL_QUEUED, CALL_SENT, CALL_ENDED } client_call_state;

/* A call or a publish of ours, from its start to its callback. One allocation, the encoded envelope at its end. */
typedef struct client_call {
    client_item item; /* its node: on outbox.calls, on calls.sent or on calls.ended, by state */
    client_mail mail;
    client_deadline deadline;
    uint64_t id;
    uint64_t encoded_ns; /* when item.bytes' remaining time was right */
    uint64_t deadline_ns;
    union {
        sut_result_fn fn;
        sut_published_fn published; /* with `events` */
    };
    void *arg;
    uint32_t charged_bytes;
    uint32_t events; /* a publish of so many; 0: a call */
    client_call_state state;
    int ended_err; /* CALL_ENDED */
    const char *ended_message;
    bool idempotent;
    bool resent; /* an earlier session left it undecided */
} client_call;

typedef struct client_calls {
    sut_u64map *by_id;
    sut_node sent;
    sut_node ended;    /* finished without an answer, callback not yet run */
    sut_node settling; /* answered no_such_service just after a reconnect: asked again when the timer fires */
    sut_timer settle_timer;
    client_deadlines deadlines;
} client_calls;

typedef struct client_outbox {
    sut_node urgent; /* answers and control: these go first, and die with the session */
    sut_node calls;  /* these wait for a session */
    size_t urgent_count;
} client_outbox;

typedef enum {
    PHASE_STOPPED,
    PHASE_BACKOFF, /* no socket; the timer opens one */
    PHASE_HELLO,   /* socket open, hello sent, no welcome yet */
    PHASE_UP,
    PHASE_LEAVING /* the broker said bye: answers still flow, new calls wait */
} client_phase;

typedef struct client_session {
    client_phase phase;
    uint64_t number; /* ours, counts sockets: what an incoming belongs to */
    uint64_t hello_id;
    uint64_t up_since_ns, last_heard_ns, ping_after_ns;
    uint32_t failures; /* in a row, for the backoff */
    uint32_t pings_unanswered;
    uint64_t prng;
    sut_timer timer;
} client_session;

typedef struct client_serving {
    char *service;
    uint32_t credits;
    sut_incoming_fn fn;
    void *arg;
    sut_u64map *in_hand; /* by the call's id in this session */
    sut_node list;       /* the same */
    size_t unanswered;   /* given to `fn` and not yet answered, of any session */
    bool leaving;        /* sut_client_bye was asked for */
    bool left;           /* and the broker has no more calls for us on the way */
    uint64_t bye_ping_id;
    void (*bye_done)(void *arg);
    void *bye_arg;
} client_serving;

struct sut_client {
    client_config config;
    sut_loop *loop;
    bool owns_loop;
    pthread_t thread; /* with owns_loop */
    bool closing;

    client_mailbox *mailbox;
    client_link link;
    client_session session;
    client_outbox outbox;
    client_calls calls;
    client_serving serving;
    client_taps taps;
    client_subs subs;
    sut_arena *scratch; /* for decoding one error body */
    sut_hook hook;

    client_mail serve_mail, bye_mail;
    _Atomic bool serve_asked, bye_asked;
    struct { /* what sut_serve was given, until the client's thread takes it over */
        char *service;
        uint32_t credits;
        sut_incoming_fn fn;
        void *arg;
    } asked;

    pthread_mutex_t lock; /* covers `state` changes for those who wait */
    pthread_cond_t changed;
    _Atomic int state; /* sut_session_state */

    _Atomic uint64_t next_id;
    _Atomic uint32_t accepted;
    _Atomic uint64_t accepted_bytes;
    struct {
        _Atomic uint64_t sessions, calls, replies, errors, retried, published, delivered, bytes_out, bytes_in;
        _Atomic uint32_t serving;
    } stats;
};

static inline void client_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline bool client_on_loop(const sut_client *c)
{
    return client_mailbox_on_loop(c->mailbox);
}

static inline uint64_t client_new_id(sut_client *c)
{
    return atomic_fetch_add_explicit(&c->next_id, 1, memory_order_relaxed);
}

/* client.c */
bool client_receive(sut_client *c); /* reads a bounded number of frames; true if there was one */
void client_set_state(sut_client *c, sut_session_state state, const char *detail);

/* session.c */
void client_session_start(sut_client *c);
void client_session_stop(sut_client *c, int linger_ms);
void client_session_restart(sut_client *c, const char *why); /* a new socket and hello, by backoff */
void client_session_input(sut_client *c, const uint8_t *bytes, size_t len);
void client_session_link_event(sut_client *c, client_link_event event);
bool client_session_takes_calls(const sut_client *c);
bool client_session_takes_answers(const sut_client *c);

/* hello.c: bodies of hello and welcome */
SUT_MUST_CHECK sut_status client_hello_encode(const sut_client *c, sut_buf *out);
/* 0, or -EBADMSG; fields that are not there keep what `ping_after_ms` held. */
SUT_MUST_CHECK sut_status client_welcome_decode(sut_arena *scratch, sut_str body, uint32_t *ping_after_ms);

/* item.c */
/* Encodes `env` behind `head_bytes` zeroed bytes of one allocation, which starts with a client_item. */
SUT_MUST_CHECK sut_status client_item_new(client_item **out, const sut_envelope *env, size_t head_bytes);
void client_item_free(client_item *item);

/* outbox.c */
void client_outbox_control(sut_client *c, const sut_envelope *env); /* encodes and queues; failure ends the session */
void client_outbox_urgent(sut_client *c, client_item *item);        /* takes it over */
void client_outbox_clear_urgent(sut_client *c);
bool client_outbox_flush(sut_client *c); /* true if something was sent */

/* submit.c */
/* Charges `call` to the client's bounds and hands it to its thread; what fails frees it. */
SUT_MUST_CHECK sut_status client_submit(sut_client *c, client_call *call);

/* publish.c */
/* Tells a publish what it came to; `answer` is NULL for an end that arose here. */
void client_publish_tell(sut_client *c, client_call *call, const sut_result *r, const sut_envelope *answer);
/* What a lost time, a lost client or a refusal means: SUT_ERR_OUTCOME_UNKNOWN if it may be on disk, else `err`. */
int client_publish_err(const client_call *call, int err);

/* publish_batch.c */
/* What all events of a batch have in common is said once, in the envelope. */
typedef struct client_batch_shares {
    bool principal, replayed;
} client_batch_shares;
void client_batch_common(const sut_publish *events, size_t count, client_batch_shares *out);
SUT_MUST_CHECK sut_status client_batch_encode(sut_buf *out, const sut_publish *events, size_t count,
                                              const client_batch_shares *shares);
/* 0 and arrays of `count` in the arena, or -EBADMSG. */
SUT_MUST_CHECK sut_status client_batch_answer(sut_arena *a, sut_str body, size_t count, sut_published *out);

/* calls.c */
SUT_MUST_CHECK sut_status client_calls_init(sut_client *c);
void client_calls_deinit(sut_client *c);
void client_calls_submit(sut_client *c, client_call *call);
void client_calls_cancel(sut_client *c, uint64_t id);
void client_calls_answer(sut_client *c, const sut_envelope *env); /* reply or error */
void client_calls_session_lost(sut_client *c);
void client_calls_refuse_queued(sut_client *c, const char *why); /* ends the unsent ones as unavailable */
void client_calls_end_all(sut_client *c);
bool client_calls_run_ended(sut_client *c);
void client_call_free(client_call *call);

/* serve.c */
SUT_MUST_CHECK sut_status client_serve_init(sut_client *c);
void client_serve_deinit(sut_client *c);
void client_serve_call(sut_client *c, const sut_envelope *env);
void client_serve_cancel(sut_client *c, uint64_t id);
void client_serve_answered(sut_client *c, sut_incoming *in);
void client_serve_session_lost(sut_client *c);
void client_serve_announce(sut_client *c);
void client_serve_bye(sut_client *c);
void client_serve_check_left(sut_client *c);
void client_incoming_free(sut_incoming *in);
sut_incoming *client_incoming_from_mail(client_mail *m);

#endif
