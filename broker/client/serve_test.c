/* Serving: calls in, one answer each, from any thread, at any time. */
#include "fake_broker.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

TestSuite(serve, .timeout = 60);

typedef struct keeper { /* takes calls in and leaves the answering to the test */
    sem_t came, cancelled;
    sut_incoming *in[8];
    unsigned count;
    bool answer_at_once;
} keeper;

static void wait_for(sem_t *s)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FAKE_WAIT_MS / 1000;
    cr_assert_eq(sem_timedwait(s, &until), 0);
}

static void on_cancel(void *arg)
{
    sem_post(&((keeper *)arg)->cancelled);
}

static void on_incoming(void *arg, sut_incoming *in)
{
    keeper *k = arg;
    if (k->answer_at_once) {
        sut_reply(in, fake_body);
        return;
    }
    sut_incoming_on_cancel(in, on_cancel, k);
    k->in[k->count++] = in;
    sem_post(&k->came);
}

static sut_client *serving(fake_broker *f, keeper *k, uint32_t credits)
{
    *k = (keeper){.count = 0};
    sem_init(&k->came, 0, 0);
    sem_init(&k->cancelled, 0, 0);
    fake_start(f);
    fake_crash(f); /* so that the service is known before the first hello */
    sut_client *c = fake_client(f, NULL, 0);
    cr_assert_eq(sut_serve(c, "echo", credits, on_incoming, k), 0);
    fake_return(f);
    sut_envelope hello = fake_accept(f);
    static const char services[] = "\xa8services\x91\x82\xa4name\xa4"
                                   "echo\xa7"
                                   "credits";
    cr_assert_not_null(memmem(hello.body.ptr, hello.body.len, services, sizeof services - 1));
    return c;
}

Test(serve, a_call_is_given_whole_and_answered_with_its_attempt)
{
    fake_broker f;
    keeper k;
    sut_client *c = serving(&f, &k, 4);
    fake_call(&f, 77, "echo.say", 2);
    wait_for(&k.came);
    const sut_envelope *env = sut_incoming_envelope(k.in[0]);
    cr_assert(sut_str_is(env->subject, "echo.say"));
    cr_assert(sut_str_eq(env->body, fake_body));
    uint64_t now = sut_now_ns(), deadline = sut_incoming_deadline_ns(k.in[0]);
    cr_assert(deadline > now && deadline <= now + 5 * SUT_NS_PER_S);
    cr_assert_not(sut_incoming_cancelled(k.in[0]));
    sut_reply(k.in[0], fake_body); /* from this thread, which is not the client's */
    sut_envelope reply = fake_expect(&f, SUT_REPLY);
    cr_assert_eq(reply.id, 77);
    cr_assert_eq(reply.opt.attempt, 2);
    cr_assert(sut_str_eq(reply.body, fake_body));
    sut_client_free(c);
    fake_stop(&f);
}

Test(serve, an_error_answer_carries_code_and_status)
{
    fake_broker f;
    keeper k;
    sut_client *c = serving(&f, &k, 4);
    fake_call(&f, 1, "echo.say", 1);
    wait_for(&k.came);
    sut_reply_error(k.in[0],
                    &(sut_error_body){.code = SUT_STR("not_found"), .message = SUT_STR("no"), .http_status = 404});
    sut_envelope e = fake_expect(&f, SUT_ERROR_REPLY);
    cr_assert_eq(e.id, 1);
    cr_assert_eq(e.opt.http_status, 404);
    cr_assert_not_null(memmem(e.body.ptr, e.body.len, "not_found", 9));
    sut_client_free(c);
    fake_stop(&f);
}

Test(serve, an_answer_that_is_too_large_becomes_an_error)
{
    fake_broker f;
    keeper k;
    sut_client *c = serving(&f, &k, 4);
    static char big[SUT_ENVELOPE_MAX + 1];
    fake_call(&f, 1, "echo.say", 1);
    wait_for(&k.came);
    sut_reply(k.in[0], (sut_str){big, sizeof big});
    sut_envelope e = fake_expect(&f, SUT_ERROR_REPLY);
    cr_assert_not_null(memmem(e.body.ptr, e.body.len, "payload_too_large", 17));
    sut_client_free(c);
    fake_stop(&f);
}

