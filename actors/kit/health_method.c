/* NAME.health: what this process knows of itself and its dependencies. Answered by the kit for every actor, at any
 * time; a msgpack map that no schema declares:
 *
 *   {status: "up"|"degraded"|"down", service, instance, version, uptime_ms, serving: bool, draining: bool, running,
 *    dependencies: [{name, status, required: bool, detail, since_us}],
 *    methods: [{name, calls, errors, p50_us, p99_us, max_us}],
 *    groups: [{group, up: bool, subjects, taken, failed, unreadable, running}],
 *    outbox?: {relaying: bool, rows, oldest_ms, refused, sent}} */
#include "dispatch.h"

#include "consume.h"
#include "outbox.h"
#include "runtime.h"

#include "base/clock.h"
#include "base/health.h"
#include "wire/msgpack.h"

/* Appends of one map, until one fails. */
typedef struct s_map {
    sut_buf *b;
    sut_status st;
} s_map;

static void s_text(s_map *m, const char *key, const char *value)
{
    if (!m->st)
        m->st = sut_mp_add_str(m->b, sut_str_from(key));
    if (!m->st)
        m->st = sut_mp_add_str(m->b, sut_str_from(value));
}

static void s_number(s_map *m, const char *key, int64_t value)
{
    if (!m->st)
        m->st = sut_mp_add_str(m->b, sut_str_from(key));
    if (!m->st)
        m->st = sut_mp_add_int(m->b, value);
}

static void s_flag(s_map *m, const char *key, bool value)
{
    if (!m->st)
        m->st = sut_mp_add_str(m->b, sut_str_from(key));
    if (!m->st)
        m->st = sut_mp_add_bool(m->b, value);
}

static void s_list(s_map *m, const char *key, size_t count)
{
    if (!m->st)
        m->st = sut_mp_add_str(m->b, sut_str_from(key));
    if (!m->st)
        m->st = sut_mp_add_array(m->b, count);
}

static void s_open(s_map *m, size_t pairs)
{
    if (!m->st)
        m->st = sut_mp_add_map(m->b, pairs);
}

static void s_dependencies(s_map *m)
{
    sut_health_item items[SUT_HEALTH_MAX];
    size_t count = sut_health_list(items);
    s_list(m, "dependencies", count);
    for (size_t i = 0; i < count; i++) {
        s_open(m, 5);
        s_text(m, "name", items[i].name);
        s_text(m, "status", sut_health_state_name(items[i].state));
        s_flag(m, "required", items[i].required);
        s_text(m, "detail", items[i].detail);
        s_number(m, "since_us", items[i].since_us);
    }
}

static void s_methods(s_map *m, sut_runtime *rt)
{
    s_list(m, "methods", rt->opt->entry_count);
    for (size_t i = 0; i < rt->opt->entry_count; i++) {
        sut_method_stats *stats = &rt->stats[i];
        s_open(m, 6);
        s_text(m, "name", rt->opt->entries[i].method->name);
        s_number(m, "calls", sut_metric_get(&stats->calls));
        s_number(m, "errors", sut_metric_get(&stats->errors));
        s_number(m, "p50_us", (int64_t)sut_histogram_quantile_us(&stats->took_us, 0.5));
        s_number(m, "p99_us", (int64_t)sut_histogram_quantile_us(&stats->took_us, 0.99));
        s_number(m, "max_us", (int64_t)atomic_load_explicit(&stats->took_us.max_us, memory_order_relaxed));
    }
}

static void s_groups(s_map *m, const sut_runtime *rt)
{
    if (!m->st)
        m->st = sut_mp_add_str(m->b, SUT_STR("groups"));
    if (!m->st)
        m->st = sut_consumers_describe(rt, m->b);
}

static void s_outbox(s_map *m, const sut_outbox_status *o)
{
    if (!m->st)
        m->st = sut_mp_add_str(m->b, SUT_STR("outbox"));
    s_open(m, 5);
    s_flag(m, "relaying", o->relaying);
    s_number(m, "rows", o->rows);
    s_number(m, "oldest_ms", o->oldest_ms);
    s_number(m, "refused", o->refused);
    s_number(m, "sent", o->sent);
}

sut_status sut_health_method(sut_runtime *rt, sut_buf *reply)
{
    sut_health_state state = sut_health_overall();
    if (!rt->serving)
        state = SUT_HEALTH_DOWN;
    s_map m = {.b = reply};
    sut_outbox_status outbox;
    bool has_outbox = sut_outbox_look(rt, &outbox);
    s_open(&m, has_outbox ? 12 : 11);
    s_text(&m, "status", sut_health_state_name(state));
    s_text(&m, "service", rt->opt->name);
    s_text(&m, "instance", rt->settings.instance ? rt->settings.instance : "");
    s_text(&m, "version", SUT_VERSION);
    s_number(&m, "uptime_ms", (int64_t)((sut_now_ns() - rt->started_ns) / SUT_NS_PER_MS));
    s_flag(&m, "serving", rt->serving);
    s_flag(&m, "draining", rt->draining);
    s_number(&m, "running", (int64_t)rt->running_count);
    s_dependencies(&m);
    s_methods(&m, rt);
    s_groups(&m, rt);
    if (has_outbox)
        s_outbox(&m, &outbox);
    return m.st;
}
