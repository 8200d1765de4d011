/* The core's inputs: envelopes by kind, time, access list, drain. */
#include "state.h"

#include "base/arena.h"
#include "event_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SCRATCH_MAX 4096
#define ARENA_MAX   (64u << 10)

static const char *const drop_reason_names[] = {
    [SUT_DROP_BAD_ENVELOPE] = "bad_envelope",
    [SUT_DROP_VERSION] = "version",
    [SUT_DROP_SILENT] = "silent",
    [SUT_DROP_REVOKED] = "revoked",
    [SUT_DROP_REPLACED] = "replaced",
    [SUT_DROP_LIMIT] = "limit",
    [SUT_DROP_BYE] = "bye",
};

const char *sut_drop_reason_name(sut_drop_reason r)
{
    return (size_t)r < SUT_ARRAY_LEN(drop_reason_names) ? drop_reason_names[r] : "unknown";
}

/* ---- life ---- */

static sut_status make_parts(sut_core *c)
{
    sut_status st = sut_u64map_new(&c->sessions_by_id);
    if (st == 0)
        st = sut_strmap_new(&c->services_by_name);
    if (st == 0)
        st = sut_strmap_new(&c->peers);
    if (st == 0)
        st = sut_u64map_new(&c->controls);
    if (st == 0)
        st = core_pool_new(&c->pool);
    if (st == 0)
        st = sut_arena_new(&c->arena, ARENA_MAX);
    return st;
}

sut_status sut_core_new(sut_core **out, const sut_core_limits *limits, const sut_core_ops *ops, void *app)
{
    if (!ops->emit || !ops->drop)
        return SUT_TRACE(-EINVAL, "core needs emit and drop");
    sut_core *c = calloc(1, sizeof(*c));
    if (!c)
        return SUT_TRACE(-ENOMEM, "core");
    c->limits = limits ? *limits : SUT_CORE_LIMITS_DEFAULT;
    c->ops = *ops;
    c->app = app;
    c->acl_generation = c->service_generation = 1; /* 0: a route that was never made */
    c->drain_timer.kind = CORE_TIMER_DRAIN;
    (void)snprintf(c->broker_name, sizeof(c->broker_name), "sut-broker");
    sut_list_init(&c->sessions);
    sut_list_init(&c->services);
    sut_buf_init(&c->scratch, SCRATCH_MAX);
    core_wheel_init(&c->wheel);
    sut_status st = make_parts(c);
    if (st) {
        sut_core_free(c);
        return st;
    }
    *out = c;
    return 0;
}

sut_core *sut_core_free(sut_core *c)
{
    if (!c)
        return NULL;
    /* Whoever still waits gets no answer from a broker that is gone: outputs stop first. */
    c->ops = (sut_core_ops){0};
    c->watched = 0;
    if (c->events)
        c->events->ops.delivery = NULL;
    for (sut_node *n = c->sessions.next; n != &c->sessions; n = n->next)
        SUT_CONTAINER(n, core_session, node)->closing = SUT_CONTAINER(n, core_session, node)->draining = true;
    while (!sut_list_empty(&c->sessions))
        core_session_close(c, SUT_CONTAINER(c->sessions.next, core_session, node));
    while (!sut_list_empty(&c->services))
        core_service_free(c, SUT_CONTAINER(c->services.next, core_service, node));
    core_events_free(c);
    sut_u64map_free(c->sessions_by_id);
    sut_strmap_free(c->services_by_name);
    sut_strmap_free(c->peers);
    sut_u64map_free(c->controls);
    core_pool_free(c->pool);
    sut_arena_free(c->arena);
    sut_buf_deinit(&c->scratch);
    free(c);
    return NULL;
}

void sut_core_watch(sut_core *c, uint32_t kinds)
{
    c->watched = c->ops.seen ? kinds : 0;
}

void sut_core_watch_slow(sut_core *c, uint64_t slow_ns)
{
    c->slow_ns = slow_ns;
}

void sut_core_set_limits(sut_core *c, const sut_core_limits *limits)
{
    c->limits = *limits;
}

sut_status sut_core_set_broker_name(sut_core *c, sut_str name)
{
    if (name.len > CORE_NAME_MAX)
        return -EMSGSIZE;
    if (name.len > 0)
        memcpy(c->broker_name, name.ptr, name.len);
    c->broker_name[name.len] = '\0';
    return 0;
}

/* ---- envelopes ---- */

static void pong(sut_core *c, const core_session *s, uint64_t id)
{
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION, .kind = SUT_PONG, .id = id};
    core_emit(c, s, &env);
}

