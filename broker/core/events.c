/* Events: start and end, what the journal tells, and the drain. */
#include "event_state.h"

#include "base/arena.h"

#include <errno.h>
#include <stdlib.h>

#define ARENA_MAX (4u << 20)
#define BUF_MAX   (128u << 10)

static sut_status make_parts(struct core_events *e)
{
    sut_status st = sut_u64map_new(&e->operations);
    if (st == 0)
        st = sut_strmap_new(&e->groups_by_name);
    if (st == 0)
        st = sut_arena_new(&e->arena, ARENA_MAX);
    return st;
}

static void free_parts(struct core_events *e)
{
    size_t pos = 0;
    uint64_t tag;
    void *op;
    while (e->operations && sut_u64map_next(e->operations, &pos, &tag, &op))
        free(op);
    sut_u64map_free(e->operations);
    sut_strmap_free(e->groups_by_name);
    core_matches_free(e);
    core_lanes_free(e);
    sut_arena_free(e->arena);
    sut_buf_deinit(&e->buf);
    free(e->free_chunk);
    free(e->publishes);
    free(e);
}

sut_status sut_core_events_start(sut_core *c, const sut_core_event_limits *limits, const sut_core_event_ops *ops,
                                 uint64_t first, uint64_t next)
{
    if (c->events || !ops->event || !ops->wall_us || !ops->random || !ops->publish || !ops->read || !ops->save ||
        !ops->bury || !ops->forget || first == 0 || next < first)
        return SUT_TRACE(-EINVAL, "events of the core");
    struct core_events *e = calloc(1, sizeof(*e));
    if (!e)
        return SUT_TRACE(-ENOMEM, "events of the core");
    e->limits = limits ? *limits : SUT_CORE_EVENT_LIMITS_DEFAULT;
    e->ops = *ops;
    e->first = first;
    e->next = next;
    e->publish_free = UINT32_MAX;
    e->match_generation = 1;
    e->hash_seed = ops->random(c->app) | 1;
    sut_buf_init(&e->buf, BUF_MAX);
    sut_list_init(&e->groups);
    sut_list_init(&e->erased);
    sut_list_init(&e->ephemeral);
    sut_list_init(&e->ahead_groups);
    sut_list_init(&e->ahead_subscriptions);
    sut_list_init(&e->pumps);
    sut_status st = make_parts(e);
    if (st) {
        free_parts(e);
        return st;
    }
    c->events = e;
    return 0;
}

void sut_core_set_event_limits(sut_core *c, const sut_core_event_limits *limits)
{
    if (!c->events)
        return;
    c->events->limits = *limits;
    for (sut_node *s = c->sessions.next; s != &c->sessions; s = s->next)
        core_subscriptions_remark(c, SUT_CONTAINER(s, core_session, node));
}

void core_events_free(sut_core *c)
{
    struct core_events *e = c->events;
    if (!e)
        return;
    while (!sut_list_empty(&e->groups))
        core_group_free(c, SUT_CONTAINER(e->groups.next, core_group, node));
    while (!sut_list_empty(&e->erased))
        core_group_free(c, SUT_CONTAINER(e->erased.next, core_group, node));
    free_parts(e);
    c->events = NULL;
}

sut_status sut_core_group_restore(sut_core *c, uint64_t now_ns, sut_str group, sut_str value)
{
    struct core_events *e = c->events;
    const sut_str everything = SUT_STR(">");
    core_group *g = NULL;
    core_set_now(c, now_ns);
    if (!e || !core_group_name_valid(group))
        return SUT_TRACE(-EBADMSG, "name of a saved group");
    sut_status st = core_group_new(c, group, &everything, 1, &g);
    if (st)
        return st;
    st = core_state_decode(e, g, value);
    if (st) {
        core_group_free(c, g);
        return SUT_TRACE(st, "saved group");
    }
    core_group_restored(c, g);
    e->match_generation++;
    return 0;
}

/* ---- what the journal tells ---- */

/* Without memory for the list of who gets it, all read it later. */
static void all_fall_behind(sut_core *c, uint64_t sequence)
{
    struct core_events *e = c->events;
    for (sut_node *n = e->groups.next; n != &e->groups; n = n->next) {
        core_group *g = SUT_CONTAINER(n, core_group, node);
        if (g->live)
            core_group_fall_behind(c, g, sequence);
    }
    for (sut_node *n = e->ephemeral.next; n != &e->ephemeral; n = n->next)
        core_ephemeral_fall_behind(c, SUT_CONTAINER(n, core_subscription, place_node), sequence);
}

