/* The journal of this world: the truth about what is kept. It takes what is asked of it or says -EAGAIN, and answers in
 * any order (publishes in theirs), sometimes with an error; when it is full it takes nothing but reads. */
#include "events.h"

#include <errno.h>
#include <stdlib.h>

/* ---- what is asked ---- */

static ev_ask *new_ask(ev_world *w, ev_ask_kind kind, uint64_t tag)
{
    if (w->ask_count == EV_ASKS || (!w->calm && ev_draw(w, 20) == 0)) {
        ev_saw(w, SIM_PATH_JOURNAL_BUSY);
        return NULL;
    }
    ev_ask *a = w->spare ? w->spare : malloc(sizeof(*a));
    w->spare = NULL;
    if (!a)
        abort();
    memset(a, 0, offsetof(ev_ask, value));
    a->kind = kind;
    a->tag = tag;
    w->asks[w->ask_count++] = a;
    return a;
}

static void free_ask(ev_world *w, ev_ask *a)
{
    if (w->spare)
        free(a);
    else
        w->spare = a;
}

static void on_event(void *app, sut_str subject, sut_core_event_desc *out)
{
    (void)app, (void)subject;
    *out = (sut_core_event_desc){.known = true, .open = true};
}

static int64_t on_wall_us(void *app)
{
    return ev_now_us(app);
}

static uint64_t on_random(void *app)
{
    return sut_prng(&((ev_world *)app)->random);
}

static sut_status on_publish(void *app, uint64_t tag, const sut_stored_event *events, size_t count)
{
    ev_world *w = app;
    ev_ask *a = count <= EV_BATCH ? new_ask(w, ASK_PUBLISH, tag) : NULL;
    if (!a)
        return -EAGAIN;
    a->count = (uint32_t)count;
    a->due_us = events->not_before_us;
    a->number = events->number;
    a->epoch = events->epoch;
    for (size_t i = 0; i < count; i++) {
        uint32_t uid;
        memcpy(&uid, events[i].id, sizeof(uid));
        a->events[i] = w->made[uid];
        if (events[i].principal.user_id != w->made[uid].user)
            ev_broke(w, "an event lost its principal", 0, uid);
    }
    return 0;
}

static uint32_t patterns_of(const sut_str *patterns, size_t count)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < count; i++) {
        for (uint32_t s = 0; s < SUT_ARRAY_LEN(ev_subjects); s++)
            bits |= (uint32_t)sut_subject_match(patterns[i], sut_str_from(ev_subjects[s])) << s;
    }
    return bits;
}

static sut_status on_read(void *app, uint64_t tag, const sut_core_read *r)
{
    ev_world *w = app;
    ev_ask *a = new_ask(w, ASK_READ, tag);
    if (!a)
        return -EAGAIN;
    a->from = r->from;
    a->from_time_us = r->from_time_us;
    a->max_events = r->max_events;
    a->patterns = patterns_of(r->patterns, r->pattern_count);
    return 0;
}

uint32_t ev_group_of(sut_str name)
{
    for (uint32_t g = 0; g < EV_GROUPS; g++) {
        if (sut_str_is(name, ev_groups[g]))
            return g;
    }
    abort();
}

static sut_status on_save(void *app, uint64_t tag, sut_str group, sut_str value)
{
    ev_world *w = app;
    ev_ask *a = value.len <= sizeof(a->value) ? new_ask(w, ASK_SAVE, tag) : NULL;
    if (!a)
        return -EAGAIN;
    a->group = ev_group_of(group);
    a->erases = !value.ptr;
    a->value_len = value.len;
    if (a->erases)
        return 0;
    memcpy(a->value, value.ptr, value.len);
    ev_group_sync(w, a->group);
    a->stand = w->groups[a->group].now;
    return 0;
}

static sut_status on_bury(void *app, uint64_t tag, const sut_core_dead *d)
{
    ev_world *w = app;
    ev_ask *a = new_ask(w, ASK_BURY, tag);
    if (!a)
        return -EAGAIN;
    a->group = ev_group_of(d->group);
    a->sequence = d->event->sequence;
    a->dead_id = d->dead_id;
    ev_group_sync(w, a->group);
    a->attempts = d->attempt_count ? d->attempts[d->attempt_count - 1].attempt : 0;
    if (d->event->replayed != w->groups[a->group].now.replaying)
        ev_broke(w, "a dead letter lost the mark of a replay", a->group, a->sequence);
    return 0;
}

static sut_status on_forget(void *app, uint64_t tag, uint64_t dead_id)
{
    ev_ask *a = new_ask(app, ASK_FORGET, tag);
    if (!a)
        return -EAGAIN;
    a->dead_id = dead_id;
    return 0;
}

static void on_delivery(void *app, const char *outcome, sut_str group, sut_str name, const sut_stored_event *event,
                        uint32_t attempt, uint64_t took_ns)
{
    (void)name, (void)took_ns;
    ev_group_outcome(app, outcome, ev_group_of(group), event->sequence, attempt);
}

