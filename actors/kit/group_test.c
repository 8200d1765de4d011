/* Groups: what becomes of a delivery, on a bus that the test plays. */
#include "consume.h"

#include "fixture_test.h"
#include "pg_port.h"

#include "kit/event.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

struct sut_delivery {
    sut_envelope env;
    enum { IN_HAND, ACKED, NACKED, TERMED } state;
    uint32_t delay_ms;
    int progressed;
    bool stale;
    char code[32], message[64];
    uint8_t id[SUT_EVENT_ID_LEN];
    sut_buf body;
};

static sut_subscribe s_sub;
static void (*s_paused)(void *arg);
static void *s_paused_arg;
static int s_ended;

static sut_status subscribe(void *bus, const sut_subscribe *opt, sut_subscription **out)
{
    (void)bus;
    s_sub = *opt;
    cr_assert_eq(opt->subject_count, 1);
    cr_assert_str_eq(opt->subjects[0], "fix.stepped");
    *out = (sut_subscription *)&s_sub;
    return 0;
}

static sut_subscription *end(sut_subscription *s)
{
    (void)s;
    s_ended++;
    return NULL;
}

static void pause_it(sut_subscription *s, void (*done)(void *arg), void *arg)
{
    (void)s;
    s_paused = done;
    s_paused_arg = arg;
}

static const sut_envelope *envelope(const sut_delivery *d)
{
    return &d->env;
}

static void ack(sut_delivery *d)
{
    cr_assert_eq(d->state, IN_HAND);
    d->state = ACKED;
}

static void note(sut_delivery *d, sut_str code, sut_str message)
{
    cr_assert_eq(d->state, IN_HAND);
    snprintf(d->code, sizeof(d->code), "%.*s", SUT_STR_FMT(code));
    snprintf(d->message, sizeof(d->message), "%.*s", SUT_STR_FMT(message));
}

static void nack(sut_delivery *d, uint32_t delay_ms, sut_str code, sut_str message)
{
    note(d, code, message);
    d->delay_ms = delay_ms;
    d->state = NACKED;
}

static void term(sut_delivery *d, sut_str code, sut_str message)
{
    note(d, code, message);
    d->state = TERMED;
}

static void progress(sut_delivery *d)
{
    d->progressed++;
}

static bool stale(const sut_delivery *d)
{
    return d->stale;
}

static const sut_delivery_port s_bus = {subscribe, end, pause_it, envelope, ack, nack, term, progress, stale, NULL};

/* ---- the consumer ---- */

static fix_step s_seen;
static sut_request_event s_event;
static sut_principal s_principal;

/* n: 1 takes it; 2 refuses; 3 says so and works for longer than its time; 4 does not say so. */
static sut_status on_stepped(sut_request *rq, const void *body)
{
    s_seen = *(const fix_step *)body;
    s_event = *sut_request_delivery(rq);
    s_principal = *sut_request_principal(rq);
    sut_status st = 0;
    if (s_seen.n == 2)
        return sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, 777, "not today");
    for (int i = 0; s_seen.n > 2 && i < 4 && !st; i++) {
        st = sut_request_sleep_ms(rq, 100);
        if (s_seen.n == 3)
            sut_request_progress(rq);
    }
    return st;
}

static sut_consumer s_consumer = {.name = "fix.stepped",
                                  .service = "fix",
                                  .group = "fix-steps",
                                  .event = &fix_stepped,
                                  .ack_wait_ms = 250,
                                  .doc = ""};
static const sut_consumer_entry s_entries[] = {{&s_consumer, on_stepped}};

static void run(const sut_actor_options *base, sut_request_fn body)
{
    sut_actor_options opt = *base;
    opt.consumers = s_entries;
    opt.consumer_count = SUT_ARRAY_LEN(s_entries);
    if (opt.database_setting) {
        sut_test_postgres p;
        fix_run_pg(&opt, body, &p);
    } else {
        cr_assert_eq(sut_test_actor(&opt, body, NULL), 0);
    }
}

static void make(sut_delivery *d, int64_t n)
{
    const fix_step step = {.user_id = 7, .n = n};
    *d = (sut_delivery){.id = {1, 2, 3}};
    sut_buf_init(&d->body, 0);
    cr_assert_eq(sut_record_encode(&fix_step_record, &step, &d->body), 0);
    d->env = (sut_envelope){.subject = SUT_STR("fix.stepped"),
                            .key = SUT_STR("7"),
                            .principal = {.user_id = 64, .level = 1},
                            .body = {(const char *)d->body.data, d->body.len},
                            .opt = {.sequence = 12,
                                    .attempt = 3,
                                    .generation = 2,
                                    .replayed = 1,
                                    .event_id = {(const char *)d->id, sizeof(d->id)}}};
}

