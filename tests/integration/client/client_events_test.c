/* Events through libsut and the real broker: published once whatever happens to the broker, and given to groups and
 * ephemeral subscribers in order. An event's id says its lane and its number in it, so that what is given can be told.
 */
#include "party.h"

#include "base/buf.h"
#include "wire/msgpack.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(client_events, .timeout = 120);

#define LANES      4
#define EACH       500
#define TIMEOUT_MS 60000

/* ---- the scene ---- */

typedef struct seen { /* what a subscription was given */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned count, ups, gaps, refused_err;
    unsigned times[LANES][EACH];
    int last[LANES]; /* the newest number of each lane */
    bool out_of_order;
    bool keep; /* leaves the answering to the test */
    sut_delivery *kept[16];
    unsigned kept_count;
} seen;

static void seen_init(seen *s)
{
    *s = (seen){.keep = false};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    for (int lane = 0; lane < LANES; lane++)
        s->last[lane] = -1;
}

static void on_event(void *arg, sut_delivery *d)
{
    seen *s = arg;
    const char *id = sut_delivery_envelope(d)->opt.event_id.ptr;
    int lane = id[0] - 'a', n = atoi(id + 1);
    pthread_mutex_lock(&s->lock);
    s->count++;
    if (s->times[lane][n]++ == 0) { /* a repetition may come late, a first time may not */
        s->out_of_order |= n != s->last[lane] + 1;
        s->last[lane] = n;
    }
    bool keep = s->keep;
    if (keep)
        s->kept[s->kept_count++] = d;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (!keep)
        sut_ack(d);
}

static void on_notice(void *arg, const sut_sub_notice *n)
{
    seen *s = arg;
    pthread_mutex_lock(&s->lock);
    s->ups += n->news == SUT_SUB_UP;
    s->gaps += n->news == SUT_SUB_GAP;
    if (n->news == SUT_SUB_REFUSED)
        s->refused_err = (unsigned)n->err;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void wait_for(seen *s, const unsigned *number, unsigned at_least)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 4 * WAIT_MS / 1000;
    pthread_mutex_lock(&s->lock);
    while (*number < at_least)
        cr_assert_eq(pthread_cond_timedwait(&s->changed, &s->lock, &until), 0, "%u of %u came", *number, at_least);
    pthread_mutex_unlock(&s->lock);
}

static sut_subscription *subscribe(sut_client *c, seen *s, const char *group, sut_start start, uint32_t credits)
{
    static const char *const subjects[] = {"probe.sent"};
    sut_subscription *out;
    sut_subscribe opt = {.subjects = subjects,
                         .subject_count = 1,
                         .group = group,
                         .start = start,
                         .credits = credits,
                         .on_event = on_event,
                         .on_notice = on_notice,
                         .arg = s};
    cr_assert_eq(sut_subscribe_start(c, &opt, &out), 0);
    return out;
}

static void open_bus(bus *b)
{
    bus_make(b);
    cr_assert_eq(bus_key(b, "new", "teller", "--role", "tool", "--publish", "probe.*", "--subscribe", "probe.*", NULL),
                 0);
    bus_start(b);
}

static void make_event(sut_publish *out, sut_buf *body, char id[SUT_EVENT_ID_LEN + 1], int lane, int n)
{
    char name[2] = {(char)('a' + lane), '\0'};
    snprintf(id, SUT_EVENT_ID_LEN + 1, "%c%015d", name[0], n);
    sut_buf_reset(body);
    cr_assert(sut_mp_add_map(body, 2) == 0 && sut_mp_add_str(body, SUT_STR("lane")) == 0 &&
              sut_mp_add_str(body, sut_str_from(name)) == 0 && sut_mp_add_str(body, SUT_STR("n")) == 0 &&
              sut_mp_add_int(body, n) == 0);
    *out = (sut_publish){.subject = SUT_STR("probe.sent"),
                         .body = {(const char *)body->data, body->len},
                         .event_id = (const uint8_t *)id};
}

static uint64_t publish_one(sut_client *c, int lane, int n)
{
    char id[SUT_EVENT_ID_LEN + 1], error[256] = "";
    sut_buf body;
    sut_publish event;
    uint64_t sequence = 0;
    sut_publish_options opt = {.timeout_ms = TIMEOUT_MS};
    sut_buf_init(&body, 0);
    make_event(&event, &body, id, lane, n);
    cr_assert_eq(sut_publish_wait(c, &event, &opt, &sequence, error, sizeof error), 0, "%s", error);
    sut_buf_deinit(&body);
    return sequence;
}

