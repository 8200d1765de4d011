/* Subject → the groups and ephemeral subscribers that get it: a small direct-mapped cache, so that an appended event
 * costs no walk over the patterns of everybody. Lists made under another set of filters are made again. */
#include "event_state.h"

#include <stdlib.h>

#define MATCH_SLOTS 64

static uint32_t hash_subject(sut_str s)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (uint8_t)s.ptr[i]) * 16777619u;
    return h ^ (h >> 15);
}

static bool room(void *list_at, size_t count, size_t size)
{
    void **list = list_at;
    if (count & (count - 1)) /* grows when it has reached a power of two */
        return true;
    void *grown = reallocarray(*list, count ? count * 2 : 1, size);
    if (grown)
        *list = grown;
    return grown != NULL;
}

static bool fill(struct core_events *e, core_match *m, sut_str subject)
{
    m->generation = 0;
    m->group_count = m->subscription_count = 0;
    for (sut_node *n = e->groups.next; n != &e->groups; n = n->next) {
        core_group *g = SUT_CONTAINER(n, core_group, node);
        if (!core_filter_matches(&g->filter, subject))
            continue;
        if (!room(&m->groups, m->group_count, sizeof(core_group *)))
            return false;
        m->groups[m->group_count++] = g;
    }
    for (sut_node *n = e->ephemeral.next; n != &e->ephemeral; n = n->next) {
        core_subscription *sub = SUT_CONTAINER(n, core_subscription, place_node);
        if (!core_filter_matches(&sub->filter, subject))
            continue;
        if (!room(&m->subscriptions, m->subscription_count, sizeof(core_subscription *)))
            return false;
        m->subscriptions[m->subscription_count++] = sub;
    }
    m->generation = e->match_generation;
    m->subject_len = (uint8_t)subject.len;
    memcpy(m->subject, subject.ptr, subject.len);
    return true;
}

const core_match *core_match_find(sut_core *c, sut_str subject)
{
    struct core_events *e = c->events;
    if (!e->matches) {
        e->matches = calloc(MATCH_SLOTS, sizeof(*e->matches));
        if (!e->matches)
            return NULL;
    }
    core_match *m = &e->matches[hash_subject(subject) % MATCH_SLOTS];
    if (m->generation == e->match_generation && m->subject_len == subject.len &&
        memcmp(m->subject, subject.ptr, subject.len) == 0)
        return m;
    return fill(e, m, subject) ? m : NULL;
}

void core_matches_free(struct core_events *e)
{
    for (size_t i = 0; e->matches && i < MATCH_SLOTS; i++) {
        free(e->matches[i].groups);
        free(e->matches[i].subscriptions);
    }
    free(e->matches);
}
