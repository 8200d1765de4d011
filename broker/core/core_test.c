/* The rest of the core: control calls, the broker's drain, limits, views. */
#include "harness_test.h"

#include <criterion/criterion.h>
#include <errno.h>

TestSuite(core, .init = setup, .fini = teardown, .timeout = 10);

/* ---- broker.* ---- */

Test(core, a_control_call_is_answered_by_the_daemon_later)
{
    uint64_t s = peer_ready("edge-1");
    peer_calls(s, 8, "broker.status");
    must_get_nothing(s);
    sut_core_control_reply(h.core, h.now, h.control_call, 0, SUT_STR("all is well"));
    must_get_reply(s, 8, "all is well");
    sut_core_control_reply(h.core, h.now, h.control_call, 0, SUT_STR("again"));
    must_get_nothing(s);
}

Test(core, a_control_call_may_be_answered_from_within)
{
    uint64_t s = peer_ready("edge-1");
    h.control_answers_at_once = true;
    peer_calls(s, 8, "broker.status");
    must_get_reply(s, 8, "now");
}

Test(core, a_control_call_may_fail_expire_and_be_cancelled)
{
    uint64_t s = peer_ready("edge-1");
    peer_calls(s, 1, "broker.status");
    sut_core_control_reply(h.core, h.now, h.control_call, SUT_ERR_NO_SUCH_METHOD, SUT_STR("there is no such thing"));
    const out *e = must_take(s, SUT_ERROR_REPLY);
    cr_assert_str_eq(e->code, "no_such_method");
    cr_assert_str_eq(e->message, "there is no such thing");
    peer_calls(s, 2, "broker.status");
    peer_sends(s, SUT_CANCEL, 2);
    must_get_error(s, 2, "cancelled");
    peer_calls(s, 3, "broker.status");
    pass_ms(1000);
    must_get_error(s, 3, "deadline_exceeded");
    sut_core_control_reply(h.core, h.now, h.control_call, 0, SUT_STR("late"));
    must_get_nothing(s);
}

Test(core, a_control_call_of_who_has_gone_is_forgotten)
{
    uint64_t s = peer_ready("edge-1");
    peer_calls(s, 1, "broker.status");
    sut_core_close(h.core, h.now, s);
    sut_core_control_reply(h.core, h.now, h.control_call, 0, SUT_STR("late"));
    must_get_nothing(s);
}

/* ---- drain ---- */

/* Takes the bye and returns the id of the ping behind it. */
static uint64_t hear_bye(uint64_t session)
{
    must_take(session, SUT_BYE);
    for (uint32_t i = h.out_count; i-- > 0;) {
        if (h.outs[i].session == session && !h.outs[i].dropped && h.outs[i].kind == SUT_PING)
            return h.outs[i].id;
    }
    cr_assert_fail("no ping behind the bye");
    return 0;
}

static void heed_bye(uint64_t session)
{
    peer_sends(session, SUT_PONG, hear_bye(session));
}

Test(core, drain_waits_until_every_peer_has_heard_it)
{
    uint64_t quick = peer_ready("edge-1"), slow = peer_ready("edge-2");
    sut_core_drain(h.core, h.now);
    heed_bye(quick);
    uint64_t ping = hear_bye(slow);
    cr_assert_not(sut_core_drained(h.core));
    peer_calls(slow, 1, "user.put"); /* sent before it heard the bye */
    must_get_error(slow, 1, "unavailable");
    peer_sends(slow, SUT_PONG, ping + 1); /* not that one */
    cr_assert_not(sut_core_drained(h.core));
    peer_sends(slow, SUT_PONG, ping);
    cr_assert(sut_core_drained(h.core));
}

Test(core, drain_does_not_wait_for_a_peer_that_is_gone)
{
    uint64_t gone = peer_ready("edge-1");
    sut_core_drain(h.core, h.now);
    cr_assert_not(sut_core_drained(h.core));
    sut_core_close(h.core, h.now, gone);
    cr_assert(sut_core_drained(h.core));
}

Test(core, drain_says_bye_refuses_new_calls_and_finishes_those_in_hand)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    peer_calls(caller, 1, "user.put");
    peer_calls(caller, 2, "user.put"); /* queued: it may still be served */
    const out *call = must_take(inst, SUT_CALL);
    sut_core_drain(h.core, h.now);
    heed_bye(caller);
    heed_bye(inst);
    peer_calls(caller, 3, "user.put");
    must_get_error(caller, 3, "unavailable");
    cr_assert_not(sut_core_drained(h.core));
    peer_replies(inst, call, "r");
    must_get_reply(caller, 1, "r");
    peer_replies(inst, must_take(inst, SUT_CALL), "r");
    must_get_reply(caller, 2, "r");
    cr_assert(sut_core_drained(h.core));
}

