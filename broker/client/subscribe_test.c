/* Subscriptions: what goes out, what comes, and what becomes of both when the session or the group ends. */
#include "fake_broker.h"

#include "base/arena.h"
#include "wire/msgpack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

TestSuite(subscriptions, .timeout = 60);

#define HELD_MAX 256

typedef struct seen {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned events, ups, downs, gaps, markers, refusals;
    uint64_t position, from, to;
    char text[64];
    sut_delivery *held[HELD_MAX]; /* not answered */
    unsigned held_count;
    bool ack_at_once;
    sut_client *flood; /* fills the outbox before it answers, so that the answer ends the session */
    sut_subscription *end_when_down;
} seen;
#define SEEN_INIT                                                                                                      \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                                         \
    }

static void no_record(void *arg, const sut_envelope *env)
{
    (void)arg, (void)env;
}

static void no_end(void *arg, int err, sut_str code, sut_str message)
{
    (void)arg, (void)err, (void)code, (void)message;
}

/* As many requests as the outbox takes (65,536): the next one is too many. */
static void fill_outbox(sut_client *c)
{
    const sut_tap_options opt = {.request = fake_body, .on_record = no_record, .on_end = no_end};
    for (int i = 0; i < 32768; i++) {
        sut_tap *t;
        cr_assert_eq(sut_tap_start(c, &opt, &t), 0);
        sut_tap_end(t);
    }
}

