/* Taps: what goes out, what comes, and every way in which they end. */
#include "fake_broker.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

TestSuite(taps, .timeout = 60);

typedef struct seen {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned records, ends;
    int err;
    char subject[32], message[64];
    sut_tap *end_within;  /* ended by on_end itself */
    sut_tap *end_at_once; /* ended by on_record itself */
    sut_client *flood;    /* on_record starts and ends taps until the session ends … */
    struct seen *hot;     /* … and this is what they are told */
    struct seen *other;   /* what the one among them is told that is left open */
} seen;
#define SEEN_INIT                                                                                                      \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                                         \
    }

static void on_record(void *arg, const sut_envelope *env);
static void on_end(void *arg, int err, sut_str code, sut_str message);

/* 65,536 requests are what the outbox takes; one of them is not ended, so that it is an end which is too much for
 * it: the session is lost within sut_tap_end. Whoever is told so ends his tap, as one does. */
static void flood(sut_client *c, seen *hot)
{
    const sut_tap_options opt = {.request = fake_body, .on_record = on_record, .on_end = on_end, .arg = hot};
    const sut_tap_options quiet = {.request = fake_body, .on_record = on_record, .on_end = on_end, .arg = hot->other};
    sut_tap *odd;
    cr_assert_eq(sut_tap_start(c, &quiet, &odd), 0);
    while (sut_client_state(c) == SUT_SESSION_UP) {
        sut_tap *t;
        cr_assert_eq(sut_tap_start(c, &opt, &t), 0);
        hot->end_within = t;
        sut_tap_end(t);
    }
    sut_tap_end(odd);
}

