/* Calls from sut_call_start to their one callback, whatever the broker does. */
#include "fake_broker.h"

#include "base/clock.h"
#include "base/loop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

TestSuite(calls, .timeout = 60);

static sut_client *up(fake_broker *f, struct sut_loop *loop, uint32_t queue_max)
{
    fake_start(f);
    sut_client *c = fake_client(f, loop, queue_max);
    if (!loop) {
        fake_accept(f);
        cr_assert_eq(sut_client_wait_up(c, FAKE_WAIT_MS), 0);
    }
    return c;
}

static void start(sut_client *c, fake_results *r, uint32_t timeout_ms, bool idempotent, sut_call_id *id)
{
    sut_call call = fake_a_call(timeout_ms, idempotent);
    cr_assert_eq(sut_call_start(c, &call, fake_on_result, r, id), 0);
}

Test(calls, the_envelope_carries_all_that_was_said)
{
    fake_broker f;
    sut_client *c = up(&f, NULL, 0);
    fake_results r = FAKE_RESULTS_INIT;
    sut_principal who = {.user_id = 42, .level = 1, .session = SUT_STR("s1")};
    sut_call call = {.subject = SUT_STR("user.profile_get"),
                     .key = SUT_STR("k"),
                     .body = fake_body,
                     .timeout_ms = 1234,
                     .principal = &who,
                     .idempotency_key = SUT_STR("once"),
                     .instance = SUT_STR("i7")};
    cr_assert_eq(sut_call_start(c, &call, fake_on_result, &r, NULL), 0);
    sut_envelope env = fake_expect(&f, SUT_CALL);
    cr_assert(sut_str_is(env.subject, "user.profile_get"));
    cr_assert(sut_str_is(env.key, "k"));
    cr_assert(env.ttl_ms <= 1234 && env.ttl_ms > 0);
    cr_assert_eq(env.principal.user_id, 42);
    cr_assert_eq(env.principal.level, 1);
    cr_assert(sut_str_is(env.principal.session, "s1"));
    cr_assert(sut_str_is(env.opt.idempotency_key, "once"));
    cr_assert(sut_str_is(env.opt.instance, "i7"));
    cr_assert(sut_traceparent_valid(env.traceparent));
    cr_assert_not(env.opt.parent_id.ptr);
    cr_assert(sut_str_eq(env.body, fake_body));
    fake_reply(&f, env.id, "hi");
    fake_wait_results(&r, 1);
    cr_assert_eq(r.err[0], 0);
    cr_assert_str_eq(r.body[0], "\x81\xa1r\xa2hi");
    sut_client_free(c);
    fake_stop(&f);
}

Test(calls, a_call_within_other_work_is_its_child)
{
    fake_broker f;
    sut_client *c = up(&f, NULL, 0);
    fake_results r = FAKE_RESULTS_INIT;
    const sut_str parent = SUT_STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    sut_call call = {.subject = SUT_STR("user.profile_get"), .body = fake_body, .parent = parent};
    cr_assert_eq(sut_call_start(c, &call, fake_on_result, &r, NULL), 0);
    sut_envelope env = fake_expect(&f, SUT_CALL);
    cr_assert_eq(memcmp(env.traceparent.ptr, parent.ptr, 36), 0, "the same trace");
    cr_assert_neq(memcmp(env.traceparent.ptr + 36, parent.ptr + 36, 16), 0, "a span of its own");
    cr_assert(sut_str_is(env.opt.parent_id, "00f067aa0ba902b7"));
    fake_reply(&f, env.id, "hi");
    call.parent = SUT_STR("nonsense");
    cr_assert_eq(sut_call_start(c, &call, fake_on_result, &r, NULL), 0);
    env = fake_expect(&f, SUT_CALL);
    cr_assert(sut_traceparent_valid(env.traceparent));
    cr_assert_not(env.opt.parent_id.ptr);
    fake_reply(&f, env.id, "hi");
    fake_wait_results(&r, 2);
    sut_client_free(c);
    fake_stop(&f);
}