const sut_core_event_ops ev_ops = {.event = on_event,
                                   .wall_us = on_wall_us,
                                   .random = on_random,
                                   .publish = on_publish,
                                   .read = on_read,
                                   .save = on_save,
                                   .bury = on_bury,
                                   .forget = on_forget,
                                   .delivery = on_delivery};

/* ---- what it does ---- */

sut_stored_event ev_stored(const ev_world *w, uint64_t sequence)
{
    static const char keys[] = "abcdefgh";
    const ev_event *e = &w->log[sequence];
    sut_stored_event out = {.sequence = sequence,
                            .time_us = e->time_us,
                            .subject = sut_str_from(ev_subjects[e->subject]),
                            .key = e->key ? (sut_str){keys + e->key, 1} : SUT_STR_NONE,
                            .principal = {.user_id = e->user, .level = e->user ? 1 : 0},
                            .publisher = SUT_STR("pub"),
                            .body = SUT_STR("0123456789012345678901234567890123456789")};
    memcpy(out.id, &e->uid, sizeof(e->uid));
    return out;
}

static uint64_t append(ev_world *w, const ev_event *e)
{
    const uint64_t sequence = w->next++;
    w->log[sequence] = *e;
    w->log[sequence].time_us = ev_now_us(w);
    w->sequence_of[e->uid] = sequence;
    w->delayed[e->uid] = false;
    return sequence;
}

typedef struct publish_done {
    int err;
    struct sut_core_position positions[EV_BATCH];
} publish_done;

static int source_fault(ev_world *w, const ev_ask *a)
{
    if (a->epoch < w->source_epoch)
        return SUT_ERR_FENCED;
    w->source_epoch = a->epoch;
    if (a->number > w->source_number + 1)
        return SUT_ERR_SOURCE_GAP;
    return 0;
}

static bool has_room(const ev_world *w, const ev_ask *a)
{
    return !w->full && w->next + a->count + w->later_count < EV_LOG && w->later_count < EV_DELAYED - EV_BATCH;
}

static void do_publish(ev_world *w, const ev_ask *a, publish_done *out)
{
    *out = (publish_done){.err = a->number ? source_fault(w, a) : 0};
    if (out->err)
        return;
    if (!has_room(w, a)) {
        out->err = SUT_ERR_STORAGE_FULL;
        ev_saw(w, SIM_PATH_STORAGE_FULL);
        return;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        const ev_event *e = &a->events[i];
        struct sut_core_position *p = &out->positions[i];
        const bool seen = w->sequence_of[e->uid] || w->delayed[e->uid] || (a->number && a->number <= w->source_number);
        p->dedup = a->number ? SUT_DEDUP_SOURCE : SUT_DEDUP_WINDOW;
        p->duplicate = seen;
        if (seen) {
            p->sequence = w->sequence_of[e->uid];
            ev_saw(w, a->number ? SIM_PATH_SOURCE_DUPLICATE : SIM_PATH_DUPLICATE);
        } else if (a->due_us > ev_now_us(w)) {
            w->later[w->later_count].event = *e;
            w->later[w->later_count++].due_us = a->due_us;
            w->delayed[e->uid] = true;
            ev_saw(w, SIM_PATH_DELAYED);
        } else {
            p->sequence = append(w, e);
        }
    }
    if (a->number > w->source_number)
        w->source_number = a->number;
}

static void do_save(ev_world *w, const ev_ask *a)
{
    ev_group *g = &w->groups[a->group];
    g->value_len = a->value_len;
    if (a->erases) {
        g->durable = (ev_stand){0};
        return;
    }
    memcpy(g->value, a->value, a->value_len);
    g->durable = a->stand;
}

ev_letter *ev_letter_find(ev_world *w, uint64_t id)
{
    for (uint32_t i = 0; i < EV_LETTERS; i++) {
        if (w->letters[i].id == id)
            return &w->letters[i];
    }
    return NULL;
}

static void do_bury(ev_world *w, const ev_ask *a)
{
    ev_letter *l = ev_letter_find(w, a->dead_id); /* 0: a free one */
    const uint64_t id = a->dead_id ? a->dead_id : ++w->next_letter;
    if (!l) /* no room: as if it were dropped at once */
        return;
    *l = (ev_letter){.id = id, .group = a->group, .sequence = a->sequence, .attempts = a->attempts};
}

static void do_forget(ev_world *w, const ev_ask *a)
{
    ev_letter *l = ev_letter_find(w, a->dead_id);
    if (l)
        *l = (ev_letter){0};
}

/* ---- what it answers ---- */

void ev_journal_tell(ev_world *w)
{
    static sut_stored_event events[EV_LOG];
    size_t count = 0;
    for (uint64_t s = w->told_next; s < w->next; s++)
        events[count++] = ev_stored(w, s);
    w->told_next = w->next;
    if (count > 0)
        sut_core_appended(w->core, w->now, events, count, w->next);
    if (w->told_oldest == w->oldest)
        return;
    w->told_oldest = w->oldest;
    sut_core_retained(w->core, w->now, w->oldest);
}

