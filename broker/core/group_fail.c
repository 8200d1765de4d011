/* What did not work: the next attempt after a while, or the dead letters. */
#include "event_state.h"

#include <errno.h>
#include <stdlib.h>

#define BURIES_MAX 64 /* of one group, with the journal at a time */

/* ---- what is remembered of it ---- */

core_trouble *core_trouble_of(sut_core *c, core_group *g, core_entry *entry)
{
    if (entry->trouble)
        return entry->trouble;
    core_trouble *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    core_event_charge_always(c->events, sizeof(*t)); /* one an entry at most, and few have any */
    t->timer.kind = CORE_TIMER_ENTRY;
    t->group = g;
    t->entry = entry;
    entry->trouble = t;
    return t;
}

static size_t text_len(const core_attempt_kept *k)
{
    return k->text ? (size_t)k->consumer_len + k->code_len + k->message_len : 0;
}

static void free_kept(struct core_events *e, core_attempt_kept *k)
{
    core_event_discharge(e, text_len(k));
    free(k->text);
    *k = (core_attempt_kept){0};
}

void core_trouble_free(sut_core *c, core_entry *entry)
{
    core_trouble *t = entry->trouble;
    if (!t)
        return;
    for (uint32_t i = 0; i < t->count; i++)
        free_kept(c->events, &t->kept[i]);
    if (t->forget)
        core_op_free(c->events, t->forget);
    core_wheel_cancel(&c->wheel, &t->timer);
    sut_node_unlink(&t->node);
    core_event_discharge(c->events, sizeof(*t));
    free(t);
    entry->trouble = NULL;
}

/* At most CORE_ATTEMPT_TEXT bytes of a consumer's words, cut where a character ends. */
static size_t bounded(sut_str s, size_t max)
{
    size_t len = s.len < max ? s.len : max;
    while (len < s.len && len > 0 && ((uint8_t)s.ptr[len] & 0xc0) == 0x80)
        len--;
    return len;
}

void core_trouble_note(sut_core *c, core_trouble *t, uint32_t attempt, int64_t time_us, sut_str consumer, sut_str code,
                       sut_str message)
{
    if (t->count == CORE_ATTEMPTS_KEPT) {
        free_kept(c->events, &t->kept[0]);
        memmove(&t->kept[0], &t->kept[1], sizeof(t->kept[0]) * (CORE_ATTEMPTS_KEPT - 1));
        t->count--;
    }
    core_attempt_kept *k = &t->kept[t->count++];
    *k = (core_attempt_kept){.attempt = attempt, .time_us = time_us};
    const size_t consumer_len = bounded(consumer, CORE_NAME_MAX), code_len = bounded(code, CORE_NAME_MAX);
    const size_t message_len = bounded(message, CORE_ATTEMPT_TEXT - code_len);
    const size_t len = consumer_len + code_len + message_len;
    if (len == 0 || !core_event_charge(c->events, len))
        return;
    k->text = malloc(len);
    if (!k->text) {
        core_event_discharge(c->events, len);
        return;
    }
    k->consumer_len = (uint16_t)consumer_len;
    k->code_len = (uint16_t)code_len;
    k->message_len = (uint16_t)message_len;
    if (consumer_len > 0)
        memcpy(k->text, consumer.ptr, consumer_len);
    if (code_len > 0)
        memcpy(k->text + consumer_len, code.ptr, code_len);
    if (message_len > 0)
        memcpy(k->text + consumer_len + code_len, message.ptr, message_len);
}

/* ---- the next attempt ---- */

/* min · 2^(n-1), at most max, then somewhere between half of it and all of it. */
static uint64_t backoff_ns(sut_core *c, uint32_t attempt)
{
    const sut_core_event_limits *l = &c->events->limits;
    uint64_t ms = l->backoff_min_ms;
    for (uint32_t i = 1; i < attempt && ms < l->backoff_max_ms; i++)
        ms *= 2;
    if (ms > l->backoff_max_ms)
        ms = l->backoff_max_ms;
    const uint64_t half = ms * SUT_NS_PER_MS / 2;
    return half + (half ? c->events->ops.random(c->app) % (half + 1) : 0);
}

static void wait(sut_core *c, core_group *g, core_entry *entry, uint64_t ns)
{
    entry->state = CORE_ENTRY_WAITING;
    g->waiting++;
    core_wheel_arm(&c->wheel, &entry->trouble->timer, c->now_ns + ns);
}

void core_entry_again(sut_core *c, core_trouble *t)
{
    core_entry_unlist(c, t->group, t->entry);
    core_entry_ready(c, t->group, t->entry, true);
}

