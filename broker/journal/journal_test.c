/* What any engine must do (the port's contract), run here against `lmdb`. */
#include "fixture.h"

#define T0 INT64_C(1800000000000000)

static folder s_folder;
static sut_journal *s_j;

static void setup(void)
{
    s_folder = folder_make();
    s_j = journal_open(&s_folder, 0);
}
static void teardown(void)
{
    s_j = sut_journal_close(s_j);
    folder_remove(&s_folder);
}
static void restart(void)
{
    s_j = sut_journal_close(s_j);
    s_j = journal_open(&s_folder, 0);
}

TestSuite(journal, .init = setup, .fini = teardown, .timeout = 60);

static sut_journal_batch *read_from(uint64_t from)
{
    sut_journal_batch *b;
    sut_journal_query q = {.from = from};
    cr_assert_eq(sut_journal_read(s_j, &q, &b), 0);
    return b;
}

Test(journal, gives_back_what_was_appended)
{
    sut_journal_event e = event_make(5);
    e.traceparent = SUT_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    e.replayed = true;
    sut_append_result r = append_one(s_j, T0, &e);
    cr_assert_eq(r.state, SUT_APPEND_TAKEN);
    cr_assert_eq(r.dedup, SUT_DEDUP_WINDOW);
    cr_assert_eq(r.sequence, 1);
    cr_assert_eq(e.sequence, 1);
    restart();
    sut_journal_batch *b = read_from(0);
    cr_assert_eq(b->count, 1);
    cr_assert_eq(b->next, 2);
    cr_assert_eq(b->oldest, 1);
    const sut_journal_event *got = &b->events[0];
    cr_assert_eq(got->sequence, 1);
    cr_assert_eq(got->time_us, T0);
    cr_assert_arr_eq(got->id, e.id, SUT_EVENT_ID_LEN);
    cr_assert(sut_str_eq(got->subject, e.subject) && sut_str_eq(got->key, e.key) && sut_str_eq(got->body, e.body));
    cr_assert(sut_str_eq(got->traceparent, e.traceparent) && sut_str_eq(got->publisher, e.publisher));
    cr_assert(sut_str_eq(got->principal.session, e.principal.session));
    cr_assert(got->principal.user_id == 7 && got->principal.level == 1 && got->replayed && !got->source.ptr);
    sut_journal_batch_unref(b);
}

Test(journal, settling_changes_nothing_that_is_read)
{
    for (uint64_t n = 1; n <= 30; n++) {
        sut_journal_event e = event_make(n);
        append_one(s_j, T0 + (int64_t)n, &e);
        if (n % 7 == 0)
            cr_assert_eq(sut_journal_settle(s_j), 0);
        sut_journal_stats before = stats_of(s_j), after;
        cr_assert(before.next == n + 1 && before.records == n && before.last_us == T0 + (int64_t)n);
        cr_assert_eq(sut_journal_settle(s_j), 0);
        after = stats_of(s_j);
        cr_assert(after.next == before.next && after.record_bytes == before.record_bytes);
        sut_journal_batch *b = read_from(n > 5 ? n - 5 : 1);
        cr_assert(b->next == n + 1 && b->events[b->count - 1].sequence == n);
        sut_journal_batch_unref(b);
    }
}

Test(journal, time_never_goes_back)
{
    sut_journal_event a = event_make(1), b = event_make(2), c = event_make(3);
    append_one(s_j, T0, &a);
    append_one(s_j, T0 - 5000000, &b);
    restart();
    append_one(s_j, T0 - 9000000, &c);
    cr_assert_eq(b.time_us, T0);
    cr_assert_eq(c.time_us, T0);
}

/* As a broker does: retention is looked at every second. */
static void pass_time(int64_t from_us, int64_t us)
{
    const sut_journal_retention none = {.max_bytes = 1u << 30};
    bool more;
    for (int64_t at = 0; at < us; at += 1000000)
        cr_assert_eq(sut_journal_retain(s_j, from_us + at, &none, &more), 0);
}

Test(journal, ids_are_known_across_a_restart)
{
    sut_journal_event a = event_make(1), again = event_make(1), other = event_make(2);
    append_one(s_j, T0, &a);
    append_one(s_j, T0, &other);
    for (int i = 0; i < 2; i++, restart()) {
        sut_append_result r = append_one(s_j, T0 + 1, &again);
        cr_assert_eq(r.state, SUT_APPEND_DUPLICATE);
        cr_assert_eq(r.sequence, 1);
    }
    cr_assert_eq(stats_of(s_j).records, 2);
    sut_append_result r = append_one(s_j, T0 + INT64_C(601000000), &again);
    cr_assert_eq(r.state, SUT_APPEND_DUPLICATE, "a leap of the clock is no time that has passed");
    r = append_one(s_j, T0 + 2, &again);
    cr_assert_eq(r.state, SUT_APPEND_DUPLICATE);
    pass_time(T0 + 2, INT64_C(603000000));
    r = append_one(s_j, T0 + INT64_C(603000000), &again);
    cr_assert_eq(r.state, SUT_APPEND_TAKEN, "the window is over");
}

