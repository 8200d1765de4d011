/* Calls: the way there and back, rights, refusals, deadlines, cancel. */
#include "harness_test.h"

#include <criterion/criterion.h>

TestSuite(call, .init = setup, .fini = teardown, .timeout = 10);

Test(call, goes_to_the_instance_and_its_reply_comes_back)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 2);
    peer_says(caller, &(sut_envelope){.kind = SUT_CALL,
                                      .id = 900,
                                      .subject = SUT_STR("user.put"),
                                      .ttl_ms = 700,
                                      .principal = {.user_id = 42, .level = 1},
                                      .body = SUT_STR("question")});
    const out *call = must_take(inst, SUT_CALL);
    cr_assert_neq(call->id, 900); /* the broker's own id */
    cr_assert_eq(call->attempt, 1);
    cr_assert_eq(call->ttl_ms, 700);
    cr_assert_eq(call->user_id, 42);
    cr_assert_str_eq(call->subject, "user.put");
    cr_assert_str_eq(call->body, "question");
    cr_assert_eq(service_view("user").credits_free, 1);
    h.now += 5 * SUT_NS_PER_MS;
    peer_replies(inst, call, "answer");
    must_get_reply(caller, 900, "answer");
    cr_assert_eq(service_view("user").credits_free, 2);
    cr_assert_eq(h.finished, 1);
    cr_assert_eq(h.finished_err, 0);
    cr_assert_eq(h.finished_ns, 5 * SUT_NS_PER_MS);
    cr_assert_eq(sut_core_bytes_held(h.core), 0);
}

Test(call, an_error_of_the_service_is_passed_on_as_it_is)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    peer_calls(caller, 1, "user.put");
    peer_fails(inst, must_take(inst, SUT_CALL), "username_taken");
    const out *e = must_take(caller, SUT_ERROR_REPLY);
    cr_assert_str_eq(e->code, "username_taken");
    cr_assert_eq(e->http_status, 409);
    cr_assert_eq(h.finished_err, SUT_ERR_DOMAIN_FIRST);
}

/* `user.*` in a tool's line does not mean what the actors do to each other. */
Test(call, a_service_only_method_must_be_named_for_a_tool)
{
    use_acl("edge-1 role=edge call=user.*\nuser-1 role=actor serve=user\npost-1 role=actor call=user.*\n"
            "tool-1 role=tool call=user.*\ntool-2 role=tool call=user.get,user.undo\nops role=operator call=>\n");
    static const char *const may[] = {"edge-1", "post-1", "tool-2", "ops"};
    uint64_t inst = peer_serves("user-1", "user", 9), tool = peer_ready("tool-1");
    peer_calls(tool, 1, "user.undo");
    must_get_error(tool, 1, "forbidden");
    must_get_nothing(inst);
    peer_calls(tool, 2, "user.get");
    must_take(inst, SUT_CALL);
    for (size_t i = 0; i < SUT_ARRAY_LEN(may); i++) {
        uint64_t peer = peer_ready(may[i]);
        peer_calls(peer, 1, "user.undo");
        must_get_nothing(peer);
        must_take(inst, SUT_CALL);
    }
}

Test(call, without_the_right_is_forbidden)
{
    uint64_t inst = peer_serves("user-1", "user", 1), caller = peer_ready("edge-2");
    peer_calls(caller, 1, "post.get");
    must_get_error(caller, 1, "forbidden");
    peer_calls(caller, 2, "broker.status");
    must_get_error(caller, 2, "forbidden");
    cr_assert_eq(h.refused, 2);
    cr_assert_str_eq(h.refused_what, "call");
    must_get_nothing(inst);
}

Test(call, a_tool_may_not_set_a_principal)
{
    static const sut_principal principals[] = {
        {.user_id = 1}, {.level = 3}, {.session = {"s", 1}}, {.user_id = -1, .level = 1}};
    uint64_t inst = peer_serves("user-1", "user", 1), tool = peer_ready("tool-1");
    for (size_t i = 0; i < SUT_ARRAY_LEN(principals); i++) {
        peer_says(tool, &(sut_envelope){
                            .kind = SUT_CALL, .id = i + 1, .subject = SUT_STR("user.get"), .principal = principals[i]});
        must_get_error(tool, i + 1, "forbidden");
    }
    cr_assert_str_eq(h.refused_what, "principal");
    must_get_nothing(inst);
    peer_calls(tool, 9, "user.get");
    must_take(inst, SUT_CALL);
}

