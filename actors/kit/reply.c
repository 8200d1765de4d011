/* The one place where what a handler returned becomes what its caller is told. */
#include "dispatch.h"

#include "kit/call.h"

#include "base/log.h"

/* What the method declares, then what its domain knows, then the platform. */
static const sut_error_desc *s_find(const sut_method *m, int err)
{
    for (size_t i = 0; m && i < m->error_count; i++)
        if (m->errors[i]->err == err)
            return m->errors[i];
    return m ? sut_method_error_number(m, err) : sut_platform_error(err);
}

static const sut_error_desc *s_describe(sut_request *rq, sut_status *status)
{
    const sut_error_desc *desc = NULL;
    if (*status < 0)
        sut_log(SUT_ERROR, "kit", "request.failed", SUT_KV("method", rq->name), SUT_KV("error", strerror(-*status)));
    else if (*status == SUT_KIT_REMOTE)
        sut_log(SUT_ERROR, "kit", "request.remote_error_unhandled", SUT_KV("method", rq->name),
                SUT_KV_S("code", rq->error.remote_code));
    else
        desc = s_find(rq->method, *status);
    if (!desc && *status > 0 && *status != SUT_KIT_REMOTE)
        sut_log(SUT_ERROR, "kit", "request.undeclared_error", SUT_KV("method", rq->name), SUT_KV_I("number", *status));
    if (!desc || desc->err == SUT_ERR_INTERNAL) {
        *status = SUT_ERR_INTERNAL;
        desc = sut_platform_error(SUT_ERR_INTERNAL);
    }
    return desc;
}

void sut_reply_error_body(sut_request *rq, sut_status status, sut_error_body *out)
{
    const sut_error_desc *desc = s_describe(rq, &status);
    *out = (sut_error_body){.code = sut_str_from(desc->code),
                            .message = sut_str_from(desc->doc),
                            .http_status = (uint32_t)desc->http_status};
    if (status == SUT_ERR_INTERNAL)
        return;
    if (rq->error.message.len)
        out->message = rq->error.message;
    out->retry_after_ms = rq->error.retry_after_ms;
    out->errors = rq->error.fields.items;
    out->error_count = rq->error.fields.count;
}