static void credit_input(sut_core *c, core_session *s, const sut_envelope *env)
{
    const core_service *service = core_service_find(c, env->subject);
    core_instance *inst = service ? core_instance_of(s, service) : NULL;
    if (!inst) {
        core_session_drop(c, s, SUT_DROP_BAD_ENVELOPE, env->id,
                          &(core_error){SUT_ERR_BAD_ENVELOPE, 0, "credit for a service that this peer does not serve"});
        return;
    }
    if (core_instance_grant(c, inst, env->opt.credits)) {
        core_session_drop(c, s, SUT_DROP_LIMIT, env->id,
                          &(core_error){SUT_ERR_OVERLOADED, CORE_RETRY_UNKNOWN_MS, "too many credits"});
        return;
    }
    core_instance_pump(c, inst);
}

static void other_input(sut_core *c, core_session *s, const sut_envelope *env)
{
    const char *message = env->kind == SUT_WELCOME ? "only the broker says welcome"
                                                   : "this kind is reserved; this broker does not speak it yet";
    core_session_drop(c, s, SUT_DROP_BAD_ENVELOPE, env->id, &(core_error){SUT_ERR_BAD_ENVELOPE, 0, message});
}

static void tap_input(sut_core *c, const core_session *s, const sut_envelope *env)
{
    if (c->draining)
        core_send_error(c, s, env->id, 0, SUT_STR_NONE,
                        &(core_error){SUT_ERR_UNAVAILABLE, CORE_RETRY_DRAIN_MS, "the broker is stopping"});
    else if (!c->ops.tap)
        core_send_error(c, s, env->id, 0, SUT_STR_NONE,
                        &(core_error){SUT_ERR_UNAVAILABLE, 0, "this broker has no taps"});
    else
        c->ops.tap(c->app, s->id, env);
}

static void ready_input(sut_core *c, core_session *s, const sut_envelope *env)
{
    switch (env->kind) {
    case SUT_CALL: core_call_input(c, s, env); break;
    case SUT_REPLY:
    case SUT_ERROR_REPLY: core_reply_input(c, s, env); break;
    case SUT_PING: pong(c, s, env->id); break;
    case SUT_PONG: core_session_pong(c, s, env->id); break;
    case SUT_BYE: core_session_bye(c, s); break;
    case SUT_CANCEL: core_call_cancel_input(c, s, env); break;
    case SUT_CREDIT: credit_input(c, s, env); break;
    case SUT_PUBLISH: core_publish_input(c, s, env); break;
    case SUT_SUBSCRIBE: core_subscribe_input(c, s, env); break;
    case SUT_TAP: tap_input(c, s, env); break;
    case SUT_UNSUBSCRIBE: core_unsubscribe_input(c, s, env); break;
    case SUT_ACK:
    case SUT_NACK:
    case SUT_PROGRESS:
    case SUT_TERM: core_ack_input(c, s, env); break;
    default: other_input(c, s, env); break;
    }
}

void sut_core_input(sut_core *c, uint64_t now_ns, uint64_t session, const sut_envelope *env)
{
    core_session *s = core_session_find(c, session);
    core_set_now(c, now_ns);
    if (!s)
        return;
    s->last_heard_ns = c->now_ns;
    if (env->version != SUT_PROTOCOL_VERSION) {
        sut_core_garbage(c, now_ns, session, SUT_ENV_VERSION);
        return;
    }
    if (env->kind == SUT_HELLO) {
        core_hello_input(c, s, env);
    } else if (!s->ready) {
        core_send_error(c, s, env->id, 0, env->subject, &(core_error){SUT_ERR_HELLO_REQUIRED, 0, NULL});
    } else {
        s->pings_out = 0;
        ready_input(c, s, env);
    }
    core_groups_pump(c);
}

void sut_core_garbage(sut_core *c, uint64_t now_ns, uint64_t session, sut_envelope_fault fault)
{
    core_session *s = core_session_find(c, session);
    core_set_now(c, now_ns);
    if (!s)
        return;
    core_error e = {SUT_ERR_BAD_ENVELOPE, 0, sut_envelope_fault_text(fault)};
    if (fault == SUT_ENV_VERSION)
        e.err = SUT_ERR_VERSION;
    else if (fault == SUT_ENV_TOO_LARGE)
        e.err = SUT_ERR_PAYLOAD_TOO_LARGE;
    core_session_drop(c, s, fault == SUT_ENV_VERSION ? SUT_DROP_VERSION : SUT_DROP_BAD_ENVELOPE, 0, &e);
    core_groups_pump(c);
}

/* ---- access list ---- */

