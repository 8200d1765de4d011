/* Sessions: opening, silence and pings, bye, dropping, closing. */
#include "event_state.h"

#include <errno.h>
#include <stdlib.h>

#define TOOL_SESSIONS 4 /* that a tool may have in any case */

core_session *core_session_find(const sut_core *c, uint64_t id)
{
    return sut_u64map_get(c->sessions_by_id, id);
}

static void arm_alarm(sut_core *c, core_session *s, uint64_t at_ns)
{
    core_wheel_arm(&c->wheel, &s->timer, at_ns);
}

static void free_session(sut_core *c, core_session *s)
{
    core_peer_drop(c, s->peer, sut_str_from(s->name));
    sut_u64map_free(s->calls_by_id);
    free(s->slots);
    free(s->routes);
    free(s->event_routes);
    free(s);
}

static core_session *new_session(sut_core *c, sut_str name)
{
    core_session *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    memcpy(s->name, name.ptr, name.len);
    s->peer = core_peer_hold(c, name);
    if (!s->peer || sut_u64map_new(&s->calls_by_id)) {
        free_session(c, s);
        return NULL;
    }
    s->title = sut_str_from(s->name);
    s->timer.kind = CORE_TIMER_SESSION;
    s->opened_ns = s->last_heard_ns = c->now_ns;
    s->acl = sut_acl_find(c->acl, name);
    s->slot_free = UINT32_MAX;
    sut_list_init(&s->calls);
    sut_list_init(&s->instances);
    sut_list_init(&s->hand);
    sut_list_init(&s->subscriptions);
    return s;
}

/* One tool may have a quarter of the sessions: or it could keep out an actor that comes back. */
static bool too_many_of(const sut_core *c, sut_str name)
{
    const uint32_t quarter = c->limits.max_sessions / 4, most = quarter > TOOL_SESSIONS ? quarter : TOOL_SESSIONS;
    const core_peer *p = core_peer_find(c, name);
    return p && p->sessions >= most && sut_acl_role(sut_acl_find(c->acl, name)) == SUT_ROLE_TOOL;
}

uint64_t sut_core_open(sut_core *c, uint64_t now_ns, sut_str name)
{
    core_set_now(c, now_ns);
    if (c->session_count >= c->limits.max_sessions || name.len == 0 || name.len > CORE_NAME_MAX || too_many_of(c, name))
        return 0;
    core_session *s = new_session(c, name);
    if (!s)
        return 0;
    s->id = ++c->next_session;
    if (sut_u64map_put(c->sessions_by_id, s->id, s)) {
        free_session(c, s);
        return 0;
    }
    sut_list_push_back(&c->sessions, &s->node);
    c->session_count++;
    arm_alarm(c, s, c->now_ns + c->limits.ping_after_ms * SUT_NS_PER_MS);
    return s->id;
}

/* ---- silence ----
 * Pings are counted, not seconds: after the broker itself stood still for a while (a clock that jumped), every peer
 * still gets its pings and the time to answer them. The last ping waits half as long as the others, so that with 500 ms
 * and three pings a peer that falls silent is dead after 1,750 ms, and its calls are elsewhere within 2 s. */

static void send_ping(sut_core *c, core_session *s)
{
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_PING, .id = ++c->next_ping};
    s->pings_out++;
    if (s->ready)
        core_emit(c, s, &env);
}

void core_session_alarm(sut_core *c, core_session *s)
{
    uint64_t interval_ns = c->limits.ping_after_ms * SUT_NS_PER_MS;
    uint64_t since_ns = s->ready ? s->last_heard_ns : s->opened_ns; /* before hello nothing else counts */
    if (s->pings_out == 0 && c->now_ns - since_ns < interval_ns) {
        arm_alarm(c, s, since_ns + interval_ns);
        return;
    }
    if (s->pings_out >= c->limits.pings_missed) {
        core_session_drop(c, s, SUT_DROP_SILENT, 0, NULL);
        return;
    }
    send_ping(c, s);
    arm_alarm(c, s, c->now_ns + (s->pings_out < c->limits.pings_missed ? interval_ns : interval_ns / 2));
}

/* ---- leaving ---- */

void core_session_retire(sut_core *c, core_session *s)
{
    for (sut_node *n = s->instances.next; n != &s->instances; n = n->next)
        core_instance_retire(c, SUT_CONTAINER(n, core_instance, session_node));
    core_subscriptions_retire(s);
}

void core_session_bye(sut_core *c, core_session *s)
{
    s->draining = true;
    core_session_retire(c, s);
}

/* A peer that has read the bye sends no more calls; one that has answered the ping behind it has none on the way. */
void core_session_farewell(sut_core *c, core_session *s)
{
    sut_envelope bye = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_BYE};
    core_emit(c, s, &bye);
    core_session_await(c, s);
}

void core_session_await(sut_core *c, core_session *s)
{
    sut_envelope ping = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_PING, .id = ++c->next_ping};
    c->farewells += s->farewell_ping == 0;
    s->farewell_ping = ping.id;
    core_emit(c, s, &ping);
}

void core_session_pong(sut_core *c, core_session *s, uint64_t id)
{
    if (s->farewell_ping == 0 || s->farewell_ping != id)
        return;
    s->farewell_ping = 0;
    c->farewells--;
}

void core_session_close(sut_core *c, core_session *s)
{
    s->closing = true;
    core_session_pong(c, s, s->farewell_ping);
    (void)sut_u64map_take(c->sessions_by_id, s->id);
    sut_node_unlink(&s->node);
    core_wheel_cancel(&c->wheel, &s->timer);
    c->session_count--;
    core_session_retire(c, s);
    while (!sut_list_empty(&s->calls))
        core_call_abandon(c, SUT_CONTAINER(s->calls.next, core_call, caller_node));
    core_hand_lost(c, s);
    core_subscriptions_close(c, s);
    while (!sut_list_empty(&s->instances))
        core_instance_remove(c, SUT_CONTAINER(s->instances.next, core_instance, session_node));
    core_see_names(c, sut_str_from(s->name));
    s->peer->publishes_pending -= s->publishes_pending; /* their answers find no one */
    s->peer->publish_bytes -= s->publish_bytes;
    free_session(c, s);
}

void core_session_drop(sut_core *c, core_session *s, sut_drop_reason reason, uint64_t id, const core_error *e)
{
    uint64_t session = s->id;
    if (e)
        core_send_error(c, s, id, 0, SUT_STR_NONE, e);
    c->counts.drops_total++;
    core_session_close(c, s);
    c->ops.drop(c->app, session, reason);
}

void sut_core_close(sut_core *c, uint64_t now_ns, uint64_t session)
{
    core_set_now(c, now_ns);
    core_session *s = core_session_find(c, session);
    if (s)
        core_session_close(c, s);
    core_groups_pump(c);
}
