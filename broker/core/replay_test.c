/* Replay, redrive and the other commands of operators. */
#include "event_harness_test.h"

#include <criterion/criterion.h>
#include <errno.h>

TestSuite(replay, .init = events_setup, .fini = events_teardown, .timeout = 10);

static char error[200];

static sut_status command(sut_group_action action, uint64_t from, uint64_t to, double speed)
{
    const sut_str subject = SUT_STR("user.*");
    const bool makes = action == SUT_GROUP_CREATE || action == SUT_GROUP_REPLAY;
    return sut_core_group_command(h.core, h.now,
                                  &(sut_group_command){.action = action,
                                                       .group = SUT_STR("g"),
                                                       .subjects = &subject,
                                                       .subject_count = makes ? 1 : 0,
                                                       .from = from,
                                                       .to = to,
                                                       .speed = speed},
                                  error, sizeof(error));
}

static const sub_options member = {.subjects = "user.*", .group = "g", .credits = 8};

Test(replay, a_paused_group_gets_history_marked_and_then_goes_on_where_it_was)
{
    uint64_t u = peer_ready("user-1");
    must_subscribe(u, 7, &member);
    for (int i = 0; i < 3; i++)
        must_publish(u, "user.made", NULL, "x");
    for (uint64_t s = 1; s <= 3; s++)
        peer_acks(u, must_get_event(u, s, 1));
    cr_assert_eq(command(SUT_GROUP_REPLAY, 1, 2, 0), -EBUSY);
    cr_assert_eq(command(SUT_GROUP_PAUSE, 0, 0, 0), 0);
    must_publish(u, "user.made", NULL, "y");
    must_get_nothing(u);
    cr_assert_eq(command(SUT_GROUP_REPLAY, 1, 9, 0), -EINVAL);
    cr_assert_eq(command(SUT_GROUP_REPLAY, 1, 2, 0), 0);
    journal_run();
    for (uint64_t s = 1; s <= 2; s++) {
        const out *o = must_get_event(u, s, 1);
        cr_assert(o->replayed);
        cr_assert_eq(o->generation, 2);
        peer_acks(u, o);
    }
    journal_run();
    const out *next = must_get_event(u, 4, 1);
    cr_assert(!next->replayed);
    cr_assert_eq(next->generation, 1);
}

Test(replay, of_a_new_group_keeps_the_pace_and_can_be_stopped)
{
    uint64_t u = peer_ready("user-1");
    for (int i = 0; i < 3; i++) {
        must_publish(u, "user.made", NULL, "x");
        pass_events_ms(1000);
    }
    cr_assert_eq(command(SUT_GROUP_REPLAY, 1, 0, 2), 0);
    journal_run();
    must_subscribe(u, 7, &member);
    peer_acks(u, must_get_event(u, 1, 1));
    must_get_nothing(u);
    pass_events_ms(480);
    must_get_nothing(u);
    pass_events_ms(40);
    peer_acks(u, must_get_event(u, 2, 1));
    cr_assert_eq(command(SUT_GROUP_STOP, 0, 0, 0), 0);
    pass_events_ms(2000);
    must_get_nothing(u);
    cr_assert(group_view("g").paused);
    cr_assert_eq(group_view("g").cursor, 2);
    cr_assert_eq(command(SUT_GROUP_RESUME, 0, 0, 0), 0);
    journal_run();
    must_get_event(u, 3, 1);
}

Test(replay, goes_on_after_a_restart)
{
    uint64_t u = peer_ready("user-1");
    for (int i = 0; i < 3; i++)
        must_publish(u, "user.made", NULL, "x");
    cr_assert_eq(command(SUT_GROUP_REPLAY, 1, 2, 0), 0);
    journal_run();
    must_subscribe(u, 7, &member);
    peer_acks(u, must_get_event(u, 1, 1));
    pass_events_ms(500);
    broker_restarts(NULL);
    cr_assert(group_view("g").replaying);
    u = peer_ready("user-1");
    subscribe(u, 7, &member);
    must_take(u, SUT_REPLY);
    journal_run();
    const out *o = must_get_event(u, 2, 1);
    cr_assert(o->replayed);
    peer_acks(u, o);
    journal_run();
    cr_assert(!must_get_event(u, 3, 1)->replayed);
}

Test(replay, a_deleted_group_tells_its_members_and_is_forgotten)
{
    uint64_t u = peer_ready("user-1");
    cr_assert_eq(command(SUT_GROUP_DELETE, 0, 0, 0), -ENOENT);
    cr_assert_eq(command(SUT_GROUP_CREATE, 0, 0, 0), 0);
    cr_assert_eq(command(SUT_GROUP_CREATE, 0, 0, 0), -EEXIST);
    journal_run();
    subscribe(u, 7, &member);
    must_take(u, SUT_REPLY);
    must_publish(u, "user.made", NULL, "x");
    must_get_event(u, 1, 1);
    cr_assert_eq(command(SUT_GROUP_DELETE, 0, 0, 0), -EBUSY);
    cr_assert_eq(command(SUT_GROUP_PAUSE, 0, 0, 0), 0);
    cr_assert_eq(command(SUT_GROUP_DELETE, 0, 0, 0), 0);
    must_take(u, SUT_GAP);
    subscribe(u, 8, &member);
    must_get_error(u, 8, "overloaded"); /* until the journal has forgotten it */
    journal_run();
    cr_assert_eq(j->saved_count, 0);
    must_subscribe(u, 8, &member);
}

