/* The event loop. A turn is: hooks, sleep, due timers, ready descriptors, posted tasks.
 *
 * Wake-ups. A poster writes to the eventfd only while `sleeping` is set. The loop sets it, then looks at the queue once
 * more; a poster pushes, then looks at the flag. All four steps are sequentially consistent, so at least one side sees
 * the other. The eventfd is watched edge-triggered and is never read: each write is an edge. */
#include "base/loop.h"

#include "base/clock.h"
#include "loop_heap.h"
#include "loop_queue.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_A_TURN 256
#define TASKS_A_TURN  1024
#define SIGNALS       65

struct sut_loop {
    int epoll_fd, event_fd, signal_fd;
    uint64_t now_ns;
    uint64_t spin_ns, spin_until_ns;
    bool in_turn, worked; /* `worked`: the last turn did something */
    bool no_pwait2;       /* the kernel is older than 5.11 */

    timer_heap timers;
    bool firing;
    sut_node watches, hooks, farewells;
    struct epoll_event ready[EVENTS_A_TURN];
    int ready_count, ready_next;

    sigset_t signals;
    sut_watch signal_watch;
    struct {
        sut_signal_fn fn;
        void *arg;
    } on_signal[SIGNALS];

    /* shared with other threads */
    _Alignas(64) task_queue tasks;
    _Alignas(64) atomic_bool sleeping;
    atomic_bool stop;
};

sut_status sut_loop_new(sut_loop **out)
{
    sut_loop *l = aligned_alloc(64, sizeof *l);
    if (!l)
        return -ENOMEM;
    memset(l, 0, sizeof *l);
    l->signal_fd = -1;
    l->now_ns = sut_now_ns();
    sut_list_init(&l->watches);
    sut_list_init(&l->hooks);
    sut_list_init(&l->farewells);
    task_queue_init(&l->tasks);
    atomic_init(&l->sleeping, false);
    atomic_init(&l->stop, false);
    (void)sigemptyset(&l->signals);
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event wake = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    if (l->epoll_fd < 0 || l->event_fd < 0 || epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->event_fd, &wake) < 0) {
        sut_status r = SUT_TRACE(-errno, "epoll, eventfd");
        (void)sut_loop_free(l);
        return r;
    }
    *out = l;
    return 0;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

sut_loop *sut_loop_free(sut_loop *l)
{
    if (!l)
        return NULL;
    while (!sut_list_empty(&l->watches))
        sut_watch_stop(SUT_CONTAINER(l->watches.next, sut_watch, node));
    while (sut_list_pop_front(&l->hooks))
        ;
    for (size_t i = 0; i < l->timers.len; i++)
        l->timers.entries[i].timer->loop = NULL;
    free(l->timers.entries);
    for (sut_node *n; (n = sut_list_pop_front(&l->farewells)) != NULL;) {
        sut_farewell *f = SUT_CONTAINER(n, sut_farewell, node);
        f->fn(f->arg);
    }
    close_fd(l->signal_fd);
    close_fd(l->event_fd);
    close_fd(l->epoll_fd);
    free(l);
    return NULL;
}

uint64_t sut_loop_now(const sut_loop *l)
{
    return l->now_ns;
}

void sut_loop_set_spin_us(sut_loop *l, unsigned spin_us)
{
    l->spin_ns = spin_us * SUT_NS_PER_US;
}

/* ---- descriptors ---- */

sut_status sut_watch_start(sut_loop *l, sut_watch *w, int fd, unsigned events, sut_watch_fn fn, void *arg)
{
    if (w->loop)
        return -EEXIST;
    struct epoll_event e = {.events = events, .data.ptr = w};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0)
        return SUT_TRACE(-errno, "epoll_ctl add");
    *w = (sut_watch){.loop = l, .fd = fd, .events = events, .fn = fn, .arg = arg};
    sut_list_push_back(&l->watches, &w->node);
    return 0;
}

sut_status sut_watch_modify(sut_watch *w, unsigned events)
{
    if (!w->loop)
        return -EINVAL;
    if (w->events == events)
        return 0;
    struct epoll_event e = {.events = events, .data.ptr = w};
    if (epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &e) < 0)
        return SUT_TRACE(-errno, "epoll_ctl modify");
    w->events = events;
    return 0;
}