Test(journal, duplicates_within_one_call)
{
    sut_journal_event e[4] = {event_make(1), event_make(1), event_make(2), event_make(1)};
    sut_append_result r[4];
    sut_append_group g[2] = {{.events = e, .results = r, .count = 3}, {.events = e + 3, .results = r + 3, .count = 1}};
    cr_assert_eq(sut_journal_append(s_j, T0, g, 2), 0);
    cr_assert_eq(r[0].state, SUT_APPEND_TAKEN);
    cr_assert_eq(r[1].state, SUT_APPEND_DUPLICATE);
    cr_assert_eq(r[1].sequence, 1);
    cr_assert_eq(r[2].sequence, 2);
    cr_assert_eq(r[3].state, SUT_APPEND_DUPLICATE);
    cr_assert_eq(stats_of(s_j).next, 3);
}

static sut_append_result append_numbered(uint64_t epoch, uint64_t number)
{
    sut_journal_event e = event_of("auth", epoch, number);
    return append_one(s_j, T0, &e);
}

Test(journal, sources_are_numbered_without_gaps)
{
    cr_assert_eq(append_numbered(1, 40).state, SUT_APPEND_TAKEN, "an unknown source begins anywhere");
    cr_assert_eq(append_numbered(1, 41).state, SUT_APPEND_TAKEN);
    for (int i = 0; i < 2; i++, restart()) {
        cr_assert_eq(append_numbered(1, 41).state, SUT_APPEND_DUPLICATE);
        cr_assert_eq(append_numbered(1, 7).state, SUT_APPEND_DUPLICATE);
        sut_append_result r = append_numbered(1, 43);
        cr_assert_eq(r.state, SUT_APPEND_GAP);
        cr_assert_eq(r.expected, 42);
        cr_assert_eq(r.dedup, SUT_DEDUP_SOURCE);
    }
    cr_assert_eq(append_numbered(2, 41).state, SUT_APPEND_DUPLICATE, "a new epoch goes on from the same number");
    restart();
    sut_append_result r = append_numbered(1, 42);
    cr_assert_eq(r.state, SUT_APPEND_FENCED);
    cr_assert_eq(r.expected, 2);
    cr_assert_eq(append_numbered(2, 42).state, SUT_APPEND_TAKEN);
    cr_assert_eq(stats_of(s_j).sources, 1);
    cr_assert_eq(stats_of(s_j).records, 3);
}

Test(journal, a_group_is_taken_whole_or_not_at_all)
{
    sut_journal_event e[4] = {event_of("auth", 1, 1), event_of("auth", 1, 3), event_make(9), event_of("auth", 1, 1)};
    sut_append_result r[4];
    sut_append_group g[2] = {{.events = e, .results = r, .count = 3}, {.events = e + 3, .results = r + 3, .count = 1}};
    cr_assert_eq(sut_journal_append(s_j, T0, g, 2), 0);
    cr_assert(g[0].refused && !g[1].refused);
    cr_assert_eq(r[1].state, SUT_APPEND_GAP);
    cr_assert_eq(r[1].expected, 2);
    cr_assert_eq(r[3].state, SUT_APPEND_TAKEN, "the refused group left no mark");
    cr_assert_eq(r[3].sequence, 1);
    cr_assert_eq(append_one(s_j, T0, &e[2]).state, SUT_APPEND_TAKEN, "nor an id");
    cr_assert_eq(stats_of(s_j).records, 2);
}

Test(journal, reads_by_pattern_bound_and_time)
{
    static const char *const subjects[] = {"post.created", "user.updated", "post.deleted"};
    for (uint64_t i = 0; i < 30; i++) {
        sut_journal_event e = event_make(i);
        e.subject = sut_str_from(subjects[i % 3]);
        append_one(s_j, T0 + (int64_t)i * 1000, &e);
    }
    sut_str patterns[] = {SUT_STR("user.*")};
    sut_journal_query q = {.from = 3, .to = 20, .patterns = patterns, .pattern_count = 1};
    sut_journal_batch *b;
    cr_assert_eq(sut_journal_read(s_j, &q, &b), 0);
    cr_assert_eq(b->count, 6);
    cr_assert_eq(b->events[0].sequence, 5);
    cr_assert_eq(b->next, 21);
    sut_journal_batch_unref(b);
    q = (sut_journal_query){.from = 1, .max_events = 4};
    cr_assert_eq(sut_journal_read(s_j, &q, &b), 0);
    cr_assert(b->count == 4 && b->next == 5);
    sut_journal_batch_unref(b);
    q = (sut_journal_query){.from = 1, .max_bytes = 1};
    cr_assert_eq(sut_journal_read(s_j, &q, &b), 0);
    cr_assert_eq(b->count, 1, "one event is always given");
    sut_journal_batch_unref(b);
    q = (sut_journal_query){.from_time_us = T0 + 9500};
    cr_assert_eq(sut_journal_read(s_j, &q, &b), 0);
    cr_assert_eq(b->events[0].sequence, 11);
    sut_journal_batch_unref(b);
    uint64_t at;
    cr_assert_eq(sut_journal_seek_time(s_j, T0 + 29001, &at), 0);
    cr_assert_eq(at, 31);
    b = read_from(31);
    cr_assert(b->count == 0 && b->next == 31);
    sut_journal_batch_unref(b);
}

