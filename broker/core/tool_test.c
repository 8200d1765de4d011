/* A tool that means harm, with all the rights that a tool may have: what it can take from others is bounded by its
 * name, whatever number of sessions it opens. */
#include "event_harness_test.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void tools_acl(void)
{
    use_acl("user-1 role=actor serve=user publish=user.*,open.* subscribe=>\n"
            "edge-1 role=edge subscribe=>\n"
            "a role=tool publish=open.* subscribe=>\n"
            "a.b role=tool publish=open.* subscribe=>\n"
            "oper-1 role=operator subscribe=>\n");
}

static void tools_setup(void)
{
    events_setup();
    tools_acl();
}

TestSuite(tool, .init = tools_setup, .fini = events_teardown, .timeout = 20);

static uint64_t session_of(const char *name, const char *instance)
{
    uint64_t session = peer_open(name);
    peer_hello(session, instance, NULL, 0);
    must_take(session, SUT_WELCOME);
    return session;
}

static void publish_as(uint64_t session, uint64_t id, const char *source)
{
    peer_says(session, &(sut_envelope){.kind = SUT_PUBLISH,
                                       .id = id,
                                       .subject = SUT_STR("open.said"),
                                       .opt = {.source = sut_str_from(source), .number = 1, .epoch = UINT64_MAX}});
}

Test(tool, may_not_take_the_source_of_a_peer_whose_name_goes_on_behind_its_own)
{
    uint64_t a = peer_ready("a"), b = peer_ready("a.b");
    publish_as(a, 1, "a.b");
    must_get_error(a, 1, "forbidden");
    publish_as(a, 2, "a.b.out");
    must_get_error(a, 2, "forbidden");
    publish_as(a, 3, "a.bc");
    publish_as(b, 4, "a.b.out");
    journal_run();
    must_take(a, SUT_PUBLISHED);
    must_take(b, SUT_PUBLISHED);
    publish_as(b, 5, "a");
    must_get_error(b, 5, "forbidden");
}

Test(tool, may_not_delay_an_event_for_ever)
{
    uint64_t a = peer_ready("a");
    const sut_envelope env = {.kind = SUT_PUBLISH, .id = 1, .subject = SUT_STR("open.said")};
    sut_envelope late = env;
    late.opt.not_before = INT64_MAX;
    peer_says(a, &late);
    must_get_error(a, 1, "validation_failed");
}

Test(tool, shares_its_publishes_among_its_sessions)
{
    sut_core_event_limits l = SUT_CORE_EVENT_LIMITS_DEFAULT;
    l.publishes_per_peer = 4;
    sut_core_set_event_limits(h.core, &l);
    uint64_t one = session_of("a", "1"), two = session_of("a", "2"), other = peer_ready("a.b"),
             actor = peer_ready("user-1");
    j->holds[ASK_PUBLISH] = true;
    for (uint64_t i = 1; i <= 2; i++) {
        publish(one, i, "open.said", NULL, "");
        publish(two, i, "open.said", NULL, "");
    }
    publish(two, 9, "open.said", NULL, "");
    must_get_error(two, 9, "overloaded");
    publish(other, 1, "open.said", NULL, "");
    publish(actor, 1, "user.made", NULL, "");
    sut_core_close(h.core, h.now, one); /* what it had there is not held against the other */
    publish(two, 10, "open.said", NULL, "");
    j->holds[ASK_PUBLISH] = false;
    journal_run();
    must_take(other, SUT_PUBLISHED);
    must_take(actor, SUT_PUBLISHED);
    for (int i = 0; i < 3; i++)
        must_take(two, SUT_PUBLISHED);
}

Test(tool, has_so_many_subscriptions_in_all_its_sessions)
{
    uint64_t sessions[] = {session_of("a", "1"), session_of("a", "2"), session_of("a", "3")};
    uint64_t actor = peer_ready("user-1");
    for (uint64_t i = 0; i < 128; i++) {
        subscribe(sessions[i / 64], i, &(sub_options){.subjects = "open.*", .credits = 1});
        must_take(sessions[i / 64], SUT_REPLY);
        must_forget_markers(sessions[i / 64]);
    }
    subscribe(sessions[2], 500, &(sub_options){.subjects = "open.*", .credits = 1});
    must_get_error(sessions[2], 500, "overloaded");
    must_subscribe(actor, 1, &(sub_options){.subjects = "open.*"});
    peer_says(sessions[0], &(sut_envelope){.kind = SUT_UNSUBSCRIBE, .id = 0});
    must_subscribe(sessions[2], 501, &(sub_options){.subjects = "open.*", .credits = 1});
}

