/* Calls to other actors: over the bus, parked until the answer, behind a breaker a service. */
#include "kit/call.h"

#include "request.h"
#include "runtime.h"
#include "sut.h"

#include "base/breaker.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

#define S_MARGIN_MS    10 /* of our deadline, to tell our caller what became of it */
#define S_BODY_MAX     (SUT_ENVELOPE_MAX - 1024)
#define S_SERVICES_MAX 64

/* One call. It outlives its fiber if that leaves early. */
typedef struct s_call {
    sut_request *rq; /* NULL once the fiber has left */
    bool answered;
    int err;
    sut_str body, code, message; /* in rq's arena */
    uint32_t retry_after_ms;
} s_call;

static void s_on_result(void *arg, const sut_result *r)
{
    s_call *call = arg;
    if (!call->rq) {
        free(call);
        return;
    }
    call->answered = true;
    call->err = r->err;
    call->retry_after_ms = r->retry_after_ms;
    call->body = sut_request_str(call->rq, r->body);
    call->code = sut_request_str(call->rq, r->code);
    call->message = sut_request_str(call->rq, r->message);
    if (r->body.len && !call->body.ptr)
        call->err = -ENOMEM;
    sut_request_wake(call->rq, 0);
}

/* ---- the breaker of a service ---- */

static sut_breaker *s_breaker(sut_runtime *rt, const char *service)
{
    sut_str name = sut_str_from(service);
    sut_breaker *b = sut_strmap_get(rt->breakers, name);
    if (b || sut_strmap_count(rt->breakers) >= S_SERVICES_MAX)
        return b;
    b = malloc(sizeof(*b));
    if (!b)
        return NULL;
    sut_breaker_init(b, SUT_BREAKER_DEFAULTS);
    if (sut_strmap_put(rt->breakers, name, b)) {
        free(b);
        return NULL;
    }
    return b;
}

/* Timeouts, unavailable and internal count; overloaded and our own mistakes do not. */
static void s_report(sut_breaker *b, sut_status st)
{
    uint64_t now = sut_now_ns();
    switch (st) {
    case SUT_ERR_CANCELLED:
    case SUT_ERR_OVERLOADED: sut_breaker_release(b); break;
    case SUT_ERR_DEADLINE_EXCEEDED:
    case SUT_ERR_UNAVAILABLE:
    case SUT_ERR_OUTCOME_UNKNOWN:
    case SUT_ERR_INTERNAL: sut_breaker_result(b, now, true); break;
    default: sut_breaker_result(b, now, st < 0); break;
    }
}

/* ---- what an answer means to us ---- */

static sut_status s_error(sut_request *rq, const sut_method *m, const s_call *call)
{
    switch (call->err) {
    case SUT_ERR_NO_SUCH_SERVICE:
    case SUT_ERR_UNAVAILABLE:
        return sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, call->retry_after_ms ? call->retry_after_ms : SUT_RETRY_SOON_MS,
                              "A part of the system (%s) is not available.", m->service);
    case SUT_ERR_OUTCOME_UNKNOWN:
    case SUT_ERR_OVERLOADED:
        return sut_fail_retry(rq, call->err, call->retry_after_ms, "A part of the system (%s) did not answer.",
                              m->service);
    case SUT_ERR_DEADLINE_EXCEEDED: return sut_fail(rq, call->err, "%s did not answer in time.", m->service);
    case SUT_ERR_CANCELLED: return sut_request_say_interrupted(rq, call->err);
    case SUT_ERR_INTERNAL: return sut_fail_internal(rq, "%s answered internal", m->name);
    default: break;
    }
    rq->error.remote_code = call->code;
    rq->error.remote_message = call->message;
    return SUT_KIT_REMOTE;
}

static sut_status s_reply(sut_request *rq, const sut_method *m, const s_call *call, void *out)
{
    sut_field_errors errors;
    sut_field_errors_init(&errors, rq->arena, 4);
    sut_status st = sut_record_decode(m->out, call->body, SUT_UNKNOWN_IGNORE, rq->arena, out, &errors);
    if (st == SUT_RECORD_INVALID)
        return sut_fail_internal(rq, "the reply of %s breaks its schema at %.*s", m->name,
                                 errors.count ? (int)errors.items[0].pointer.len : 0,
                                 errors.count ? errors.items[0].pointer.ptr : "");
    return st;
}

/* ---- sending ---- */

static uint32_t s_timeout_ms(sut_request *rq, const sut_method *m, const sut_kit_call_options *opt)
{
    uint32_t ms = opt->timeout_ms ? opt->timeout_ms : m->timeout_ms;
    uint32_t left = sut_request_remaining_ms(rq);
    uint32_t usable = left > S_MARGIN_MS ? left - S_MARGIN_MS : 1;
    return ms < usable ? ms : usable;
}

