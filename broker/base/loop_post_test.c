/* Posting to a loop from other threads: nothing lost, order kept, no wake-up missed. */
#include "base/clock.h"
#include "base/loop.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#define PRODUCERS 4
#define EACH      20000

typedef struct numbered {
    sut_task task;
    int producer, number;
} numbered;

typedef struct load {
    sut_loop *loop;
    int next[PRODUCERS];
    int left;
} load;

static load s_load;

static void check_order(sut_task *t, void *arg)
{
    numbered *n = SUT_CONTAINER(t, numbered, task);
    load *l = arg;
    cr_assert_eq(n->number, l->next[n->producer]);
    l->next[n->producer]++;
    free(n);
    if (--l->left == 0)
        sut_loop_stop(l->loop);
}

static void *produce(void *arg)
{
    int me = *(int *)arg;
    for (int i = 0; i < EACH; i++) {
        numbered *n = calloc(1, sizeof *n);
        if (!n)
            abort();
        n->producer = me;
        n->number = i;
        sut_loop_post(s_load.loop, &n->task, check_order, &s_load);
    }
    return NULL;
}

static void run_load(unsigned spin_us)
{
    pthread_t threads[PRODUCERS];
    int ids[PRODUCERS];
    s_load = (load){.left = PRODUCERS * EACH};
    cr_assert_eq(sut_loop_new(&s_load.loop), 0);
    sut_loop_set_spin_us(s_load.loop, spin_us);
    for (int i = 0; i < PRODUCERS; i++) {
        ids[i] = i;
        cr_assert_eq(pthread_create(&threads[i], NULL, produce, &ids[i]), 0);
    }
    cr_assert_eq(sut_loop_run(s_load.loop), 0);
    for (int i = 0; i < PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_eq(s_load.next[i], EACH);
    }
    sut_loop_free(s_load.loop);
}

Test(loop_post, nothing_is_lost_and_each_thread_keeps_its_order, .timeout = 60)
{
    run_load(0);
    run_load(50);
}

/* Two loops hand one task to and fro: every hand-over meets the other loop asleep or about to be. */
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
    sut_loop_post(s->other->loop, t, bounce, s->other); /* the last one stays in a loop that has stopped */
}

static void *run_side(void *arg)
{
    if (sut_loop_run(((side *)arg)->loop) != 0)
        abort();
    return NULL;
}

Test(loop_post, no_wake_up_is_missed, .timeout = 60)
{
    sut_task ball = {0};
    side a = {.left = 30000}, b = {.left = 30000};
    cr_assert_eq(sut_loop_new(&a.loop), 0);
    cr_assert_eq(sut_loop_new(&b.loop), 0);
    a.other = &b;
    b.other = &a;
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, run_side, &b), 0);
    sut_loop_post(a.loop, &ball, bounce, &a);
    cr_assert_eq(sut_loop_run(a.loop), 0);
    pthread_join(thread, NULL);
    cr_assert_eq(a.left, 0);
    cr_assert_eq(b.left, 0);
    sut_loop_free(a.loop);
    sut_loop_free(b.loop);
}

typedef struct reposter {
    sut_loop *loop;
    int count;
} reposter;

static void post_again(sut_task *t, void *arg)
{
    reposter *r = arg;
    r->count++;
    sut_loop_post(r->loop, t, post_again, r);
}

Test(loop_post, a_task_that_posts_itself_runs_once_a_turn, .timeout = 10)
{
    reposter r = {0};
    sut_task t = {0};
    cr_assert_eq(sut_loop_new(&r.loop), 0);
    sut_loop_post(r.loop, &t, post_again, &r);
    for (int i = 1; i <= 5; i++) {
        cr_assert_eq(sut_loop_turn(r.loop, -1), 0);
        cr_assert_eq(r.count, i);
    }
    sut_loop_free(r.loop);
}

static void *stop_it(void *arg)
{
    sut_loop_stop(arg);
    return NULL;
}

Test(loop_post, another_thread_may_stop_it, .timeout = 60)
{
    for (int i = 0; i < 500; i++) {
        sut_loop *l = NULL;
        pthread_t thread;
        cr_assert_eq(sut_loop_new(&l), 0);
        cr_assert_eq(pthread_create(&thread, NULL, stop_it, l), 0);
        cr_assert_eq(sut_loop_run(l), 0);
        pthread_join(thread, NULL);
        sut_loop_free(l);
    }
}

static void count_farewell(void *arg)
{
    ++*(int *)arg;
}

Test(loop_post, what_waits_for_a_task_is_told_that_the_loop_ends)
{
    sut_loop *l = NULL;
    int told = 0, gone = 0;
    sut_farewell waits = {.fn = count_farewell, .arg = &told}, went = {.fn = count_farewell, .arg = &gone};
    cr_assert_eq(sut_loop_new(&l), 0);
    sut_loop_on_free(l, &waits);
    sut_loop_on_free(l, &went);
    sut_node_unlink(&went.node);
    sut_loop_free(l);
    cr_assert_eq(told, 1);
    cr_assert_eq(gone, 0);
}
