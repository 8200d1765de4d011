/* Counters, gauges and latency histograms, each declared once with name, unit and description. Updates are relaxed
 * atomics: any thread, no locks. Histograms have log-linear buckets (HdrHistogram's layout: 16 sub-buckets an octave,
 * 1 us to 64 s, error below 6.25 %). Registration is done once at start, by static storage; nothing is freed. */
#ifndef SUT_BASE_METRICS_H
#define SUT_BASE_METRICS_H

#include "base/buf.h"

#include <stdatomic.h>

typedef struct sut_metric {
    const char *name; /* Prometheus style: sut_broker_calls_total */
    const char *help;
    const char *labels; /* `service="user"` or NULL */
    enum { SUT_COUNTER, SUT_GAUGE } kind;
    _Atomic int64_t value;
    struct sut_metric *next;
} sut_metric;

void sut_metric_register(sut_metric *m); /* any thread, once */
static inline void sut_metric_add(sut_metric *m, int64_t n)
{
    atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}
static inline void sut_metric_set(sut_metric *m, int64_t n)
{
    atomic_store_explicit(&m->value, n, memory_order_relaxed);
}
static inline int64_t sut_metric_get(const sut_metric *m)
{
    return atomic_load_explicit(&m->value, memory_order_relaxed);
}
/* Calls fn for every registered metric. */
void sut_metric_each(void (*fn)(const sut_metric *m, void *arg), void *arg);

#define SUT_HISTOGRAM_SLOTS 432
typedef struct sut_histogram {
    _Atomic uint64_t slot[SUT_HISTOGRAM_SLOTS]; /* by value in microseconds */
    _Atomic uint64_t count, sum_us, max_us;
} sut_histogram;

void sut_histogram_record_us(sut_histogram *h, uint64_t us);
/* Value at quantile q in 0..1, in microseconds (upper edge of its bucket); 0 if empty. */
uint64_t sut_histogram_quantile_us(const sut_histogram *h, double q);

#endif
