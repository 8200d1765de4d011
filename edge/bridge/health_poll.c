/* Asks every service for its health once a second and keeps what it says under SERVICE and SERVICE.DEPENDENCY in
 * base/health.h. Its good answer is also the half-open probe of the service's breaker, so that a service that returned
 * is used again within a second, not only when the breaker's 30 s are over. */
#include "bridge.h"

#include "base/health.h"
#include "base/log.h"
#include "health_report.h"

#include <errno.h>
#include <stdio.h>

#define PERIOD_MS       1000
#define TIMEOUT_MS      2000
#define ARENA_MAX_BYTES (256u << 10)

/* Without these nobody can register, log in or use a token; without any other the rest goes on. */
static bool is_required(const char *service)
{
    return strcmp(service, "auth") == 0 || strcmp(service, "user") == 0;
}

static void note_dependencies(const bridge_service *s, const sut_health_report *report)
{
    for (size_t i = 0; i < report->count; i++) {
        const sut_health_item *it = &report->items[i];
        char name[sizeof(it->name)];
        int n = snprintf(name, sizeof(name), "%s.%s", s->name, it->name);
        if (n < 0 || (size_t)n >= sizeof(name))
            continue; /* a name that is too long to keep */
        sut_health_set(name, it->required && is_required(s->name), it->state, it->detail[0] ? it->detail : NULL);
    }
}

static void note_report(bridge_service *s, sut_str body)
{
    sut_arena *arena = NULL;
    sut_health_report report;
    sut_status st = sut_arena_new(&arena, ARENA_MAX_BYTES);
    if (st == 0)
        st = sut_health_report_decode(arena, body, &report);
    arena = sut_arena_free(arena);
    if (st) {
        sut_health_set(s->name, is_required(s->name), SUT_HEALTH_DOWN, "its health report cannot be read");
        return;
    }
    const char *detail = report.overall == SUT_HEALTH_UP ? NULL : "see its dependencies";
    sut_health_set(s->name, is_required(s->name), report.overall, detail);
    note_dependencies(s, &report);
    if (report.overall == SUT_HEALTH_UP || report.overall == SUT_HEALTH_DEGRADED)
        bridge_service_well(s);
}

/* What it said of its own dependencies is no news any more. */
static void note_silence(const bridge_service *s, sut_str why)
{
    char detail[96];
    (void)snprintf(detail, sizeof(detail), "no answer: %.*s", SUT_STR_FMT(why));
    sut_health_set(s->name, is_required(s->name), SUT_HEALTH_DOWN, detail);
    sut_health_item items[SUT_HEALTH_MAX];
    size_t count = sut_health_list(items), len = strlen(s->name);
    for (size_t i = 0; i < count; i++) {
        if (strncmp(items[i].name, s->name, len) == 0 && items[i].name[len] == '.')
            sut_health_set(items[i].name, items[i].required, SUT_HEALTH_UNKNOWN, NULL);
    }
}

static void answered(void *arg, const sut_result *r)
{
    bridge_service *s = arg;
    s->asking = false;
    if (r->err == 0)
        note_report(s, r->body);
    else if (r->err != SUT_ERR_CANCELLED)
        note_silence(s, r->code);
}

static void poll_all(sut_timer *t, void *arg)
{
    sut_bridge *b = arg;
    for (size_t i = 0; i < b->service_count; i++) {
        bridge_service *s = &b->services[i];
        if (s->asking)
            continue;
        const sut_call call = {
            .subject = sut_str_from(s->health_subject), .timeout_ms = TIMEOUT_MS, .idempotent = true};
        s->asking = sut_call_start(b->client, &call, answered, s, NULL) == 0;
    }
    if (sut_timer_start_ms(b->loop, t, PERIOD_MS, poll_all, b))
        sut_log(SUT_ERROR, "edge", "health.no_timer");
}

sut_status sut_bridge_watch_health(sut_bridge *b)
{
    for (size_t i = 0; i < b->service_count; i++)
        sut_health_set(b->services[i].name, is_required(b->services[i].name), SUT_HEALTH_UNKNOWN, "not asked yet");
    return sut_timer_start_ms(b->loop, &b->poll, 0, poll_all, b);
}
