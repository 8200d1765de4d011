/* Hello: who is welcomed, who is refused, and what a hello may hold. */
#include "harness_test.h"

#include "wire/msgpack.h"

#include <criterion/criterion.h>

TestSuite(hello, .init = setup, .fini = teardown, .timeout = 10);

typedef struct text_pair {
    const char *key, *value;
} text_pair;

static void hello_with(uint64_t session, const text_pair *pairs, size_t count)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    cr_assert_eq(sut_mp_add_map(&b, count), 0);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(sut_mp_add_str(&b, sut_str_from(pairs[i].key)), 0);
        cr_assert_eq(sut_mp_add_str(&b, sut_str_from(pairs[i].value)), 0);
    }
    peer_says(session, &(sut_envelope){.kind = SUT_HELLO, .id = 9, .body = {(const char *)b.data, b.len}});
    sut_buf_deinit(&b);
}

static void must_be_refused(uint64_t session, uint64_t id, const char *code, sut_drop_reason reason)
{
    must_get_error(session, id, code);
    must_be_dropped(session, reason);
    must_get_nothing(session);
}

Test(hello, is_welcomed_with_an_empty_body)
{
    uint64_t s = peer_open("edge-1");
    peer_sends(s, SUT_HELLO, 77);
    cr_assert_eq(must_take(s, SUT_WELCOME)->id, 77);
}

Test(hello, is_welcomed_when_name_and_role_agree)
{
    uint64_t s = peer_open("edge-1");
    hello_with(s, (text_pair[]){{"name", "edge-1"}, {"role", "edge"}, {"version", "x/1"}, {"unknown", "ignored"}}, 4);
    must_take(s, SUT_WELCOME);
}

Test(hello, another_name_than_the_authenticated_one_is_refused)
{
    uint64_t s = peer_open("edge-1");
    hello_with(s, (text_pair[]){{"name", "user-1"}}, 1);
    must_be_refused(s, 9, "forbidden", SUT_DROP_BAD_ENVELOPE);
    cr_assert_str_eq(h.refused_what, "hello");
}

Test(hello, another_role_than_the_lists_is_refused)
{
    uint64_t s = peer_open("tool-1");
    hello_with(s, (text_pair[]){{"role", "actor"}}, 1);
    must_be_refused(s, 9, "forbidden", SUT_DROP_BAD_ENVELOPE);
}

Test(hello, unknown_and_revoked_peers_are_refused)
{
    uint64_t a = peer_open("nobody"), b = peer_open("gone-1");
    peer_sends(a, SUT_HELLO, 1);
    must_be_refused(a, 1, "forbidden", SUT_DROP_REVOKED);
    peer_sends(b, SUT_HELLO, 2);
    must_be_refused(b, 2, "forbidden", SUT_DROP_REVOKED);
    cr_assert_eq(h.refused, 2);
}

Test(hello, serving_without_the_right_is_refused)
{
    uint64_t s = peer_open("tool-1");
    peer_hello(s, "t", "user", 4);
    must_be_refused(s, 1, "forbidden", SUT_DROP_BAD_ENVELOPE);
    cr_assert_eq(service_view("user").instances, 0);
}

Test(hello, nobody_serves_the_brokers_own_service)
{
    use_acl("any role=actor serve=>,broker\n");
    uint64_t s = peer_open("any");
    peer_hello(s, "a", "broker", 4);
    must_be_refused(s, 1, "forbidden", SUT_DROP_BAD_ENVELOPE);
}

Test(hello, a_body_that_is_no_hello_costs_the_connection)
{
    uint64_t s = peer_open("edge-1");
    peer_says(s, &(sut_envelope){.kind = SUT_HELLO, .id = 3, .body = SUT_STR("\xc1 garbage")});
    must_be_refused(s, 3, "bad_envelope", SUT_DROP_BAD_ENVELOPE);
    s = peer_open("user-1");
    peer_hello(s, "a", "user.get", 1); /* a service is one token */
    must_be_refused(s, 1, "bad_envelope", SUT_DROP_BAD_ENVELOPE);
}

Test(hello, a_second_one_costs_the_connection)
{
    uint64_t s = peer_ready("edge-1");
    peer_sends(s, SUT_HELLO, 5);
    must_be_refused(s, 5, "bad_envelope", SUT_DROP_BAD_ENVELOPE);
}

Test(hello, before_it_nothing_else_is_answered)
{
    static const sut_kind kinds[] = {SUT_PING, SUT_PONG, SUT_BYE, SUT_REPLY, SUT_CANCEL, SUT_CALL, SUT_CREDIT};
    uint64_t s = peer_open("edge-1");
    for (size_t i = 0; i < SUT_ARRAY_LEN(kinds); i++) {
        peer_says(s, &(sut_envelope){.kind = (uint8_t)kinds[i], .id = 40 + i, .subject = SUT_STR("user.get")});
        must_get_error(s, 40 + i, "hello_required");
    }
    peer_sends(s, SUT_HELLO, 1);
    must_take(s, SUT_WELCOME);
}

/* A peer that came back before its dead connection was noticed: what the old one had fails over to it. */
Test(hello, the_same_instance_replaces_its_older_session)
{
    uint64_t caller = peer_ready("edge-1"), old = peer_serves("user-1", "user", 2);
    peer_calls(caller, 1, "user.get");
    must_take(old, SUT_CALL);
    uint64_t young = peer_serves("user-1", "user", 2);
    must_be_dropped(old, SUT_DROP_REPLACED);
    const out *again = must_take(young, SUT_CALL);
    cr_assert_eq(again->attempt, 2);
    peer_replies(young, again, "r");
    must_get_reply(caller, 1, "r");
}

Test(hello, peers_without_an_instance_id_do_not_replace_each_other)
{
    uint64_t a = peer_open("edge-1"), b = peer_open("edge-1");
    peer_sends(a, SUT_HELLO, 1);
    peer_sends(b, SUT_HELLO, 1);
    must_take(a, SUT_WELCOME);
    must_take(b, SUT_WELCOME);
    must_get_nothing(a);
}

Test(hello, another_peer_cannot_take_an_instance_id)
{
    uint64_t a = peer_open("user-1"), b = peer_open("user-2");
    peer_hello(a, "same", "user", 1);
    must_take(a, SUT_WELCOME);
    peer_hello(b, "same", "user", 1);
    must_be_refused(b, 1, "conflict", SUT_DROP_BAD_ENVELOPE);
    must_get_nothing(a);
}

Test(hello, past_max_services_is_refused_and_leaves_nothing)
{
    sut_core_limits limits = SUT_CORE_LIMITS_DEFAULT;
    limits.max_services = 1;
    setup_with(&limits);
    peer_serves("post-1", "post", 1);
    uint64_t s = peer_open("user-1");
    peer_hello(s, "u", "user", 1);
    must_take(s, SUT_WELCOME);
    must_be_refused(s, 1, "overloaded", SUT_DROP_LIMIT);
}
