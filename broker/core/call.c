/* A call's way to an instance: checks at the door, then given at once, queued, or refused; its deadline; its cancel. */
#include "state.h"

#include <errno.h>

static void refuse(sut_core *c, const core_session *s, const sut_envelope *env, const core_error *e)
{
    c->counts.errors_total++;
    core_send_error(c, s, env->id, 0, env->subject, e);
    if (c->watched & SUT_SIGHT_ERROR)
        core_see_refusal(c, s, env, e->err);
}

static void refuse_right(sut_core *c, const core_session *s, const sut_envelope *env, const char *what,
                         const char *message)
{
    c->counts.refused_total++;
    if (c->ops.refused)
        c->ops.refused(c->app, s->id, what, env->subject, SUT_ERR_FORBIDDEN);
    refuse(c, s, env, &(core_error){SUT_ERR_FORBIDDEN, 0, message});
}

static bool has_principal(const sut_envelope *env)
{
    return env->principal.user_id != 0 || env->principal.level != 0 || env->principal.session.ptr;
}

/* Edges and actors for whom they like; an operator only for `replay --diff`: a call that is marked as made again, that
 * may be executed twice, that its access list names, and of which there will be a record. */
static bool admit_principal(sut_core *c, const core_session *s, const sut_envelope *env, const core_route *route)
{
    if (!has_principal(env) || sut_acl_may_set_principal(s->acl))
        return true;
    const bool repeats = env->opt.replayed && route->method.known && route->method.idempotent;
    if (!repeats || sut_acl_role(s->acl) != SUT_ROLE_OPERATOR ||
        !sut_acl_allows(s->acl, SUT_RIGHT_REPLAY, env->subject)) {
        refuse_right(c, s, env, "principal", "this peer may not set a principal here");
        return false;
    }
    if (c->ops.replayed && c->ops.replayed(c->app, s->id, env))
        return true;
    refuse(c, s, env,
           &(core_error){SUT_ERR_UNAVAILABLE, CORE_RETRY_UNKNOWN_MS, "it cannot be journalled now for whom that is"});
    return false;
}

static bool admit(sut_core *c, core_session *s, const sut_envelope *env, const core_route *route)
{
    if (!route->allowed) {
        refuse_right(c, s, env, "call", "this peer may not call this subject");
        return false;
    }
    if (!admit_principal(c, s, env, route))
        return false;
    if (!core_fits(env)) {
        refuse(c, s, env, &(core_error){SUT_ERR_PAYLOAD_TOO_LARGE, 0, "the envelope is over its limit"});
        return false;
    }
    if (c->draining && !route->control) {
        refuse(c, s, env, &(core_error){SUT_ERR_UNAVAILABLE, CORE_RETRY_DRAIN_MS, "the broker is stopping"});
        return false;
    }
    if (s->calls_pending >= c->limits.pending_calls_per_peer) {
        refuse(c, s, env, &(core_error){SUT_ERR_OVERLOADED, CORE_RETRY_UNKNOWN_MS, "too many calls of this peer wait"});
        return false;
    }
    return true;
}

static uint32_t time_to_live_ms(const sut_core *c, const sut_envelope *env, const core_route *route)
{
    uint32_t ms = env->ttl_ms;
    if (ms == 0)
        ms = route->method.known && route->method.timeout_ms ? route->method.timeout_ms : c->limits.default_ttl_ms;
    return ms < c->limits.max_ttl_ms ? ms : c->limits.max_ttl_ms;
}

/* Makes the call and takes it on for its caller; on failure answers and returns NULL. */
static core_call *take_on(sut_core *c, core_session *s, const sut_envelope *env, const core_route *route)
{
    core_call *call = core_call_new(c);
    sut_status st = call ? sut_u64map_put(s->calls_by_id, env->id, call) : -ENOMEM;
    if (st) {
        if (call)
            core_call_free(c, call);
        refuse(c, s, env, &(core_error){SUT_ERR_OVERLOADED, CORE_RETRY_UNKNOWN_MS, "the broker's memory is full"});
        return NULL;
    }
    call->caller = s;
    call->caller_id = env->id;
    call->service = route->service;
    call->sequence = ++c->next_sequence;
    call->accepted_ns = c->now_ns;
    call->deadline_ns = c->now_ns + time_to_live_ms(c, env, route) * SUT_NS_PER_MS;
    call->idempotent = route->method.known && route->method.idempotent;
    call->pinned = env->opt.instance.ptr != NULL && env->opt.instance.len > 0;
    call->subject_len = (uint8_t)env->subject.len;
    memcpy(call->subject, env->subject.ptr, env->subject.len);
    if (c->watched & CORE_SIGHTS_OF_CALLS)
        core_see_acceptance(c, call, env);
    sut_list_push_back(&s->calls, &call->caller_node);
    s->calls_pending++;
    c->pending++;
    c->counts.calls_total++;
    core_wheel_arm(&c->wheel, &call->timer, call->deadline_ns);
    return call;
}

static void overload(sut_core *c, core_call *call, const char *message)
{
    core_service *s = call->service;
    s->overloaded_total++;
    core_call_fail(c, call, &(core_error){SUT_ERR_OVERLOADED, core_rate_retry_after_ms(c, s), message});
}

/* An estimate within a fifth of the time that is left is no hope: rates waver. */
static bool would_expire(const sut_core *c, const core_call *call)
{
    uint64_t left_ms = (call->deadline_ns - c->now_ns) / SUT_NS_PER_MS;
    return core_rate_answer_ms(c, call->service) > left_ms * 4 / 5;
}

