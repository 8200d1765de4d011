/* What must hold of each input and output: an account of calls and credits kept from what goes in and what comes out,
 * without a look into the core. It notes the first violation. invariants.c checks the account as a whole. */
#include "sim.h"

static const char *error_text(int err)
{
    const sut_error_desc *d = sut_platform_error(err);
    return d ? d->code : "domain";
}

bool sim_oracle_accepts(const sim_conn *k, uint32_t service)
{
    return k->session && k->ready && !k->bye && k->hello[service] != SIM_NONE;
}

/* A never given, unpinned call stops waiting. */
static void stops_waiting(sim_world *w, const sim_call *m)
{
    uint32_t service = sim_methods[m->method].service;
    if (service != SIM_NONE && !m->pinned && m->given == 0)
        w->waiting[service]--;
}

static void settle(sim_world *w, sim_call *m)
{
    stops_waiting(w, m);
    m->pending = false;
}

/* ---- what goes in ---- */

static uint32_t call_of_id(const sim_world *w, uint64_t id)
{
    return id >= 1 && id <= w->call_count ? (uint32_t)(id - 1) : SIM_NONE;
}

static bool call_arrives(sim_world *w, uint32_t conn, uint32_t call)
{
    const sim_conn *k = &w->conns[conn];
    const sim_peer *p = &w->peers[k->peer];
    sim_call *m = &w->calls[call];
    const sim_method *method = &sim_methods[m->method];
    if (m->pending) {
        m->duplicates++;
        return true;
    }
    if (m->answers > 0) /* the second of two, after the first was answered: an id used again, which is fine */
        return false;
    uint32_t ttl = m->ttl_ms ? m->ttl_ms : method->known ? 1000 : w->limits.default_ttl_ms;
    ttl = ttl < w->limits.max_ttl_ms ? ttl : w->limits.max_ttl_ms;
    m->deadline = w->now + SIM_MS(ttl);
    m->before_hello = !k->ready;
    m->denied = !p->calls || p->no_call || sut_str_is(sut_str_from(method->subject), "alpha.secret") ||
                (m->principal && p->role != SUT_ROLE_EDGE && p->role != SUT_ROLE_ACTOR);
    m->pending = true;
    if (method->service != SIM_NONE && !m->pinned)
        w->waiting[method->service]++;
    return true;
}

static bool answer_arrives(sim_world *w, sim_conn *k, const sut_envelope *env)
{
    for (uint32_t i = 0; i < k->given_count; i++) {
        if (k->given[i].id != env->id)
            continue;
        if (env->body.len == 0) /* made up by faults.c, and it hit a real call by chance */
            return false;
        if (env->opt.attempt == 0 || env->opt.attempt == k->given[i].attempt)
            w->input_call = k->given[i].call;
        k->outstanding[k->given[i].service]--;
        k->given[i] = k->given[--k->given_count];
        return true;
    }
    return true;
}

static void credit_arrives(sim_world *w, sim_conn *k, const sut_envelope *env)
{
    uint32_t service = sim_service_of(env->subject);
    if (!k->ready || service == SIM_NONE || k->hello[service] == SIM_NONE)
        return;
    uint32_t sum = k->granted[service] + env->opt.credits;
    k->granted[service] = sum < w->limits.max_credits ? sum : w->limits.max_credits;
}

static bool arrives(sim_world *w, uint32_t conn, const sut_envelope *env)
{
    sim_conn *k = &w->conns[conn];
    uint32_t call = call_of_id(w, env->id);
    switch (env->kind) {
    case SUT_CALL: return call == SIM_NONE || call_arrives(w, conn, call);
    case SUT_REPLY:
    case SUT_ERROR_REPLY: return answer_arrives(w, k, env);
    case SUT_CREDIT: credit_arrives(w, k, env); break;
    case SUT_BYE: k->bye = k->ready; break;
    case SUT_CANCEL:
        if (call != SIM_NONE)
            w->calls[call].cancelled = w->calls[call].cancel_due = w->calls[call].pending;
        break;
    default: break;
    }
    return true;
}

bool sim_oracle_before(sim_world *w, uint32_t conn, const sut_envelope *env)
{
    w->input_kind = 0;
    w->input_call = SIM_NONE;
    if (!arrives(w, conn, env))
        return false;
    w->input_kind = w->conns[conn].bad ? 0 : env->kind; /* a bad peer may be dropped by this very input */
    return true;
}

