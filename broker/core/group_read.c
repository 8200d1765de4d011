/* How events come into a group: directly as they are appended while it stands at the log's end, else by reading on when
 * its members can take more; and again, one by one, when a body had no room. */
#include "event_state.h"

#include <errno.h>
#include <stdlib.h>

#define READ_AHEAD_LEAST 16
#define READ_AGAIN_MOST  64

/* ---- taking in ---- */

/* The entry is the first of its key: given away at once if somebody is free and nobody waits, else it waits. */
static void offer_entry(sut_core *c, core_group *g, core_entry *entry, const sut_stored_event *event,
                        core_event **shared)
{
    core_entry_keep(c, g, entry, event, shared, false);
    if (entry->attempt < c->events->limits.max_deliveries && g->ready_count == 0 &&
        core_entry_deliver(c, g, entry, event))
        return;
    core_entry_ready(c, g, entry, false);
}

static void admit(sut_core *c, core_group *g, core_entry *entry, const sut_stored_event *event, core_event **shared)
{
    if (entry->lane && entry->lane->first != entry) {
        entry->state = CORE_ENTRY_BLOCKED;
        core_entry_keep(c, g, entry, event, shared, false);
        return;
    }
    offer_entry(c, g, entry, event, shared);
}

/* It stands in the window as done, so that it is saved so again. False: no room for that now. */
static bool take_done(sut_core *c, core_group *g, uint64_t sequence)
{
    if (core_window_count(&g->window) == 0)
        return true;
    core_entry *entry = core_window_push(c->events, &g->window, sequence);
    if (entry)
        entry->state = CORE_ENTRY_DONE;
    return entry != NULL;
}

/* False: it cannot be taken now; the group reads it later. */
static bool take(sut_core *c, core_group *g, const sut_stored_event *event, core_event **shared)
{
    struct core_events *e = c->events;
    if (core_window_count(&g->window) >= e->limits.group_window)
        return false;
    if (g->place.done_count > 0 && core_place_is_done(&g->place, event->sequence))
        return take_done(c, g, event->sequence);
    core_entry *entry = core_window_push(e, &g->window, event->sequence);
    if (!entry)
        return false;
    if (event->key.len > 0 && !core_lane_join(e, g, entry, event->key)) {
        core_window_unpush(e, &g->window);
        return false;
    }
    entry->taken_ns = c->now_ns;
    entry->attempt = core_place_attempts(&g->place, event->sequence);
    if (g->replay.on && g->replay.speed > 0) {
        entry->due_ns = core_replay_due(c, g, event);
        if (entry->due_ns > c->now_ns || g->paced_count > 0) {
            core_entry_keep(c, g, entry, event, shared, false);
            entry->state = CORE_ENTRY_PACED;
            g->paced_count++;
            sut_list_push_back(&g->paced, &entry->node);
            return true;
        }
    }
    admit(c, g, entry, event, shared);
    return true;
}

void core_group_offer(sut_core *c, core_group *g, const sut_stored_event *event, core_event **shared)
{
    if (!g->live)
        return;
    const bool backlog = g->ready_count > 0 && g->window_bytes + event->body.len > c->events->limits.group_bytes;
    if (backlog || !take(c, g, event, shared))
        core_group_fall_behind(c, g, event->sequence);
}

void core_group_fall_behind(sut_core *c, core_group *g, uint64_t sequence)
{
    g->live = false;
    g->read = sequence;
    core_group_wake(c, g);
}

/* ---- reading on ---- */

static bool ask(sut_core *c, core_group *g, const sut_core_read *r, bool again)
{
    struct core_events *e = c->events;
    core_op *op = core_op_new(e, CORE_OP_READ, &g->ops);
    if (!op) {
        core_group_later(c, g, CORE_AGAIN_MS);
        return false;
    }
    op->group = g;
    op->again = again;
    op->from = r->from;
    g->reading = op;
    if (e->ops.read(c->app, op->tag, r) == 0)
        return true;
    g->reading = NULL;
    core_op_free(e, op);
    core_group_later(c, g, CORE_AGAIN_MS);
    return false;
}

static bool read_again(sut_core *c, core_group *g)
{
    const core_entry *entry = NULL;
    if (!sut_list_empty(&g->dying))
        entry = SUT_CONTAINER(g->dying.next, core_entry, node);
    if ((!entry || entry->copy) && !g->paused && !c->draining && !sut_list_empty(&g->hungry) &&
        core_member_most_free(g))
        entry = SUT_CONTAINER(g->hungry.next, core_entry, node);
    if (!entry || entry->copy)
        return false;
    (void)ask(c, g,
              &(sut_core_read){.from = entry->sequence,
                               .patterns = g->filter.patterns,
                               .pattern_count = g->filter.count,
                               .max_events = g->hungry_count < READ_AGAIN_MOST ? g->hungry_count + 1 : READ_AGAIN_MOST,
                               .max_bytes = CORE_READ_BYTES},
              true);
    return true;
}

/* How many events past those that are out it likes to have at hand. */
static uint32_t ahead_of(const core_group *g)
{
    const uint32_t most = g->credits_total < CORE_READ_EVENTS ? g->credits_total : CORE_READ_EVENTS;
    return most > READ_AHEAD_LEAST ? most : READ_AHEAD_LEAST;
}

static void go_live(sut_core *c, core_group *g)
{
    struct core_events *e = c->events;
    if (g->read == e->next) {
        g->live = true;
    } else if (!sut_node_linked(&g->ahead_node)) { /* it has read what the core was not told of yet */
        sut_list_push_back(&e->ahead_groups, &g->ahead_node);
    }
}

