/* The journal of the outbox's tests. */
#include "fake_journal_test.h"

#include "base/buf.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

typedef struct s_answer {
    sut_timer timer;
    sut_published_fn fn;
    void *arg;
    int err;
    bool duplicates[SUT_PUBLISH_MAX];
    uint64_t sequences[SUT_PUBLISH_MAX];
    size_t count;
} s_answer;

fake_journal *fake_journal_new(void)
{
    fake_journal *j = mmap(NULL, sizeof(*j), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cr_assert_neq(j, MAP_FAILED);
    j->delay_ms = 1;
    return j;
}

fake_journal *fake_journal_free(fake_journal *j)
{
    munmap(j, sizeof(*j));
    return NULL;
}

static fake_source *source_of(fake_journal *j, const sut_publish_options *opt)
{
    for (uint32_t i = 0; i < j->source_count; i++)
        if (sut_str_is(opt->source, j->sources[i].name))
            return &j->sources[i];
    cr_assert_lt(j->source_count, FAKE_SOURCES_MAX);
    fake_source *s = &j->sources[j->source_count];
    memcpy(s->name, opt->source.ptr, opt->source.len);
    j->source_count++;
    return s;
}

static uint64_t last_of(const fake_journal *j, const fake_source *s)
{
    uint32_t index = (uint32_t)(s - j->sources);
    if (s->last)
        return s->last;
    for (uint32_t i = j->count; i > j->since; i--)
        if (j->events[i - 1].source == index)
            return j->events[i - 1].number;
    return 0;
}

static int decode(const sut_publish *e, fix_step *out)
{
    sut_arena *arena;
    sut_field_errors errors;
    cr_assert_eq(sut_arena_new(&arena, 1 << 20), 0);
    sut_field_errors_init(&errors, arena, 1);
    int st = sut_record_decode(&fix_step_record, e->body, SUT_UNKNOWN_REFUSE, arena, out, &errors);
    int err = st || (out->has_text && sut_str_is(out->text, "poison")) ? SUT_ERR_INVALID : 0;
    sut_arena_free(arena);
    return err;
}

static int check(fake_journal *j, const fake_source *s, const sut_publish *events, size_t count,
                 const sut_publish_options *opt)
{
    fix_step step;
    uint64_t last = last_of(j, s);
    if (j->fail_times) {
        if (j->fail_times > 0)
            j->fail_times--;
        return j->fail_with;
    }
    if (opt->epoch < s->epoch) {
        j->fenced++;
        return SUT_ERR_FENCED;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t expected = i == 0 ? last + 1 : events[i - 1].number + 1;
        if (events[i].number > expected && (i > 0 || last)) {
            j->gaps++;
            return SUT_ERR_SOURCE_GAP;
        }
        int err = decode(&events[i], &step);
        if (err)
            return err;
    }
    return 0;
}

static void write_event(fake_journal *j, uint32_t at, const fake_source *s, const sut_publish *e)
{
    fix_step step;
    fake_event *to = &j->events[at];
    cr_assert_lt(at, FAKE_EVENTS_MAX);
    cr_assert_eq(decode(e, &step), 0);
    *to = (fake_event){.user_id = step.user_id,
                       .n = step.n,
                       .principal = e->principal ? e->principal->user_id : 0,
                       .source = (uint32_t)(s - j->sources),
                       .number = e->number};
    memcpy(to->id, e->event_id, sizeof(to->id));
    memcpy(to->key, e->key.ptr, e->key.len);
}

static void take(fake_journal *j, fake_source *s, const sut_publish *events, size_t count, uint64_t epoch, s_answer *a)
{
    uint64_t last = last_of(j, s);
    uint32_t end = j->count;
    for (size_t i = 0; i < count; i++) {
        a->duplicates[i] = events[i].number <= last;
        j->duplicates += a->duplicates[i];
        if (!a->duplicates[i])
            write_event(j, end++, s, &events[i]);
    }
    s->epoch = epoch;
    j->batches++;
    if (end > j->count)
        s->last = 0;
    j->count = end;
}

static void on_due(sut_timer *t, void *arg)
{
    (void)t;
    s_answer *a = arg;
    sut_published p = {.err = a->err,
                       .sequences = a->sequences,
                       .duplicates = a->duplicates,
                       .count = a->err ? 0 : a->count,
                       .code = SUT_STR("fake_code"),
                       .message = SUT_STR("the fake broker says no")};
    a->fn(a->arg, &p);
    free(a);
}

static sut_status publish(void *bus, const sut_publish *events, size_t count, const sut_publish_options *opt,
                          sut_published_fn fn, void *arg)
{
    fake_journal *j = bus;
    s_answer *a = calloc(1, sizeof(*a));
    cr_assert_not_null(a);
    fake_source *s = source_of(j, opt);
    *a = (s_answer){.fn = fn, .arg = arg, .count = count, .err = check(j, s, events, count, opt)};
    if (a->err == 0)
        take(j, s, events, count, opt->epoch, a);
    if (a->err == 0 && j->lose_answer) {
        j->lose_answer = false;
        a->err = SUT_ERR_OUTCOME_UNKNOWN;
    }
    cr_assert_eq(sut_timer_start_ms(j->loop, &a->timer, j->delay_ms, on_due, a), 0);
    return 0;
}

static bool up(void *bus)
{
    return !((fake_journal *)bus)->down;
}

static uint64_t sessions(void *bus)
{
    (void)bus;
    return 1;
}

void fake_journal_attach(fake_journal *j, sut_request *rq)
{
    j->loop = rq->runtime->loop;
    const sut_event_port port = {.publish = publish, .up = up, .sessions = sessions, .bus = j};
    cr_assert_eq(sut_outbox_start(rq->runtime, &port), 0);
}

void fake_journal_until(sut_request *rq, fake_journal *j, uint32_t count)
{
    while (j->count < count)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
}
