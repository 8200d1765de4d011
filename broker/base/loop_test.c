/* The event loop: turns, timers, descriptors that go away in callbacks, hooks, signals, stopping. */
#include "base/clock.h"
#include "base/loop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static sut_loop *new_loop(void)
{
    sut_loop *l = NULL;
    cr_assert_eq(sut_loop_new(&l), 0);
    return l;
}

/* ---- timers ---- */

static char s_order[64];

typedef struct named_timer {
    sut_timer timer;
    char name;
    sut_loop *stop;
} named_timer;

static void note(sut_timer *t, void *arg)
{
    named_timer *n = arg;
    cr_assert_eq(&n->timer, t);
    cr_assert_null(t->loop);
    strncat(s_order, &n->name, 1);
    if (n->stop)
        sut_loop_stop(n->stop);
}

Test(loop, timers_fire_by_time_and_then_by_order_of_starting, .timeout = 10)
{
    sut_loop *l = new_loop();
    uint64_t t0 = sut_now_ns();
    named_timer a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'}, d = {.name = 'd'};
    named_timer e = {.name = 'e', .stop = l};
    cr_assert_eq(sut_timer_start_at(l, &e.timer, t0 + 9 * SUT_NS_PER_MS, note, &e), 0);
    cr_assert_eq(sut_timer_start_at(l, &b.timer, t0 + 5 * SUT_NS_PER_MS, note, &b), 0);
    cr_assert_eq(sut_timer_start_at(l, &c.timer, t0 + 5 * SUT_NS_PER_MS, note, &c), 0);
    cr_assert_eq(sut_timer_start_at(l, &d.timer, t0 + 1 * SUT_NS_PER_MS, note, &d), 0);
    cr_assert_eq(sut_timer_start_at(l, &a.timer, t0 + 2 * SUT_NS_PER_MS, note, &a), 0);
    cr_assert_eq(sut_timer_start_at(l, &d.timer, t0 + 7 * SUT_NS_PER_MS, note, &d), 0); /* moves it */
    cr_assert_eq(sut_loop_run(l), 0);
    cr_assert_str_eq(s_order, "abcde");
    cr_assert_geq(sut_now_ns(), t0 + 9 * SUT_NS_PER_MS, "none fires early");
    sut_loop_free(l);
}

#define WORLD_TIMERS 500

typedef struct timer_world {
    sut_loop *loop;
    sut_timer timers[WORLD_TIMERS];
    uint64_t last_ns, seed;
    int fired;
} timer_world;

static void random_timer(sut_timer *t, void *arg)
{
    timer_world *w = arg;
    cr_assert_geq(t->at_ns, w->last_ns);
    w->last_ns = t->at_ns;
    w->fired++;
    sut_timer_stop(&w->timers[sut_prng(&w->seed) % WORLD_TIMERS]); /* running, over, or this one: all are fine */
}

static int running_timers(const timer_world *w)
{
    int running = 0;
    for (int i = 0; i < WORLD_TIMERS; i++)
        running += w->timers[i].loop != NULL;
    return running;
}

Test(loop, many_timers_started_moved_and_stopped_keep_their_order, .timeout = 10)
{
    static timer_world w;
    w.loop = new_loop();
    w.seed = 7;
    uint64_t t0 = sut_now_ns();
    for (int i = 0; i < 5000; i++) {
        sut_timer *t = &w.timers[sut_prng(&w.seed) % WORLD_TIMERS];
        uint64_t dice = sut_prng(&w.seed);
        if (dice % 3 == 0)
            sut_timer_stop(t);
        else
            cr_assert_eq(sut_timer_start_at(w.loop, t, t0 + dice % 1000, random_timer, &w), 0);
    }
    cr_assert_gt(running_timers(&w), 100);
    while (running_timers(&w) > 0)
        cr_assert_eq(sut_loop_turn(w.loop, -1), 0);
    cr_assert_gt(w.fired, 100);
    sut_loop_free(w.loop);
}

typedef struct again {
    sut_loop *loop;
    int count;
} again;

static void restart_now(sut_timer *t, void *arg)
{
    again *a = arg;
    a->count++;
    cr_assert_eq(sut_timer_start_at(a->loop, t, 0, restart_now, a), 0);
}

Test(loop, a_timer_that_restarts_itself_lets_the_turn_end, .timeout = 10)
{
    again a = {.loop = new_loop()};
    sut_timer t = {0};
    cr_assert_eq(sut_timer_start_at(a.loop, &t, 0, restart_now, &a), 0);
    for (int i = 1; i <= 5; i++) {
        cr_assert_eq(sut_loop_turn(a.loop, -1), 0);
        cr_assert_eq(a.count, i);
    }
    sut_loop_free(a.loop);
    cr_assert_null(t.loop, "freeing the loop stops its timers");
}

