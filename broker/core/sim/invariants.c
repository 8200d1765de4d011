/* What must hold between events, after a tick, when all is quiet and when everybody has gone: bounds, deadlines,
 * silence, credits, memory. */
#include "sim.h"

/* ---- at any time ---- */

static void check_service(const sut_core_service_view *v, void *arg)
{
    sim_world *w = arg;
    uint32_t service = sim_service_of(v->name);
    if (v->queued > w->limits.queue_calls || v->queued_bytes > w->limits.queue_bytes)
        sim_fail(w, "the queue of %.*s holds %u calls, %llu bytes", SUT_STR_FMT(v->name), v->queued,
                 (unsigned long long)v->queued_bytes);
    if (service == SIM_NONE)
        sim_fail(w, "a service that nobody offers: %.*s", SUT_STR_FMT(v->name));
    else if (w->waiting[service] > 0 && v->credits_free > 0)
        sim_fail(w, "%u calls wait for %s, which has %u free credits", w->waiting[service], sim_services[service],
                 v->credits_free);
}

void sim_oracle_bounds(sim_world *w)
{
    sut_core_counts counts;
    sut_core_get_counts(w->core, &counts);
    sut_core_each_service(w->core, check_service, w);
    if (counts.bytes_held > w->limits.pending_bytes || counts.services > w->limits.max_services ||
        counts.sessions > w->limits.max_sessions)
        sim_fail(w, "over a bound: %llu bytes, %u services, %u sessions", (unsigned long long)counts.bytes_held,
                 counts.services, counts.sessions);
}

void sim_oracle_time(sim_world *w)
{
    for (uint32_t i = 0; i < w->call_count; i++) {
        const sim_call *m = &w->calls[i];
        if (m->pending && m->deadline + SIM_MS(1) < w->now)
            sim_fail(w, "call %u waits past its deadline", i);
    }
    for (uint32_t i = 0; i < w->conn_count; i++) {
        const sim_conn *k = &w->conns[i];
        if (k->session && w->awake - k->heard_awake > SIM_MS(SIM_DETECT_MAX_MS))
            sim_fail(w, "%s is silent for %llu ms and keeps its session", k->label,
                     (unsigned long long)((w->awake - k->heard_awake) / SUT_NS_PER_MS));
    }
    if (w->draining && w->now > w->drain_at + SIM_MS(w->limits.drain_ms + 1) && !sut_core_drained(w->core))
        sim_fail(w, "the drain does not end");
}

/* ---- at the end ---- */

typedef struct service_sum {
    sim_world *w;
    uint32_t credits_free[SIM_SERVICES], in_flight[SIM_SERVICES];
} service_sum;

static void check_quiet_service(const sut_core_service_view *v, void *arg)
{
    service_sum *sum = arg;
    uint32_t service = sim_service_of(v->name);
    if (v->queued > 0)
        sim_fail(sum->w, "%s has %u calls queued when all is quiet", sim_services[service], v->queued);
    if (v->credits_free != sum->credits_free[service] || v->in_flight != sum->in_flight[service])
        sim_fail(sum->w, "%s has %u free credits and %u calls in flight, but %u and %u are right",
                 sim_services[service], v->credits_free, v->in_flight, sum->credits_free[service],
                 sum->in_flight[service]);
}

void sim_oracle_quiet(sim_world *w)
{
    service_sum sum = {.w = w};
    uint32_t in_hand = 0;
    sut_core_counts counts;
    sut_core_get_counts(w->core, &counts);
    for (uint32_t i = 0; i < w->call_count; i++) {
        if (w->calls[i].pending)
            sim_fail(w, "call %u never got an answer", i);
    }
    for (uint32_t i = 0; i < w->conn_count; i++) {
        for (uint32_t s = 0; s < SIM_SERVICES; s++) {
            const sim_conn *k = &w->conns[i];
            sum.in_flight[s] += k->session ? k->outstanding[s] : 0;
            in_hand += k->session ? k->outstanding[s] : 0;
            if (sim_oracle_accepts(k, s))
                sum.credits_free[s] += sim_free_credit(k, s);
        }
    }
    if (sut_core_pending(w->core) != 0 || counts.calls != in_hand)
        sim_fail(w, "%u calls pending and %u held when all is quiet; instances have %u in hand",
                 sut_core_pending(w->core), counts.calls, in_hand);
    sut_core_each_service(w->core, check_quiet_service, &sum);
}

void sim_oracle_empty(sim_world *w)
{
    sut_core_counts counts;
    sut_core_get_counts(w->core, &counts);
    if (counts.sessions || counts.services || counts.calls || counts.bytes_held || sut_core_pending(w->core))
        sim_fail(w, "left behind: %u sessions, %u services, %u calls, %llu bytes", counts.sessions, counts.services,
                 counts.calls, (unsigned long long)counts.bytes_held);
    if (!w->draining && sut_core_next_ns(w->core) != SUT_NEVER)
        sim_fail(w, "a timer is left behind");
}
