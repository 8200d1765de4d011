/* Calls while all is well, and how clients and actors come and go. */
#include "party.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(client_life, .timeout = 120);

typedef struct scene {
    bus b;
    actor a;
    sut_client *c;
    tally t;
} scene;

static void open_scene(scene *s, uint32_t credits)
{
    bus_make(&s->b);
    bus_start(&s->b);
    actor_start(&s->a, &s->b, credits);
    s->c = party_up(&s->b, "tool");
    s->t = (tally)TALLY_INIT;
}

static void close_scene(scene *s)
{
    sut_client_free(s->c);
    actor_end(&s->a);
    bus_free(&s->b);
}

Test(client_life, blocking_call)
{
    scene s;
    open_scene(&s, 4);
    sut_call call = {.subject = SUT_STR("echo.say"), .body = party_body};
    sut_answer answer;
    cr_assert_eq(sut_call_wait(s.c, &call, &answer), 0);
    cr_assert_eq(answer.result.err, 0, "%s", answer.result.code.ptr);
    cr_assert(sut_str_eq(answer.result.body, party_body));
    cr_assert_eq(answer.result.attempt, 1);
    sut_answer_deinit(&answer);
    close_scene(&s);
}

Test(client_life, deadlines_and_late_answers)
{
    scene s;
    open_scene(&s, 4);
    uint64_t began = bus_now_ms();
    tally_call(&s.t, s.c, "echo.late", 150, false);
    tally_wait(&s.t, 1);
    cr_assert_eq(s.t.by_err[SUT_ERR_DEADLINE_EXCEEDED], 1);
    cr_assert_geq(bus_now_ms() - began, 149);
    s.a.release = true; /* the answer that nobody waits for still returns its credit */
    for (int i = 0; i < 20; i++)
        tally_call(&s.t, s.c, "echo.slow", WAIT_MS, false);
    tally_wait(&s.t, 21);
    cr_assert_eq(s.t.by_err[0], 20);
    close_scene(&s);
}

Test(client_life, cancel_reaches_the_actor)
{
    scene s;
    open_scene(&s, 4);
    sut_call_id id = tally_call(&s.t, s.c, "echo.keep", WAIT_MS, false);
    WAIT_UNTIL(s.a.kept_count == 1);
    sut_call_cancel(s.c, id);
    tally_wait(&s.t, 1);
    cr_assert_eq(s.t.by_err[SUT_ERR_CANCELLED], 1);
    WAIT_UNTIL(s.a.cancelled == 1);
    close_scene(&s);
}

Test(client_life, a_caller_that_goes_cancels_its_calls)
{
    scene s;
    open_scene(&s, 4);
    tally_call(&s.t, s.c, "echo.keep", WAIT_MS, false);
    WAIT_UNTIL(s.a.kept_count == 1);
    sut_client_free(s.c);
    cr_assert_eq(s.t.by_err[SUT_ERR_CANCELLED], 1);
    WAIT_UNTIL(s.a.cancelled == 1);
    s.c = NULL;
    close_scene(&s);
}

typedef struct submitter {
    scene *s;
    pthread_t thread;
} submitter;

#define EACH 25000

static void *submit(void *arg)
{
    scene *s = arg;
    for (int i = 0; i < EACH; i++)
        tally_call(&s->t, s->c, "echo.say", 120000, true);
    return NULL;
}

Test(client_life, a_hundred_thousand_calls_from_four_threads)
{
    scene s;
    pthread_t thread[4];
    bus_make(&s.b);
    bus_write_limits(
        &s.b, "pending_calls_per_peer = 200000\nmax_credits = 65536\nqueue_calls = 200000\nmax_ttl_ms = 120000\n");
    bus_start(&s.b);
    actor_start(&s.a, &s.b, 65536);
    s.c = party_up(&s.b, "tool");
    s.t = (tally)TALLY_INIT;
    for (int i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, submit, &s);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    tally_wait(&s.t, 4 * EACH);
    for (int err = 1; err < 80; err++)
        cr_assert_eq(s.t.by_err[err], 0, "%u calls ended with error %d", s.t.by_err[err], err);
    cr_assert_eq(s.a.executed, 4 * EACH);
    close_scene(&s);
}

