/* Consumers: one subscription a group, a fiber a delivery.
 *
 * A delivery that finds the database away is not tried: each try counts, and after the last one the event is a dead
 * letter. It waits, and tells the broker so, until the database is back. */
#include "consume.h"

#include "dispatch.h"
#include "pg_port.h"
#include "runtime.h"
#include "sut.h"

#include "base/clock.h"
#include "base/health.h"
#include "base/log.h"
#include "wire/msgpack.h"
#include "wire/span.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define S_NS           "kit:event"
#define S_SUBJECTS_MAX 64 /* of a group */

typedef struct s_group {
    sut_runtime *rt;
    const char *name;
    const sut_consumer_entry *entries; /* sorted by subject */
    size_t count;
    uint32_t ack_wait_ms;
    sut_subscription *subscription;
    bool up;
    size_t running;
    sut_metric taken, failed, unreadable;
    char labels[96];
} s_group;

struct sut_consumers {
    sut_delivery_port port;
    s_group *groups;
    size_t count;
    size_t to_pause;
    void (*paused)(void *arg);
    void *paused_arg;
};

static const sut_delivery_port *s_port(const sut_runtime *rt)
{
    return &rt->consumers->port;
}

/* ---- what a handler sees ---- */

const sut_request_event *sut_request_delivery(const sut_request *rq)
{
    return rq->consuming ? &rq->consuming->event : NULL;
}

void sut_request_progress(sut_request *rq)
{
    sut_consuming *c = rq->consuming;
    if (!c || rq->expired)
        return;
    if (c->delivery)
        s_port(rq->runtime)->progress(c->delivery);
    rq->deadline_ns = sut_now_ns() + c->ack_wait_ms * SUT_NS_PER_MS;
    sut_timer_stop(&rq->timer); /* the next park starts it anew */
}

sut_status sut_consume_event(sut_request *rq, sut_str body)
{
    sut_consuming *c = rq->consuming;
    const sut_record *record = c->entry->consumer->event->body;
    void *event = sut_request_alloc(rq, record->size + 1);
    if (!event)
        return sut_fail_internal(rq, "no memory for the event");
    sut_status st = sut_record_decode(record, body, SUT_UNKNOWN_IGNORE, rq->arena, event, &rq->error.fields);
    if (st == SUT_RECORD_INVALID) {
        c->unreadable = true;
        return SUT_ERR_INVALID;
    }
    if (!st)
        st = c->entry->take(rq, event);
    return rq->faulty && st >= 0 ? SUT_ERR_INTERNAL : st;
}

/* ---- the fiber of a delivery ---- */

static sut_status s_wait_for_database(sut_request *rq)
{
    sut_runtime *rt = rq->runtime;
    uint32_t wait_ms = rq->consuming->ack_wait_ms / 3;
    if (wait_ms > SUT_RETRY_SOON_MS)
        wait_ms = SUT_RETRY_SOON_MS;
    while (rt->pg && rt->pg->shared_ready == 0) {
        if (rt->draining || s_port(rt)->stale(rq->consuming->delivery))
            return sut_pg_say_away(rq);
        sut_status st = sut_request_sleep_ms(rq, wait_ms);
        if (st)
            return st;
        sut_request_progress(rq);
    }
    return 0;
}

/* The words for the dead letter. */
static void s_describe(sut_request *rq, sut_status st, sut_str *code, sut_str *message)
{
    sut_error_body body;
    sut_reply_error_body(rq, st, &body);
    *code = body.code;
    *message = body.message;
    if (body.error_count)
        *message = sut_request_printf(rq, "%.*s: %.*s", SUT_STR_FMT(body.errors[0].pointer),
                                      SUT_STR_FMT(body.errors[0].message));
}

