/* Sessions: opening, silence, garbage, reserved kinds, changes of the access list. */
#include "harness_test.h"

#include <criterion/criterion.h>

TestSuite(session, .init = setup, .fini = teardown, .timeout = 10);

Test(session, a_ping_is_answered)
{
    uint64_t s = peer_ready("edge-1");
    peer_sends(s, SUT_PING, 123);
    cr_assert_eq(must_take(s, SUT_PONG)->id, 123);
}

Test(session, silence_is_asked_about_and_then_the_end)
{
    uint64_t s = peer_ready("edge-1");
    uint32_t pings = 0;
    pass_silently_ms(1749);
    must_get_nothing(s);
    for (uint32_t i = 0; i < h.out_count; i++)
        pings += h.outs[i].kind == SUT_PING;
    cr_assert_eq(pings, 3);
    pass_silently_ms(1);
    must_be_dropped(s, SUT_DROP_SILENT);
}

Test(session, who_answers_pings_stays)
{
    uint64_t s = peer_ready("edge-1");
    pass_ms(60000);
    must_get_nothing(s);
}

Test(session, who_speaks_is_not_asked)
{
    uint64_t s = peer_ready("edge-1");
    for (int i = 0; i < 20; i++) {
        peer_sends(s, SUT_PONG, 0);
        pass_silently_ms(400);
    }
    for (uint32_t i = 0; i < h.out_count; i++)
        cr_assert_neq(h.outs[i].kind, SUT_PING);
}

/* The broker stood still for ten seconds: its peers get their pings all the same. */
Test(session, a_jump_of_the_clock_kills_nobody)
{
    uint64_t s = peer_ready("edge-1");
    h.now += 10 * SUT_NS_PER_S;
    sut_core_tick(h.core, h.now);
    must_get_nothing(s);
    pass_ms(5000);
    must_get_nothing(s);
}

Test(session, calls_of_a_silent_instance_fail_over_within_two_seconds)
{
    uint64_t caller = peer_ready("edge-1"), a = peer_serves("user-1", "user", 2);
    uint64_t b = peer_serves("user-2", "user", 1);
    peer_says(caller, &(sut_envelope){.kind = SUT_CALL, .id = 1, .subject = SUT_STR("user.get"), .ttl_ms = 5000});
    must_take(a, SUT_CALL);
    for (int i = 0; i < 20; i++) {
        pass_silently_ms(100);
        peer_sends(caller, SUT_PONG, 0);
        peer_sends(b, SUT_PONG, 0);
    }
    must_be_dropped(a, SUT_DROP_SILENT);
    cr_assert_eq(must_take(b, SUT_CALL)->attempt, 2);
}

Test(session, who_never_says_hello_is_dropped_whatever_else_it_says)
{
    uint64_t s = peer_open("edge-1");
    for (int i = 0; i < 18; i++) {
        pass_silently_ms(100);
        peer_sends(s, SUT_PING, 1);
    }
    for (const out *o; (o = take(s));) {
        if (o->dropped)
            return;
        cr_assert_str_eq(o->code, "hello_required");
    }
    cr_assert_fail("still there");
}

Test(session, garbage_costs_its_peer_and_nobody_else)
{
    static const struct {
        sut_envelope_fault fault;
        const char *code;
        sut_drop_reason reason;
    } cases[] = {{SUT_ENV_TRUNCATED, "bad_envelope", SUT_DROP_BAD_ENVELOPE},
                 {SUT_ENV_VERSION, "unsupported_version", SUT_DROP_VERSION},
                 {SUT_ENV_TOO_LARGE, "payload_too_large", SUT_DROP_BAD_ENVELOPE},
                 {SUT_ENV_KIND, "bad_envelope", SUT_DROP_BAD_ENVELOPE}};
    uint64_t other = peer_ready("edge-2");
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        uint64_t s = peer_ready("edge-1");
        sut_core_garbage(h.core, h.now, s, cases[i].fault);
        must_get_error(s, 0, cases[i].code);
        must_be_dropped(s, cases[i].reason);
    }
    must_get_nothing(other);
}

Test(session, an_instance_that_sends_garbage_loses_its_calls_to_another)
{
    uint64_t caller = peer_ready("edge-1"), a = peer_serves("user-1", "user", 2);
    uint64_t b = peer_serves("user-2", "user", 1);
    peer_calls(caller, 1, "user.get");
    must_take(a, SUT_CALL);
    sut_core_garbage(h.core, h.now, a, SUT_ENV_TAIL);
    must_get_error(a, 0, "bad_envelope");
    must_be_dropped(a, SUT_DROP_BAD_ENVELOPE);
    cr_assert_eq(must_take(b, SUT_CALL)->attempt, 2);
}

