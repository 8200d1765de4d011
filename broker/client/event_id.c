/* Identities of events. Two events with one id are one event to the broker, so these come from the kernel and not from
 * a small generator; a store a thread spares a system call an event. */
#include "sut.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define STORE_IDS 64

typedef struct id_store {
    uint8_t bytes[STORE_IDS * SUT_EVENT_ID_LEN];
    unsigned left, fork_count;
} id_store;

static _Atomic unsigned s_forks; /* a child must not hand out what its parent will */
static pthread_once_t s_once = PTHREAD_ONCE_INIT;

static void count_fork(void)
{
    atomic_fetch_add(&s_forks, 1);
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, count_fork);
}

void sut_event_id_make(uint8_t out[SUT_EVENT_ID_LEN])
{
    static _Thread_local id_store store;
    (void)pthread_once(&s_once, watch_forks);
    unsigned forks = atomic_load_explicit(&s_forks, memory_order_relaxed);
    if (store.left == 0 || store.fork_count != forks) {
        sut_random(store.bytes, sizeof store.bytes);
        store.left = STORE_IDS;
        store.fork_count = forks;
    }
    memcpy(out, store.bytes + (size_t)--store.left * SUT_EVENT_ID_LEN, SUT_EVENT_ID_LEN);
    out[6] = (uint8_t)((out[6] & 0x0f) | 0x40); /* version 4 */
    out[8] = (uint8_t)((out[8] & 0x3f) | 0x80); /* variant of RFC 9562 */
}
