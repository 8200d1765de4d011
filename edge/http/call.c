/* One call: gate, validation, bus, answer. */
#include "api.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "negotiate.h"
#include "problem.h"

#define BODY_MAX_BYTES (SUT_ENVELOPE_MAX - 4096u) /* what the rest of an envelope may need */
#define US_PER_S       1000000

static void add_limit_headers(sut_exchange *x, const sut_limit_verdict *v)
{
    if (v->limit == 0)
        return;
    sut_str with =
        sut_arena_printf(x->arena, "%.*sRateLimit-Limit: %u\r\nRateLimit-Remaining: %u\r\nRateLimit-Reset: %u\r\n",
                         SUT_STR_FMT(x->common_headers), v->limit, v->remaining, v->reset_s);
    if (with.ptr)
        x->common_headers = with;
}

static void refuse(sut_exchange *x, const sut_gate_verdict *v)
{
    const sut_error_desc *d = sut_platform_error(v->err);
    sut_problem p = {.status = d->http_status, .code = d->code, .title = d->doc, .detail = sut_str_from(v->why)};
    if (v->err == SUT_ERR_UNAUTHENTICATED) /* RFC 6750 section 3 */
        p.headers = v->token_given
                        ? SUT_STR("WWW-Authenticate: Bearer realm=\"shareuptime\", error=\"invalid_token\"\r\n")
                        : SUT_STR("WWW-Authenticate: Bearer realm=\"shareuptime\"\r\n");
    if (v->err == SUT_ERR_RATE_LIMITED)
        p.retry_after_ms = v->limit.retry_after_ms;
    if (v->err == SUT_ERR_UNAVAILABLE)
        p.retry_after_ms = 1000;
    sut_problem_send(x, &p);
}

/* `self` by a path parameter is checked here; by any other field it is the actor's to check. */
static bool passes_self(const sut_route_match *match, const sut_gate_verdict *v)
{
    const sut_method *m = match->route->method;
    for (size_t i = 0; m->self && i < m->http->source_count; i++) {
        int64_t user_id;
        if (m->http->sources[i].field != m->self || m->http->sources[i].source != SUT_FROM_PATH)
            continue;
        return !sut_parse_i64(match->params[match->route->param_of[i]], 1, INT64_MAX, &user_id) ||
               sut_gate_self(v, user_id);
    }
    return true;
}

/* False: it was answered. */
static bool pass_gate(sut_api *api, sut_exchange *x, const sut_route_match *match, sut_gate_verdict *v)
{
    size_t count;
    sut_str authorization = sut_http_header_of(&x->rq, "Authorization", &count);
    const sut_gate_request ask = {.method = match->route->method,
                                  .authorization = count > 1 ? SUT_STR("") : authorization, /* doubled: a bad token */
                                  .client = x->client,
                                  .now_ns = x->begun_ns,
                                  .now_s = sut_wall_us() / US_PER_S};
    sut_gate_check(api->gate, &ask, v);
    add_limit_headers(x, &v->limit);
    if (v->err == 0 && !passes_self(match, v)) {
        v->err = SUT_ERR_FORBIDDEN;
        v->why = "this is another user's";
    }
    if (v->err)
        refuse(x, v);
    return v->err == 0;
}

/* Visible ASCII, 1 to 255 bytes. Absent for methods that change nothing. False: it was answered. */
static bool idempotency_key(sut_exchange *x, sut_str *key)
{
    size_t count;
    *key = SUT_STR_NONE;
    if (sut_str_is(x->rq.method, "GET") || sut_str_is(x->rq.method, "HEAD"))
        return true;
    sut_str value = sut_http_header_of(&x->rq, "Idempotency-Key", &count);
    bool fine = count <= 1 && value.len <= SUT_IDEMPOTENCY_KEY_MAX && (count == 0 || value.len > 0);
    for (size_t i = 0; i < value.len && fine; i++)
        fine = value.ptr[i] > ' ' && value.ptr[i] <= '~';
    if (!fine) {
        sut_problem_error(x, SUT_ERR_BAD_REQUEST, "Idempotency-Key must be 1 to 255 visible ASCII characters, once",
                          SUT_STR_NONE);
        return false;
    }
    if (count == 1)
        *key = value;
    return true;
}

static void answer(sut_exchange *x, const sut_method *m, const sut_bridge_reply *reply)
{
    sut_buf json;
    sut_buf_init(&json, 0);
    sut_response r = {.status = m->http->success_status};
    sut_status st = 0;
    if (r.status != 204) {
        st = m->out ? sut_body_to_json(m->out, reply->body, &json) : sut_buf_puts(&json, "{}");
        r.content_type = "application/json";
        r.body = (sut_str){(const char *)json.data, json.len};
    }
    if (st) {
        sut_log(SUT_ERROR, "edge", "reply.unreadable", SUT_KV("method", m->name), SUT_KV_I("status", st));
        sut_problem_error(x, SUT_ERR_INTERNAL, NULL, SUT_STR_NONE);
    } else {
        sut_exchange_send(x, &r);
    }
    sut_buf_deinit(&json);
}

static bool client_gone(void *arg)
{
    return sut_exchange_gone(arg);
}

static void submit(sut_api *api, sut_exchange *x, const sut_method *m, const sut_gate_verdict *v, sut_str key,
                   sut_str body)
{
    const sut_principal principal = {
        .user_id = v->claims.user_id, .level = v->claims.level, .session = sut_str_from(v->claims.session)};
    const sut_bridge_call call = {.method = m,
                                  .body = body,
                                  .principal = v->claims.user_id > 0 ? &principal : NULL,
                                  .traceparent = sut_exchange_traceparent(x),
                                  .idempotency_key = key,
                                  .gone = client_gone,
                                  .gone_arg = x};
    sut_bridge_reply reply;
    sut_bridge_call_wait(api->bridge, x->waiter, &call, &reply);
    if (reply.err == 0)
        answer(x, m, &reply);
    else
        sut_problem_reply(x, m, &reply);
}

void sut_api_call(sut_api *api, sut_exchange *x, const sut_route_match *match)
{
    const sut_method *m = match->route->method;
    sut_gate_verdict verdict;
    sut_str key;
    if (!pass_gate(api, x, match, &verdict) || !idempotency_key(x, &key))
        return;
    if (!sut_accepts_json(&x->rq)) {
        sut_problem_error(x, SUT_ERR_NOT_ACCEPTABLE, NULL, SUT_STR_NONE);
        return;
    }
    sut_buf body;
    sut_buf_init(&body, BODY_MAX_BYTES);
    if (sut_api_input(api, x, match, &body))
        submit(api, x, m, &verdict, key, (sut_str){(const char *)body.data, body.len});
    sut_buf_deinit(&body);
}
