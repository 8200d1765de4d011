/* The event loop that every process of ours runs: descriptors (epoll), timers (heap), tasks posted from other threads,
 * signals (signalfd), and hooks for sources whose readiness a descriptor does not tell (a ZeroMQ socket's ZMQ_FD is
 * edge-triggered: its ZMQ_EVENTS must be looked at before each sleep).
 *
 * One thread runs a loop and all callbacks; only sut_loop_post and sut_loop_stop may be called from other threads. A
 * callback may start, stop or free any watch or timer, its own included. */
#ifndef SUT_BASE_LOOP_H
#define SUT_BASE_LOOP_H

#include "base/list.h"

#include <stdatomic.h>

typedef struct sut_loop sut_loop;

SUT_MUST_CHECK sut_status sut_loop_new(sut_loop **out);
sut_loop *sut_loop_free(sut_loop *l); /* closes nothing but its own descriptors */

/* Runs until sut_loop_stop. Returns 0, or a negative status if the kernel refuses to wait. */
SUT_MUST_CHECK sut_status sut_loop_run(sut_loop *l);
/* One turn: hooks, sleep, due timers, ready descriptors, posted tasks. Sleeps at most max_wait_ms (-1: until
 * something). -EDEADLK from inside a callback. */
SUT_MUST_CHECK sut_status sut_loop_turn(sut_loop *l, int max_wait_ms);
void sut_loop_stop(sut_loop *l); /* any thread, async-signal-safe; the current turn ends first */

/* The time at which this turn woke up (monotonic ns): cheap, and the same for all callbacks of the turn. */
uint64_t sut_loop_now(const sut_loop *l);
/* After a turn that did something, poll without sleeping for so long before blocking (default 0). */
void sut_loop_set_spin_us(sut_loop *l, unsigned spin_us);

/* Descriptors. Embed the struct; zero it before first use. `events` are EPOLLIN, EPOLLOUT, EPOLLET. */
typedef struct sut_watch sut_watch;
typedef void (*sut_watch_fn)(sut_watch *w, unsigned events, void *arg);
struct sut_watch {
    sut_loop *loop; /* NULL while not watched */
    int fd;
    unsigned events;
    sut_watch_fn fn;
    void *arg;
    sut_node node;
};
SUT_MUST_CHECK sut_status sut_watch_start(sut_loop *l, sut_watch *w, int fd, unsigned events, sut_watch_fn fn,
                                          void *arg);
SUT_MUST_CHECK sut_status sut_watch_modify(sut_watch *w, unsigned events);
void sut_watch_stop(sut_watch *w); /* idempotent; before close(fd) */

/* Timers, one-shot. Embed; zero before first use. Starting a running timer moves it. */
typedef struct sut_timer sut_timer;
typedef void (*sut_timer_fn)(sut_timer *t, void *arg);
struct sut_timer {
    sut_loop *loop; /* NULL while not running */
    uint64_t at_ns;
    size_t slot;
    sut_timer_fn fn;
    void *arg;
};
SUT_MUST_CHECK sut_status sut_timer_start_at(sut_loop *l, sut_timer *t, uint64_t at_ns, sut_timer_fn fn, void *arg);
SUT_MUST_CHECK sut_status sut_timer_start_ms(sut_loop *l, sut_timer *t, uint64_t in_ms, sut_timer_fn fn, void *arg);
void sut_timer_stop(sut_timer *t); /* idempotent */

/* Tasks from any thread, in order of posting for each thread. Embed; must stay alive until run. Never allocates. */
typedef struct sut_task sut_task;
typedef void (*sut_task_fn)(sut_task *t, void *arg);
struct sut_task {
    sut_task_fn fn;
    void *arg;
    _Atomic(sut_task *) next;
};
void sut_loop_post(sut_loop *l, sut_task *t, sut_task_fn fn, void *arg);

/* What lives only until a task of its own has run, and would stay for ever if the loop is freed before: sut_loop_free
 * calls fn then, with nothing else of the loop left to use. Unlink `node` when the task has run. The loop's thread. */
typedef struct sut_farewell {
    sut_node node;
    void (*fn)(void *arg);
    void *arg;
} sut_farewell;
void sut_loop_on_free(sut_loop *l, sut_farewell *f);

/* Hooks run once a turn, at its start, which is right before its sleep: nothing else runs between. Return true if work
 * was done or is waiting: the loop then does not sleep this turn. A hook must bound what it does in one go. */
typedef struct sut_hook sut_hook;
struct sut_hook {
    bool (*fn)(sut_hook *h, void *arg);
    void *arg;
    sut_node node;
};
void sut_hook_add(sut_loop *l, sut_hook *h);
void sut_hook_remove(sut_hook *h); /* idempotent */

/* Signals by signalfd: blocks `signo` in the calling thread (do it before starting threads) and calls fn in the loop.
 */
typedef void (*sut_signal_fn)(int signo, void *arg);
SUT_MUST_CHECK sut_status sut_loop_on_signal(sut_loop *l, int signo, sut_signal_fn fn, void *arg);

#endif
