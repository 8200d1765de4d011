/* The virtual network: connections that keep the order of what they carry, delay it, and break. Everything goes through
 * the real envelope codec. */
#include "sim.h"

#include <stdlib.h>

static void hash_bytes(sim_world *w, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        w->result->hash = (w->result->hash ^ bytes[i]) * UINT64_C(1099511628211);
}

uint32_t sim_connect(sim_world *w, uint32_t peer)
{
    if (w->conn_count == SIM_CONNS)
        return SIM_NONE;
    sut_core_counts counts;
    sut_core_get_counts(w->core, &counts);
    uint64_t session = sut_core_open(w->core, w->now, sut_str_from(w->peers[peer].name));
    if ((session == 0) != (counts.sessions >= w->limits.max_sessions))
        sim_fail(w, "open answered %llu with %u sessions open", (unsigned long long)session, counts.sessions);
    if (session == 0 || session > SIM_CONNS)
        return SIM_NONE;
    uint32_t conn = w->conn_count++;
    sim_conn *k = &w->conns[conn];
    *k = (sim_conn){.peer = peer, .session = session, .peer_open = true, .heard_awake = w->awake};
    k->inbox_end = &k->inbox;
    w->conn_of_session[session] = conn;
    w->peers[peer].conn = conn;
    return conn;
}

static sim_message *new_message(sim_world *w, const sut_envelope *env)
{
    sut_buf_reset(&w->buf);
    if (sut_envelope_encode(&w->buf, env)) {
        sim_fail(w, "an envelope of kind %u cannot be encoded", env->kind);
        return NULL;
    }
    sim_message *m = malloc(sizeof(*m) + w->buf.len);
    if (!m)
        abort();
    *m = (sim_message){.len = (uint32_t)w->buf.len};
    memcpy(m->bytes, w->buf.data, w->buf.len);
    return m;
}

static uint64_t delay_ns(sim_world *w)
{
    uint64_t most_ms = sim_chance(w, 10) ? SIM_DELAY_MAX_MS : 4;
    return sim_random(w, SIM_MS(most_ms));
}

static void carry(sim_world *w, uint64_t *last, uint64_t delay, sim_event_kind kind, uint32_t conn, sim_message *m)
{
    uint64_t at = w->now + delay;
    *last = at > *last ? at : *last;
    sim_push(w, (sim_event){.at = *last, .kind = kind, .target = conn, .message = m});
}

void sim_send_up(sim_world *w, uint32_t conn, const sut_envelope *env)
{
    sim_conn *k = &w->conns[conn];
    sim_message *m = k->peer_open && !k->cut ? new_message(w, env) : NULL;
    if (m)
        carry(w, &k->last_up, delay_ns(w), SIM_UP, conn, m);
}

void sim_send_garbage(sim_world *w, uint32_t conn, sut_envelope_fault fault)
{
    sim_conn *k = &w->conns[conn];
    if (!k->peer_open || k->cut)
        return;
    sim_message *m = calloc(1, sizeof(*m));
    if (!m)
        abort();
    m->garbage = (int)fault;
    carry(w, &k->last_up, delay_ns(w), SIM_UP, conn, m);
}

void sim_send_down(sim_world *w, uint32_t conn, const sut_envelope *env)
{
    sim_conn *k = &w->conns[conn];
    sim_message *m = new_message(w, env);
    if (!m)
        return;
    hash_bytes(w, m->bytes, m->len);
    uint64_t delay = delay_ns(w);
    if (w->peers[k->peer].slow && k->last_down > w->now)
        delay += k->last_down - w->now + SIM_MS(30);
    carry(w, &k->last_down, delay, SIM_DOWN, conn, m);
    if (k->last_down > w->now + SIM_MS(SIM_DELAY_MAX_MS))
        k->late_until = k->last_down;
    if (++k->down_count == SIM_DOWN_MAX) {
        sim_note(w, "%s: too much waits for it", w->peers[k->peer].name);
        sim_at(w, w->now, SIM_CLOSED, conn, 0);
    }
}

