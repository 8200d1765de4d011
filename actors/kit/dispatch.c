/* Dispatch: the checks before a handler and the encoding behind it, for every caller alike. */
#include "dispatch.h"

#include "runtime.h"
#include "saga_store.h"
#include "sut.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

#define S_NS         "kit:call"
#define S_REPLY_ROOM (SUT_ENVELOPE_MAX - 1024) /* the envelope's other positions */

int sut_dispatch_find(const struct sut_runtime *rt, sut_str subject)
{
    size_t low = 0, high = rt->opt->entry_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const char *name = rt->opt->entries[mid].method->name;
        int order = strncmp(name, subject.ptr, subject.len);
        if (order == 0 && name[subject.len])
            order = 1;
        if (order == 0)
            return (int)mid;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return -1;
}

/* ---- one call ---- */

static sut_status s_decode(sut_request *rq, const sut_method *m, sut_str body, void **in)
{
    *in = sut_request_alloc(rq, m->in->size + 1);
    if (!*in)
        return sut_fail_internal(rq, "no memory for the input");
    sut_status st = sut_record_decode(m->in, body, SUT_UNKNOWN_IGNORE, rq->arena, *in, &rq->error.fields);
    return st == SUT_RECORD_INVALID ? SUT_ERR_INVALID : st;
}

#ifndef NDEBUG
/* A reply that breaks its own declaration is our fault: found in development, not by a client. */
static sut_status s_check_reply(sut_request *rq, const sut_method *m, const void *out)
{
    sut_field_errors errors;
    sut_field_errors_init(&errors, rq->arena, 4);
    sut_status st = sut_record_validate(m->out, out, &errors);
    if (st == SUT_RECORD_INVALID && errors.count)
        return sut_fail_internal(rq, "the reply breaks its schema: %.*s: %.*s", SUT_STR_FMT(errors.items[0].pointer),
                                 SUT_STR_FMT(errors.items[0].message));
    return st;
}
#else
static sut_status s_check_reply(sut_request *rq, const sut_method *m, const void *out)
{
    (void)rq;
    (void)m;
    (void)out;
    return 0;
}
#endif

sut_status sut_dispatch_call(sut_request *rq, const sut_service_entry *entry, sut_str body, sut_buf *reply)
{
    const sut_method *m = entry->method;
    void *in = NULL, *out = sut_request_alloc(rq, m->out->size + 1);
    if (!out)
        return sut_fail_internal(rq, "no memory for the output");
    sut_status st = s_decode(rq, m, body, &in);
    rq->input = in;
    if (!st)
        st = sut_access_check(rq, m, in);
    if (!st)
        st = entry->call(rq, in, out);
    if (rq->faulty && st >= 0)
        st = SUT_ERR_INTERNAL;
    if (!st)
        st = s_check_reply(rq, m, out);
    if (st)
        return st;
    st = sut_record_encode(m->out, out, reply);
    if (st)
        return sut_fail_internal(rq, "the reply cannot be encoded (%d)", st);
    if (rq->kept_reply.ptr && !sut_str_eq(rq->kept_reply, (sut_str){(const char *)reply->data, reply->len}))
        sut_log(SUT_ERROR, "kit", "request.reply_changed", SUT_KV("method", m->name)); /* after it was kept */
    return 0;
}

/* ---- the fiber of an incoming call ---- */

static sut_status s_answer(sut_request *rq, sut_buf *reply)
{
    sut_runtime *rt = rq->runtime;
    const sut_envelope *env = sut_incoming_envelope(rq->incoming);
    int index = sut_dispatch_find(rt, env->subject);
    sut_status st = sut_request_interrupted(rq);
    if (st)
        return sut_request_say_interrupted(rq, st);
    const sut_service_entry *entry = index < 0 ? sut_saga_entry(rt, env->subject) : &rt->opt->entries[index];
    if (!entry)
        return sut_fail(rq, SUT_ERR_NO_SUCH_METHOD, "%s does not know this method.", rt->opt->name);
    if (!rt->serving)
        return sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, SUT_RETRY_SOON_MS, "%s is starting.", rt->opt->name);
    rq->method = entry->method;
    rq->name = rq->method->name;
    return sut_dispatch_call(rq, entry, env->body, reply);
}

