/* The members of a group: the heap that knows who has most credit free. A member that let events expire without a word
 * comes last, as long as another one can take them: it hangs. */
#include "event_state.h"

#include <errno.h>
#include <stdlib.h>

static int64_t worth(const core_subscription *sub)
{
    const int64_t free_credits = (int64_t)sub->credits - sub->in_flight;
    return free_credits > 0 ? free_credits - (int64_t)sub->overdue : INT64_MIN;
}

static bool before(const core_subscription *a, const core_subscription *b)
{
    const int64_t x = worth(a), y = worth(b);
    return x != y ? x > y : a->last_used < b->last_used;
}

static void put_at(core_group *g, uint32_t i, core_subscription *sub)
{
    g->heap[i] = sub;
    sub->heap_index = i;
}

void core_member_fix(core_group *g, core_subscription *sub)
{
    uint32_t i = sub->heap_index;
    if (i == CORE_NOT_A_MEMBER)
        return;
    while (i > 0 && before(sub, g->heap[(i - 1) / 2])) {
        put_at(g, i, g->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= g->heap_len)
            break;
        if (child + 1 < g->heap_len && before(g->heap[child + 1], g->heap[child]))
            child++;
        if (!before(g->heap[child], sub))
            break;
        put_at(g, i, g->heap[child]);
        i = child;
    }
    put_at(g, i, sub);
}

sut_status core_member_add(core_group *g, core_subscription *sub)
{
    if (g->heap_len == g->heap_cap) {
        const uint32_t cap = g->heap_cap ? g->heap_cap * 2 : 4;
        core_subscription **grown = reallocarray(g->heap, cap, sizeof(core_subscription *));
        if (!grown)
            return SUT_TRACE(-ENOMEM, "members of a group");
        g->heap = grown;
        g->heap_cap = cap;
    }
    sub->group = g;
    sut_list_push_back(&g->members, &sub->place_node);
    g->member_count++;
    g->credits_total += sub->credits;
    put_at(g, g->heap_len++, sub);
    core_member_fix(g, sub);
    return 0;
}

void core_member_retire(core_group *g, core_subscription *sub)
{
    const uint32_t i = sub->heap_index;
    core_subscription *last = g->heap[--g->heap_len];
    sub->heap_index = CORE_NOT_A_MEMBER;
    g->credits_total -= sub->credits;
    if (last == sub)
        return;
    put_at(g, i, last);
    core_member_fix(g, last);
}

core_subscription *core_member_most_free(const core_group *g)
{
    return g->heap_len > 0 && g->heap[0]->in_flight < g->heap[0]->credits ? g->heap[0] : NULL;
}