/* What a session is by its hello no longer agrees with the list: it must say hello again, or never. */
static bool outdated(const sut_core *c, const core_session *s)
{
    if (!s->acl || (s->ready && sut_acl_role(s->acl) != s->role))
        return true;
    for (sut_node *n = s->instances.next; n != &s->instances; n = n->next) {
        if (!sut_acl_may_serve(s->acl, core_service_name(SUT_CONTAINER(n, core_instance, session_node)->service)))
            return true;
    }
    return !core_subscriptions_allowed(c, s);
}

void sut_core_set_acl(sut_core *c, uint64_t now_ns, const sut_acl *acl)
{
    core_set_now(c, now_ns);
    c->acl = acl;
    c->acl_generation++;
    /* First none of them takes calls any more, so that the calls of one do not fail over to the next. */
    for (sut_node *n = c->sessions.next; n != &c->sessions; n = n->next) {
        core_session *s = SUT_CONTAINER(n, core_session, node);
        s->acl = sut_acl_find(acl, sut_str_from(s->name));
        if (outdated(c, s))
            core_session_retire(c, s);
    }
    for (sut_node *n = c->sessions.next, *next; n != &c->sessions; n = next) {
        next = n->next;
        core_session *s = SUT_CONTAINER(n, core_session, node);
        if (outdated(c, s))
            core_session_drop(c, s, SUT_DROP_REVOKED, 0, &(core_error){SUT_ERR_FORBIDDEN, 0, "the right was revoked"});
    }
    core_groups_pump(c);
}

/* ---- time ---- */

uint64_t sut_core_next_ns(const sut_core *c)
{
    return core_wheel_next_ns(&c->wheel);
}

/* drain_ms passed: whoever still waits is told, and nothing waits any more. */
static void end_drain(sut_core *c)
{
    c->drain_over = true;
    for (sut_node *n = c->sessions.next; n != &c->sessions; n = n->next) {
        core_session *s = SUT_CONTAINER(n, core_session, node);
        while (!sut_list_empty(&s->calls))
            core_call_stop(c, SUT_CONTAINER(s->calls.next, core_call, caller_node));
        core_session_pong(c, s, s->farewell_ping);
    }
}

void sut_core_tick(sut_core *c, uint64_t now_ns)
{
    core_timer *t;
    core_set_now(c, now_ns);
    while ((t = core_wheel_pop(&c->wheel, c->now_ns))) {
        switch (t->kind) {
        case CORE_TIMER_CALL: core_call_expire(c, SUT_CONTAINER(t, core_call, timer)); break;
        case CORE_TIMER_SESSION: core_session_alarm(c, SUT_CONTAINER(t, core_session, timer)); break;
        case CORE_TIMER_SERVICE: core_service_hold_over(c, SUT_CONTAINER(t, core_service, timer)); break;
        case CORE_TIMER_DRAIN: end_drain(c); break;
        case CORE_TIMER_ENTRY: core_entry_again(c, SUT_CONTAINER(t, core_trouble, timer)); break;
        case CORE_TIMER_GROUP: core_group_alarm(c, SUT_CONTAINER(t, core_group, timer)); break;
        case CORE_TIMER_SAVE: core_group_save(c, SUT_CONTAINER(t, core_group, save_timer)); break;
        case CORE_TIMER_SUBSCRIPTION: core_subscription_alarm(c, SUT_CONTAINER(t, core_subscription, timer)); break;
        case CORE_TIMER_SUBSCRIPTION_READ: core_ephemeral_pump(c, SUT_CONTAINER(t, core_subscription, again)); break;
        }
    }
    core_groups_pump(c);
}

void sut_core_drain(sut_core *c, uint64_t now_ns)
{
    core_set_now(c, now_ns);
    if (c->draining)
        return;
    c->draining = true;
    for (sut_node *n = c->sessions.next; n != &c->sessions; n = n->next) {
        core_session *s = SUT_CONTAINER(n, core_session, node);
        if (s->ready)
            core_session_farewell(c, s);
    }
    for (sut_node *n = c->services.next; n != &c->services; n = n->next) {
        core_service *s = SUT_CONTAINER(n, core_service, node);
        if (!core_service_has_taker(s))
            core_service_flush(c, s);
    }
    core_events_drain(c);
    core_wheel_arm(&c->wheel, &c->drain_timer, c->now_ns + c->limits.drain_ms * SUT_NS_PER_MS);
}

bool sut_core_drained(const sut_core *c)
{
    return c->draining && c->farewells == 0 && (c->drain_over || (c->pending == 0 && core_events_drained(c)));
}

void sut_core_leave(sut_core *c, uint64_t now_ns)
{
    core_set_now(c, now_ns);
    for (sut_node *n = c->sessions.next; n != &c->sessions; n = n->next) {
        core_session *s = SUT_CONTAINER(n, core_session, node);
        if (s->ready)
            core_session_await(c, s);
    }
}
