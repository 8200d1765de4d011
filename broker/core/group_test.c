/* Durable groups: who gets what, in which order, and what answers do. */
#include "event_harness_test.h"

#include <criterion/criterion.h>

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
