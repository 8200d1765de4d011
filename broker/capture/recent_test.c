/* Spans from sights, and which of them are captured. The queue is tested on the way: all sights go through one. */
#include "recent.h"

#include "wire/span.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define T1 "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
#define T2 "00-11111111111111111111111111111111-2222222222222222-00"

static queue s_queue;
static recent *s_recent;
static char s_log[4096];

static void note(void *arg, const sut_span *s)
{
    const size_t len = strlen(s_log);
    (void)arg;
    (void)snprintf(s_log + len, sizeof s_log - len, "%.*s%s%.*s%s;", SUT_STR_FMT(s->subject), s->code.len ? "!" : "",
                   SUT_STR_FMT(s->code), s->ended ? "" : "?");
}

static void setup_with(size_t bytes_max, size_t open_max)
{
    const recent_options opt = {.slow_us = 1000000,
                                .bytes_max = bytes_max,
                                .traces_max = 100,
                                .open_max = open_max,
                                .open_us = 1000000,
                                .capture = note};
    cr_assert_eq(queue_init(&s_queue, 1u << 16), 0);
    cr_assert_eq(recent_new(&s_recent, &opt), 0);
    s_log[0] = '\0';
}

static void setup(void)
{
    setup_with(1u << 20, 100);
}

static void teardown(void)
{
    s_recent = recent_free(s_recent);
    queue_deinit(&s_queue);
}

TestSuite(recent, .timeout = 30, .init = setup, .fini = teardown);

static void see_as(const sut_sight *s, bool sampled)
{
    queued_sight q;
    cr_assert(queue_put(&s_queue, s, sampled, 1000));
    cr_assert(queue_peek(&s_queue, &q));
    recent_see(s_recent, &q);
    queue_drop(&s_queue);
}

static sut_sight call(uint64_t number, const char *subject, const char *trace)
{
    return (sut_sight){.kind = SUT_SIGHT_CALL,
                       .call = number,
                       .at_us = 1000,
                       .attempt = 1,
                       .from = SUT_STR("edge"),
                       .to = SUT_STR("user-1"),
                       .subject = sut_str_from(subject),
                       .traceparent = sut_str_from(trace),
                       .principal = {.user_id = 42, .level = 1},
                       .body = SUT_STR("\x81\xa1x\x01")};
}

static sut_sight end(uint64_t number, const char *code, uint64_t took_us)
{
    sut_sight s = call(number, "a.b", T1);
    s.kind = *code ? SUT_SIGHT_ERROR : SUT_SIGHT_REPLY;
    s.from = SUT_STR("user-1");
    s.to = SUT_STR("edge");
    s.at_us += (int64_t)took_us;
    s.took_us = took_us;
    s.code = sut_str_from(code);
    s.body = SUT_STR("\x81\xa1y\x02");
    return s;
}

static void see_call(uint64_t number, const char *subject, const char *trace, bool sampled)
{
    const sut_sight s = call(number, subject, trace);
    see_as(&s, sampled);
}

static void see_end(uint64_t number, const char *code, uint64_t took_us)
{
    const sut_sight s = end(number, code, took_us);
    see_as(&s, false);
}

static bool copy_span(void *arg, const sut_span *s)
{
    *(sut_span *)arg = *s;
    return true;
}

static sut_span only(void)
{
    sut_span s = {.number = 99};
    const uint8_t id[16] = {0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6,
                            0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36};
    recent_each(s_recent, id, copy_span, &s);
    cr_assert_neq(s.number, 99, "there is none");
    return s;
}

Test(recent, a_call_and_its_answer_are_one_span)
{
    sut_sight s = call(7, "user.x", T1);
    s.parent_id = SUT_STR("1122334455667788");
    see_as(&s, false);
    sut_span open = only();
    cr_assert_not(open.ended);
    see_end(7, "", 500);
    sut_span done = only();
    cr_assert(done.ended);
    cr_assert_eq(done.took_us, 500);
    cr_assert_eq(done.at_us, 1000);
    cr_assert_eq(done.user_id, 42);
    cr_assert(sut_str_is(done.from, "edge") && sut_str_is(done.to, "user-1"));
    cr_assert(sut_str_is(done.body, "\x81\xa1x\x01") && sut_str_is(done.reply, "\x81\xa1y\x02"));
    cr_assert_eq(done.span_id[0], 0x00);
    cr_assert_eq(done.span_id[1], 0xf0);
    cr_assert_eq(done.parent_id[0], 0x11);
    cr_assert_str_eq(s_log, "", "nobody wants it");
}

Test(recent, a_sampled_trace_is_captured)
{
    see_call(1, "user.x", T1, true);
    see_end(1, "", 5);
    cr_assert_str_eq(s_log, "user.x;");
}

Test(recent, an_error_brings_what_came_before_and_what_comes_after)
{
    see_call(1, "a.outer", T1, false);
    see_call(2, "a.first", T1, false);
    see_end(2, "", 5);
    see_call(3, "a.other", T2, false);
    see_end(3, "", 5);
    cr_assert_str_eq(s_log, "");
    see_call(4, "a.second", T1, false);
    see_end(4, "not_found", 5);
    cr_assert_str_eq(s_log, "a.first;a.second!not_found;");
    see_end(1, "", 50);
    cr_assert_str_eq(s_log, "a.first;a.second!not_found;a.outer;");
}

