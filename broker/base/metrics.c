/* The registry of metrics (a list that only grows) and the latency histogram. */
#include "base/metrics.h"

#define SUB_BITS 4
#define SUB      (1u << SUB_BITS) /* buckets an octave */

static _Atomic(sut_metric *) s_first;

void sut_metric_register(sut_metric *m)
{
    m->next = atomic_load_explicit(&s_first, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&s_first, &m->next, m, memory_order_release, memory_order_relaxed))
        ;
}

void sut_metric_each(void (*fn)(const sut_metric *m, void *arg), void *arg)
{
    for (const sut_metric *m = atomic_load_explicit(&s_first, memory_order_acquire); m; m = m->next)
        fn(m, arg);
}

/* Values below 16 have a slot each; above, the four bits behind the leading one choose among 16 slots an octave. */
static size_t slot_of(uint64_t us)
{
    if (us < SUB)
        return us;
    unsigned shift = 63 - SUB_BITS - (unsigned)__builtin_clzll(us);
    size_t slot = (size_t)shift * SUB + (us >> shift);
    return slot < SUT_HISTOGRAM_SLOTS ? slot : SUT_HISTOGRAM_SLOTS - 1;
}

static uint64_t upper_edge(size_t slot)
{
    if (slot < SUB)
        return slot;
    unsigned shift = (unsigned)(slot / SUB) - 1;
    return ((uint64_t)(slot % SUB + SUB + 1) << shift) - 1;
}

void sut_histogram_record_us(sut_histogram *h, uint64_t us)
{
    atomic_fetch_add_explicit(&h->slot[slot_of(us)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_us, us, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&h->max_us, memory_order_relaxed);
    while (us > max &&
           !atomic_compare_exchange_weak_explicit(&h->max_us, &max, us, memory_order_relaxed, memory_order_relaxed))
        ;
}

uint64_t sut_histogram_quantile_us(const sut_histogram *h, double q)
{
    uint64_t total = 0, seen = 0, counts[SUT_HISTOGRAM_SLOTS];
    for (size_t i = 0; i < SUT_HISTOGRAM_SLOTS; i++) /* not `count`, which other threads may have moved on */
        total += counts[i] = atomic_load_explicit(&h->slot[i], memory_order_relaxed);
    if (total == 0)
        return 0;
    double exact = q * (double)total;
    uint64_t rank = exact <= 1 ? 1 : (uint64_t)exact;
    if ((double)rank < exact && rank < total)
        rank++;
    if (rank > total)
        rank = total;
    uint64_t max = atomic_load_explicit(&h->max_us, memory_order_relaxed);
    for (size_t i = 0; i < SUT_HISTOGRAM_SLOTS - 1; i++) {
        seen += counts[i];
        if (seen >= rank)
            return upper_edge(i) < max ? upper_edge(i) : max;
    }
    return max; /* the last slot holds whatever is longer */
}
