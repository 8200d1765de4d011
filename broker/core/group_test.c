/* Durable groups: who gets what, in which order, and what answers do. */
#include "event_harness_test.h"

#include <criterion/criterion.h>
#include <errno.h>

TestSuite(group, .init = events_setup, .fini = events_teardown, .timeout = 10);

static const sub_options mailer = {.subjects = "user.*", .group = "mailer", .credits = 4};

Test(group, an_event_goes_to_one_member_and_is_done_when_it_is_acked)
{
    uint64_t a = peer_ready("user-1"), b = peer_ready("user-2");
    must_subscribe(a, 7, &mailer);
    subscribe(b, 8, &mailer);
    must_take(b, SUT_REPLY);
    must_publish(a, "user.made", "k1", "one");
    must_publish(a, "user.made", "k2", "two");
    const out *first = must_get_event(a, 1, 1);
    cr_assert_eq(first->id, 7);
    cr_assert_str_eq(first->subject, "user.made");
    cr_assert_str_eq(first->key, "k1");
    cr_assert_str_eq(first->body, "one");
    cr_assert_eq(first->generation, 1);
    cr_assert_gt(first->published_at, 0);
    const out *second = must_get_event(b, 2, 1);
    cr_assert_eq(second->id, 8);
    must_get_nothing(a);
    peer_acks(a, first);
    peer_acks(b, second);
    sut_core_group_view v = group_view("mailer");
    cr_assert_eq(v.cursor, 2);
    cr_assert_eq(v.acked_total, 2);
    cr_assert_eq(v.window, 0);
    cr_assert_eq(v.credits_free, 8);
}

Test(group, of_one_key_one_event_is_out_and_keys_go_in_parallel)
{
    uint64_t a = peer_ready("user-1");
    must_subscribe(a, 7, &mailer);
    must_publish(a, "user.made", "k", "1");
    must_publish(a, "user.made", "k", "2");
    must_publish(a, "user.made", "other", "3");
    must_publish(a, "user.made", NULL, "4");
    must_publish(a, "user.made", NULL, "5");
    const out *first = must_get_event(a, 1, 1);
    must_get_event(a, 3, 1);
    must_get_event(a, 4, 1);
    must_get_event(a, 5, 1);
    must_get_nothing(a);
    peer_acks(a, first);
    must_get_event(a, 2, 1);
    cr_assert_eq(group_view("mailer").cursor, 1);
}

Test(group, a_nacked_event_comes_again_after_the_time_that_was_named)
{
    uint64_t a = peer_ready("user-1");
    must_subscribe(a, 7, &mailer);
    must_publish(a, "user.made", "k", "1");
    peer_answers(a, SUT_NACK, must_get_event(a, 1, 1), 700, "busy", "not now");
    pass_events_ms(690);
    must_get_nothing(a);
    pass_events_ms(20);
    must_get_event(a, 1, 2);
    cr_assert_eq(group_view("mailer").nacked_total, 1);
}

Test(group, backoff_doubles_and_the_last_delivery_ends_in_a_dead_letter)
{
    uint64_t a = peer_ready("user-1");
    must_subscribe(a, 7, &mailer);
    must_publish(a, "user.made", "k", "1");
    must_publish(a, "user.made", "k", "2");
    uint64_t most = 100;
    for (uint32_t attempt = 1; attempt <= 8; attempt++) {
        peer_answers(a, SUT_NACK, must_get_event(a, 1, attempt), 0, "broken", "it does not work");
        if (attempt == 8)
            break;
        pass_events_ms(most / 2 - 10);
        must_get_nothing(a);
        pass_events_ms(most / 2 + 20);
        most = most * 2 < 5000 ? most * 2 : 5000;
    }
    journal_run();
    cr_assert_eq(j->letter_count, 1);
    cr_assert_eq(j->letters[0].sequence, 1);
    cr_assert_eq(j->letters[0].attempts, 8);
    cr_assert_eq(j->letters[0].last_attempt, 8);
    cr_assert_str_eq(j->letters[0].consumer, "user-1");
    cr_assert_str_eq(j->letters[0].code, "broken");
    cr_assert_str_eq(j->letters[0].message, "it does not work");
    must_get_event(a, 2, 1);
    cr_assert_eq(group_view("mailer").cursor, 1);
}