Test(recent, so_does_a_slow_call)
{
    see_call(1, "a.slow", T1, false);
    see_end(1, "", 1000000);
    cr_assert_str_eq(s_log, "a.slow;");
}

Test(recent, an_end_without_a_begin_is_a_span_too)
{
    const sut_sight s = end(9, "deadline_exceeded", 3000);
    see_as(&s, false);
    cr_assert_str_eq(s_log, "a.b!deadline_exceeded;");
}

Test(recent, each_attempt_of_a_failover_is_told)
{
    see_call(1, "a.x", T1, true);
    sut_sight again = call(1, "a.x", T1);
    again.at_us = 3000;
    again.attempt = 2;
    see_as(&again, true);
    see_end(1, "", 4000);
    cr_assert_str_eq(s_log, "a.x!lost;a.x;");
}

Test(recent, events_and_deliveries_name_their_parents)
{
    sut_sight s = {.kind = SUT_SIGHT_EVENT,
                   .at_us = 5,
                   .subject = SUT_STR("user.registered"),
                   .traceparent = SUT_STR(T1),
                   .sequence = 11,
                   .event_id = {0xaa, 1, 2, 3, 4, 5, 6, 7, 8}};
    see_as(&s, false);
    sut_span event = only();
    cr_assert_eq(event.kind, SUT_SPAN_EVENT);
    cr_assert_eq(event.span_id[0], 0xaa);
    cr_assert_eq(event.parent_id[1], 0xf0);
    s.kind = SUT_SIGHT_DELIVERY;
    s.group = SUT_STR("mailer");
    s.attempt = 2;
    s.code = SUT_STR("internal");
    s.took_us = 3;
    see_as(&s, false);
    cr_assert_str_eq(s_log, "user.registered;user.registered!internal;");
    s.attempt = 3;
    s.code = SUT_STR("acked");
    see_as(&s, false);
    cr_assert_str_eq(s_log, "user.registered;user.registered!internal;user.registered;", "that is no error");
}

Test(recent, what_is_of_no_trace_is_left_out)
{
    sut_sight s = {.kind = SUT_SIGHT_EVENT, .at_us = 5, .subject = SUT_STR("ops.personal_shown"), .sequence = 1};
    see_as(&s, true);
    s = call(3, "a.x", "");
    see_as(&s, true);
    see_end(3, "not_found", 5); /* whose trace is known */
    cr_assert_str_eq(s_log, "a.b!not_found;");
}

Test(recent, a_call_that_is_never_answered_is_told_in_the_end)
{
    see_call(1, "a.x", T1, false);
    recent_expire(s_recent, 1000 + 1000000);
    cr_assert_str_eq(s_log, "");
    recent_expire(s_recent, 1001 + 1000000);
    cr_assert_str_eq(s_log, "a.x?;");
}

Test(recent, memory_is_bounded, .init = NULL)
{
    char trace[SUT_TRACEPARENT_LEN + 1];
    setup_with(20000, 10);
    for (unsigned i = 1; i < 5000; i++) {
        (void)snprintf(trace, sizeof trace, "00-%032x-%016x-00", i, i);
        see_call(i, "a.x", trace, false);
        if (i % 3)
            see_end(i, "", 5);
        cr_assert_leq(recent_bytes(s_recent), 20000);
    }
    cr_assert_str_eq(s_log, "", "want of room makes nobody want it");
}

Test(recent, the_queue_takes_what_fits_and_keeps_order)
{
    queued_sight q;
    uint64_t in = 0, out = 0;
    for (unsigned round = 0; round < 2000; round++) {
        sut_sight s = call(in + 1, "a.x", T1);
        char body[900];
        memset(body, (int)(in % 251), sizeof body);
        s.body = (sut_str){body, in * 37 % 900};
        while (queue_put(&s_queue, &s, in % 2, 1000)) {
            in++;
            s.call = in + 1;
            s.body.len = in * 37 % 900;
            memset(body, (int)(in % 251), sizeof body);
        }
        cr_assert(queue_is_half_full(&s_queue));
        for (unsigned i = 0; i <= round % 50 && queue_peek(&s_queue, &q); i++, queue_drop(&s_queue)) {
            cr_assert_eq(q.sight.call, out + 1);
            cr_assert_eq(q.sampled, out % 2);
            cr_assert_eq(q.sight.body.len, out * 37 % 900);
            for (size_t b = 0; b < q.sight.body.len; b++)
                cr_assert_eq((uint8_t)q.sight.body.ptr[b], out % 251);
            out++;
        }
    }
    const char large[1001] = {0};
    while (queue_peek(&s_queue, &q))
        queue_drop(&s_queue);
    sut_sight s = call(1, "a.x", T1);
    s.body = (sut_str){large, sizeof large};
    cr_assert(queue_put(&s_queue, &s, false, 1000));
    cr_assert(queue_peek(&s_queue, &q));
    cr_assert(q.body_left_out);
    cr_assert_eq(q.sight.body.len, 0);
}