static bool in_hand(const sim_world *w, uint32_t call)
{
    for (uint32_t i = 0; i < w->conn_count; i++) {
        const sim_conn *k = &w->conns[i];
        for (uint32_t n = 0; n < k->given_count; n++) {
            if (k->given[n].call == call)
                return true;
        }
    }
    return false;
}

void sim_oracle_after(sim_world *w, uint32_t conn, const sut_envelope *env)
{
    uint32_t call = call_of_id(w, env->id);
    const sim_conn *k = &w->conns[conn];
    w->input_kind = 0;
    w->input_call = SIM_NONE;
    if (env->kind == SUT_CANCEL && call != SIM_NONE && k->ready && w->calls[call].pending)
        sim_fail(w, "call %u was cancelled and got no answer", call);
    if (env->kind == SUT_CANCEL && call != SIM_NONE && w->calls[call].cancel_due && in_hand(w, call) &&
        !w->calls[call].cancel_sent)
        sim_fail(w, "call %u was cancelled and its instance not told", call);
    if (k->bad && k->session && k->ready && (env->kind == SUT_HELLO || env->kind == SUT_WELCOME) && k->welcomed)
        sim_fail(w, "%s broke the protocol and kept its session", w->peers[k->peer].name);
}

void sim_oracle_executed(sim_world *w, uint32_t call)
{
    sim_call *m = &w->calls[call];
    const sim_method *method = &sim_methods[m->method];
    m->executed++;
    w->result->executions++;
    if (m->not_executed)
        sim_fail(w, "call %u is executed after its caller was told that it was not", call);
    if (m->executed > (method->idempotent ? 2u : 1u))
        sim_fail(w, "call %u of %s is executed %u times", call, method->subject, m->executed);
}

/* ---- what comes out ---- */

/* Most free credit first; not looked at while the core removes an instance that the oracle still sees. */
static void check_choice(sim_world *w, uint32_t conn, uint32_t service)
{
    bool steady = w->input_kind == SUT_CALL || w->input_kind == SUT_REPLY || w->input_kind == SUT_ERROR_REPLY ||
                  w->input_kind == SUT_CREDIT;
    uint32_t chosen = sim_free_credit(&w->conns[conn], service);
    for (uint32_t i = 0; steady && i < w->conn_count; i++) {
        const sim_conn *k = &w->conns[i];
        if (sim_oracle_accepts(k, service) && sim_free_credit(k, service) > chosen)
            sim_fail(w, "%s got a call with %u free credits, and %s has %u", w->conns[conn].label, chosen, k->label,
                     sim_free_credit(k, service));
    }
}

static void check_first_or_failover(sim_world *w, uint32_t call, const sut_envelope *env)
{
    const sim_call *m = &w->calls[call];
    const sim_method *method = &sim_methods[m->method];
    if (m->given > 0 && (m->given > 1 || !method->idempotent || m->pinned))
        sim_fail(w, "call %u of %s is given a time too many", call, method->subject);
    if (env->opt.attempt != m->given + 1)
        sim_fail(w, "call %u is given as attempt %u, the %uth time", call, env->opt.attempt, m->given + 1);
}

static void check_given(sim_world *w, uint32_t conn, uint32_t call, const sut_envelope *env)
{
    const sim_conn *k = &w->conns[conn];
    const sim_call *m = &w->calls[call];
    uint32_t service = sim_methods[m->method].service;
    if (!m->pending || m->denied || m->before_hello)
        sim_fail(w, "call %u is given to %s, but nobody who may waits for it", call, k->label);
    if (!sut_str_is(env->subject, sim_methods[m->method].subject))
        sim_fail(w, "call %u changed its subject", call);
    if (service == SIM_NONE || !sim_oracle_accepts(k, service))
        sim_fail(w, "call %u is given to %s, which does not take it", call, k->label);
    else if (k->outstanding[service] >= k->granted[service])
        sim_fail(w, "%s has %u of %s, and granted %u", k->label, k->outstanding[service], sim_services[service],
                 k->granted[service]);
    if (w->now >= m->deadline || env->ttl_ms == 0 || (env->ttl_ms > 1 && SIM_MS(env->ttl_ms) > m->deadline - w->now))
        sim_fail(w, "call %u is given with %u ms, past its deadline", call, env->ttl_ms);
    if (m->principal != (env->principal.user_id == 42 && sut_str_is(env->principal.session, "s-1")))
        sim_fail(w, "call %u changed its principal", call);
    if (m->pinned && !sut_str_is(env->opt.instance, k->label))
        sim_fail(w, "call %u asks for another instance than %s", call, k->label);
    check_first_or_failover(w, call, env);
}