Test(calls, errors_keep_code_and_number)
{
    fake_broker f;
    sut_client *c = up(&f, NULL, 0);
    fake_results r = FAKE_RESULTS_INIT;
    start(c, &r, 5000, false, NULL);
    fake_error(&f, fake_expect(&f, SUT_CALL).id, "not_found", "no such user");
    fake_wait_results(&r, 1);
    start(c, &r, 5000, false, NULL);
    fake_error(&f, fake_expect(&f, SUT_CALL).id, "email_taken", "taken");
    fake_wait_results(&r, 2);
    cr_assert_eq(r.err[0], SUT_ERR_NOT_FOUND);
    cr_assert_eq(r.err[1], SUT_ERR_DOMAIN_FIRST);
    cr_assert_str_eq(r.code[1], "email_taken");
    sut_client_free(c);
    fake_stop(&f);
}

Test(calls, deadline_ends_a_call_that_is_not_answered)
{
    fake_broker f;
    sut_client *c = up(&f, NULL, 0);
    fake_results r = FAKE_RESULTS_INIT;
    uint64_t began = sut_now_ns();
    start(c, &r, 50, true, NULL);
    uint64_t id = fake_expect(&f, SUT_CALL).id;
    fake_wait_results(&r, 1);
    cr_assert_geq(sut_now_ns() - began, 49 * SUT_NS_PER_MS);
    cr_assert_eq(r.err[0], SUT_ERR_DEADLINE_EXCEEDED);
    fake_reply(&f, id, "late"); /* nobody asks for it any more */
    start(c, &r, 5000, false, NULL);
    fake_reply(&f, fake_expect(&f, SUT_CALL).id, "fine");
    fake_wait_results(&r, 2);
    cr_assert_eq(r.count, 2);
    sut_client_free(c);
    fake_stop(&f);
}

Test(calls, without_a_broker_a_call_is_unavailable_by_its_deadline)
{
    fake_broker f;
    fake_start(&f);
    fake_crash(&f);
    sut_client *c = fake_client(&f, NULL, 0);
    fake_results r = FAKE_RESULTS_INIT;
    start(c, &r, 50, false, NULL);
    fake_wait_results(&r, 1);
    cr_assert_eq(r.err[0], SUT_ERR_UNAVAILABLE);
    sut_client_free(c);
    fake_stop(&f);
}

Test(calls, a_call_made_before_the_session_is_sent_when_it_is_up)
{
    fake_broker f;
    fake_start(&f);
    fake_crash(&f);
    sut_client *c = fake_client(&f, NULL, 0);
    fake_results r = FAKE_RESULTS_INIT;
    start(c, &r, 8000, false, NULL);
    struct timespec pause = {.tv_nsec = 20000000};
    nanosleep(&pause, NULL); /* so that the time left is seen to be less */
    fake_return(&f);
    fake_accept(&f);
    sut_envelope env = fake_expect(&f, SUT_CALL);
    cr_assert_leq(env.ttl_ms, 7985, "the envelope still said %u ms", env.ttl_ms);
    fake_reply(&f, env.id, "x");
    fake_wait_results(&r, 1);
    cr_assert_eq(r.err[0], 0);
    sut_client_free(c);
    fake_stop(&f);
}

Test(calls, a_lost_session_repeats_idempotent_calls_once_and_ends_others_as_unknown)
{
    fake_broker f;
    sut_client *c = up(&f, NULL, 0);
    fake_results r = FAKE_RESULTS_INIT;
    start(c, &r, FAKE_WAIT_MS, true, NULL);
    fake_expect(&f, SUT_CALL);
    start(c, &r, FAKE_WAIT_MS, false, NULL);
    fake_expect(&f, SUT_CALL);
    fake_crash(&f);
    fake_wait_results(&r, 1);
    cr_assert_eq(r.err[0], SUT_ERR_OUTCOME_UNKNOWN);
    fake_return(&f);
    fake_accept(&f);
    fake_expect(&f, SUT_CALL);
    sut_client_stats stats;
    sut_client_get_stats(c, &stats);
    cr_assert_eq(stats.retried, 1);
    fake_crash(&f); /* once only */
    fake_wait_results(&r, 2);
    cr_assert_eq(r.err[1], SUT_ERR_OUTCOME_UNKNOWN);
    sut_client_free(c);
    fake_stop(&f);
}