Test(group, term_is_a_dead_letter_at_once_and_waits_for_the_journal)
{
    uint64_t a = peer_ready("user-1");
    must_subscribe(a, 7, &mailer);
    must_publish(a, "user.made", "k", "1");
    must_publish(a, "user.made", "k", "2");
    j->fails[ASK_BURY] = -5;
    peer_answers(a, SUT_TERM, must_get_event(a, 1, 1), 0, NULL, NULL);
    journal_run();
    pass_events_ms(500);
    cr_assert_eq(j->letter_count, 0);
    must_get_nothing(a);
    j->fails[ASK_BURY] = 0;
    pass_events_ms(500);
    cr_assert_eq(j->letter_count, 1);
    must_get_event(a, 2, 1);
}

Test(group, an_event_without_an_answer_expires_unless_there_is_progress)
{
    uint64_t a = peer_ready("user-1");
    must_subscribe(a, 7, &mailer);
    must_publish(a, "user.made", "k", "1");
    const out *first = must_get_event(a, 1, 1);
    pass_events_ms(4000);
    peer_answers(a, SUT_PROGRESS, first, 0, NULL, NULL);
    pass_events_ms(4500);
    must_get_nothing(a);
    pass_events_ms(700);
    cr_assert_eq(group_view("mailer").expired_total, 1);
    const out *second = must_get_event(a, 1, 2);
    peer_acks(a, first); /* stale: it is not that attempt any more */
    cr_assert_eq(group_view("mailer").stale_total, 1);
    cr_assert_eq(group_view("mailer").in_flight, 1);
    peer_acks(a, second);
    cr_assert_eq(group_view("mailer").cursor, 1);
}

Test(group, what_a_lost_session_held_goes_to_others_at_once_and_counts)
{
    uint64_t a = peer_ready("user-1"), b = peer_ready("user-2");
    must_subscribe(a, 7, &mailer);
    must_publish(b, "user.made", "k", "1");
    must_get_event(a, 1, 1);
    subscribe(b, 8, &mailer);
    must_take(b, SUT_REPLY);
    sut_core_close(h.core, h.now, a);
    must_get_event(b, 1, 2);
    cr_assert_eq(group_view("mailer").lost_total, 1);
}

Test(group, what_was_held_at_unsubscribe_or_bye_does_not_count)
{
    uint64_t a = peer_ready("user-1"), b = peer_ready("user-2");
    must_subscribe(a, 7, &mailer);
    must_publish(b, "user.made", "k", "1");
    must_get_event(a, 1, 1);
    subscribe(b, 8, &mailer);
    must_take(b, SUT_REPLY);
    peer_sends(a, SUT_UNSUBSCRIBE, 7);
    const out *o = must_get_event(b, 1, 1);
    peer_sends(b, SUT_BYE, 0);
    must_publish(b, "user.made", "k2", "2");
    must_get_nothing(b); /* no more after bye … */
    peer_acks(b, o);     /* … but what it holds is its own */
    cr_assert_eq(group_view("mailer").cursor, 1);
}

Test(group, after_a_restart_what_was_acked_above_the_cursor_is_not_delivered_again)
{
    uint64_t a = peer_ready("user-1");
    must_subscribe(a, 7, &mailer);
    for (int i = 0; i < 4; i++)
        must_publish(a, "user.made", NULL, "x");
    must_get_event(a, 1, 1);
    const out *second = must_get_event(a, 2, 1), *third = must_get_event(a, 3, 1), *last = must_get_event(a, 4, 1);
    peer_answers(a, SUT_NACK, third, 60000, NULL, NULL);
    peer_acks(a, second);
    peer_acks(a, last);
    pass_events_ms(300);
    broker_restarts(NULL);
    cr_assert_eq(group_view("mailer").cursor, 0);
    a = peer_ready("user-1");
    subscribe(a, 7, &mailer);
    must_take(a, SUT_REPLY);
    journal_run();
    must_get_event(a, 1, 1);
    must_get_event(a, 3, 2); /* its attempts are remembered */
    must_get_nothing(a);
}