static void call_given(sim_world *w, uint32_t conn, const sut_envelope *env)
{
    sim_conn *k = &w->conns[conn];
    uint32_t call = SIM_NONE;
    if (env->body.len >= sizeof(call))
        memcpy(&call, env->body.ptr, sizeof(call));
    if (call >= w->call_count || k->given_count == SIM_OUTSTANDING) {
        sim_fail(w, "a call that nobody made, or too many, at %s", k->label);
        return;
    }
    sim_call *m = &w->calls[call];
    check_given(w, conn, call, env);
    if (!w->result->ok)
        return;
    uint32_t service = sim_methods[m->method].service;
    if (!m->pinned)
        check_choice(w, conn, service);
    stops_waiting(w, m);
    m->given++;
    w->result->failovers += m->given > 1;
    k->outstanding[service]++;
    k->given[k->given_count++] = (sim_given){env->id, call, env->opt.attempt, service};
}

/* May the caller be told this of its call, now? `passed_on`: it may be the instance's own answer. */
static bool error_is_true(sim_world *w, const sim_conn *k, sim_call *m, int err, bool passed_on)
{
    switch (err) {
    case SUT_ERR_HELLO_REQUIRED: return m->before_hello;
    case SUT_ERR_FORBIDDEN: return m->denied;
    case SUT_ERR_UNAVAILABLE:
    case SUT_ERR_OVERLOADED:
    case SUT_ERR_NO_SUCH_SERVICE: m->not_executed = true; return m->executed == 0 && (m->given == 0 || passed_on);
    case SUT_ERR_OUTCOME_UNKNOWN: return m->given > 0;
    case SUT_ERR_CANCELLED: return (m->cancelled && k->session) || passed_on;
    case SUT_ERR_DEADLINE_EXCEEDED: return w->now >= m->deadline || passed_on;
    case SUT_ERR_DOMAIN_FIRST: return passed_on && m->executed > 0;
    case SUT_ERR_INTERNAL: return sim_methods[m->method].control;
    default: return false;
    }
}

static int read_error(sim_world *w, const sut_envelope *env, uint32_t *retry_after_ms)
{
    sut_error_body body;
    sut_arena_reset(w->arena);
    if (sut_error_body_decode(w->arena, env->body, &body)) {
        sim_fail(w, "an error's body cannot be read");
        return -1;
    }
    const sut_error_desc *desc = sut_platform_error_by_code(body.code);
    *retry_after_ms = body.retry_after_ms;
    return desc ? desc->err : SUT_ERR_DOMAIN_FIRST;
}

static void check_reply(sim_world *w, uint32_t call, const sut_envelope *env, bool passed_on)
{
    const sim_call *m = &w->calls[call];
    uint32_t told = SIM_NONE;
    w->result->replies++;
    if (sim_methods[m->method].control)
        return;
    if (env->body.len >= sizeof(told))
        memcpy(&told, env->body.ptr, sizeof(told));
    if (told != call || !passed_on || m->executed == 0)
        sim_fail(w, "call %u is answered with the reply of call %u, executed %u times", call, told, m->executed);
}

