/* Sights: what the core tells of what passes, kind by kind, and that it tells nothing unless it was asked. */
#include "event_harness_test.h"

#include <criterion/criterion.h>

#define TRACE  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define PARENT "b7ad6b7169203331"
#define ALL    0x1f

static void sight_setup(void)
{
    events_setup();
    sut_core_watch(h.core, ALL);
}

TestSuite(sight, .init = sight_setup, .fini = events_teardown, .timeout = 10);

static void is(sut_str got, const char *wanted)
{
    cr_assert(got.ptr && sut_str_is(got, wanted), "'%.*s' instead of '%s'", SUT_STR_FMT(got), wanted);
}

static void peer_asks(uint64_t caller, uint64_t id, const char *subject)
{
    peer_says(caller, &(sut_envelope){.kind = SUT_CALL,
                                      .id = id,
                                      .subject = sut_str_from(subject),
                                      .key = SUT_STR("k"),
                                      .ttl_ms = 1000,
                                      .principal = {.user_id = 42, .level = 1, .session = SUT_STR("s-1")},
                                      .traceparent = SUT_STR(TRACE),
                                      .opt = {.parent_id = SUT_STR(PARENT)},
                                      .body = SUT_STR("question")});
}

static void is_of_the_call(const sut_sight *s)
{
    is(s->subject, "user.put");
    is(s->key, "k");
    is(s->traceparent, TRACE);
    is(s->parent_id, PARENT);
    cr_assert_eq(s->principal.user_id, 42);
    cr_assert_eq(s->principal.level, 1);
    cr_assert_eq(s->id, 900);
    cr_assert_eq(s->at_us, 0);
}

Test(sight, a_call_and_its_reply)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 2);
    peer_asks(caller, 900, "user.put");
    const sut_sight *call = must_see(SUT_SIGHT_CALL);
    is_of_the_call(call);
    is(call->from, "edge-1");
    is(call->to, "user-1");
    is(call->body, "question");
    is(call->principal.session, "s-1");
    cr_assert_eq(call->attempt, 1);
    cr_assert_neq(call->call, 0);
    h.now += 5 * SUT_NS_PER_MS;
    peer_replies(inst, must_take(inst, SUT_CALL), "answer");
    const sut_sight *reply = must_see(SUT_SIGHT_REPLY);
    is_of_the_call(reply);
    is(reply->from, "user-1");
    is(reply->to, "edge-1");
    is(reply->body, "answer");
    cr_assert_eq(reply->call, call->call);
    cr_assert_eq(reply->took_us, 5000);
    cr_assert_eq(reply->attempt, 1);
    must_see_nothing();
    cr_assert_eq(sut_core_bytes_held(h.core), 0);
}

Test(sight, a_call_that_waits_is_seen_when_it_is_given)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    peer_calls(caller, 1, "user.put");
    const sut_sight *first = must_see(SUT_SIGHT_CALL);
    peer_asks(caller, 900, "user.put");
    must_see_nothing();
    peer_replies(inst, must_take(inst, SUT_CALL), "answer");
    cr_assert_eq(must_see(SUT_SIGHT_REPLY)->call, first->call);
    is_of_the_call(must_see(SUT_SIGHT_CALL));
    peer_replies(inst, must_take(inst, SUT_CALL), "answer");
    is_of_the_call(must_see(SUT_SIGHT_REPLY));
}

Test(sight, the_error_of_an_instance_has_its_code)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    peer_asks(caller, 900, "user.put");
    const sut_sight *call = must_see(SUT_SIGHT_CALL);
    peer_fails(inst, must_take(inst, SUT_CALL), "username_taken");
    const sut_sight *error = must_see(SUT_SIGHT_ERROR);
    is_of_the_call(error);
    is(error->from, "user-1");
    is(error->code, "username_taken");
    cr_assert_gt(error->body.len, 0);
    cr_assert_eq(error->call, call->call);
}

Test(sight, an_error_body_that_cannot_be_read_has_no_code)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    peer_calls(caller, 1, "user.put");
    must_see(SUT_SIGHT_CALL);
    const out *call = must_take(inst, SUT_CALL);
    /* What it says is no error body. */
    peer_says(inst, &(sut_envelope){.kind = SUT_ERROR_REPLY,
                                    .id = call->id,
                                    .opt = {.attempt = call->attempt},
                                    .body = SUT_STR("\x81\xa3"
                                                    "abc"
                                                    "\x01")});
    cr_assert_null(must_see(SUT_SIGHT_ERROR)->code.ptr);
    cr_assert_str_eq(must_take(caller, SUT_ERROR_REPLY)->code, "");
}

