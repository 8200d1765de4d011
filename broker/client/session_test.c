/* The session against a broker that does as it is told: hello, refusal, silence, loss, bye. */
#include "fake_broker.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

TestSuite(session, .timeout = 60);

static bool body_has(sut_str body, const char *text)
{
    return memmem(body.ptr, body.len, text, strlen(text)) != NULL;
}

Test(session, hello_says_who_we_are_and_welcome_ends_the_wait)
{
    fake_broker f;
    fake_start(&f);
    sut_client *c = fake_client(&f, NULL, 0);
    sut_envelope hello = fake_accept(&f);
    cr_assert(body_has(hello.body, "\xa4name\xa6tester"));
    cr_assert(body_has(hello.body, "\xa8instance\xa2t1"));
    cr_assert(body_has(hello.body, "\xa8services\x90"));
    cr_assert_eq(sut_client_wait_up(c, FAKE_WAIT_MS), 0);
    cr_assert_eq(sut_client_state(c), SUT_SESSION_UP);
    sut_client_free(c);
    fake_stop(&f);
}

Test(session, wait_up_times_out_without_a_broker)
{
    fake_broker f;
    fake_start(&f);
    fake_crash(&f);
    sut_client *c = fake_client(&f, NULL, 0);
    cr_assert_eq(sut_client_wait_up(c, 50), -ETIMEDOUT);
    sut_client_free(c);
    fake_stop(&f);
}

Test(session, wrong_secret_is_refused)
{
    fake_broker f;
    fake_start(&f);
    sut_client *c;
    sut_client_options opt = {.endpoint = f.endpoint, .name = "tester", .secret_file = f.wrong_file};
    char error[128];
    cr_assert_eq(sut_client_new(&c, &opt, error, sizeof error), 0);
    cr_assert_eq(sut_client_wait_up(c, FAKE_WAIT_MS), -EACCES);
    fake_results r = FAKE_RESULTS_INIT;
    sut_call call = fake_a_call(5000, false);
    cr_assert_eq(sut_call_start(c, &call, fake_on_result, &r, NULL), 0);
    fake_wait_results(&r, 1); /* at once, not after five seconds: nothing can come of waiting */
    cr_assert_eq(r.err[0], SUT_ERR_UNAVAILABLE);
    sut_client_free(c);
    fake_stop(&f);
}

Test(session, refused_hello_is_told_and_unavailable_is_tried_again)
{
    fake_broker f;
    fake_start(&f);
    sut_client *c = fake_client(&f, NULL, 0);
    sut_envelope hello = fake_expect(&f, SUT_HELLO);
    fake_error(&f, hello.id, "unavailable", "draining");
    hello = fake_expect(&f, SUT_HELLO); /* soon again, on a new connection */
    fake_error(&f, hello.id, "forbidden", "may not serve");
    cr_assert_eq(sut_client_wait_up(c, FAKE_WAIT_MS), -EACCES);
    fake_accept(&f); /* slowly again */
    while (sut_client_wait_up(c, FAKE_WAIT_MS) == -EACCES)
        continue;
    cr_assert_eq(sut_client_state(c), SUT_SESSION_UP);
    sut_client_free(c);
    fake_stop(&f);
}

Test(session, a_lost_broker_means_a_new_connection_and_hello)
{
    fake_broker f;
    fake_start(&f);
    sut_client *c = fake_client(&f, NULL, 0);
    fake_accept(&f);
    uint8_t first[64];
    size_t first_len = f.peer_len;
    memcpy(first, f.peer, first_len);
    fake_crash(&f);
    fake_return(&f);
    fake_accept(&f);
    cr_assert(first_len != f.peer_len || memcmp(first, f.peer, first_len) != 0);
    cr_assert_eq(sut_client_wait_up(c, FAKE_WAIT_MS), 0);
    sut_client_free(c);
    fake_stop(&f);
}

Test(session, a_silent_broker_is_pinged_and_then_given_up)
{
    fake_broker f;
    fake_start(&f);
    f.ping_after_ms = 30;
    f.mute = true;
    sut_client *c = fake_client(&f, NULL, 0);
    fake_accept(&f);
    fake_accept(&f); /* only a new session says hello again */
    sut_client_free(c);
    fake_stop(&f);
}

