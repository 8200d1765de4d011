/* What the core sends to peers: envelopes, errors, and the end of a caller's wait. */
#include "state.h"

void core_emit(sut_core *c, const core_session *s, const sut_envelope *env)
{
    if (!s->closing)
        c->ops.emit(c->app, s->id, env);
}

void core_send_error(sut_core *c, const core_session *s, uint64_t id, uint32_t attempt, sut_str subject,
                     const core_error *e)
{
    const sut_error_desc *desc = sut_platform_error(e->err);
    if (!desc)
        desc = sut_platform_error(SUT_ERR_INTERNAL);
    sut_error_body body = {.code = sut_str_from(desc->code),
                           .message = sut_str_from(e->message ? e->message : desc->doc),
                           .retry_after_ms = e->retry_after_ms,
                           .http_status = (uint32_t)desc->http_status};
    sut_envelope env = {
        .version = SUT_PROTOCOL_VERSION,
        .kind = SUT_ERROR_REPLY,
        .id = id,
        .subject = subject,
        .opt = {.attempt = attempt, .retry_after_ms = e->retry_after_ms, .http_status = body.http_status}};
    sut_buf_reset(&c->scratch);
    /* Out of memory: the error goes out without its body rather than not at all. */
    if (sut_error_body_encode(&c->scratch, &body) == 0)
        env.body = (sut_str){(const char *)c->scratch.data, c->scratch.len};
    core_emit(c, s, &env);
}

void core_call_settle(sut_core *c, core_call *call, int err)
{
    core_session *caller = call->caller;
    core_wheel_cancel(&c->wheel, &call->timer);
    sut_node_unlink(&call->caller_node);
    (void)sut_u64map_take(caller->calls_by_id, call->caller_id);
    caller->calls_pending--;
    call->caller = NULL;
    c->pending--;
    if (err) {
        c->counts.errors_total++;
        if (call->service)
            call->service->errors_total++;
    }
    if (c->ops.finished)
        c->ops.finished(c->app, core_call_subject(call), c->now_ns - call->accepted_ns, err);
}

void core_call_fail(sut_core *c, core_call *call, const core_error *e)
{
    const core_session *caller = call->caller;
    core_call_settle(c, call, e->err);
    core_send_error(c, caller, call->caller_id, call->attempt, core_call_subject(call), e);
    if (c->watched & SUT_SIGHT_ERROR)
        core_see_failure(c, call, caller, e->err);
    if (call->state == CORE_CALL_GIVEN)
        core_call_forget_copy(c, call);
    else
        core_call_free(c, call);
}