void core_group_read_more(sut_core *c, core_group *g)
{
    const struct core_events *e = c->events;
    if (!g->window.held || g->reading || read_again(c, g))
        return;
    if (g->live || g->heap_len == 0 || g->paused || c->draining)
        return;
    if (g->replay.on && g->read > g->replay.to)
        return;
    if (g->read >= e->next && g->place.from_time_us == 0 && !g->replay.on) {
        go_live(c, g);
        return;
    }
    const uint32_t count = core_window_count(&g->window), most = ahead_of(g);
    const uint32_t have = g->ready_count + g->hungry_count + g->paced_count;
    if (have >= most || count >= e->limits.group_window)
        return;
    const uint32_t room = e->limits.group_window - count, want = 2 * most - have;
    (void)ask(c, g,
              &(sut_core_read){.from = g->read,
                               .from_time_us = g->place.from_time_us,
                               .patterns = g->filter.patterns,
                               .pattern_count = g->filter.count,
                               .max_events = want < room ? want : room,
                               .max_bytes = CORE_READ_BYTES},
              false);
}

/* ---- what was read ---- */

/* What was read behind a replay's end was not taken in: a new group that is stopped goes on from there. */
static void end_of_replay(core_group *g, uint64_t oldest)
{
    const uint64_t end = g->replay.to + 1 > oldest ? g->replay.to + 1 : oldest;
    if (g->read > end)
        g->read = end;
    g->replay.at = g->read - 1 < g->replay.to ? g->read - 1 : g->replay.to;
}

static void read_on(sut_core *c, core_group *g, const core_op *op, const core_found *f)
{
    struct core_events *e = c->events;
    const bool by_time = g->place.from_time_us != 0;
    size_t i = 0;
    if (!by_time && f->oldest > g->read) {
        core_group_tell_gap(c, g, g->read, f->oldest - 1, "retention");
        g->read = f->oldest;
    }
    g->place.from_time_us = 0;
    for (; i < f->count; i++) {
        const sut_stored_event *event = &f->events[i];
        core_event *shared = NULL;
        if (event->sequence < g->read)
            continue;
        if (g->replay.on && event->sequence > g->replay.to)
            break;
        const bool taken = !core_filter_matches(&g->filter, event->subject) || take(c, g, event, &shared);
        core_event_unref(e, shared);
        if (!taken)
            break;
        g->read = event->sequence + 1;
    }
    const bool past_replay = i < f->count && g->replay.on && f->events[i].sequence > g->replay.to;
    if ((i == f->count || past_replay) && f->next > g->read)
        g->read = f->next;
    if (g->replay.on)
        end_of_replay(g, f->oldest);
    core_place_forget_below(e, &g->place, g->read);
    core_group_dirty(c, g);
    if (g->read <= op->from && !by_time) /* nothing came of it: not again at once */
        core_group_later(c, g, CORE_AGAIN_MS);
    else
        core_group_wake(c, g);
}

/* It is not to be had any more: the next one of its key has its turn, members are told. */
void core_group_skip_damaged(sut_core *c, core_group *g)
{
    const uint64_t sequence = g->damaged;
    core_entry *entry = core_window_find(&g->window, sequence);
    g->damaged = 0;
    if (entry && !entry->copy && (entry->state == CORE_ENTRY_HUNGRY || entry->state == CORE_ENTRY_DYING)) {
        core_entry_unlist(c, g, entry);
        core_entry_done(c, g, entry);
    } else if (sequence >= g->read) {
        g->read = sequence + 1;
        g->place.from_time_us = 0;
    }
    core_group_tell_gap(c, g, sequence, sequence, "damaged");
    core_group_wake(c, g);
}

static void give_body(sut_core *c, core_group *g, core_entry *entry, const sut_stored_event *event, bool first)
{
    core_event *shared = NULL;
    if (entry->state == CORE_ENTRY_HUNGRY) {
        core_entry_unlist(c, g, entry);
        core_entry_keep(c, g, entry, event, &shared, false);
        if (!core_entry_deliver(c, g, entry, event)) {
            core_entry_keep(c, g, entry, event, &shared, first);
            core_entry_ready(c, g, entry, true);
        }
    } else if (entry->state == CORE_ENTRY_DYING) {
        core_entry_keep(c, g, entry, event, &shared, first); /* the first always, or it would never be buried */
    } else if (entry->state == CORE_ENTRY_BLOCKED) {
        core_entry_keep(c, g, entry, event, &shared, false);
    }
    core_event_unref(c->events, shared);
}

static void read_bodies(sut_core *c, core_group *g, const core_op *op, const core_found *f)
{
    bool first = true;
    if (f->oldest > op->from)
        core_group_lose_below(c, g, f->oldest);
    for (size_t i = 0; i < f->count; i++) {
        core_entry *entry = core_window_find(&g->window, f->events[i].sequence);
        if (!entry || entry->copy)
            continue;
        give_body(c, g, entry, &f->events[i], first);
        first = false;
    }
    if (first && f->oldest <= op->from)
        core_group_later(c, g, CORE_AGAIN_MS);
    else
        core_group_wake(c, g);
}

void core_group_read_done(sut_core *c, const core_op *op, sut_status status, const core_found *found)
{
    core_group *g = op->group;
    g->reading = NULL;
    g->damaged = status == -EBADMSG ? found->next : 0;
    if (status < 0)
        core_group_later(c, g, g->damaged ? CORE_DAMAGED_MS : CORE_AGAIN_MS);
    else if (op->again)
        read_bodies(c, g, op, found);
    else
        read_on(c, g, op, found);
}