void sim_arrive_up(sim_world *w, uint32_t conn, sim_message *m)
{
    sim_conn *k = &w->conns[conn];
    sut_envelope env;
    size_t used = 0;
    if (k->session == 0 || k->cut) {
        free(m);
        return;
    }
    k->heard_awake = w->awake;
    if (m->garbage) {
        sim_note(w, "%s → garbage", w->peers[k->peer].name);
        sut_core_garbage(w->core, w->now, k->session, (sut_envelope_fault)m->garbage);
        if (k->session != 0)
            sim_fail(w, "garbage did not cost %s its connection", w->peers[k->peer].name);
    } else if (sut_envelope_decode(m->bytes, m->len, &env, &used) != SUT_ENV_OK || used != m->len) {
        sim_fail(w, "the codec does not read what it wrote");
    } else if (sim_oracle_before(w, conn, &env)) {
        sim_note(w, "%s → kind %u id %llu %.*s", w->peers[k->peer].name, env.kind, (unsigned long long)env.id,
                 SUT_STR_FMT(env.subject));
        sut_core_input(w->core, w->now, k->session, &env);
        sim_oracle_after(w, conn, &env);
    }
    free(m);
}

static void receive(sim_world *w, uint32_t conn, const sim_message *m)
{
    sut_envelope env;
    size_t used = 0;
    if (sut_envelope_decode(m->bytes, m->len, &env, &used) != SUT_ENV_OK || used != m->len) {
        sim_fail(w, "the codec does not read what it wrote");
        return;
    }
    sim_note(w, "%s ← kind %u id %llu %.*s", w->peers[w->conns[conn].peer].name, env.kind, (unsigned long long)env.id,
             SUT_STR_FMT(env.subject));
    sim_peer_receive(w, conn, &env);
}

void sim_arrive_down(sim_world *w, uint32_t conn, sim_message *m)
{
    sim_conn *k = &w->conns[conn];
    k->down_count--;
    if (k->cut || k->killed || !k->peer_open) {
        free(m);
    } else if (w->peers[k->peer].stopped) {
        *k->inbox_end = m;
        k->inbox_end = &m->next;
    } else {
        receive(w, conn, m);
        free(m);
    }
}

void sim_read_inbox(sim_world *w, uint32_t conn)
{
    sim_conn *k = &w->conns[conn];
    while (k->inbox) {
        sim_message *m = k->inbox;
        k->inbox = m->next;
        if (!k->inbox)
            k->inbox_end = &k->inbox;
        receive(w, conn, m);
        free(m);
    }
}

void sim_free_inbox(sim_conn *k)
{
    while (k->inbox) {
        sim_message *m = k->inbox;
        k->inbox = m->next;
        free(m);
    }
    k->inbox_end = &k->inbox;
}

void sim_peer_closes(sim_world *w, uint32_t conn, bool noticed)
{
    sim_conn *k = &w->conns[conn];
    if (!k->peer_open)
        return;
    k->peer_open = false;
    k->cut = !noticed;
    sim_free_inbox(k);
    if (w->peers[k->peer].conn == conn)
        w->peers[k->peer].conn = SIM_NONE;
    if (noticed)
        sim_at(w, w->now + SIM_MS(sim_random(w, 20)), SIM_CLOSED, conn, 0);
}

void sim_core_closes(sim_world *w, uint32_t conn)
{
    sim_conn *k = &w->conns[conn];
    if (k->session == 0)
        return;
    uint64_t session = k->session;
    sim_note(w, "%s: its connection is gone", w->peers[k->peer].name);
    sim_oracle_closed(w, conn);
    k->session = 0;
    sut_core_close(w->core, w->now, session);
    sim_at(w, w->now + delay_ns(w), SIM_LOST, conn, 0);
}

void sim_core_dropped(sim_world *w, uint32_t conn)
{
    sim_oracle_closed(w, conn);
    w->conns[conn].session = 0;
    sim_at(w, w->now + delay_ns(w), SIM_LOST, conn, 0);
}