static void s_answer(s_group *g, sut_request *rq, sut_status st)
{
    sut_consuming *c = rq->consuming;
    sut_delivery *d = c->delivery;
    uint64_t took_us = (sut_now_ns() - rq->started_ns) / SUT_NS_PER_US;
    c->delivery = NULL;
    if (!st) {
        sut_metric_add(&g->taken, 1);
        sut_log(SUT_DEBUG, S_NS, "event.taken", SUT_KV("group", g->name), SUT_KV("subject", rq->name),
                SUT_KV_U("sequence", c->event.sequence), SUT_KV_U("us", took_us));
        s_port(g->rt)->ack(d);
        return;
    }
    sut_str code, message;
    uint32_t delay_ms = rq->error.retry_after_ms;
    s_describe(rq, st, &code, &message);
    sut_metric_add(c->unreadable ? &g->unreadable : &g->failed, 1);
    sut_log(SUT_WARN, "kit", "event.failed", SUT_KV("group", g->name), SUT_KV("subject", rq->name),
            SUT_KV_U("sequence", c->event.sequence), SUT_KV_U("attempt", c->event.attempt), SUT_KV_S("code", code),
            SUT_KV_U("us", took_us));
    if (c->unreadable)
        s_port(g->rt)->term(d, code, message);
    else
        s_port(g->rt)->nack(d, delay_ms, code, message);
}

static sut_status s_serve(sut_request *rq, void *arg)
{
    s_group *g = arg;
    sut_status st = s_wait_for_database(rq);
    if (!st)
        st = sut_consume_event(rq, s_port(rq->runtime)->envelope(rq->consuming->delivery)->body);
    s_answer(g, rq, st);
    g->running--;
    return st;
}

static const sut_consumer_entry *s_find(const s_group *g, sut_str subject)
{
    for (size_t i = 0; i < g->count; i++)
        if (sut_str_is(subject, g->entries[i].consumer->event->subject))
            return &g->entries[i];
    return NULL;
}

/* What is done for a delivery is the delivery's child, not the child of whatever caused the event. */
static void s_enter_span(const s_group *g, sut_request *rq, const sut_envelope *env)
{
    char span[SUT_SPAN_ID_LEN + 1];
    if (env->opt.event_id.len != SUT_EVENT_ID_LEN)
        return;
    sut_span_of_delivery((const uint8_t *)env->opt.event_id.ptr, sut_str_from(g->name),
                         env->opt.attempt ? env->opt.attempt : 1, span);
    sut_traceparent_set_span(rq->traceparent, span);
}

static sut_status s_begin(s_group *g, sut_request *rq, sut_delivery *d, const sut_consumer_entry *entry)
{
    const sut_envelope *env = s_port(g->rt)->envelope(d);
    sut_request_begin(rq, entry->consumer->event->subject, sut_now_ns() + g->ack_wait_ms * SUT_NS_PER_MS,
                      env->traceparent);
    s_enter_span(g, rq, env);
    sut_consuming *c = SUT_REQUEST_NEW(rq, sut_consuming);
    if (!c || env->opt.event_id.len != SUT_EVENT_ID_LEN)
        return -ENOMEM;
    *c = (sut_consuming){.entry = entry,
                         .delivery = d,
                         .event = {.event = entry->consumer->event,
                                   .group = g->name,
                                   .sequence = env->opt.sequence,
                                   .published_us = env->opt.published_at,
                                   .attempt = env->opt.attempt ? env->opt.attempt : 1,
                                   .generation = env->opt.generation,
                                   .replayed = env->opt.replayed != 0},
                         .ack_wait_ms = g->ack_wait_ms};
    memcpy(c->event.id, env->opt.event_id.ptr, sizeof(c->event.id));
    rq->principal = env->principal;
    rq->attempt = c->event.attempt;
    rq->consuming = c;
    return 0;
}

static void s_on_event(void *arg, sut_delivery *d)
{
    s_group *g = arg;
    sut_runtime *rt = g->rt;
    sut_request *rq = NULL;
    const sut_consumer_entry *entry = s_find(g, s_port(rt)->envelope(d)->subject);
    if (!entry) { /* subscribed by an instance of another build: that one may take it */
        s_port(rt)->nack(d, SUT_RETRY_SOON_MS, SUT_STR("no_such_event"), SUT_STR("This build does not consume it."));
        return;
    }
    if (sut_runtime_acquire(rt, &rq)) {
        s_port(rt)->nack(d, SUT_RETRY_SOON_MS, SUT_STR("overloaded"), SUT_STR("No memory."));
        return;
    }
    if (s_begin(g, rq, d, entry)) {
        sut_runtime_release(rt, rq);
        s_port(rt)->nack(d, SUT_RETRY_SOON_MS, SUT_STR("internal"), SUT_STR("The delivery cannot be taken."));
        return;
    }
    g->running++;
    sut_runtime_launch(rt, rq, s_serve, g);
}

