/* The shared part of the unit tests of events. */
#include "event_harness_test.h"

#include "base/map.h"
#include "wire/msgpack.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

journal *j;

/* ---- the journal ---- */

static void copy_text(char *to, size_t size, sut_str s)
{
    cr_assert_lt(s.len, size);
    if (s.len > 0)
        memcpy(to, s.ptr, s.len);
    to[s.len] = '\0';
}

static sut_str keep(char *to, size_t size, sut_str s)
{
    copy_text(to, size, s);
    return s.ptr ? (sut_str){to, s.len} : SUT_STR_NONE;
}

static void store(j_event *to, const sut_stored_event *event)
{
    to->event = *event;
    to->event.subject = keep(to->subject, sizeof(to->subject), event->subject);
    to->event.key = keep(to->key, sizeof(to->key), event->key);
    to->event.publisher = keep(to->publisher, sizeof(to->publisher), event->publisher);
    to->event.source = keep(to->source, sizeof(to->source), event->source);
    to->event.body = keep(to->body, sizeof(to->body), event->body);
    to->event.traceparent = to->event.principal.session = SUT_STR_NONE;
}

static ask *next_ask(ask_kind kind, uint64_t tag)
{
    cr_assert_lt(j->ask_count, J_ASKS);
    ask *a = &j->asks[j->ask_count++];
    *a = (ask){.kind = kind, .tag = tag};
    return a;
}

static void on_event(void *app, sut_str subject, sut_core_event_desc *desc)
{
    (void)app;
    *desc = (sut_core_event_desc){.known = !memchr(subject.ptr, 'X', subject.len) && !sut_str_is(subject, "user.none"),
                                  .open = memcmp(subject.ptr, "open", 4) == 0,
                                  .service = SUT_STR("user")};
}

static sut_str on_group_service(void *app, sut_str group)
{
    (void)app;
    return sut_str_is(group, "post-feed") ? SUT_STR("post") : SUT_STR_NONE;
}

static int64_t on_wall_us(void *app)
{
    (void)app;
    return 1000000 + (int64_t)(h.now / 1000);
}

static uint64_t on_random(void *app)
{
    (void)app;
    return sut_prng(&j->random);
}

static sut_status on_publish(void *app, uint64_t tag, const sut_stored_event *events, size_t count)
{
    (void)app;
    if (j->full)
        return -EAGAIN;
    ask *a = next_ask(ASK_PUBLISH, tag);
    a->first = j->staged_count;
    a->count = (uint32_t)count;
    for (size_t i = 0; i < count; i++)
        store(&j->staged[j->staged_count++], &events[i]);
    return 0;
}

static sut_status on_read(void *app, uint64_t tag, const sut_core_read *r)
{
    (void)app;
    if (j->full)
        return -EAGAIN;
    cr_assert_gt(r->max_events, 0);
    ask *a = next_ask(ASK_READ, tag);
    a->from = r->from;
    a->from_time_us = r->from_time_us;
    a->max_events = r->max_events;
    a->pattern_count = r->pattern_count;
    for (size_t i = 0; i < r->pattern_count; i++)
        copy_text(a->patterns[i], sizeof(a->patterns[i]), r->patterns[i]);
    j->reads++;
    return 0;
}

static sut_status on_save(void *app, uint64_t tag, sut_str group, sut_str value)
{
    (void)app;
    if (j->full)
        return -EAGAIN;
    ask *a = next_ask(ASK_SAVE, tag);
    copy_text(a->group, sizeof(a->group), group);
    cr_assert_leq(value.len, sizeof(a->value));
    a->erases = !value.ptr;
    a->value_len = value.len;
    if (value.ptr)
        memcpy(a->value, value.ptr, value.len);
    j->saves++;
    return 0;
}

static sut_status on_bury(void *app, uint64_t tag, const sut_core_dead *d)
{
    (void)app;
    if (j->full)
        return -EAGAIN;
    ask *a = next_ask(ASK_BURY, tag);
    copy_text(a->group, sizeof(a->group), d->group);
    a->dead_id = d->dead_id;
    a->sequence = d->event->sequence;
    a->attempts = (uint32_t)d->attempt_count;
    cr_assert(d->event->subject.len > 0);
    if (d->attempt_count > 0) {
        const sut_core_attempt *last = &d->attempts[d->attempt_count - 1];
        a->last_attempt = last->attempt;
        copy_text(a->consumer, sizeof(a->consumer), last->consumer);
        copy_text(a->code, sizeof(a->code), last->code);
        copy_text(a->message, sizeof(a->message), last->message);
    }
    return 0;
}

static sut_status on_forget(void *app, uint64_t tag, uint64_t dead_id)
{
    (void)app;
    if (j->full)
        return -EAGAIN;
    next_ask(ASK_FORGET, tag)->dead_id = dead_id;
    return 0;
}

