/* The bridge from HTTP threads to the bus: one libsut client, whose loop is the edge's main loop. A thread submits a
 * call and sleeps on a futex of its own until the answer is there: never on a socket, never on a lock that the loop
 * holds for long. A circuit breaker stands before every service. */
#ifndef SUT_BRIDGE_BRIDGE_H
#define SUT_BRIDGE_BRIDGE_H

#include "base/buf.h"
#include "base/loop.h"
#include "sut.h"
#include "wire/schema.h"

typedef struct sut_bridge sut_bridge;

typedef struct sut_bridge_options {
    sut_loop *loop;
    sut_client_options client; /* loop and on_session are set by the bridge */
} sut_bridge_options;

/* Starts connecting. Services are those of the schemas. -EINVAL with one line in `error`. */
SUT_MUST_CHECK sut_status sut_bridge_new(sut_bridge **out, const sut_bridge_options *opt, char *error,
                                         size_t error_size);
/* Ends all calls as cancelled and refuses further ones. On the loop's thread. Idempotent. */
void sut_bridge_close(sut_bridge *b);
/* On the loop's thread, when no thread uses the bridge any more. NULL is fine. Returns NULL. */
sut_bridge *sut_bridge_free(sut_bridge *b);
sut_client *sut_bridge_client(sut_bridge *b);
/* Begins to ask every service for its health, once a second (base/health.h has the results). On the loop's thread. */
SUT_MUST_CHECK sut_status sut_bridge_watch_health(sut_bridge *b);

/* What a thread waits on; one a thread, used for one call after another. */
typedef struct sut_waiter sut_waiter;
SUT_MUST_CHECK sut_status sut_waiter_new(sut_waiter **out);
sut_waiter *sut_waiter_free(sut_waiter *w);

typedef struct sut_bridge_call {
    const sut_method *method;
    sut_str body; /* msgpack map */
    const sut_principal *principal;
    sut_str traceparent;
    sut_str idempotency_key;
    bool (*gone)(void *arg); /* asked now and then while waiting: true cancels the call; may be NULL */
    void *gone_arg;
} sut_bridge_call;

/* The answer; its strings live in the waiter until its next call. */
typedef struct sut_bridge_reply {
    int err; /* 0: reply; else as sut_result.err */
    sut_str body, code, message;
    uint32_t retry_after_ms, http_status;
} sut_bridge_reply;

/* Blocks until there is an answer, by the method's timeout at the latest. Any thread but the loop's. */
void sut_bridge_call_wait(sut_bridge *b, sut_waiter *w, const sut_bridge_call *call, sut_bridge_reply *out);

#endif