/* For `replay --diff`, and for nothing else. */
Test(call, an_operator_may_repeat_a_call_for_whom_it_was_made)
{
    use_acl(
        "user-1 role=actor serve=user\nplain role=operator call=user.*\ntool-1 role=tool call=user.* replay=user.*\n"
        "differ role=operator call=user.* replay=user.get,user.put\n");
    uint64_t inst = peer_serves("user-1", "user", 9), differ = peer_ready("differ");
    sut_envelope again = {.kind = SUT_CALL,
                          .id = 1,
                          .subject = SUT_STR("user.get"),
                          .principal = {.user_id = 42, .level = 1},
                          .opt.replayed = 1};
    peer_says(differ, &again);
    const out *call = must_take(inst, SUT_CALL);
    cr_assert_eq(call->user_id, 42);
    cr_assert(call->replayed);
    cr_assert_eq(h.replayed, 1);
    cr_assert_eq(h.replayed_user, 42);

    static const char *const others[] = {"plain", "tool-1"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(others); i++) {
        uint64_t other = peer_ready(others[i]);
        peer_says(other, &again);
        must_get_error(other, 1, "forbidden");
    }
    again.id = 2;
    again.opt.replayed = 0; /* a call of its own */
    peer_says(differ, &again);
    must_get_error(differ, 2, "forbidden");
    again.id = 3;
    again.opt.replayed = 1;
    again.subject = SUT_STR("user.put"); /* may not be done twice */
    peer_says(differ, &again);
    must_get_error(differ, 3, "forbidden");
    again.id = 4;
    again.subject = SUT_STR("user.get");
    h.cannot_journal = true;
    peer_says(differ, &again);
    must_get_error(differ, 4, "unavailable");
    cr_assert_eq(h.replayed, 2);
    must_get_nothing(inst);
}

Test(call, nobody_serves_it)
{
    uint64_t caller = peer_ready("edge-1");
    peer_calls(caller, 1, "user.get");
    must_get_error(caller, 1, "no_such_service");
    cr_assert_eq(h.finished, 0);
}

Test(call, an_id_that_waits_already_is_refused_and_the_first_goes_on)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 4);
    peer_calls(caller, 1, "user.put");
    peer_calls(caller, 1, "user.put");
    must_get_error(caller, 1, "bad_envelope");
    peer_replies(inst, must_take(inst, SUT_CALL), "r");
    must_get_reply(caller, 1, "r");
    must_get_nothing(inst);
    peer_calls(caller, 1, "user.put"); /* free again */
    must_take(inst, SUT_CALL);
}

Test(call, the_same_id_of_two_callers_is_two_calls)
{
    uint64_t a = peer_ready("edge-1"), b = peer_ready("edge-2"), inst = peer_serves("user-1", "user", 4);
    peer_calls(a, 1, "user.put");
    peer_calls(b, 1, "user.put");
    const out *of_a = must_take(inst, SUT_CALL), *of_b = must_take(inst, SUT_CALL);
    peer_replies(inst, of_b, "for b");
    peer_replies(inst, of_a, "for a");
    must_get_reply(a, 1, "for a");
    must_get_reply(b, 1, "for b");
}

/* What comes in within the limit may not go out over it: that would cost the next peer its connection. */
Test(call, too_large_for_its_way_on_is_refused_without_harm)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 4);
    static char big[SUT_ENVELOPE_MAX];
    sut_envelope env = {.kind = SUT_CALL, .id = 1, .subject = SUT_STR("user.put"), .body = {big, sizeof(big) - 80}};
    peer_says(caller, &env);
    must_get_error(caller, 1, "payload_too_large");
    must_get_nothing(inst);
    peer_calls(caller, 2, "user.put");
    const out *call = must_take(inst, SUT_CALL);
    peer_says(inst, &(sut_envelope){.kind = SUT_REPLY, .id = call->id, .body = {big, sizeof(big) - 80}});
    must_get_error(caller, 2, "internal");
    must_get_nothing(inst);
}

