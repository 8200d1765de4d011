/* The 4-ary timer heap: shallower than a binary one, and a node's children share a cache line or two. */
#include "loop_heap.h"

#include <errno.h>
#include <stdlib.h>

#define ARITY   4
#define MIN_CAP 64

static bool before(const heap_entry *a, const heap_entry *b)
{
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->order < b->order);
}

static void place(timer_heap *h, size_t slot, heap_entry e)
{
    h->entries[slot] = e;
    e.timer->slot = slot;
}

static void sift_up(timer_heap *h, size_t slot, heap_entry e)
{
    while (slot > 0) {
        size_t parent = (slot - 1) / ARITY;
        if (!before(&e, &h->entries[parent]))
            break;
        place(h, slot, h->entries[parent]);
        slot = parent;
    }
    place(h, slot, e);
}

static void sift_down(timer_heap *h, size_t slot, heap_entry e)
{
    for (;;) {
        size_t first = slot * ARITY + 1, best = first;
        if (first >= h->len)
            break;
        for (size_t i = first + 1; i < first + ARITY && i < h->len; i++)
            if (before(&h->entries[i], &h->entries[best]))
                best = i;
        if (!before(&h->entries[best], &e))
            break;
        place(h, slot, h->entries[best]);
        slot = best;
    }
    place(h, slot, e);
}

/* Puts `e` where it belongs, starting from a free slot. */
static void settle(timer_heap *h, size_t slot, heap_entry e)
{
    if (slot > 0 && before(&e, &h->entries[(slot - 1) / ARITY]))
        sift_up(h, slot, e);
    else
        sift_down(h, slot, e);
}

static sut_status resize(timer_heap *h, size_t cap)
{
    heap_entry *entries = reallocarray(h->entries, cap, sizeof *entries);
    if (!entries)
        return -ENOMEM;
    h->entries = entries;
    h->cap = cap;
    return 0;
}

sut_status timer_heap_put(timer_heap *h, sut_timer *t, uint64_t at_ns)
{
    heap_entry e = {at_ns, h->next_order++, t};
    if (t->loop) {
        settle(h, t->slot, e);
        return 0;
    }
    if (h->len == h->cap) {
        sut_status r = resize(h, h->cap ? h->cap * 2 : MIN_CAP);
        if (r)
            return r;
    }
    sift_up(h, h->len++, e);
    return 0;
}

void timer_heap_remove(timer_heap *h, sut_timer *t)
{
    size_t slot = t->slot;
    heap_entry last = h->entries[--h->len];
    if (last.timer != t)
        settle(h, slot, last);
    if (h->cap > MIN_CAP && h->len * 8 < h->cap)
        (void)resize(h, h->cap / 2); /* refused: the larger block serves as well */
}