static void on_record(void *arg, const sut_envelope *env)
{
    seen *s = arg;
    if (s->flood)
        flood(s->flood, s->hot);
    if (s->end_at_once)
        s->end_at_once = sut_tap_end(s->end_at_once);
    pthread_mutex_lock(&s->lock);
    s->records++;
    snprintf(s->subject, sizeof s->subject, "%.*s", SUT_STR_FMT(env->subject));
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void on_end(void *arg, int err, sut_str code, sut_str message)
{
    (void)code;
    seen *s = arg;
    if (s->end_within)
        s->end_within = sut_tap_end(s->end_within);
    pthread_mutex_lock(&s->lock);
    s->ends++;
    s->err = err;
    snprintf(s->message, sizeof s->message, "%.*s", SUT_STR_FMT(message));
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

static sut_tap *tap(sut_client *c, seen *s)
{
    sut_tap *t;
    sut_tap_options opt = {.request = fake_body, .on_record = on_record, .on_end = on_end, .arg = s};
    cr_assert_eq(sut_tap_start(c, &opt, &t), 0);
    return t;
}

static sut_client *up(fake_broker *f)
{
    fake_start(f);
    sut_client *c = fake_client(f, NULL, 0);
    fake_accept(f);
    cr_assert_eq(sut_client_wait_up(c, FAKE_WAIT_MS), 0);
    return c;
}

static void send_kind(fake_broker *f, sut_kind kind, uint64_t id, sut_str subject)
{
    sut_envelope env = {
        .version = SUT_PROTOCOL_VERSION, .kind = (uint8_t)kind, .id = id, .subject = subject, .body = fake_body};
    fake_send(f, &env);
}

Test(taps, records_come_until_it_is_ended)
{
    fake_broker f;
    seen s = SEEN_INIT;
    sut_client *c = up(&f);
    sut_tap *t = tap(c, &s);
    sut_envelope env = fake_expect(&f, SUT_TAP);
    uint64_t id = env.id;
    cr_assert(sut_str_eq(env.body, fake_body));
    fake_reply(&f, id, "ok");
    send_kind(&f, SUT_TAP, id, SUT_STR("user.one"));
    send_kind(&f, SUT_TAP, id + 1000, SUT_STR("user.other"));
    send_kind(&f, SUT_TAP, id, SUT_STR("user.two"));
    wait_for(&s, &s.records, 2);
    cr_assert_str_eq(s.subject, "user.two");
    cr_assert_null(sut_tap_end(t));
    cr_assert_eq(fake_expect(&f, SUT_UNSUBSCRIBE).id, id);
    cr_assert_eq(s.ends, 0);
    sut_client_free(c);
    fake_stop(&f);
}

Test(taps, a_refusal_and_the_end_of_history_are_told_once)
{
    fake_broker f;
    seen refused = SEEN_INIT, over = SEEN_INIT;
    sut_client *c = up(&f);
    sut_tap *a = tap(c, &refused);
    fake_error(&f, fake_expect(&f, SUT_TAP).id, "forbidden", "no right to tap");
    wait_for(&refused, &refused.ends, 1);
    cr_assert_eq(refused.err, SUT_ERR_FORBIDDEN);
    cr_assert_str_eq(refused.message, "no right to tap");
    over.end_within = tap(c, &over);
    uint64_t id = fake_expect(&f, SUT_TAP).id;
    send_kind(&f, SUT_GAP, id, SUT_STR(""));
    send_kind(&f, SUT_TAP, id, SUT_STR("too.late"));
    wait_for(&over, &over.ends, 1);
    cr_assert_eq(over.err, 0);
    sut_tap_end(a);
    sut_client_free(c);
    cr_assert_eq(over.records, 0);
    fake_stop(&f);
}

Test(taps, a_lost_session_ends_them_and_waiting_ones_start_on_the_next)
{
    fake_broker f;
    seen lost = SEEN_INIT, later = SEEN_INIT;
    sut_client *c = up(&f);
    sut_tap *a = tap(c, &lost);
    fake_expect(&f, SUT_TAP);
    fake_crash(&f);
    wait_for(&lost, &lost.ends, 1);
    cr_assert_eq(lost.err, SUT_ERR_UNAVAILABLE);
    sut_tap *b = tap(c, &later);
    fake_return(&f);
    fake_accept(&f);
    uint64_t id = fake_expect(&f, SUT_TAP).id;
    send_kind(&f, SUT_TAP, id, SUT_STR("user.one"));
    wait_for(&later, &later.records, 1);
    sut_tap_end(a);
    sut_client_free(c);
    cr_assert_eq(later.ends, 0);
    sut_tap_end(b); /* also behind its client */
    fake_stop(&f);
}

Test(taps, one_may_be_ended_by_its_own_record)
{
    fake_broker f;
    seen s = SEEN_INIT;
    sut_client *c = up(&f);
    s.end_at_once = tap(c, &s);
    uint64_t id = fake_expect(&f, SUT_TAP).id;
    send_kind(&f, SUT_TAP, id, SUT_STR("user.one"));
    send_kind(&f, SUT_TAP, id, SUT_STR("user.two"));
    wait_for(&s, &s.records, 1);
    cr_assert_eq(fake_expect(&f, SUT_UNSUBSCRIBE).id, id);
    sut_client_free(c);
    cr_assert_eq(s.records, 1);
    cr_assert_eq(s.ends, 0);
    fake_stop(&f);
}

Test(taps, an_end_that_ends_the_session_tells_nothing_of_its_own_tap)
{
    fake_broker f;
    seen first = SEEN_INIT, open = SEEN_INIT, hot = SEEN_INIT;
    sut_client *c = up(&f);
    first.flood = c;
    first.hot = &hot;
    hot.other = &open;
    sut_tap *a = tap(c, &first);
    uint64_t id = fake_expect(&f, SUT_TAP).id;
    send_kind(&f, SUT_TAP, id, SUT_STR("user.one"));
    wait_for(&first, &first.ends, 1);
    cr_assert_eq(first.err, SUT_ERR_UNAVAILABLE);
    cr_assert_eq(hot.ends, 0);
    wait_for(&open, &open.ends, 1);
    sut_tap_end(a);
    sut_client_free(c);
    fake_stop(&f);
}

Test(taps, they_are_bounded)
{
    fake_broker f;
    seen s = SEEN_INIT;
    sut_tap *all[16], *more;
    sut_client *c = up(&f);
    for (size_t i = 0; i < SUT_ARRAY_LEN(all); i++)
        all[i] = tap(c, &s);
    sut_tap_options opt = {.request = fake_body, .on_record = on_record, .on_end = on_end, .arg = &s};
    cr_assert_eq(sut_tap_start(c, &opt, &more), -ENOSPC);
    sut_tap_end(all[0]);
    all[0] = tap(c, &s);
    opt.request = SUT_STR("\xc1");
    cr_assert_eq(sut_tap_start(c, &opt, &more), -EINVAL);
    for (size_t i = 0; i < SUT_ARRAY_LEN(all); i++)
        sut_tap_end(all[i]);
    sut_client_free(c);
    fake_stop(&f);
}
