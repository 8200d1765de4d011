/* What a request carries and what a handler may say about it: accessors, memory, errors. */
#include "request.h"

#include "pg_result.h"
#include "runtime.h"
#include "sut.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define S_MESSAGE_MAX 512

const sut_principal *sut_request_principal(const sut_request *rq)
{
    return &rq->principal;
}

const char *sut_request_name(const sut_request *rq)
{
    return rq->name;
}

const sut_method *sut_request_method(const sut_request *rq)
{
    return rq->method;
}

uint64_t sut_request_deadline_ns(const sut_request *rq)
{
    return rq->deadline_ns;
}

uint32_t sut_request_remaining_ms(const sut_request *rq)
{
    if (rq->deadline_ns == SUT_NEVER)
        return UINT32_MAX;
    uint64_t now = sut_now_ns();
    if (now >= rq->deadline_ns)
        return 0;
    uint64_t ms = (rq->deadline_ns - now) / SUT_NS_PER_MS;
    return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

const char *sut_request_traceparent(const sut_request *rq)
{
    return rq->traceparent;
}

const char *sut_request_trace_id(const sut_request *rq)
{
    return rq->trace_id;
}

sut_str sut_request_idempotency_key(const sut_request *rq)
{
    return rq->idempotency_key;
}

uint32_t sut_request_attempt(const sut_request *rq)
{
    return rq->attempt;
}

bool sut_request_cancelled(const sut_request *rq)
{
    return rq->cancelled;
}

sut_arena *sut_request_arena(sut_request *rq)
{
    return rq->arena;
}

void *sut_request_alloc(sut_request *rq, size_t bytes)
{
    return sut_arena_alloc(rq->arena, bytes);
}

sut_str sut_request_str(sut_request *rq, sut_str s)
{
    return sut_arena_str(rq->arena, s);
}

/* Formats into the arena; over-long text ends in "…", since it is for people. */
static sut_str s_vprintf(sut_request *rq, const char *fmt, va_list args)
{
    char text[S_MESSAGE_MAX];
    int n = vsnprintf(text, sizeof(text), fmt, args);
    if (n < 0)
        return SUT_STR_NONE;
    size_t len = (size_t)n;
    if (len >= sizeof(text)) {
        len = sizeof(text) - 4;
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
            len--;
        memcpy(text + len, "…", 4);
        len += 3;
    }
    return sut_arena_str(rq->arena, (sut_str){text, len});
}

sut_str sut_request_printf(sut_request *rq, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0)
        return SUT_STR_NONE;
    sut_str s = sut_arena_str(rq->arena, (sut_str){text, (size_t)n});
    free(text);
    return s;
}

sut_status sut_fail(sut_request *rq, int err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    rq->error.message = s_vprintf(rq, fmt, args);
    va_end(args);
    rq->error.retry_after_ms = 0;
    return err;
}

sut_status sut_fail_retry(sut_request *rq, int err, uint32_t retry_after_ms, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    rq->error.message = s_vprintf(rq, fmt, args);
    va_end(args);
    rq->error.retry_after_ms = retry_after_ms;
    return err;
}

static void s_add_field(sut_request *rq, const char *pointer, const char *code, const char *fmt, va_list args)
{
    sut_str message = s_vprintf(rq, fmt, args);
    sut_str where = sut_arena_str(rq->arena, sut_str_from(pointer));
    sut_field_errors_add(&rq->error.fields, where, code, "%.*s", SUT_STR_FMT(message));
    rq->error.message = SUT_STR_NONE; /* the error's own words, unless sut_fail says others */
}

sut_status sut_fail_field(sut_request *rq, const char *pointer, const char *code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    s_add_field(rq, pointer, code, fmt, args);
    va_end(args);
    return SUT_ERR_INVALID;
}

sut_status sut_fail_field_as(sut_request *rq, int err, const char *pointer, const char *code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    s_add_field(rq, pointer, code, fmt, args);
    va_end(args);
    return err;
}

sut_status sut_fail_internal(sut_request *rq, const char *fmt, ...)
{
    char text[S_MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0)
        text[0] = 0;
    va_end(args);
    sut_log(SUT_ERROR, "kit", "request.fault", SUT_KV("method", rq->name), SUT_KV("what", text));
    rq->error.message = SUT_STR_NONE;
    return SUT_ERR_INTERNAL;
}

void sut_request_clear_error(sut_request *rq)
{
    sut_field_errors fields = rq->error.fields;
    fields.count = fields.dropped = 0;
    rq->error = (sut_request_error){.fields = fields};
}

/* ---- use and reuse ---- */

sut_status sut_request_init(sut_request *rq, struct sut_runtime *rt)
{
    *rq = (sut_request){.runtime = rt, .owner = rq};
    sut_status st = sut_arena_new(&rq->arena, (size_t)rt->settings.request_memory);
    if (st)
        return st;
    st = sut_fiber_new(&rq->fiber, SUT_FIBER_STACK);
    if (st)
        sut_request_deinit(rq);
    return st;
}

void sut_request_deinit(sut_request *rq)
{
    rq->fiber = sut_fiber_free(rq->fiber);
    rq->arena = sut_arena_free(rq->arena);
}

void sut_request_begin(sut_request *rq, const char *name, uint64_t deadline_ns, sut_str traceparent)
{
    rq->name = name;
    rq->method = NULL;
    rq->incoming = NULL;
    rq->principal = (sut_principal){0};
    rq->started_ns = sut_now_ns();
    rq->deadline_ns = deadline_ns;
    rq->idempotency_key = rq->kept_reply = SUT_STR_NONE;
    rq->input = NULL;
    rq->attempt = 1;
    rq->parked = rq->expired = rq->cancelled = rq->uninterruptible = rq->faulty = false;
    rq->emitted = false;
    rq->consuming = NULL;
    rq->result_bytes = 0;
    if (sut_traceparent_valid(traceparent))
        memcpy(rq->traceparent, traceparent.ptr, SUT_TRACEPARENT_LEN);
    else
        sut_traceparent_make(traceparent, rq->traceparent);
    rq->traceparent[SUT_TRACEPARENT_LEN] = 0;
    memcpy(rq->trace_id, rq->traceparent + 3, sizeof(rq->trace_id) - 1);
    rq->trace_id[sizeof(rq->trace_id) - 1] = 0;
    rq->error = (sut_request_error){0};
    sut_field_errors_init(&rq->error.fields, rq->arena, SUT_FIELD_ERRORS_MAX);
}

void sut_request_end(sut_request *rq)
{
    sut_timer_stop(&rq->timer);
    sut_node_unlink(&rq->ready);
    sut_pg_results_free(rq);
    sut_arena_reset(rq->arena);
    rq->incoming = NULL;
}

void sut_request_recycle(sut_request *rq)
{
    sut_pg_results_free(rq);
    rq->result_bytes = 0;
    sut_arena_reset(rq->arena);
    rq->error = (sut_request_error){0};
    sut_field_errors_init(&rq->error.fields, rq->arena, SUT_FIELD_ERRORS_MAX);
}