Test(loop, a_timer_beyond_the_clock_never_fires, .timeout = 10)
{
    again a = {.loop = new_loop()};
    sut_timer t = {0};
    cr_assert_eq(sut_timer_start_ms(a.loop, &t, UINT64_MAX, restart_now, &a), 0);
    cr_assert_eq(t.at_ns, SUT_NEVER);
    cr_assert_eq(sut_loop_turn(a.loop, 1), 0);
    cr_assert_eq(a.count, 0);
    sut_timer_stop(&t);
    sut_timer_stop(&t);
    sut_loop_free(a.loop);
}

/* ---- descriptors ---- */

typedef struct pipe_watch {
    sut_watch watch;
    int fds[2];
    int calls;
    unsigned events;
    struct pipe_watch *victim; /* freed or stopped by the callback */
    bool free_victim;
} pipe_watch;

static int s_calls;
static pipe_watch *s_last;

static void pipe_ready(sut_watch *w, unsigned events, void *arg)
{
    pipe_watch *p = arg;
    s_calls++;
    s_last = p;
    cr_assert_eq(w, &p->watch);
    p->calls++;
    p->events = events;
    if (!p->victim)
        return;
    sut_watch_stop(&p->victim->watch);
    if (p->free_victim) {
        memset(p->victim, 0xAA, sizeof *p->victim);
        free(p->victim);
    }
    p->victim = NULL;
}

static pipe_watch *new_pipe(sut_loop *l)
{
    pipe_watch *p = calloc(1, sizeof *p);
    cr_assert_not_null(p);
    cr_assert_eq(pipe(p->fds), 0);
    cr_assert_eq(sut_watch_start(l, &p->watch, p->fds[0], EPOLLIN, pipe_ready, p), 0);
    cr_assert_eq(write(p->fds[1], "x", 1), 1);
    return p;
}

Test(loop, a_watch_freed_by_another_in_the_same_turn_does_not_fire, .timeout = 10)
{
    sut_loop *l = new_loop();
    pipe_watch *a = new_pipe(l), *b = new_pipe(l);
    a->victim = b; /* whichever the kernel reports first frees the other */
    b->victim = a;
    a->free_victim = b->free_victim = true;
    cr_assert_eq(sut_loop_turn(l, -1), 0);
    cr_assert_eq(s_calls, 1);
    cr_assert_eq(sut_loop_turn(l, 0), 0);
    cr_assert_eq(s_calls, 2, "the one left is still ready");
    sut_loop_free(l);
    free(s_last);
}

Test(loop, a_watch_stops_and_frees_itself, .timeout = 10)
{
    sut_loop *l = new_loop();
    pipe_watch *p = new_pipe(l);
    p->victim = p;
    cr_assert_eq(sut_loop_turn(l, -1), 0);
    cr_assert_eq(p->calls, 1);
    cr_assert_null(p->watch.loop);
    cr_assert_eq(sut_loop_turn(l, 0), 0);
    cr_assert_eq(p->calls, 1);
    sut_watch_stop(&p->watch);
    free(p);
    sut_loop_free(l);
}

Test(loop, events_can_be_changed, .timeout = 10)
{
    sut_loop *l = new_loop();
    pipe_watch *p = new_pipe(l);
    cr_assert_eq(sut_watch_start(l, &p->watch, p->fds[0], EPOLLIN, pipe_ready, p), -EEXIST);
    cr_assert_eq(sut_watch_modify(&p->watch, 0), 0);
    cr_assert_eq(sut_loop_turn(l, 0), 0);
    cr_assert_eq(p->calls, 0);
    cr_assert_eq(sut_watch_modify(&p->watch, EPOLLIN), 0);
    cr_assert_eq(sut_loop_turn(l, -1), 0);
    cr_assert_eq(p->calls, 1);
    cr_assert_eq(p->events, EPOLLIN);
    close(p->fds[1]);
    cr_assert_eq(sut_loop_turn(l, -1), 0);
    cr_assert(p->events & EPOLLHUP, "a hang-up is always told");
    sut_loop_free(l);
    cr_assert_null(p->watch.loop);
    cr_assert_eq(sut_watch_modify(&p->watch, EPOLLIN), -EINVAL);
    free(p);
}

Test(loop, a_refusal_of_the_kernel_is_returned, .timeout = 10)
{
    sut_loop *l = new_loop();
    sut_watch w = {0};
    cr_assert_eq(sut_watch_start(l, &w, 9999, EPOLLIN, pipe_ready, NULL), -EBADF);
    cr_assert_null(w.loop);
    sut_loop_free(l);
}

/* ---- hooks ---- */

