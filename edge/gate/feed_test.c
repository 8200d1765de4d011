/* The feed on a bus that the test plays: what it asks, and when it takes itself for current. */
#include "gate/feed.h"

#include "auth_schema.h"
#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(feed, .timeout = 30);

struct sut_delivery {
    sut_envelope env;
    bool acked;
};

typedef struct fake {
    sut_loop *loop;
    sut_revocations *table;
    sut_feed *feed;
    sut_subscribe sub;
    int subscriptions, calls;
    int64_t since; /* of the last call */
    sut_result_fn fn;
    void *arg;
} fake;

static fake f;

static sut_status on_call(void *bus, const sut_call *call, sut_result_fn fn, void *arg)
{
    (void)bus;
    sut_arena *arena;
    auth_revocations_in in;
    sut_field_errors errors;
    cr_assert_null(f.fn, "one call at a time");
    cr_assert_eq(sut_arena_new(&arena, 65536), 0);
    sut_field_errors_init(&errors, arena, 1);
    cr_assert_eq(sut_record_decode(&auth_revocations_in_record, call->body, SUT_UNKNOWN_REFUSE, arena, &in, &errors),
                 0);
    f.since = in.since;
    sut_arena_free(arena);
    f.calls++;
    f.fn = fn;
    f.arg = arg;
    return 0;
}

static sut_status on_subscribe(void *bus, const sut_subscribe *opt, sut_subscription **out)
{
    (void)bus;
    f.sub = *opt;
    f.subscriptions++;
    *out = (sut_subscription *)&f;
    return 0;
}

static sut_subscription *on_unsubscribe(sut_subscription *s)
{
    (void)s;
    return NULL;
}

static const sut_envelope *envelope(const sut_delivery *d)
{
    return &d->env;
}

static void on_ack(sut_delivery *d)
{
    d->acked = true;
}

static void start(void)
{
    const sut_feed_bus bus = {on_call, on_subscribe, on_unsubscribe, envelope, on_ack, NULL};
    f = (fake){0};
    cr_assert_eq(sut_loop_new(&f.loop), 0);
    cr_assert_eq(sut_revocations_new(&f.table, 100), 0);
    cr_assert_eq(sut_feed_new(&f.feed, f.loop, &bus, f.table), 0);
    while (f.subscriptions == 0)
        cr_assert_eq(sut_loop_turn(f.loop, 100), 0);
    cr_assert(f.sub.group == NULL && f.sub.start == SUT_START_END);
}

static void finish(void)
{
    sut_feed_stop(f.feed);
    sut_feed_free(f.feed);
    sut_revocations_free(f.table);
    sut_loop_free(f.loop);
}

static void notice(sut_sub_news news, uint64_t position)
{
    const sut_sub_notice n = {.news = news, .position = position, .text = SUT_STR("why")};
    f.sub.on_notice(f.sub.arg, &n);
}

/* Answers the call with one revocation, of session `session`. */
static void answer(const char *session, int64_t cursor, bool more)
{
    const auth_revocation item = {.id = cursor,
                                  .user_id = 1,
                                  .session = sut_str_from(session),
                                  .has_session = SUT_PRESENT,
                                  .revoked_at = sut_wall_us()};
    const auth_revocation *items[] = {&item};
    const auth_revocations_out out = {.items = {items, session ? 1 : 0}, .cursor = cursor, .more = more};
    sut_buf body;
    sut_buf_init(&body, 0);
    cr_assert_eq(sut_record_encode(&auth_revocations_out_record, &out, &body), 0);
    const sut_result r = {.body = {(const char *)body.data, body.len}};
    sut_result_fn fn = f.fn;
    cr_assert_not_null(fn);
    f.fn = NULL;
    fn(f.arg, &r);
    sut_buf_deinit(&body);
}

static void fail(int err)
{
    const sut_result r = {.err = err};
    sut_result_fn fn = f.fn;
    f.fn = NULL;
    fn(f.arg, &r);
}

static void event(const char *session, uint64_t sequence)
{
    const auth_session_revoked e = {
        .user_id = 1, .session = sut_str_from(session), .has_session = SUT_PRESENT, .revoked_at = sut_wall_us()};
    sut_buf body;
    sut_buf_init(&body, 0);
    cr_assert_eq(sut_record_encode(&auth_session_revoked_record, &e, &body), 0);
    sut_delivery d = {.env = {.body = {(const char *)body.data, body.len}, .opt = {.sequence = sequence}}};
    f.sub.on_event(f.sub.arg, &d);
    cr_assert(d.acked);
    sut_buf_deinit(&body);
}

