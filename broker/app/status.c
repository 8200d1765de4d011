/* Writes what the daemon knows of itself as msgpack. A `page` keeps the first failure, so that the writers read as the
 * documents that they write; lists are cut at LIST_MAX, and `sessions_total` and the like say how long they are. */
#include "status.h"
#include "broker.h"

#include "base/clock.h"
#include "wire/msgpack.h"
#include "wire/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_MAX 2000

typedef struct page {
    const sut_broker *b;
    sut_buf *out;
    uint64_t now_ns;
    size_t left; /* entries of the list that may still be written */
    sut_status status;
} page;

static void keep(page *p, sut_status r)
{
    if (p->status == 0)
        p->status = r;
}

static void key(page *p, const char *name)
{
    keep(p, sut_mp_add_str(p->out, sut_str_from(name)));
}

static void put_uint(page *p, const char *name, uint64_t v)
{
    key(p, name);
    keep(p, sut_mp_add_uint(p->out, v));
}

static void put_f64(page *p, const char *name, double v)
{
    key(p, name);
    keep(p, sut_mp_add_f64(p->out, v));
}

static void put_bool(page *p, const char *name, bool v)
{
    key(p, name);
    keep(p, sut_mp_add_bool(p->out, v));
}

static void put_str(page *p, const char *name, sut_str s)
{
    key(p, name);
    keep(p, s.ptr ? sut_mp_add_str(p->out, s) : sut_mp_add_nil(p->out));
}

static void put_text(page *p, const char *name, const char *s)
{
    put_str(p, name, sut_str_from(s));
}

static void map(page *p, size_t pairs)
{
    keep(p, sut_mp_add_map(p->out, pairs));
}

static void list(page *p, const char *name, size_t count)
{
    key(p, name);
    p->left = count < LIST_MAX ? count : LIST_MAX;
    keep(p, sut_mp_add_array(p->out, p->left));
}

static uint64_t ms_since(const page *p, uint64_t then_ns)
{
    return p->now_ns > then_ns ? (p->now_ns - then_ns) / SUT_NS_PER_MS : 0;
}

/* ---- sessions and services ---- */

static void write_session(const sut_core_session_view *v, void *arg)
{
    page *p = arg;

    if (!p->left)
        return;
    p->left--;
    map(p, 9);
    put_uint(p, "session", v->id);
    put_str(p, "name", v->name);
    put_str(p, "instance", v->instance);
    put_text(p, "role", sut_role_name(v->role));
    put_text(p, "state", v->draining ? "draining" : v->ready ? "ready" : "new");
    put_uint(p, "calls_pending", v->calls_pending);
    put_uint(p, "calls_in_hand", v->calls_in_hand);
    put_uint(p, "open_ms", ms_since(p, v->opened_ns));
    put_uint(p, "silent_ms", ms_since(p, v->last_heard_ns));
}

static void write_service(const sut_core_service_view *v, void *arg)
{
    static const sut_service_stats none;
    page *p = arg;
    const sut_service_stats *s = sut_strmap_get(p->b->stats.services, v->name);

    if (!p->left)
        return;
    p->left--;
    if (!s)
        s = &none;
    map(p, 15);
    put_str(p, "name", v->name);
    put_uint(p, "instances", v->instances);
    put_uint(p, "credits_free", v->credits_free);
    put_uint(p, "in_flight", v->in_flight);
    put_uint(p, "queued", v->queued);
    put_uint(p, "queued_bytes", v->queued_bytes);
    put_uint(p, "calls_total", v->calls_total);
    put_uint(p, "errors_total", v->errors_total);
    put_uint(p, "overloaded_total", v->overloaded_total);
    put_uint(p, "failovers_total", v->failovers_total);
    put_uint(p, "expired_total", v->expired_total);
    put_f64(p, "calls_per_second", sut_rate_get(&s->rate, p->now_ns));
    put_uint(p, "p50_us", sut_histogram_quantile_us(&s->latency, 0.50));
    put_uint(p, "p99_us", sut_histogram_quantile_us(&s->latency, 0.99));
    put_uint(p, "max_us", s->latency.max_us);
}

