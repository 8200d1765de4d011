/* From ready to done: who gets an event, the hand of a member, and the end of an entry. */
#include "event_state.h"

#include <stdlib.h>

static bool is_redriven(const core_entry *entry)
{
    return entry->trouble && entry->trouble->dead_id != 0;
}

/* ---- copies ---- */

void core_entry_keep(sut_core *c, core_group *g, core_entry *entry, const sut_stored_event *event, core_event **shared,
                     bool always)
{
    struct core_events *e = c->events;
    if (entry->copy)
        return;
    if (!*shared) {
        if (!always && g->window_bytes + event->body.len > e->limits.group_bytes)
            return;
        *shared = core_event_keep(e, event, g->owner[0] != 0, always);
    }
    if (!*shared || (!always && g->window_bytes + (*shared)->size > e->limits.group_bytes))
        return;
    entry->copy = core_event_ref(*shared);
    g->window_bytes += entry->copy->size;
}

void core_entry_drop_copy(sut_core *c, core_group *g, core_entry *entry)
{
    if (!entry->copy)
        return;
    g->window_bytes -= entry->copy->size;
    core_event_unref(c->events, entry->copy);
    entry->copy = NULL;
}

/* ---- lists ---- */

void core_entry_unlist(sut_core *c, core_group *g, core_entry *entry)
{
    sut_node_unlink(&entry->node);
    switch ((core_entry_state)entry->state) {
    case CORE_ENTRY_READY: g->ready_count--; break;
    case CORE_ENTRY_HUNGRY: g->hungry_count--; break;
    case CORE_ENTRY_PACED: g->paced_count--; break;
    case CORE_ENTRY_DYING: g->dying_count--; break;
    case CORE_ENTRY_WAITING:
        core_wheel_cancel(&c->wheel, &entry->trouble->timer);
        g->waiting--;
        break;
    case CORE_ENTRY_OUT: core_entry_take_back(c, g, entry); break;
    case CORE_ENTRY_BLOCKED:
    case CORE_ENTRY_DONE: break;
    }
    entry->state = CORE_ENTRY_BLOCKED;
}

void core_entry_ready(sut_core *c, core_group *g, core_entry *entry, bool first)
{
    const uint32_t before = entry->trouble ? entry->trouble->first_attempt : 0;
    sut_node *list;
    if (entry->attempt - before >= c->events->limits.max_deliveries) {
        core_entry_die(c, g, entry);
        return;
    }
    entry->state = entry->copy ? CORE_ENTRY_READY : CORE_ENTRY_HUNGRY;
    if (entry->copy) {
        g->ready_count++;
        list = &g->ready;
    } else {
        g->hungry_count++;
        list = &g->hungry;
    }
    if (first)
        sut_list_push_front(list, &entry->node);
    else
        sut_list_push_back(list, &entry->node);
    core_group_wake(c, g);
}

void core_entry_die(sut_core *c, core_group *g, core_entry *entry)
{
    entry->state = CORE_ENTRY_DYING;
    g->dying_count++;
    sut_list_push_back(&g->dying, &entry->node);
    core_group_wake(c, g);
}

/* ---- hands ---- */

void core_hand_arm(sut_core *c, core_subscription *sub)
{
    if (sut_list_empty(&sub->hand) || sut_node_linked(&sub->timer.node))
        return;
    core_wheel_arm(&c->wheel, &sub->timer, SUT_CONTAINER(sub->hand.next, core_entry, node)->due_ns);
}

bool core_entry_deliver(sut_core *c, core_group *g, core_entry *entry, const sut_stored_event *event)
{
    core_subscription *sub = core_member_most_free(g);
    if (!sub || g->paused || c->draining)
        return false;
    entry->state = CORE_ENTRY_OUT;
    entry->member = sub;
    entry->attempt++;
    entry->given_ns = c->now_ns;
    entry->due_ns = c->now_ns + sub->ack_wait_ms * SUT_NS_PER_MS;
    sut_list_push_back(&sub->hand, &entry->node);
    sub->in_flight++;
    sub->last_used = ++c->events->next_use;
    core_member_fix(g, sub);
    core_hand_arm(c, sub);
    g->in_flight++;
    c->events->in_flight++;
    g->delivered_total++;
    core_tell_delivery(c, "delivered", g, sub, entry, event);
    core_send_deliver(c, sub, event, entry->attempt);
    return true;
}