Test(session, another_version_costs_the_connection)
{
    uint64_t s = peer_ready("edge-1");
    sut_core_input(h.core, h.now, s, &(sut_envelope){.version = 2, .kind = SUT_PING});
    must_get_error(s, 0, "unsupported_version");
    must_be_dropped(s, SUT_DROP_VERSION);
}

Test(session, reserved_kinds_and_welcome_cost_the_connection)
{
    static const sut_kind kinds[] = {SUT_WELCOME, SUT_PUBLISHED, SUT_DELIVER, SUT_GAP, SUT_MARKER, SUT_STREAM_OPEN};
    for (size_t i = 0; i < SUT_ARRAY_LEN(kinds); i++) {
        uint64_t s = peer_ready("edge-1");
        peer_sends(s, kinds[i], 4);
        must_get_error(s, 4, "bad_envelope");
        must_be_dropped(s, SUT_DROP_BAD_ENVELOPE);
    }
}

Test(session, inputs_of_unknown_sessions_are_ignored)
{
    uint64_t s = peer_ready("edge-1");
    sut_core_close(h.core, h.now, s);
    sut_core_close(h.core, h.now, s);
    peer_calls(s, 1, "user.get");
    sut_core_garbage(h.core, h.now, s, SUT_ENV_TAIL);
    must_get_nothing(s);
}

Test(session, no_more_than_max_sessions)
{
    sut_core_limits limits = SUT_CORE_LIMITS_DEFAULT;
    limits.max_sessions = 2;
    setup_with(&limits);
    uint64_t a = peer_open("edge-1");
    peer_open("edge-2");
    cr_assert_eq(sut_core_open(h.core, h.now, SUT_STR("tool-1")), 0);
    sut_core_close(h.core, h.now, a);
    peer_open("tool-1");
}

Test(session, one_tool_does_not_take_them_all)
{
    sut_core_limits limits = SUT_CORE_LIMITS_DEFAULT;
    limits.max_sessions = 24;
    setup_with(&limits);
    uint64_t first = peer_open("tool-1");
    for (int i = 0; i < 5; i++)
        peer_open("tool-1");
    cr_assert_eq(sut_core_open(h.core, h.now, SUT_STR("tool-1")), 0);
    for (int i = 0; i < 17; i++)
        peer_open("edge-1");
    sut_core_close(h.core, h.now, first);
    peer_open("tool-1");
}

/* ---- access list ---- */

Test(session, a_revoked_peer_is_dropped_at_once_and_its_calls_end)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    peer_calls(caller, 1, "user.put");
    const out *call = must_take(inst, SUT_CALL);
    use_acl("edge-1 role=edge call=user.* revoked\nuser-1 role=actor serve=user\n");
    must_get_error(caller, 0, "forbidden");
    must_be_dropped(caller, SUT_DROP_REVOKED);
    cr_assert_eq(must_take(inst, SUT_CANCEL)->id, call->id);
}

Test(session, a_right_taken_away_holds_for_the_next_call)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 9);
    peer_calls(caller, 1, "user.put");
    must_take(inst, SUT_CALL);
    use_acl("edge-1 role=edge call=user.get\nuser-1 role=actor serve=user\n");
    peer_calls(caller, 2, "user.put");
    must_get_error(caller, 2, "forbidden");
    peer_calls(caller, 3, "user.get");
    must_take(inst, SUT_CALL);
}

Test(session, who_may_no_longer_serve_is_dropped_and_its_calls_do_not_go_to_the_next_such)
{
    uint64_t caller = peer_ready("edge-1"), a = peer_serves("user-1", "user", 2);
    uint64_t b = peer_serves("user-2", "user", 2), c = peer_serves("user-3", "user", 1);
    peer_calls(caller, 1, "user.get");
    must_take(a, SUT_CALL);
    use_acl("edge-1 role=edge call=user.*\nuser-1 role=actor\nuser-2 role=actor\nuser-3 role=actor serve=user\n");
    must_get_error(a, 0, "forbidden");
    must_be_dropped(a, SUT_DROP_REVOKED);
    must_get_error(b, 0, "forbidden");
    must_be_dropped(b, SUT_DROP_REVOKED);
    cr_assert_eq(must_take(c, SUT_CALL)->attempt, 2);
}

Test(session, another_role_means_hello_again)
{
    uint64_t s = peer_ready("edge-1");
    use_acl("edge-1 role=tool call=user.*\n");
    must_get_error(s, 0, "forbidden");
    must_be_dropped(s, SUT_DROP_REVOKED);
}

Test(session, without_an_access_list_nothing_is_allowed)
{
    uint64_t before = peer_ready("edge-1");
    sut_core_set_acl(h.core, h.now, NULL);
    must_get_error(before, 0, "forbidden");
    must_be_dropped(before, SUT_DROP_REVOKED);
    uint64_t after = peer_open("edge-1");
    peer_sends(after, SUT_HELLO, 1);
    must_get_error(after, 1, "forbidden");
}
