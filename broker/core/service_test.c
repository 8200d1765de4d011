/* Services: choice of the instance, credits, the queue and its bounds, failover, holds. */
#include "harness_test.h"

#include <criterion/criterion.h>

TestSuite(service, .init = setup, .fini = teardown, .timeout = 10);

static void grant(uint64_t inst, const char *service, uint32_t credits)
{
    peer_says(inst, &(sut_envelope){.kind = SUT_CREDIT, .subject = sut_str_from(service), .opt = {.credits = credits}});
}

static uint64_t who_gets_it(const uint64_t *instances, size_t count)
{
    uint64_t got = 0;
    for (size_t i = 0; i < count; i++) {
        if (take(instances[i])) {
            cr_assert_eq(got, 0);
            got = instances[i];
        }
    }
    return got;
}

Test(service, the_most_free_gets_it_then_the_least_recently_used)
{
    uint64_t caller = peer_ready("edge-1");
    uint64_t all[] = {peer_serves("user-1", "user", 1), peer_serves("user-2", "user", 3),
                      peer_serves("user-3", "user", 2)};
    /* Free credits: 1 3 2 → 1 2 2 → 1 2 1 → 1 1 1, then in turns by when each was last used. */
    static const int order[] = {1, 2, 1, 0, 2, 1};
    for (size_t i = 0; i < SUT_ARRAY_LEN(order); i++) {
        peer_calls(caller, i + 1, "user.put");
        cr_assert_eq(who_gets_it(all, 3), all[order[i]], "call %zu", i);
    }
    cr_assert_eq(service_view("user").credits_free, 0);
    cr_assert_eq(service_view("user").in_flight, 6);
}

Test(service, queued_calls_are_given_in_order_as_credit_comes_free)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    for (uint64_t id = 1; id <= 3; id++)
        peer_calls(caller, id, id % 2 ? "user.get" : "user.put");
    for (uint64_t id = 1; id <= 3; id++) {
        const out *call = must_take(inst, SUT_CALL);
        must_get_nothing(inst);
        peer_replies(inst, call, "r");
        must_get_reply(caller, id, "r");
    }
}

Test(service, credit_is_added_and_cut_to_the_limit)
{
    sut_core_limits limits = SUT_CORE_LIMITS_DEFAULT;
    limits.max_credits = 5;
    setup_with(&limits);
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 0);
    sut_core_counts counts;
    peer_calls(caller, 1, "user.put");
    must_get_nothing(inst);
    grant(inst, "user", 2);
    must_take(inst, SUT_CALL);
    cr_assert_eq(service_view("user").credits_free, 1);
    grant(inst, "user", 1000000);
    cr_assert_eq(service_view("user").credits_free, 4);
    sut_core_get_counts(h.core, &counts);
    cr_assert_eq(counts.credits_cut_total, 1);
}

Test(service, credit_for_what_one_does_not_serve_costs_the_connection)
{
    uint64_t inst = peer_serves("user-1", "user", 1);
    grant(inst, "post", 2);
    must_get_error(inst, 0, "bad_envelope");
    must_be_dropped(inst, SUT_DROP_BAD_ENVELOPE);
}

/* ---- bounds ---- */

Test(service, past_the_count_it_is_overloaded_at_once)
{
    sut_core_limits limits = SUT_CORE_LIMITS_DEFAULT;
    limits.queue_calls = 2;
    setup_with(&limits);
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    for (uint64_t id = 1; id <= 4; id++)
        peer_calls(caller, id, "user.put");
    const out *e = must_take(caller, SUT_ERROR_REPLY);
    cr_assert_str_eq(e->code, "overloaded");
    cr_assert_eq(e->id, 4);
    cr_assert_gt(e->retry_after_ms, 0);
    cr_assert_eq(service_view("user").queued, 2);
    cr_assert_eq(service_view("user").overloaded_total, 1);
    must_take(inst, SUT_CALL);
}

Test(service, past_the_bytes_it_is_overloaded_at_once)
{
    sut_core_limits limits = SUT_CORE_LIMITS_DEFAULT;
    limits.queue_bytes = 1000;
    setup_with(&limits);
    uint64_t caller = peer_ready("edge-1");
    static const char big[900];
    peer_serves("user-1", "user", 0);
    sut_envelope env = {.kind = SUT_CALL, .id = 1, .subject = SUT_STR("user.put"), .body = {big, sizeof(big)}};
    peer_says(caller, &env);
    must_get_error(caller, 1, "overloaded");
    peer_calls(caller, 2, "user.put");
    must_get_nothing(caller);
    cr_assert_leq(service_view("user").queued_bytes, 1000);
}

