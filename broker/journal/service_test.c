/* The service: a loop that only asks and is answered. */
#include "base/arena.h"
#include "fixture.h"
#include "journal/service.h"
#include "wire/errors.h"

#include <stdatomic.h>

#define SEEN_MAX 4096

typedef struct world {
    folder dir;
    sut_loop *loop;
    sut_journal_service *service;
    uint64_t published, appended, stored, stored_tag, stored_id, reads, changes, next_sequence, oldest;
    uint64_t tags[SEEN_MAX];
    int last_err;
    char message[256], pointer[64];
    sut_append_result last;
    sut_status stored_status, read_status, writable;
    sut_journal_batch *kept;
    bool early; /* a publish was answered before its event was shown */
    sut_journal_job *job_done;
} world;

static world s_w;

static int on_check(void *app, sut_journal_event *e, struct sut_arena *a, sut_publish_fault *fault)
{
    static const sut_field_error errors[] = {{{"/n", 2}, {"required", 8}, {"must be there", 13}}};
    (void)app;
    if (sut_str_is(e->subject, "bad.event")) {
        *fault = (sut_publish_fault){.message = SUT_STR("it is bad"), .errors = errors, .error_count = 1};
        return SUT_ERR_INVALID;
    }
    if (sut_str_is(e->subject, "keyed.event"))
        e->key = sut_arena_printf(a, "key-%d", e->id[0]);
    return 0;
}

static void on_published(void *app, uint64_t tag, const sut_append_result *results, size_t count,
                         const sut_publish_fault *fault)
{
    world *w = app;
    w->tags[w->published++ % SEEN_MAX] = tag;
    w->last_err = fault ? fault->err : 0;
    w->message[0] = w->pointer[0] = 0;
    if (fault) {
        snprintf(w->message, sizeof w->message, "%.*s", SUT_STR_FMT(fault->message));
        if (fault->error_count)
            snprintf(w->pointer, sizeof w->pointer, "%.*s", SUT_STR_FMT(fault->errors[0].pointer));
        return;
    }
    w->last = results[count - 1];
    w->early |= w->last.sequence >= w->next_sequence;
}

static void on_appended(void *app, sut_journal_batch *batch)
{
    world *w = app;
    for (size_t i = 0; i < batch->count; i++) {
        cr_assert_eq(batch->events[i].sequence, w->next_sequence, "in order, without gaps");
        w->next_sequence++;
    }
    w->appended += batch->count;
    sut_journal_batch_unref(w->kept);
    w->kept = sut_journal_batch_ref(batch);
}

static void on_read(void *app, uint64_t tag, sut_status status, sut_journal_batch *batch)
{
    world *w = app;
    w->read_status = status;
    w->tags[w->reads++ % SEEN_MAX] = tag;
    sut_journal_batch_unref(w->kept);
    w->kept = sut_journal_batch_ref(batch);
}

static void on_stored(void *app, uint64_t tag, sut_status status, uint64_t id)
{
    world *w = app;
    w->stored++;
    w->stored_tag = tag;
    w->stored_status = status;
    w->stored_id = id;
}

static void on_done(void *app, struct sut_journal_job *job)
{
    ((world *)app)->job_done = job;
}

static void on_changed(void *app, uint64_t oldest, sut_status writable)
{
    world *w = app;
    w->changes++;
    w->oldest = oldest;
    w->writable = writable;
}

static const sut_journal_service_ops s_ops = {.check = on_check,
                                              .published = on_published,
                                              .appended = on_appended,
                                              .read = on_read,
                                              .stored = on_stored,
                                              .done = on_done,
                                              .changed = on_changed};

static void start(const sut_journal_service_options *opt)
{
    cr_assert_eq(sut_journal_service_new(&s_w.service, journal_open(&s_w.dir, 0), s_w.loop, &s_ops, &s_w, NULL, opt),
                 0);
}