Test(group, without_members_only_the_place_is_kept)
{
    uint64_t a = peer_ready("user-1"), b = peer_ready("user-2");
    must_subscribe(a, 7, &mailer);
    for (int i = 0; i < 3; i++)
        must_publish(b, "user.made", NULL, "x");
    must_get_event(a, 1, 1);
    peer_acks(a, must_get_event(a, 2, 1));
    sut_core_close(h.core, h.now, a);
    sut_core_group_view v = group_view("mailer");
    cr_assert_eq(v.cursor, 0);
    cr_assert_eq(v.window_bytes, 0);
    must_publish(b, "user.made", NULL, "y");
    a = peer_ready("user-1");
    subscribe(a, 7, &mailer);
    must_take(a, SUT_REPLY);
    journal_run();
    must_get_event(a, 1, 2);
    must_get_event(a, 3, 2);
    must_get_event(a, 4, 1);
    must_get_nothing(a);
}

Test(group, retention_moves_the_cursor_and_tells_the_members)
{
    uint64_t b = peer_ready("user-2");
    for (int i = 0; i < 5; i++)
        must_publish(b, "user.made", NULL, "x");
    const sub_options early = {.subjects = "user.*", .group = "late", .sequence = 1};
    journal_retains(4);
    must_subscribe(b, 9, &early);
    must_get_gap(b, 1, 3, "retention");
    must_get_event(b, 4, 1);
    must_get_event(b, 5, 1);
    cr_assert_eq(group_view("late").missed_total, 3);
}

static sut_status skip(const char *group, char *error, size_t size)
{
    const sut_group_command cmd = {.action = SUT_GROUP_SKIP, .group = sut_str_from(group)};
    sut_status st = sut_core_group_command(h.core, h.now, &cmd, error, size);
    journal_run();
    return st;
}

Test(group, it_stands_at_a_damaged_record_until_it_is_told_to_go_on)
{
    char error[128];
    uint64_t b = peer_ready("user-2");
    for (int i = 0; i < 5; i++)
        must_publish(b, "user.made", NULL, "x");
    const sub_options all = {.subjects = "user.*", .group = "late", .sequence = 1};
    j->damaged = 3;
    must_subscribe(b, 9, &all);
    peer_acks(b, must_get_event(b, 1, 1));
    peer_acks(b, must_get_event(b, 2, 1));
    pass_events_ms(12000);
    must_forget_markers(b);
    must_get_nothing(b);
    sut_core_group_view v = group_view("late");
    cr_assert(v.damaged == 3 && v.cursor == 2);
    cr_assert_eq(skip("late", error, sizeof error), 0);
    must_get_gap(b, 3, 3, "damaged");
    peer_acks(b, must_get_event(b, 4, 1));
    peer_acks(b, must_get_event(b, 5, 1));
    v = group_view("late");
    cr_assert(v.damaged == 0 && v.cursor == 5 && v.missed_total == 1);
    cr_assert_eq(skip("late", error, sizeof error), -EBUSY);
    cr_assert_str_eq(error, "the group stands at no damaged record");
}

Test(group, a_damaged_body_that_is_read_again_holds_its_group_too)
{
    char error[128];
    sut_core_event_limits l = SUT_CORE_EVENT_LIMITS_DEFAULT;
    l.group_bytes = 0;
    events_setup_with(&l);
    uint64_t a = peer_ready("user-1");
    const sub_options one = {.subjects = "user.*", .group = "one", .credits = 1};
    must_subscribe(a, 7, &one);
    for (int i = 0; i < 3; i++)
        must_publish(a, "user.made", "k", "x");
    j->damaged = 2;
    peer_acks(a, must_get_event(a, 1, 1));
    pass_events_ms(1000);
    cr_assert_eq(group_view("one").damaged, 2);
    cr_assert_eq(skip("one", error, sizeof error), 0);
    must_get_gap(a, 2, 2, "damaged");
    peer_acks(a, must_get_event(a, 3, 1));
    cr_assert_eq(group_view("one").cursor, 3);
}