Test(sight, what_the_broker_answers_itself)
{
    uint64_t caller = peer_ready("edge-1");
    h.control_answers_at_once = true;
    peer_calls(caller, 7, "broker.status");
    const sut_sight *call = must_see(SUT_SIGHT_CALL);
    is(call->from, "edge-1");
    is(call->to, "broker");
    const sut_sight *reply = must_see(SUT_SIGHT_REPLY);
    is(reply->from, "broker");
    is(reply->body, "now");
    cr_assert_eq(reply->call, call->call);
    h.control_answers_at_once = false;
    peer_calls(caller, 8, "broker.status");
    must_see(SUT_SIGHT_CALL);
    sut_core_control_reply(h.core, h.now, h.control_call, SUT_ERR_NOT_FOUND, SUT_STR("no such thing"));
    is(must_see(SUT_SIGHT_ERROR)->code, "not_found");
    must_see_nothing();
}

Test(sight, calls_that_no_instance_got_end_too)
{
    uint64_t caller = peer_ready("edge-1"), tool = peer_ready("tool-1");
    peer_asks(caller, 1, "user.put");
    const sut_sight *none = must_see(SUT_SIGHT_ERROR);
    is(none->code, "no_such_service");
    is(none->from, "broker");
    is(none->to, "edge-1");
    is(none->traceparent, TRACE);
    cr_assert_neq(none->call, 0);
    peer_serves("user-1", "user", 1);
    peer_calls(caller, 2, "user.put");
    must_see(SUT_SIGHT_CALL);
    peer_asks(caller, 900, "user.put");
    peer_sends(caller, SUT_CANCEL, 900);
    const sut_sight *cancelled = must_see(SUT_SIGHT_ERROR);
    is(cancelled->code, "cancelled");
    is_of_the_call(cancelled);
    cr_assert_eq(cancelled->attempt, 0);
    peer_asks(tool, 900, "user.put");
    is(must_see(SUT_SIGHT_ERROR)->code, "forbidden");
    must_see_nothing();
}

Test(sight, the_end_of_a_call_whose_caller_went_away)
{
    uint64_t caller = peer_ready("edge-1");
    peer_serves("user-1", "user", 1);
    peer_asks(caller, 900, "user.put");
    must_see(SUT_SIGHT_CALL);
    sut_core_close(h.core, h.now, caller);
    const sut_sight *error = must_see(SUT_SIGHT_ERROR);
    is_of_the_call(error);
    is(error->code, "cancelled");
    is(error->to, "edge-1");
}

Test(sight, a_call_is_seen_again_when_it_fails_over)
{
    uint64_t caller = peer_ready("edge-1"), one = peer_serves("user-1", "user", 2), two;
    peer_says(caller, &(sut_envelope){.kind = SUT_CALL,
                                      .id = 900,
                                      .subject = SUT_STR("user.get"),
                                      .ttl_ms = 1000,
                                      .opt = {.parent_id = SUT_STR(PARENT)},
                                      .body = SUT_STR("b")});
    const uint64_t number = must_see(SUT_SIGHT_CALL)->call;
    two = peer_serves("user-2", "user", 2);
    sut_core_close(h.core, h.now, one);
    const sut_sight *again = must_see(SUT_SIGHT_CALL);
    cr_assert_eq(again->call, number);
    cr_assert_eq(again->attempt, 2);
    is(again->to, "user-2");
    is(again->parent_id, PARENT);
    peer_replies(two, must_take(two, SUT_CALL), "answer");
    cr_assert_eq(must_see(SUT_SIGHT_REPLY)->attempt, 2);
}