static void fan_out(sut_core *c, const sut_stored_event *event)
{
    core_event *shared = NULL;
    const core_match *m = core_match_find(c, event->subject);
    if (!m) {
        all_fall_behind(c, event->sequence);
        return;
    }
    for (size_t i = 0; i < m->group_count; i++)
        core_group_offer(c, m->groups[i], event, &shared);
    for (size_t i = 0; i < m->subscription_count; i++)
        core_ephemeral_offer(c, m->subscriptions[i], event);
    core_event_unref(c->events, shared);
}

/* Those whose reads were ahead of what the core was told look again whether they are at the end now. */
static void call_ahead(sut_core *c)
{
    struct core_events *e = c->events;
    sut_node subscriptions, *n;
    sut_list_init(&subscriptions);
    while ((n = sut_list_pop_front(&e->ahead_groups)))
        core_group_wake(c, SUT_CONTAINER(n, core_group, ahead_node));
    while ((n = sut_list_pop_front(&e->ahead_subscriptions)))
        sut_list_push_back(&subscriptions, n);
    while ((n = sut_list_pop_front(&subscriptions)))
        core_ephemeral_pump(c, SUT_CONTAINER(n, core_subscription, ahead_node));
}

void sut_core_appended(sut_core *c, uint64_t now_ns, const sut_stored_event *events, size_t count, uint64_t next)
{
    struct core_events *e = c->events;
    core_set_now(c, now_ns);
    if (!e)
        return;
    for (size_t i = 0; i < count; i++) {
        if (events[i].sequence < e->next)
            continue;
        if (events[i].sequence > e->next) /* something was not told: it is read */
            all_fall_behind(c, e->next);
        if (c->watched & SUT_SIGHT_EVENT)
            core_see_event(c, &events[i]);
        fan_out(c, &events[i]);
        e->next = events[i].sequence + 1;
    }
    if (next > e->next) {
        all_fall_behind(c, e->next);
        e->next = next;
    }
    call_ahead(c);
    core_groups_pump(c);
}

void sut_core_read_done(sut_core *c, uint64_t now_ns, uint64_t tag, sut_status status, const sut_stored_event *events,
                        size_t count, uint64_t next, uint64_t oldest)
{
    struct core_events *e = c->events;
    core_set_now(c, now_ns);
    core_op *op = e ? core_op_take(e, tag, CORE_OP_READ, CORE_OP_READ) : NULL;
    if (!op)
        return;
    const core_found found = {.events = events, .count = count, .next = next, .oldest = oldest};
    if (op->group)
        core_group_read_done(c, op, status, &found);
    else if (op->subscription)
        core_ephemeral_read_done(c, op, status, &found);
    free(op);
    core_groups_pump(c);
}

void sut_core_retained(sut_core *c, uint64_t now_ns, uint64_t oldest)
{
    struct core_events *e = c->events;
    core_set_now(c, now_ns);
    if (!e || oldest <= e->first)
        return;
    e->first = oldest;
    for (sut_node *n = e->groups.next; n != &e->groups; n = n->next)
        core_group_retained(c, SUT_CONTAINER(n, core_group, node), oldest);
    for (sut_node *n = e->ephemeral.next; n != &e->ephemeral; n = n->next)
        core_ephemeral_retained(c, SUT_CONTAINER(n, core_subscription, place_node), oldest);
    core_groups_pump(c);
}

/* ---- drain ---- */

/* No more deliveries; what is out may still be acknowledged, and each group's place is written as it changes. */
void core_events_drain(sut_core *c)
{
    struct core_events *e = c->events;
    if (!e)
        return;
    for (sut_node *n = e->groups.next, *next; n != &e->groups; n = next) {
        next = n->next;
        core_group_save(c, SUT_CONTAINER(n, core_group, node));
    }
}

bool core_events_drained(const sut_core *c)
{
    const struct core_events *e = c->events;
    return !e || (e->publish_count == 0 && e->in_flight == 0 && e->buries == 0 && e->dirty == 0 && e->saves == 0);
}