static void deliver(sut_request *rq, sut_delivery *d)
{
    s_sub.on_event(s_sub.arg, d);
    while (d->state == IN_HAND)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    sut_buf_deinit(&d->body);
}

static void begin(sut_request *rq)
{
    cr_assert_eq(sut_consumers_start(rq->runtime, &s_bus), 0);
    cr_assert_str_eq(s_sub.group, "fix-steps");
    cr_assert_eq(s_sub.start, SUT_START_BEGINNING);
    cr_assert_eq(s_sub.credits, 64u);
    cr_assert_eq(s_sub.ack_wait_ms, s_consumer.ack_wait_ms);
}

static sut_status answers(sut_request *rq, void *arg)
{
    (void)arg;
    sut_delivery d;
    begin(rq);
    make(&d, 1);
    deliver(rq, &d);
    cr_assert_eq(d.state, ACKED);
    cr_assert_eq(s_seen.user_id, 7);
    cr_assert_eq(s_principal.user_id, 64);
    cr_assert(s_event.sequence == 12 && s_event.attempt == 3 && s_event.generation == 2 && s_event.replayed);

    make(&d, 2);
    deliver(rq, &d);
    cr_assert_eq(d.state, NACKED);
    cr_assert_eq(d.delay_ms, 777u);
    cr_assert_str_eq(d.code, "unavailable");
    cr_assert_str_eq(d.message, "not today");

    make(&d, 0);
    deliver(rq, &d);
    cr_assert_eq(d.state, TERMED, "what breaks its schema breaks it the next time too");
    cr_assert_str_eq(d.code, "validation_failed");

    make(&d, 1);
    d.env.subject = SUT_STR("fix.unknown");
    deliver(rq, &d);
    cr_assert_eq(d.state, NACKED, "another build may know it");
    sut_consumers_free(rq->runtime);
    cr_assert_eq(s_ended, 1);
    return 0;
}

Test(group, each_delivery_is_answered_by_what_its_handler_returned, .timeout = 30)
{
    run(&fix_options, answers);
}

static sut_status slow(sut_request *rq, void *arg)
{
    (void)arg;
    sut_delivery d;
    begin(rq);
    make(&d, 3);
    deliver(rq, &d);
    cr_assert_eq(d.state, ACKED, "it said that it goes on");
    cr_assert_eq(d.progressed, 4);
    make(&d, 4);
    deliver(rq, &d);
    cr_assert_eq(d.state, NACKED);
    cr_assert_str_eq(d.code, "deadline_exceeded");
    sut_consumers_free(rq->runtime);
    return 0;
}

Test(group, a_delivery_has_its_ack_wait_and_may_ask_for_more, .timeout = 30)
{
    run(&fix_options, slow);
}

static void on_paused(void *arg)
{
    *(bool *)arg = true;
}

static sut_status paused(sut_request *rq, void *arg)
{
    (void)arg;
    bool done = false;
    begin(rq);
    sut_consumers_pause(rq->runtime, on_paused, &done);
    cr_assert_not(done, "those in hand are answered first");
    s_paused(s_paused_arg);
    cr_assert(done);
    sut_consumers_free(rq->runtime);
    return 0;
}

Test(group, a_drain_waits_for_what_is_in_hand, .timeout = 30)
{
    run(&fix_options, paused);
}

static sut_status without_database(sut_request *rq, void *p)
{
    sut_delivery d;
    s_consumer.ack_wait_ms = 5000; /* time enough for the first connection to a server that has just come back */
    begin(rq);
    make(&d, 1);
    sut_test_postgres_stop(p);
    while (rq->runtime->pg->shared_ready > 0)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    s_sub.on_event(s_sub.arg, &d);
    while (d.progressed == 0 && d.state == IN_HAND)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    cr_assert_eq(d.state, IN_HAND, "no try is spent");
    sut_test_postgres_again(p);
    while (d.state == IN_HAND)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    cr_assert_eq(d.state, ACKED);
    sut_buf_deinit(&d.body);
    sut_consumers_free(rq->runtime);
    return 0;
}

Test(group, while_the_database_is_away_no_try_is_spent, .timeout = 60)
{
    run(&fix_pg_options, without_database);
}