static void call_answered(sim_world *w, uint32_t conn, const sut_envelope *env)
{
    uint32_t call = call_of_id(w, env->id), retry_after_ms = 0;
    const sim_conn *k = &w->conns[conn];
    if (call == SIM_NONE || w->calls[call].conn != conn) {
        sim_fail(w, "%s gets an answer to what it did not ask", k->label);
        return;
    }
    sim_call *m = &w->calls[call];
    int err = env->kind == SUT_ERROR_REPLY ? read_error(w, env, &retry_after_ms) : 0;
    if (err == SUT_ERR_BAD_ENVELOPE && m->duplicates > 0) {
        m->duplicates--;
        w->result->by_error[err]++;
        return;
    }
    if (!m->pending)
        sim_fail(w, "call %u is answered twice", call);
    bool passed_on = w->input_call == call;
    if (err == 0)
        check_reply(w, call, env, passed_on);
    else if (!error_is_true(w, k, m, err, passed_on))
        sim_fail(w, "call %u is answered %s; given %u, executed %u times", call, error_text(err), m->given,
                 m->executed);
    if (m->denied && err != SUT_ERR_FORBIDDEN && err != SUT_ERR_HELLO_REQUIRED)
        sim_fail(w, "call %u has no right and is answered %s", call, error_text(err));
    if (err == SUT_ERR_OVERLOADED && !passed_on && retry_after_ms == 0)
        sim_fail(w, "call %u is overloaded without retry_after_ms", call);
    w->result->errors += err != 0;
    w->result->by_error[err > 0 && err < SUT_ERR_PLATFORM_COUNT ? err : 0]++;
    m->answers++;
    settle(w, m);
}

static void welcome(sim_world *w, sim_conn *k)
{
    if (k->ready)
        sim_fail(w, "%s is welcomed twice", k->label);
    k->ready = true;
    for (uint32_t i = 0; i < SIM_SERVICES; i++) {
        if (k->hello[i] != SIM_NONE)
            k->granted[i] = k->hello[i] < w->limits.max_credits ? k->hello[i] : w->limits.max_credits;
    }
}

void sim_oracle_emit(sim_world *w, uint32_t conn, const sut_envelope *env)
{
    sim_conn *k = &w->conns[conn];
    switch (env->kind) {
    case SUT_WELCOME: welcome(w, k); break;
    case SUT_CALL: call_given(w, conn, env); break;
    case SUT_REPLY: call_answered(w, conn, env); break;
    case SUT_ERROR_REPLY:
        if (env->id != 0 && env->id < SIM_SESSION_IDS)
            call_answered(w, conn, env);
        break;
    case SUT_CANCEL:
        for (uint32_t i = 0; i < k->given_count; i++) {
            if (k->given[i].id == env->id) {
                w->calls[k->given[i].call].cancel_sent = true;
                return;
            }
        }
        sim_fail(w, "%s is to cancel what it does not have", k->label);
        break;
    case SUT_BYE:
        if (!w->draining)
            sim_fail(w, "bye without a drain");
        break;
    default: break;
    }
}

/* Was the drop called for? */
void sim_oracle_dropped(sim_world *w, uint32_t conn, sut_drop_reason reason)
{
    const sim_conn *k = &w->conns[conn];
    const sim_peer *p = &w->peers[k->peer];
    bool hindered = p->stopped || p->slow || k->cut || k->killed || !k->peer_open ||
                    (p->resumed_awake && w->awake - p->resumed_awake < SIM_MS(2500)) ||
                    (k->late_until && w->now < k->late_until + SIM_MS(2500));
    bool called_for = true;
    w->result->by_drop[reason]++;
    switch (reason) {
    case SUT_DROP_SILENT: called_for = hindered; break;
    case SUT_DROP_BAD_ENVELOPE:
    case SUT_DROP_VERSION: called_for = k->bad || p->no_serve; break;
    case SUT_DROP_REVOKED: called_for = k->rights_changed || p->revoked; break;
    case SUT_DROP_BYE: called_for = w->draining; break;
    case SUT_DROP_REPLACED: called_for = w->peers[k->peer].runs == 0; break;
    case SUT_DROP_LIMIT: called_for = w->limits.max_services == 1; break;
    }
    if (!called_for)
        sim_fail(w, "%s is dropped as %s, without a reason", k->label, sut_drop_reason_name(reason));
}

void sim_oracle_closed(sim_world *w, uint32_t conn)
{
    sim_conn *k = &w->conns[conn];
    for (uint32_t i = 0; i < w->call_count; i++) {
        sim_call *m = &w->calls[i];
        if (m->conn == conn && m->pending)
            settle(w, m);
    }
    k->given_count = 0;
    k->ready = false;
    memset(k->outstanding, 0, sizeof(k->outstanding));
    memset(k->granted, 0, sizeof(k->granted));
}