Test(service, past_the_brokers_memory_it_is_overloaded)
{
    sut_core_limits limits = SUT_CORE_LIMITS_DEFAULT;
    limits.pending_bytes = 4000;
    setup_with(&limits);
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1000);
    static const char big[900];
    uint32_t given = 0, refused = 0;
    for (uint64_t id = 1; id <= 20; id++) {
        peer_says(caller,
                  &(sut_envelope){.kind = SUT_CALL, .id = id, .subject = SUT_STR("user.get"), .body = {big, 50}});
        cr_assert_leq(sut_core_bytes_held(h.core), 4000);
    }
    while (take(inst))
        given++;
    for (const out *o; (o = take(caller)); refused++)
        cr_assert_str_eq(o->code, "overloaded");
    cr_assert_eq(given + refused, 20);
    cr_assert(given > 0 && refused > 0);
}

Test(service, one_callers_calls_are_bounded)
{
    sut_core_limits limits = SUT_CORE_LIMITS_DEFAULT;
    limits.pending_calls_per_peer = 2;
    setup_with(&limits);
    uint64_t greedy = peer_ready("edge-1"), other = peer_ready("edge-2"), inst = peer_serves("user-1", "user", 9);
    for (uint64_t id = 1; id <= 3; id++)
        peer_calls(greedy, id, "user.put");
    must_get_error(greedy, 3, "overloaded");
    peer_calls(other, 1, "user.put");
    must_get_nothing(other);
    must_take(inst, SUT_CALL);
}

/* Or the broker would have to hold more for it than its outbox takes, and drop it for what its callers did. */
Test(service, an_instance_is_given_no_more_bytes_than_it_answers)
{
    sut_core_limits limits = SUT_CORE_LIMITS_DEFAULT;
    limits.hand_bytes = 1; /* so each call, whatever its size, fills a hand */
    setup_with(&limits);
    uint64_t caller = peer_ready("edge-1"), other = peer_serves("user-2", "user", 1);
    uint64_t inst = peer_serves("user-1", "user", 9);
    peer_calls(caller, 1, "user.put");
    const out *first = must_take(inst, SUT_CALL);
    peer_calls(caller, 2, "user.put");
    must_get_nothing(inst);
    must_take(other, SUT_CALL); /* which has fewer credits, but room */
    peer_calls(caller, 3, "user.put");
    peer_says(caller, &(sut_envelope){.kind = SUT_CALL,
                                      .id = 4,
                                      .subject = SUT_STR("user.put"),
                                      .ttl_ms = 1000,
                                      .opt = {.instance = SUT_STR("user-1")}});
    must_get_nothing(inst);
    cr_assert_eq(service_view("user").queued, 2);
    peer_replies(inst, first, "r");
    must_get_reply(caller, 1, "r");
    const out *third = must_take(inst, SUT_CALL);
    must_get_nothing(inst);
    peer_replies(inst, third, "r");
    must_take(inst, SUT_CALL);
    cr_assert_eq(service_view("user").queued, 0);
}

Test(service, a_tool_fills_a_quarter_of_a_queue)
{
    sut_core_limits limits = SUT_CORE_LIMITS_DEFAULT;
    limits.queue_calls = 8;
    setup_with(&limits);
    uint64_t tool = peer_ready("tool-1"), edge = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 0);
    for (uint64_t id = 1; id <= 3; id++)
        peer_calls(tool, id, "user.put");
    must_get_error(tool, 3, "overloaded");
    for (uint64_t id = 1; id <= 6; id++)
        peer_calls(edge, id, "user.put");
    must_get_nothing(edge);
    grant(inst, "user", 1); /* takes the tool's first: there is room for another one */
    must_take(inst, SUT_CALL);
    peer_calls(tool, 4, "user.put");
    must_get_nothing(tool);
}

Test(service, retry_after_follows_the_drain_rate)
{
    sut_core_limits limits = SUT_CORE_LIMITS_DEFAULT;
    limits.queue_calls = 50;
    setup_with(&limits);
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1), id = 0;
    for (int i = 0; i < 51; i++)
        peer_says(caller,
                  &(sut_envelope){.kind = SUT_CALL, .id = ++id, .subject = SUT_STR("user.put"), .ttl_ms = 60000});
    for (int i = 0; i < 250; i++) { /* 100 a second */
        pass_ms(10);
        peer_replies(inst, must_take(inst, SUT_CALL), "r");
        must_take(caller, SUT_REPLY);
        peer_says(caller,
                  &(sut_envelope){.kind = SUT_CALL, .id = ++id, .subject = SUT_STR("user.put"), .ttl_ms = 60000});
    }
    peer_calls(caller, ++id, "user.put");
    const out *e = must_take(caller, SUT_ERROR_REPLY);
    cr_assert_str_eq(e->code, "overloaded");
    cr_assert(e->retry_after_ms >= 450 && e->retry_after_ms <= 560, "%u", e->retry_after_ms);
}