Test(group, bodies_that_have_no_room_are_read_again)
{
    sut_core_event_limits l = SUT_CORE_EVENT_LIMITS_DEFAULT;
    l.group_bytes = 0;
    events_setup_with(&l);
    uint64_t a = peer_ready("user-1");
    const sub_options one = {.subjects = "user.*", .group = "mailer", .credits = 1};
    must_subscribe(a, 7, &one);
    for (uint64_t i = 0; i < 100; i++)
        must_publish(a, "user.made", i % 2 ? "k" : NULL, "x");
    for (uint64_t i = 1; i <= 100; i++) {
        const out *o = take(a);
        cr_assert_not_null(o, "stuck after %llu", (unsigned long long)i);
        cr_assert_str_eq(o->body, "x");
        peer_acks(a, o);
        journal_run();
    }
    cr_assert_eq(group_view("mailer").cursor, 100);
    cr_assert_eq(group_view("mailer").window_bytes, 0);
}

Test(group, who_may_not_join_is_refused)
{
    uint64_t t = peer_ready("tool-1"), p = peer_ready("post-1"), u = peer_ready("user-1");
    subscribe(t, 1, &(sub_options){.subjects = "user.*", .group = "g"});
    must_get_error(t, 1, "forbidden");
    subscribe(t, 1, &(sub_options){.subjects = "open.>", .group = "g"}); /* more than open.* */
    must_get_error(t, 1, "forbidden");
    subscribe(u, 1, &(sub_options){.subjects = "user.*", .group = "post-feed"});
    must_get_error(u, 1, "forbidden");
    subscribe(u, 1, &(sub_options){.subjects = "user.*", .group = "Bad Name"});
    must_get_error(u, 1, "validation_failed");
    subscribe(u, 1, &(sub_options){.subjects = "user..x", .group = "g"});
    must_get_error(u, 1, "validation_failed");
    subscribe(u, 1, &(sub_options){.subjects = "user.*", .sequence = 99});
    must_get_error(u, 1, "validation_failed");
    must_subscribe(p, 1, &(sub_options){.subjects = "user.*", .group = "post-feed"});
    subscribe(p, 1, &(sub_options){.subjects = "user.*"});
    must_get_error(p, 1, "conflict");
}

Test(group, a_right_that_is_revoked_ends_the_session)
{
    uint64_t a = peer_ready("user-1");
    must_subscribe(a, 7, &mailer);
    must_publish(a, "user.made", "k", "1");
    must_get_event(a, 1, 1);
    use_acl("user-1 role=actor call=post.* serve=user publish=user.* subscribe=open.*\n");
    must_get_error(a, 0, "forbidden");
    must_be_dropped(a, SUT_DROP_REVOKED);
    cr_assert_eq(group_view("mailer").in_flight, 0);
}

Test(group, the_broker_drains_when_all_is_answered_and_written)
{
    uint64_t a = peer_ready("user-1");
    must_subscribe(a, 7, &mailer);
    must_publish(a, "user.made", "k", "1");
    const out *o = must_get_event(a, 1, 1);
    publish(a, 50, "user.made", "k", "2");
    sut_core_drain(h.core, h.now);
    must_take(a, SUT_BYE);
    pass_ms(1);
    for (uint32_t i = 0; i < h.out_count; i++) {
        if (h.outs[i].kind == SUT_PING)
            peer_sends(a, SUT_PONG, h.outs[i].id);
    }
    cr_assert(!sut_core_drained(h.core));
    journal_run();
    must_take(a, SUT_PUBLISHED);
    publish(a, 51, "user.made", "k", "3");
    must_get_error(a, 51, "unavailable");
    cr_assert(!sut_core_drained(h.core));
    peer_acks(a, o);
    pass_ms(2);
    cr_assert(!sut_core_drained(h.core));
    journal_run();
    cr_assert(sut_core_drained(h.core));
}
