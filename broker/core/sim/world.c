/* The world: virtual time, the queue of events, the daemon's part (core_ops), and one run from its first to its last
 * event. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CALM_MS 12000

const char *const sim_services[SIM_SERVICES] = {"alpha", "beta"};
const sim_method sim_methods[] = {
    {"alpha.get", 0, true, true, false},     {"alpha.put", 0, true, false, false},
    {"beta.get", 1, true, true, false},      {"beta.put", 1, true, false, false},
    {"alpha.odd", 0, false, false, false},   {"gamma.get", SIM_NONE, true, true, false},
    {"alpha.secret", 0, true, false, false}, {"broker.status", SIM_NONE, false, false, true},
};
const uint32_t sim_method_count = SUT_ARRAY_LEN(sim_methods);

uint32_t sim_service_of(sut_str subject)
{
    for (uint32_t i = 0; i < SIM_SERVICES; i++) {
        size_t len = strlen(sim_services[i]);
        if (subject.len >= len && memcmp(subject.ptr, sim_services[i], len) == 0)
            return i;
    }
    return SIM_NONE;
}

uint64_t sim_random(sim_world *w, uint64_t below)
{
    return below ? sut_prng(&w->random) % below : 0;
}

bool sim_chance(sim_world *w, uint32_t percent)
{
    return sim_random(w, 100) < percent;
}

void sim_note(sim_world *w, const char *fmt, ...)
{
    if (!w->options.verbose)
        return;
    va_list ap;
    va_start(ap, fmt);
    printf("%10.3f ms  ", (double)w->now / 1e6);
    vprintf(fmt, ap);
    putchar('\n');
    va_end(ap);
}

void sim_fail(sim_world *w, const char *fmt, ...)
{
    if (!w->result->ok)
        return;
    va_list ap;
    va_start(ap, fmt);
    w->result->ok = false;
    int used = snprintf(w->result->reason, sizeof(w->result->reason), "at %.3f ms: ", (double)w->now / 1e6);
    (void)vsnprintf(w->result->reason + used, sizeof(w->result->reason) - (size_t)used, fmt, ap);
    va_end(ap);
    sim_note(w, "FAILED %s", w->result->reason);
}

/* ---- events ---- */

