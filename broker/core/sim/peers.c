/* How peers behave: callers call and cancel; instances work, answer (once, twice, wrongly, late, never), and grant. */
#include "sim.h"

#include "wire/msgpack.h"

#include <stdio.h>
#include <stdlib.h>

enum answer {
    ANSWER_REPLY,
    ANSWER_ERROR,
    ANSWER_TWICE,
    ANSWER_WRONG_ATTEMPT,
    ANSWER_UNAVAILABLE,
    ANSWER_EXPIRED,
    ANSWER_CANCELLED,
    ANSWER_NO_ATTEMPT
};

/* ---- connecting ---- */

static sut_status put_text(sut_buf *b, const char *key, const char *value)
{
    sut_status st = sut_mp_add_str(b, sut_str_from(key));
    return st ? st : sut_mp_add_str(b, sut_str_from(value));
}

static sut_status put_services(const sim_conn *k, sut_buf *b)
{
    sut_status st = sut_mp_add_str(b, SUT_STR("services"));
    size_t count = 0;
    for (uint32_t i = 0; i < SIM_SERVICES; i++)
        count += k->hello[i] != SIM_NONE;
    if (st == 0)
        st = sut_mp_add_array(b, count);
    for (uint32_t i = 0; st == 0 && i < SIM_SERVICES; i++) {
        if (k->hello[i] == SIM_NONE)
            continue;
        st = sut_mp_add_map(b, 2);
        if (st == 0)
            st = put_text(b, "name", sim_services[i]);
        if (st == 0)
            st = sut_mp_add_str(b, SUT_STR("credits"));
        if (st == 0)
            st = sut_mp_add_uint(b, k->hello[i]);
    }
    return st;
}

static void send_hello(sim_world *w, uint32_t conn)
{
    sim_conn *k = &w->conns[conn];
    const sim_peer *p = &w->peers[k->peer];
    sut_buf body;
    sut_buf_init(&body, 0);
    sut_status st = sut_mp_add_map(&body, 4);
    if (st == 0)
        st = put_text(&body, "name", p->name);
    if (st == 0)
        st = put_text(&body, "role", sut_role_name(p->role));
    if (st == 0)
        st = put_text(&body, "instance", k->label);
    if (st == 0)
        st = put_services(k, &body);
    if (st)
        abort();
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                        .kind = SUT_HELLO,
                        .id = SIM_SESSION_IDS + conn,
                        .body = {(const char *)body.data, body.len}};
    sim_send_up(w, conn, &env);
    sut_buf_deinit(&body);
}

void sim_peer_lost(sim_world *w, uint32_t conn)
{
    sim_conn *k = &w->conns[conn];
    sim_peer *p = &w->peers[k->peer];
    if (p->stopped && !k->killed) {
        sim_at(w, w->now + SIM_MS(50), SIM_LOST, conn, 0);
        return;
    }
    k->peer_open = false;
    if (p->conn == conn)
        p->conn = SIM_NONE;
    if (p->conn == SIM_NONE && !p->start_pending && !w->ended) {
        p->start_pending = true;
        uint64_t most_ms = p->revoked || p->no_serve ? 2000 : 150;
        sim_at(w, w->now + SIM_MS(sim_random(w, most_ms)), SIM_START, k->peer, 0);
    }
}

void sim_peer_bye(sim_world *w, uint32_t peer)
{
    uint32_t conn = w->peers[peer].conn;
    w->conns[conn].leaving = true;
    sim_note(w, "%s says bye", w->peers[peer].name);
    sim_send_up(w, conn, &(sut_envelope){.version = SUT_PROTOCOL_VERSION, .kind = SUT_BYE});
    sim_at(w, w->now + SIM_MS(200 + sim_random(w, 800)), SIM_CLOSED, conn, 0);
}

/* ---- callers ---- */

/* A call's body begins with its number, by which everybody recognises it. */
static sut_str make_body(uint32_t call, char *room, size_t size)
{
    memset(room, 'x', size);
    memcpy(room, &call, sizeof(call));
    return (sut_str){room, size};
}

static uint32_t call_of_body(const sim_world *w, sut_str body)
{
    uint32_t call = SIM_NONE;
    if (body.len >= sizeof(call))
        memcpy(&call, body.ptr, sizeof(call));
    return call < w->call_count ? call : SIM_NONE;
}

static const char *pick_pin(sim_world *w)
{
    uint32_t peer = 3 + (uint32_t)sim_random(w, 6);
    uint32_t conn = w->peers[peer].conn;
    return conn != SIM_NONE && sim_chance(w, 80) ? w->conns[conn].label : "nobody";
}

