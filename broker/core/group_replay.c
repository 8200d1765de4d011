/* Replay: a paused or new group gets a part of the log again, marked, in a generation of its own, as fast as its
 * members take it or at the pace of the events' own times; then it goes on where it was. */
#include "event_state.h"

uint64_t core_replay_due(sut_core *c, core_group *g, const sut_stored_event *event)
{
    core_replay *r = &g->replay;
    if (!r->paced) {
        r->paced = true;
        r->time0_us = event->time_us;
        r->start_ns = c->now_ns;
    }
    const double us = event->time_us > r->time0_us ? (double)(event->time_us - r->time0_us) / r->speed : 0;
    const double most_us = 1e15; /* some thirty years: nothing overflows */
    return r->start_ns + (uint64_t)(us < most_us ? us : most_us) * SUT_NS_PER_US;
}

/* The clock of a replay stands still while its group is paused: what was due later is due as much later. */
void core_replay_pause(sut_core *c, core_group *g)
{
    core_replay *r = &g->replay;
    if (g->paused) {
        r->paused_ns = c->now_ns;
        return;
    }
    const uint64_t stood_ns = c->now_ns - r->paused_ns;
    r->start_ns += stood_ns;
    for (sut_node *n = g->paced.next; n != &g->paced; n = n->next)
        SUT_CONTAINER(n, core_entry, node)->due_ns += stood_ns;
}

void core_replay_release(sut_core *c, core_group *g)
{
    if (g->paused)
        return;
    while (!sut_list_empty(&g->paced)) {
        core_entry *entry = SUT_CONTAINER(g->paced.next, core_entry, node);
        if (entry->due_ns > c->now_ns) {
            const uint64_t ms = (entry->due_ns - c->now_ns) / SUT_NS_PER_MS + 1;
            core_group_later(c, g, ms < CORE_DELAY_MAX_MS ? (uint32_t)ms : CORE_DELAY_MAX_MS);
            return;
        }
        core_entry_unlist(c, g, entry);
        if (!entry->lane || entry->lane->first == entry)
            core_entry_ready(c, g, entry, false);
    }
}

bool core_replay_over(const struct core_events *e, const core_group *g)
{
    return g->replay.on && !g->reading && core_window_count(&g->window) == 0 && core_group_cursor(e, g) >= g->replay.to;
}

void core_replay_begin(sut_core *c, core_group *g, const core_replay *replay, int64_t from_time_us, bool is_new)
{
    struct core_events *e = c->events;
    core_place_free(e, &g->replay.before);
    g->replay = *replay;
    g->replay.on = true;
    g->replay.is_new = is_new;
    g->replay.at = replay->from - 1;
    g->replay.before = g->place;
    g->replay.generation_before = g->generation;
    g->place = (core_place){.cursor = replay->from - 1, .from_time_us = from_time_us};
    if (!is_new)
        g->generation = ++g->generation_last;
    g->paused = false;
    core_group_dirty(c, g);
    core_group_wake(c, g);
}

/* Stopped or over: a group that was there before is where it was; a new one stays where the replay came to. */
void core_replay_end(sut_core *c, core_group *g, bool stopped)
{
    struct core_events *e = c->events;
    core_replay *r = &g->replay;
    if (r->is_new && stopped) {
        core_group_collapse(c, g);
        if (g->window.held) /* no memory: tried again when the operator does */
            return;
    } else {
        core_window_drop(c, g);
        core_place_free(e, &g->place);
        if (r->is_new) {
            g->place = (core_place){.cursor = r->to};
        } else {
            g->place = r->before;
            r->before = (core_place){0};
            g->generation = r->generation_before;
            core_group_retained(c, g, c->events->first);
        }
    }
    r->on = false;
    r->paced = false;
    g->paused = stopped;
    core_group_dirty(c, g);
    core_group_wake(c, g);
}
