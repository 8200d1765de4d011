/* What must hold between steps, after a drain, when all is quiet and when everybody has gone. */
#include "events.h"

/* No event is passed over: what a group's cursor goes past was acknowledged, is a dead letter, or was eaten by
 * retention and counted as missed. */
static void check_cursor(ev_world *w, uint32_t group, const sut_core_group_view *v)
{
    ev_group *g = &w->groups[group];
    if (v->cursor < g->cursor)
        ev_broke(w, "its cursor went back", group, v->cursor);
    for (uint64_t s = g->cursor + 1; s <= v->cursor; s++) {
        if (!ev_owed(w, group, s) || g->now.done[s] != EV_OWED)
            continue;
        if (s >= w->oldest)
            ev_broke(w, "passed over: neither acknowledged nor dead", group, s);
        g->now.done[s] = EV_LOST;
        g->passed += !g->now.by_time;
        ev_saw(w, SIM_PATH_EATEN);
    }
    if (g->passed > v->missed_total)
        ev_broke(w, "missed without a word", group, v->cursor);
    g->cursor = v->cursor;
    if (v->cursor >= g->now.start)
        g->now.by_time = false;
}

static void check_group(const sut_core_group_view *v, void *arg)
{
    ev_world *w = arg;
    const uint32_t group = ev_group_of(v->name);
    ev_group *g = &w->groups[group];
    if (!g->now.exists) {
        ev_broke(w, "a group that nobody made", group, 0);
        return;
    }
    if (g->now.replaying && !v->replaying)
        ev_group_sync(w, group);
    if (v->window > w->limits.group_window || v->window_bytes > w->limits.group_bytes + 4096)
        ev_broke(w, "holds more than it may", group, v->window);
    if (v->window == w->limits.group_window)
        ev_saw(w, SIM_PATH_WINDOW_FULL);
    if (v->paused != g->now.paused || v->generation != g->now.generation)
        ev_broke(w, "is not as its operators left it", group, v->generation);
    check_cursor(w, group, v);
}

void ev_check(ev_world *w)
{
    sut_core_event_counts counts;
    sut_core_each_group(w->core, check_group, w);
    sut_core_get_event_counts(w->core, &counts);
    /* Beyond its limit the core takes only what it needs to go on: an entry's chunk, its trouble and its body. */
    if (counts.bytes_held > w->limits.event_bytes + EV_GROUPS * 64u * 1024)
        ev_broke(w, "too much memory is held", 0, counts.bytes_held);
}

typedef struct quiet {
    const ev_world *w;
    bool is;
} quiet;

static void check_quiet(const sut_core_group_view *v, void *arg)
{
    quiet *q = arg;
    if (v->replaying || v->cursor + 1 != q->w->next || v->in_flight || v->waiting || v->window)
        q->is = false;
}

bool ev_quiet(const ev_world *w)
{
    quiet q = {w, w->ask_count == 0 && w->told_next == w->next && ev_publishes_open(w) == 0 && w->later_count == 0};
    for (uint32_t i = 0; i < EV_LISTENERS; i++) {
        if (w->listeners[i].next != w->next)
            q.is = false;
    }
    for (uint32_t i = 0; i < EV_LETTERS; i++) {
        if (w->letters[i].redriving)
            q.is = false;
    }
    if (q.is)
        sut_core_each_group(w->core, check_quiet, &q);
    return q.is;
}

void ev_check_end(ev_world *w)
{
    for (uint32_t g = 0; g < EV_GROUPS; g++) {
        for (uint64_t s = 1; s < w->next; s++) {
            if (ev_owed(w, g, s) && w->groups[g].now.done[s] == EV_OWED)
                ev_broke(w, "never ended, though all is well again", g, s);
            if (w->groups[g].out[s])
                ev_broke(w, "still out when all is quiet", g, s);
        }
    }
    for (uint32_t uid = 1; uid <= w->uid_count; uid++) {
        uint32_t times = 0;
        for (uint64_t s = 1; s < w->next; s++)
            times += w->log[s].uid == uid;
        if (times > 1)
            ev_broke(w, "an event is in the journal twice", 0, uid);
    }
}

void ev_check_empty(ev_world *w)
{
    sut_core_event_counts counts;
    sut_core_get_event_counts(w->core, &counts);
    if (counts.bytes_held != 0)
        ev_broke(w, "memory is held for nobody", 0, counts.bytes_held);
    if (counts.subscriptions != 0 || counts.publishes_pending != 0)
        ev_broke(w, "somebody is left behind", 0, counts.subscriptions);
}

/* What was acknowledged before a broker left in order is not given again. */
void ev_check_drained(ev_world *w)
{
    for (uint32_t g = 0; g < EV_GROUPS; g++) {
        const ev_group *group = &w->groups[g];
        for (uint64_t s = 1; s < w->next && group->now.exists; s++) {
            if (group->now.done[s] == EV_ACKED && group->durable.done[s] == EV_OWED)
                ev_broke(w, "acknowledged, and not written when the broker left", g, s);
        }
    }
}
