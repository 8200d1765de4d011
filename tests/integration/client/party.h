/* Who takes part in these tests: clients of libsut, an actor that serves echo.*, and a tally of what calls came to. */
#ifndef SUT_TEST_PARTY_H
#define SUT_TEST_PARTY_H

#include "bus.h"
#include "sut.h"

#include <pthread.h>
#include <stdatomic.h>

#define WAIT_MS 10000

extern const sut_str party_body; /* a small msgpack map */

sut_client *party_client(bus *b, const char *name); /* connecting; not waited for */
sut_client *party_up(bus *b, const char *name);     /* and its session is up */

/* Serves echo.*: echo.say answers at once with the call's own body, echo.keep never, echo.slow after 20 ms from another
 * thread, echo.late as `slow` but only after `release` is set. */
typedef struct actor {
    sut_client *client;
    _Atomic unsigned executed, cancelled;
    _Atomic bool release;
    sut_incoming *kept[4096];
    _Atomic unsigned kept_count;
    pthread_t worker;
    _Atomic bool ending;
} actor;
void actor_start(actor *a, bus *b, uint32_t credits);
void actor_leave(actor *a); /* bye, waits until it is done, then ends */
void actor_end(actor *a);   /* at once */

typedef struct tally {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned count;
    unsigned by_err[80];
    char last_code[32];
    char last_message[128];
} tally;
#define TALLY_INIT                                                                                                     \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                                         \
    }
void tally_result(void *arg, const sut_result *r);
void tally_wait(tally *t, unsigned count);
/* Starts one call that must be accepted. */
sut_call_id tally_call(tally *t, sut_client *c, const char *subject, uint32_t timeout_ms, bool idempotent);

#endif
