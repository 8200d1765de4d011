/* The runtime of one actor process: its loop, stores, fibers and their bounds. Private to the kit. */
#ifndef SUT_KIT_RUNTIME_H
#define SUT_KIT_RUNTIME_H

#include "kit/kit.h"
#include "kit/testing.h"
#include "request.h"
#include "settings.h"

#include "base/map.h"
#include "base/metrics.h"

struct sut_client;
struct sut_pg;
struct sut_redis;
struct sut_work_pool;
struct sut_transfers;
struct sut_method_stats;
struct sut_outbox;
struct sut_consumers;

#ifdef SUT_ASAN
#define SUT_FIBER_STACK (512u << 10) /* instrumented frames are several times larger */
#else
#define SUT_FIBER_STACK (128u << 10)
#endif
#define SUT_IDLE_FIBERS   64  /* kept for reuse */
#define SUT_RETRY_SOON_MS 500 /* retry-after of a part that is about to come back */

typedef struct sut_runtime {
    const sut_actor_options *opt;
    sut_kit_settings settings;
    sut_loop *loop;
    sut_hook hook;
    struct sut_client *client; /* NULL in tests, and before the actor is announced */
    struct sut_pg *pg;         /* NULL: the actor has none */
    struct sut_redis *redis;   /* NULL: the actor has none */
    struct sut_work_pool *work;
    struct sut_work_pool *work_slow;            /* made with the first job */
    struct sut_transfers *transfers;            /* made with the first one */
    struct sut_method_stats *stats;             /* one an entry; never freed, since metrics are not */
    sut_strmap *breakers;                       /* by service that we call */
    struct sut_outbox *outbox;                  /* NULL: it does not run */
    struct sut_consumers *consumers;            /* NULL: none, or not yet */
    const struct sut_delivery_port *deliveries; /* for streams; NULL: not yet */

    sut_node ready, running, idle;
    size_t running_count, idle_count;
    uint32_t background_count;
    struct sut_periodic_run *periodics;
    size_t periodic_count;

    sut_request *boot; /* while it runs */
    sut_request *redis_waiter;
    bool serving;  /* stores are up, migrated, on_start is through */
    bool draining; /* nothing new begins */
    int exit_code; /* with `error`: why the boot failed */
    char error[256];
    uint64_t started_ns;
    void (*on_booted)(struct sut_runtime *rt, sut_status st); /* may be NULL */
    void (*on_idle)(struct sut_runtime *rt); /* draining, and no fiber is left but the outbox's; may be NULL */
    void *owner;

    sut_test_remote_fn remote; /* tests: answers calls to other actors */
    void *remote_arg;
} sut_runtime;

/* Makes loop, worker pool and stores (which begin to connect). `settings` is copied. On failure one line in `error`. */
SUT_MUST_CHECK sut_status sut_runtime_new(sut_runtime **out, const sut_actor_options *opt,
                                          const sut_kit_settings *settings, char *error, size_t error_size);
sut_runtime *sut_runtime_free(sut_runtime *rt);

/* sched.c: a request ready to begin; to run fn in its fiber at the next turn; and its end. */
SUT_MUST_CHECK sut_status sut_runtime_acquire(sut_runtime *rt, sut_request **out);
void sut_runtime_launch(sut_runtime *rt, sut_request *rq, sut_request_fn fn, void *arg);
void sut_runtime_release(sut_runtime *rt, sut_request *rq);
/* Resumes what is ready, in a bounded batch; true if there was anything. */
bool sut_runtime_run_ready(sut_runtime *rt);

/* boot.c: waits for the stores, migrates, runs on_start, starts the periodics; then `on_booted`. What cannot be waited
 * for (a wrong password, an edited migration) is in exit_code and error. */
SUT_MUST_CHECK sut_status sut_runtime_boot(sut_runtime *rt);

#endif