Test(serve, more_calls_than_credits_are_overloaded)
{
    fake_broker f;
    keeper k;
    sut_client *c = serving(&f, &k, 1);
    fake_call(&f, 1, "echo.say", 1);
    fake_call(&f, 2, "echo.say", 1);
    sut_envelope e = fake_expect(&f, SUT_ERROR_REPLY);
    cr_assert_eq(e.id, 2);
    cr_assert_not_null(memmem(e.body.ptr, e.body.len, "overloaded", 10));
    wait_for(&k.came);
    sut_reply(k.in[0], fake_body);
    cr_assert_eq(fake_expect(&f, SUT_REPLY).id, 1);
    sut_client_free(c);
    fake_stop(&f);
}

Test(serve, a_peer_that_serves_nothing_says_so)
{
    fake_broker f;
    fake_start(&f);
    sut_client *c = fake_client(&f, NULL, 0);
    fake_accept(&f);
    fake_call(&f, 9, "echo.say", 1);
    sut_envelope e = fake_expect(&f, SUT_ERROR_REPLY);
    cr_assert_not_null(memmem(e.body.ptr, e.body.len, "no_such_method", 14));
    sut_client_free(c);
    fake_stop(&f);
}

Test(serve, cancel_is_noticed_and_the_answer_still_due)
{
    fake_broker f;
    keeper k;
    sut_client *c = serving(&f, &k, 4);
    fake_call(&f, 5, "echo.say", 1);
    wait_for(&k.came);
    fake_send(&f, &(sut_envelope){.kind = SUT_CANCEL, .id = 5});
    wait_for(&k.cancelled);
    cr_assert(sut_incoming_cancelled(k.in[0]));
    sut_reply_error(k.in[0], &(sut_error_body){.code = SUT_STR("cancelled"), .message = SUT_STR("")});
    cr_assert_eq(fake_expect(&f, SUT_ERROR_REPLY).id, 5);
    sut_client_free(c);
    fake_stop(&f);
}

Test(serve, a_late_answer_to_a_lost_session_goes_nowhere)
{
    fake_broker f;
    keeper k;
    sut_client *c = serving(&f, &k, 4);
    fake_call(&f, 5, "echo.say", 1);
    wait_for(&k.came);
    fake_crash(&f);
    fake_return(&f);
    fake_accept(&f);
    wait_for(&k.cancelled); /* nobody waits for it any more */
    fake_call(&f, 5, "echo.say", 1);
    wait_for(&k.came);
    sut_reply_error(k.in[0], &(sut_error_body){.code = SUT_STR("internal"), .message = SUT_STR("old")});
    sut_reply(k.in[1], fake_body);
    cr_assert_eq(fake_expect(&f, SUT_REPLY).id, 5); /* and not the error, which was first */
    sut_client_stats stats;
    sut_client_get_stats(c, &stats);
    cr_assert_eq(stats.serving, 0);
    sut_client_free(c);
    fake_stop(&f);
}

Test(serve, an_incoming_may_outlive_the_client)
{
    fake_broker f;
    keeper k;
    sut_client *c = serving(&f, &k, 4);
    fake_call(&f, 5, "echo.say", 1);
    wait_for(&k.came);
    sut_client_free(c);
    cr_assert(sut_incoming_cancelled(k.in[0]));
    sut_reply(k.in[0], fake_body);
    fake_stop(&f);
}

static void on_left(void *arg)
{
    sem_post(arg);
}

