/* Heavy or blocking work on a small pool of threads (SUT_WORKERS), while the fiber is parked.
 *
 *     struct hash_job { char password[73]; char setting[64]; char out[64]; bool ok; } job = …;
 *     sut_status st = sut_work(rq, hash_password, &job, sizeof(job));
 *
 * The job's bytes are copied to the worker and copied back when it is done, because a fiber that wakes by its deadline
 * leaves the worker running: so the function may touch nothing but its job and what is thread-safe and static. The copy
 * is wiped afterwards. The queue is bounded (SUT_WORK_QUEUE): full, or longer than the time that the request has left,
 * is SUT_ERR_OVERLOADED with a retry-after made from what the queue holds. Work whose deadline passed, or whose call
 * was cancelled, before it began is not begun. */
#ifndef SUT_KIT_WORK_H
#define SUT_KIT_WORK_H

#include "kit/kit.h"

#define SUT_WORK_JOB_MAX 65536

typedef void (*sut_work_fn)(void *job);

/* 0 (the job was done and copied back), SUT_ERR_OVERLOADED, SUT_ERR_DEADLINE_EXCEEDED or SUT_ERR_CANCELLED. */
SUT_MUST_CHECK sut_status sut_work(sut_request *rq, sut_work_fn fn, void *job, size_t job_size);

/* The same on SUT_WORK_SLOW_THREADS threads of their own, made when first needed: for what waits for others (a mail
 * server), and would keep threads from those who compute. A job must end by itself, within 25 s: the process's end
 * waits for it. */
#define SUT_WORK_SLOW_THREADS 4
#define SUT_WORK_SLOW_QUEUE   64
SUT_MUST_CHECK sut_status sut_work_slow(sut_request *rq, sut_work_fn fn, void *job, size_t job_size);

#endif