/* A call that would only expire in the queue is told at once. */
Test(service, the_queue_is_bounded_by_deadline_too)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1), id = 0;
    uint32_t overloaded = 0, expired = 0, replies = 0;
    for (int step = 0; step < 500; step++) { /* asked 200 a second, able to do 100 */
        peer_calls(caller, ++id, "user.put");
        peer_calls(caller, ++id, "user.put");
        pass_ms(10);
        peer_replies(inst, must_take(inst, SUT_CALL), "r");
        for (const out *o; (o = take(caller));) {
            replies += o->kind == SUT_REPLY;
            overloaded += o->kind == SUT_ERROR_REPLY && strcmp(o->code, "overloaded") == 0;
            expired += o->kind == SUT_ERROR_REPLY && strcmp(o->code, "deadline_exceeded") == 0;
        }
    }
    cr_assert_geq(replies, 480, "%u replies, %u overloaded, %u expired", replies, overloaded, expired);
    cr_assert_gt(overloaded, 350);
    cr_assert_lt(expired, 10, "%u expired", expired);
    cr_assert_leq(service_view("user").queued, 90);
}

/* ---- failover ---- */

Test(service, an_idempotent_call_of_a_dead_instance_goes_to_another_once)
{
    uint64_t caller = peer_ready("edge-1");
    uint64_t a = peer_serves("user-1", "user", 2), b = peer_serves("user-2", "user", 1);
    peer_calls(caller, 1, "user.get");
    must_take(a, SUT_CALL);
    h.now += 400 * SUT_NS_PER_MS;
    sut_core_close(h.core, h.now, a);
    const out *again = must_take(b, SUT_CALL);
    cr_assert_eq(again->attempt, 2);
    cr_assert_eq(again->ttl_ms, 600);
    cr_assert_str_eq(again->body, "b");
    cr_assert_eq(service_view("user").failovers_total, 1);
    uint64_t c = peer_serves("user-3", "user", 1);
    sut_core_close(h.core, h.now, b);
    must_get_error(caller, 1, "outcome_unknown");
    must_get_nothing(c);
}

Test(service, any_other_call_of_a_dead_instance_is_outcome_unknown)
{
    uint64_t caller = peer_ready("edge-1");
    uint64_t a = peer_serves("user-1", "user", 2), b = peer_serves("user-2", "user", 1);
    peer_calls(caller, 1, "user.put");
    must_take(a, SUT_CALL);
    sut_core_close(h.core, h.now, a);
    must_get_error(caller, 1, "outcome_unknown");
    must_get_nothing(b);
}

static const sut_envelope s_long_call = {
    .kind = SUT_CALL, .id = 1, .subject = {"user.get", 8}, .ttl_ms = 10000, .body = {"b", 1}};

Test(service, a_call_that_fails_over_to_nobody_is_answered_two_seconds_after_it_was_given)
{
    uint64_t caller = peer_ready("edge-1"), a = peer_serves("user-1", "user", 2);
    peer_says(caller, &s_long_call);
    must_take(a, SUT_CALL);
    h.now += 500 * SUT_NS_PER_MS;
    sut_core_close(h.core, h.now, a);
    pass_ms(1400);
    must_get_nothing(caller);
    pass_ms(150);
    must_get_error(caller, 1, "outcome_unknown");
}

Test(service, a_call_that_fails_over_to_a_restarted_instance_has_its_whole_time_again)
{
    uint64_t caller = peer_ready("edge-1"), a = peer_serves("user-1", "user", 2);
    peer_says(caller, &s_long_call);
    must_take(a, SUT_CALL);
    sut_core_close(h.core, h.now, a);
    uint64_t b = peer_serves("user-1", "user", 2);
    const out *again = must_take(b, SUT_CALL);
    pass_ms(3000);
    peer_replies(b, again, "late");
    must_get_reply(caller, 1, "late");
}

