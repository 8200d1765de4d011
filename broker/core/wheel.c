/* The timer wheel: one level of 4,096 slots of 1 ms with an occupancy bitmap. A timer further away than one turn stays
 * in its slot until its turn has come: deadlines are 60 s at most, so that is at most fifteen looks at it. */
#include "wheel.h"

#include "base/clock.h"

#define SLOT_MASK  (CORE_WHEEL_SLOTS - 1)
#define WORD_COUNT (CORE_WHEEL_SLOTS / 64)

void core_wheel_init(core_wheel *w)
{
    for (size_t i = 0; i < CORE_WHEEL_SLOTS; i++)
        sut_list_init(&w->slots[i]);
    for (size_t i = 0; i < WORD_COUNT; i++)
        w->occupied[i] = 0;
    sut_list_init(&w->due);
    w->cur_ms = 0;
}

void core_wheel_arm(core_wheel *w, core_timer *t, uint64_t at_ns)
{
    core_wheel_cancel(w, t);
    uint64_t at_ms = at_ns / SUT_NS_PER_MS + (at_ns % SUT_NS_PER_MS != 0);
    t->at_ms = at_ms > w->cur_ms ? at_ms : w->cur_ms + 1;
    size_t slot = (size_t)(t->at_ms & SLOT_MASK);
    sut_list_push_back(&w->slots[slot], &t->node);
    w->occupied[slot / 64] |= UINT64_C(1) << (slot % 64);
}

static void forget_if_empty(core_wheel *w, size_t slot)
{
    if (sut_list_empty(&w->slots[slot]))
        w->occupied[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

void core_wheel_cancel(core_wheel *w, core_timer *t)
{
    if (!sut_node_linked(&t->node))
        return;
    sut_node_unlink(&t->node);
    forget_if_empty(w, (size_t)(t->at_ms & SLOT_MASK));
}

/* Milliseconds from cur_ms to the next occupied slot, 1 to CORE_WHEEL_SLOTS; 0 if none is. */
static uint64_t next_distance(const core_wheel *w)
{
    size_t start = (size_t)((w->cur_ms + 1) & SLOT_MASK);
    uint64_t bits = w->occupied[start / 64] & (UINT64_MAX << (start % 64));
    for (size_t n = 0; n <= WORD_COUNT; n++) {
        size_t word = (start / 64 + n) % WORD_COUNT;
        if (n > 0)
            bits = w->occupied[word];
        if (bits) {
            size_t slot = word * 64 + (size_t)__builtin_ctzll(bits);
            return ((slot - start) & SLOT_MASK) + 1;
        }
    }
    return 0;
}

static void collect_due(core_wheel *w, size_t slot, uint64_t now_ms)
{
    sut_node *head = &w->slots[slot];
    for (sut_node *n = head->next, *next; n != head; n = next) {
        next = n->next;
        if (SUT_CONTAINER(n, core_timer, node)->at_ms > now_ms)
            continue;
        sut_node_unlink(n);
        sut_list_push_back(&w->due, n);
    }
    forget_if_empty(w, slot);
}

core_timer *core_wheel_pop(core_wheel *w, uint64_t now_ns)
{
    uint64_t now_ms = now_ns / SUT_NS_PER_MS;
    if (now_ms > w->cur_ms + CORE_WHEEL_SLOTS)
        w->cur_ms = now_ms - CORE_WHEEL_SLOTS; /* one turn looks at every slot */
    while (sut_list_empty(&w->due)) {
        uint64_t distance = next_distance(w);
        if (w->cur_ms >= now_ms)
            return NULL;
        if (distance == 0 || w->cur_ms + distance > now_ms) {
            w->cur_ms = now_ms;
            return NULL;
        }
        w->cur_ms += distance;
        collect_due(w, (size_t)(w->cur_ms & SLOT_MASK), now_ms);
    }
    return SUT_CONTAINER(sut_list_pop_front(&w->due), core_timer, node);
}

uint64_t core_wheel_next_ns(const core_wheel *w)
{
    if (!sut_list_empty(&w->due))
        return 0;
    uint64_t distance = next_distance(w);
    return distance == 0 ? SUT_NEVER : (w->cur_ms + distance) * SUT_NS_PER_MS;
}