Test(journal, delayed_events_come_when_they_are_due_and_survive)
{
    sut_journal_batch *moved;
    int64_t next;
    sut_journal_event late = event_make(1), soon = event_make(2), now = event_make(3);
    late.not_before_us = T0 + 3000;
    soon.not_before_us = T0 + 2000;
    now.not_before_us = T0;
    cr_assert_eq(append_one(s_j, T0, &late).sequence, 0);
    cr_assert_eq(append_one(s_j, T0, &soon).sequence, 0);
    cr_assert_eq(append_one(s_j, T0, &now).sequence, 1);
    cr_assert_eq(append_one(s_j, T0, &late).state, SUT_APPEND_DUPLICATE, "judged when it comes");
    restart();
    cr_assert_eq(stats_of(s_j).delayed, 2);
    cr_assert_eq(sut_journal_release_due(s_j, T0 + 1999, 10, &moved, &next), 0);
    cr_assert_null(moved);
    cr_assert_eq(next, T0 + 2000);
    cr_assert_eq(sut_journal_release_due(s_j, T0 + 9000, 1, &moved, &next), 0);
    cr_assert_eq(moved->count, 1);
    cr_assert_eq(moved->events[0].id[0], 2);
    cr_assert_eq(moved->events[0].sequence, 2);
    cr_assert_eq(moved->events[0].time_us, T0 + 9000);
    cr_assert_eq(next, T0 + 3000);
    cr_assert_eq(sut_journal_release_due(s_j, T0 + 9000, 10, &moved, &next), 0);
    cr_assert_eq(moved->count, 1);
    cr_assert_eq(next, INT64_MAX);
    cr_assert_eq(stats_of(s_j).records, 3);
    cr_assert_eq(sut_journal_verify(s_j, NULL, NULL), 0);
}

static void collect(void *arg, sut_str name, sut_str value)
{
    char *out = arg;
    sprintf(out + strlen(out), "%.*s=%.*s;", SUT_STR_FMT(name), SUT_STR_FMT(value));
}

Test(journal, values)
{
    char got[256] = "";
    sut_journal_value put[] = {
        {SUT_STR("group/a"), SUT_STR("1")}, {SUT_STR("group/b"), SUT_STR("2")}, {SUT_STR("other"), SUT_STR("")}};
    cr_assert_eq(sut_journal_put(s_j, put, 3), 0);
    restart();
    cr_assert_eq(sut_journal_each_value(s_j, SUT_STR("group/"), collect, got), 0);
    cr_assert_str_eq(got, "group/a=1;group/b=2;");
    put[0].value = SUT_STR_NONE;
    put[1].value = SUT_STR("3");
    cr_assert_eq(sut_journal_put(s_j, put, 2), 0);
    got[0] = 0;
    cr_assert_eq(sut_journal_each_value(s_j, SUT_STR_NONE, collect, got), 0);
    cr_assert_str_eq(got, "group/b=3;other=;");
    put[0].name = SUT_STR("");
    cr_assert_eq(sut_journal_put(s_j, put, 1), -EINVAL);
}

static bool note_dead(void *arg, const sut_dead_letter *d)
{
    char *out = arg;
    sprintf(out + strlen(out), "%d%s:%.*s/%zu ", (int)d->id, d->redriving ? "r" : "", SUT_STR_FMT(d->group),
            d->attempt_count);
    for (size_t i = 0; i < d->attempt_count; i++)
        sprintf(out + strlen(out), "[%u %.*s %.*s] ", d->attempts[i].attempt, SUT_STR_FMT(d->attempts[i].code),
                SUT_STR_FMT(d->attempts[i].message));
    return true;
}