static void write_sessions(page *p, const sut_core_counts *counts)
{
    list(p, "sessions", counts->sessions);
    sut_core_each_session(p->b->core, write_session, p);
}

static void write_services(page *p, const sut_core_counts *counts)
{
    list(p, "services", counts->services);
    sut_core_each_service(p->b->core, write_service, p);
}

/* ---- the rest of broker.status ---- */

static void write_reasons(page *p, const char *name, const sut_reasons *r)
{
    key(p, name);
    map(p, r->count);
    for (size_t i = 0; i < r->count; i++)
        put_uint(p, r->row[i].name, r->row[i].count);
}

static void write_counters(page *p, const sut_core_counts *c)
{
    const sut_broker *b = p->b;
    const sut_stats *s = &b->stats;
    uint64_t accepted = 0, failed = 0, reaped = 0, unspoken = 0;

    for (size_t i = 0; i < SUT_LISTENER_KINDS; i++) {
        accepted += b->ports[i].listener.accepted_total;
        failed += b->ports[i].listener.handshake_failed_total;
        reaped += b->ports[i].listener.reaped_total;
        unspoken += b->ports[i].listener.unspoken_total;
    }
    key(p, "counters");
    map(p, 25);
    put_uint(p, "messages_in", s->messages_in);
    put_uint(p, "messages_out", s->messages_out);
    put_uint(p, "envelopes_in", s->envelopes_in);
    put_uint(p, "envelopes_out", s->envelopes_out);
    put_uint(p, "bytes_in", s->bytes_in);
    put_uint(p, "bytes_out", s->bytes_out);
    put_uint(p, "calls_total", c->calls_total);
    put_uint(p, "errors_total", c->errors_total);
    put_uint(p, "refused_total", c->refused_total);
    put_uint(p, "drops_total", c->drops_total);
    put_uint(p, "stray_replies_total", c->stray_replies_total);
    put_uint(p, "wrong_attempts_total", c->wrong_attempts_total);
    put_uint(p, "credits_cut_total", c->credits_cut_total);
    put_uint(p, "connections_accepted", accepted);
    put_uint(p, "handshakes_failed", failed);
    put_uint(p, "connections_reaped", reaped);
    put_uint(p, "connections_unspoken", unspoken);
    put_uint(p, "connections_granted", b->zap.granted_total);
    put_uint(p, "connections_refused", b->zap.refused_total);
    put_uint(p, "peers_lost", s->lost);
    put_uint(p, "peers_overflowed", s->overflows);
    put_uint(p, "sends_blocked", s->blocked);
    put_uint(p, "messages_discarded", s->discarded + s->strays);
    put_uint(p, "acl_reloads", b->access.reloads_total);
    put_uint(p, "acl_reload_failures", b->access.reload_failures_total);
}

/* ---- events ---- */

static void write_group(const sut_core_group_view *v, void *arg)
{
    page *p = arg;

    if (!p->left)
        return;
    p->left--;
    map(p, 7);
    put_str(p, "name", v->name);
    put_uint(p, "members", v->members);
    put_uint(p, "lag", v->next - 1 - v->cursor);
    put_uint(p, "window", v->window);
    put_uint(p, "in_flight", v->in_flight);
    put_uint(p, "oldest_ms", v->oldest_ns / SUT_NS_PER_MS);
    put_str(p, "oldest_key", v->oldest_key);
}