static sut_session_verdict check(const char *session)
{
    return sut_revocations_check(f.table, 1, sut_str_from(session), 5, sut_now_ns());
}

Test(feed, it_subscribes_then_loads_page_by_page_then_is_current)
{
    start();
    cr_assert_eq(f.calls, 0, "not before the stream is up");
    notice(SUT_SUB_UP, 10);
    cr_assert_eq(f.calls, 1);
    cr_assert_eq(f.since, 0);
    notice(SUT_SUB_MARKER, 10);
    cr_assert_eq(check("other"), SUT_SESSION_UNKNOWN, "a marker says nothing of what was before the stream");
    event("meanwhile", 11);
    answer("first", 7, true);
    cr_assert_eq(f.since, 7);
    cr_assert_eq(check("other"), SUT_SESSION_UNKNOWN);
    answer("second", 8, false);
    cr_assert_eq(check("other"), SUT_SESSION_LIVE);
    cr_assert_eq(check("first"), SUT_SESSION_REVOKED);
    cr_assert_eq(check("second"), SUT_SESSION_REVOKED);
    cr_assert_eq(check("meanwhile"), SUT_SESSION_REVOKED);
    event("later", 12);
    cr_assert_eq(check("later"), SUT_SESSION_REVOKED, "at once");
    cr_assert_eq(f.calls, 2);
    finish();
}

Test(feed, without_a_marker_for_three_seconds_it_is_not_current)
{
    start();
    notice(SUT_SUB_UP, 1);
    answer(NULL, 0, false);
    uint64_t loaded = sut_now_ns();
    cr_assert_eq(sut_revocations_check(f.table, 1, SUT_STR("s"), 5, loaded + 3100 * SUT_NS_PER_MS),
                 SUT_SESSION_UNKNOWN);
    while (sut_now_ns() - loaded < 200 * SUT_NS_PER_MS)
        cr_assert_eq(sut_loop_turn(f.loop, 20), 0);
    notice(SUT_SUB_MARKER, 1);
    cr_assert_eq(sut_revocations_check(f.table, 1, SUT_STR("s"), 5, loaded + 3100 * SUT_NS_PER_MS), SUT_SESSION_LIVE,
                 "a marker keeps it current");
    finish();
}

Test(feed, after_a_gap_it_loads_again_and_markers_do_not_count_meanwhile)
{
    start();
    notice(SUT_SUB_UP, 1);
    answer(NULL, 5, false);
    cr_assert_eq(check("s"), SUT_SESSION_LIVE);
    notice(SUT_SUB_GAP, 0);
    cr_assert_eq(f.calls, 2);
    cr_assert_eq(f.since, 0, "all of it");
    notice(SUT_SUB_GAP, 0);
    cr_assert_eq(f.calls, 2, "the one under way ends first");
    answer(NULL, 5, false);
    cr_assert_eq(f.calls, 3, "but it began before the second gap");
    cr_assert_eq(f.since, 0);
    answer("missed", 6, false);
    cr_assert_eq(check("missed"), SUT_SESSION_REVOKED);
    finish();
}

Test(feed, a_new_session_that_stands_further_on_has_missed_something)
{
    start();
    notice(SUT_SUB_UP, 10);
    answer(NULL, 5, false);
    notice(SUT_SUB_MARKER, 12);
    notice(SUT_SUB_DOWN, 0);
    notice(SUT_SUB_UP, 12);
    cr_assert_eq(f.calls, 1, "nothing came between");
    notice(SUT_SUB_DOWN, 0);
    notice(SUT_SUB_UP, 13);
    cr_assert_eq(f.calls, 2);
    cr_assert_eq(f.since, 0);
    finish();
}

Test(feed, a_load_that_fails_is_tried_again_and_a_refused_stream_made_again)
{
    start();
    notice(SUT_SUB_UP, 1);
    fail(SUT_ERR_UNAVAILABLE);
    cr_assert_eq(check("s"), SUT_SESSION_UNKNOWN);
    while (f.calls == 1)
        cr_assert_eq(sut_loop_turn(f.loop, 1000), 0);
    answer(NULL, 0, false);
    cr_assert_eq(check("s"), SUT_SESSION_LIVE);
    notice(SUT_SUB_REFUSED, 0);
    while (f.subscriptions == 1)
        cr_assert_eq(sut_loop_turn(f.loop, 1000), 0);
    notice(SUT_SUB_MARKER, 1);
    cr_assert_eq(f.calls, 2, "it is not up yet");
    notice(SUT_SUB_UP, 1);
    cr_assert_eq(f.calls, 3);
    finish();
}
