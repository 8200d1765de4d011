/* Publishes from sut_publish_start to their one callback, whatever the broker does. */
#include "fake_broker.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

TestSuite(publish, .timeout = 60);

typedef struct outcomes {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned count;
    int err[64];
    uint64_t sequence[64]; /* the first event's */
    bool duplicate[64];
    size_t events[64];
    char code[64][32];
} outcomes;
#define OUTCOMES_INIT                                                                                                  \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                                         \
    }

static void on_published(void *arg, const sut_published *p)
{
    outcomes *o = arg;
    pthread_mutex_lock(&o->lock);
    unsigned i = o->count++ % 64;
    o->err[i] = p->err;
    o->events[i] = p->count;
    o->sequence[i] = p->count ? p->sequences[p->count - 1] : 0;
    o->duplicate[i] = p->count && p->duplicates[p->count - 1];
    memcpy(o->code[i], p->code.ptr ? p->code.ptr : "", p->code.len < 31 ? p->code.len : 31);
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
}

static void wait_for(outcomes *o, unsigned count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FAKE_WAIT_MS / 1000;
    pthread_mutex_lock(&o->lock);
    while (o->count < count)
        cr_assert_eq(pthread_cond_timedwait(&o->changed, &o->lock, &until), 0, "%u of %u came", o->count, count);
    pthread_mutex_unlock(&o->lock);
}

static sut_client *up(fake_broker *f, uint32_t queue_max)
{
    fake_start(f);
    sut_client *c = fake_client(f, NULL, queue_max);
    fake_accept(f);
    cr_assert_eq(sut_client_wait_up(c, FAKE_WAIT_MS), 0);
    return c;
}

static sut_publish an_event(void)
{
    return (sut_publish){.subject = SUT_STR("probe.sent"), .body = fake_body};
}

static void start(sut_client *c, outcomes *o, uint32_t timeout_ms)
{
    sut_publish e = an_event();
    sut_publish_options opt = {.timeout_ms = timeout_ms};
    cr_assert_eq(sut_publish_start(c, &e, 1, &opt, on_published, o), 0);
}

Test(publish, the_envelope_carries_all_that_was_said)
{
    fake_broker f;
    outcomes o = OUTCOMES_INIT;
    sut_client *c = up(&f, 0);
    sut_principal who = {.user_id = 42, .level = 1, .session = SUT_STR("s1")};
    const uint8_t id[SUT_EVENT_ID_LEN] = "0123456789abcde";
    sut_publish e = {.subject = SUT_STR("user.registered"),
                     .key = SUT_STR("42"),
                     .body = fake_body,
                     .event_id = id,
                     .not_before_us = 1700000000000000,
                     .principal = &who,
                     .number = 9,
                     .replayed = true};
    sut_publish_options opt = {.source = SUT_STR("user"), .epoch = 3};
    cr_assert_eq(sut_publish_start(c, &e, 1, &opt, on_published, &o), 0);
    sut_envelope env = fake_expect(&f, SUT_PUBLISH);
    cr_assert(sut_str_is(env.subject, "user.registered"));
    cr_assert(sut_str_is(env.key, "42"));
    cr_assert_eq(env.principal.user_id, 42);
    cr_assert(sut_traceparent_valid(env.traceparent));
    cr_assert_eq(memcmp(env.opt.event_id.ptr, id, SUT_EVENT_ID_LEN), 0);
    cr_assert(sut_str_is(env.opt.source, "user"));
    cr_assert_eq(env.opt.number, 9);
    cr_assert_eq(env.opt.epoch, 3);
    cr_assert_eq(env.opt.not_before, 1700000000000000);
    cr_assert_eq(env.opt.replayed, 1);
    cr_assert(sut_str_eq(env.body, fake_body));
    fake_published(&f, env.id, 4711, true);
    wait_for(&o, 1);
    cr_assert_eq(o.err[0], 0);
    cr_assert_eq(o.sequence[0], 4711);
    cr_assert(o.duplicate[0]);
    sut_client_free(c);
    fake_stop(&f);
}