void sut_watch_stop(sut_watch *w)
{
    sut_loop *l = w->loop;
    if (!l)
        return;
    (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    sut_node_unlink(&w->node);
    w->loop = NULL;
    for (int i = l->ready_next; i < l->ready_count; i++)
        if (l->ready[i].data.ptr == w)
            l->ready[i].data.ptr = NULL; /* what this turn has still in hand for it must not fire */
}

static bool run_ready(sut_loop *l)
{
    bool worked = false;
    while (l->ready_next < l->ready_count) {
        struct epoll_event e = l->ready[l->ready_next++];
        sut_watch *w = e.data.ptr;
        if (!w)
            continue;
        unsigned events = e.events & (w->events | EPOLLERR | EPOLLHUP);
        if (!events)
            continue;
        worked = true;
        w->fn(w, events, w->arg);
    }
    return worked;
}

/* ---- timers ---- */

sut_status sut_timer_start_at(sut_loop *l, sut_timer *t, uint64_t at_ns, sut_timer_fn fn, void *arg)
{
    if (t->loop && t->loop != l)
        sut_timer_stop(t);
    /* A timer started by a timer's callback waits for the next turn, or two could keep a turn from ending. */
    uint64_t key = l->firing && at_ns <= l->now_ns ? l->now_ns + 1 : at_ns;
    sut_status r = timer_heap_put(&l->timers, t, key);
    if (r)
        return SUT_TRACE(r, "timer heap");
    t->loop = l;
    t->at_ns = at_ns;
    t->fn = fn;
    t->arg = arg;
    return 0;
}

sut_status sut_timer_start_ms(sut_loop *l, sut_timer *t, uint64_t in_ms, sut_timer_fn fn, void *arg)
{
    /* Not the turn's time: that of a long callback's turn, or of a loop not yet running, is long ago. */
    uint64_t at = sut_now_ns();
    if (__builtin_mul_overflow(in_ms, SUT_NS_PER_MS, &in_ms) || __builtin_add_overflow(at, in_ms, &at))
        at = SUT_NEVER;
    return sut_timer_start_at(l, t, at, fn, arg);
}

void sut_timer_stop(sut_timer *t)
{
    if (!t->loop)
        return;
    timer_heap_remove(&t->loop->timers, t);
    t->loop = NULL;
}

static bool run_timers(sut_loop *l)
{
    bool worked = false;
    const heap_entry *first;
    l->firing = true;
    while ((first = timer_heap_first(&l->timers)) && first->at_ns <= l->now_ns) {
        sut_timer *t = first->timer;
        sut_timer_stop(t);
        worked = true;
        t->fn(t, t->arg);
    }
    l->firing = false;
    return worked;
}

/* ---- tasks ---- */

/* Async-signal-safe. */
static void wake(sut_loop *l)
{
    if (!atomic_load(&l->sleeping) || !atomic_exchange(&l->sleeping, false))
        return;
    int saved = errno;
    uint64_t one = 1;
    ssize_t n;
    do
        n = write(l->event_fd, &one, sizeof one);
    while (n < 0 && errno == EINTR);
    errno = saved;
}

void sut_loop_post(sut_loop *l, sut_task *t, sut_task_fn fn, void *arg)
{
    t->fn = fn;
    t->arg = arg;
    task_queue_push(&l->tasks, t);
    wake(l);
}

static bool run_tasks(sut_loop *l)
{
    sut_task *last = atomic_load(&l->tasks.head); /* what is posted from now on is for the next turn */
    for (int n = 0; n < TASKS_A_TURN; n++) {
        sut_task *t = task_queue_pop(&l->tasks);
        if (!t)
            return n > 0;
        bool was_last = t == last;
        t->fn(t, t->arg); /* may free or post it again */
        if (was_last)
            break;
    }
    return true;
}

void sut_loop_on_free(sut_loop *l, sut_farewell *f)
{
    if (!sut_node_linked(&f->node))
        sut_list_push_back(&l->farewells, &f->node);
}

/* ---- hooks ---- */

void sut_hook_add(sut_loop *l, sut_hook *h)
{
    if (!sut_node_linked(&h->node))
        sut_list_push_back(&l->hooks, &h->node);
}

void sut_hook_remove(sut_hook *h)
{
    sut_node_unlink(&h->node);
}

/* A marker node travels behind the running hook, so that a hook may remove itself or any other. */
static bool run_hooks(sut_loop *l)
{
    bool worked = false;
    sut_node marker = {0};
    sut_list_push_front(&l->hooks, &marker);
    while (marker.next != &l->hooks) {
        sut_node *n = marker.next;
        sut_node_unlink(&marker);
        sut_list_push_front(n, &marker);
        sut_hook *h = SUT_CONTAINER(n, sut_hook, node);
        worked |= h->fn(h, h->arg);
    }
    sut_node_unlink(&marker);
    return worked;
}

/* ---- signals ---- */

static void signals_ready(sut_watch *w, unsigned events, void *arg)
{
    (void)events;
    sut_loop *l = arg;
    struct signalfd_siginfo info;
    while (w->loop && read(w->fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo < SIGNALS && l->on_signal[info.ssi_signo].fn)
            l->on_signal[info.ssi_signo].fn((int)info.ssi_signo, l->on_signal[info.ssi_signo].arg);
}

sut_status sut_loop_on_signal(sut_loop *l, int signo, sut_signal_fn fn, void *arg)
{
    if (signo < 1 || signo >= SIGNALS)
        return -EINVAL;
    sigset_t one;
    (void)sigemptyset(&one);
    if (sigaddset(&one, signo) < 0 || sigaddset(&l->signals, signo) < 0)
        return -EINVAL;
    int r = pthread_sigmask(SIG_BLOCK, &one, NULL);
    if (r)
        return SUT_TRACE(-r, "pthread_sigmask");
    int fd = signalfd(l->signal_fd, &l->signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return SUT_TRACE(-errno, "signalfd");
    l->signal_fd = fd;
    l->on_signal[signo].fn = fn;
    l->on_signal[signo].arg = arg;
    return l->signal_watch.loop ? 0 : sut_watch_start(l, &l->signal_watch, fd, EPOLLIN, signals_ready, l);
}

/* ---- turns ---- */

/* Waits for descriptors; at most `wait_ns` (SUT_NEVER: until something). */
static int wait_ready(sut_loop *l, uint64_t wait_ns)
{
    if (wait_ns == 0)
        return epoll_wait(l->epoll_fd, l->ready, EVENTS_A_TURN, 0);
    if (wait_ns == SUT_NEVER)
        return epoll_wait(l->epoll_fd, l->ready, EVENTS_A_TURN, -1);
    if (!l->no_pwait2) {
        struct timespec ts = {(time_t)(wait_ns / SUT_NS_PER_S), (long)(wait_ns % SUT_NS_PER_S)};
        int n = epoll_pwait2(l->epoll_fd, l->ready, EVENTS_A_TURN, &ts, NULL);
        if (n >= 0 || errno != ENOSYS)
            return n;
        l->no_pwait2 = true;
    }
    uint64_t ms = wait_ns / SUT_NS_PER_MS + (wait_ns % SUT_NS_PER_MS != 0);
    return epoll_wait(l->epoll_fd, l->ready, EVENTS_A_TURN, ms > 1000000 ? 1000000 : (int)ms);
}

static uint64_t sleep_ns(const sut_loop *l, int max_wait_ms)
{
    uint64_t wait = max_wait_ms < 0 ? SUT_NEVER : (uint64_t)max_wait_ms * SUT_NS_PER_MS;
    const heap_entry *first = timer_heap_first(&l->timers);
    if (first && first->at_ns != SUT_NEVER) {
        uint64_t left = first->at_ns > l->now_ns ? first->at_ns - l->now_ns : 0;
        if (left < wait)
            wait = left;
    }
    return wait;
}

/* Hooks, and then how long to sleep. */
static uint64_t before_sleep(sut_loop *l, int max_wait_ms)
{
    bool hooked = run_hooks(l);
    l->now_ns = sut_now_ns();
    if (l->worked || hooked)
        l->spin_until_ns = l->now_ns + l->spin_ns;
    l->worked = hooked;
    uint64_t wait = hooked || l->now_ns < l->spin_until_ns ? 0 : sleep_ns(l, max_wait_ms);
    if (!wait && !hooked)
        (void)sched_yield(); /* spinning: what is waited for may need this core */
    if (wait) {
        atomic_store(&l->sleeping, true);
        if (!task_queue_empty(&l->tasks) || atomic_load(&l->stop))
            wait = 0;
    }
    return wait;
}

static sut_status turn(sut_loop *l, int max_wait_ms)
{
    uint64_t wait = before_sleep(l, max_wait_ms);
    int n = wait_ready(l, wait);
    int error = errno;
    atomic_store_explicit(&l->sleeping, false, memory_order_relaxed);
    if (n < 0 && error != EINTR)
        return SUT_TRACE(-error, "epoll_wait");
    if (wait)
        l->now_ns = sut_now_ns();
    l->ready_count = n > 0 ? n : 0;
    l->ready_next = 0;
    l->worked |= run_timers(l);
    l->worked |= run_ready(l);
    l->ready_count = 0;
    l->worked |= run_tasks(l);
    return 0;
}

sut_status sut_loop_turn(sut_loop *l, int max_wait_ms)
{
    if (l->in_turn)
        return SUT_TRACE(-EDEADLK, "a turn inside a turn");
    l->in_turn = true;
    sut_status r = turn(l, max_wait_ms);
    l->in_turn = false;
    return r;
}

sut_status sut_loop_run(sut_loop *l)
{
    sut_status r = 0;
    while (!r && !atomic_load_explicit(&l->stop, memory_order_acquire))
        r = sut_loop_turn(l, -1);
    atomic_store(&l->stop, false);
    return r;
}

void sut_loop_stop(sut_loop *l)
{
    atomic_store(&l->stop, true);
    wake(l);
}
