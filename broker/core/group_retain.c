/* What retention has eaten of a group: told as a gap, counted, and let go at once, also while nobody is subscribed. */
#include "event_state.h"

#include <string.h>

void core_group_tell_gap(sut_core *c, core_group *g, uint64_t from, uint64_t to, const char *reason)
{
    struct core_events *e = c->events;
    g->gaps_total++;
    g->missed_total += to - from + 1;
    if (g->member_count == 0)
        e->counts.gaps_total++;
    for (sut_node *n = g->members.next; n != &g->members; n = n->next)
        core_send_gap(c, SUT_CONTAINER(n, core_subscription, place_node), from, to, reason);
    core_group_dirty(c, g);
}

/* Only what is first of its key and waits for a body; what is behind it follows in its turn. */
void core_group_lose_below(sut_core *c, core_group *g, uint64_t oldest)
{
    uint64_t first = 0, last = 0;
    for (uint64_t p = g->window.head; p < g->window.tail; p++) {
        core_entry *entry = core_window_at(&g->window, p);
        if (entry->sequence >= oldest)
            break;
        const bool waits = entry->state == CORE_ENTRY_HUNGRY || entry->state == CORE_ENTRY_DYING;
        if (!waits || entry->copy || entry->burying)
            continue;
        first = first ? first : entry->sequence;
        last = entry->sequence;
        core_entry_unlist(c, g, entry);
        core_entry_done(c, g, entry);
        if (p < g->window.head) /* the head moved on; an empty window begins at 0 again */
            p = g->window.head - 1;
        if (core_window_count(&g->window) == 0)
            break;
    }
    if (first)
        core_group_tell_gap(c, g, first, last, "retention");
}

static void move_place(sut_core *c, core_group *g, uint64_t oldest)
{
    core_place *p = &g->place;
    const uint64_t from = p->cursor + 1;
    size_t kept = 0, counted = 0;
    if (from >= oldest)
        return;
    for (size_t i = 0; i < p->done_count; i++) {
        if (p->done[i].to < oldest)
            continue;
        p->done[kept] = p->done[i];
        if (p->done[kept].from < oldest)
            p->done[kept].from = oldest;
        kept++;
    }
    for (size_t i = 0; i < p->counted_count; i++) {
        if (p->counted[i].sequence >= oldest)
            p->counted[counted++] = p->counted[i];
    }
    p->done_count = kept;
    p->counted_count = counted;
    p->cursor = oldest - 1;
    if (kept == 0 && counted == 0)
        core_place_free(c->events, p);
    core_group_tell_gap(c, g, from, oldest - 1, "retention");
}

void core_group_retained(sut_core *c, core_group *g, uint64_t oldest)
{
    if (g->place.from_time_us != 0) /* where it begins is not known yet */
        return;
    if (!g->window.held) {
        move_place(c, g, oldest);
        return;
    }
    if (g->damaged < oldest)
        g->damaged = 0;
    core_group_lose_below(c, g, oldest);
    if (!g->live && !g->reading && g->read < oldest) { /* a read that is under way tells it itself */
        core_group_tell_gap(c, g, g->read, oldest - 1, "retention");
        g->read = oldest;
        core_place_forget_below(c->events, &g->place, g->read);
    }
    core_group_wake(c, g);
}