/* Into the queue, or refused as overloaded. */
static void enqueue(sut_core *c, core_call *call, const sut_envelope *env)
{
    if (!core_call_keep(c, call, env))
        overload(c, call, "the broker's memory is full");
    else if (!core_service_queue_has_room(c, call->service, call->copy->size))
        overload(c, call, "the service's queue is full");
    else if (!core_session_may_queue(c, call->caller, call->copy->size))
        overload(c, call, "too much of this peer is queued");
    else if (would_expire(c, call))
        overload(c, call, "the service's queue is longer than the call's time"); /* now, not after it has waited */
    else
        core_service_enqueue(c, call->service, call);
}

static void route_pinned(sut_core *c, core_call *call, const sut_envelope *env)
{
    core_instance *inst = core_service_pinned(call->service, env->opt.instance);
    if (!inst) {
        core_call_fail(c, call, &(core_error){SUT_ERR_UNAVAILABLE, 0, "the instance asked for is not here"});
        return;
    }
    call->instance = inst;
    if (core_instance_can_take(inst))
        core_hand_give(c, inst, call, env);
    else
        enqueue(c, call, env);
}

static void route_any(sut_core *c, core_call *call, const sut_envelope *env)
{
    core_instance *inst = core_service_most_free(call->service);
    if (!inst)
        enqueue(c, call, env);
    else if (call->idempotent && !core_call_keep(c, call, env))
        overload(c, call, "the broker's memory is full");
    else
        core_hand_give(c, inst, call, env);
}

void core_call_input(sut_core *c, core_session *s, const sut_envelope *env)
{
    if (env->subject.len == 0 || env->subject.len > SUT_SUBJECT_MAX) {
        core_session_drop(c, s, SUT_DROP_BAD_ENVELOPE, env->id,
                          &(core_error){SUT_ERR_BAD_ENVELOPE, 0, "a call needs a subject"});
        return;
    }
    if (sut_u64map_get(s->calls_by_id, env->id)) { /* first of all: no other error may seem to answer that call */
        refuse(c, s, env, &(core_error){SUT_ERR_BAD_ENVELOPE, 0, "a call with this id waits already"});
        return;
    }
    const core_route *route = core_route_find(c, s, env->subject);
    if (!route) {
        refuse(c, s, env, &(core_error){SUT_ERR_OVERLOADED, CORE_RETRY_UNKNOWN_MS, "the broker's memory is full"});
        return;
    }
    if (!admit(c, s, env, route))
        return;
    if (!route->control && (!route->service || route->service->gone)) {
        refuse(c, s, env, &(core_error){SUT_ERR_NO_SUCH_SERVICE, 0, NULL});
        return;
    }
    core_call *call = take_on(c, s, env, route);
    if (!call)
        return;
    if (route->control) {
        core_control_input(c, s, call, env);
        return;
    }
    call->service->calls_total++;
    if (call->pinned)
        route_pinned(c, call, env);
    else
        route_any(c, call, env);
}

/* ---- ends that the caller or the clock bring about ---- */

void core_call_cancel_given(sut_core *c, const core_call *call)
{
    sut_envelope env = {.version = SUT_PROTOCOL_VERSION,
                        .kind = SUT_CANCEL,
                        .id = call->given_id,
                        .subject = core_call_subject(call),
                        .opt = {.attempt = call->attempt}};
    core_emit(c, call->instance->session, &env);
}

/* Takes the call from where it waits; one in an instance's hand stays there until the instance answers. */
static void withdraw(sut_core *c, core_call *call)
{
    if (call->state == CORE_CALL_QUEUED)
        core_service_dequeue(call);
    else if (call->state == CORE_CALL_GIVEN)
        core_call_cancel_given(c, call);
    else
        core_control_forget(c, call);
}

void core_call_cancel_input(sut_core *c, core_session *s, const sut_envelope *env)
{
    core_call *call = sut_u64map_get(s->calls_by_id, env->id);
    if (!call) /* answered meanwhile: the answer is on its way */
        return;
    withdraw(c, call);
    core_call_fail(c, call, &(core_error){SUT_ERR_CANCELLED, 0, NULL});
}

void core_call_abandon(sut_core *c, core_call *call)
{
    withdraw(c, call);
    if (c->watched & SUT_SIGHT_ERROR)
        core_see_error(c, call, call->caller, NULL, SUT_STR("cancelled"), SUT_STR_NONE);
    core_call_settle(c, call, SUT_ERR_CANCELLED);
    if (call->state == CORE_CALL_GIVEN)
        core_call_forget_copy(c, call);
    else
        core_call_free(c, call);
}

void core_call_expire(sut_core *c, core_call *call)
{
    core_error e = {SUT_ERR_DEADLINE_EXCEEDED, 0, NULL};
    if (call->deadline_ns > c->now_ns && (call->state != CORE_CALL_QUEUED || core_service_has_taker(call->service))) {
        core_wheel_arm(&c->wheel, &call->timer, call->deadline_ns); /* it was waiting for an instance, and one came */
        return;
    }
    if (call->service)
        call->service->expired_total++;
    if (call->state == CORE_CALL_QUEUED) {
        core_service_dequeue(call);
        if (!core_service_has_taker(call->service)) {
            e.err = core_call_never_given(call) ? SUT_ERR_UNAVAILABLE : SUT_ERR_OUTCOME_UNKNOWN;
            e.message = "no instance of the service came back in time";
        }
    } else if (call->state == CORE_CALL_CONTROL) {
        core_control_forget(c, call);
    }
    core_call_fail(c, call, &e);
}

void core_call_stop(sut_core *c, core_call *call)
{
    core_error e = {core_call_never_given(call) ? SUT_ERR_UNAVAILABLE : SUT_ERR_OUTCOME_UNKNOWN, CORE_RETRY_DRAIN_MS,
                    "the broker is stopping"};
    withdraw(c, call);
    core_call_fail(c, call, &e);
}