/* ---- subscriptions ---- */

static void s_on_notice(void *arg, const sut_sub_notice *n)
{
    s_group *g = arg;
    char name[48];
    snprintf(name, sizeof(name), "group:%s", g->name);
    g->up = n->news == SUT_SUB_UP || (g->up && n->news != SUT_SUB_DOWN && n->news != SUT_SUB_REFUSED);
    switch (n->news) {
    case SUT_SUB_UP: sut_health_set(name, false, SUT_HEALTH_UP, NULL); break;
    case SUT_SUB_DOWN: sut_health_set(name, false, SUT_HEALTH_DOWN, "no session with the broker"); break;
    case SUT_SUB_REFUSED: {
        char why[128];
        snprintf(why, sizeof(why), "the broker refuses the subscription: %.*s", SUT_STR_FMT(n->text));
        sut_health_set(name, false, SUT_HEALTH_DOWN, why);
        sut_log(SUT_ERROR, "kit", "group.refused", SUT_KV("group", g->name), SUT_KV_S("detail", n->text));
        break;
    }
    case SUT_SUB_GAP:
        sut_log(SUT_ERROR, "kit", "group.gap", SUT_KV("group", g->name), SUT_KV_U("from", n->from),
                SUT_KV_U("to", n->to), SUT_KV_S("detail", n->text));
        break;
    case SUT_SUB_MARKER: break;
    }
}

static void s_make_metrics(s_group *g)
{
    snprintf(g->labels, sizeof(g->labels), "group=\"%s\"", g->name);
    g->taken = (sut_metric){.name = "sut_actor_events_total",
                            .help = "Events that this actor has taken.",
                            .labels = g->labels,
                            .kind = SUT_COUNTER};
    g->failed = (sut_metric){.name = "sut_actor_event_failures_total",
                             .help = "Deliveries that failed and come again.",
                             .labels = g->labels,
                             .kind = SUT_COUNTER};
    g->unreadable = (sut_metric){.name = "sut_actor_events_unreadable_total",
                                 .help = "Events that break their schema here: dead letters at once.",
                                 .labels = g->labels,
                                 .kind = SUT_COUNTER};
    sut_metric_register(&g->taken);
    sut_metric_register(&g->failed);
    sut_metric_register(&g->unreadable);
}

static sut_status s_subscribe(s_group *g)
{
    const char *subjects[S_SUBJECTS_MAX];
    if (g->count > SUT_ARRAY_LEN(subjects))
        return SUT_TRACE(-ENOSPC, "a group of too many subjects");
    for (size_t i = 0; i < g->count; i++)
        subjects[i] = g->entries[i].consumer->event->subject;
    const sut_subscribe options = {.subjects = subjects,
                                   .subject_count = g->count,
                                   .group = g->name,
                                   .credits = (uint32_t)g->rt->settings.event_credits,
                                   .start = SUT_START_BEGINNING,
                                   .ack_wait_ms = g->ack_wait_ms,
                                   .on_event = s_on_event,
                                   .on_notice = s_on_notice,
                                   .arg = g};
    const sut_delivery_port *port = s_port(g->rt);
    return port->subscribe(port->bus, &options, &g->subscription);
}

/* The entries are sorted by group, then subject. */
static void s_make_groups(sut_runtime *rt, struct sut_consumers *all)
{
    const sut_consumer_entry *entries = rt->opt->consumers;
    s_group *g = NULL;
    for (size_t i = 0; i < rt->opt->consumer_count; i++) {
        const sut_consumer *c = entries[i].consumer;
        if (!g || strcmp(entries[i - 1].consumer->group, c->group) != 0) {
            g = &all->groups[all->count++];
            *g = (s_group){.rt = rt, .name = c->group, .entries = &entries[i]};
            s_make_metrics(g);
        }
        g->count++;
        if (c->ack_wait_ms > g->ack_wait_ms)
            g->ack_wait_ms = c->ack_wait_ms;
    }
}