void core_entry_take_back(sut_core *c, core_group *g, core_entry *entry)
{
    core_subscription *sub = entry->member;
    sut_node_unlink(&entry->node);
    entry->member = NULL;
    entry->state = CORE_ENTRY_BLOCKED;
    sub->in_flight--;
    core_member_fix(g, sub);
    g->in_flight--;
    c->events->in_flight--;
    core_group_wake(c, g);
}

core_entry *core_hand_entry(const core_subscription *sub, uint64_t sequence, uint32_t attempt)
{
    core_group *g = sub->group;
    core_entry *entry = g->window.held ? core_window_find(&g->window, sequence) : NULL;
    if (entry && entry->state == CORE_ENTRY_OUT && entry->member == sub && entry->attempt == attempt)
        return entry;
    for (sut_node *n = g->redrives.next; n != &g->redrives; n = n->next) {
        entry = SUT_CONTAINER(n, core_trouble, node)->entry;
        if (entry->sequence == sequence && entry->state == CORE_ENTRY_OUT && entry->member == sub &&
            entry->attempt == attempt)
            return entry;
    }
    return NULL;
}

/* The timer was armed for what was first then, which may be done since. */
void core_hand_alarm(sut_core *c, core_subscription *sub)
{
    static const core_fault fault = {
        .outcome = "expired", .code = {"ack_wait", 8}, .message = {"no answer within the ack wait", 29}};
    core_group *g = sub->group;
    while (!sut_list_empty(&sub->hand)) {
        core_entry *entry = SUT_CONTAINER(sub->hand.next, core_entry, node);
        if (entry->due_ns > c->now_ns)
            break;
        sub->overdue++;
        g->expired_total++;
        core_entry_failed(c, g, entry, &fault);
    }
    core_hand_arm(c, sub);
}

/* ---- the end of an entry ---- */

static void free_redriven(sut_core *c, core_group *g, core_entry *entry)
{
    g->redrive_count--;
    core_trouble_free(c, entry);
    core_event_discharge(c->events, sizeof(*entry));
    free(entry);
}

void core_entry_done(sut_core *c, core_group *g, core_entry *entry)
{
    struct core_events *e = c->events;
    core_entry_drop_copy(c, g, entry);
    core_group_wake(c, g);
    if (is_redriven(entry)) {
        free_redriven(c, g, entry);
        return;
    }
    core_trouble_free(c, entry);
    entry->state = CORE_ENTRY_DONE;
    if (entry->lane) {
        core_entry *next = core_lane_leave(e, g, entry);
        if (next && next->state == CORE_ENTRY_BLOCKED) /* one that is paced waits for its time as well */
            core_entry_ready(c, g, next, false);
    }
    while (core_window_count(&g->window) > 0 && core_window_at(&g->window, g->window.head)->state == CORE_ENTRY_DONE)
        core_window_pop(e, &g->window);
    core_group_dirty(c, g);
}

void core_redrives_drop(sut_core *c, core_group *g)
{
    while (!sut_list_empty(&g->redrives)) {
        core_entry *entry = SUT_CONTAINER(g->redrives.next, core_trouble, node)->entry;
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc): what was freed is on no list any more
        core_entry_unlist(c, g, entry);
        core_entry_drop_copy(c, g, entry);
        free_redriven(c, g, entry);
    }
}

void core_group_deliver(sut_core *c, core_group *g)
{
    while (g->ready_count > 0 && !g->paused && !c->draining && core_member_most_free(g)) {
        core_entry *entry = SUT_CONTAINER(g->ready.next, core_entry, node);
        core_entry_unlist(c, g, entry);
        (void)core_entry_deliver(c, g, entry, &entry->copy->event);
    }
}