typedef struct pipeline {
    sut_client *c;
    _Atomic unsigned ended, failed;
} pipeline;

static void on_published(void *arg, const sut_published *p)
{
    pipeline *all = arg;
    all->failed += p->err != 0;
    all->ended++;
}

/* All lanes, without waiting for answers; a thread. */
static void *publish_all(void *arg)
{
    pipeline *all = arg;
    char id[SUT_EVENT_ID_LEN + 1];
    sut_buf body;
    sut_publish event;
    sut_publish_options opt = {.timeout_ms = TIMEOUT_MS};
    sut_buf_init(&body, 0);
    for (int n = 0; n < EACH; n++) {
        for (int lane = 0; lane < LANES; lane++) {
            make_event(&event, &body, id, lane, n);
            cr_assert_eq(sut_publish_start(all->c, &event, 1, &opt, on_published, all), 0);
        }
        bus_nap();
    }
    sut_buf_deinit(&body);
    return NULL;
}

/* ---- publishing ---- */

Test(client_events, a_repetition_is_a_duplicate_also_after_a_killed_broker)
{
    bus b;
    open_bus(&b);
    sut_client *c = party_up(&b, "teller");
    uint64_t first = publish_one(c, 0, 0);
    cr_assert_gt(first, 0);
    cr_assert_eq(publish_one(c, 0, 0), first);
    cr_assert_eq(publish_one(c, 0, 1), first + 1);
    bus_stop(&b, SIGKILL);
    bus_start(&b);
    cr_assert_eq(publish_one(c, 0, 1), first + 1);
    cr_assert_eq(publish_one(c, 0, 2), first + 2);
    sut_client_free(c);
    bus_free(&b);
}

Test(client_events, a_killed_broker_loses_no_publish_and_takes_none_twice)
{
    bus b;
    open_bus(&b);
    pipeline all = {.c = party_up(&b, "teller")};
    pthread_t thread;
    pthread_create(&thread, NULL, publish_all, &all);
    for (unsigned at = EACH; at <= 3 * EACH; at += EACH) {
        WAIT_UNTIL(all.ended >= at);
        bus_stop(&b, SIGKILL);
        bus_start(&b);
    }
    pthread_join(thread, NULL);
    WAIT_UNTIL(all.ended == LANES * EACH);
    cr_assert_eq(all.failed, 0);
    seen s;
    seen_init(&s);
    sut_subscription *sub = subscribe(all.c, &s, NULL, SUT_START_BEGINNING, 0);
    wait_for(&s, &s.count, LANES * EACH);
    publish_one(all.c, 0, EACH - 1); /* a duplicate: nothing more comes */
    for (int lane = 0; lane < LANES; lane++)
        for (int n = 0; n < EACH; n++)
            cr_assert_eq(s.times[lane][n], 1);
    cr_assert_not(s.out_of_order);
    cr_assert_eq(s.gaps, 0);
    sut_subscribe_end(sub);
    sut_client_free(all.c);
    bus_free(&b);
}

/* ---- subscribing ---- */

Test(client_events, a_group_gets_all_in_order_by_key_through_a_killed_broker)
{
    bus b;
    open_bus(&b);
    pipeline all = {.c = party_up(&b, "teller")};
    sut_client *members[2] = {party_up(&b, "teller"), party_up(&b, "teller")};
    sut_subscription *subs[2];
    seen s;
    seen_init(&s);
    for (int i = 0; i < 2; i++)
        subs[i] = subscribe(members[i], &s, "both", SUT_START_BEGINNING, 16);
    pthread_t thread;
    pthread_create(&thread, NULL, publish_all, &all);
    wait_for(&s, &s.count, EACH);
    bus_stop(&b, SIGKILL);
    bus_start(&b);
    pthread_join(thread, NULL);
    WAIT_UNTIL(all.ended == LANES * EACH);
    for (int lane = 0; lane < LANES; lane++)
        for (int n = 0; n < EACH; n++)
            wait_for(&s, &s.times[lane][n], 1);
    cr_assert_not(s.out_of_order);
    for (int i = 0; i < 2; i++) {
        sut_subscribe_end(subs[i]);
        sut_client_free(members[i]);
    }
    sut_client_free(all.c);
    bus_free(&b);
}