Test(sight, several_sessions_of_a_peer_are_told_apart)
{
    uint64_t first = peer_open("edge-1"), second = peer_open("edge-1");
    peer_hello(first, "edge-1-a", NULL, 0);
    must_take(first, SUT_WELCOME);
    peer_asks(first, 1, "user.put");
    is(must_see(SUT_SIGHT_ERROR)->to, "edge-1");
    peer_hello(second, "edge-1-b", NULL, 0);
    must_take(second, SUT_WELCOME);
    peer_asks(first, 2, "user.put");
    is(must_see(SUT_SIGHT_ERROR)->to, "edge-1-a");
    sut_core_close(h.core, h.now, second);
    peer_asks(first, 3, "user.put");
    is(must_see(SUT_SIGHT_ERROR)->to, "edge-1");
}

/* ---- events ---- */

Test(sight, an_event_that_is_in_the_journal)
{
    uint64_t a = peer_ready("user-1");
    peer_says(a, &(sut_envelope){.kind = SUT_PUBLISH,
                                 .id = 1,
                                 .subject = SUT_STR("user.made"),
                                 .key = SUT_STR("k"),
                                 .traceparent = SUT_STR(TRACE),
                                 .principal = {.user_id = 42, .level = 1},
                                 .opt = {.event_id = SUT_STR("0123456789abcdef")},
                                 .body = SUT_STR("news")});
    must_see_nothing(); /* it is not on disk yet */
    journal_run();
    const sut_sight *event = must_see(SUT_SIGHT_EVENT);
    is(event->from, "user-1");
    cr_assert_null(event->to.ptr);
    is(event->subject, "user.made");
    is(event->key, "k");
    is(event->body, "news");
    cr_assert_eq(event->principal.user_id, 42);
    cr_assert_eq(event->sequence, 1);
    cr_assert_eq(event->call, 0);
    cr_assert_eq(memcmp(event->event_id, "0123456789abcdef", SUT_EVENT_ID_LEN), 0);
    must_see_nothing();
}

static const sub_options mailer = {.subjects = "user.*", .group = "mailer", .credits = 4, .ack_wait_ms = 1000};

/* A consumer that holds the first event of its group. */
static const out *given(uint64_t consumer, uint64_t publisher)
{
    must_subscribe(consumer, 7, &mailer);
    must_publish(publisher, "user.made", "k", "news");
    must_see(SUT_SIGHT_EVENT);
    const out *event = must_get_event(consumer, 1, 1);
    must_see_nothing();
    h.now += 3 * SUT_NS_PER_MS;
    return event;
}

static void must_see_delivery(const char *code, uint32_t attempt)
{
    const sut_sight *s = must_see(SUT_SIGHT_DELIVERY);
    is(s->code, code);
    is(s->group, "mailer");
    is(s->from, "post-1");
    is(s->to, "user-1");
    is(s->subject, "user.made");
    is(s->key, "k");
    cr_assert_eq(s->sequence, 1);
    cr_assert_eq(s->attempt, attempt);
    cr_assert_geq(s->took_us, 3000);
    cr_assert_null(s->body.ptr);
}

static void delivery_setup(void)
{
    sight_setup();
    use_acl("user-1 role=actor serve=user subscribe=>\npost-1 role=actor serve=user publish=user.*\n");
}

TestSuite(sight_delivery, .init = delivery_setup, .fini = events_teardown, .timeout = 10);

Test(sight_delivery, that_was_acked)
{
    uint64_t a = peer_ready("user-1"), p = peer_ready("post-1");
    const out *event = given(a, p);
    peer_acks(a, event);
    must_see_delivery("acked", 1);
    must_see_nothing();
}

Test(sight_delivery, that_was_refused_says_why)
{
    uint64_t a = peer_ready("user-1"), p = peer_ready("post-1");
    const out *event = given(a, p);
    peer_answers(a, SUT_NACK, event, 10, "mailbox_full", "later");
    must_see_delivery("mailbox_full", 1);
    pass_events_ms(20);
    h.now += 3 * SUT_NS_PER_MS;
    peer_answers(a, SUT_NACK, must_get_event(a, 1, 2), 10, NULL, NULL);
    must_see_delivery("nack", 2);
    pass_events_ms(20);
    h.now += 3 * SUT_NS_PER_MS;
    peer_answers(a, SUT_TERM, must_get_event(a, 1, 3), 0, "poison", "never");
    must_see_delivery("poison", 3);
    journal_run();
    must_see_nothing();
}

Test(sight_delivery, that_nobody_answered_in_time)
{
    uint64_t a = peer_ready("user-1"), p = peer_ready("post-1");
    given(a, p);
    pass_events_ms(1010);
    must_see_delivery("expired", 1);
}