static void setup(void)
{
    s_w = (world){.dir = folder_make(), .next_sequence = 1};
    cr_assert_eq(sut_loop_new(&s_w.loop), 0);
    start(&(sut_journal_service_options){.retain_every_ms = 20});
}

static void teardown(void)
{
    s_w.service = sut_journal_service_free(s_w.service);
    s_w.kept = sut_journal_batch_unref(s_w.kept);
    cr_assert_eq(sut_loop_turn(s_w.loop, 0), 0);
    sut_loop_free(s_w.loop);
    folder_remove(&s_w.dir);
}

TestSuite(service, .init = setup, .fini = teardown, .timeout = 60);

static void turn_until(const uint64_t *counter, uint64_t value)
{
    while (*counter < value)
        cr_assert_eq(sut_loop_turn(s_w.loop, 1000), 0);
}

static void publish(uint64_t tag, sut_journal_event *events, size_t count)
{
    cr_assert_eq(sut_journal_service_publish(s_w.service, tag, events, count), 0);
}

Test(service, answers_in_order_after_showing_the_events)
{
    enum { N = 3000 };
    for (uint64_t i = 0; i < N; i++) {
        sut_journal_event e = event_make(i);
        publish(i, &e, 1);
    }
    turn_until(&s_w.published, N);
    for (uint64_t i = 0; i < N; i++)
        cr_assert_eq(s_w.tags[i], i);
    cr_assert_eq(s_w.appended, N);
    cr_assert(!s_w.early);
    sut_journal_service_stats st;
    sut_journal_service_get_stats(s_w.service, &st);
    cr_assert(st.events_total == N && st.commits_total < N && st.queued_events == 0 && st.queued_bytes == 0);
    cr_assert_eq(s_w.kept->events[0].body.len, 4, "a batch that was kept outlives its commit");
}

Test(service, what_check_refuses_is_not_written_and_its_key_is_kept)
{
    sut_journal_event e[3] = {event_make(1), event_make(2), event_make(3)};
    e[0].subject = SUT_STR("keyed.event");
    e[1].subject = SUT_STR("bad.event");
    publish(1, e, 2);
    turn_until(&s_w.published, 1);
    cr_assert_eq(s_w.last_err, SUT_ERR_INVALID);
    cr_assert_str_eq(s_w.message, "it is bad");
    cr_assert_str_eq(s_w.pointer, "/events/1/n");
    cr_assert_eq(s_w.appended, 0);
    publish(2, e, 1);
    turn_until(&s_w.published, 2);
    cr_assert_eq(s_w.last_err, 0);
    cr_assert(sut_str_is(s_w.kept->events[0].key, "key-1"));
}

Test(service, one_that_cannot_be_encoded_does_not_take_its_neighbours_along)
{
    sut_journal_event good = event_make(1), bad = event_make(2), late = event_make(3);
    bad.subject = SUT_STR("Not A Subject");
    publish(1, &good, 1);
    publish(2, &bad, 1);
    publish(3, &late, 1);
    turn_until(&s_w.published, 3);
    cr_assert_eq(s_w.appended, 2);
}

Test(service, sources_are_fenced_and_gaps_refused)
{
    sut_journal_event a = event_of("auth", 2, 1), gap = event_of("auth", 2, 3), old = event_of("auth", 1, 2);
    publish(1, &a, 1);
    publish(2, &gap, 1);
    turn_until(&s_w.published, 2);
    cr_assert_eq(s_w.last_err, SUT_ERR_SOURCE_GAP);
    cr_assert_not_null(strstr(s_w.message, "must go on with 2, this is 3"));
    publish(3, &old, 1);
    turn_until(&s_w.published, 3);
    cr_assert_eq(s_w.last_err, SUT_ERR_FENCED);
    publish(4, &a, 1);
    turn_until(&s_w.published, 4);
    cr_assert(s_w.last_err == 0 && s_w.last.state == SUT_APPEND_DUPLICATE);
}

