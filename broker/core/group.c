/* Groups: their life, and what they do when something has changed: bury, deliver, read on, or keep only their place. */
#include "event_state.h"

#include <errno.h>
#include <stdlib.h>

core_group *core_group_find(const struct core_events *e, sut_str name)
{
    return sut_strmap_get(e->groups_by_name, name);
}

static int compare_names(sut_str a, sut_str b)
{
    const size_t len = a.len < b.len ? a.len : b.len;
    const int diff = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;
    return diff ? diff : (a.len > b.len) - (a.len < b.len);
}

static void insert_sorted(struct core_events *e, core_group *g)
{
    sut_node *n = e->groups.next;
    while (n != &e->groups &&
           compare_names(core_group_name(SUT_CONTAINER(n, core_group, node)), core_group_name(g)) < 0)
        n = n->next;
    sut_list_push_back(n, &g->node);
}

static bool being_erased(const struct core_events *e, sut_str name)
{
    for (sut_node *n = e->erased.next; n != &e->erased; n = n->next) {
        if (sut_str_eq(core_group_name(SUT_CONTAINER(n, core_group, node)), name))
            return true;
    }
    return false;
}

static void init_lists(core_group *g)
{
    sut_list_init(&g->ready);
    sut_list_init(&g->hungry);
    sut_list_init(&g->dying);
    sut_list_init(&g->burying);
    sut_list_init(&g->paced);
    sut_list_init(&g->redrives);
    sut_list_init(&g->forgets);
    sut_list_init(&g->members);
    sut_list_init(&g->ops);
    g->timer.kind = CORE_TIMER_GROUP;
    g->save_timer.kind = CORE_TIMER_SAVE;
}

sut_status core_group_new(sut_core *c, sut_str name, const sut_str *patterns, size_t count, core_group **out)
{
    struct core_events *e = c->events;
    if (being_erased(e, name))
        return -EBUSY;
    if (e->group_count >= e->limits.max_groups)
        return -ENOSPC;
    core_group *g = calloc(1, sizeof(*g));
    if (!g)
        return SUT_TRACE(-ENOMEM, "group");
    memcpy(g->name, name.ptr, name.len);
    g->name_len = (uint8_t)name.len;
    g->generation = g->generation_last = 1;
    g->place.cursor = e->next - 1;
    init_lists(g);
    sut_status st = sut_u64map_new(&g->lanes);
    if (st == 0)
        st = core_filter_set(&g->filter, patterns, count);
    if (st == 0)
        st = sut_strmap_put(e->groups_by_name, name, g);
    if (st) {
        core_filter_free(&g->filter);
        sut_u64map_free(g->lanes);
        free(g);
        return st;
    }
    insert_sorted(e, g);
    e->group_count++;
    e->match_generation++;
    core_group_dirty(c, g);
    *out = g;
    return 0;
}

/* Out of all lists but for events->erased; its members are gone. */
static void empty_group(sut_core *c, core_group *g)
{
    struct core_events *e = c->events;
    core_wheel_cancel(&c->wheel, &g->timer);
    core_wheel_cancel(&c->wheel, &g->save_timer);
    core_window_drop(c, g);
    core_redrives_drop(c, g);
    core_ops_orphan(&g->ops);
    core_group_forget_save(c, g);
    while (!sut_list_empty(&g->forgets))
        core_op_free(e, SUT_CONTAINER(g->forgets.next, core_op, node));
    core_place_free(e, &g->place);
    core_place_free(e, &g->replay.before);
    sut_node_unlink(&g->pump_node);
    sut_node_unlink(&g->ahead_node);
    e->match_generation++;
}

void core_group_free(sut_core *c, core_group *g)
{
    struct core_events *e = c->events;
    while (!sut_list_empty(&g->members))
        core_subscription_end(c, SUT_CONTAINER(g->members.next, core_subscription, place_node), false);
    empty_group(c, g);
    if (core_group_find(e, core_group_name(g)) == g) {
        (void)sut_strmap_take(e->groups_by_name, core_group_name(g));
        e->group_count--;
    }
    sut_node_unlink(&g->node);
    core_filter_free(&g->filter);
    sut_u64map_free(g->lanes);
    free(g->heap);
    free(g);
}

