/* The pool of worker threads behind kit/work.h. Private to the kit. */
#ifndef SUT_KIT_WORK_POOL_H
#define SUT_KIT_WORK_POOL_H

#include "kit/work.h"

#include "base/loop.h"

typedef struct sut_work_pool sut_work_pool;

SUT_MUST_CHECK sut_status sut_work_pool_new(sut_work_pool **out, sut_loop *loop, uint32_t threads, uint32_t queue_max);
/* Waits for what the threads are at, drops what is queued, and turns the loop until their ends are handled; no
 * fiber waits for work any more. */
sut_work_pool *sut_work_pool_free(sut_work_pool *p);
/* Jobs that were left by their fibers and still run count as busy. */
uint32_t sut_work_pool_busy(const sut_work_pool *p);

#endif
