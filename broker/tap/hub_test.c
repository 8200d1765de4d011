/* The hub: who is shown what, budgets and losses, peers that do not read, bounds, ends. */
#include "bench_test.h"

#include <errno.h>
#include <stdio.h>

TestSuite(hub, .init = bench_setup, .fini = bench_teardown, .timeout = 30);

static const sut_str empty = {"\x80", 1};

static void pass_kind(sut_sight_kind kind, const char *subject)
{
    const sut_sight s = sight(kind, subject, empty);
    pass(&s);
}

Test(hub, only_the_kinds_that_taps_want_are_watched)
{
    sut_tap_request calls = everything(), errors = everything();
    uint64_t lost;
    calls.kinds = SUT_SIGHT_CALL;
    errors.kinds = SUT_SIGHT_ERROR;
    must_attach(1, 1, &calls);
    cr_assert_eq(t.kinds, SUT_SIGHT_CALL);
    must_attach(1, 2, &errors);
    cr_assert_eq(t.kinds, SUT_SIGHT_CALL | SUT_SIGHT_ERROR);
    pass_kind(SUT_SIGHT_REPLY, "auth.login");
    pass_kind(SUT_SIGHT_ERROR, "auth.login");
    cr_assert_eq(must_get()->id, 2);
    must_get_nothing();
    cr_assert(sut_tap_hub_detach(t.hub, 1, 2, &lost));
    cr_assert_eq(t.kinds, SUT_SIGHT_CALL);
    sut_tap_hub_session_ended(t.hub, 1);
    cr_assert_eq(t.kinds, 0);
    cr_assert_eq(t.ended, 0);
}

Test(hub, filters_by_subject_user_key_and_trace)
{
    static const sut_str patterns[] = {{"auth.>", 6}, {"user.*", 6}};
    sut_tap_request r = everything();
    r.subjects = patterns;
    r.subject_count = 2;
    must_attach(1, 1, &r);
    r = everything();
    r.user_id = 43;
    must_attach(1, 2, &r);
    r = everything();
    r.key = SUT_STR("k");
    must_attach(1, 3, &r);
    r = everything();
    r.trace = SUT_STR("4bf92f3577b34da6a3ce929d0e0e4736");
    must_attach(1, 4, &r);
    sut_sight s = sight(SUT_SIGHT_CALL, "probe.sent", empty);
    s.principal.user_id = 43;
    s.key = s.traceparent = SUT_STR_NONE;
    pass(&s);
    cr_assert_eq(must_get()->id, 2);
    must_get_nothing();
    s = sight(SUT_SIGHT_CALL, "probe.sent", empty);
    s.traceparent = SUT_STR_NONE;
    pass(&s);
    cr_assert_eq(must_get()->id, 3);
    must_get_nothing();
    s = sight(SUT_SIGHT_CALL, "probe.sent", empty);
    s.key = SUT_STR("kk");
    pass(&s);
    cr_assert_eq(must_get()->id, 4);
    must_get_nothing();
    s.traceparent = SUT_STR("00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-01");
    s.subject = SUT_STR("user.get");
    pass(&s);
    cr_assert_eq(must_get()->id, 1);
    s.subject = SUT_STR("user.get.more");
    pass(&s);
    must_get_nothing();
}

Test(hub, what_its_peer_may_not_see_is_not_shown_and_rights_are_asked_again)
{
    sut_tap_request r = everything();
    t.hidden = "broker.status";
    must_attach(1, 1, &r);
    pass_kind(SUT_SIGHT_CALL, "broker.status");
    must_get_nothing();
    pass_kind(SUT_SIGHT_CALL, "auth.login");
    must_get();
    t.hidden = "auth.login";
    pass_kind(SUT_SIGHT_CALL, "auth.login"); /* the access list did not say that it changed */
    must_get();
    must_attach(2, 1, &r);
    pass_kind(SUT_SIGHT_CALL, "auth.login");
    must_get_nothing();
}

static bool s_still;
static bool still(void *app, uint64_t session, const sut_tap_request *r)
{
    (void)app;
    return s_still || session != 1 || !r->personal;
}

Test(hub, a_revoked_right_ends_the_tap_with_an_error)
{
    sut_tap_request r = everything();
    must_attach(1, 1, &r);
    r.personal = true;
    must_attach(1, 2, &r);
    s_still = true;
    sut_tap_hub_recheck(t.hub, still);
    cr_assert_eq(t.ended, 0);
    s_still = false;
    pass_kind(SUT_SIGHT_CALL, "auth.login");
    sut_tap_hub_recheck(t.hub, still);
    cr_assert_eq(t.ended, 1);
    cr_assert_eq(t.ended_id, 2);
    cr_assert_eq(t.ended_err, SUT_ERR_FORBIDDEN);
    cr_assert_eq(must_get()->id, 1); /* and what passed just before is not shown any more */
    must_get_nothing();
}

Test(hub, all_end_at_once_when_the_broker_stops)
{
    sut_tap_request r = everything();
    must_attach(1, 1, &r);
    must_attach(2, 1, &r);
    sut_tap_hub_end_all(t.hub, "the broker is stopping");
    cr_assert_eq(t.ended, 2);
    cr_assert_eq(t.ended_err, SUT_ERR_UNAVAILABLE);
    cr_assert_eq(t.kinds, 0);
    must_get_nothing();
}

