/* Background functions: fibers that serve no call. They get a sut_request of their own (no principal, a new trace, an
 * arena), so that all of the kit can be used in them.
 *
 * Periodic ones (sweepers) are listed in sut_actor_options.periodics: each runs in every instance of the actor, never
 * twice at a time in one; instances that must not step on each other use SELECT … FOR UPDATE SKIP LOCKED. A run that
 * fails is logged and counted, and the next one comes after its interval. At a drain no new run starts and running ones
 * are waited for. */
#ifndef SUT_KIT_TASK_H
#define SUT_KIT_TASK_H

#include "kit/kit.h"

/* Starts fn once, with a copy of `arg_size` bytes of `arg` (may be 0, then arg is passed as it is), when the caller's
 * fiber next parks or ends; for what must follow a reply without delaying it and may be lost by a crash.
 * SUT_ERR_OVERLOADED if SUT_BACKGROUND_MAX run already. timeout_ms 0: 30,000. */
#define SUT_BACKGROUND_MAX 256
SUT_MUST_CHECK sut_status sut_background(sut_request *rq, const char *name, sut_request_fn fn, const void *arg,
                                         size_t arg_size, uint32_t timeout_ms);

#endif