static void on_delivery(void *app, const char *outcome, sut_str group, sut_str consumer, const sut_stored_event *event,
                        uint32_t attempt, uint64_t took_ns)
{
    (void)app;
    (void)group;
    (void)took_ns;
    (void)snprintf(j->outcome[j->outcomes++ % 16], sizeof(j->outcome[0]), "%s %.*s %llu %u", outcome,
                   SUT_STR_FMT(consumer), (unsigned long long)event->sequence, attempt);
}

static void answer_publish(const ask *a)
{
    struct sut_core_position positions[64] = {0};
    const uint64_t first = j->next;
    const sut_core_publish_answer fails = {.err = SUT_ERR_STORAGE_FULL, .message = SUT_STR("full")};
    if (j->fails[ASK_PUBLISH]) {
        sut_core_published(h.core, h.now, a->tag, &fails);
        return;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        j_event *to = &j->events[j->next];
        store(to, &j->staged[a->first + i].event);
        to->event.sequence = j->next;
        to->event.time_us = on_wall_us(NULL);
        if (i < SUT_ARRAY_LEN(positions))
            positions[i].sequence = j->next;
        j->next++;
    }
    const sut_core_publish_answer ok = {.positions = positions, .count = a->count};
    sut_core_published(h.core, h.now, a->tag, &ok);
    for (uint64_t s = first; s < j->next; s++)
        sut_core_appended(h.core, h.now, &j->events[s].event, 1, s + 1);
}

static bool matches(const ask *a, sut_str subject)
{
    for (size_t i = 0; i < a->pattern_count; i++) {
        if (sut_subject_match(sut_str_from(a->patterns[i]), subject))
            return true;
    }
    return false;
}

static void answer_read(const ask *a)
{
    sut_stored_event found[512];
    size_t count = 0;
    uint64_t s = a->from < j->oldest ? j->oldest : a->from;
    if (a->from_time_us)
        for (s = j->oldest; s < j->next && j->events[s].event.time_us < a->from_time_us; s++)
            continue;
    if (s == j->damaged) {
        sut_core_read_done(h.core, h.now, a->tag, -EBADMSG, NULL, 0, s, 0);
        return;
    }
    for (; s < j->next && s != j->damaged && count < a->max_events && count < SUT_ARRAY_LEN(found); s++) {
        if (matches(a, j->events[s].event.subject))
            found[count++] = j->events[s].event;
    }
    sut_core_read_done(h.core, h.now, a->tag, j->fails[ASK_READ], found, count, s, j->oldest);
}

static void answer_save(const ask *a)
{
    uint32_t i = 0;
    while (i < j->saved_count && strcmp(j->saved[i].group, a->group) != 0)
        i++;
    if (!j->fails[ASK_SAVE] && a->erases && i < j->saved_count) {
        j->saved[i] = j->saved[--j->saved_count];
    } else if (!j->fails[ASK_SAVE] && !a->erases) {
        j_saved *to = &j->saved[i];
        j->saved_count += i == j->saved_count;
        memcpy(to->group, a->group, sizeof(to->group));
        memcpy(to->value, a->value, a->value_len);
        to->len = a->value_len;
    }
    sut_core_saved(h.core, h.now, a->tag, j->fails[ASK_SAVE]);
}

static void answer_bury(const ask *a)
{
    if (!j->fails[ASK_BURY]) {
        j_letter *to = &j->letters[j->letter_count++];
        *to = (j_letter){.id = a->dead_id ? a->dead_id : j->letter_count,
                         .sequence = a->sequence,
                         .attempts = a->attempts,
                         .last_attempt = a->last_attempt};
        memcpy(to->group, a->group, sizeof(to->group));
        memcpy(to->consumer, a->consumer, sizeof(to->consumer));
        memcpy(to->code, a->code, sizeof(to->code));
        memcpy(to->message, a->message, sizeof(to->message));
    }
    sut_core_buried(h.core, h.now, a->tag, j->fails[ASK_BURY], j->letter_count);
}

static void answer(const ask *a)
{
    j->answered++;
    switch (a->kind) {
    case ASK_PUBLISH: answer_publish(a); break;
    case ASK_READ: answer_read(a); break;
    case ASK_SAVE: answer_save(a); break;
    case ASK_BURY: answer_bury(a); break;
    case ASK_FORGET:
        if (!j->fails[ASK_FORGET])
            j->forgotten[j->forgotten_count++] = a->dead_id;
        sut_core_saved(h.core, h.now, a->tag, j->fails[ASK_FORGET]);
        break;
    }
}