sut_status sut_consumers_start(sut_runtime *rt, const sut_delivery_port *port)
{
    if (rt->opt->consumer_count == 0 || rt->consumers)
        return 0;
    rt->consumers = calloc(1, sizeof(*rt->consumers));
    if (rt->consumers)
        rt->consumers->groups = calloc(rt->opt->consumer_count, sizeof(s_group)); /* never freed: it holds metrics */
    if (!rt->consumers || !rt->consumers->groups)
        return SUT_TRACE(-ENOMEM, "consumers");
    rt->consumers->port = *port;
    s_make_groups(rt, rt->consumers);
    sut_status st = 0;
    for (size_t i = 0; !st && i < rt->consumers->count; i++)
        st = s_subscribe(&rt->consumers->groups[i]);
    return st;
}

static void s_on_paused(void *arg)
{
    struct sut_consumers *all = arg;
    if (--all->to_pause == 0)
        all->paused(all->paused_arg);
}

void sut_consumers_pause(sut_runtime *rt, void (*done)(void *arg), void *arg)
{
    struct sut_consumers *all = rt->consumers;
    if (!all) {
        done(arg);
        return;
    }
    all->paused = done;
    all->paused_arg = arg;
    all->to_pause = 1;
    for (size_t i = 0; i < all->count; i++) {
        if (!all->groups[i].subscription)
            continue;
        all->to_pause++;
        all->port.pause(all->groups[i].subscription, s_on_paused, all);
    }
    s_on_paused(all);
}

void sut_consumers_free(sut_runtime *rt)
{
    struct sut_consumers *all = rt->consumers;
    for (size_t i = 0; all && i < all->count; i++)
        if (all->groups[i].subscription)
            all->groups[i].subscription = all->port.end(all->groups[i].subscription);
    free(all);
    rt->consumers = NULL;
}

/* ---- libsut as the port ---- */

static sut_status s_open(void *bus, const sut_subscribe *opt, sut_subscription **out)
{
    return sut_subscribe_start(bus, opt, out);
}

sut_delivery_port sut_delivery_port_of(sut_client *client)
{
    return (sut_delivery_port){.subscribe = s_open,
                               .end = sut_subscribe_end,
                               .pause = sut_subscribe_pause,
                               .envelope = sut_delivery_envelope,
                               .ack = sut_ack,
                               .nack = sut_nack,
                               .term = sut_term,
                               .progress = sut_delivery_progress,
                               .stale = sut_delivery_stale,
                               .bus = client};
}

/* ---- health ---- */

static sut_status s_describe_group(const s_group *g, sut_buf *out)
{
    const struct {
        const char *key;
        int64_t value;
    } numbers[] = {{"subjects", (int64_t)g->count},
                   {"taken", sut_metric_get(&g->taken)},
                   {"failed", sut_metric_get(&g->failed)},
                   {"unreadable", sut_metric_get(&g->unreadable)},
                   {"running", (int64_t)g->running}};
    sut_status st = sut_mp_add_map(out, 2 + SUT_ARRAY_LEN(numbers));
    if (!st)
        st = sut_mp_add_str(out, SUT_STR("group"));
    if (!st)
        st = sut_mp_add_str(out, sut_str_from(g->name));
    if (!st)
        st = sut_mp_add_str(out, SUT_STR("up"));
    if (!st)
        st = sut_mp_add_bool(out, g->up);
    for (size_t i = 0; !st && i < SUT_ARRAY_LEN(numbers); i++) {
        st = sut_mp_add_str(out, sut_str_from(numbers[i].key));
        if (!st)
            st = sut_mp_add_int(out, numbers[i].value);
    }
    return st;
}

sut_status sut_consumers_describe(const sut_runtime *rt, sut_buf *out)
{
    const struct sut_consumers *all = rt->consumers;
    sut_status st = sut_mp_add_array(out, all ? all->count : 0);
    for (size_t i = 0; !st && all && i < all->count; i++)
        st = s_describe_group(&all->groups[i], out);
    return st;
}