Test(client_events, an_ephemeral_one_goes_on_behind_what_it_was_given)
{
    bus b;
    open_bus(&b);
    sut_client *c = party_up(&b, "teller");
    seen s;
    seen_init(&s);
    sut_subscription *sub = subscribe(c, &s, NULL, SUT_START_END, 0);
    wait_for(&s, &s.ups, 1);
    for (int n = 0; n < 10; n++)
        publish_one(c, 0, n);
    wait_for(&s, &s.count, 10);
    bus_stop(&b, SIGKILL);
    bus_start(&b);
    for (int n = 10; n < 20; n++)
        publish_one(c, 0, n);
    wait_for(&s, &s.count, 20);
    cr_assert_not(s.out_of_order);
    for (int n = 0; n < 20; n++)
        cr_assert_eq(s.times[0][n], 1);
    cr_assert_eq(s.gaps, 0);
    sut_subscribe_end(sub);
    sut_client_free(c);
    bus_free(&b);
}

static void on_paused(void *arg)
{
    (*(_Atomic unsigned *)arg)++;
}

Test(client_events, a_pause_waits_for_what_is_in_hand_and_leaves_the_rest_to_others)
{
    bus b;
    open_bus(&b);
    sut_client *c = party_up(&b, "teller"), *other = party_up(&b, "teller");
    seen mine, theirs;
    seen_init(&mine);
    seen_init(&theirs);
    mine.keep = true;
    sut_subscription *sub = subscribe(c, &mine, "drained", SUT_START_BEGINNING, 1);
    publish_one(c, 0, 0);
    publish_one(c, 0, 1);
    wait_for(&mine, &mine.count, 1);
    _Atomic unsigned paused = 0;
    sut_subscribe_pause(sub, on_paused, (void *)&paused);
    sut_subscription *next = subscribe(other, &theirs, "drained", SUT_START_BEGINNING, 1);
    wait_for(&theirs, &theirs.ups, 1);
    cr_assert_eq(paused, 0);
    sut_ack(mine.kept[0]); /* from this thread, which is not the client's */
    WAIT_UNTIL(paused == 1);
    theirs.last[0] = 0;
    wait_for(&theirs, &theirs.times[0][1], 1);
    cr_assert_eq(mine.count, 1);
    cr_assert_eq(theirs.times[0][0], 0);
    sut_subscribe_end(sub);
    sut_subscribe_end(next);
    sut_client_free(c);
    sut_client_free(other);
    bus_free(&b);
}

Test(client_events, nack_brings_it_again_and_term_lets_its_key_go_on)
{
    bus b;
    open_bus(&b);
    sut_client *c = party_up(&b, "teller");
    seen s;
    seen_init(&s);
    s.keep = true;
    sut_subscription *sub = subscribe(c, &s, "picky", SUT_START_BEGINNING, 4);
    publish_one(c, 0, 0);
    publish_one(c, 0, 1);
    wait_for(&s, &s.count, 1);
    cr_assert_eq(sut_delivery_envelope(s.kept[0])->opt.attempt, 1);
    sut_nack(s.kept[0], 20, SUT_STR("internal"), SUT_STR("not now"));
    wait_for(&s, &s.count, 2);
    cr_assert_eq(s.times[0][0], 2);
    cr_assert_eq(sut_delivery_envelope(s.kept[1])->opt.attempt, 2);
    sut_term(s.kept[1], SUT_STR("validation_failed"), SUT_STR("never"));
    wait_for(&s, &s.times[0][1], 1);
    sut_ack(s.kept[2]);
    sut_subscribe_end(sub);
    sut_client_free(c);
    bus_free(&b);
}

Test(client_events, who_may_not_subscribe_is_told_so_once)
{
    bus b;
    open_bus(&b);
    sut_client *c = party_up(&b, "tool");
    seen s;
    seen_init(&s);
    sut_subscription *sub = subscribe(c, &s, NULL, SUT_START_END, 0);
    wait_for(&s, &s.refused_err, 1);
    cr_assert_eq(s.refused_err, SUT_ERR_FORBIDDEN);
    cr_assert_eq(s.ups, 0);
    sut_subscribe_end(sub);
    sut_client_free(c);
    bus_free(&b);
}