static bool earlier(const sim_event *a, const sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void sim_push(sim_world *w, sim_event e)
{
    if (w->event_count == w->event_cap) {
        uint32_t cap = w->event_cap ? w->event_cap * 2 : 512;
        sim_event *grown = reallocarray(w->events, cap, sizeof(*grown));
        if (!grown)
            abort();
        w->events = grown;
        w->event_cap = cap;
    }
    e.order = w->next_order++;
    uint32_t i = w->event_count++;
    while (i > 0 && earlier(&e, &w->events[(i - 1) / 2])) {
        w->events[i] = w->events[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->events[i] = e;
}

void sim_at(sim_world *w, uint64_t at, sim_event_kind kind, uint32_t target, uint64_t value)
{
    sim_push(w, (sim_event){.at = at, .kind = kind, .target = target, .value = value});
}

static sim_event pop_event(sim_world *w)
{
    sim_event first = w->events[0], last = w->events[--w->event_count];
    uint32_t i = 0;
    for (uint32_t child = 1; child < w->event_count; child = 2 * i + 1) {
        if (child + 1 < w->event_count && earlier(&w->events[child + 1], &w->events[child]))
            child++;
        if (!earlier(&w->events[child], &last))
            break;
        w->events[i] = w->events[child];
        i = child;
    }
    w->events[i] = last;
    return first;
}

static void control_answer(sim_world *w, uint64_t handle)
{
    bool fails = sim_chance(w, 10);
    sut_core_control_reply(w->core, w->now, handle, fails ? SUT_ERR_INTERNAL : 0, SUT_STR("status"));
}

static void run_event(sim_world *w, const sim_event *e)
{
    switch (e->kind) {
    case SIM_UP: sim_arrive_up(w, e->target, e->message); break;
    case SIM_DOWN: sim_arrive_down(w, e->target, e->message); break;
    case SIM_CLOSED: sim_core_closes(w, e->target); break;
    case SIM_LOST: sim_peer_lost(w, e->target); break;
    case SIM_START: sim_peer_start(w, e->target); break;
    case SIM_CALL: sim_caller_calls(w, e->target); break;
    case SIM_CANCEL: sim_caller_cancels(w, e->target); break;
    case SIM_WORK: sim_job_work(w, e->target); break;
    case SIM_ANSWER: sim_job_answer(w, e->target, e->value); break;
    case SIM_GRANT: sim_instance_grants(w, e->target); break;
    case SIM_CONTROL: control_answer(w, e->value); break;
    case SIM_FAULT: sim_fault(w); break;
    case SIM_RESUME: sim_resume(w, e->target); break;
    }
    sim_oracle_bounds(w);
}

/* Advances to whatever comes first. After a jump of the clock events and timers are due together, in either order. */
static void step(sim_world *w)
{
    uint64_t core_at = sut_core_next_ns(w->core);
    uint64_t event_at = w->event_count ? w->events[0].at : SUT_NEVER;
    uint64_t at = core_at < event_at ? core_at : event_at;
    if (at != SUT_NEVER && at > w->now) {
        w->awake += at - w->now;
        w->now = at;
    }
    bool core_due = core_at <= w->now, event_due = event_at <= w->now;
    w->steps++;
    if (core_due && (!event_due || sim_chance(w, 50))) {
        sut_core_tick(w->core, w->now);
        sim_oracle_time(w);
        sim_oracle_bounds(w);
    } else if (event_due) {
        sim_event e = pop_event(w);
        run_event(w, &e);
    }
}

/* ---- the daemon's part ---- */

static uint32_t conn_of(sim_world *w, uint64_t session)
{
    if (session == 0 || session > SIM_CONNS || w->conns[w->conn_of_session[session]].session != session) {
        sim_fail(w, "an output names session %llu, which is gone", (unsigned long long)session);
        return SIM_NONE;
    }
    return w->conn_of_session[session];
}

static void on_emit(void *app, uint64_t session, const sut_envelope *env)
{
    sim_world *w = app;
    uint32_t conn = conn_of(w, session);
    if (conn == SIM_NONE)
        return;
    sim_oracle_emit(w, conn, env);
    sim_send_down(w, conn, env);
}

static void on_drop(void *app, uint64_t session, sut_drop_reason reason)
{
    sim_world *w = app;
    uint32_t conn = conn_of(w, session);
    if (conn == SIM_NONE)
        return;
    sim_note(w, "drop session %llu: %s", (unsigned long long)session, sut_drop_reason_name(reason));
    w->result->drops++;
    sim_oracle_dropped(w, conn, reason);
    sim_core_dropped(w, conn);
}

static void on_method(void *app, sut_str subject, sut_core_method *out)
{
    (void)app;
    for (uint32_t i = 0; i < sim_method_count; i++) {
        if (sut_str_is(subject, sim_methods[i].subject))
            *out = (sut_core_method){
                .known = sim_methods[i].known, .idempotent = sim_methods[i].idempotent, .timeout_ms = 1000};
    }
}

static void on_control(void *app, uint64_t call, uint64_t session, const sut_envelope *env)
{
    sim_world *w = app;
    (void)session;
    (void)env;
    uint64_t dice = sim_random(w, 10);
    if (dice < 5)
        control_answer(w, call);
    else if (dice < 9)
        sim_at(w, w->now + SIM_MS(sim_random(w, 400)), SIM_CONTROL, 0, call);
}

/* ---- set-up ---- */

void sim_set_acl(sim_world *w)
{
    char error[128];
    sut_buf text;
    sut_buf_init(&text, 0);
    for (uint32_t i = 0; i < SIM_PEERS; i++) {
        const sim_peer *p = &w->peers[i];
        if (sut_buf_printf(&text, "%s role=%s call=%s serve=%s%s\n", p->name, sut_role_name(p->role),
                           !p->calls || p->no_call ? "-" : "alpha.get,alpha.put,alpha.odd,beta.*,gamma.>,broker.>",
                           p->no_serve ? "-" : "alpha.>,beta", p->revoked ? " revoked" : ""))
            abort();
    }
    sut_acl *next = NULL;
    if (sut_acl_parse(&next, (sut_str){(const char *)text.data, text.len}, error, sizeof(error)))
        sim_fail(w, "access list: %s", error);
    sut_buf_deinit(&text);
    w->old_acl = w->acl;
    w->acl = next;
    if (w->core)
        sut_core_set_acl(w->core, w->now, w->acl);
    w->old_acl = sut_acl_free(w->old_acl);
}

static void make_peers(sim_world *w)
{
    static const struct {
        const char *name;
        sut_role role;
        bool calls, alpha, beta;
    } cast[SIM_PEERS] = {
        {"edge-1", SUT_ROLE_EDGE, true, false, false},   {"edge-2", SUT_ROLE_EDGE, true, false, false},
        {"tool-1", SUT_ROLE_TOOL, true, false, false},   {"alpha-1", SUT_ROLE_ACTOR, false, true, false},
        {"alpha-2", SUT_ROLE_ACTOR, false, true, false}, {"alpha-3", SUT_ROLE_ACTOR, false, true, false},
        {"beta-1", SUT_ROLE_ACTOR, true, false, true},   {"beta-2", SUT_ROLE_ACTOR, true, false, true},
        {"both-1", SUT_ROLE_ACTOR, true, true, true},    {"oper-1", SUT_ROLE_OPERATOR, true, false, false},
    };
    for (uint32_t i = 0; i < SIM_PEERS; i++) {
        w->peers[i] = (sim_peer){.role = cast[i].role,
                                 .calls = cast[i].calls,
                                 .serves = {cast[i].alpha, cast[i].beta},
                                 .active = i == 0 || i == 3 || sim_chance(w, 70),
                                 .slow = sim_chance(w, 4),
                                 .conn = SIM_NONE};
        (void)snprintf(w->peers[i].name, sizeof(w->peers[i].name), "%s", cast[i].name);
    }
}

static void make_limits(sim_world *w)
{
    static const uint32_t queue_calls[] = {1, 4, 20, 200}, credits[] = {1, 3, 16};
    sut_core_limits *l = &w->limits;
    *l = SUT_CORE_LIMITS_DEFAULT;
    l->queue_calls = queue_calls[sim_random(w, 4)];
    l->queue_bytes = sim_chance(w, 30) ? 3000 : 1u << 20;
    l->pending_bytes = sim_chance(w, 15) ? 6000 : 1u << 20;
    l->pending_calls_per_peer = sim_chance(w, 20) ? 4 : 1000;
    l->max_credits = credits[sim_random(w, 3)];
    l->max_sessions = sim_chance(w, 10) ? 5 : 64;
    l->max_services = sim_chance(w, 3) ? 1 : 16;
    l->max_ttl_ms = 6000;
    l->default_ttl_ms = 700;
    l->hold_ms = sim_chance(w, 50) ? 5000 : 300;
}

static bool make_world(sim_world *w)
{
    static const sut_core_ops ops = {.emit = on_emit, .drop = on_drop, .method = on_method, .control = on_control};
    w->now = SIM_MS(1000 + sim_random(w, 100000)) + sim_random(w, 1000000);
    w->input_call = SIM_NONE;
    sut_buf_init(&w->buf, 0);
    make_peers(w);
    make_limits(w);
    sim_set_acl(w);
    if (sut_arena_new(&w->arena, 0) || sut_core_new(&w->core, &w->limits, &ops, w)) {
        sim_fail(w, "out of memory");
        return false;
    }
    sut_core_set_acl(w->core, w->now, w->acl);
    for (uint32_t i = 0; i < SIM_PEERS; i++) {
        if (!w->peers[i].active)
            continue;
        sim_at(w, w->now + SIM_MS(sim_random(w, 40)), SIM_START, i, 0);
        if (w->peers[i].calls)
            sim_at(w, w->now + SIM_MS(sim_random(w, 100)), SIM_CALL, i, 0);
    }
    sim_at(w, w->now + SIM_MS(50 + sim_random(w, 300)), SIM_FAULT, 0, 0);
    return true;
}

static void free_world(sim_world *w)
{
    sut_core_free(w->core);
    sut_acl_free(w->acl);
    sut_arena_free(w->arena);
    sut_buf_deinit(&w->buf);
    for (uint32_t i = 0; i < w->event_count; i++)
        free(w->events[i].message);
    free(w->events);
    for (uint32_t i = 0; i < w->conn_count; i++)
        sim_free_inbox(&w->conns[i]);
    free(w);
}

/* ---- one run ---- */

static void run_for(sim_world *w, uint64_t ns)
{
    uint64_t end = w->now + ns;
    while (w->result->ok && w->now < end && (w->event_count || sut_core_next_ns(w->core) != SUT_NEVER))
        step(w);
}

/* No more calls, no more faults: what is under way ends, and instances answer all that they were given. */
static void calm_down(sim_world *w)
{
    sim_note(w, "calm");
    w->calm = true;
    for (uint32_t i = 0; i < SIM_PEERS; i++) {
        w->peers[i].slow = false;
        if (w->peers[i].stopped)
            sim_resume(w, i);
    }
    run_for(w, SIM_MS(CALM_MS / 2));
    for (uint32_t i = 0; i < w->job_count; i++)
        sim_job_answer(w, i, 0);
    run_for(w, SIM_MS(CALM_MS / 2));
    sim_oracle_quiet(w);
}

static void empty(sim_world *w)
{
    sim_note(w, "everybody leaves");
    w->ended = true;
    for (uint32_t i = 0; i < w->conn_count; i++)
        sim_peer_closes(w, i, true);
    run_for(w, SIM_MS(8000));
    sim_oracle_empty(w);
}

bool sim_run(const sim_options *options, sim_result *result)
{
    *result = (sim_result){.ok = true, .hash = 14695981039346656037u};
    sim_world *w = calloc(1, sizeof(*w));
    if (!w) {
        result->ok = false;
        return false;
    }
    w->options = *options;
    w->result = result;
    w->random = options->seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    if (make_world(w)) {
        while (result->ok && w->steps < options->events)
            step(w);
        if (!sim_chance(w, 15)) { /* the others end as a broker that exits does: with everything under way */
            calm_down(w);
            if (result->ok)
                empty(w);
        }
    }
    result->calls = w->call_count;
    free_world(w);
    return result->ok;
}