/* What broker.journal and broker.groups tell at length; no disk is touched for it. */
static void write_events(page *p)
{
    const sut_broker *b = p->b;
    sut_core_event_counts c;
    sut_journal_service_stats s = {0};

    key(p, "events");
    if (!b->events.open) {
        keep(p, sut_mp_add_nil(p->out));
        return;
    }
    sut_core_get_event_counts(b->core, &c);
    sut_journal_service_get_stats(b->events.journal, &s);
    map(p, 14);
    put_bool(p, "writable", s.writable == 0);
    put_str(p, "fault", s.writable ? sut_str_from(s.fault) : SUT_STR_NONE);
    put_uint(p, "queued_events", s.queued_events);
    put_uint(p, "published_total", c.published_total);
    put_uint(p, "publish_errors_total", c.publish_errors_total);
    put_uint(p, "duplicates_total", c.duplicates_total);
    put_uint(p, "delivered_total", c.delivered_total);
    put_uint(p, "gaps_total", c.gaps_total);
    put_uint(p, "stale_acks_total", c.stale_acks_total);
    put_uint(p, "subscriptions", c.subscriptions);
    put_uint(p, "publishes_pending", c.publishes_pending);
    put_uint(p, "bytes_held", c.bytes_held);
    put_uint(p, "bytes_held_max", c.bytes_held_max);
    list(p, "groups", c.groups);
    sut_core_each_group(b->core, write_group, p);
}

/* ---- taps ---- */

static void write_tap(const sut_tap_view *v, void *arg)
{
    page *p = arg;

    if (!p->left)
        return;
    p->left--;
    map(p, 10);
    put_uint(p, "session", v->session);
    put_uint(p, "tap", v->id);
    put_str(p, "peer", v->peer);
    put_text(p, "state", v->in_history ? "history" : "live");
    put_bool(p, "personal", v->request->personal);
    put_uint(p, "bytes_per_second", v->bytes_per_second);
    put_uint(p, "records_total", v->records_total);
    put_uint(p, "lost_total", v->lost_total);
    put_uint(p, "waiting_bytes", v->waiting_bytes);
    put_uint(p, "open_ms", ms_since(p, v->opened_ns));
}

/* `lost_total` counts those of taps that have ended, too. */
static void write_taps(page *p)
{
    const sut_taps *t = &p->b->taps;
    sut_tap_counts c;

    sut_tap_hub_get_counts(t->hub, &c);
    key(p, "taps");
    map(p, 7);
    put_uint(p, "attached_total", c.attached_total);
    put_uint(p, "refused_total", t->refused_total);
    put_uint(p, "unaudited_total", t->unaudited_total);
    put_uint(p, "records_total", c.records_total);
    put_uint(p, "bytes_total", c.bytes_total);
    put_uint(p, "lost_total", c.lost_total);
    list(p, "taps", c.taps);
    sut_tap_hub_each(t->hub, write_tap, p);
}

/* ---- what is captured ---- */

static void write_capture(page *p)
{
    sut_capture_stats s;

    key(p, "capture");
    if (!p->b->capturing.capture) {
        keep(p, sut_mp_add_nil(p->out));
        return;
    }
    sut_capture_get_stats(p->b->capturing.capture, &s);
    map(p, 14);
    put_bool(p, "writable", s.fault == 0);
    put_str(p, "fault", s.fault ? sut_str_from(strerror(s.fault)) : SUT_STR_NONE);
    put_uint(p, "one_in", s.one_in);
    put_uint(p, "seen_total", s.seen_total);
    put_uint(p, "taken_total", s.taken_total);
    put_uint(p, "passed_total", s.passed_total);
    put_uint(p, "lost_total", s.lost_total);
    put_uint(p, "spans_total", s.spans_total);
    put_uint(p, "damaged_total", s.damaged_total);
    put_uint(p, "segments", s.segments);
    put_uint(p, "records", s.records);
    put_uint(p, "bytes", s.bytes);
    put_uint(p, "memory_bytes", s.memory_bytes);
    put_uint(p, "oldest_us", (uint64_t)s.oldest_us);
}

