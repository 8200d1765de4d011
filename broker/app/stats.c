/* Counters, rates and latencies of the daemon. */
#include "stats.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

void sut_rate_add(sut_rate *r, uint64_t now_ns, uint32_t n)
{
    const uint64_t second = now_ns / SUT_NS_PER_S;
    const size_t slot = second % SUT_ARRAY_LEN(r->count);

    if (r->second[slot] != second) {
        r->second[slot] = second;
        r->count[slot] = 0;
    }
    r->count[slot] += n;
}

double sut_rate_get(const sut_rate *r, uint64_t now_ns)
{
    const uint64_t second = now_ns / SUT_NS_PER_S;
    uint64_t sum = 0;

    for (size_t i = 0; i < SUT_ARRAY_LEN(r->count); i++)
        if (r->second[i] < second && r->second[i] + SUT_RATE_SECONDS >= second)
            sum += r->count[i];
    return (double)sum / SUT_RATE_SECONDS;
}

void sut_reasons_add(sut_reasons *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->row[i].name, name) == 0) {
            r->row[i].count++;
            return;
        }
    }
    if (r->count + 1 < SUT_STATS_REASONS) {
        r->row[r->count].name = name;
        r->row[r->count++].count = 1;
        return;
    }
    r->count = SUT_STATS_REASONS;
    r->row[SUT_STATS_REASONS - 1].name = "other";
    r->row[SUT_STATS_REASONS - 1].count++;
}

uint64_t sut_reasons_get(const sut_reasons *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->row[i].name, name) == 0)
            return r->row[i].count;
    return 0;
}

sut_status sut_stats_init(sut_stats *s, uint64_t now_ns)
{
    *s = (sut_stats){.started_ns = now_ns};
    return sut_strmap_new(&s->services);
}

void sut_stats_deinit(sut_stats *s)
{
    size_t pos = 0;
    sut_str name;
    void *v;

    if (!s->services)
        return;
    while (sut_strmap_next(s->services, &pos, &name, &v))
        free(v);
    s->services = sut_strmap_free(s->services);
}

static sut_service_stats *learn(sut_stats *s, sut_str name)
{
    sut_service_stats *v;

    if (sut_strmap_count(s->services) >= SUT_STATS_SERVICES || name.len >= sizeof v->name)
        return NULL;
    v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    memcpy(v->name, name.ptr, name.len);
    if (sut_strmap_put(s->services, name, v) < 0) {
        free(v);
        return NULL;
    }
    return v;
}

void sut_stats_finished(sut_stats *s, sut_str subject, uint64_t now_ns, uint64_t took_ns, const char *error)
{
    const char *dot = memchr(subject.ptr, '.', subject.len);
    const sut_str name = {subject.ptr, dot ? (size_t)(dot - subject.ptr) : subject.len};
    sut_service_stats *v = sut_strmap_get(s->services, name);

    sut_rate_add(&s->calls, now_ns, 1);
    if (error)
        sut_reasons_add(&s->errors, error);
    if (!v && !error)
        v = learn(s, name);
    if (!v)
        return;
    sut_rate_add(&v->rate, now_ns, 1);
    sut_histogram_record_us(&v->latency, took_ns / SUT_NS_PER_US);
    if (error)
        v->errors++;
    else
        v->replies++;
}

bool sut_stats_may_log(sut_stats *s, uint64_t now_ns)
{
    const uint64_t second = now_ns / SUT_NS_PER_S;

    if (s->log_second != second) {
        if (s->log_suppressed)
            sut_log(SUT_WARN, "broker", "log.suppressed", SUT_KV_U("lines", s->log_suppressed));
        s->log_second = second;
        s->log_lines = s->log_suppressed = 0;
    }
    if (s->log_lines < SUT_LOG_LINES_A_SEC) {
        s->log_lines++;
        return true;
    }
    s->log_suppressed++;
    return false;
}
