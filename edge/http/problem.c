/* Builds the problem document as msgpack and lets the wire module write its JSON, so that escaping is done in one
 * place. */
#include "problem.h"

#include "base/log.h"
#include "wire/msgpack.h"
#include "wire/record.h"

#include <stdio.h>

#define TYPE_PREFIX "urn:shareuptime:problem:"

static sut_status add_pair(sut_buf *b, const char *key, sut_str value)
{
    sut_status st = sut_mp_add_str(b, sut_str_from(key));
    return st ? st : sut_mp_add_str(b, value);
}

static sut_status add_errors(sut_buf *b, const sut_problem *p)
{
    sut_status st = sut_mp_add_str(b, SUT_STR("errors"));
    if (st == 0)
        st = sut_mp_add_array(b, p->error_count);
    for (size_t i = 0; i < p->error_count && st == 0; i++) {
        st = sut_mp_add_map(b, 3);
        if (st == 0)
            st = add_pair(b, "pointer", p->errors[i].pointer);
        if (st == 0)
            st = add_pair(b, "code", p->errors[i].code);
        if (st == 0)
            st = add_pair(b, "message", p->errors[i].message);
    }
    return st;
}

static sut_status build(sut_exchange *x, const sut_problem *p, sut_buf *b)
{
    char type[sizeof(TYPE_PREFIX) + 64];
    int n = snprintf(type, sizeof(type), TYPE_PREFIX "%s", p->code);
    size_t pairs = 5 + (p->detail.len > 0 ? 1u : 0u) + (p->error_count > 0 ? 1u : 0u);
    sut_status st = n < 0 ? -1 : sut_mp_add_map(b, pairs);
    if (st == 0)
        st = add_pair(b, "type", sut_str_from(type));
    if (st == 0)
        st = add_pair(b, "title", sut_str_from(p->title));
    if (st == 0)
        st = sut_mp_add_str(b, SUT_STR("status"));
    if (st == 0)
        st = sut_mp_add_int(b, p->status);
    if (st == 0 && p->detail.len > 0)
        st = add_pair(b, "detail", p->detail);
    if (st == 0)
        st = add_pair(b, "code", sut_str_from(p->code));
    if (st == 0 && p->error_count > 0)
        st = add_errors(b, p);
    return st ? st : add_pair(b, "trace_id", sut_exchange_trace_id(x));
}

void sut_problem_send(sut_exchange *x, const sut_problem *p)
{
    sut_buf packed, json;
    sut_buf_init(&packed, 0);
    sut_buf_init(&json, 0);
    sut_status st = build(x, p, &packed);
    if (st == 0)
        st = sut_msgpack_to_json((sut_str){(const char *)packed.data, packed.len}, &json);
    sut_str body = st == 0 ? (sut_str){(const char *)json.data, json.len} : SUT_STR("{}");
    if (st)
        sut_log(SUT_ERROR, "edge", "problem.unsayable", SUT_KV("code", p->code), SUT_KV_I("status", st));
    sut_exchange_send(x, &(sut_response){.status = p->status,
                                         .content_type = "application/problem+json",
                                         .body = body,
                                         .headers = p->headers,
                                         .retry_after_ms = p->retry_after_ms});
    sut_buf_deinit(&packed);
    sut_buf_deinit(&json);
}

/* A client that is told 503 or 429 is told when to come back. */
static uint32_t retry_after(int status, uint32_t said_ms)
{
    return said_ms == 0 && (status == 503 || status == 429) ? 1000 : said_ms;
}

void sut_problem_error(sut_exchange *x, int err, const char *detail, sut_str headers)
{
    const sut_error_desc *d = sut_platform_error(err);
    sut_problem_send(x, &(sut_problem){.status = d->http_status,
                                       .code = d->code,
                                       .title = d->doc,
                                       .detail = sut_str_from(detail),
                                       .headers = headers,
                                       .retry_after_ms = retry_after(d->http_status, 0)});
}

void sut_problem_fault(sut_exchange *x, const sut_http_fault *fault)
{
    static const struct {
        int status;
        const char *code;
    } codes[] = {{408, "request_timeout"},      {413, "payload_too_large"}, {414, "uri_too_long"},
                 {417, "expectation_failed"},   {431, "headers_too_large"}, {503, "overloaded"},
                 {505, "version_not_supported"}};
    const char *code = "bad_request";
    for (size_t i = 0; i < SUT_ARRAY_LEN(codes); i++) {
        if (codes[i].status == fault->status)
            code = codes[i].code;
    }
    x->rq.close = true;
    sut_problem_send(x, &(sut_problem){.status = fault->status, .code = code, .title = fault->why});
}

/* A code that this build's tables do not know is trusted only as far as the status it came with. */
static int status_of(const sut_error_desc *d, const sut_bridge_reply *reply)
{
    if (d)
        return d->http_status;
    return reply->http_status >= 400 && reply->http_status < 600 ? (int)reply->http_status : 500;
}

void sut_problem_reply(sut_exchange *x, const sut_method *m, const sut_bridge_reply *reply)
{
    const sut_error_desc *d = sut_method_error(m, reply->code);
    sut_error_body e = {.message = reply->message};
    if (reply->body.len > 0 && sut_error_body_decode(x->arena, reply->body, &e))
        e = (sut_error_body){.message = reply->message};
    int status = status_of(d, reply);
    if (status == 499)
        status = 503; /* nobody but the edge itself cancels, when it stops */
    char code[65];
    (void)snprintf(code, sizeof(code), "%.*s", (int)(reply->code.len < 64 ? reply->code.len : 64),
                   reply->code.ptr ? reply->code.ptr : "");
    sut_problem p = {.status = status,
                     .code = d         ? d->code
                             : code[0] ? code
                                       : "internal",
                     .title = d ? d->doc : "The service refused.",
                     .detail = e.message,
                     .errors = e.errors,
                     .error_count = e.error_count,
                     .retry_after_ms = retry_after(status, reply->retry_after_ms)};
    if (status == 500 || sut_str_is(p.detail, p.title))
        p.detail = SUT_STR_NONE; /* a fault of ours is told by its trace_id alone */
    sut_problem_send(x, &p);
}
