/* Sagas: steps in several places that end all done or all undone, whatever crashes in between.
 *
 * A saga is a row of sut_saga in the actor's own database. It is inserted in the transaction of its first local effect
 * and advanced a step at a time, by the request that began it or by any instance's runner. A row is leased while it is
 * worked on; the lease is fenced: whoever has lost it can neither advance the row nor commit a step's transaction.
 *
 *     static const sut_saga_step s_steps[] = {
 *         {.name = "profile", .run = create_profile, .compensate = undo_profile},
 *         {.name = "activate", .run = activate},
 *     };
 *     const sut_saga signup = {"signup", s_steps, 2, &signup_context_record};
 *
 *     // in the transaction:    st = sut_saga_start(rq, tx, &signup, key, &context, &run);
 *     // once it has committed: st = sut_saga_go(rq, run, &end);
 *
 * A step may run more than once (a crash after its effect, before it is recorded): what it calls must be idempotent, by
 * sut_saga_key or by nature. Effects in the actor's own database belong into sut_saga_tx, and happen once.
 *
 * A step that returns unavailable, overloaded, outcome_unknown, deadline_exceeded, cancelled, rate_limited, internal or
 * a fault is tried again with backoff; any other error, SUT_KIT_REMOTE included, or the last attempt, turns the saga
 * back: `compensate` of that step and of all before it, in reverse order. So a compensation must be harmless if its
 * step had no effect, and must keep an effect that is still on its way from happening later. A compensation that fails
 * for good leaves the saga `stuck`: logged, health degraded, until an operator calls NAME.saga_retry. */
#ifndef SUT_KIT_SAGA_H
#define SUT_KIT_SAGA_H

#include "kit/pg.h"

typedef struct sut_saga_run sut_saga_run;
typedef sut_status (*sut_saga_fn)(sut_request *rq, sut_saga_run *run);

typedef struct sut_saga_step {
    const char *name; /* kept in rows: rename or remove a step only when no saga stands at it */
    sut_saga_fn run;
    sut_saga_fn compensate; /* NULL: nothing to undo */
    uint32_t attempts;      /* each way; 0: 20, which is about ten minutes */
    uint32_t timeout_ms;    /* of one attempt; 0: 10,000 */
} sut_saga_step;

typedef struct sut_saga {
    const char *name;
    const sut_saga_step *steps;
    size_t step_count;
    const sut_record *context; /* what the steps need to know; NULL: nothing. Secret fields are refused. Erased when the
                                  saga ends, for it may be personal. */
} sut_saga;

typedef enum {
    SUT_SAGA_DONE,
    SUT_SAGA_UNDONE,
    SUT_SAGA_PENDING, /* the runner goes on */
    SUT_SAGA_STUCK
} sut_saga_end;

/* Inserts the saga into the transaction, leased to this request for its first attempt. `key`: unique among this saga's
 * rows, which are kept for seven days after their end (taken: SUT_ERR_CONFLICT); absent: none. `*out` lives as long as
 * the request, and is of use only once the transaction has committed; NULL leaves the saga to the runner. */
SUT_MUST_CHECK sut_status sut_saga_start(sut_request *rq, sut_pg_tx *tx, const sut_saga *saga, sut_str key,
                                         const void *context, sut_saga_run **out);
/* Works on it as far as it gets, outside of any transaction. Returns 0 if it is done; if it was turned back, what the
 * refusing step returned, with its message; otherwise SUT_ERR_OUTCOME_UNKNOWN. */
SUT_MUST_CHECK sut_status sut_saga_go(sut_request *rq, sut_saga_run *run, sut_saga_end *end);

/* ---- in a step ---- */

int64_t sut_saga_id(const sut_saga_run *run);
const void *sut_saga_context(const sut_saga_run *run);
/* The same for each attempt of this step, this way: for sut_kit_call_options.idempotency_key. */
sut_str sut_saga_key(const sut_saga_run *run);
/* A transaction that is also the record of the step's success. At most one a step, and the last thing in it: the step
 * returns what this returns. */
SUT_MUST_CHECK sut_status sut_saga_tx(sut_request *rq, sut_saga_run *run, sut_pg_tx_fn fn, void *arg);

#endif
