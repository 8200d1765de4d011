/* What the floor costs: a post with its wake-up, the maps, a timer, a log line that is off. Prints ns an operation. */
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(expression)                                                                                              \
    do {                                                                                                               \
        if (expression) {                                                                                              \
            fprintf(stderr, "base_bench: %s failed\n", #expression);                                                   \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static void row(const char *name, uint64_t t0, uint64_t count)
{
    printf("%-44s %8.1f ns\n", name, (double)(sut_now_ns() - t0) / (double)count);
}

/* ---- maps ---- */

#define KEYS 100000

static void bench_maps(void)
{
    static int value;
    static char text[KEYS][24];
    static sut_str keys[KEYS];
    sut_u64map *u;
    sut_strmap *s;
    CHECK(sut_u64map_new(&u));
    CHECK(sut_strmap_new(&s));
    uint64_t seed = 1, hits = 0, t0 = sut_now_ns();
    for (uint64_t i = 0; i < KEYS; i++)
        CHECK(sut_u64map_put(u, i, &value));
    row("u64map put (grows to 100,000)", t0, KEYS);
    t0 = sut_now_ns();
    for (int i = 0; i < 10 * KEYS; i++)
        hits += sut_u64map_get(u, sut_prng(&seed) % KEYS) != NULL;
    row("u64map get, random among 100,000", t0, 10 * KEYS);
    for (int i = 0; i < KEYS; i++) {
        keys[i] = (sut_str){text[i], (size_t)snprintf(text[i], sizeof text[i], "session:%d", i)};
        CHECK(sut_strmap_put(s, keys[i], &value));
    }
    t0 = sut_now_ns();
    for (int i = 0; i < 10 * KEYS; i++)
        hits += sut_strmap_get(s, keys[sut_prng(&seed) % KEYS]) != NULL;
    row("strmap get, random among 100,000", t0, 10 * KEYS);
    t0 = sut_now_ns();
    for (int i = 0; i < 10 * KEYS; i++)
        hits += sut_strmap_get(s, keys[i % 64]) != NULL;
    row("strmap get, 64 hot keys", t0, 10 * KEYS);
    CHECK(hits != 30 * KEYS);
    sut_u64map_free(u);
    sut_strmap_free(s);
}

/* ---- timers ---- */

static void nothing(sut_timer *t, void *arg)
{
    (void)t;
    (void)arg;
}

static void bench_timers(sut_loop *l)
{
    static sut_timer timers[10000];
    uint64_t seed = 2, t0 = sut_now_ns();
    for (int i = 0; i < 10000; i++)
        CHECK(sut_timer_start_ms(l, &timers[i], 3000 + sut_prng(&seed) % 1000, nothing, NULL));
    row("timer start (10,000 running, random)", t0, 10000);
    t0 = sut_now_ns();
    for (int i = 0; i < 1000000; i++) {
        sut_timer *t = &timers[sut_prng(&seed) % 10000];
        sut_timer_stop(t);
        CHECK(sut_timer_start_ms(l, t, 3000, nothing, NULL));
    }
    row("timer stop and start, 10,000 running", t0, 1000000);
    for (int i = 0; i < 10000; i++)
        sut_timer_stop(&timers[i]);
}

/* ---- posts ---- */

#define POSTS 1000000

static atomic_int s_ran;

static void ran(sut_task *t, void *arg)
{
    (void)t;
    (void)arg;
    atomic_fetch_add_explicit(&s_ran, 1, memory_order_relaxed);
}

static void *post_all(void *arg)
{
    static sut_task tasks[POSTS];
    uint64_t t0 = sut_now_ns();
    for (int i = 0; i < POSTS; i++)
        sut_loop_post(arg, &tasks[i], ran, NULL);
    row("post to a busy loop, poster's side", t0, POSTS);
    return NULL;
}

typedef struct side {
    sut_loop *loop;
    struct side *other;
    int left;
} side;

static void bounce(sut_task *t, void *arg)
{
    side *s = arg;
    if (--s->left == 0)
        sut_loop_stop(s->loop);
    sut_loop_post(s->other->loop, t, bounce, s->other);
}

static void *run_side(void *arg)
{
    CHECK(sut_loop_run(((side *)arg)->loop));
    return NULL;
}

static void bench_round_trip(const char *name, unsigned spin_us)
{
    enum { ROUNDS = 50000 };
    sut_task ball;
    pthread_t thread;
    side a = {.left = ROUNDS}, b = {.left = ROUNDS, .other = &a};
    a.other = &b;
    CHECK(sut_loop_new(&a.loop));
    CHECK(sut_loop_new(&b.loop));
    sut_loop_set_spin_us(a.loop, spin_us);
    sut_loop_set_spin_us(b.loop, spin_us);
    CHECK(pthread_create(&thread, NULL, run_side, &b));
    sut_loop_post(a.loop, &ball, bounce, &a);
    uint64_t t0 = sut_now_ns();
    CHECK(sut_loop_run(a.loop));
    row(name, t0, ROUNDS);
    pthread_join(thread, NULL);
    sut_loop_free(a.loop);
    sut_loop_free(b.loop);
}

static void bench_posts(sut_loop *l)
{
    pthread_t thread;
    uint64_t t0 = sut_now_ns();
    CHECK(pthread_create(&thread, NULL, post_all, l));
    while (atomic_load(&s_ran) < POSTS)
        CHECK(sut_loop_turn(l, -1));
    row("post to a busy loop, both sides", t0, POSTS);
    pthread_join(thread, NULL);
    bench_round_trip("post there and back, both asleep", 0);
    bench_round_trip("post there and back, spinning 50 us", 50);
}

static void bench_small(sut_loop *l)
{
    static sut_histogram h;
    uint64_t t0 = sut_now_ns();
    for (int i = 0; i < 1000000; i++)
        sut_log(SUT_DEBUG, "bench", "off", SUT_KV_I("i", i));
    row("log line that is off", t0, 1000000);
    t0 = sut_now_ns();
    for (uint64_t i = 0; i < 1000000; i++)
        sut_histogram_record_us(&h, i);
    row("histogram record", t0, 1000000);
    t0 = sut_now_ns();
    for (int i = 0; i < 300000; i++)
        CHECK(sut_loop_turn(l, 0));
    row("empty turn (one epoll_wait)", t0, 300000);
    t0 = sut_now_ns();
    for (int i = 0; i < 1000000; i++)
        (void)sut_now_ns();
    row("clock", t0, 1000000);
}

int main(void)
{
    sut_loop *l;
    CHECK(sut_loop_new(&l));
    bench_maps();
    bench_timers(l);
    bench_posts(l);
    bench_small(l);
    sut_loop_free(l);
    return 0;
}