static void s_account(sut_request *rq, sut_status st, const char *code)
{
    uint64_t took_us = (sut_now_ns() - rq->started_ns) / SUT_NS_PER_US;
    sut_runtime *rt = rq->runtime;
    int index = rq->method ? sut_dispatch_find(rt, sut_str_from(rq->method->name)) : -1;
    if (index >= 0) {
        sut_method_stats *stats = &rt->stats[index];
        sut_metric_add(&stats->calls, 1);
        if (st)
            sut_metric_add(&stats->errors, 1);
        sut_histogram_record_us(&stats->took_us, took_us);
    }
    sut_log(SUT_DEBUG, S_NS, "call.served", SUT_KV("method", rq->name), SUT_KV_I("user", rq->principal.user_id),
            SUT_KV("result", code), SUT_KV_U("us", took_us), SUT_KV_U("memory", sut_arena_used(rq->arena)));
}

static sut_status s_serve(sut_request *rq, void *arg)
{
    (void)arg;
    sut_buf reply SUT_CLEANUP(sut_buf_deinit);
    sut_buf_init(&reply, S_REPLY_ROOM);
    sut_status st = s_answer(rq, &reply);
    if (st) {
        sut_error_body error;
        sut_reply_error_body(rq, st, &error);
        s_account(rq, st, error.code.ptr);
        sut_reply_error(rq->incoming, &error);
    } else {
        s_account(rq, 0, "ok");
        sut_reply(rq->incoming, (sut_str){(const char *)reply.data, reply.len});
    }
    rq->incoming = NULL;
    return st;
}

static void s_on_cancel(void *arg)
{
    sut_request_cancel(arg);
}

/* Answered here: it must work while the stores do not, and it needs no fiber. */
static bool s_is_health(const sut_runtime *rt, sut_str subject)
{
    size_t len = strlen(rt->opt->name);
    return subject.len == len + 7 && memcmp(subject.ptr, rt->opt->name, len) == 0 &&
           memcmp(subject.ptr + len, ".health", 7) == 0;
}

static void s_answer_health(sut_runtime *rt, sut_incoming *in)
{
    sut_buf reply SUT_CLEANUP(sut_buf_deinit);
    sut_buf_init(&reply, S_REPLY_ROOM);
    if (sut_health_method(rt, &reply))
        sut_reply_error(in, &(sut_error_body){.code = SUT_STR("internal"), .http_status = 500});
    else
        sut_reply(in, (sut_str){(const char *)reply.data, reply.len});
}

static void s_refuse(sut_incoming *in)
{
    const sut_error_desc *desc = sut_platform_error(SUT_ERR_OVERLOADED);
    sut_reply_error(in, &(sut_error_body){.code = sut_str_from(desc->code),
                                          .message = sut_str_from(desc->doc),
                                          .retry_after_ms = SUT_RETRY_SOON_MS,
                                          .http_status = (uint32_t)desc->http_status});
}

void sut_dispatch_incoming(void *runtime, sut_incoming *in)
{
    sut_runtime *rt = runtime;
    const sut_envelope *env = sut_incoming_envelope(in);
    if (s_is_health(rt, env->subject)) {
        s_answer_health(rt, in);
        return;
    }
    sut_request *rq = NULL;
    /* The broker keeps to our credits; a call that was given up by it may still run here, so some slack. */
    if (rt->running_count >= 2 * (size_t)rt->settings.concurrency + SUT_IDLE_FIBERS || sut_runtime_acquire(rt, &rq)) {
        s_refuse(in);
        return;
    }
    sut_request_begin(rq, "call", sut_incoming_deadline_ns(in), env->traceparent);
    rq->incoming = in;
    rq->principal = env->principal;
    rq->idempotency_key = env->opt.idempotency_key;
    rq->attempt = env->opt.attempt ? env->opt.attempt : 1;
    rq->cancelled = sut_incoming_cancelled(in);
    sut_incoming_on_cancel(in, s_on_cancel, rq);
    sut_runtime_launch(rt, rq, s_serve, NULL);
}