static void send_call(sim_world *w, uint32_t conn)
{
    static const uint32_t ttls[] = {0, 5, 40, 300, 300, 1000, 1000, 5000, 100000};
    char room[4096];
    uint32_t call = w->call_count++;
    sim_call *m = &w->calls[call];
    *m = (sim_call){.conn = conn,
                    .method = (uint32_t)sim_random(w, sim_chance(w, 85) ? 4 : sim_method_count),
                    .ttl_ms = ttls[sim_random(w, SUT_ARRAY_LEN(ttls))],
                    .pinned = sim_chance(w, 8),
                    .principal = sim_chance(w, 30),
                    .sent_twice = sim_chance(w, 3)};
    size_t size = sim_chance(w, 10) ? sizeof(room) : sizeof(call) + sim_random(w, 200);
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                        .kind = SUT_CALL,
                        .id = call + 1,
                        .subject = sut_str_from(sim_methods[m->method].subject),
                        .ttl_ms = m->ttl_ms,
                        .body = make_body(call, room, size)};
    if (m->principal)
        env.principal = (sut_principal){.user_id = 42, .level = 1, .session = SUT_STR("s-1")};
    if (m->pinned)
        env.opt.instance = sut_str_from(pick_pin(w));
    if (sim_chance(w, 20))
        env.opt.idempotency_key = SUT_STR("key-1");
    for (int sends = m->sent_twice ? 2 : 1; sends > 0; sends--)
        sim_send_up(w, conn, &env);
    if (sim_chance(w, 10))
        sim_at(w, w->now + SIM_MS(sim_random(w, 120)), SIM_CANCEL, call, 0);
}

void sim_caller_calls(sim_world *w, uint32_t peer)
{
    const sim_peer *p = &w->peers[peer];
    if (w->calm)
        return;
    bool burst = sim_chance(w, 2);
    sim_at(w, w->now + SIM_MS(sim_random(w, 150)), SIM_CALL, peer, 0);
    if (p->conn == SIM_NONE || p->stopped || !(w->conns[p->conn].welcomed || sim_chance(w, 5)))
        return;
    for (uint32_t n = burst ? 30 : 1; n > 0 && w->call_count < SIM_CALLS; n--)
        send_call(w, p->conn);
}

void sim_caller_cancels(sim_world *w, uint32_t call)
{
    const sim_call *m = &w->calls[call];
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_CANCEL, .id = call + 1};
    if (!w->peers[w->conns[m->conn].peer].stopped)
        sim_send_up(w, m->conn, &env);
}

void sim_peer_start(sim_world *w, uint32_t peer)
{
    sim_peer *p = &w->peers[peer];
    p->start_pending = false;
    if (w->ended || p->conn != SIM_NONE)
        return;
    uint32_t conn = p->stopped ? SIM_NONE : sim_connect(w, peer);
    if (conn == SIM_NONE) {
        if (w->conn_count < SIM_CONNS)
            sim_at(w, w->now + SIM_MS(200), SIM_START, peer, 0);
        return;
    }
    sim_conn *k = &w->conns[conn];
    /* Some instances keep their id over restarts, others have a new one each time. */
    char name[sizeof(p->name)];
    memcpy(name, p->name, sizeof(name));
    if (peer % 2)
        (void)snprintf(k->label, sizeof(k->label), "%s", name);
    else
        (void)snprintf(k->label, sizeof(k->label), "%s.%u", name, ++p->runs);
    for (uint32_t i = 0; i < SIM_SERVICES; i++)
        k->hello[i] = p->serves[i] ? (uint32_t)sim_random(w, 9) : SIM_NONE;
    sim_note(w, "%s connects as %s, session %llu", p->name, k->label, (unsigned long long)k->session);
    if (p->calls && !w->calm && w->call_count < SIM_CALLS && sim_chance(w, 5))
        send_call(w, conn); /* before hello */
    send_hello(w, conn);
    if (sim_chance(w, 30) && (p->serves[0] || p->serves[1]))
        sim_at(w, w->now + SIM_MS(sim_random(w, 300)), SIM_GRANT, conn, 0);
}

/* ---- instances ---- */

static void take_job(sim_world *w, uint32_t conn, const sut_envelope *env)
{
    uint32_t call = call_of_body(w, env->body);
    if (call == SIM_NONE || w->job_count == SIM_JOBS)
        return;
    uint32_t job = w->job_count++;
    w->jobs[job] = (sim_job){.conn = conn,
                             .call = call,
                             .service = sim_service_of(env->subject),
                             .attempt = env->opt.attempt,
                             .id = env->id,
                             .deadline = w->now + SIM_MS(env->ttl_ms)};
    sim_at(w, w->now + SIM_MS(sim_random(w, sim_chance(w, 10) ? 200 : 8)), SIM_WORK, job, 0);
}

static void cancel_job(sim_world *w, uint32_t conn, uint64_t id)
{
    for (uint32_t i = 0; i < w->job_count; i++) {
        if (w->jobs[i].conn == conn && w->jobs[i].id == id)
            w->jobs[i].cancelled = true;
    }
}