static uint64_t resident_bytes(void)
{
    char line[128] = "";
    FILE *f = fopen("/proc/self/statm", "re");

    if (!f)
        return 0;
    const char *second = fgets(line, sizeof line, f) ? strchr(line, ' ') : NULL;
    (void)fclose(f);
    return second ? (uint64_t)strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void write_memory(page *p, const sut_core_counts *c)
{
    uint64_t queued = 0, session;
    size_t pos = 0;
    void *v;

    while (sut_u64map_next(p->b->peers.by_session, &pos, &session, &v))
        queued += ((const sut_peer *)v)->out.bytes;
    key(p, "memory");
    map(p, 4);
    put_uint(p, "resident_bytes", resident_bytes());
    put_uint(p, "core_bytes", c->bytes_held);
    put_uint(p, "core_bytes_max", c->pending_bytes_max);
    put_uint(p, "peer_queue_bytes", queued);
}

static void write_limit(const char *name, uint64_t value, void *arg)
{
    put_uint(arg, name, value);
}

static void write_limits(page *p)
{
    key(p, "limits");
    map(p, sut_broker_limits_count());
    sut_broker_limits_each(&p->b->limits, write_limit, p);
}

/* ---- the methods ---- */

static page page_of(const sut_broker *b, sut_buf *body)
{
    return (page){.b = b, .out = body, .now_ns = sut_now_ns()};
}

sut_status sut_status_write_ping(const sut_broker *b, sut_buf *body)
{
    page p = page_of(b, body);

    map(&p, 2);
    put_text(&p, "version", SUT_VERSION);
    put_uint(&p, "uptime_ms", ms_since(&p, b->stats.started_ns));
    return p.status;
}

sut_status sut_status_write_services(const sut_broker *b, sut_buf *body)
{
    page p = page_of(b, body);
    sut_core_counts counts;

    sut_core_get_counts(b->core, &counts);
    map(&p, 2);
    put_uint(&p, "services_total", counts.services);
    write_services(&p, &counts);
    return p.status;
}

sut_status sut_status_write_peers(const sut_broker *b, sut_buf *body)
{
    page p = page_of(b, body);
    sut_core_counts counts;

    sut_core_get_counts(b->core, &counts);
    map(&p, 2);
    put_uint(&p, "sessions_total", counts.sessions);
    write_sessions(&p, &counts);
    return p.status;
}

sut_status sut_status_write_status(const sut_broker *b, sut_buf *body)
{
    page p = page_of(b, body);
    sut_core_counts counts;

    sut_core_get_counts(b->core, &counts);
    map(&p, 19);
    put_text(&p, "version", SUT_VERSION);
    put_uint(&p, "pid", (uint64_t)getpid());
    put_uint(&p, "uptime_ms", ms_since(&p, b->stats.started_ns));
    put_bool(&p, "draining", b->draining);
    put_uint(&p, "sessions_total", counts.sessions);
    put_uint(&p, "services_total", counts.services);
    put_uint(&p, "calls_pending", sut_core_pending(b->core));
    put_f64(&p, "calls_per_second", sut_rate_get(&b->stats.calls, p.now_ns));
    write_counters(&p, &counts);
    write_reasons(&p, "refused", &b->stats.refused);
    write_reasons(&p, "dropped", &b->stats.dropped);
    write_reasons(&p, "errors", &b->stats.errors);
    write_memory(&p, &counts);
    write_limits(&p);
    write_events(&p);
    write_taps(&p);
    write_capture(&p);
    write_sessions(&p, &counts);
    write_services(&p, &counts);
    return p.status;
}

static void write_method(page *p, const sut_method *m)
{
    map(p, 8);
    put_text(p, "name", m->name);
    put_text(p, "service", m->service);
    put_uint(p, "timeout_ms", m->timeout_ms);
    put_bool(p, "idempotent", m->idempotent);
    put_bool(p, "service_only", m->service_only);
    put_uint(p, "level", m->level);
    put_text(p, "since", m->since);
    put_text(p, "doc", m->doc);
}

sut_status sut_status_write_methods(const sut_broker *b, sut_buf *body)
{
    page p = page_of(b, body);

    map(&p, 2);
    list(&p, "control", sut_control_method_count);
    for (size_t i = 0; i < sut_control_method_count; i++) {
        const sut_control_method *m = &sut_control_methods[i];

        map(&p, 2);
        put_text(&p, "name", m->name);
        put_text(&p, "doc", m->schema ? m->schema->doc : m->doc);
    }
    list(&p, "methods", sut_method_count);
    for (size_t i = 0; p.left > i; i++)
        write_method(&p, sut_methods[i]);
    return p.status;
}