Test(client_life, actors_replace_each_other_without_a_failed_call)
{
    scene s;
    actor next[4];
    open_scene(&s, 8);
    unsigned started = 0;
    for (int round = 0; round < 4; round++) {
        actor *old = round ? &next[round - 1] : &s.a;
        for (int i = 0; i < 200; i++, started++)
            tally_call(&s.t, s.c, i % 2 ? "echo.say" : "echo.slow", WAIT_MS, false);
        actor_start(&next[round], &s.b, 8);
        bus_wait_number(&s.b, "sessions_total", 4);
        for (int i = 0; i < 200; i++, started++)
            tally_call(&s.t, s.c, i % 2 ? "echo.say" : "echo.slow", WAIT_MS, false);
        actor_leave(old);
        WAIT_UNTIL(bus_number(&s.b, "sessions_total") == 3);
    }
    s.a.release = true;
    tally_wait(&s.t, started);
    cr_assert_eq(s.t.by_err[0], started, "last error %s: %s", s.t.last_code, s.t.last_message);
    sut_client_free(s.c);
    actor_end(&next[3]);
    bus_free(&s.b);
}

Test(client_life, a_wrong_secret_and_a_stranger_are_refused)
{
    bus b;
    bus_make(&b);
    bus_start(&b);
    char wrong[160], error[128];
    snprintf(wrong, sizeof wrong, "%s/keys/echo.secret", b.dir);
    const char *const names[] = {"tool", "stranger"};
    for (int i = 0; i < 2; i++) {
        sut_client *c;
        sut_client_options opt = {.endpoint = b.ipc, .name = names[i], .secret_file = wrong};
        cr_assert_eq(sut_client_new(&c, &opt, error, sizeof error), 0);
        cr_assert_eq(sut_client_wait_up(c, WAIT_MS), -EACCES, "%s", names[i]);
        sut_client_free(c);
    }
    bus_free(&b);
}

Test(client_life, a_revoked_peer_is_cut_off_and_a_renewed_one_comes_back)
{
    scene s;
    open_scene(&s, 4);
    sut_client *other = party_up(&s.b, "edge");
    cr_assert_eq(bus_key(&s.b, "revoke", "tool", NULL), 0);
    WAIT_UNTIL(sut_client_state(s.c) == SUT_SESSION_REFUSED);
    tally_call(&s.t, s.c, "echo.say", 60000, true);
    tally_wait(&s.t, 1);
    cr_assert_eq(s.t.by_err[SUT_ERR_UNAVAILABLE], 1);
    tally_call(&s.t, other, "echo.say", WAIT_MS, false);
    tally_wait(&s.t, 2);
    cr_assert_eq(s.t.by_err[0], 1);
    cr_assert_eq(bus_key(&s.b, "new", "tool", "--role", "tool", NULL), 0);
    WAIT_UNTIL(sut_client_state(s.c) == SUT_SESSION_UP); /* its secret's file is read anew */
    sut_client_free(other);
    close_scene(&s);
}

Test(client_life, over_tcp_with_curve)
{
    bus b;
    bus_make(&b);
    bus_use_tcp(&b);
    cr_assert_eq(bus_key(&b, "new", "far", "--role", "tool", "--curve", NULL), 0);
    bus_start(&b);
    actor a;
    actor_start(&a, &b, 4);
    char cert[160], error[256] = "", *text = bus_read(&b, "keys/broker.cert");
    char server_key[41] = "";
    const char *at = strstr(text, "public-key = \"");
    cr_assert_not_null(at, "%s", text);
    memcpy(server_key, at + strlen("public-key = \""), 40);
    free(text);
    snprintf(cert, sizeof cert, "%s/keys/far.cert_secret", b.dir);
    sut_client *c;
    sut_client_options opt = {.endpoint = b.tcp, .name = "far", .curve_file = cert, .server_key = server_key};
    cr_assert_eq(sut_client_new(&c, &opt, error, sizeof error), 0, "%s", error);
    cr_assert_eq(sut_client_wait_up(c, WAIT_MS), 0);
    tally t = TALLY_INIT;
    tally_call(&t, c, "echo.say", WAIT_MS, false);
    tally_wait(&t, 1);
    cr_assert_eq(t.by_err[0], 1, "%s", t.last_code);
    sut_client_free(c);
    actor_end(&a);
    bus_free(&b);
}