Test(calls, cancel_ends_it_and_tells_the_broker)
{
    fake_broker f;
    sut_client *c = up(&f, NULL, 0);
    fake_results r = FAKE_RESULTS_INIT;
    sut_call_id id;
    start(c, &r, 5000, false, &id);
    cr_assert_eq(fake_expect(&f, SUT_CALL).id, id);
    sut_call_cancel(c, id);
    cr_assert_eq(fake_expect(&f, SUT_CANCEL).id, id);
    fake_wait_results(&r, 1);
    cr_assert_eq(r.err[0], SUT_ERR_CANCELLED);
    sut_call_cancel(c, id);   /* gone already */
    sut_call_cancel(c, 4711); /* never was */
    sut_client_free(c);
    cr_assert_eq(r.count, 1);
    fake_stop(&f);
}

Test(calls, free_ends_what_is_in_flight)
{
    fake_broker f;
    sut_client *c = up(&f, NULL, 0);
    fake_results r = FAKE_RESULTS_INIT;
    for (int i = 0; i < 10; i++)
        start(c, &r, 5000, i % 2 == 0, NULL);
    for (int i = 0; i < 10; i++)
        fake_expect(&f, SUT_CALL);
    sut_client_free(c);
    cr_assert_eq(r.count, 10);
    cr_assert_eq(r.by_err[SUT_ERR_CANCELLED], 10);
    fake_stop(&f);
}

Test(calls, bounds_are_refused_at_once)
{
    fake_broker f;
    sut_client *c = up(&f, NULL, 2);
    fake_results r = FAKE_RESULTS_INIT;
    sut_call call = fake_a_call(5000, false);
    static char big[SUT_ENVELOPE_MAX + 1];
    call.body = (sut_str){big, sizeof big};
    cr_assert_eq(sut_call_start(c, &call, fake_on_result, &r, NULL), -EMSGSIZE);
    static const char *const wrong[] = {"", ".a", "a.", "a..b", "A.b", "a b", "a-b", "a/b"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(wrong); i++) {
        call = fake_a_call(5000, false);
        call.subject = sut_str_from(wrong[i]);
        cr_assert_eq(sut_call_start(c, &call, fake_on_result, &r, NULL), -EINVAL, "'%s'", wrong[i]);
    }
    call = fake_a_call(5000, false);
    start(c, &r, 5000, false, NULL);
    start(c, &r, 5000, false, NULL);
    cr_assert_eq(sut_call_start(c, &call, fake_on_result, &r, NULL), -EAGAIN);
    fake_reply(&f, fake_expect(&f, SUT_CALL).id, "one");
    fake_wait_results(&r, 1);
    start(c, &r, 5000, false, NULL);
    sut_client_free(c);
    cr_assert_eq(r.count, 3);
    fake_stop(&f);
}

Test(calls, blocking_style_copies_the_answer)
{
    fake_broker f;
    fake_start(&f);
    sut_client *c = fake_client(&f, NULL, 0);
    sut_call call = fake_a_call(100, false);
    sut_answer a;
    cr_assert_eq(sut_call_wait(c, &call, &a), 0);
    cr_assert(a.result.err == SUT_ERR_UNAVAILABLE);
    cr_assert(sut_str_is(a.result.code, "unavailable"));
    sut_answer_deinit(&a);
    sut_client_free(c);
    fake_stop(&f);
}

/* ---- on a loop that is the program's own ---- */

static void turn_until(sut_loop *loop, const fake_results *r, unsigned count)
{
    uint64_t until = sut_now_ns() + FAKE_WAIT_MS * SUT_NS_PER_MS;
    while (r->count < count && sut_now_ns() < until)
        cr_assert_eq(sut_loop_turn(loop, 10), 0);
    cr_assert_eq(r->count, count);
}

static void turn_until_frames(sut_loop *loop, fake_broker *f, sut_envelope *env)
{
    uint64_t until = sut_now_ns() + FAKE_WAIT_MS * SUT_NS_PER_MS;
    do
        cr_assert_eq(sut_loop_turn(loop, 1), 0);
    while (!fake_poll(f, 0, env) && sut_now_ns() < until);
}