Test(sight_delivery, whose_consumer_went_away)
{
    uint64_t a = peer_ready("user-1"), p = peer_ready("post-1");
    given(a, p);
    sut_core_close(h.core, h.now, a);
    must_see_delivery("lost", 1);
}

/* ---- who is not asked ---- */

Test(sight, only_the_kinds_that_are_watched)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 9);
    sut_core_watch(h.core, SUT_SIGHT_ERROR | SUT_SIGHT_EVENT);
    peer_calls(caller, 1, "user.put");
    peer_replies(inst, must_take(inst, SUT_CALL), "answer");
    peer_calls(caller, 2, "user.put");
    must_see_nothing();
    sut_core_watch(h.core, 0);
    peer_fails(inst, must_take(inst, SUT_CALL), "conflict");
    must_publish(inst, "user.made", "k", "news");
    must_see_nothing();
    cr_assert_eq(sut_core_bytes_held(h.core), 0);
}

Test(sight, the_end_of_a_call_from_before_the_watch_has_no_beginning)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 9);
    sut_core_watch(h.core, 0);
    peer_asks(caller, 900, "user.put");
    sut_core_watch(h.core, ALL);
    peer_replies(inst, must_take(inst, SUT_CALL), "answer");
    const sut_sight *reply = must_see(SUT_SIGHT_REPLY);
    is(reply->to, "edge-1");
    cr_assert_null(reply->traceparent.ptr);
    cr_assert_eq(reply->principal.user_id, 0);
}

/* ---- taps are the daemon's ---- */

Test(sight, a_tap_and_its_end_go_to_the_daemon)
{
    uint64_t e = peer_ready("edge-1"), raw = peer_open("edge-2");
    peer_sends(raw, SUT_TAP, 4);
    must_get_error(raw, 4, "hello_required");
    peer_sends(e, SUT_TAP, 5);
    cr_assert_eq(h.taps, 1);
    cr_assert_eq(h.tapped, 5);
    must_subscribe(e, 7, &(sub_options){.subjects = "user.*"});
    peer_sends(e, SUT_UNSUBSCRIBE, 7); /* a subscription's */
    cr_assert_eq(h.untaps, 0);
    peer_sends(e, SUT_UNSUBSCRIBE, 6);
    cr_assert_eq(h.untaps, 1);
    cr_assert_eq(h.tapped, 6);
    must_forget_markers(e);
    sut_core_drain(h.core, h.now);
    must_take(e, SUT_BYE);
    peer_sends(e, SUT_TAP, 8);
    must_get_error(e, 8, "unavailable");
    cr_assert_eq(h.taps, 1);
}

Test(sight, of_a_call_that_nobody_picked_only_an_urgent_end_is_told)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 2);
    h.is_asked = true;
    sut_core_watch_slow(h.core, 10 * SUT_NS_PER_MS);
    peer_asks(caller, 1, "user.put");
    h.now += 9 * SUT_NS_PER_MS;
    peer_replies(inst, must_take(inst, SUT_CALL), "answer");
    must_see_nothing();

    peer_asks(caller, 2, "user.put");
    h.now += 10 * SUT_NS_PER_MS;
    peer_replies(inst, must_take(inst, SUT_CALL), "answer");
    const sut_sight *slow = must_see(SUT_SIGHT_REPLY);
    is(slow->traceparent, TRACE);
    is(slow->parent_id, PARENT);
    cr_assert_eq(slow->principal.user_id, 42);
    cr_assert_not(slow->key.ptr);
    cr_assert_eq(slow->picked, 0);

    peer_asks(caller, 3, "user.put");
    peer_fails(inst, must_take(inst, SUT_CALL), "not_found");
    const sut_sight *error = must_see(SUT_SIGHT_ERROR);
    is(error->traceparent, TRACE);
    is(error->code, "not_found");
    must_see_nothing();

    h.picks = 2;
    peer_asks(caller, 4, "user.put");
    cr_assert_eq(must_see(SUT_SIGHT_CALL)->picked, 2);
    peer_replies(inst, must_take(inst, SUT_CALL), "answer");
    cr_assert_eq(must_see(SUT_SIGHT_REPLY)->picked, 2);
}