static void on_event(void *arg, sut_delivery *d)
{
    seen *s = arg;
    if (s->flood) {
        fill_outbox(s->flood);
        sut_nack(d, 0, SUT_STR("busy"), SUT_STR(""));
    } else if (s->ack_at_once) {
        sut_ack(d);
    } else {
        cr_assert_lt(s->held_count, HELD_MAX);
        s->held[s->held_count++] = d;
    }
    pthread_mutex_lock(&s->lock);
    s->events++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void on_notice(void *arg, const sut_sub_notice *n)
{
    seen *s = arg;
    if (n->news == SUT_SUB_DOWN && s->end_when_down)
        s->end_when_down = sut_subscribe_end(s->end_when_down);
    pthread_mutex_lock(&s->lock);
    s->ups += n->news == SUT_SUB_UP;
    s->downs += n->news == SUT_SUB_DOWN;
    s->gaps += n->news == SUT_SUB_GAP;
    s->markers += n->news == SUT_SUB_MARKER;
    s->refusals += n->news == SUT_SUB_REFUSED;
    s->position = n->position;
    s->from = n->from;
    s->to = n->to;
    snprintf(s->text, sizeof s->text, "%.*s", SUT_STR_FMT(n->text));
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void wait_for(seen *s, const unsigned *what, unsigned count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FAKE_WAIT_MS / 1000;
    pthread_mutex_lock(&s->lock);
    while (*what < count)
        cr_assert_eq(pthread_cond_timedwait(&s->changed, &s->lock, &until), 0);
    pthread_mutex_unlock(&s->lock);
}

static sut_subscription *begin(sut_client *c, seen *s, const char *group, uint32_t credits)
{
    static const char *const subjects[] = {"user.*"};
    sut_subscription *sub;
    const sut_subscribe opt = {.subjects = subjects,
                               .subject_count = 1,
                               .group = group,
                               .credits = credits,
                               .on_event = on_event,
                               .on_notice = on_notice,
                               .arg = s};
    cr_assert_eq(sut_subscribe_start(c, &opt, &sub), 0);
    return sub;
}

static sut_client *up(fake_broker *f)
{
    fake_start(f);
    sut_client *c = fake_client(f, NULL, 0);
    fake_accept(f);
    cr_assert_eq(sut_client_wait_up(c, FAKE_WAIT_MS), 0);
    return c;
}

/* Is the body of this subscribe a map with "start": {"sequence": n}? 0: it is not. */
static uint64_t start_of(sut_str body)
{
    static const char start[] = "\xa5start\x81\xa8sequence";
    const char *at = memmem(body.ptr, body.len, start, sizeof start - 1);
    return at ? (uint8_t)at[sizeof start - 1] : 0; /* small numbers only */
}

static uint64_t take_subscribe(fake_broker *f, uint64_t position)
{
    const uint64_t id = fake_expect(f, SUT_SUBSCRIBE).id;
    char body[] = "\x81\xa8position\x00";
    body[10] = (char)position;
    fake_send(f, &(sut_envelope){.kind = SUT_REPLY, .id = id, .body = {body, 11}});
    return id;
}

static void deliver(fake_broker *f, uint64_t id, uint64_t sequence, uint32_t attempt)
{
    static const uint8_t event_id[SUT_EVENT_ID_LEN] = {1};
    fake_send(f, &(sut_envelope){.kind = SUT_DELIVER,
                                 .id = id,
                                 .subject = SUT_STR("user.made"),
                                 .body = fake_body,
                                 .opt = {.sequence = sequence,
                                         .attempt = attempt,
                                         .event_id = {(const char *)event_id, sizeof event_id}}});
}

static void send_gap(fake_broker *f, uint64_t id, uint8_t from, uint8_t to, const char *reason)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    cr_assert(!sut_mp_add_map(&b, 3) && !sut_mp_add_str(&b, SUT_STR("from")) && !sut_mp_add_uint(&b, from) &&
              !sut_mp_add_str(&b, SUT_STR("to")) && !sut_mp_add_uint(&b, to) &&
              !sut_mp_add_str(&b, SUT_STR("reason")) && !sut_mp_add_str(&b, sut_str_from(reason)));
    fake_send(f, &(sut_envelope){.kind = SUT_GAP, .id = id, .body = {(const char *)b.data, b.len}});
    sut_buf_deinit(&b);
}

static sut_envelope expect_answer(fake_broker *f, sut_kind kind, uint64_t id, uint64_t sequence)
{
    sut_envelope env = fake_expect(f, kind);
    cr_assert_eq(env.id, id);
    cr_assert_eq(env.opt.sequence, sequence);
    return env;
}

Test(subscriptions, each_delivery_has_its_answer_with_sequence_and_attempt)
{
    fake_broker f;
    seen s = SEEN_INIT;
    sut_client *c = up(&f);
    sut_subscription *sub = begin(c, &s, "mailer", 4);
    const uint64_t id = take_subscribe(&f, 5);
    wait_for(&s, &s.ups, 1);
    cr_assert_eq(s.position, 5);
    for (uint64_t i = 5; i < 9; i++)
        deliver(&f, id, i, (uint32_t)(i - 4));
    wait_for(&s, &s.events, 4);
    cr_assert_str_eq(sut_delivery_envelope(s.held[0])->subject.ptr, "user.made");
    sut_ack(s.held[0]);
    cr_assert_eq(expect_answer(&f, SUT_ACK, id, 5).opt.attempt, 1);
    sut_nack(s.held[1], 700, SUT_STR("busy"), SUT_STR("not now"));
    sut_envelope nack = expect_answer(&f, SUT_NACK, id, 6);
    cr_assert_eq(nack.opt.attempt, 2);
    cr_assert_eq(nack.opt.retry_after_ms, 700);
    cr_assert_gt(nack.body.len, 0);
    sut_delivery_progress(s.held[2]);
    expect_answer(&f, SUT_PROGRESS, id, 7);
    sut_term(s.held[2], SUT_STR("bad"), SUT_STR(""));
    cr_assert_eq(expect_answer(&f, SUT_TERM, id, 7).opt.attempt, 3);
    sut_subscribe_end(sub);
    cr_assert_eq(fake_expect(&f, SUT_UNSUBSCRIBE).id, id);
    cr_assert(sut_delivery_stale(s.held[3]));
    sut_ack(s.held[3]); /* to no effect */
    sut_client_free(c);
    fake_stop(&f);
}

Test(subscriptions, an_answer_of_a_lost_session_is_not_sent_on_the_next)
{
    fake_broker f;
    seen s = SEEN_INIT;
    sut_client *c = up(&f);
    sut_subscription *sub = begin(c, &s, "mailer", 4);
    const uint64_t first = take_subscribe(&f, 1);
    for (uint64_t i = 1; i <= 3; i++)
        deliver(&f, first, i, 1);
    wait_for(&s, &s.events, 3);
    fake_crash(&f);
    wait_for(&s, &s.downs, 1);
    cr_assert(sut_delivery_stale(s.held[0]));
    sut_ack(s.held[0]); /* between the sessions */
    fake_return(&f);
    fake_accept(&f);
    const uint64_t second = take_subscribe(&f, 1);
    cr_assert_neq(second, first);
    deliver(&f, second, 1, 2);
    wait_for(&s, &s.events, 4);
    sut_nack(s.held[1], 0, SUT_STR("busy"), SUT_STR("")); /* on the next one */
    sut_delivery_progress(s.held[2]);
    sut_ack(s.held[2]);
    sut_ack(s.held[3]);
    cr_assert_eq(expect_answer(&f, SUT_ACK, second, 1).opt.attempt, 2);
    sut_subscribe_end(sub);
    cr_assert_eq(fake_expect(&f, SUT_UNSUBSCRIBE).id, second); /* and nothing came between */
    sut_client_free(c);
    fake_stop(&f);
}

Test(subscriptions, an_ephemeral_one_goes_on_behind_the_last_event_that_it_had)
{
    fake_broker f;
    seen s = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .ack_at_once = true};
    sut_client *c = up(&f);
    sut_subscription *sub = begin(c, &s, NULL, 8);
    const uint64_t first = take_subscribe(&f, 40);
    deliver(&f, first, 40, 1);
    deliver(&f, first, 41, 1);
    wait_for(&s, &s.events, 2);
    while (fake_expect(&f, SUT_ACK).opt.sequence < 41)
        continue;
    fake_crash(&f);
    wait_for(&s, &s.downs, 1);
    fake_return(&f);
    fake_accept(&f);
    sut_envelope env = fake_expect(&f, SUT_SUBSCRIBE);
    cr_assert_eq(start_of(env.body), 42);
    sut_subscribe_end(sub);
    sut_client_free(c);
    fake_stop(&f);
}