/* ---- deadlines ---- */

static uint32_t ttl_given(uint64_t caller, uint64_t inst, uint64_t id, const char *subject, uint32_t asked)
{
    peer_says(caller, &(sut_envelope){.kind = SUT_CALL, .id = id, .subject = sut_str_from(subject), .ttl_ms = asked});
    return must_take(inst, SUT_CALL)->ttl_ms;
}

Test(call, the_time_to_live_is_the_callers_the_methods_or_the_default_and_never_past_the_limit)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 9);
    cr_assert_eq(ttl_given(caller, inst, 1, "user.put", 250), 250);
    cr_assert_eq(ttl_given(caller, inst, 2, "user.put", 0), 2000);
    cr_assert_eq(ttl_given(caller, inst, 3, "user.unheard_of", 0), 3000);
    cr_assert_eq(ttl_given(caller, inst, 4, "user.put", 4000000000u), 60000);
}

Test(call, past_its_deadline_is_answered_and_the_credit_stays_out_until_the_instance_answers)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    peer_calls(caller, 1, "user.put");
    const out *call = must_take(inst, SUT_CALL);
    pass_ms(999);
    must_get_nothing(caller);
    pass_ms(1);
    must_get_error(caller, 1, "deadline_exceeded");
    cr_assert_eq(service_view("user").credits_free, 0);
    cr_assert_eq(sut_core_pending(h.core), 0);
    peer_replies(inst, call, "late");
    must_get_nothing(caller);
    cr_assert_eq(service_view("user").credits_free, 1);
    cr_assert_eq(h.finished, 1);
}

Test(call, expired_in_the_queue_is_never_given)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    peer_calls(caller, 1, "user.put");
    const out *first = must_take(inst, SUT_CALL);
    h.now += 500 * SUT_NS_PER_MS;
    peer_says(caller, &(sut_envelope){.kind = SUT_CALL, .id = 2, .subject = SUT_STR("user.put"), .ttl_ms = 100});
    h.now += 200 * SUT_NS_PER_MS; /* no tick in between: the answer itself must see that the time is over */
    peer_replies(inst, first, "r");
    must_get_reply(caller, 1, "r");
    must_get_error(caller, 2, "deadline_exceeded");
    must_get_nothing(inst);
    cr_assert_eq(service_view("user").expired_total, 1);
}

Test(call, a_queued_call_is_given_with_the_time_that_is_left)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    peer_calls(caller, 1, "user.put");
    peer_calls(caller, 2, "user.put");
    const out *first = must_take(inst, SUT_CALL);
    pass_ms(300);
    peer_replies(inst, first, "r");
    cr_assert_eq(must_take(inst, SUT_CALL)->ttl_ms, 700);
}

/* ---- cancel ---- */

Test(call, cancel_of_a_queued_call_removes_it)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    peer_calls(caller, 1, "user.put");
    peer_calls(caller, 2, "user.put");
    peer_sends(caller, SUT_CANCEL, 2);
    must_get_error(caller, 2, "cancelled");
    cr_assert_eq(service_view("user").queued, 0);
    cr_assert_eq(service_view("user").queued_bytes, 0);
    peer_replies(inst, must_take(inst, SUT_CALL), "r");
    must_get_nothing(inst);
}

Test(call, cancel_of_a_given_call_is_answered_at_once_and_told_to_the_instance)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    peer_calls(caller, 1, "user.put");
    const out *call = must_take(inst, SUT_CALL);
    peer_sends(caller, SUT_CANCEL, 1);
    must_get_error(caller, 1, "cancelled");
    cr_assert_eq(must_take(inst, SUT_CANCEL)->id, call->id);
    cr_assert_eq(service_view("user").credits_free, 0);
    peer_fails(inst, call, "cancelled");
    cr_assert_eq(service_view("user").credits_free, 1);
    must_get_nothing(caller);
}

Test(call, cancel_of_what_was_answered_is_ignored)
{
    uint64_t caller = peer_ready("edge-1");
    peer_sends(caller, SUT_CANCEL, 1);
    must_get_nothing(caller);
}