void core_entry_failed(sut_core *c, core_group *g, core_entry *entry, const core_fault *f)
{
    core_subscription *sub = entry->member;
    core_trouble *t = core_trouble_of(c, g, entry);
    core_tell_delivery(c, f->outcome, g, sub, entry, NULL);
    if (c->watched & SUT_SIGHT_DELIVERY)
        core_see_delivery(c, g, entry, f->by_consumer ? f->code : sut_str_from(f->outcome));
    if (t)
        core_trouble_note(c, t, entry->attempt, c->events->ops.wall_us(c->app), sut_str_from(sub->session->name),
                          f->code, f->message);
    core_entry_take_back(c, g, entry);
    core_group_dirty(c, g);
    const uint32_t tries = entry->attempt - (t ? t->first_attempt : 0);
    if (f->never_again) {
        core_entry_die(c, g, entry);
    } else if (f->at_once || !t || tries >= c->events->limits.max_deliveries) {
        core_entry_ready(c, g, entry, f->at_once);
    } else {
        const uint32_t ms = f->delay_ms < CORE_DELAY_MAX_MS ? f->delay_ms : CORE_DELAY_MAX_MS;
        wait(c, g, entry, ms ? ms * SUT_NS_PER_MS : backoff_ns(c, tries));
    }
}

/* ---- dead letters ---- */

static sut_status bury(sut_core *c, core_group *g, core_entry *entry)
{
    struct core_events *e = c->events;
    sut_core_attempt attempts[CORE_ATTEMPTS_KEPT];
    const core_trouble *t = entry->trouble;
    const size_t count = t ? t->count : 0;
    for (size_t i = 0; i < count; i++) {
        const core_attempt_kept *k = &t->kept[i];
        const char *text = k->text ? k->text : "";
        attempts[i] = (sut_core_attempt){.attempt = k->attempt,
                                         .time_us = k->time_us,
                                         .consumer = {text, k->consumer_len},
                                         .code = {text + k->consumer_len, k->code_len},
                                         .message = {text + k->consumer_len + k->code_len, k->message_len}};
    }
    core_op *op = core_op_new(e, CORE_OP_BURY, &g->ops);
    if (!op)
        return -ENOMEM;
    op->group = g;
    op->entry = entry;
    op->in_redrive = t && t->dead_id != 0;
    sut_stored_event event = entry->copy->event;
    event.replayed |= g->replay.on; /* history that died is still history when it is redriven */
    const sut_core_dead dead = {.dead_id = t ? t->dead_id : 0,
                                .group = core_group_name(g),
                                .generation = g->generation,
                                .event = &event,
                                .attempts = attempts,
                                .attempt_count = count};
    sut_status st = e->ops.bury(c->app, op->tag, &dead);
    if (st)
        core_op_free(e, op);
    return st;
}

/* The event stays, and its key with it: a dead letter that is not on disk would be lost. */
static void bury_later(sut_core *c, core_group *g)
{
    g->bury_ns = c->now_ns + CORE_AGAIN_MS * SUT_NS_PER_MS;
    core_group_later(c, g, CORE_AGAIN_MS);
}

void core_group_bury(sut_core *c, core_group *g)
{
    if (c->now_ns < g->bury_ns) { /* woken for something else meanwhile, perhaps by the timer that was to wake us */
        if (!sut_list_empty(&g->dying))
            core_group_later(c, g, CORE_AGAIN_MS);
        return;
    }
    while (!sut_list_empty(&g->dying) && g->burying_count < BURIES_MAX) {
        core_entry *entry = SUT_CONTAINER(g->dying.next, core_entry, node);
        if (!entry->copy) /* it is read first */
            return;
        if (bury(c, g, entry)) {
            bury_later(c, g);
            return;
        }
        c->events->buries++;
        sut_node_unlink(&entry->node);
        sut_list_push_back(&g->burying, &entry->node);
        entry->burying = true;
        g->burying_count++;
    }
}

static void buried(sut_core *c, core_group *g, core_entry *entry, sut_status status)
{
    g->burying_count--;
    entry->burying = false;
    sut_node_unlink(&entry->node);
    if (status < 0) {
        sut_list_push_front(&g->dying, &entry->node);
        bury_later(c, g);
        core_group_wake(c, g);
        return;
    }
    g->dead_total++;
    core_tell_delivery(c, "dead", g, NULL, entry, NULL);
    core_entry_unlist(c, g, entry);
    core_entry_done(c, g, entry);
}

void sut_core_buried(sut_core *c, uint64_t now_ns, uint64_t tag, sut_status status, uint64_t dead_id)
{
    struct core_events *e = c->events;
    (void)dead_id;
    core_set_now(c, now_ns);
    core_op *op = e ? core_op_take(e, tag, CORE_OP_BURY, CORE_OP_BURY) : NULL;
    if (!op)
        return;
    e->buries--;
    if (op->group)
        buried(c, op->group, op->entry, status);
    free(op);
    core_groups_pump(c);
}

/* ---- a redriven one that was acknowledged is no dead letter any more ---- */

void core_group_forget(sut_core *c, core_group *g)
{
    while (!sut_list_empty(&g->forgets)) {
        core_op *op = SUT_CONTAINER(g->forgets.next, core_op, node);
        if (c->events->ops.forget(c->app, op->tag, op->dead_id)) {
            core_group_later(c, g, CORE_AGAIN_MS);
            return;
        }
        sut_node_unlink(&op->node);
        sut_list_push_back(&g->ops, &op->node);
    }
}