Test(publish, an_error_is_passed_on)
{
    fake_broker f;
    outcomes o = OUTCOMES_INIT;
    sut_client *c = up(&f, 0);
    start(c, &o, 5000);
    fake_error(&f, fake_expect(&f, SUT_PUBLISH).id, "overloaded", "the journal's queue is full");
    start(c, &o, 5000);
    fake_error(&f, fake_expect(&f, SUT_PUBLISH).id, "no_such_event", "no schema");
    wait_for(&o, 2);
    cr_assert_eq(o.err[0], SUT_ERR_OVERLOADED);
    cr_assert_eq(o.err[1], SUT_ERR_NO_SUCH_EVENT);
    cr_assert_eq(o.events[0], 0);
    sut_client_free(c);
    fake_stop(&f);
}

Test(publish, what_a_session_left_undecided_is_sent_again_in_order)
{
    fake_broker f;
    outcomes o = OUTCOMES_INIT;
    char id[6][SUT_EVENT_ID_LEN];
    sut_client *c = up(&f, 0);
    for (int i = 0; i < 4; i++) {
        start(c, &o, 20000);
        sut_envelope env = fake_expect(&f, SUT_PUBLISH);
        memcpy(id[i], env.opt.event_id.ptr, SUT_EVENT_ID_LEN);
    }
    fake_crash(&f);
    while (sut_client_state(c) == SUT_SESSION_UP)
        sched_yield();
    start(c, &o, 20000); /* these were never sent: they come behind */
    start(c, &o, 20000);
    fake_return(&f);
    fake_accept(&f);
    for (int i = 0; i < 6; i++) {
        sut_envelope env = fake_expect(&f, SUT_PUBLISH);
        if (i < 4)
            cr_assert_eq(memcmp(id[i], env.opt.event_id.ptr, SUT_EVENT_ID_LEN), 0, "publish %d", i);
        fake_published(&f, env.id, (uint64_t)i + 1, false);
    }
    wait_for(&o, 6);
    for (unsigned i = 0; i < 6; i++) {
        cr_assert_eq(o.err[i], 0);
        cr_assert_eq(o.sequence[i], i + 1);
    }
    sut_client_free(c);
    fake_stop(&f);
}

Test(publish, what_is_refused_while_the_broker_leaves_keeps_its_place)
{
    fake_broker f;
    outcomes o = OUTCOMES_INIT;
    uint64_t id[3];
    sut_client *c = up(&f, 0);
    for (int i = 0; i < 3; i++) {
        start(c, &o, 20000);
        id[i] = fake_expect(&f, SUT_PUBLISH).id;
    }
    fake_send(&f, &(sut_envelope){.kind = SUT_BYE});
    fake_error(&f, id[0], "unavailable", "stopping");
    fake_error(&f, id[2], "unavailable", "stopping");
    fake_send(&f, &(sut_envelope){.kind = SUT_PING, .id = 99});
    fake_expect(&f, SUT_PONG);
    fake_crash(&f);
    fake_return(&f);
    fake_accept(&f);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(fake_expect(&f, SUT_PUBLISH).id, id[i]);
        fake_published(&f, id[i], 1, false);
    }
    wait_for(&o, 3);
    sut_client_free(c);
    fake_stop(&f);
}

Test(publish, time_decides_between_unknown_and_unavailable)
{
    fake_broker f;
    outcomes o = OUTCOMES_INIT;
    sut_client *c = up(&f, 0);
    start(c, &o, 300);
    fake_expect(&f, SUT_PUBLISH);
    fake_crash(&f);
    while (sut_client_state(c) == SUT_SESSION_UP)
        sched_yield();
    wait_for(&o, 1); /* queued again by now, but it was sent once */
    cr_assert_eq(o.err[0], SUT_ERR_OUTCOME_UNKNOWN);
    cr_assert_str_eq(o.code[0], "outcome_unknown");
    start(c, &o, 50);
    wait_for(&o, 2);
    cr_assert_eq(o.err[1], SUT_ERR_UNAVAILABLE);
    sut_client_free(c);
    fake_stop(&f);
}

