/* Ephemeral subscribers: live, from a point, filtered, slow. */
#include "event_harness_test.h"

#include <criterion/criterion.h>

TestSuite(ephemeral, .init = events_setup, .fini = events_teardown, .timeout = 10);

Test(ephemeral, it_gets_what_comes_after_and_a_marker)
{
    uint64_t e = peer_ready("edge-1"), u = peer_ready("user-1");
    must_publish(u, "user.made", "k", "0");
    must_subscribe(e, 5, &(sub_options){.subjects = "user.*"});
    cr_assert_eq(must_take(e, SUT_MARKER)->sequence, 1);
    must_publish(u, "user.made", "k", "1");
    const out *o = must_get_event(e, 2, 1);
    cr_assert_eq(o->generation, 0);
    cr_assert_eq(o->id, 5);
    pass_events_ms(510);
    cr_assert_eq(must_take(e, SUT_MARKER)->sequence, 2);
}

Test(ephemeral, history_is_read_as_credit_allows_and_then_it_is_live)
{
    uint64_t e = peer_ready("edge-1"), u = peer_ready("user-1");
    for (int i = 0; i < 10; i++)
        must_publish(u, "user.made", i % 2 ? "odd" : "even", "x");
    must_subscribe(e, 5, &(sub_options){.subjects = "user.*", .start = "beginning", .credits = 4});
    for (uint64_t s = 1; s <= 4; s++)
        must_get_event(e, s, 1);
    must_get_nothing(e);
    peer_acks_up_to(e, 5, 4);
    journal_run();
    for (uint64_t s = 5; s <= 8; s++)
        must_get_event(e, s, 1);
    must_publish(u, "user.made", "k", "x"); /* not lost: history is flow-controlled */
    peer_acks_up_to(e, 5, 8);
    journal_run();
    for (uint64_t s = 9; s <= 11; s++)
        must_get_event(e, s, 1);
    must_take(e, SUT_MARKER);
}

Test(ephemeral, a_slow_one_is_told_what_it_missed)
{
    uint64_t e = peer_ready("edge-1"), u = peer_ready("user-1");
    must_subscribe(e, 5, &(sub_options){.subjects = "user.*", .credits = 2});
    must_forget_markers(e);
    for (int i = 0; i < 5; i++)
        must_publish(u, "user.made", "k", "x");
    must_get_event(e, 1, 1);
    must_get_event(e, 2, 1);
    pass_events_ms(1200);
    must_get_nothing(e); /* no marker either */
    peer_acks_up_to(e, 5, 2);
    must_get_gap(e, 3, 5, "slow");
    must_take(e, SUT_MARKER);
    must_publish(u, "user.made", "k", "x");
    must_get_event(e, 6, 1);
}

Test(ephemeral, filters_by_key)
{
    uint64_t e = peer_ready("edge-1"), u = peer_ready("user-1");
    must_subscribe(e, 5, &(sub_options){.subjects = "user.*", .key = "42"});
    must_forget_markers(e);
    must_subscribe(e, 6, &(sub_options){.subjects = "user.*", .user_id = 7});
    must_forget_markers(e);
    must_publish(u, "user.made", "41", "x");
    must_publish(u, "user.made", "42", "x");
    peer_says(
        u, &(sut_envelope){
               .kind = SUT_PUBLISH, .id = 1, .subject = SUT_STR("user.made"), .principal = {.user_id = 7, .level = 1}});
    journal_run();
    cr_assert_eq(must_get_event(e, 2, 1)->id, 5);
    cr_assert_eq(must_get_event(e, 3, 1)->id, 6);
    must_get_nothing(e);
}

Test(ephemeral, retention_is_a_gap)
{
    uint64_t e = peer_ready("edge-1"), u = peer_ready("user-1");
    for (int i = 0; i < 4; i++)
        must_publish(u, "user.made", "k", "x");
    journal_retains(3);
    subscribe(e, 5, &(sub_options){.subjects = "user.*", .sequence = 1});
    must_take(e, SUT_REPLY);
    must_get_gap(e, 1, 2, "retention");
    journal_run();
    must_get_event(e, 3, 1);
    must_get_event(e, 4, 1);
}

Test(ephemeral, a_damaged_record_is_a_gap)
{
    uint64_t e = peer_ready("edge-1"), u = peer_ready("user-1");
    for (int i = 0; i < 4; i++)
        must_publish(u, "user.made", "k", "x");
    j->damaged = 2;
    subscribe(e, 5, &(sub_options){.subjects = "user.*", .sequence = 1});
    must_take(e, SUT_REPLY);
    journal_run();
    must_get_event(e, 1, 1);
    must_get_gap(e, 2, 2, "damaged");
    must_get_event(e, 3, 1);
    must_get_event(e, 4, 1);
    must_take(e, SUT_MARKER);
}