Test(call, a_caller_that_goes_away_cancels_its_calls)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    peer_calls(caller, 1, "user.get");
    peer_calls(caller, 2, "user.get");
    const out *call = must_take(inst, SUT_CALL);
    sut_core_close(h.core, h.now, caller);
    cr_assert_eq(must_take(inst, SUT_CANCEL)->id, call->id);
    cr_assert_eq(service_view("user").queued, 0);
    cr_assert_eq(sut_core_pending(h.core), 0);
    cr_assert_eq(h.finished, 2);
    peer_replies(inst, call, "r");
    must_get_nothing(caller);
}

/* ---- answers that are not ---- */

Test(call, a_reply_for_what_is_not_in_hand_is_counted_and_ignored)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    sut_core_counts counts;
    peer_calls(caller, 1, "user.put");
    const out *call = must_take(inst, SUT_CALL);
    peer_replies(inst, call, "r");
    peer_replies(inst, call, "r again");
    peer_sends(inst, SUT_REPLY, 0);
    peer_sends(inst, SUT_REPLY, UINT64_MAX);
    peer_sends(caller, SUT_REPLY, 1);
    must_get_reply(caller, 1, "r");
    must_get_nothing(caller);
    cr_assert_eq(service_view("user").credits_free, 1);
    sut_core_get_counts(h.core, &counts);
    cr_assert_eq(counts.stray_replies_total, 4);
}

Test(call, a_reply_for_another_attempt_only_returns_the_credit)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    peer_calls(caller, 1, "user.put");
    out other = *must_take(inst, SUT_CALL);
    other.attempt = 7;
    peer_replies(inst, &other, "r");
    must_get_error(caller, 1, "outcome_unknown");
    cr_assert_eq(service_view("user").credits_free, 1);
}

Test(call, a_reply_that_does_not_say_its_attempt_counts)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    peer_calls(caller, 1, "user.put");
    out silent = *must_take(inst, SUT_CALL);
    silent.attempt = 0;
    peer_replies(inst, &silent, "r");
    must_get_reply(caller, 1, "r");
}

/* ---- pins ---- */

static void call_pinned(uint64_t caller, uint64_t id, const char *instance)
{
    peer_says(caller, &(sut_envelope){.kind = SUT_CALL,
                                      .id = id,
                                      .subject = SUT_STR("user.get"),
                                      .ttl_ms = 1000,
                                      .opt = {.instance = sut_str_from(instance)}});
}

Test(call, pinned_goes_to_that_instance_or_waits_for_it)
{
    uint64_t caller = peer_ready("edge-1");
    uint64_t a = peer_serves("user-1", "user", 1), b = peer_serves("user-2", "user", 8);
    call_pinned(caller, 1, "user-1");
    call_pinned(caller, 2, "user-1");
    const out *first = must_take(a, SUT_CALL);
    must_get_nothing(a);
    must_get_nothing(b);
    peer_replies(a, first, "r");
    must_take(a, SUT_CALL);
}

Test(call, pinned_to_who_is_not_there_is_unavailable)
{
    uint64_t caller = peer_ready("edge-1"), a = peer_serves("user-1", "user", 1);
    call_pinned(caller, 1, "user-9");
    must_get_error(caller, 1, "unavailable");
    call_pinned(caller, 2, "user-1");
    call_pinned(caller, 3, "user-1"); /* waits */
    const out *given = must_take(a, SUT_CALL);
    peer_sends(a, SUT_BYE, 0);
    must_get_error(caller, 3, "unavailable");
    call_pinned(caller, 4, "user-1");
    must_get_error(caller, 4, "unavailable");
    peer_replies(a, given, "r");
    must_get_reply(caller, 2, "r");
}

Test(call, pinned_does_not_fail_over)
{
    uint64_t caller = peer_ready("edge-1"), a = peer_serves("user-1", "user", 1);
    uint64_t b = peer_serves("user-2", "user", 1);
    call_pinned(caller, 1, "user-1");
    must_take(a, SUT_CALL);
    sut_core_close(h.core, h.now, a);
    must_get_error(caller, 1, "outcome_unknown");
    must_get_nothing(b);
}
