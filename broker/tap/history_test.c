/* History: pages from the journal, the seam to what is live, ends, faults. */
#include "bench_test.h"

#include <errno.h>
#include <stdio.h>

TestSuite(history, .init = bench_setup, .fini = bench_teardown, .timeout = 30);

static const sut_str empty = {"\x80", 1};

static sut_tap_request since(int64_t us, bool follow)
{
    sut_tap_request r = everything();
    r.has_since = true;
    r.since_us = us;
    r.follow = follow;
    return r;
}

static void must_be_asked(uint64_t from, int64_t from_time_us)
{
    for (int i = 0; i < 200 && !t.read_tag; i++)
        turn();
    cr_assert_neq(t.read_tag, 0, "the journal was not asked");
    cr_assert_eq(t.read.from_time_us, from_time_us);
    if (!from_time_us)
        cr_assert_eq(t.read.from, from);
}

/* Answers with the events from..to-1. */
static void answer(uint64_t from, uint64_t to, uint64_t next, uint64_t oldest)
{
    static sut_stored_event events[2048];
    const uint64_t tag = t.read_tag;
    for (uint64_t s = from; s < to; s++)
        events[s - from] = (sut_stored_event){.sequence = s,
                                              .time_us = (int64_t)s * 1000,
                                              .subject = SUT_STR("probe.sent"),
                                              .key = SUT_STR("a"),
                                              .publisher = SUT_STR("teller"),
                                              .body = empty};
    t.read_tag = 0;
    t.lent++;
    sut_tap_hub_read_done(t.hub, tag, 0, events, to - from, next, oldest, &t);
}

static void must_get_event(uint64_t sequence)
{
    char wanted[64];
    const got *g = must_get();
    (void)snprintf(wanted, sizeof wanted, "\"sequence\":%llu,", (unsigned long long)sequence);
    cr_assert(says(g, wanted), "%s instead of %s", g->json, wanted);
}

static void pass_event(uint64_t sequence)
{
    sut_sight s = sight(SUT_SIGHT_EVENT, "probe.sent", empty);
    s.sequence = sequence;
    s.at_us = (int64_t)sequence * 1000;
    pass(&s);
    sut_tap_hub_appended(t.hub, sequence + 1);
}

Test(history, pages_come_in_order_and_then_it_ends)
{
    const sut_tap_request r = since(2500, false);
    sut_tap_hub_appended(t.hub, 11);
    must_attach(1, 5, &r);
    must_be_asked(0, 2500);
    answer(3, 6, 6, 1);
    must_be_asked(6, 0);
    answer(6, 11, 11, 1);
    for (uint64_t s = 3; s < 11; s++)
        must_get_event(s);
    must_get_end(0);
}

Test(history, from_the_beginning_of_the_journal)
{
    const sut_tap_request r = since(0, false);
    sut_tap_hub_appended(t.hub, 9);
    must_attach(1, 5, &r);
    must_be_asked(1, 0);
    answer(4, 9, 9, 4); /* retention took what was before: nobody saw it, nothing was lost */
    for (uint64_t s = 4; s < 9; s++)
        must_get_event(s);
    must_get_end(0);
}

Test(history, the_seam_has_neither_gap_nor_duplicate)
{
    const sut_tap_request r = since(1, true);
    sut_tap_hub_appended(t.hub, 4);
    must_attach(1, 5, &r);
    must_be_asked(0, 1);
    pass_event(4); /* while history is read: it comes from there */
    answer(1, 4, 4, 1);
    must_be_asked(4, 0);
    pass_event(5);
    answer(4, 8, 8, 1); /* the journal is ahead of what the loop was told */
    pass_event(6);
    pass_event(7);
    pass_event(8);
    for (uint64_t s = 1; s <= 8; s++)
        must_get_event(s);
    must_get_nothing();
}

