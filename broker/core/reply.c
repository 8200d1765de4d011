/* A call's way back: an instance's answer to its caller; and what becomes of the calls of an instance that died. */
#include "state.h"

#include "base/arena.h"

#include <errno.h>

/* After a first attempt that may have been executed, a second instance's "not executed" is only its own view. */
static bool claims_not_executed(sut_core *c, const sut_envelope *env)
{
    sut_error_body body;
    sut_arena_reset(c->arena);
    if (sut_error_body_decode(c->arena, env->body, &body))
        return false;
    const sut_error_desc *desc = sut_platform_error_by_code(body.code);
    return desc && (desc->err == SUT_ERR_UNAVAILABLE || desc->err == SUT_ERR_OVERLOADED ||
                    desc->err == SUT_ERR_NO_SUCH_SERVICE);
}

static void see_end(sut_core *c, const core_call *call, const core_session *from, const sut_envelope *env)
{
    sut_error_body body;
    if (env->kind == SUT_REPLY) {
        core_see_reply(c, call, call->caller, from, env->body);
        return;
    }
    sut_arena_reset(c->arena);
    if (sut_error_body_decode(c->arena, env->body, &body))
        body.code = SUT_STR_NONE;
    core_see_error(c, call, call->caller, from, body.code, env->body);
}

static void pass_on(sut_core *c, core_call *call, const core_session *from, const sut_envelope *env)
{
    const core_session *caller = call->caller;
    bool is_error = env->kind == SUT_ERROR_REPLY;
    if (is_error && call->attempt > 1 && claims_not_executed(c, env)) {
        core_call_fail(c, call,
                       &(core_error){SUT_ERR_OUTCOME_UNKNOWN, 0, "the first instance died; the second one refused"});
        return;
    }
    sut_envelope out = {.version = SUT_PROTOCOL_VERSION,
                        .kind = env->kind,
                        .id = call->caller_id,
                        .subject = core_call_subject(call),
                        .key = env->key,
                        .traceparent = env->traceparent,
                        .body = env->body,
                        .opt = {.attempt = call->attempt,
                                .retry_after_ms = is_error ? env->opt.retry_after_ms : 0,
                                .http_status = env->opt.http_status}};
    if (!core_fits(&out)) {
        core_call_fail(c, call, &(core_error){SUT_ERR_INTERNAL, 0, "the reply is over the envelope's limit"});
        return;
    }
    core_emit(c, caller, &out);
    if (is_error ? (c->watched & SUT_SIGHT_ERROR) != 0 : core_tells_reply(c, call))
        see_end(c, call, from, env);
    core_call_settle(c, call, is_error ? SUT_ERR_DOMAIN_FIRST : SUT_ERR_NONE);
    core_call_free(c, call);
}

static bool may_try_again(const sut_core *c, const core_call *call)
{
    return call->idempotent && !call->pinned && call->attempt == 1 && call->copy && call->deadline_ns > c->now_ns;
}

/* A call that lost its instance while there is no other one: its caller is told within 2 s of its having been given,
 * and what comes back at once (a restart) is waited for in any case. */
static void lose_patience(sut_core *c, core_call *call)
{
    uint64_t until = call->given_ns + CORE_FAILOVER_MS * SUT_NS_PER_MS;
    uint64_t least = c->now_ns + CORE_FAILOVER_LEAST_MS * SUT_NS_PER_MS;
    until = until > least ? until : least;
    if (until < call->deadline_ns)
        core_wheel_arm(&c->wheel, &call->timer, until);
}

/* The instance that had it will never answer it: queued for another one, once, or answered outcome_unknown. */
static void fail_over(sut_core *c, core_call *call)
{
    core_service *s = call->service;
    bool again = may_try_again(c, call) && !s->gone;
    if (again && !core_service_queue_has_room(c, s, call->copy->size)) {
        core_service_pump(c, s);
        again = core_service_queue_has_room(c, s, call->copy->size);
    }
    if (!again) {
        core_call_fail(c, call, &(core_error){SUT_ERR_OUTCOME_UNKNOWN, 0, NULL});
        return;
    }
    s->failovers_total++;
    core_service_enqueue(c, s, call);
    if (!core_service_has_taker(s))
        lose_patience(c, call);
}

void core_reply_input(sut_core *c, core_session *s, const sut_envelope *env)
{
    core_call *call = core_hand_find(s, env->id);
    if (!call) {
        c->counts.stray_replies_total++;
        return;
    }
    core_instance *inst = call->instance;
    core_hand_take_back(c, call);
    bool other_attempt = env->opt.attempt != 0 && env->opt.attempt != call->attempt;
    c->counts.wrong_attempts_total += other_attempt;
    if (!call->caller) {
        core_call_free(c, call);
    } else if (other_attempt) {
        fail_over(c, call);
        core_service_pump(c, inst->service);
    } else {
        pass_on(c, call, s, env);
    }
    core_instance_pump(c, inst);
}

void core_hand_lost(sut_core *c, core_session *s)
{
    while (!sut_list_empty(&s->hand)) { /* newest first: each goes to the front of its queue in one step */
        core_call *call = SUT_CONTAINER(s->hand.prev, core_call, place_node);
        core_hand_take_back(c, call);
        if (call->caller)
            fail_over(c, call);
        else
            core_call_free(c, call);
    }
    for (sut_node *n = s->instances.next; n != &s->instances; n = n->next)
        core_service_pump(c, SUT_CONTAINER(n, core_instance, session_node)->service);
}