Test(tool, cannot_use_up_the_memory_that_subscribers_of_the_platform_need)
{
    sut_core_event_limits l = SUT_CORE_EVENT_LIMITS_DEFAULT;
    l.event_bytes = 512 << 10;
    sut_core_set_event_limits(h.core, &l);
    uint64_t a = peer_ready("a"), b = peer_ready("a.b"), edge = peer_ready("edge-1");
    int taken = 0;
    for (uint64_t i = 1; i <= 40; i++) {
        const uint64_t session = i % 2 ? a : b;
        subscribe(session, i, &(sub_options){.subjects = "open.*", .credits = 4096});
        for (uint32_t k = 0; k < h.out_count; k++)
            taken += h.outs[k].session == session && h.outs[k].id == i && h.outs[k].kind == SUT_REPLY;
    }
    cr_assert(taken > 0 && taken <= 8, "%d", taken); /* a quarter each, half together */
    must_subscribe(edge, 1, &(sub_options){.subjects = "user.*", .credits = 4096});
}

Test(tool, does_not_get_into_the_group_of_another_one_and_cannot_bend_what_is_not_its_own)
{
    uint64_t a = peer_ready("a"), b = peer_ready("a.b"), actor = peer_ready("user-1"), o = peer_ready("oper-1");
    const sub_options mine = {.subjects = "open.*", .group = "mine"}, bent = {.subjects = ">", .group = "mine"};
    must_subscribe(a, 1, &mine);
    subscribe(b, 1, &mine);
    must_get_error(b, 1, "forbidden");
    peer_says(a, &(sut_envelope){.kind = SUT_UNSUBSCRIBE, .id = 1});
    subscribe(b, 2, &bent);
    must_get_error(b, 2, "forbidden");
    pass_events_ms(500);
    broker_restarts(NULL); /* it is still its own */
    tools_acl();
    a = peer_ready("a"), b = peer_ready("a.b"), actor = peer_ready("user-1"), o = peer_ready("oper-1");
    subscribe(b, 3, &mine);
    must_get_error(b, 3, "forbidden");
    must_subscribe(o, 1, &mine);
    must_subscribe(actor, 1, &(sub_options){.subjects = "user.*", .group = "theirs"});
    peer_says(actor, &(sut_envelope){.kind = SUT_UNSUBSCRIBE, .id = 1});
    subscribe(a, 4, &(sub_options){.subjects = ">", .group = "theirs"});
    must_get_error(a, 4, "conflict");
}

Test(tool, makes_a_quarter_of_the_groups_at_most)
{
    sut_core_event_limits l = SUT_CORE_EVENT_LIMITS_DEFAULT;
    l.max_groups = 8;
    sut_core_set_event_limits(h.core, &l);
    uint64_t a = peer_ready("a"), actor = peer_ready("user-1");
    for (uint64_t i = 0; i < 3; i++) {
        char name[] = "g0";
        name[1] = (char)('0' + i);
        subscribe(a, i, &(sub_options){.subjects = "open.*", .group = name});
        journal_run();
        if (i < 2)
            must_take(a, SUT_REPLY);
        peer_says(a, &(sut_envelope){.kind = SUT_UNSUBSCRIBE, .id = i});
    }
    must_get_error(a, 2, "overloaded");
    must_subscribe(actor, 1, &(sub_options){.subjects = "open.*", .group = "actors"});
}

Test(tool, answers_only_for_what_it_holds_itself)
{
    uint64_t a = peer_ready("a"), actor = peer_ready("user-1");
    must_subscribe(actor, 7, &(sub_options){.subjects = "open.*", .group = "actors"});
    must_publish(actor, "open.said", "k", "x");
    const out *o = must_get_event(actor, 1, 1);
    peer_acks(a, o); /* the id of another's subscription, in its own session */
    must_subscribe(a, 7, &(sub_options){.subjects = "open.*", .group = "other", .start = "beginning"});
    const out *own = must_get_event(a, 1, 1);
    peer_answers(a, SUT_NACK, own, UINT32_MAX, "x", "y"); /* waits ten minutes, not forty-nine days */
    peer_answers(a, SUT_ACK, &(out){.id = 7, .sequence = UINT64_MAX, .attempt = 1}, 0, NULL, NULL);
    cr_assert_eq(group_view("actors").in_flight, 1);
    cr_assert_eq(group_view("other").waiting, 1);
    h.now += 600 * SUT_NS_PER_S;
    sut_core_tick(h.core, h.now);
    cr_assert_eq(group_view("other").waiting, 0);
}