/* An interrupted wait leaves *call to s_on_result, and is then NULL. */
static sut_status s_send_and_wait(sut_request *rq, const sut_call *bus_call, s_call **call)
{
    sut_call_id id;
    sut_status st = sut_call_start(rq->runtime->client, bus_call, s_on_result, *call, &id);
    if (st == -EAGAIN)
        return sut_fail_retry(rq, SUT_ERR_OVERLOADED, SUT_RETRY_SOON_MS, "Too many calls are under way.");
    if (st)
        return st;
    if (!(*call)->answered) {
        st = sut_request_park(rq);
        if (st && !(*call)->answered) {
            (*call)->rq = NULL;
            *call = NULL;
            sut_call_cancel(rq->runtime->client, id);
            return sut_request_say_interrupted(rq, st);
        }
    }
    return 0;
}

static sut_status s_call_bus(sut_request *rq, const sut_method *m, sut_str body, void *out,
                             const sut_kit_call_options *opt)
{
    s_call *call = calloc(1, sizeof(*call));
    if (!call)
        return SUT_TRACE(-ENOMEM, "call");
    call->rq = rq;
    sut_call bus_call = {.subject = sut_str_from(m->name),
                         .key = opt->key,
                         .body = body,
                         .timeout_ms = s_timeout_ms(rq, m, opt),
                         .principal = opt->without_principal || !rq->principal.user_id ? NULL : &rq->principal,
                         .parent = {rq->traceparent, SUT_TRACEPARENT_LEN},
                         .idempotency_key = opt->idempotency_key,
                         .idempotent = m->idempotent};
    sut_status st = s_send_and_wait(rq, &bus_call, &call);
    if (!call)
        return st;
    if (!st && call->err < 0)
        st = call->err;
    else if (!st)
        st = call->err ? s_error(rq, m, call) : s_reply(rq, m, call, out);
    free(call);
    return st;
}

static sut_status s_through_breaker(sut_request *rq, const sut_method *m, sut_str body, void *out,
                                    const sut_kit_call_options *opt)
{
    sut_breaker *b = s_breaker(rq->runtime, m->service);
    if (!b)
        return SUT_TRACE(-ENOMEM, "breaker");
    uint32_t retry_ms = 0;
    if (!sut_breaker_allow(b, sut_now_ns(), &retry_ms))
        return sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, retry_ms, "A part of the system (%s) is not available.",
                              m->service);
    sut_status st = s_call_bus(rq, m, body, out, opt);
    s_report(b, st);
    return st;
}

/* In a test: what its stand-in for the other actor returns means what it would mean had it come over the bus. */
static sut_status s_in_process(sut_request *rq, const sut_method *m, const void *in, void *out)
{
    sut_status st = rq->runtime->remote(rq, m, in, out, rq->runtime->remote_arg);
    const sut_error_desc *e = st > 0 && st != SUT_KIT_REMOTE ? sut_method_error_number(m, st) : NULL;
    s_call call = {.err = st, .retry_after_ms = rq->error.retry_after_ms, .message = rq->error.message};
    if (!e)
        return st;
    call.code = sut_str_from(e->code);
    return s_error(rq, m, &call);
}

sut_status sut_kit_call(sut_request *rq, const sut_method *m, const void *in, void *out,
                        const sut_kit_call_options *opt)
{
    static const sut_kit_call_options none = {0};
    if (!opt)
        opt = &none;
    sut_status st = sut_request_interrupted(rq);
    if (st)
        return sut_request_say_interrupted(rq, st);
    sut_runtime *rt = rq->runtime;
    if (!rt->client) {
        if (rt->remote)
            return s_in_process(rq, m, in, out);
        return sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, SUT_RETRY_SOON_MS, "There is no bus.");
    }
    sut_buf body SUT_CLEANUP(sut_buf_deinit);
    sut_buf_init(&body, S_BODY_MAX);
    st = sut_record_encode(m->in, in, &body);
    if (st)
        return sut_fail_internal(rq, "the input of %s cannot be encoded (%d)", m->name, st);
    return s_through_breaker(rq, m, (sut_str){(const char *)body.data, body.len}, out, opt);
}

bool sut_kit_remote_is(const sut_request *rq, const char *code)
{
    return sut_str_is(rq->error.remote_code, code);
}

sut_str sut_kit_remote_code(const sut_request *rq)
{
    return rq->error.remote_code;
}

sut_str sut_kit_remote_message(const sut_request *rq)
{
    return rq->error.remote_message;
}
