/* Where a group stands without its window: the cursor, what is done above it, and how often what is not done failed. */
#include "event_state.h"

#include <errno.h>
#include <stdlib.h>

void core_place_free(struct core_events *e, core_place *p)
{
    core_event_discharge(e, p->done_cap * sizeof(*p->done) + p->counted_cap * sizeof(*p->counted));
    free(p->done);
    free(p->counted);
    *p = (core_place){.cursor = p->cursor};
}

static bool grow(struct core_events *e, void **items, size_t *cap, size_t size)
{
    const size_t next = *cap ? *cap * 2 : 8;
    void *grown = reallocarray(*items, next, size);
    if (!grown)
        return false;
    core_event_charge_always(e, (next - *cap) * size); /* bounded by the group's window */
    *items = grown;
    *cap = next;
    return true;
}

sut_status core_place_add_done(struct core_events *e, core_place *p, uint64_t from, uint64_t to)
{
    if (p->done_count == p->done_cap) {
        void *items = p->done;
        if (!grow(e, &items, &p->done_cap, sizeof(*p->done)))
            return SUT_TRACE(-ENOMEM, "place of a group");
        p->done = items;
    }
    p->done[p->done_count++] = (core_range){from, to};
    return 0;
}

sut_status core_place_add_counted(struct core_events *e, core_place *p, uint64_t sequence, uint32_t attempts)
{
    if (p->counted_count == p->counted_cap) {
        void *items = p->counted;
        if (!grow(e, &items, &p->counted_cap, sizeof(*p->counted)))
            return SUT_TRACE(-ENOMEM, "place of a group");
        p->counted = items;
    }
    p->counted[p->counted_count++] = (core_counted){sequence, attempts};
    return 0;
}

bool core_place_is_done(const core_place *p, uint64_t sequence)
{
    size_t low = 0, high = p->done_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (p->done[middle].to < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->done_count && p->done[low].from <= sequence;
}

uint32_t core_place_attempts(const core_place *p, uint64_t sequence)
{
    size_t low = 0, high = p->counted_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (p->counted[middle].sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low < p->counted_count && p->counted[low].sequence == sequence ? p->counted[low].attempts : 0;
}

/* All of it is freed once the group has read past it; until then nothing is moved about. */
void core_place_forget_below(struct core_events *e, core_place *p, uint64_t sequence)
{
    const bool done = p->done_count == 0 || p->done[p->done_count - 1].to < sequence;
    const bool counted = p->counted_count == 0 || p->counted[p->counted_count - 1].sequence < sequence;
    if (done && counted && (p->done_cap > 0 || p->counted_cap > 0)) {
        const int64_t from_time_us = p->from_time_us;
        core_place_free(e, p);
        p->from_time_us = from_time_us;
    }
}

static uint32_t failed_attempts(const core_entry *entry)
{
    return entry->state == CORE_ENTRY_OUT ? entry->attempt - 1 : entry->attempt;
}

/* Runs of done entries, with what lies between them and was not the group's. */
static sut_status add_window(struct core_events *e, const core_group *g, core_place *out)
{
    const core_window *w = &g->window;
    uint64_t from = 0, last = 0;
    sut_status st = 0;
    for (uint64_t p = w->head; st == 0 && p < w->tail; p++) {
        const core_entry *entry = core_window_at(w, p);
        if (entry->state == CORE_ENTRY_DONE) {
            from = from ? from : entry->sequence;
            last = entry->sequence;
            continue;
        }
        if (from)
            st = core_place_add_done(e, out, from, last);
        from = 0;
        if (st == 0 && failed_attempts(entry) > 0)
            st = core_place_add_counted(e, out, entry->sequence, failed_attempts(entry));
    }
    return st == 0 && from ? core_place_add_done(e, out, from, last) : st;
}

static sut_status add_unread(struct core_events *e, const core_group *g, core_place *out)
{
    const core_place *p = &g->place;
    const uint64_t read = core_group_read(e, g);
    sut_status st = 0;
    for (size_t i = 0; st == 0 && i < p->done_count; i++) {
        if (p->done[i].to >= read && p->done[i].to > out->cursor)
            st = core_place_add_done(e, out, p->done[i].from > read ? p->done[i].from : read, p->done[i].to);
    }
    for (size_t i = 0; st == 0 && i < p->counted_count; i++) {
        if (p->counted[i].sequence >= read)
            st = core_place_add_counted(e, out, p->counted[i].sequence, p->counted[i].attempts);
    }
    return st;
}

sut_status core_place_of(struct core_events *e, const core_group *g, core_place *out)
{
    *out = (core_place){.cursor = core_group_cursor(e, g), .from_time_us = g->place.from_time_us};
    sut_status st = g->window.held ? add_window(e, g, out) : 0;
    if (st)
        return st;
    if (g->window.held)
        return add_unread(e, g, out);
    for (size_t i = 0; st == 0 && i < g->place.done_count; i++)
        st = core_place_add_done(e, out, g->place.done[i].from, g->place.done[i].to);
    for (size_t i = 0; st == 0 && i < g->place.counted_count; i++)
        st = core_place_add_counted(e, out, g->place.counted[i].sequence, g->place.counted[i].attempts);
    return st;
}
