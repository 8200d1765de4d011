/* The wheel of deadlines: which call is due when. */
#include "deadlines.h"

#include "base/clock.h"
#include "base/log.h"

#define SLOT_OF(tick) ((unsigned)((tick) & (DEADLINE_SLOTS - 1)))

void client_deadlines_init(client_deadlines *w, sut_loop *loop, uint64_t now_ns,
                           void (*expired)(client_deadline *d, void *arg), void *arg)
{
    *w = (client_deadlines){
        .loop = loop, .done_tick = now_ns / SUT_NS_PER_MS, .armed_tick = UINT64_MAX, .expired = expired, .arg = arg};
    for (unsigned i = 0; i < DEADLINE_SLOTS; i++)
        sut_list_init(&w->slot[i]);
}

void client_deadlines_stop(client_deadlines *w)
{
    sut_timer_stop(&w->timer);
    w->armed_tick = UINT64_MAX;
}

static void fire(sut_timer *t, void *arg)
{
    (void)t;
    client_deadlines *w = arg;
    w->armed_tick = UINT64_MAX;
    client_deadlines_run(w, sut_now_ns());
}

static sut_status arm(client_deadlines *w, uint64_t tick)
{
    if (tick >= w->armed_tick)
        return 0;
    sut_status st = sut_timer_start_at(w->loop, &w->timer, tick * SUT_NS_PER_MS, fire, w);
    if (st == 0)
        w->armed_tick = tick;
    return st;
}

/* The first tick after done_tick whose slot has entries (of this round or a later one); UINT64_MAX if none has. */
static uint64_t next_occupied(const client_deadlines *w)
{
    uint64_t tick = w->done_tick + 1;
    for (unsigned looked = 0; looked < DEADLINE_SLOTS;) { /* the word that is entered in its middle comes twice */
        unsigned slot = SLOT_OF(tick), bit = slot % 64;
        uint64_t word = w->occupied[slot / 64] >> bit;
        if (word)
            return tick + (unsigned)__builtin_ctzll(word);
        tick += 64 - bit;
        looked += 64 - bit;
    }
    return UINT64_MAX;
}

sut_status client_deadlines_add(client_deadlines *w, client_deadline *d, uint64_t at_ns)
{
    if (w->count == 0) { /* an idle wheel's past need not be walked */
        uint64_t now_tick = sut_now_ns() / SUT_NS_PER_MS;
        if (now_tick > w->done_tick + 1)
            w->done_tick = now_tick - 1;
    }
    uint64_t tick = at_ns / SUT_NS_PER_MS + 1;
    d->tick = tick > w->done_tick ? tick : w->done_tick + 1;
    unsigned slot = SLOT_OF(d->tick);
    uint64_t first_visit = w->done_tick + 1 + SLOT_OF(d->tick - w->done_tick - 1);
    sut_status st = arm(w, first_visit);
    if (st != 0)
        return st;
    sut_list_push_back(&w->slot[slot], &d->node);
    w->occupied[slot / 64] |= UINT64_C(1) << (slot % 64);
    w->count++;
    return 0;
}

void client_deadlines_remove(client_deadlines *w, client_deadline *d)
{
    if (!sut_node_linked(&d->node))
        return;
    sut_node_unlink(&d->node);
    w->count--;
    unsigned slot = SLOT_OF(d->tick);
    if (sut_list_empty(&w->slot[slot]))
        w->occupied[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

/* Expires the entries of one slot that are due. The callback may add to and remove from this very slot, so the entries
 * are moved aside and put back one by one. */
static void run_slot(client_deadlines *w, unsigned slot, uint64_t now_tick)
{
    sut_node aside;
    sut_list_init(&aside);
    for (sut_node *n; (n = sut_list_pop_front(&w->slot[slot]));)
        sut_list_push_back(&aside, n);
    w->occupied[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    for (sut_node *n; (n = sut_list_pop_front(&aside));) {
        client_deadline *d = SUT_CONTAINER(n, client_deadline, node);
        if (d->tick > now_tick) {
            sut_list_push_back(&w->slot[slot], n);
            w->occupied[slot / 64] |= UINT64_C(1) << (slot % 64);
        } else {
            w->count--;
            w->expired(d, w->arg);
        }
    }
}

void client_deadlines_run(client_deadlines *w, uint64_t now_ns)
{
    uint64_t now_tick = now_ns / SUT_NS_PER_MS, from = w->done_tick;
    if (now_tick <= from)
        return;
    w->done_tick = now_tick;
    uint64_t ticks = now_tick - from < DEADLINE_SLOTS ? now_tick - from : DEADLINE_SLOTS;
    for (uint64_t i = 1; i <= ticks && w->count; i++) {
        unsigned slot = SLOT_OF(from + i);
        if (w->occupied[slot / 64] >> (slot % 64) & 1)
            run_slot(w, slot, now_tick);
    }
    uint64_t next = w->count ? next_occupied(w) : UINT64_MAX;
    if (next != UINT64_MAX && arm(w, next) != 0)
        sut_log(SUT_ERROR, "client", "deadlines.arm_failed");
}