static bool answer_first(int kind)
{
    for (uint32_t i = 0; i < j->ask_count; i++) {
        if (kind >= 0 ? (int)j->asks[i].kind != kind : j->holds[j->asks[i].kind])
            continue;
        const ask a = j->asks[i];
        memmove(&j->asks[i], &j->asks[i + 1], sizeof(ask) * (j->ask_count - i - 1));
        j->ask_count--;
        answer(&a);
        return true;
    }
    return false;
}

void journal_run(void)
{
    while (answer_first(-1))
        continue;
}

void journal_answer(ask_kind kind)
{
    cr_assert(answer_first((int)kind), "the journal was not asked for %d", (int)kind);
}

uint32_t journal_asked(ask_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < j->ask_count; i++)
        count += j->asks[i].kind == kind;
    return count;
}

void journal_retains(uint64_t oldest)
{
    j->oldest = oldest;
    sut_core_retained(h.core, h.now, oldest);
}

/* ---- life ---- */

static void start(const sut_core_event_limits *limits)
{
    static const sut_core_event_ops ops = {.event = on_event,
                                           .group_service = on_group_service,
                                           .wall_us = on_wall_us,
                                           .random = on_random,
                                           .publish = on_publish,
                                           .read = on_read,
                                           .save = on_save,
                                           .bury = on_bury,
                                           .forget = on_forget,
                                           .delivery = on_delivery};
    cr_assert_eq(sut_core_events_start(h.core, limits, &ops, j->oldest, j->next), 0);
}

void events_setup_with(const sut_core_event_limits *limits)
{
    setup();
    free(j);
    j = calloc(1, sizeof(*j));
    cr_assert_not_null(j);
    j->next = j->oldest = 1;
    j->random = 42;
    start(limits);
}

void events_setup(void)
{
    events_setup_with(NULL);
}

void events_teardown(void)
{
    sut_core_event_counts counts;
    if (h.core && j) {
        memset(j->holds, 0, sizeof(j->holds));
        memset(j->fails, 0, sizeof(j->fails));
        j->full = false;
        for (int i = 0; i < 20; i++) {
            journal_run();
            pass_silently_ms(1000);
        }
        sut_core_get_event_counts(h.core, &counts);
        cr_assert_eq(counts.publishes_pending, 0);
        cr_assert_eq(counts.subscriptions, 0);
    }
    teardown();
    free(j);
    j = NULL;
}

void broker_restarts(const sut_core_event_limits *limits)
{
    const uint64_t now = h.now;
    j->ask_count = 0;
    setup();
    h.now = now;
    start(limits);
    for (uint32_t i = 0; i < j->saved_count; i++)
        cr_assert_eq(sut_core_group_restore(h.core, h.now, sut_str_from(j->saved[i].group),
                                            (sut_str){(const char *)j->saved[i].value, j->saved[i].len}),
                     0);
}

/* ---- peers ---- */

void publish(uint64_t session, uint64_t id, const char *subject, const char *key, const char *body)
{
    peer_says(session, &(sut_envelope){.kind = SUT_PUBLISH,
                                       .id = id,
                                       .subject = sut_str_from(subject),
                                       .key = sut_str_from(key),
                                       .body = sut_str_from(body)});
}

void must_publish(uint64_t session, const char *subject, const char *key, const char *body)
{
    static uint64_t id = 1000;
    publish(session, ++id, subject, key, body);
    journal_run();
    for (;;) { /* the publisher may be a subscriber, too */
        bool found = false;
        for (uint32_t i = 0; i < h.out_count && !found; i++) {
            out *o = &h.outs[i];
            if (o->session == session && !o->taken && o->kind == SUT_PUBLISHED && o->id == id)
                found = o->taken = true;
        }
        cr_assert(found, "%s was not published", subject);
        return;
    }
}

static void put_str(sut_buf *b, const char *key, const char *value)
{
    cr_assert_eq(sut_mp_add_str(b, sut_str_from(key)), 0);
    cr_assert_eq(sut_mp_add_str(b, sut_str_from(value)), 0);
}

static void put_uint(sut_buf *b, const char *key, uint64_t value)
{
    cr_assert_eq(sut_mp_add_str(b, sut_str_from(key)), 0);
    cr_assert_eq(sut_mp_add_uint(b, value), 0);
}

static void put_subjects(sut_buf *b, const char *subjects)
{
    size_t count = 1;
    for (const char *p = subjects; *p; p++)
        count += *p == ' ';
    cr_assert_eq(sut_mp_add_str(b, SUT_STR("subjects")) || sut_mp_add_array(b, count), 0);
    while (*subjects) {
        const size_t len = strcspn(subjects, " ");
        cr_assert_eq(sut_mp_add_str(b, (sut_str){subjects, len}), 0);
        subjects += len + (subjects[len] == ' ');
    }
}