Test(history, calls_are_shown_as_they_pass_also_meanwhile)
{
    const sut_tap_request r = since(1, true);
    const sut_sight call = sight(SUT_SIGHT_CALL, "auth.login", empty);
    sut_tap_hub_appended(t.hub, 2);
    must_attach(1, 5, &r);
    must_be_asked(0, 1);
    pass(&call);
    cr_assert(says(must_get(), "\"kind\":\"call\""));
    answer(1, 2, 2, 1);
    must_get_event(1);
}

Test(history, until_ends_it_within_a_page)
{
    sut_tap_request r = since(1, false);
    r.has_until = true;
    r.until_us = 3000;
    sut_tap_hub_appended(t.hub, 10);
    must_attach(1, 5, &r);
    must_be_asked(0, 1);
    answer(1, 10, 10, 1);
    for (uint64_t s = 1; s <= 3; s++)
        must_get_event(s);
    must_get_end(0);
}

Test(history, more_than_the_budget_waits_and_is_not_lost)
{
    sut_tap_request r = since(1, false);
    sut_tap_counts counts;
    r.bytes_per_second = 1 << 20;
    sut_tap_hub_appended(t.hub, 2001);
    must_attach(1, 5, &r);
    must_be_asked(0, 1);
    answer(1, 2001, 2001, 1);
    for (uint64_t s = 1; s <= 2000; s++)
        must_get_event(s);
    must_get_end(0);
    sut_tap_hub_get_counts(t.hub, &counts);
    cr_assert_eq(counts.lost_total, 0);
}

Test(history, what_retention_took_while_it_was_told_is_counted)
{
    const sut_tap_request r = since(1, false);
    sut_tap_hub_appended(t.hub, 20);
    must_attach(1, 5, &r);
    must_be_asked(0, 1);
    answer(1, 3, 3, 1);
    must_be_asked(3, 0);
    answer(10, 20, 20, 10);
    must_get_event(1);
    must_get_event(2);
    cr_assert(says(must_get(), "\"lost\":7}"));
}

Test(history, filters_hold_for_it_too)
{
    static const sut_str pattern = {"probe.*", 7};
    sut_tap_request r = since(1, false);
    r.subjects = &pattern;
    r.subject_count = 1;
    r.user_id = 42; /* none of them */
    sut_tap_hub_appended(t.hub, 4);
    must_attach(1, 5, &r);
    must_be_asked(0, 1);
    cr_assert_eq(t.read.pattern_count, 1);
    cr_assert(sut_str_is(t.read.patterns[0], "probe.*"));
    answer(1, 4, 4, 1);
    must_get_end(0);
}

Test(history, a_busy_journal_is_asked_again_and_a_broken_one_ends_it)
{
    const sut_tap_request r = since(1, true);
    sut_tap_hub_appended(t.hub, 3);
    t.read_status = -EAGAIN;
    must_attach(1, 5, &r);
    for (int i = 0; i < 100 && t.reads < 3; i++)
        turn();
    cr_assert_geq(t.reads, 3);
    t.read_status = 0;
    must_be_asked(0, 1);
    sut_tap_hub_read_done(t.hub, t.read_tag, -EIO, NULL, 0, 0, 0, NULL);
    cr_assert_eq(t.ended, 1);
    cr_assert_eq(t.ended_err, SUT_ERR_UNAVAILABLE);
    must_get_nothing();
}

Test(history, a_page_for_a_tap_that_is_gone_is_given_back)
{
    const sut_tap_request r = since(1, true);
    sut_tap_hub_appended(t.hub, 3);
    must_attach(1, 5, &r);
    must_be_asked(0, 1);
    sut_tap_hub_session_ended(t.hub, 1);
    answer(1, 3, 3, 1);
    cr_assert_eq(t.released, 1);
    must_get_nothing();
}

Test(history, a_page_that_waits_is_given_back_when_the_tap_ends)
{
    sut_tap_request r = since(1, true);
    r.bytes_per_second = 1024;
    sut_tap_hub_appended(t.hub, 2001);
    must_attach(1, 5, &r);
    must_be_asked(0, 1);
    answer(1, 2001, 2001, 1);
    cr_assert_eq(t.released, 0);
    sut_tap_hub_session_ended(t.hub, 1);
    cr_assert_eq(t.released, 1);
}