typedef struct counted_hook {
    sut_hook hook;
    int calls, busy; /* says that it worked for so many calls */
    sut_hook *remove;
    sut_loop *stop;
} counted_hook;

static bool counted(sut_hook *h, void *arg)
{
    counted_hook *c = arg;
    cr_assert_eq(h, &c->hook);
    c->calls++;
    if (c->remove)
        sut_hook_remove(c->remove);
    if (c->busy > 0) {
        c->busy--;
        return true;
    }
    if (c->stop)
        sut_loop_stop(c->stop);
    return false;
}

Test(loop, a_busy_hook_keeps_the_loop_awake, .timeout = 10)
{
    sut_loop *l = new_loop();
    counted_hook h = {.busy = 100, .stop = l};
    h.hook.fn = counted;
    h.hook.arg = &h;
    sut_hook_add(l, &h.hook);
    sut_hook_add(l, &h.hook); /* twice is once */
    cr_assert_eq(sut_loop_run(l), 0);
    cr_assert_eq(h.calls, 101);
    sut_loop_free(l);
    cr_assert_not(sut_node_linked(&h.hook.node));
}

Test(loop, hooks_may_remove_themselves_and_others, .timeout = 10)
{
    sut_loop *l = new_loop();
    counted_hook h[4] = {0};
    for (int i = 0; i < 4; i++) {
        h[i].hook.fn = counted;
        h[i].hook.arg = &h[i];
        sut_hook_add(l, &h[i].hook);
    }
    h[0].remove = &h[0].hook;
    h[1].remove = &h[2].hook;
    h[3].remove = &h[1].hook;
    cr_assert_eq(sut_loop_turn(l, 0), 0);
    cr_assert_eq(sut_loop_turn(l, 0), 0);
    int calls[4] = {h[0].calls, h[1].calls, h[2].calls, h[3].calls}, want[4] = {1, 1, 0, 2};
    cr_assert_arr_eq(calls, want, sizeof want);
    sut_hook_remove(&h[3].hook);
    sut_hook_remove(&h[3].hook);
    sut_loop_free(l);
}

static bool turn_again(sut_hook *h, void *arg)
{
    (void)h;
    cr_assert_eq(sut_loop_turn(arg, 0), -EDEADLK);
    return false;
}

Test(loop, a_turn_inside_a_turn_is_refused, .timeout = 10)
{
    sut_loop *l = new_loop();
    sut_hook h = {.fn = turn_again, .arg = l};
    sut_hook_add(l, &h);
    cr_assert_eq(sut_loop_turn(l, 0), 0);
    sut_loop_free(l);
}

/* ---- signals, stop ---- */

static void on_signal(int signo, void *arg)
{
    cr_assert_eq(signo, SIGUSR1);
    sut_loop_stop(arg);
}

Test(loop, signals_arrive_in_the_loop, .timeout = 10)
{
    sut_loop *l = new_loop();
    cr_assert_eq(sut_loop_on_signal(l, SIGUSR1, on_signal, l), 0);
    cr_assert_eq(sut_loop_on_signal(l, SIGUSR2, on_signal, l), 0);
    cr_assert_eq(sut_loop_on_signal(l, 0, on_signal, l), -EINVAL);
    cr_assert_eq(sut_loop_on_signal(l, 65, on_signal, l), -EINVAL);
    cr_assert_eq(kill(getpid(), SIGUSR1), 0);
    cr_assert_eq(sut_loop_run(l), 0);
    sut_loop_free(l);
}

static sut_loop *s_handler_loop;

static void plain_handler(int signo)
{
    (void)signo;
    sut_loop_stop(s_handler_loop);
}

Test(loop, a_plain_signal_handler_may_stop_it, .timeout = 10)
{
    s_handler_loop = new_loop();
    cr_assert_neq(signal(SIGUSR1, plain_handler), SIG_ERR);
    cr_assert_eq(raise(SIGUSR1), 0);
    cr_assert_eq(sut_loop_run(s_handler_loop), 0, "a stop before the run is kept");
    sut_loop_free(s_handler_loop);
}

static void stop_when_asleep(sut_timer *t, void *arg)
{
    (void)t;
    sut_loop_stop(arg);
}

Test(loop, a_stopped_loop_can_run_again, .timeout = 10)
{
    sut_loop *l = new_loop();
    sut_loop_stop(l);
    sut_loop_stop(l);
    cr_assert_eq(sut_loop_run(l), 0);
    sut_timer t = {0};
    cr_assert_eq(sut_timer_start_ms(l, &t, 2, stop_when_asleep, l), 0);
    cr_assert_eq(sut_loop_run(l), 0);
    cr_assert_null(t.loop);
    sut_loop_free(l);
}
