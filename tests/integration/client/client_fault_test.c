/* The broker dies, stops, and is replaced while calls are in flight. Every call ends once, by its deadline, and says
 * what is true: `unavailable` was not executed. */
#include "party.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

TestSuite(client_fault, .timeout = 120);

#define DEADLINE_MS 4000
#define SLACK_MS    1000 /* a deadline plus one second, as the design has it */

typedef struct load {
    sut_client *c;
    tally *t;
    bool idempotent;
    _Atomic bool stop;
    _Atomic unsigned started;
    pthread_t thread;
} load;

/* Keeps up to 64 calls in flight. */
static void *run_load(void *arg)
{
    load *l = arg;
    while (!l->stop) {
        pthread_mutex_lock(&l->t->lock);
        unsigned ended = l->t->count;
        pthread_mutex_unlock(&l->t->lock);
        if (l->started - ended < 64) {
            l->started++;
            tally_call(l->t, l->c, "echo.say", DEADLINE_MS, l->idempotent);
        } else {
            bus_nap();
        }
    }
    return NULL;
}

static void load_start(load *l, sut_client *c, tally *t, bool idempotent)
{
    *l = (load){.c = c, .t = t, .idempotent = idempotent};
    pthread_create(&l->thread, NULL, run_load, l);
}

static unsigned ended(tally *t)
{
    pthread_mutex_lock(&t->lock);
    unsigned n = t->by_err[0];
    pthread_mutex_unlock(&t->lock);
    return n;
}

static void load_stop(load *l)
{
    l->stop = true;
    pthread_join(l->thread, NULL);
    uint64_t began = bus_now_ms();
    tally_wait(l->t, l->started);
    cr_assert_leq(bus_now_ms() - began, DEADLINE_MS + SLACK_MS);
    cr_assert_eq(l->t->count, l->started);
}

Test(client_fault, killed_broker_and_a_new_one)
{
    bus b;
    actor a;
    load l;
    tally t = TALLY_INIT;
    bus_make(&b);
    bus_start(&b);
    actor_start(&a, &b, 16);
    sut_client *c = party_up(&b, "tool");
    load_start(&l, c, &t, false);
    for (int round = 0; round < 3; round++) {
        unsigned before = ended(&t);
        WAIT_UNTIL(ended(&t) > before + 500);
        bus_stop(&b, SIGKILL);
        before = ended(&t);
        bus_start(&b);
        uint64_t began = bus_now_ms();
        WAIT_UNTIL(ended(&t) > before + 500);
        cr_assert_leq(bus_now_ms() - began, 5000);
    }
    load_stop(&l);
    unsigned known = t.by_err[0] + t.by_err[SUT_ERR_OUTCOME_UNKNOWN] + t.by_err[SUT_ERR_UNAVAILABLE] +
                     t.by_err[SUT_ERR_NO_SUCH_SERVICE] + t.by_err[SUT_ERR_DEADLINE_EXCEEDED];
    cr_assert_eq(known, t.count, "last error %s: %s", t.last_code, t.last_message);
    cr_assert_leq(t.by_err[SUT_ERR_OUTCOME_UNKNOWN], 3 * 64);
    cr_assert_geq(a.executed, t.by_err[0]);
    cr_assert_leq(a.executed, t.by_err[0] + t.by_err[SUT_ERR_OUTCOME_UNKNOWN] + t.by_err[SUT_ERR_DEADLINE_EXCEEDED],
                  "a call that was said to be unavailable was executed");
    sut_client_free(c);
    actor_end(&a);
    bus_free(&b);
}

Test(client_fault, idempotent_calls_outlive_a_killed_broker)
{
    bus b;
    actor a;
    load l;
    tally t = TALLY_INIT;
    bus_make(&b);
    bus_start(&b);
    actor_start(&a, &b, 16);
    sut_client *c = party_up(&b, "tool");
    load_start(&l, c, &t, true);
    WAIT_UNTIL(ended(&t) > 500);
    kill(b.pid, SIGSTOP); /* so that it dies with calls in hand */
    WAIT_UNTIL(l.started - ended(&t) >= 32);
    bus_stop(&b, SIGKILL);
    bus_start(&b);
    unsigned before = ended(&t);
    WAIT_UNTIL(ended(&t) > before + 500);
    load_stop(&l);
    cr_assert_eq(t.by_err[0], t.count, "last error %s: %s", t.last_code, t.last_message);
    sut_client_stats stats;
    sut_client_get_stats(c, &stats);
    cr_assert_gt(stats.retried, 0);
    sut_client_free(c);
    actor_end(&a);
    bus_free(&b);
}

Test(client_fault, a_stopped_broker_is_noticed_and_a_continued_one_used_again)
{
    bus b;
    actor a;
    load l;
    tally t = TALLY_INIT;
    bus_make(&b);
    bus_start(&b);
    actor_start(&a, &b, 16);
    sut_client *c = party_up(&b, "tool");
    load_start(&l, c, &t, false);
    WAIT_UNTIL(ended(&t) > 200);
    kill(b.pid, SIGSTOP);
    uint64_t began = bus_now_ms();
    WAIT_UNTIL(sut_client_state(c) == SUT_SESSION_DOWN);
    cr_assert_leq(bus_now_ms() - began, 2500);
    kill(b.pid, SIGCONT);
    unsigned before = ended(&t);
    began = bus_now_ms();
    WAIT_UNTIL(ended(&t) > before + 200);
    cr_assert_leq(bus_now_ms() - began, 5000);
    load_stop(&l);
    sut_client_free(c);
    actor_end(&a);
    bus_free(&b);
}

Test(client_fault, rolling_restarts_of_the_broker_fail_no_call)
{
    bus b;
    actor a;
    load l;
    tally t = TALLY_INIT;
    bus_make(&b);
    bus_start(&b);
    actor_start(&a, &b, 16);
    sut_client *c = party_up(&b, "tool");
    load_start(&l, c, &t, false);
    for (int round = 0; round < 5; round++) {
        unsigned before = ended(&t);
        WAIT_UNTIL(ended(&t) > before + 300);
        cr_assert_eq(bus_stop(&b, SIGTERM), 0);
        bus_start(&b);
    }
    unsigned before = ended(&t);
    WAIT_UNTIL(ended(&t) > before + 300);
    load_stop(&l);
    for (int err = 1; err < 80; err++)
        cr_assert_eq(t.by_err[err], 0, "%u of %u calls ended with error %d", t.by_err[err], t.count, err);
    cr_assert_eq(a.executed, t.count);
    sut_client_free(c);
    actor_end(&a);
    bus_free(&b);
}

Test(client_fault, free_while_the_broker_is_stopped)
{
    bus b;
    tally t = TALLY_INIT;
    bus_make(&b);
    bus_start(&b);
    sut_client *c = party_up(&b, "tool");
    kill(b.pid, SIGSTOP);
    for (int i = 0; i < 1000; i++)
        tally_call(&t, c, "echo.say", 60000, i % 2);
    uint64_t began = bus_now_ms();
    sut_client_free(c);
    cr_assert_leq(bus_now_ms() - began, 2000);
    cr_assert_eq(t.count, 1000);
    kill(b.pid, SIGCONT);
    bus_free(&b);
}