Test(session, answered_pings_keep_it)
{
    fake_broker f;
    fake_start(&f);
    f.ping_after_ms = 20;
    sut_client *c = fake_client(&f, NULL, 0);
    fake_accept(&f);
    sut_envelope env;
    cr_assert_not(fake_poll(&f, 400, &env), "a hello came although every ping was answered");
    sut_client_free(c);
    fake_stop(&f);
}

Test(session, a_ping_is_answered_by_its_pong)
{
    fake_broker f;
    fake_start(&f);
    sut_client *c = fake_client(&f, NULL, 0);
    fake_accept(&f);
    fake_send(&f, &(sut_envelope){.kind = SUT_PING, .id = 99});
    cr_assert_eq(fake_expect(&f, SUT_PONG).id, 99);
    sut_client_free(c);
    fake_stop(&f);
}

Test(session, garbage_costs_the_session_and_nothing_else)
{
    static const struct {
        const char *bytes;
        size_t len;
    } garbage[] = {{"\xc1", 1}, {"\x9a\x01", 2}, {"GET / HTTP/1.1\r\n", 16}, {"\xdd\xff\xff\xff\xff", 5}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(garbage); i++) {
        fake_broker f;
        fake_start(&f);
        sut_client *c = fake_client(&f, NULL, 0);
        fake_accept(&f);
        fake_send_raw(&f, garbage[i].bytes, garbage[i].len);
        fake_accept(&f);
        sut_client_free(c);
        fake_stop(&f);
    }
}

Test(session, an_error_that_answers_no_call_ends_the_session)
{
    fake_broker f;
    fake_start(&f);
    sut_client *c = fake_client(&f, NULL, 0);
    fake_accept(&f);
    fake_error(&f, 0, "bad_envelope", "no");
    fake_accept(&f);
    sut_client_free(c);
    fake_stop(&f);
}

Test(session, calls_wait_while_the_broker_leaves)
{
    fake_broker f;
    fake_start(&f);
    sut_client *c = fake_client(&f, NULL, 0);
    fake_results r = FAKE_RESULTS_INIT;
    fake_accept(&f);
    sut_call call = fake_a_call(FAKE_WAIT_MS, false);
    cr_assert_eq(sut_call_start(c, &call, fake_on_result, &r, NULL), 0);
    uint64_t early = fake_expect(&f, SUT_CALL).id;
    fake_send(&f, &(sut_envelope){.kind = SUT_BYE});
    fake_send(&f, &(sut_envelope){.kind = SUT_PING, .id = 5});
    fake_expect(&f, SUT_PONG); /* so the bye was read */
    cr_assert_eq(sut_call_start(c, &call, fake_on_result, &r, NULL), 0);
    sut_envelope env;
    cr_assert_not(fake_poll(&f, 100, &env), "a call was given to a broker that leaves");
    fake_reply(&f, early, "early"); /* what was in flight ends on the old session */
    fake_wait_results(&r, 1);
    cr_assert_eq(r.err[0], 0);
    fake_crash(&f);
    fake_return(&f);
    fake_accept(&f);
    fake_reply(&f, fake_expect(&f, SUT_CALL).id, "late");
    fake_wait_results(&r, 2);
    cr_assert_eq(r.err[1], 0);
    sut_client_free(c);
    fake_stop(&f);
}

Test(session, a_call_refused_by_a_leaving_broker_is_given_to_the_next)
{
    fake_broker f;
    fake_start(&f);
    sut_client *c = fake_client(&f, NULL, 0);
    fake_results r = FAKE_RESULTS_INIT;
    fake_accept(&f);
    sut_call call = fake_a_call(FAKE_WAIT_MS, false);
    cr_assert_eq(sut_call_start(c, &call, fake_on_result, &r, NULL), 0);
    uint64_t id = fake_expect(&f, SUT_CALL).id;
    fake_send(&f, &(sut_envelope){.kind = SUT_BYE});
    fake_error(&f, id, "unavailable", "draining");
    fake_send(&f, &(sut_envelope){.kind = SUT_PING, .id = 5});
    fake_expect(&f, SUT_PONG); /* so both were read */
    fake_crash(&f);
    fake_return(&f);
    fake_accept(&f);
    fake_error(&f, fake_expect(&f, SUT_CALL).id, "no_such_service", "not back yet");
    fake_reply(&f, fake_expect(&f, SUT_CALL).id, "served");
    fake_wait_results(&r, 1);
    cr_assert_eq(r.err[0], 0);
    cr_assert_eq(r.count, 1);
    sut_client_free(c);
    fake_stop(&f);
}