Test(core, drain_ends_after_its_time)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    for (uint64_t id = 1; id <= 2; id++)
        peer_says(caller, &(sut_envelope){.kind = SUT_CALL, .id = id, .subject = SUT_STR("user.put"), .ttl_ms = 60000});
    const out *call = must_take(inst, SUT_CALL);
    sut_core_drain(h.core, h.now);
    heed_bye(caller);
    heed_bye(inst);
    pass_ms(2000);
    must_get_error(caller, 1, "outcome_unknown");
    must_get_error(caller, 2, "unavailable");
    cr_assert_eq(must_take(inst, SUT_CANCEL)->id, call->id);
    cr_assert(sut_core_drained(h.core));
}

Test(core, drain_does_not_wait_for_a_service_that_is_away)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    sut_core_close(h.core, h.now, inst);
    peer_calls(caller, 1, "user.put");
    sut_core_drain(h.core, h.now);
    heed_bye(caller);
    must_get_error(caller, 1, "unavailable");
    cr_assert(sut_core_drained(h.core));
}

Test(core, drain_welcomes_nobody_but_answers_status)
{
    uint64_t old = peer_ready("edge-1");
    sut_core_drain(h.core, h.now);
    sut_core_drain(h.core, h.now);
    heed_bye(old);
    must_get_nothing(old);
    uint64_t young = peer_open("edge-2");
    peer_sends(young, SUT_HELLO, 1);
    must_get_error(young, 1, "unavailable");
    must_be_dropped(young, SUT_DROP_BYE);
    h.control_answers_at_once = true;
    peer_calls(old, 1, "broker.status");
    must_get_reply(old, 1, "now");
}

/* ---- limits and views ---- */

Test(core, new_limits_hold_for_what_comes_after)
{
    sut_core_limits limits = SUT_CORE_LIMITS_DEFAULT;
    uint64_t caller = peer_ready("edge-1");
    peer_serves("user-1", "user", 0);
    peer_calls(caller, 1, "user.put");
    peer_calls(caller, 2, "user.put");
    limits.queue_calls = 1;
    sut_core_set_limits(h.core, &limits);
    peer_calls(caller, 3, "user.put");
    must_get_error(caller, 3, "overloaded");
    cr_assert_eq(service_view("user").queued, 2);
}

typedef struct seen {
    char names[256];
    uint32_t count;
} seen;

static void see_session(const sut_core_session_view *v, void *arg)
{
    seen *s = arg;
    s->count++;
    cr_assert_eq(v->ready, sut_str_is(v->name, "edge-1") || sut_str_is(v->name, "user-1"));
    if (sut_str_is(v->name, "edge-1")) {
        cr_assert_eq(v->calls_pending, 2);
        cr_assert_eq(v->role, SUT_ROLE_EDGE);
    }
    if (sut_str_is(v->name, "user-1")) {
        cr_assert_eq(v->calls_in_hand, 1);
        cr_assert(sut_str_is(v->instance, "user-1"));
        cr_assert(v->draining);
    }
}

Test(core, views_show_sessions)
{
    seen s = {.count = 0};
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    peer_open("edge-2");
    peer_calls(caller, 1, "user.put");
    peer_calls(caller, 2, "user.put");
    peer_sends(inst, SUT_BYE, 0);
    sut_core_each_session(h.core, see_session, &s);
    cr_assert_eq(s.count, 3);
    cr_assert_eq(service_view("user").instances, 0);
    cr_assert_eq(service_view("user").in_flight, 1);
    cr_assert_eq(service_view("user").queued, 1);
    cr_assert_eq(service_view("user").calls_total, 2);
}

static void see_service(const sut_core_service_view *v, void *arg)
{
    seen *s = arg;
    memcpy(s->names + strlen(s->names), v->name.ptr, v->name.len);
    s->count++;
}

Test(core, services_are_shown_by_name)
{
    seen s = {.count = 0};
    peer_serves("user-1", "user", 1);
    peer_serves("post-1", "post", 1);
    sut_core_each_service(h.core, see_service, &s);
    cr_assert_str_eq(s.names, "postuser");
}

Test(core, the_brokers_name_is_bounded)
{
    cr_assert_eq(sut_core_set_broker_name(h.core, SUT_STR("broker-7")), 0);
    static const char longest[65];
    cr_assert_eq(sut_core_set_broker_name(h.core, (sut_str){longest, sizeof(longest)}), -EMSGSIZE);
}

Test(core, freed_with_calls_under_way_says_nothing)
{
    uint64_t caller = peer_ready("edge-1"), inst = peer_serves("user-1", "user", 1);
    peer_calls(caller, 1, "user.get");
    peer_calls(caller, 2, "user.get");
    must_take(inst, SUT_CALL);
    h.core = sut_core_free(h.core);
    must_get_nothing(caller);
    must_get_nothing(inst);
    h.acl = sut_acl_free(h.acl);
}

Test(core, needs_its_outputs)
{
    sut_core *c = NULL;
    cr_assert_eq(sut_core_new(&c, NULL, &(sut_core_ops){0}, NULL), -EINVAL);
    cr_assert_null(c);
    cr_assert_null(sut_core_free(NULL));
}