Test(serve, bye_waits_for_what_is_in_hand)
{
    fake_broker f;
    keeper k;
    sut_client *c = serving(&f, &k, 4);
    sem_t left;
    sem_init(&left, 0, 0);
    fake_call(&f, 1, "echo.say", 1);
    wait_for(&k.came);
    f.mute = true;
    sut_client_bye(c, on_left, &left);
    fake_expect(&f, SUT_BYE);
    fake_call(&f, 2, "echo.say", 1); /* was on its way */
    f.mute = false;
    sut_envelope none;
    cr_assert_not(fake_poll(&f, 100, &none)); /* answers the ping that came behind the bye */
    wait_for(&k.came);
    sut_reply(k.in[0], fake_body);
    fake_expect(&f, SUT_REPLY);
    cr_assert_neq(sem_trywait(&left), 0);
    sut_reply(k.in[1], fake_body);
    fake_expect(&f, SUT_REPLY);
    wait_for(&left);
    sut_client_free(c);
    fake_stop(&f);
}

Test(serve, bye_ends_when_its_session_does_and_the_next_serves_nothing)
{
    fake_broker f;
    keeper k;
    sut_client *c = serving(&f, &k, 4);
    sem_t left;
    sem_init(&left, 0, 0);
    fake_call(&f, 1, "echo.say", 1);
    wait_for(&k.came);
    f.mute = true;
    sut_client_bye(c, on_left, &left);
    fake_expect(&f, SUT_BYE);
    fake_crash(&f);
    wait_for(&k.cancelled);
    cr_assert_neq(sem_trywait(&left), 0);
    sut_reply(k.in[0], fake_body);
    wait_for(&left);
    f.mute = false;
    fake_return(&f);
    sut_envelope hello = fake_accept(&f);
    cr_assert_not_null(memmem(hello.body.ptr, hello.body.len, "\xa8services\x90", 10));
    sut_client_free(c);
    fake_stop(&f);
}

Test(serve, the_last_answers_before_free_arrive)
{
    fake_broker f;
    keeper k;
    sut_client *c = serving(&f, &k, 4);
    sem_t left;
    sem_init(&left, 0, 0);
    for (uint64_t id = 1; id <= 4; id++)
        fake_call(&f, id, "echo.say", 1);
    for (int i = 0; i < 4; i++)
        wait_for(&k.came);
    sut_client_bye(c, on_left, &left);
    fake_expect(&f, SUT_BYE);
    sut_envelope none;
    cr_assert_not(fake_poll(&f, 100, &none));
    for (int i = 0; i < 4; i++)
        sut_reply(k.in[i], fake_body);
    wait_for(&left);
    sut_client_free(c);
    for (int i = 0; i < 4; i++)
        fake_expect(&f, SUT_REPLY);
    fake_stop(&f);
}

Test(serve, serve_is_once_and_checked)
{
    fake_broker f;
    keeper k;
    sut_client *c = serving(&f, &k, 4);
    cr_assert_eq(sut_serve(c, "echo", 1, on_incoming, &k), -EALREADY);
    cr_assert_eq(sut_serve(c, "", 1, on_incoming, &k), -EINVAL);
    cr_assert_eq(sut_serve(c, "echo", 0, on_incoming, &k), -EINVAL);
    sut_client_free(c);
    fake_stop(&f);
}

Test(serve, a_service_announced_late_costs_a_new_session)
{
    fake_broker f;
    keeper k = {.answer_at_once = true};
    fake_start(&f);
    sut_client *c = fake_client(&f, NULL, 0);
    fake_accept(&f);
    cr_assert_eq(sut_client_wait_up(c, FAKE_WAIT_MS), 0);
    cr_assert_eq(sut_serve(c, "echo", 3, on_incoming, &k), 0);
    sut_envelope hello = fake_accept(&f);
    cr_assert_not_null(memmem(hello.body.ptr, hello.body.len,
                              "\xa4"
                              "echo",
                              5));
    fake_call(&f, 1, "echo.say", 1);
    fake_expect(&f, SUT_REPLY);
    sut_client_free(c);
    fake_stop(&f);
}
