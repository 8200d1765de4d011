/* Calls to `broker.*`: handed to the daemon, answered by it now or later, once. */
#include "state.h"

void core_control_input(sut_core *c, core_session *s, core_call *call, const sut_envelope *env)
{
    call->state = CORE_CALL_CONTROL;
    call->given_id = ++c->next_control;
    if (!c->ops.control || sut_u64map_put(c->controls, call->given_id, call)) {
        core_call_fail(c, call, &(core_error){SUT_ERR_UNAVAILABLE, 0, NULL});
        return;
    }
    if (c->watched & SUT_SIGHT_CALL && !call->passed_over)
        core_see_call(c, call, NULL, env);
    c->ops.control(c->app, call->given_id, s->id, env);
}

void core_control_forget(sut_core *c, core_call *call)
{
    (void)sut_u64map_take(c->controls, call->given_id);
}

void sut_core_control_reply(sut_core *c, uint64_t now_ns, uint64_t handle, int err, sut_str body_or_message)
{
    core_call *call = sut_u64map_take(c->controls, handle);
    core_set_now(c, now_ns);
    if (!call) /* cancelled, expired, or its caller has gone */
        return;
    if (err) {
        char message[256];
        size_t len = body_or_message.len < sizeof(message) ? body_or_message.len : sizeof(message) - 1;
        if (len > 0)
            memcpy(message, body_or_message.ptr, len);
        message[len] = '\0';
        core_call_fail(c, call, &(core_error){err, 0, len > 0 ? message : NULL});
        return;
    }
    sut_envelope out = {.version = SUT_PROTOCOL_VERSION,
                        .kind = SUT_REPLY,
                        .id = call->caller_id,
                        .subject = core_call_subject(call),
                        .body = body_or_message};
    core_emit(c, call->caller, &out);
    if (core_tells_reply(c, call))
        core_see_reply(c, call, call->caller, NULL, body_or_message);
    core_call_settle(c, call, SUT_ERR_NONE);
    core_call_free(c, call);
}