void subscribe(uint64_t session, uint64_t id, const sub_options *o)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    const bool place = o->sequence || o->time_us;
    cr_assert_eq(sut_mp_add_map(&b, (size_t)1 + (o->group != NULL) + (o->start != NULL || place) + (o->key != NULL) +
                                        (o->credits > 0) + (o->ack_wait_ms > 0) + (o->user_id > 0)),
                 0);
    put_subjects(&b, o->subjects);
    if (o->group)
        put_str(&b, "group", o->group);
    if (o->start)
        put_str(&b, "start", o->start);
    if (place) {
        cr_assert_eq(sut_mp_add_str(&b, SUT_STR("start")) || sut_mp_add_map(&b, 1), 0);
        put_uint(&b, o->sequence ? "sequence" : "time", o->sequence ? o->sequence : (uint64_t)o->time_us);
    }
    if (o->key)
        put_str(&b, "key", o->key);
    if (o->credits)
        put_uint(&b, "credits", o->credits);
    if (o->ack_wait_ms)
        put_uint(&b, "ack_wait_ms", o->ack_wait_ms);
    if (o->user_id)
        put_uint(&b, "user_id", (uint64_t)o->user_id);
    peer_says(session, &(sut_envelope){.kind = SUT_SUBSCRIBE, .id = id, .body = {(const char *)b.data, b.len}});
    sut_buf_deinit(&b);
}

void must_subscribe(uint64_t session, uint64_t id, const sub_options *o)
{
    subscribe(session, id, o);
    if (journal_asked(ASK_SAVE) > 0)
        journal_answer(ASK_SAVE);
    const out *reply = must_take(session, SUT_REPLY);
    cr_assert_eq(reply->id, id);
    journal_run();
}

const out *must_get_event(uint64_t session, uint64_t sequence, uint32_t attempt)
{
    const out *o = must_take(session, SUT_DELIVER);
    cr_assert_eq(o->sequence, sequence, "event %llu instead of %llu", (unsigned long long)o->sequence,
                 (unsigned long long)sequence);
    cr_assert_eq(o->attempt, attempt, "attempt %u instead of %u at event %llu", o->attempt, attempt,
                 (unsigned long long)sequence);
    return o;
}

void must_get_gap(uint64_t session, uint64_t from, uint64_t to, const char *reason)
{
    sut_buf b;
    const out *o = must_take(session, SUT_GAP);
    sut_buf_init(&b, 0);
    cr_assert_eq(sut_mp_add_map(&b, 3), 0);
    put_uint(&b, "from", from);
    put_uint(&b, "to", to);
    put_str(&b, "reason", reason);
    cr_assert(b.len == o->raw_len && memcmp(b.data, o->raw, b.len) == 0, "another gap than %llu to %llu, %s",
              (unsigned long long)from, (unsigned long long)to, reason);
    sut_buf_deinit(&b);
}

void peer_acks(uint64_t session, const out *event)
{
    peer_answers(session, SUT_ACK, event, 0, NULL, NULL);
}

void peer_answers(uint64_t session, sut_kind kind, const out *event, uint32_t delay_ms, const char *code,
                  const char *message)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    if (code)
        cr_assert_eq(
            sut_error_body_encode(&b, &(sut_error_body){.code = sut_str_from(code), .message = sut_str_from(message)}),
            0);
    peer_says(session, &(sut_envelope){
                           .kind = (uint8_t)kind,
                           .id = event->id,
                           .opt = {.attempt = event->attempt, .sequence = event->sequence, .retry_after_ms = delay_ms},
                           .body = {(const char *)b.data, b.len}});
    sut_buf_deinit(&b);
}

void peer_acks_up_to(uint64_t session, uint64_t id, uint64_t sequence)
{
    peer_says(session, &(sut_envelope){.kind = SUT_ACK, .id = id, .opt = {.sequence = sequence}});
}

typedef struct wanted {
    const char *name;
    sut_core_group_view view;
} wanted;

static void find_group(const sut_core_group_view *v, void *arg)
{
    wanted *w = arg;
    if (sut_str_is(v->name, w->name))
        w->view = *v;
}

sut_core_group_view group_view(const char *name)
{
    wanted w = {.name = name};
    sut_core_each_group(h.core, find_group, &w);
    return w.view;
}

void must_forget_markers(uint64_t session)
{
    for (uint32_t i = 0; i < h.out_count; i++) {
        if (h.outs[i].session == session && h.outs[i].kind == SUT_MARKER)
            h.outs[i].taken = true;
    }
}

void pass_events_ms(uint64_t ms)
{
    for (; ms > 0; ms -= ms < 10 ? ms : 10) {
        pass_ms(ms < 10 ? ms : 10);
        journal_run();
    }
}
