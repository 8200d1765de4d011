/* Publishing: who may, what is answered, and what happens when the journal does not take it. */
#include "event_harness_test.h"

#include "wire/msgpack.h"

#include <criterion/criterion.h>

TestSuite(publish, .init = events_setup, .fini = events_teardown, .timeout = 10);

Test(publish, is_answered_when_the_journal_has_it)
{
    uint64_t u = peer_ready("user-1");
    publish(u, 9, "user.made", "k", "b");
    must_get_nothing(u);
    journal_run();
    const out *o = must_take(u, SUT_PUBLISHED);
    cr_assert_eq(o->id, 9);
    cr_assert_eq(o->sequence, 1);
    cr_assert_str_eq(j->events[1].publisher, "user-1");
}

Test(publish, needs_the_right_the_schema_and_the_service)
{
    uint64_t u = peer_ready("user-1"), t = peer_ready("tool-1"), e = peer_ready("edge-1");
    publish(e, 1, "user.made", NULL, "");
    must_get_error(e, 1, "forbidden");
    publish(u, 2, "user.none", NULL, "");
    must_get_error(u, 2, "no_such_event");
    publish(t, 3, "user.made", NULL, ""); /* its access list has it, its service does not */
    must_get_error(t, 3, "forbidden");
    publish(t, 4, "open.said", NULL, "");
    journal_run();
    must_take(t, SUT_PUBLISHED);
}

Test(publish, marks_and_sources_are_checked)
{
    uint64_t u = peer_ready("user-1"), t = peer_ready("tool-1"), o = peer_ready("oper-1");
    sut_envelope env = {.kind = SUT_PUBLISH, .id = 1, .subject = SUT_STR("open.said"), .opt = {.replayed = 1}};
    peer_says(u, &env);
    must_get_error(u, 1, "forbidden");
    peer_says(o, &env);
    journal_run();
    must_take(o, SUT_PUBLISHED);
    env.opt = (sut_envelope_options){.source = SUT_STR("outbox"), .number = 1};
    peer_says(t, &env);
    must_get_error(t, 1, "forbidden");
    env.opt.source = SUT_STR("tool-1.out");
    peer_says(t, &env);
    journal_run();
    must_take(t, SUT_PUBLISHED);
    env.opt = (sut_envelope_options){.number = 1};
    peer_says(t, &env);
    must_get_error(t, 1, "validation_failed");
    env.opt = (sut_envelope_options){0};
    env.principal = (sut_principal){.user_id = 1, .level = 1};
    peer_says(t, &env);
    must_get_error(t, 1, "forbidden");
}

Test(publish, a_full_journal_is_overloaded_and_a_failing_one_says_so)
{
    uint64_t u = peer_ready("user-1");
    j->full = true;
    publish(u, 1, "user.made", NULL, "");
    must_get_error(u, 1, "overloaded");
    j->full = false;
    j->fails[ASK_PUBLISH] = -5;
    publish(u, 2, "user.made", NULL, "");
    journal_run();
    must_get_error(u, 2, "storage_full");
}

Test(publish, is_bounded_by_count_and_bytes)
{
    sut_core_event_limits l = SUT_CORE_EVENT_LIMITS_DEFAULT;
    l.publishes_per_peer = 2;
    events_setup_with(&l);
    uint64_t u = peer_ready("user-1");
    for (uint64_t i = 1; i <= 3; i++)
        publish(u, i, "user.made", NULL, "");
    must_get_error(u, 3, "overloaded");
    journal_run();
    must_take(u, SUT_PUBLISHED);
    must_take(u, SUT_PUBLISHED);
    publish(u, 4, "user.made", NULL, "");
    sut_core_close(h.core, h.now, u); /* its answer is dropped */
    journal_run();
    cr_assert_eq(j->next, 4);
}

Test(publish, a_batch_is_answered_with_all_sequences)
{
    uint64_t u = peer_ready("user-1");
    sut_buf b;
    sut_buf_init(&b, 0);
    int st = sut_mp_add_map(&b, 1) || sut_mp_add_str(&b, SUT_STR("events")) || sut_mp_add_array(&b, 2);
    for (int i = 0; i < 2; i++)
        st = st || sut_mp_add_map(&b, 3) || sut_mp_add_str(&b, SUT_STR("subject")) ||
             sut_mp_add_str(&b, SUT_STR("user.made")) || sut_mp_add_str(&b, SUT_STR("key")) ||
             sut_mp_add_str(&b, SUT_STR("k")) || sut_mp_add_str(&b, SUT_STR("body")) ||
             sut_mp_add_bin(&b, SUT_STR("x"));
    cr_assert_eq(st, 0);
    peer_says(u, &(sut_envelope){.kind = SUT_PUBLISH, .id = 3, .body = {(const char *)b.data, b.len}});
    journal_run();
    const out *o = must_take(u, SUT_PUBLISHED);
    static const uint8_t want[] = "\x82\xa9sequences\x92\x01\x02\xaa"
                                  "duplicates\x92\xc2\xc2";
    cr_assert_eq(o->raw_len, sizeof(want) - 1);
    cr_assert_eq(memcmp(o->raw, want, o->raw_len), 0);
    peer_says(u, &(sut_envelope){.kind = SUT_PUBLISH, .id = 4, .body = SUT_STR("\x80")});
    must_get_error(u, 4, "validation_failed");
    sut_buf_deinit(&b);
}