Test(subscriptions, what_an_ephemeral_one_had_not_answered_comes_again_and_gaps_and_markers_count)
{
    fake_broker f;
    seen s = SEEN_INIT;
    sut_client *c = up(&f);
    sut_subscription *sub = begin(c, &s, NULL, 8);
    uint64_t id = take_subscribe(&f, 10);
    deliver(&f, id, 10, 1);
    deliver(&f, id, 12, 1);
    wait_for(&s, &s.events, 2);
    sut_ack(s.held[0]);
    fake_crash(&f);
    wait_for(&s, &s.downs, 1);
    fake_return(&f);
    fake_accept(&f);
    sut_envelope env = fake_expect(&f, SUT_SUBSCRIBE);
    cr_assert_eq(start_of(env.body), 12);
    id = env.id;
    fake_reply(&f, id, "up");
    send_gap(&f, id, 12, 20, "retention");
    wait_for(&s, &s.gaps, 1);
    cr_assert_eq(s.from, 12);
    cr_assert_eq(s.to, 20);
    cr_assert_str_eq(s.text, "retention");
    fake_send(&f, &(sut_envelope){.kind = SUT_MARKER, .id = id, .opt.sequence = 25});
    wait_for(&s, &s.markers, 1);
    cr_assert_eq(s.position, 25);
    fake_crash(&f);
    wait_for(&s, &s.downs, 2);
    fake_return(&f);
    fake_accept(&f);
    cr_assert_eq(start_of(fake_expect(&f, SUT_SUBSCRIBE).body), 26);
    sut_ack(s.held[1]);
    sut_subscribe_end(sub);
    sut_client_free(c);
    fake_stop(&f);
}

