/* Read-only views of events, for broker.groups, broker.subscriptions, broker.status and the simulator. */
#include "event_state.h"

static void view_window(const core_group *g, const sut_core *c, sut_core_group_view *v)
{
    v->window = core_window_count(&g->window);
    if (v->window == 0)
        return;
    const core_entry *oldest = core_window_at(&g->window, g->window.head);
    v->oldest_ns = c->now_ns - oldest->taken_ns;
    v->oldest_key = oldest->copy ? oldest->copy->event.key : SUT_STR_NONE;
}

static void view_group(const sut_core *c, const core_group *g, sut_core_group_view *v)
{
    const struct core_events *e = c->events;
    *v = (sut_core_group_view){.name = core_group_name(g),
                               .subjects = g->filter.patterns,
                               .subject_count = g->filter.count,
                               .paused = g->paused,
                               .replaying = g->replay.on,
                               .members = g->member_count,
                               .generation = g->generation,
                               .cursor = core_group_cursor(e, g),
                               .read = g->window.held ? core_group_read(e, g) - 1 : g->place.cursor,
                               .next = e->next,
                               .in_flight = g->in_flight,
                               .waiting = g->waiting,
                               .window_bytes = g->window_bytes,
                               .delivered_total = g->delivered_total,
                               .acked_total = g->acked_total,
                               .nacked_total = g->nacked_total,
                               .expired_total = g->expired_total,
                               .dead_total = g->dead_total,
                               .stale_total = g->stale_total,
                               .lost_total = g->lost_total,
                               .gaps_total = g->gaps_total,
                               .missed_total = g->missed_total,
                               .damaged = g->damaged,
                               .replay_from = g->replay.from,
                               .replay_to = g->replay.to,
                               .replay_at = g->replay.at,
                               .replay_speed = g->replay.speed};
    for (uint32_t i = 0; i < g->heap_len; i++)
        v->credits_free += g->heap[i]->credits - g->heap[i]->in_flight;
    if (g->window.held)
        view_window(g, c, v);
}

void sut_core_each_group(const sut_core *c, void (*fn)(const sut_core_group_view *v, void *arg), void *arg)
{
    const struct core_events *e = c->events;
    for (const sut_node *n = e ? e->groups.next : NULL; e && n != &e->groups; n = n->next) {
        sut_core_group_view v;
        view_group(c, SUT_CONTAINER(n, core_group, node), &v);
        fn(&v, arg);
    }
}

static void view_subscription(const sut_core *c, const core_subscription *sub, sut_core_subscription_view *v)
{
    const struct core_events *e = c->events;
    const core_group *g = sub->group;
    *v = (sut_core_subscription_view){.session = sub->session->id,
                                      .id = sub->id,
                                      .peer = sut_str_from(sub->session->name),
                                      .group = g ? core_group_name(g) : SUT_STR_NONE,
                                      .credits = sub->credits,
                                      .in_flight = sub->in_flight,
                                      .gaps_total = sub->gaps_total,
                                      .missed_total = sub->missed_total};
    v->position = g ? core_group_cursor(e, g) + 1 : sub->live ? e->next : sub->position;
    v->current = g ? g->live : sub->live && !sub->slow;
}

void sut_core_each_subscription(const sut_core *c, void (*fn)(const sut_core_subscription_view *v, void *arg),
                                void *arg)
{
    for (const sut_node *n = c->sessions.next; n != &c->sessions; n = n->next) {
        const core_session *s = SUT_CONTAINER(n, core_session, node);
        for (const sut_node *m = s->subscriptions.next; m != &s->subscriptions; m = m->next) {
            sut_core_subscription_view v;
            view_subscription(c, SUT_CONTAINER(m, core_subscription, session_node), &v);
            fn(&v, arg);
        }
    }
}

void sut_core_get_event_counts(const sut_core *c, sut_core_event_counts *out)
{
    const struct core_events *e = c->events;
    *out = e ? e->counts : (sut_core_event_counts){0};
    if (!e)
        return;
    out->groups = e->group_count;
    out->subscriptions = e->subscription_count;
    out->publishes_pending = e->publish_count;
}