static void turn_until_up(sut_loop *loop, fake_broker *f, sut_client *c)
{
    sut_envelope hello;
    turn_until_frames(loop, f, &hello);
    cr_assert_eq(hello.kind, SUT_HELLO);
    fake_send(f, &(sut_envelope){.kind = SUT_WELCOME, .id = hello.id});
    while (sut_client_state(c) != SUT_SESSION_UP)
        cr_assert_eq(sut_loop_turn(loop, 10), 0);
}

Test(calls, what_one_turn_submits_travels_in_one_frame)
{
    fake_broker f;
    sut_loop *loop;
    cr_assert_eq(sut_loop_new(&loop), 0);
    sut_client *c = up(&f, loop, 0);
    turn_until_up(loop, &f, c);
    fake_results r = FAKE_RESULTS_INIT;
    for (int i = 0; i < 100; i++)
        start(c, &r, 5000, false, NULL);
    sut_envelope env;
    turn_until_frames(loop, &f, &env);
    unsigned frame = f.frames;
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(env.kind, SUT_CALL);
        fake_reply(&f, env.id, "r");
        if (i < 99)
            env = fake_expect(&f, SUT_CALL);
    }
    cr_assert_eq(f.frames, frame);
    turn_until(loop, &r, 100);
    cr_assert_eq(r.by_err[0], 100);
    sut_client_free(c);
    sut_loop_free(loop);
    fake_stop(&f);
}

Test(calls, on_the_loop_blocking_is_refused_and_cancel_runs_no_callback_inside)
{
    fake_broker f;
    sut_loop *loop;
    cr_assert_eq(sut_loop_new(&loop), 0);
    sut_client *c = up(&f, loop, 0);
    turn_until_up(loop, &f, c);
    sut_call call = fake_a_call(100, false);
    sut_answer a;
    cr_assert_eq(sut_call_wait(c, &call, &a), -EDEADLK);
    cr_assert_eq(sut_client_wait_up(c, 10), -EDEADLK);
    fake_results r = FAKE_RESULTS_INIT;
    sut_call_id id;
    start(c, &r, 5000, false, &id);
    sut_call_cancel(c, id);
    cr_assert_eq(r.count, 0);
    turn_until(loop, &r, 1);
    cr_assert_eq(r.err[0], SUT_ERR_CANCELLED);
    sut_client_free(c);
    sut_loop_free(loop);
    fake_stop(&f);
}

/* ---- many threads ---- */

typedef struct submitter {
    sut_client *c;
    fake_results *r;
    unsigned refused;
} submitter;

#define SUBMIT_EACH 25000

static void *submit_many(void *arg)
{
    submitter *s = arg;
    sut_call call = fake_a_call(30000, false);
    for (int i = 0; i < SUBMIT_EACH; i++)
        if (sut_call_start(s->c, &call, fake_on_result, s->r, NULL) != 0)
            s->refused++;
    return NULL;
}

Test(calls, a_hundred_thousand_from_four_threads_are_each_answered_once)
{
    fake_broker f;
    sut_client *c = up(&f, NULL, 200000);
    fake_results r = FAKE_RESULTS_INIT;
    pthread_t thread[4];
    submitter s[4];
    for (int i = 0; i < 4; i++) {
        s[i] = (submitter){.c = c, .r = &r};
        pthread_create(&thread[i], NULL, submit_many, &s[i]);
    }
    uint8_t *seen = calloc(1, 5 * SUBMIT_EACH);
    for (int i = 0; i < 4 * SUBMIT_EACH; i++) {
        sut_envelope env = fake_expect(&f, SUT_CALL);
        cr_assert(env.id < 5 * SUBMIT_EACH && !seen[env.id]++);
        fake_reply(&f, env.id, "r");
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        cr_assert_eq(s[i].refused, 0);
    }
    fake_wait_results(&r, 4 * SUBMIT_EACH);
    cr_assert_eq(r.by_err[0], 4 * SUBMIT_EACH);
    sut_client_free(c);
    cr_assert_eq(r.count, 4 * SUBMIT_EACH);
    free(seen);
    fake_stop(&f);
}
