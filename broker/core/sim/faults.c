/* What goes wrong: processes die, stop and crawl, connections break with and without notice, peers break the protocol,
 * the access list changes, the clock jumps, the broker drains. */
#include "sim.h"

enum fault {
    FAULT_KILL,
    FAULT_KILL_UNNOTICED,
    FAULT_CUT,
    FAULT_DAEMON_CLOSES,
    FAULT_STOP,
    FAULT_BYE,
    FAULT_JUMP,
    FAULT_ACL,
    FAULT_GARBAGE,
    FAULT_SECOND_HELLO,
    FAULT_STRAY_REPLY,
    FAULT_STRAY_CREDIT,
    FAULT_WELCOME,
    FAULT_SLOW,
    FAULT_DRAIN,
    FAULT_COUNT
};

void sim_stop(sim_world *w, uint32_t peer)
{
    sim_note(w, "%s is stopped", w->peers[peer].name);
    w->peers[peer].stopped = true;
    sim_at(w, w->now + SIM_MS(100 + sim_random(w, 5000)), SIM_RESUME, peer, 0);
}

void sim_resume(sim_world *w, uint32_t peer)
{
    sim_peer *p = &w->peers[peer];
    if (!p->stopped)
        return;
    sim_note(w, "%s goes on", p->name);
    p->stopped = false;
    p->resumed_awake = w->awake;
    if (p->conn != SIM_NONE)
        sim_read_inbox(w, p->conn);
}

static void kill_peer(sim_world *w, uint32_t conn, bool noticed)
{
    sim_conn *k = &w->conns[conn];
    sim_peer *p = &w->peers[k->peer];
    sim_note(w, "%s is killed%s", p->name, noticed ? "" : ", unnoticed");
    for (uint32_t i = 0; i < w->conn_count; i++) {
        if (w->conns[i].peer == k->peer)
            w->conns[i].killed = true; /* older connections of the same process, too */
    }
    p->stopped = false;
    sim_peer_closes(w, conn, noticed);
    if (!p->start_pending) {
        p->start_pending = true;
        sim_at(w, w->now + SIM_MS(sim_random(w, 1500)), SIM_START, k->peer, 0);
    }
}

static void cut(sim_world *w, uint32_t conn)
{
    sim_note(w, "%s is cut off", w->peers[w->conns[conn].peer].name);
    w->conns[conn].cut = true;
    sim_at(w, w->now + SIM_MS(sim_random(w, 3000)), SIM_LOST, conn, 0);
}

static void jump(sim_world *w)
{
    if (w->awake - w->last_jump_awake < SIM_MS(3000))
        return;
    uint64_t ms = 1 + sim_random(w, sim_chance(w, 10) ? 864000000 : 8000);
    sim_note(w, "the clock jumps by %llu ms", (unsigned long long)ms);
    w->last_jump_awake = w->awake;
    w->now += SIM_MS(ms);
}

static void change_acl(sim_world *w)
{
    uint32_t peer = (uint32_t)sim_random(w, SIM_PEERS);
    sim_peer *p = &w->peers[peer];
    uint64_t dice = sim_random(w, 3);
    bool *flag = dice == 0 ? &p->revoked : dice == 1 ? &p->no_call : &p->no_serve;
    *flag = !*flag;
    sim_note(w, "access list: %s revoked=%d no_call=%d no_serve=%d", p->name, p->revoked, p->no_call, p->no_serve);
    for (uint32_t i = 0; i < w->conn_count; i++) {
        if (w->conns[i].peer == peer)
            w->conns[i].rights_changed = true;
    }
    sim_set_acl(w);
    for (uint32_t i = 0; i < w->conn_count; i++) {
        const sim_conn *k = &w->conns[i];
        bool serves = k->ready && (k->hello[0] != SIM_NONE || k->hello[1] != SIM_NONE);
        if (k->peer == peer && k->session && (p->revoked || (p->no_serve && serves)))
            sim_fail(w, "%s lost its right and kept its session", p->name);
    }
}

static void break_protocol(sim_world *w, uint32_t conn, enum fault fault)
{
    sim_conn *k = &w->conns[conn];
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_HELLO, .id = SIM_SESSION_IDS};
    if (fault == FAULT_STRAY_REPLY) {
        env.kind = SUT_REPLY;
        env.id = sim_chance(w, 50) ? 1 + sim_random(w, 50) : (1 + sim_random(w, 50)) << 20;
        for (uint32_t i = 0; i < k->given_count; i++) {
            if (k->given[i].id == env.id)
                return;
        }
        sim_send_up(w, conn, &env);
        return;
    }
    k->bad = true;
    if (fault == FAULT_WELCOME) {
        env.kind = SUT_WELCOME;
    } else if (fault == FAULT_STRAY_CREDIT) {
        env.kind = SUT_CREDIT;
        env.subject = SUT_STR("gamma");
        env.opt.credits = 5;
    }
    if (fault == FAULT_GARBAGE)
        sim_send_garbage(w, conn, (sut_envelope_fault)(1 + sim_random(w, SUT_ENV_TRACEPARENT)));
    else
        sim_send_up(w, conn, &env);
}

static void drain(sim_world *w)
{
    if (w->draining || w->steps < w->options.events / 2 || !sim_chance(w, 20))
        return;
    sim_note(w, "the broker drains");
    w->draining = true;
    w->drain_at = w->now;
    sut_core_drain(w->core, w->now);
}

static void fault_of_peer(sim_world *w, enum fault fault, uint32_t peer)
{
    sim_peer *p = &w->peers[peer];
    uint32_t conn = p->conn;
    if (conn == SIM_NONE)
        return;
    switch (fault) {
    case FAULT_KILL: kill_peer(w, conn, true); break;
    case FAULT_KILL_UNNOTICED: kill_peer(w, conn, false); break;
    case FAULT_CUT: cut(w, conn); break;
    case FAULT_DAEMON_CLOSES: sim_core_closes(w, conn); break;
    case FAULT_STOP: sim_stop(w, peer); break;
    case FAULT_SLOW:
        p->slow = !p->slow;
        p->resumed_awake = w->awake;
        break;
    case FAULT_BYE:
        if (!p->stopped && w->conns[conn].welcomed)
            sim_peer_bye(w, peer);
        break;
    default:
        if (!p->stopped)
            break_protocol(w, conn, fault);
        break;
    }
}

void sim_fault(sim_world *w)
{
    if (w->calm)
        return;
    sim_at(w, w->now + SIM_MS(5 + sim_random(w, 500)), SIM_FAULT, 0, 0);
    enum fault fault = (enum fault)sim_random(w, FAULT_COUNT);
    if (fault == FAULT_JUMP)
        jump(w);
    else if (fault == FAULT_ACL)
        change_acl(w);
    else if (fault == FAULT_DRAIN)
        drain(w);
    else
        fault_of_peer(w, fault, (uint32_t)sim_random(w, SIM_PEERS));
}