static sut_status count_values(sut_journal_job *job, sut_journal *j)
{
    sut_journal_stats st;
    (void)job;
    sut_status status = sut_journal_get_stats(j, &st);
    return status ? status : (sut_status)st.dead;
}

Test(service, stores_reads_and_queries)
{
    sut_journal_value v = {SUT_STR("group/a"), SUT_STR("1")};
    sut_dead_letter d = {.group = SUT_STR("mail"), .event = event_make(4)};
    sut_journal_event e = event_make(1);
    sut_journal_job job = {.run = count_values};
    publish(1, &e, 1);
    cr_assert_eq(sut_journal_service_put(s_w.service, 7, &v, 1), 0);
    cr_assert_eq(sut_journal_service_dead_put(s_w.service, 8, &d), 0);
    turn_until(&s_w.stored, 2);
    cr_assert(s_w.stored_tag == 8 && s_w.stored_status == 0 && s_w.stored_id == 1);
    sut_str patterns[] = {SUT_STR("post.*")};
    sut_journal_query q = {.from = 1, .patterns = patterns, .pattern_count = 1};
    cr_assert_eq(sut_journal_service_read(s_w.service, 9, &q), 0);
    turn_until(&s_w.reads, 1);
    cr_assert(s_w.read_status == 0 && s_w.tags[0] == 9 && s_w.kept->count == 1);
    cr_assert_eq(sut_journal_service_query(s_w.service, &job), 0);
    while (!s_w.job_done)
        cr_assert_eq(sut_loop_turn(s_w.loop, 1000), 0);
    cr_assert(s_w.job_done == &job && job.status == 1);
    uint64_t ids[] = {1, 2};
    cr_assert_eq(sut_journal_service_dead_remove(s_w.service, 10, ids, 2), 0);
    turn_until(&s_w.stored, 3);
    cr_assert_eq(s_w.stored_status, -ENOENT);
    v.name = SUT_STR("");
    cr_assert_eq(sut_journal_service_put(s_w.service, 11, &v, 1), -EINVAL);
}

Test(service, delayed_events_appear_by_themselves)
{
    sut_journal_event e = event_make(1);
    e.not_before_us = sut_wall_us() + 150000;
    publish(1, &e, 1);
    turn_until(&s_w.published, 1);
    cr_assert_eq(s_w.appended, 0);
    turn_until(&s_w.appended, 1);
    cr_assert_geq(sut_wall_us(), e.not_before_us);
}

Test(service, retention_is_told)
{
    s_w.service = sut_journal_service_free(s_w.service);
    start(&(sut_journal_service_options){.retention = {.max_age_us = 1000}, .retain_every_ms = 20});
    sut_journal_event e = event_make(1);
    publish(1, &e, 1);
    while (s_w.oldest < 2)
        cr_assert_eq(sut_loop_turn(s_w.loop, 1000), 0);
}

Test(service, its_queue_is_bounded)
{
    s_w.service = sut_journal_service_free(s_w.service);
    start(&(sut_journal_service_options){.queue_events = 4});
    sut_journal_event e[5];
    for (uint64_t i = 0; i < 5; i++)
        e[i] = event_make(i);
    cr_assert_eq(sut_journal_service_publish(s_w.service, 1, e, 5), -EAGAIN);
    publish(2, e, 4);
    turn_until(&s_w.published, 1);
}

Test(service, what_is_queued_is_written_before_the_end)
{
    for (uint64_t i = 0; i < 500; i++) {
        sut_journal_event e = event_make(i);
        publish(i, &e, 1);
    }
    s_w.service = sut_journal_service_free(s_w.service);
    cr_assert_eq(s_w.published, 0, "no callback runs any more");
    sut_journal *j = journal_open(&s_w.dir, 0);
    cr_assert_eq(stats_of(j).records, 500);
    sut_journal_close(j);
}