static void answer_publish(ev_world *w, const ev_ask *a)
{
    publish_done done;
    do_publish(w, a, &done);
    const sut_core_publish_answer answer = {
        .err = done.err, .positions = done.positions, .count = done.err ? 0 : a->count};
    sut_core_published(w->core, w->now, a->tag, &answer);
    if (w->calm || ev_draw(w, 4))
        ev_journal_tell(w);
    else
        ev_saw(w, SIM_PATH_TOLD_LATE);
}

static void answer_read(ev_world *w, const ev_ask *a, sut_status st)
{
    static sut_stored_event found[EV_LOG];
    size_t count = 0;
    uint64_t s = a->from < w->oldest ? w->oldest : a->from;
    if (a->from_time_us)
        for (s = w->oldest; s < w->next && w->log[s].time_us < a->from_time_us; s++)
            continue;
    for (; s < w->next && count < a->max_events; s++) {
        if (a->patterns >> w->log[s].subject & 1)
            found[count++] = ev_stored(w, s);
    }
    if (s > w->told_next)
        ev_saw(w, SIM_PATH_READ_AHEAD);
    sut_core_read_done(w->core, w->now, a->tag, st, found, st ? 0 : count, s, w->oldest);
}

static void answer(ev_world *w, const ev_ask *a)
{
    sut_status st = !w->calm && ev_draw(w, 12) == 0 ? -EIO : 0;
    if (w->full && a->kind != ASK_READ)
        st = -ENOSPC;
    if (a->kind == ASK_BURY && st)
        ev_saw(w, SIM_PATH_BURY_FAILED);
    switch (a->kind) {
    case ASK_PUBLISH: answer_publish(w, a); break;
    case ASK_READ: answer_read(w, a, st); break;
    case ASK_SAVE:
        if (!st)
            do_save(w, a);
        sut_core_saved(w->core, w->now, a->tag, st);
        break;
    case ASK_BURY:
        if (!st)
            do_bury(w, a);
        sut_core_buried(w->core, w->now, a->tag, st, a->dead_id);
        break;
    case ASK_FORGET:
        if (!st)
            do_forget(w, a);
        sut_core_saved(w->core, w->now, a->tag, st);
        break;
    }
}

static ev_ask *take_ask(ev_world *w, uint32_t i)
{
    ev_ask *a = w->asks[i];
    memmove(&w->asks[i], &w->asks[i + 1], sizeof(ev_ask *) * (w->ask_count - i - 1));
    w->ask_count--;
    return a;
}

/* Publishes in order, and so what is written of one group; the rest in any. */
static bool waits_for(const ev_ask *later, const ev_ask *before)
{
    if (later->kind == ASK_PUBLISH || before->kind == ASK_PUBLISH)
        return later->kind == before->kind;
    return later->kind == ASK_SAVE && before->kind == ASK_SAVE && later->group == before->group;
}

void ev_journal_answer(ev_world *w)
{
    if (w->ask_count == 0)
        return;
    uint32_t i = (uint32_t)ev_draw(w, w->ask_count);
    for (uint32_t k = 0; k < i; k++) {
        if (waits_for(w->asks[i], w->asks[k]))
            i = k;
    }
    ev_ask *a = take_ask(w, i);
    answer(w, a);
    free_ask(w, a);
}

void ev_journal_crash(ev_world *w)
{
    publish_done done;
    uint64_t count = ev_draw(w, w->ask_count + 1u);
    while (w->ask_count > 0) {
        ev_ask *a = take_ask(w, 0);
        const bool written = count > 0 && !w->full;
        count -= count > 0;
        if (written && a->kind == ASK_PUBLISH)
            do_publish(w, a, &done);
        else if (written && a->kind == ASK_SAVE)
            do_save(w, a);
        else if (written && a->kind == ASK_BURY)
            do_bury(w, a);
        else if (written && a->kind == ASK_FORGET)
            do_forget(w, a);
        free_ask(w, a);
    }
}

void ev_journal_retain(ev_world *w)
{
    const uint64_t to = w->oldest + ev_draw(w, 30);
    w->oldest = to < w->next ? to : w->next;
    ev_saw(w, SIM_PATH_RETAINED);
    if (ev_draw(w, 2))
        ev_journal_tell(w);
}

void ev_journal_due(ev_world *w)
{
    uint32_t kept = 0;
    if (w->full)
        return;
    for (uint32_t i = 0; i < w->later_count; i++) {
        if (w->later[i].due_us <= ev_now_us(w))
            (void)append(w, &w->later[i].event);
        else
            w->later[kept++] = w->later[i];
    }
    const bool any = kept < w->later_count;
    w->later_count = kept;
    if (any)
        ev_journal_tell(w);
}

void ev_journal_free(ev_world *w)
{
    while (w->ask_count > 0)
        free(w->asks[--w->ask_count]);
    free(w->spare);
}
