/* The window of a group: a ring of its entries past the cursor, in order of sequence. Entries lie in chunks, so that
 * they stay where they are while the ring grows. */
#include "event_state.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_CHUNKS 4

sut_status core_window_init(core_window *w, bool of_tool)
{
    *w = (core_window){.mask = FIRST_CHUNKS - 1, .of_tool = of_tool};
    w->chunks = calloc(FIRST_CHUNKS, sizeof(core_chunk *));
    return w->chunks ? 0 : SUT_TRACE(-ENOMEM, "window of a group");
}

static uint64_t chunk_of(uint64_t position)
{
    return position / CORE_CHUNK_ENTRIES;
}

core_entry *core_window_at(const core_window *w, uint64_t position)
{
    return &w->chunks[chunk_of(position) & w->mask]->entries[position % CORE_CHUNK_ENTRIES];
}

/* The last chunk that was given back is kept: a window of a few entries moves on without malloc. */
static void give_back(struct core_events *e, core_chunk *chunk)
{
    core_event_discharge(e, sizeof(*chunk));
    if (e->free_chunk)
        free(chunk);
    else
        e->free_chunk = chunk;
}

static core_chunk *new_chunk(struct core_events *e, bool for_tool, bool always)
{
    if (!always && !core_event_room(e, sizeof(core_chunk), for_tool))
        return NULL;
    core_chunk *chunk = e->free_chunk ? e->free_chunk : malloc(sizeof(*chunk));
    e->free_chunk = NULL;
    if (chunk)
        core_event_charge_always(e, sizeof(*chunk));
    return chunk;
}

static bool grow(core_window *w)
{
    const uint64_t count = (w->mask + 1) * 2;
    core_chunk **grown = calloc(count, sizeof(core_chunk *));
    if (!grown)
        return false;
    for (uint64_t i = chunk_of(w->head); i < chunk_of(w->tail); i++)
        grown[i & (count - 1)] = w->chunks[i & w->mask];
    free(w->chunks);
    w->chunks = grown;
    w->mask = count - 1;
    return true;
}

core_entry *core_window_push(struct core_events *e, core_window *w, uint64_t sequence)
{
    if (w->tail % CORE_CHUNK_ENTRIES == 0) {
        if (chunk_of(w->tail) - chunk_of(w->head) > w->mask && !grow(w))
            return NULL;
        core_chunk *chunk = new_chunk(e, w->of_tool, w->head == w->tail);
        if (!chunk)
            return NULL;
        w->chunks[chunk_of(w->tail) & w->mask] = chunk;
    }
    core_entry *entry = core_window_at(w, w->tail++);
    *entry = (core_entry){.sequence = sequence};
    return entry;
}

void core_window_unpush(struct core_events *e, core_window *w)
{
    w->tail--;
    if (w->tail % CORE_CHUNK_ENTRIES == 0 || w->tail == w->head)
        give_back(e, w->chunks[chunk_of(w->tail) & w->mask]);
    if (w->head == w->tail)
        w->head = w->tail = 0;
}

/* Most groups take all events, so the place is often known by arithmetic; else by halving. */
core_entry *core_window_find(const core_window *w, uint64_t sequence)
{
    uint64_t low = w->head, high = w->tail;
    if (low == high)
        return NULL;
    const uint64_t first = core_window_at(w, low)->sequence;
    if (sequence < first)
        return NULL;
    if (sequence - first < high - low) {
        core_entry *entry = core_window_at(w, low + (sequence - first));
        if (entry->sequence == sequence)
            return entry;
        high = low + (sequence - first) + 1; /* sequences grow at least as fast as positions */
    }
    while (low < high) {
        const uint64_t middle = low + (high - low) / 2;
        core_entry *entry = core_window_at(w, middle);
        if (entry->sequence == sequence)
            return entry;
        if (entry->sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

void core_window_pop(struct core_events *e, core_window *w)
{
    const uint64_t position = w->head++;
    if (w->head % CORE_CHUNK_ENTRIES != 0 && w->head != w->tail)
        return;
    give_back(e, w->chunks[chunk_of(position) & w->mask]);
    if (w->head == w->tail) /* the next one begins a chunk */
        w->head = w->tail = 0;
}

void core_window_free(struct core_events *e, core_window *w)
{
    while (w->chunks && w->head != w->tail)
        core_window_pop(e, w);
    free(w->chunks);
    *w = (core_window){0};
}