Test(service, calls_that_failed_over_keep_their_order_before_the_queue)
{
    uint64_t caller = peer_ready("edge-1"), a = peer_serves("user-1", "user", 3);
    for (uint64_t id = 1; id <= 5; id++) {
        char body[2] = {(char)('0' + id), '\0'};
        peer_says(caller,
                  &(sut_envelope){.kind = SUT_CALL, .id = id, .subject = SUT_STR("user.get"), .body = {body, 1}});
    }
    sut_core_close(h.core, h.now, a);
    uint64_t b = peer_serves("user-2", "user", 9);
    for (uint64_t id = 1; id <= 5; id++) {
        const out *call = must_take(b, SUT_CALL);
        cr_assert_eq(call->body[0], (char)('0' + id), "call %s came as number %llu", call->body,
                     (unsigned long long)id);
        cr_assert_eq(call->attempt, id <= 3 ? 2 : 1);
    }
}

/* The second instance knows only that it did not execute it itself. */
Test(service, unavailable_of_a_second_instance_is_outcome_unknown)
{
    uint64_t caller = peer_ready("edge-1");
    uint64_t a = peer_serves("user-1", "user", 2), b = peer_serves("user-2", "user", 1);
    peer_calls(caller, 1, "user.get");
    must_take(a, SUT_CALL);
    sut_core_close(h.core, h.now, a);
    peer_fails(b, must_take(b, SUT_CALL), "unavailable");
    must_get_error(caller, 1, "outcome_unknown");
    peer_calls(caller, 2, "user.get");
    peer_fails(b, must_take(b, SUT_CALL), "unavailable");
    must_get_error(caller, 2, "unavailable");
}

Test(service, failover_into_a_full_queue_is_outcome_unknown_not_overloaded)
{
    sut_core_limits limits = SUT_CORE_LIMITS_DEFAULT;
    limits.queue_calls = 1;
    setup_with(&limits);
    uint64_t caller = peer_ready("edge-1"), a = peer_serves("user-1", "user", 1);
    peer_calls(caller, 1, "user.get");
    peer_calls(caller, 2, "user.get");
    must_take(a, SUT_CALL);
    sut_core_close(h.core, h.now, a);
    must_get_error(caller, 1, "outcome_unknown");
    cr_assert_eq(service_view("user").queued, 1);
}

/* ---- leaving and holding ---- */

Test(service, bye_means_no_new_calls_and_the_others_are_finished)
{
    uint64_t caller = peer_ready("edge-1"), a = peer_serves("user-1", "user", 4);
    peer_calls(caller, 1, "user.put");
    const out *given = must_take(a, SUT_CALL);
    peer_sends(a, SUT_BYE, 0);
    peer_sends(a, SUT_PING, 5); /* its pong says that bye was seen: whatever was given is before it */
    cr_assert_eq(must_take(a, SUT_PONG)->id, 5);
    peer_calls(caller, 2, "user.put");
    must_get_nothing(a);
    peer_replies(a, given, "r");
    must_get_reply(caller, 1, "r");
    uint64_t b = peer_serves("user-2", "user", 4);
    must_take(b, SUT_CALL);
}

Test(service, calls_wait_for_a_service_that_restarts)
{
    uint64_t caller = peer_ready("edge-1"), a = peer_serves("user-1", "user", 4);
    sut_core_close(h.core, h.now, a);
    peer_calls(caller, 1, "user.put");
    must_get_nothing(caller);
    pass_ms(500);
    uint64_t b = peer_serves("user-1", "user", 4);
    const out *call = must_take(b, SUT_CALL);
    cr_assert_eq(call->attempt, 1);
    cr_assert_eq(call->ttl_ms, 500);
}

Test(service, a_call_that_waited_in_vain_is_unavailable_or_unknown)
{
    uint64_t caller = peer_ready("edge-1"), a = peer_serves("user-1", "user", 1);
    peer_calls(caller, 1, "user.get"); /* given, then waiting for a second instance */
    peer_calls(caller, 2, "user.get"); /* never given */
    must_take(a, SUT_CALL);
    sut_core_close(h.core, h.now, a);
    pass_ms(1000);
    must_get_error(caller, 1, "outcome_unknown");
    must_get_error(caller, 2, "unavailable");
}

Test(service, when_the_hold_is_over_the_service_is_gone)
{
    uint64_t caller = peer_ready("edge-1"), a = peer_serves("user-1", "user", 1);
    sut_core_close(h.core, h.now, a);
    peer_says(caller, &(sut_envelope){.kind = SUT_CALL, .id = 1, .subject = SUT_STR("user.put"), .ttl_ms = 60000});
    pass_ms(5000);
    must_get_error(caller, 1, "unavailable");
    peer_calls(caller, 2, "user.put");
    must_get_error(caller, 2, "no_such_service");
    uint64_t b = peer_serves("user-1", "user", 1);
    peer_calls(caller, 3, "user.put");
    must_take(b, SUT_CALL);
}