typedef struct batch_item {
    int64_t user_id, level;
    int replayed; /* -1: not said */
} batch_item;

static void publish_batch(uint64_t session, uint64_t id, const sut_envelope *common, const batch_item *items,
                          size_t count)
{
    sut_envelope env = *common;
    sut_buf b;
    sut_buf_init(&b, 0);
    int st = sut_mp_add_map(&b, 1) || sut_mp_add_str(&b, SUT_STR("events")) || sut_mp_add_array(&b, count);
    for (size_t i = 0; i < count; i++) {
        const batch_item *e = &items[i];
        st = st || sut_mp_add_map(&b, 2u + (e->user_id != 0) + (e->replayed >= 0)) ||
             sut_mp_add_str(&b, SUT_STR("subject")) || sut_mp_add_str(&b, SUT_STR("open.said")) ||
             sut_mp_add_str(&b, SUT_STR("body")) || sut_mp_add_bin(&b, SUT_STR("x"));
        if (e->user_id)
            st = st || sut_mp_add_str(&b, SUT_STR("principal")) || sut_mp_add_map(&b, 3) ||
                 sut_mp_add_str(&b, SUT_STR("user_id")) || sut_mp_add_int(&b, e->user_id) ||
                 sut_mp_add_str(&b, SUT_STR("level")) || sut_mp_add_int(&b, e->level) ||
                 sut_mp_add_str(&b, SUT_STR("session")) || sut_mp_add_str(&b, SUT_STR("s-1"));
        if (e->replayed >= 0)
            st = st || sut_mp_add_str(&b, SUT_STR("replayed")) || sut_mp_add_bool(&b, e->replayed);
    }
    cr_assert_eq(st, 0);
    env.kind = SUT_PUBLISH;
    env.id = id;
    env.body = (sut_str){(const char *)b.data, b.len};
    peer_says(session, &env);
    sut_buf_deinit(&b);
}

Test(publish, an_event_of_a_batch_may_have_a_principal_and_a_mark_of_its_own)
{
    uint64_t u = peer_ready("user-1"), t = peer_ready("tool-1"), o = peer_ready("oper-1");
    const sut_envelope all = {.principal = {.user_id = 7, .level = 1}};
    publish_batch(u, 3, &all, (batch_item[]){{42, 3, -1}, {0, 0, -1}, {43, 1, 0}}, 3);
    journal_run();
    must_take(u, SUT_PUBLISHED);
    cr_assert_eq(j->events[1].event.principal.user_id, 42);
    cr_assert_eq(j->events[1].event.principal.level, 3);
    cr_assert_eq(j->events[2].event.principal.user_id, 7);
    cr_assert_eq(j->events[3].event.principal.user_id, 43);
    publish_batch(t, 4, &(sut_envelope){0}, (batch_item[]){{0, 0, -1}, {1, 1, -1}}, 2);
    must_get_error(t, 4, "forbidden"); /* a tool may not speak for a user, in no place */
    publish_batch(u, 5, &(sut_envelope){0}, (batch_item[]){{0, 0, 1}}, 1);
    must_get_error(u, 5, "forbidden"); /* only operators tell history again */
    publish_batch(u, 6, &(sut_envelope){0}, (batch_item[]){{5, 2, -1}}, 1);
    must_get_error(u, 6, "validation_failed");
    publish_batch(u, 7, &(sut_envelope){0}, (batch_item[]){{INT64_C(1) << 53, 1, -1}}, 1);
    must_get_error(u, 7, "validation_failed");
    publish_batch(o, 8, &(sut_envelope){.opt.replayed = 1}, (batch_item[]){{0, 0, -1}, {0, 0, 0}}, 2);
    journal_run();
    must_take(o, SUT_PUBLISHED);
    cr_assert(j->events[4].event.replayed);
    cr_assert(!j->events[5].event.replayed);
}

Test(publish, before_the_journal_is_open_all_is_unavailable)
{
    setup();
    uint64_t u = peer_ready("user-1");
    publish(u, 1, "user.made", NULL, "");
    must_get_error(u, 1, "unavailable");
    subscribe(u, 2, &(sub_options){.subjects = "user.*"});
    must_get_error(u, 2, "unavailable");
}