Test(replay, a_redriven_letter_is_forgotten_when_it_is_acked_and_buried_again_when_not)
{
    uint64_t u = peer_ready("user-1");
    must_subscribe(u, 7, &member);
    must_publish(u, "user.made", "k", "x");
    peer_answers(u, SUT_TERM, must_get_event(u, 1, 1), 0, "bad", "bad");
    journal_run();
    const sut_core_attempt attempts[] = {{.attempt = 1, .consumer = SUT_STR("user-1"), .code = SUT_STR("bad")}};
    const sut_stored_event *event = &j->events[1].event;
    cr_assert_eq(sut_core_redrive(h.core, h.now, SUT_STR("none"), 1, event, attempts, 1, error, sizeof(error)),
                 -ENOENT);
    cr_assert_eq(sut_core_redrive(h.core, h.now, SUT_STR("g"), 1, event, attempts, 1, error, sizeof(error)), 0);
    cr_assert_eq(sut_core_redrive(h.core, h.now, SUT_STR("g"), 1, event, attempts, 1, error, sizeof(error)), -EALREADY);
    peer_answers(u, SUT_TERM, must_get_event(u, 1, 2), 0, "bad", "again");
    journal_run();
    cr_assert_eq(j->letter_count, 2);
    cr_assert_eq(j->letters[1].id, 1);
    cr_assert_eq(j->letters[1].attempts, 2);
    cr_assert_eq(sut_core_redrive(h.core, h.now, SUT_STR("g"), 1, event, attempts, 1, error, sizeof(error)), 0);
    peer_acks(u, must_get_event(u, 1, 2));
    journal_run();
    cr_assert_eq(j->forgotten_count, 1);
    cr_assert_eq(j->forgotten[0], 1);
}

static void publish_each_second(uint64_t u, const char *const *keys, int count)
{
    for (int i = 0; i < count; i++) {
        must_publish(u, "user.made", keys[i], "x");
        pass_events_ms(1000);
    }
}

Test(replay, at_a_pace_keeps_the_time_of_each_event_of_a_key)
{
    uint64_t u = peer_ready("user-1");
    publish_each_second(u, (const char *const[]){"a", "a", "b", "a"}, 4);
    cr_assert_eq(command(SUT_GROUP_REPLAY, 1, 0, 1), 0);
    journal_run();
    must_subscribe(u, 7, &member);
    peer_acks(u, must_get_event(u, 1, 1));
    journal_run();
    must_get_nothing(u); /* its key is free, its time has not come */
    pass_events_ms(990);
    must_get_nothing(u);
    pass_events_ms(20);
    const out *second = must_get_event(u, 2, 1);
    pass_events_ms(1000);
    peer_acks(u, must_get_event(u, 3, 1));
    pass_events_ms(1000);
    must_get_nothing(u); /* 4 is due, and behind 2 */
    peer_acks(u, second);
    peer_acks(u, must_get_event(u, 4, 1));
    journal_run();
    cr_assert(!group_view("g").replaying);
}

Test(replay, at_a_pace_stands_still_while_paused)
{
    uint64_t u = peer_ready("user-1");
    publish_each_second(u, (const char *const[]){"a", "b", "c"}, 3);
    cr_assert_eq(command(SUT_GROUP_REPLAY, 1, 0, 1), 0);
    journal_run();
    must_subscribe(u, 7, &member);
    peer_acks(u, must_get_event(u, 1, 1));
    pass_events_ms(400);
    cr_assert_eq(command(SUT_GROUP_PAUSE, 0, 0, 0), 0);
    pass_events_ms(5000);
    must_get_nothing(u);
    cr_assert_eq(command(SUT_GROUP_RESUME, 0, 0, 0), 0);
    pass_events_ms(580);
    must_get_nothing(u);
    pass_events_ms(40);
    peer_acks(u, must_get_event(u, 2, 1));
    pass_events_ms(960);
    must_get_nothing(u);
    pass_events_ms(40);
    peer_acks(u, must_get_event(u, 3, 1));
}

Test(replay, at_a_pace_goes_on_after_its_member_was_away_and_after_a_restart)
{
    uint64_t u = peer_ready("user-1");
    publish_each_second(u, (const char *const[]){"a", "b", "c", "d"}, 4);
    cr_assert_eq(command(SUT_GROUP_REPLAY, 1, 0, 1), 0);
    journal_run();
    must_subscribe(u, 7, &member);
    peer_acks(u, must_get_event(u, 1, 1));
    peer_says(u, &(sut_envelope){.kind = SUT_UNSUBSCRIBE, .id = 7});
    pass_events_ms(10000);
    must_subscribe(u, 8, &member);
    peer_acks(u, must_get_event(u, 2, 1));
    must_get_nothing(u); /* not all that would have been due meanwhile */
    pass_events_ms(1010);
    peer_acks(u, must_get_event(u, 3, 1));
    pass_events_ms(300);
    broker_restarts(NULL);
    cr_assert(group_view("g").replaying);
    u = peer_ready("user-1");
    subscribe(u, 9, &member);
    must_take(u, SUT_REPLY);
    journal_run();
    const out *o = must_get_event(u, 4, 1);
    cr_assert(o->replayed);
    peer_acks(u, o);
}
