/* What the daemon counts: traffic, refusals and drops by reason, and calls by service with their latency. */
#ifndef SUT_APP_STATS_H
#define SUT_APP_STATS_H

#include "base/map.h"
#include "base/metrics.h"

#define SUT_STATS_REASONS   48
#define SUT_STATS_SERVICES  256
#define SUT_RATE_SECONDS    10
#define SUT_LOG_LINES_A_SEC 20

/* Events a second over the last ten full seconds. */
typedef struct sut_rate {
    uint64_t second[SUT_RATE_SECONDS + 1];
    uint32_t count[SUT_RATE_SECONDS + 1];
} sut_rate;
void sut_rate_add(sut_rate *r, uint64_t now_ns, uint32_t n);
double sut_rate_get(const sut_rate *r, uint64_t now_ns);

/* Counters by name; names are literals. A name past the last slot is counted as "other". */
typedef struct sut_reasons {
    struct {
        const char *name;
        uint64_t count;
    } row[SUT_STATS_REASONS];
    size_t count;
} sut_reasons;
void sut_reasons_add(sut_reasons *r, const char *name);
uint64_t sut_reasons_get(const sut_reasons *r, const char *name);

typedef struct sut_service_stats {
    char name[129];
    uint64_t replies, errors;
    sut_rate rate;
    sut_histogram latency;
} sut_service_stats;

typedef struct sut_stats {
    uint64_t started_ns;
    uint64_t messages_in, bytes_in, envelopes_in;
    uint64_t messages_out, bytes_out, envelopes_out;
    uint64_t strays;    /* messages of connections that were already gone */
    uint64_t discarded; /* messages of peers that were already dropped */
    uint64_t overflows; /* peers closed because their queue was over its bound */
    uint64_t blocked;   /* times that a peer's pipe was full */
    uint64_t lost;      /* peers whose connection ended */
    sut_reasons refused, dropped, errors;
    sut_rate calls;
    sut_strmap *services; /* name → sut_service_stats */
    uint64_t log_second;
    uint32_t log_lines, log_suppressed;
} sut_stats;

SUT_MUST_CHECK sut_status sut_stats_init(sut_stats *s, uint64_t now_ns);
void sut_stats_deinit(sut_stats *s); /* idempotent */
/* A call of `subject` ended with the code `error` (NULL: a reply). Services are learnt from replies only, so that what
 * nobody serves takes no memory. */
void sut_stats_finished(sut_stats *s, sut_str subject, uint64_t now_ns, uint64_t took_ns, const char *error);
/* May another line about a peer's misbehaviour be logged this second? Otherwise it is counted, and the count is logged
 * with the next line that is let through. */
bool sut_stats_may_log(sut_stats *s, uint64_t now_ns);

#endif