Test(publish, a_refusal_of_the_moment_does_not_decide_an_earlier_attempt)
{
    fake_broker f;
    outcomes o = OUTCOMES_INIT;
    sut_client *c = up(&f, 0);
    start(c, &o, 20000);
    start(c, &o, 20000);
    fake_expect(&f, SUT_PUBLISH);
    fake_expect(&f, SUT_PUBLISH);
    fake_crash(&f);
    fake_return(&f);
    fake_accept(&f);
    fake_error(&f, fake_expect(&f, SUT_PUBLISH).id, "overloaded", "full");
    fake_error(&f, fake_expect(&f, SUT_PUBLISH).id, "validation_failed", "wrong");
    wait_for(&o, 2);
    cr_assert_eq(o.err[0], SUT_ERR_OUTCOME_UNKNOWN);
    cr_assert_eq(o.err[1], SUT_ERR_INVALID);
    sut_client_free(c);
    fake_stop(&f);
}

Test(publish, bounds_are_refused_at_once)
{
    static char big[SUT_ENVELOPE_MAX];
    fake_broker f;
    outcomes o = OUTCOMES_INIT;
    sut_client *c = up(&f, 2);
    sut_publish e = an_event();
    sut_publish_options opt = {.source = SUT_STR("s")};
    cr_assert_eq(sut_publish_start(c, &e, 0, NULL, on_published, &o), -EINVAL);
    cr_assert_eq(sut_publish_start(c, &e, SUT_PUBLISH_MAX + 1, NULL, on_published, &o), -EINVAL);
    cr_assert_eq(sut_publish_start(c, &e, 1, NULL, NULL, &o), -EINVAL);
    cr_assert_eq(sut_publish_start(c, &e, 1, &opt, on_published, &o), -EINVAL); /* a source numbers its events */
    e.number = 1;
    cr_assert_eq(sut_publish_start(c, &e, 1, NULL, on_published, &o), -EINVAL);
    e = an_event();
    e.subject = SUT_STR("no subject");
    cr_assert_eq(sut_publish_start(c, &e, 1, NULL, on_published, &o), -EINVAL);
    e = an_event();
    e.body = (sut_str){big, sizeof big};
    cr_assert_eq(sut_publish_start(c, &e, 1, NULL, on_published, &o), -EMSGSIZE);
    sut_publish two[2] = {e, e};
    two[0].body.len = two[1].body.len = sizeof big / 2;
    cr_assert_eq(sut_publish_start(c, two, 2, NULL, on_published, &o), -EMSGSIZE);
    start(c, &o, 20000);
    start(c, &o, 20000);
    e = an_event();
    cr_assert_eq(sut_publish_start(c, &e, 1, NULL, on_published, &o), -EAGAIN);
    sut_client_free(c);
    cr_assert_eq(o.count, 2);
    fake_stop(&f);
}

Test(publish, free_ends_what_is_undecided)
{
    fake_broker f;
    outcomes o = OUTCOMES_INIT;
    sut_client *c = up(&f, 0);
    start(c, &o, 20000);
    fake_expect(&f, SUT_PUBLISH);
    sut_client_free(c);
    cr_assert_eq(o.count, 1);
    cr_assert_eq(o.err[0], SUT_ERR_OUTCOME_UNKNOWN);
    fake_stop(&f);
}

/* ---- batches ---- */

static void answer_batch(fake_broker *f, uint64_t id, const char *body, size_t len)
{
    fake_send(f, &(sut_envelope){.kind = SUT_PUBLISHED, .id = id, .opt.dedup = 1, .body = {body, len}});
}

