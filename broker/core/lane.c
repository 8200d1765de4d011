/* Lanes: the events of one key, in order. A lane is found by a seeded hash of its key: two keys with the same hash
 * would share a lane, which keeps more order than was asked for and harms nobody else. */
#include "event_state.h"

#include <stdlib.h>

/* Multiplies and folds eight bytes at a time (the scheme of wyhash); the seed keeps peers from choosing collisions. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t core_key_hash(uint64_t seed, sut_str key)
{
    uint64_t h = seed ^ (UINT64_C(0x9e3779b97f4a7c15) * (key.len + 1));
    size_t i = 0;
    for (; i + 8 <= key.len; i += 8) {
        uint64_t word;
        memcpy(&word, key.ptr + i, 8);
        h = fold(h ^ word, seed ^ UINT64_C(0xe7037ed1a0b428db));
    }
    uint64_t last = 0;
    if (i < key.len)
        memcpy(&last, key.ptr + i, key.len - i);
    return fold(h ^ last, seed ^ UINT64_C(0x8ebc6af09c88c6e3));
}

static core_lane *new_lane(struct core_events *e)
{
    core_lane *lane = e->free_lanes;
    if (lane)
        e->free_lanes = lane->next_free;
    else
        lane = malloc(sizeof(*lane));
    return lane;
}

static void free_lane(struct core_events *e, core_lane *lane)
{
    core_event_discharge(e, sizeof(*lane));
    lane->next_free = e->free_lanes;
    e->free_lanes = lane;
}

bool core_lane_join(struct core_events *e, core_group *g, core_entry *entry, sut_str key)
{
    const uint64_t hash = core_key_hash(e->hash_seed, key);
    core_lane *lane = sut_u64map_get(g->lanes, hash);
    if (!lane) {
        lane = new_lane(e);
        if (!lane)
            return false;
        *lane = (core_lane){.hash = hash};
        if (sut_u64map_put(g->lanes, hash, lane)) {
            free(lane);
            return false;
        }
        core_event_charge_always(e, sizeof(*lane)); /* at most one for each entry, which was charged */
    }
    entry->lane = lane;
    if (lane->last)
        lane->last->lane_next = entry;
    else
        lane->first = entry;
    lane->last = entry;
    return true;
}

core_entry *core_lane_leave(struct core_events *e, core_group *g, core_entry *entry)
{
    core_lane *lane = entry->lane;
    core_entry *next = entry->lane_next;
    entry->lane = NULL;
    entry->lane_next = NULL;
    lane->first = next;
    if (next)
        return next;
    (void)sut_u64map_take(g->lanes, lane->hash);
    free_lane(e, lane);
    return NULL;
}

void core_lanes_clear(struct core_events *e, core_group *g)
{
    size_t pos = 0;
    uint64_t hash;
    void *lane;
    while (sut_u64map_next(g->lanes, &pos, &hash, &lane)) {
        (void)sut_u64map_take(g->lanes, hash);
        free_lane(e, lane);
        pos = 0;
    }
}

void core_lanes_free(struct core_events *e)
{
    while (e->free_lanes) {
        core_lane *lane = e->free_lanes;
        e->free_lanes = lane->next_free;
        free(lane);
    }
}