Test(journal, dead_letters)
{
    char got[512] = "";
    uint64_t id;
    sut_dead_attempt tries[] = {{1, T0, SUT_STR("mail.1"), SUT_STR("internal"), SUT_STR("no")},
                                {2, T0, SUT_STR("mail.2"), SUT_STR("unavailable"), SUT_STR_NONE}};
    sut_dead_letter d = {
        .group = SUT_STR("mail"), .died_us = T0, .event = event_make(1), .attempts = tries, .attempt_count = 2};
    cr_assert_eq(sut_journal_dead_put(s_j, &d, &id), 0);
    cr_assert_eq(id, 1);
    d.group = SUT_STR("feed");
    d.attempt_count = 0;
    cr_assert_eq(sut_journal_dead_put(s_j, &d, &id), 0);
    cr_assert_eq(id, 2);
    d.id = 2;
    d.redriving = true;
    cr_assert_eq(sut_journal_dead_put(s_j, &d, &id), 0);
    restart();
    sut_dead_query q = {.max = 10};
    cr_assert_eq(sut_journal_dead_each(s_j, &q, note_dead, got), 0);
    cr_assert_str_eq(got, "1:mail/2 [1 internal no] [2 unavailable ] 2r:feed/0 ");
    got[0] = 0;
    q = (sut_dead_query){.group = SUT_STR("feed"), .key = SUT_STR("user-7"), .redriving_only = true};
    cr_assert_eq(sut_journal_dead_each(s_j, &q, note_dead, got), 0);
    cr_assert_str_eq(got, "2r:feed/0 ");
    uint64_t ids[] = {7, 1};
    cr_assert_eq(sut_journal_dead_remove(s_j, ids, 2), -ENOENT);
    cr_assert_eq(sut_journal_dead_get(s_j, 1, note_dead, got), -ENOENT, "the other one was removed");
    cr_assert_eq(sut_journal_dead_get(s_j, 2, note_dead, got), 0);
}

Test(journal, what_is_buried_again_stays_one_letter)
{
    uint64_t first, id;
    sut_dead_letter d = {.group = SUT_STR("mail"), .generation = 1, .died_us = T0, .event = event_make(3)};
    d.event.sequence = 3;
    cr_assert_eq(sut_journal_dead_put(s_j, &d, &first), 0);
    cr_assert_eq(sut_journal_dead_put(s_j, &d, &id), 0);
    cr_assert_eq(id, first);
    sut_journal_close(s_j);
    s_j = journal_open(&s_folder, 0);
    cr_assert(sut_journal_dead_put(s_j, &d, &id) == 0 && id == first, "across restarts");
    cr_assert_eq(stats_of(s_j).dead, 1);
    d.generation = 2;
    cr_assert(sut_journal_dead_put(s_j, &d, &id) == 0 && id == first + 1, "a replay is another generation");
    d.group = SUT_STR("feed");
    cr_assert(sut_journal_dead_put(s_j, &d, &id) == 0 && id == first + 2);
    d.group = SUT_STR("mail");
    d.generation = 1;
    cr_assert_eq(sut_journal_dead_remove(s_j, &first, 1), 0);
    cr_assert(sut_journal_dead_put(s_j, &d, &id) == 0 && id == first + 3, "one that was dropped may die again");
    bool more;
    const sut_journal_retention all = {.dead_age_us = 1};
    cr_assert_eq(sut_journal_retain(s_j, T0 + 10, &all, &more), 0);
    cr_assert_eq(stats_of(s_j).dead, 0);
    cr_assert(sut_journal_dead_put(s_j, &d, &id) == 0 && id == first + 4);
    cr_assert_eq(sut_journal_verify(s_j, NULL, NULL), 0);
}

Test(journal, retention_by_age_and_bytes)
{
    for (uint64_t i = 0; i < 100; i++) {
        sut_journal_event e = event_make(i);
        append_one(s_j, T0 + (int64_t)i * 1000, &e);
    }
    bool more;
    sut_journal_retention r = {.max_age_us = 50000};
    cr_assert_eq(sut_journal_retain(s_j, T0 + 99000, &r, &more), 0);
    sut_journal_stats st = stats_of(s_j);
    cr_assert(!more && st.first == 50 && st.records == 51 && st.first_us == T0 + 49000);
    uint64_t one = st.record_bytes / st.records;
    r = (sut_journal_retention){.max_bytes = 10 * one};
    cr_assert_eq(sut_journal_retain(s_j, T0 + 99000, &r, &more), 0);
    st = stats_of(s_j);
    cr_assert_eq(st.records, 10);
    cr_assert_eq(sut_journal_verify(s_j, NULL, NULL), 0);
    sut_journal_batch *b = read_from(1);
    cr_assert(b->oldest == 91 && b->events[0].sequence == 91);
    sut_journal_batch_unref(b);
    r = (sut_journal_retention){.max_age_us = 1};
    cr_assert_eq(sut_journal_retain(s_j, T0 + 9999000, &r, &more), 0);
    restart();
    st = stats_of(s_j);
    cr_assert(st.records == 0 && st.first == 101 && st.next == 101 && st.record_bytes == 0);
}