Test(publish, a_batch_is_one_envelope_and_one_answer)
{
    static const char answer[] = "\x82\xa9sequences\x92\x07\x08\xaa"
                                 "duplicates\x92\xc2\xc3";
    fake_broker f;
    outcomes o = OUTCOMES_INIT;
    sut_client *c = up(&f, 0);
    sut_principal who = {.user_id = 42, .level = 1};
    sut_publish events[2] = {an_event(), an_event()};
    events[0].number = 4;
    events[1].number = 5;
    events[0].principal = events[1].principal = &who;
    sut_publish_options opt = {.source = SUT_STR("user"), .epoch = 2};
    cr_assert_eq(sut_publish_start(c, events, 2, &opt, on_published, &o), 0);
    sut_envelope env = fake_expect(&f, SUT_PUBLISH);
    cr_assert_eq(env.subject.len, 0);
    cr_assert(sut_str_is(env.opt.source, "user"));
    cr_assert_eq(env.opt.epoch, 2);
    cr_assert_eq(env.principal.user_id, 42);
    cr_assert_eq(sut_body_scan(env.body), SUT_ENV_OK);
    cr_assert_eq(memcmp(env.body.ptr,
                        "\x81\xa6"
                        "events\x92\x85\xa7subject\xaaprobe.sent\xa8"
                        "event_id\xc4\x10",
                        40),
                 0);
    cr_assert_null(memmem(env.body.ptr, env.body.len, "principal", 9));
    answer_batch(&f, env.id, answer, sizeof answer - 1);
    wait_for(&o, 1);
    cr_assert_eq(o.err[0], 0);
    cr_assert_eq(o.events[0], 2);
    cr_assert_eq(o.sequence[0], 8);
    cr_assert(o.duplicate[0]);
    events[1].principal = NULL; /* no longer the same for all */
    cr_assert_eq(sut_publish_start(c, events, 2, &opt, on_published, &o), 0);
    env = fake_expect(&f, SUT_PUBLISH);
    cr_assert_eq(env.principal.user_id, 0);
    cr_assert_not_null(memmem(env.body.ptr, env.body.len, "\xa9principal\x82\xa7user_id\x2a\xa5level\x01", 27));
    answer_batch(&f, env.id, answer, 5); /* cannot be read: what happened is not known */
    sut_client_free(c);
    fake_stop(&f);
}

Test(publish, an_answer_that_cannot_be_read_is_no_success)
{
    static const char one[] = "\x82\xa9sequences\x91\x07\xaa"
                              "duplicates\x91\xc2";
    fake_broker f;
    outcomes o = OUTCOMES_INIT;
    sut_client *c = up(&f, 0);
    sut_publish events[2] = {an_event(), an_event()};
    cr_assert_eq(sut_publish_start(c, events, 2, NULL, on_published, &o), 0);
    answer_batch(&f, fake_expect(&f, SUT_PUBLISH).id, one, sizeof one - 1);
    wait_for(&o, 1);
    cr_assert_eq(o.err[0], SUT_ERR_OUTCOME_UNKNOWN);
    sut_client_free(c);
    fake_stop(&f);
}

/* ---- blocking, and identities ---- */

static void *answer_two(void *arg)
{
    fake_broker *f = arg;
    fake_published(f, fake_expect(f, SUT_PUBLISH).id, 12, false);
    fake_error(f, fake_expect(f, SUT_PUBLISH).id, "forbidden", "not yours");
    return NULL;
}

Test(publish, blocking_style_gives_the_sequence_or_one_line)
{
    fake_broker f;
    pthread_t broker;
    uint64_t sequence = 0;
    char error[64] = "";
    sut_client *c = up(&f, 0);
    sut_publish e = an_event();
    pthread_create(&broker, NULL, answer_two, &f);
    cr_assert_eq(sut_publish_wait(c, &e, NULL, &sequence, error, sizeof error), 0);
    cr_assert_eq(sequence, 12);
    cr_assert_eq(sut_publish_wait(c, &e, NULL, &sequence, error, sizeof error), SUT_ERR_FORBIDDEN);
    cr_assert_str_eq(error, "forbidden: not yours");
    pthread_join(broker, NULL);
    sut_client_free(c);
    fake_stop(&f);
}

Test(publish, identities_are_of_version_4_and_differ)
{
    uint8_t id[200][SUT_EVENT_ID_LEN];
    for (size_t i = 0; i < 200; i++) {
        sut_event_id_make(id[i]);
        cr_assert_eq(id[i][6] >> 4, 4);
        cr_assert_eq(id[i][8] >> 6, 2);
        for (size_t j = 0; j < i; j++)
            cr_assert_neq(memcmp(id[i], id[j], SUT_EVENT_ID_LEN), 0);
    }
}