Test(hub, they_are_bounded_a_session_and_in_all)
{
    const sut_tap_limits limits = {
        .max_taps = 3, .taps_per_session = 2, .bytes_per_second = 1 << 20, .bytes_per_second_max = 1 << 20};
    sut_tap_request r = everything();
    uint64_t lost;
    sut_tap_hub_set_limits(t.hub, &limits);
    must_attach(1, 1, &r);
    cr_assert_eq(attach(1, 1, &r), -EEXIST);
    must_attach(1, 2, &r);
    cr_assert_eq(attach(1, 3, &r), -ENOSPC);
    must_attach(2, 1, &r);
    cr_assert_eq(attach(3, 1, &r), -ENOSPC);
    cr_assert(sut_tap_hub_detach(t.hub, 1, 1, &lost));
    cr_assert_not(sut_tap_hub_detach(t.hub, 1, 1, &lost));
    must_attach(3, 1, &r);
    pass_kind(SUT_SIGHT_CALL, "auth.login");
    for (int i = 0; i < 3; i++)
        must_get();
    must_get_nothing();
}

/* ---- budgets ---- */

Test(hub, what_is_over_the_budget_is_lost_counted_and_told_with_the_next_record)
{
    sut_tap_request r = everything();
    sut_tap_counts counts;
    r.bytes_per_second = 64 << 10;
    must_attach(1, 1, &r);
    for (int i = 0; i < 1000; i++)
        pass_kind(SUT_SIGHT_CALL, "auth.login");
    sut_tap_hub_get_counts(t.hub, &counts);
    cr_assert_gt(counts.lost_total, 500);
    cr_assert_lt(counts.lost_total, 1000);
    for (uint64_t i = counts.lost_total; i < 1000; i++)
        cr_assert(says(must_get(), "\"lost\":0"));
    must_get_nothing();
    t.now_ns += SUT_NS_PER_S;
    pass_kind(SUT_SIGHT_CALL, "auth.login");
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "\"lost\":%llu}", (unsigned long long)counts.lost_total);
    const got *g = must_get();
    cr_assert(says(g, wanted), "%s instead of %s", g->json, wanted);
    pass_kind(SUT_SIGHT_CALL, "auth.login");
    cr_assert(says(must_get(), "\"lost\":0"));
}

Test(hub, a_peer_that_does_not_read_costs_bounded_memory_and_nobody_else)
{
    sut_tap_request r = everything();
    sut_tap_counts counts;
    static char text[4096];
    r.bytes_per_second = 64 << 20;
    must_attach(1, 1, &r);
    t.stuck = true;
    for (int i = 0; i < 40000; i++) { /* 160 MiB */
        const sut_sight s = sight(SUT_SIGHT_CALL, "auth.login", (sut_str){text, sizeof text});
        t.now_ns += SUT_NS_PER_MS;
        pass(&s);
        if (i % 1000 == 0)
            turn();
    }
    sut_tap_hub_get_counts(t.hub, &counts);
    cr_assert_gt(counts.lost_total, 20000); /* what is shown of one is 200 bytes or more */
    t.stuck = false;
    while (t.got_count + counts.lost_total < 40000) {
        t.taken = t.got_count;
        must_get();
    }
    t.taken = t.got_count;
    cr_assert_leq(t.bytes_sent, TAP_OUT_BYTES + TAP_RING_BYTES);
    must_get_nothing();
}

Test(hub, an_unsubscribe_says_what_was_lost)
{
    sut_tap_request r = everything();
    uint64_t lost = 0;
    r.bytes_per_second = 64 << 10;
    must_attach(1, 1, &r);
    for (int i = 0; i < 1000; i++)
        pass_kind(SUT_SIGHT_CALL, "auth.login");
    cr_assert(sut_tap_hub_detach(t.hub, 1, 1, &lost));
    cr_assert_gt(lost, 0);
}

Test(hub, many_come_and_go_while_records_pass, .timeout = 30)
{
    sut_tap_request r = everything();
    for (uint64_t i = 0; i < 300; i++) {
        uint64_t lost;
        t.now_ns += SUT_NS_PER_MS;
        sut_status st;
        while ((st = attach(1 + i % 4, i, &r)) == -ENOSPC) /* so many at most are not freed yet */
            turn();
        cr_assert_eq(st, 0);
        for (int k = 0; k < 20; k++)
            pass_kind(SUT_SIGHT_CALL, "auth.login");
        if (i >= 8)
            cr_assert(sut_tap_hub_detach(t.hub, 1 + (i - 8) % 4, i - 8, &lost));
        t.got_count = t.taken = 0;
        turn();
    }
}

/* ---- ends ---- */

Test(hub, without_follow_and_history_it_ends_at_once)
{
    sut_tap_request r = everything();
    r.follow = false;
    must_attach(1, 5, &r);
    pass_kind(SUT_SIGHT_CALL, "auth.login");
    must_get_end(0);
    must_get_nothing();
    cr_assert_eq(t.kinds, 0);
}

Test(hub, a_live_tap_ends_at_its_time)
{
    sut_tap_request r = everything();
    r.kinds = SUT_SIGHT_CALL; /* no history */
    r.has_until = true;
    r.until_us = sut_wall_us() + 300000;
    must_attach(1, 5, &r);
    pass_kind(SUT_SIGHT_CALL, "auth.login");
    cr_assert_eq(must_get()->kind, SUT_TAP);
    must_get_end(0);
    cr_assert_geq(sut_wall_us(), r.until_us);
}