void sim_peer_receive(sim_world *w, uint32_t conn, const sut_envelope *env)
{
    sim_conn *k = &w->conns[conn];
    switch (env->kind) {
    case SUT_WELCOME: k->welcomed = true; break;
    case SUT_PING:
        sim_send_up(w, conn, &(sut_envelope){.version = SUT_PROTOCOL_VERSION, .kind = SUT_PONG, .id = env->id});
        break;
    case SUT_CALL: take_job(w, conn, env); break;
    case SUT_CANCEL: cancel_job(w, conn, env->id); break;
    default: break;
    }
}

static bool can_work(sim_world *w, uint32_t job, sim_event_kind kind, uint64_t value)
{
    const sim_conn *k = &w->conns[w->jobs[job].conn];
    if (w->jobs[job].done || k->killed)
        return false;
    if (w->peers[k->peer].stopped) {
        sim_at(w, w->now + SIM_MS(40), kind, job, value);
        return false;
    }
    return true;
}

/* A process whose session was dropped works on at what it has; only its answers go nowhere. */
void sim_job_work(sim_world *w, uint32_t job)
{
    const sim_job *j = &w->jobs[job];
    if (!can_work(w, job, SIM_WORK, 0))
        return;
    if (j->cancelled && sim_chance(w, 60)) {
        sim_job_answer(w, job, ANSWER_CANCELLED);
    } else if (w->now >= j->deadline) {
        sim_job_answer(w, job, ANSWER_EXPIRED);
    } else if (sim_chance(w, 5)) {
        sim_job_answer(w, job, ANSWER_UNAVAILABLE);
    } else {
        static const uint8_t answers[] = {ANSWER_REPLY,         ANSWER_REPLY,     ANSWER_REPLY, ANSWER_REPLY,
                                          ANSWER_REPLY,         ANSWER_ERROR,     ANSWER_TWICE, ANSWER_TWICE,
                                          ANSWER_WRONG_ATTEMPT, ANSWER_NO_ATTEMPT};
        sim_oracle_executed(w, j->call);
        uint64_t most_ms = sim_chance(w, 5) ? 4000 : 60;
        if (!sim_chance(w, 2)) /* the others hang, and hold their credit until the process goes */
            sim_at(w, w->now + SIM_MS(sim_random(w, most_ms)), SIM_ANSWER, job,
                   answers[sim_random(w, SUT_ARRAY_LEN(answers))]);
    }
}

static void send_job_error(sim_world *w, const sim_job *j, const char *code)
{
    sut_buf body;
    sut_buf_init(&body, 0);
    if (sut_error_body_encode(&body, &(sut_error_body){.code = sut_str_from(code), .message = SUT_STR("simulated")}))
        abort();
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                        .kind = SUT_ERROR_REPLY,
                        .id = j->id,
                        .opt = {.attempt = j->attempt},
                        .body = {(const char *)body.data, body.len}};
    sim_send_up(w, j->conn, &env);
    sut_buf_deinit(&body);
}

static void send_job_reply(sim_world *w, const sim_job *j, uint32_t attempt)
{
    char room[64];
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                        .kind = SUT_REPLY,
                        .id = j->id,
                        .opt = {.attempt = attempt},
                        .body = make_body(j->call, room, sizeof(room))};
    sim_send_up(w, j->conn, &env);
}

void sim_job_answer(sim_world *w, uint32_t job, uint64_t how)
{
    sim_job *j = &w->jobs[job];
    if (!can_work(w, job, SIM_ANSWER, how))
        return;
    if (how == ANSWER_REPLY && w->calls[j->call].executed == 0)
        how = ANSWER_CANCELLED;
    j->done = true;
    switch ((enum answer)how) {
    case ANSWER_REPLY: send_job_reply(w, j, j->attempt); break;
    case ANSWER_NO_ATTEMPT: send_job_reply(w, j, 0); break;
    case ANSWER_WRONG_ATTEMPT: send_job_reply(w, j, j->attempt + 1); break;
    case ANSWER_TWICE:
        send_job_reply(w, j, j->attempt);
        send_job_reply(w, j, j->attempt);
        break;
    case ANSWER_ERROR: send_job_error(w, j, "email_taken"); break;
    case ANSWER_UNAVAILABLE: send_job_error(w, j, "unavailable"); break;
    case ANSWER_EXPIRED: send_job_error(w, j, "deadline_exceeded"); break;
    case ANSWER_CANCELLED: send_job_error(w, j, "cancelled"); break;
    }
}

void sim_instance_grants(sim_world *w, uint32_t conn)
{
    const sim_conn *k = &w->conns[conn];
    if (!k->welcomed || w->peers[k->peer].stopped)
        return;
    for (uint32_t i = 0; i < SIM_SERVICES; i++) {
        if (k->hello[i] == SIM_NONE)
            continue;
        sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                            .kind = SUT_CREDIT,
                            .subject = sut_str_from(sim_services[i]),
                            .opt = {.credits = (uint32_t)sim_random(w, 30)}};
        sim_send_up(w, conn, &env);
    }
}
