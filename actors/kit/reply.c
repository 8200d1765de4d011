/* The one place where what a handler returned becomes what its caller is told. */
#include "consume.h"
#include "dispatch.h"

#include "kit/call.h"

#include "base/log.h"

/* A consumer's errors are its domain's. */
static const sut_error_desc *s_find_in_domain(const char *service, int err)
{
    for (size_t i = 0; i < sut_domain_count; i++) {
        const sut_domain *d = sut_domains[i];
        for (size_t j = 0; strcmp(d->name, service) == 0 && j < d->error_count; j++)
            if (d->errors[j]->err == err)
                return d->errors[j];
    }
    return sut_platform_error(err);
}

/* What the method declares, then what its domain knows, then the platform. */
static const sut_error_desc *s_find(const sut_request *rq, int err)
{
    const sut_method *m = rq->method;
    if (rq->consuming)
        return s_find_in_domain(rq->consuming->entry->consumer->service, err);

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
        desc = s_find(rq, *status);
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