void core_group_erase(sut_core *c, core_group *g)
{
    struct core_events *e = c->events;
    while (!sut_list_empty(&g->members)) {
        core_subscription *sub = SUT_CONTAINER(g->members.next, core_subscription, place_node);
        core_send_gap(c, sub, core_group_cursor(e, g) + 1, e->next > 1 ? e->next - 1 : 0, "deleted");
        core_subscription_end(c, sub, false);
    }
    empty_group(c, g);
    (void)sut_strmap_take(e->groups_by_name, core_group_name(g));
    e->group_count--;
    sut_node_unlink(&g->node);
    sut_list_push_back(&e->erased, &g->node);
    g->erased = true;
    e->saves++; /* until the journal has said so */
    core_group_save(c, g);
}

uint64_t core_group_cursor(const struct core_events *e, const core_group *g)
{
    if (!g->window.held)
        return g->place.cursor;
    if (core_window_count(&g->window) == 0)
        return core_group_read(e, g) - 1;
    return core_window_at(&g->window, g->window.head)->sequence - 1;
}

/* ---- the window's life ---- */

static bool open_window(sut_core *c, core_group *g)
{
    if (core_window_init(&g->window, g->owner[0] != 0)) {
        core_group_later(c, g, CORE_AGAIN_MS);
        return false;
    }
    g->window.held = true;
    g->read = g->place.cursor + 1;
    g->live = false;
    return true;
}

/* The journal may still bury what is given up here: then it is a dead letter that comes again. */
static void forget_buries(core_group *g)
{
    for (sut_node *n = g->ops.next, *next; n != &g->ops; n = next) {
        next = n->next;
        core_op *op = SUT_CONTAINER(n, core_op, node);
        if (op->kind != CORE_OP_BURY || op->in_redrive)
            continue;
        sut_node_unlink(n);
        op->group = NULL;
        g->burying_count--;
    }
}

/* All entries go as they are; what stood in them must be in the place already, or is not wanted. */
void core_window_drop(sut_core *c, core_group *g)
{
    struct core_events *e = c->events;
    if (!g->window.held)
        return;
    for (uint64_t p = g->window.head; p < g->window.tail; p++) {
        core_entry *entry = core_window_at(&g->window, p);
        core_entry_unlist(c, g, entry);
        core_entry_drop_copy(c, g, entry);
        core_trouble_free(c, entry);
    }
    forget_buries(g);
    core_lanes_clear(e, g);
    core_window_free(e, &g->window);
    g->live = false;
    g->replay.paced = false; /* its pace begins anew with the event that is read first */
    if (g->reading) {
        g->reading->group = NULL;
        sut_node_unlink(&g->reading->node);
        g->reading = NULL;
    }
    sut_node_unlink(&g->ahead_node);
}

void core_group_collapse(sut_core *c, core_group *g)
{
    struct core_events *e = c->events;
    core_place next = {0};
    if (!g->window.held)
        return;
    if (core_place_of(e, g, &next)) {
        core_place_free(e, &next);
        core_group_later(c, g, CORE_AGAIN_MS);
        return;
    }
    core_window_drop(c, g);
    core_place_free(e, &g->place);
    g->place = next;
}

/* ---- what changed ---- */

void core_group_wake(sut_core *c, core_group *g)
{
    if (!sut_node_linked(&g->pump_node))
        sut_list_push_back(&c->events->pumps, &g->pump_node);
}

static bool may_collapse(const core_group *g)
{
    return g->window.held && g->member_count == 0 && g->in_flight == 0 && g->dying_count == 0;
}

static void pump(sut_core *c, core_group *g)
{
    if (g->heap_len > 0 && !g->paused && g->stored && !g->window.held && !c->draining && !open_window(c, g))
        return;
    if (!g->stored && g->dirty && !sut_node_linked(&g->save_timer.node))
        core_group_save(c, g);
    core_group_forget(c, g);
    core_group_bury(c, g);
    core_group_deliver(c, g);
    core_group_read_more(c, g);
    if (may_collapse(g))
        core_group_collapse(c, g);
    core_replay_release(c, g);
    if (core_replay_over(c->events, g))
        core_replay_end(c, g, false);
}

void core_groups_pump(sut_core *c)
{
    struct core_events *e = c->events;
    sut_node *n;
    while (e && (n = sut_list_pop_front(&e->pumps)))
        pump(c, SUT_CONTAINER(n, core_group, pump_node));
}

void core_group_later(sut_core *c, core_group *g, uint32_t ms)
{
    const uint64_t at = c->now_ns + ms * SUT_NS_PER_MS;
    if (!sut_node_linked(&g->timer.node) || g->timer.at_ms * SUT_NS_PER_MS > at)
        core_wheel_arm(&c->wheel, &g->timer, at);
}

void core_group_alarm(sut_core *c, core_group *g)
{
    core_group_wake(c, g);
}
