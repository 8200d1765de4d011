/* The insides of a request, and how its fiber waits. Private to the kit.
 *
 * Waiting. Whoever must wait starts an operation that knows `rq`, and calls sut_request_park. The operation's end, on
 * the loop, calls sut_request_wake; the deadline and a cancel wake it too, and then park returns their error: the
 * operation must be told that nobody waits for it any more before its memory goes. All of it is the loop's thread.
 *
 * An operation may end between such a wake and the fiber's next step. So each notes that it is done, and a fiber that
 * was interrupted looks there first: what is done is taken as done, the rest is left to itself. */
#ifndef SUT_KIT_REQUEST_H
#define SUT_KIT_REQUEST_H

#include "fiber.h"
#include "kit/kit.h"

#include "base/list.h"
#include "base/loop.h"

struct sut_runtime;
struct sut_incoming;
struct sut_pg_tx;
struct sut_pg_result;

#define SUT_FIELD_ERRORS_MAX 16
#define SUT_SQLSTATE_SIZE    6

/* What the caller will be told, if the request fails. */
typedef struct sut_request_error {
    sut_str message; /* in the arena */
    uint32_t retry_after_ms;
    sut_field_errors fields;
    sut_str remote_code, remote_message; /* of the last SUT_KIT_REMOTE */
    char sqlstate[SUT_SQLSTATE_SIZE];
    sut_str constraint;
} sut_request_error;

struct sut_request {
    struct sut_runtime *runtime;
    sut_node node;  /* free list, or the runtime's list of running ones */
    sut_node ready; /* while waiting to be resumed */
    sut_fiber *fiber;
    struct sut_request *owner; /* of the fiber: itself, but for a request that a test runs inside of another */
    sut_arena *arena;

    const char *name;
    const sut_method *method;
    struct sut_incoming *incoming; /* NULL: a background function or a test */
    sut_principal principal;
    uint64_t started_ns, deadline_ns;
    char traceparent[SUT_TRACEPARENT_LEN + 1];
    char trace_id[33];
    sut_str idempotency_key;
    const void *input;  /* the decoded body, or NULL */
    sut_str kept_reply; /* what is kept for the idempotency key: must be what the handler returns */
    uint32_t attempt;

    sut_request_fn fn; /* what the fiber runs */
    void *arg;

    sut_timer timer; /* the deadline, from the first park on */
    bool parked, expired, cancelled, uninterruptible;
    sut_status woken_with;

    struct sut_pg_tx *tx;
    bool emitted;                    /* in the transaction that is open */
    struct sut_consuming *consuming; /* NULL: not a consumer's (consume.h) */
    struct sut_pg_result *results;
    size_t result_bytes;
    bool faulty; /* something found a fault of ours: never commit, answer `internal` */
    sut_request_error error;
};

/* Waits until woken: returns what sut_request_wake was given; or, at once if it is so already, DEADLINE_EXCEEDED or
 * CANCELLED (which a request with a transaction open, or `uninterruptible`, does not see). */
SUT_MUST_CHECK sut_status sut_request_park(sut_request *rq);
/* Only the first wake of a park counts. */
void sut_request_wake(sut_request *rq, sut_status status);
void sut_request_cancel(sut_request *rq);
/* 0, or the error with which a park would return at once. */
sut_status sut_request_interrupted(sut_request *rq);
/* The message of an interrupted wait; returns `status`. */
sut_status sut_request_say_interrupted(sut_request *rq, sut_status status);

/* Prepares a pooled request for its next use, and takes back what that use held. */
SUT_MUST_CHECK sut_status sut_request_init(sut_request *rq, struct sut_runtime *rt);
void sut_request_begin(sut_request *rq, const char *name, uint64_t deadline_ns, sut_str traceparent);
void sut_request_end(sut_request *rq);
/* For a fiber that lives long, between two rounds: gives back results and memory, forgets errors. */
void sut_request_recycle(sut_request *rq);
void sut_request_deinit(sut_request *rq);

#endif
