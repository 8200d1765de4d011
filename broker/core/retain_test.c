/* What retention has eaten, and dead letters that the journal does not take: nothing is stuck, nothing goes unsaid. */
#include "event_harness_test.h"

#include <criterion/criterion.h>

TestSuite(retain, .init = events_setup, .fini = events_teardown, .timeout = 10);

static const sub_options mailer = {.subjects = "user.*", .group = "mailer", .credits = 4};

static void publish_some(uint64_t u, int count)
{
    for (int i = 0; i < count; i++)
        must_publish(u, "user.made", "k", "x");
}

Test(retain, a_group_without_members_moves_its_cursor_and_counts_what_it_missed)
{
    uint64_t u = peer_ready("user-1");
    must_subscribe(u, 7, &mailer);
    peer_says(u, &(sut_envelope){.kind = SUT_UNSUBSCRIBE, .id = 7});
    publish_some(u, 6);
    journal_retains(4);
    cr_assert_eq(group_view("mailer").cursor, 3);
    cr_assert_eq(group_view("mailer").gaps_total, 1);
    cr_assert_eq(group_view("mailer").missed_total, 3);
    pass_events_ms(500);
    broker_restarts(NULL); /* and it was saved */
    cr_assert_eq(group_view("mailer").cursor, 3);
    u = peer_ready("user-1");
    subscribe(u, 7, &mailer);
    must_take(u, SUT_REPLY);
    journal_run();
    must_get_event(u, 4, 1);
}

Test(retain, the_members_of_a_group_that_is_behind_are_told_at_once)
{
    sut_core_event_limits l = SUT_CORE_EVENT_LIMITS_DEFAULT;
    l.group_window = 1;
    events_setup_with(&l);
    uint64_t a = peer_ready("user-1"), b = peer_ready("user-2");
    must_subscribe(a, 7, &mailer);
    subscribe(b, 8, &mailer);
    must_take(b, SUT_REPLY);
    publish_some(a, 4);
    const out *first = must_get_event(a, 1, 1);
    journal_retains(4);
    must_get_gap(a, 2, 3, "retention");
    must_get_gap(b, 2, 3, "retention");
    cr_assert_eq(group_view("mailer").missed_total, 2);
    peer_acks(a, first); /* it was out, and still counts */
    journal_run();
    must_get_event(b, 4, 1);
    cr_assert_eq(group_view("mailer").cursor, 3);
}

Test(retain, what_was_acknowledged_above_the_cursor_is_not_given_again)
{
    uint64_t u = peer_ready("user-1");
    must_subscribe(u, 7, &mailer);
    for (int i = 0; i < 4; i++)
        must_publish(u, "user.made", NULL, "x");
    must_get_event(u, 1, 1);
    peer_acks(u, must_get_event(u, 2, 1));
    peer_acks(u, must_get_event(u, 3, 1));
    must_get_event(u, 4, 1);
    peer_says(u, &(sut_envelope){.kind = SUT_UNSUBSCRIBE, .id = 7});
    journal_retains(3);
    cr_assert_eq(group_view("mailer").cursor, 2);
    must_subscribe(u, 8, &mailer);
    must_get_event(u, 4, 1);
    must_get_nothing(u);
}

Test(retain, bodies_that_are_gone_leave_the_window)
{
    sut_core_event_limits l = SUT_CORE_EVENT_LIMITS_DEFAULT;
    l.group_bytes = 0; /* no body is kept: each is read again when it is due */
    events_setup_with(&l);
    uint64_t u = peer_ready("user-1");
    must_subscribe(u, 7, &(sub_options){.subjects = "user.*", .group = "mailer", .credits = 1});
    publish_some(u, 5);
    must_get_event(u, 1, 1);
    journal_retains(5);
    cr_assert_eq(group_view("mailer").window, 5); /* 1 is out, and those of its key are behind it */
    peer_answers(u, SUT_NACK, &(out){.id = 7, .sequence = 1, .attempt = 1}, 50, NULL, NULL);
    pass_events_ms(500);
    must_get_gap(u, 1, 4, "retention");
    const out *o = must_get_event(u, 5, 1);
    peer_acks(u, o);
    journal_run();
    cr_assert_eq(group_view("mailer").window, 0);
    cr_assert_eq(group_view("mailer").missed_total, 4);
    sut_core_event_counts counts;
    sut_core_get_event_counts(h.core, &counts);
    cr_assert_eq(counts.bytes_held, 0);
}

Test(retain, an_ephemeral_one_that_is_behind_is_told_at_once)
{
    uint64_t e = peer_ready("edge-1"), u = peer_ready("user-1");
    publish_some(u, 8);
    must_subscribe(e, 5, &(sub_options){.subjects = "user.*", .start = "beginning", .credits = 2});
    must_get_event(e, 1, 1);
    must_get_event(e, 2, 1);
    journal_retains(6);
    must_get_gap(e, 3, 5, "retention");
    peer_acks_up_to(e, 5, 2);
    journal_run();
    must_get_event(e, 6, 1);
    must_get_event(e, 7, 1);
}

Test(retain, a_dead_letter_that_is_not_taken_is_tried_again_and_stops_only_its_key)
{
    uint64_t u = peer_ready("user-1");
    must_subscribe(u, 7, &mailer);
    must_publish(u, "user.made", "k", "1");
    must_publish(u, "user.made", "k", "2");
    j->fails[ASK_BURY] = -28;
    peer_answers(u, SUT_TERM, must_get_event(u, 1, 1), 0, NULL, NULL);
    journal_run();
    const uint32_t answered = j->answered;
    for (int i = 0; i < 10; i++) { /* the rest goes on, and the journal is not asked each time */
        must_publish(u, "user.made", NULL, "x");
        peer_acks(u, must_get_event(u, 3 + (uint64_t)i, 1));
    }
    cr_assert_eq(j->answered, answered + 10);
    cr_assert_eq(group_view("mailer").cursor, 0);
    pass_events_ms(2000);
    j->fails[ASK_BURY] = 0;
    pass_events_ms(200);
    cr_assert_eq(j->letter_count, 1);
    peer_acks(u, must_get_event(u, 2, 1));
    cr_assert_eq(group_view("mailer").cursor, 12);
    cr_assert_eq(group_view("mailer").window, 0);
}

static uint64_t last_ping(uint64_t session)
{
    uint64_t id = 0;
    for (uint32_t i = 0; i < h.out_count; i++) {
        if (h.outs[i].session == session && h.outs[i].kind == SUT_PING) {
            h.outs[i].taken = true;
            id = h.outs[i].id;
        }
    }
    return id;
}

Test(retain, a_drain_waits_for_the_dead_letter_that_is_being_written)
{
    uint64_t u = peer_ready("user-1");
    must_subscribe(u, 7, &mailer);
    must_publish(u, "user.made", "k", "1");
    j->holds[ASK_BURY] = true;
    peer_answers(u, SUT_TERM, must_get_event(u, 1, 1), 0, NULL, NULL);
    pass_events_ms(300);
    sut_core_drain(h.core, h.now);
    must_take(u, SUT_BYE);
    peer_sends(u, SUT_PONG, last_ping(u));
    journal_run();
    journal_run();
    cr_assert(!sut_core_drained(h.core));
    j->holds[ASK_BURY] = false;
    for (int i = 0; i < 30 && !sut_core_drained(h.core); i++)
        pass_events_ms(10);
    cr_assert(sut_core_drained(h.core));
    cr_assert_eq(j->letter_count, 1);
}