Test(subscriptions, acks_of_an_ephemeral_one_return_credit_before_it_is_used_up)
{
    fake_broker f;
    seen s = SEEN_INIT;
    sut_client *c = up(&f);
    sut_subscription *sub = begin(c, &s, NULL, 8);
    const uint64_t id = take_subscribe(&f, 1);
    for (uint64_t i = 1; i <= 8; i++)
        deliver(&f, id, i, 1);
    wait_for(&s, &s.events, 8);
    sut_ack(s.held[1]); /* 1 is in work: this says nothing of it */
    sut_ack(s.held[2]);
    sut_ack(s.held[0]);
    uint64_t acked = 0;
    while (acked < 3) {
        sut_envelope env = fake_expect(&f, SUT_ACK);
        cr_assert(env.opt.sequence > acked && env.opt.sequence <= 3);
        acked = env.opt.sequence;
    }
    for (int i = 3; i < 8; i++)
        sut_ack(s.held[i]);
    while (acked < 8)
        acked = fake_expect(&f, SUT_ACK).opt.sequence;
    sut_subscribe_end(sub);
    sut_client_free(c);
    fake_stop(&f);
}

Test(subscriptions, a_refusal_is_final_or_for_the_moment)
{
    fake_broker f;
    seen s = SEEN_INIT, never = SEEN_INIT;
    sut_client *c = up(&f);
    sut_subscription *sub = begin(c, &s, "mailer", 4);
    fake_error(&f, fake_expect(&f, SUT_SUBSCRIBE).id, "overloaded", "a group of this name is just being deleted");
    take_subscribe(&f, 1);
    wait_for(&s, &s.ups, 1);
    cr_assert_eq(s.refusals, 0);
    sut_subscription *other = begin(c, &never, "secret", 4);
    fake_error(&f, fake_expect(&f, SUT_SUBSCRIBE).id, "forbidden", "no right");
    wait_for(&never, &never.refusals, 1);
    cr_assert_str_eq(never.text, "no right");
    sut_subscribe_end(other);
    sut_subscribe_end(sub);
    sut_client_free(c);
    fake_stop(&f);
}

Test(subscriptions, a_group_that_an_operator_deleted_is_asked_for_anew)
{
    fake_broker f;
    seen s = SEEN_INIT;
    sut_client *c = up(&f);
    sut_subscription *sub = begin(c, &s, "mailer", 4);
    const uint64_t first = take_subscribe(&f, 1);
    deliver(&f, first, 1, 1);
    wait_for(&s, &s.events, 1);
    send_gap(&f, first, 1, 9, "deleted");
    wait_for(&s, &s.gaps, 1);
    const uint64_t second = take_subscribe(&f, 10);
    cr_assert_neq(first, second);
    wait_for(&s, &s.ups, 2);
    sut_ack(s.held[0]); /* of the group that is gone */
    deliver(&f, second, 10, 1);
    wait_for(&s, &s.events, 2);
    sut_ack(s.held[1]);
    expect_answer(&f, SUT_ACK, second, 10);
    sut_subscribe_end(sub);
    sut_client_free(c);
    fake_stop(&f);
}

/* The one who does not answer is cut off, and comes back when there is less to do. */
Test(subscriptions, too_much_unanswered_gives_it_back)
{
    fake_broker f;
    seen s = SEEN_INIT;
    sut_client *c = up(&f);
    sut_subscription *sub = begin(c, &s, "mailer", 2);
    const uint64_t first = take_subscribe(&f, 1);
    for (uint64_t i = 1; i <= 5; i++) /* a broker that gave up on some: twice the credits, and one more */
        deliver(&f, first, i, 1);
    cr_assert_eq(fake_expect(&f, SUT_UNSUBSCRIBE).id, first);
    wait_for(&s, &s.downs, 1);
    for (int i = 0; i < 3; i++)
        sut_ack(s.held[i]);
    take_subscribe(&f, 1);
    sut_ack(s.held[3]);
    sut_subscribe_end(sub);
    sut_client_free(c);
    fake_stop(&f);
}

Test(subscriptions, it_may_be_ended_by_what_its_own_answer_led_to)
{
    fake_broker f;
    seen s = SEEN_INIT;
    sut_client *c = up(&f);
    s.end_when_down = begin(c, &s, "mailer", 4);
    const uint64_t id = take_subscribe(&f, 1);
    wait_for(&s, &s.ups, 1);
    s.flood = c;
    deliver(&f, id, 1, 1); /* the nack is too much for the outbox; the session ends, and with it the subscription */
    wait_for(&s, &s.downs, 1);
    wait_for(&s, &s.events, 1);
    cr_assert_null(s.end_when_down);
    sut_client_free(c);
    fake_stop(&f);
}
