/* Commands: what is refused, how they are written, and that each gets exactly one callback. */
#include "client.h"

#include "base/clock.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

/* Commands that change what the connection is for everybody, or keep it busy while they wait. */
#define W(word)                                                                                                        \
    {                                                                                                                  \
        (word), sizeof(word) - 1                                                                                       \
    }
static const sut_str not_here[] = {
    W("ASKING"),       W("AUTH"),       W("BLMOVE"),    W("BLMPOP"),       W("BLPOP"),      W("BRPOP"),
    W("BRPOPLPUSH"),   W("BZMPOP"),     W("BZPOPMAX"),  W("BZPOPMIN"),     W("CLIENT"),     W("DISCARD"),
    W("EXEC"),         W("HELLO"),      W("MONITOR"),   W("MULTI"),        W("PSUBSCRIBE"), W("PSYNC"),
    W("PUNSUBSCRIBE"), W("QUIT"),       W("READONLY"),  W("READWRITE"),    W("REPLCONF"),   W("RESET"),
    W("SELECT"),       W("SSUBSCRIBE"), W("SUBSCRIBE"), W("SUNSUBSCRIBE"), W("SYNC"),       W("UNSUBSCRIBE"),
    W("UNWATCH"),      W("WAIT"),       W("WAITAOF"),   W("WATCH"),
};
#undef W

static bool same_word(sut_str s, sut_str word)
{
    return s.len == word.len && strncasecmp(s.ptr, word.ptr, s.len) == 0;
}

static bool usable(const sut_str *argv, size_t argc)
{
    if (argc == 0 || argv[0].len == 0)
        return false;
    for (size_t i = 0; i < SUT_ARRAY_LEN(not_here); i++)
        if (same_word(argv[0], not_here[i]))
            return false;
    if (same_word(argv[0], SUT_STR("XREAD")) || same_word(argv[0], SUT_STR("XREADGROUP")))
        for (size_t i = 1; i < argc && !same_word(argv[i], SUT_STR("STREAMS")); i++)
            if (same_word(argv[i], SUT_STR("BLOCK")))
                return false;
    return true;
}

/* ---- writing (RESP: an array of bulk strings) ---- */

static sut_status put_bulk(sut_buf *b, sut_str s)
{
    sut_status st = sut_buf_printf(b, "$%zu\r\n", s.len);
    if (!st)
        st = sut_buf_append(b, s.ptr, s.len);
    return st ? st : sut_buf_append(b, "\r\n", 2);
}

static sut_status put_all(sut_buf *b, const sut_str *argv, size_t argc)
{
    sut_status st = 0;
    for (size_t i = 0; i < argc && !st; i++)
        st = put_bulk(b, argv[i]);
    return st;
}

/* A condition for what does not fit; out of memory stays what it is. */
static sut_status too_large(sut_status st)
{
    return st == -EMSGSIZE ? SUT_REDIS_TOO_LARGE : st;
}

/* ---- the one callback ---- */

void redis_judge(sut_redis *r, bool failed)
{
    sut_breaker_state before = r->breaker.state;
    sut_breaker_result(&r->breaker, sut_now_ns(), failed);
    if (r->breaker.state != before)
        redis_breaker_changed(r);
}

static void tell(redis_op *op, sut_redis_outcome outcome, sut_redis_value value)
{
    sut_redis_fn fn = op->fn;
    op->fn = NULL;
    if (fn)
        fn(&(sut_redis_reply){outcome, value}, op->arg);
}

static void forget(redis_op *op)
{
    sut_redis *r = op->client;
    sut_timer_stop(&op->deadline);
    sut_node_unlink(&op->node);
    r->op_count--;
    r->op_bytes -= op->bytes;
    free(op);
}

/* The caller is told now; the operation stays, because hiredis will yet deliver its answer, or the connection's end. */
static void deadline_over(sut_timer *t, void *arg)
{
    (void)t;
    redis_op *op = arg;
    sut_redis *r = op->client;
    bool outer = redis_enter(r);
    if (op->judged)
        redis_judge(r, true);
    op->judged = false;
    tell(op, SUT_REDIS_TIMEOUT, (sut_redis_value){0});
    redis_leave(r, outer);
}

static bool starts_with(sut_str s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.len >= n && memcmp(s.ptr, prefix, n) == 0;
}

/* Errors that speak of Redis's own state, not of the command. */
static bool is_failure(const sut_redis_value *v)
{
    return v->kind == SUT_REDIS_ERROR && (starts_with(v->string, "LOADING ") || starts_with(v->string, "MASTERDOWN ") ||
                                          starts_with(v->string, "READONLY ") || starts_with(v->string, "MISCONF "));
}

static void on_reply(redisAsyncContext *link, void *reply, void *arg);

static sut_status put_script(sut_buf *b, const redis_op *op, bool whole)
{
    sut_status st = sut_buf_printf(b, "*%zu\r\n", op->rest_count + 2);
    if (!st)
        st = put_bulk(b, whole ? SUT_STR("EVAL") : SUT_STR("EVALSHA"));
    if (!st)
        st = put_bulk(b, whole ? sut_str_from(op->script->source) : (sut_str){op->script->sha1, 40});
    return st ? st : sut_buf_append(b, op->rest, op->rest_len);
}

/* Redis does not know the script: once more with its source, under the same deadline. */
static bool send_whole_script(redis_op *op)
{
    sut_redis *r = op->client;
    sut_buf wire;
    sut_buf_init(&wire, r->max_bytes);
    bool sent = !put_script(&wire, op, true) &&
                redisAsyncFormattedCommand(r->link, on_reply, op, (char *)wire.data, wire.len) == REDIS_OK;
    sut_buf_deinit(&wire);
    op->script = NULL;
    return sent;
}

static void answered(redis_op *op, const redisReply *reply)
{
    sut_redis *r = op->client;
    sut_redis_value value;
    if (!redis_reply_convert(r->arena, reply, &value))
        value = (sut_redis_value){.kind = SUT_REDIS_ERROR, .string = SUT_STR("TOOLARGE the answer is too large")};
    if (op->script && op->fn && value.kind == SUT_REDIS_ERROR && starts_with(value.string, "NOSCRIPT")) {
        if (send_whole_script(op))
            return;
        tell(op, SUT_REDIS_LOST, (sut_redis_value){0});
    }
    if (op->judged)
        redis_judge(r, is_failure(&value));
    sut_timer_stop(&op->deadline);
    tell(op, SUT_REDIS_ANSWERED, value);
    sut_arena_reset(r->arena);
    forget(op);
}

/* hiredis calls this once for each command: with the answer, or without one when the connection ends. */
static void on_reply(redisAsyncContext *link, void *reply, void *arg)
{
    (void)link;
    redis_op *op = arg;
    sut_redis *r = op->client;
    bool outer = redis_enter(r);
    if (reply) {
        r->heard_ns = sut_loop_now(r->loop);
        answered(op, reply);
    } else {
        r->dying = true;
        if (op->judged)
            sut_breaker_release(&r->breaker);
        sut_timer_stop(&op->deadline);
        tell(op, SUT_REDIS_LOST, (sut_redis_value){0});
        forget(op);
    }
    redis_leave(r, outer);
}

/* ---- sending ---- */

/* Registers the operation and hands the bytes in r->scratch to hiredis, which copies them. */
static sut_status dispatch(sut_redis *r, redis_op *op, uint64_t deadline_ns, uint64_t now)
{
    op->client = r;
    op->bytes = r->scratch.len;
    sut_status st = sut_timer_start_at(r->loop, &op->deadline, deadline_ns, deadline_over, op);
    if (!st && redisAsyncFormattedCommand(r->link, on_reply, op, (char *)r->scratch.data, r->scratch.len) != REDIS_OK) {
        sut_timer_stop(&op->deadline);
        st = SUT_REDIS_UNAVAILABLE;
    }
    if (st) {
        free(op);
        return st;
    }
    if (r->op_count++ == 0)
        r->heard_ns = now; /* from now on it owes an answer */
    r->op_bytes += op->bytes;
    sut_list_push_back(&r->ops, &op->node);
    return 0;
}

static uint64_t deadline_of(const sut_redis *r, const sut_redis_request *rq, uint64_t now)
{
    uint64_t most = now + r->opt.timeout_ms * SUT_NS_PER_MS;
    return rq->deadline_ns && rq->deadline_ns < most ? rq->deadline_ns : most;
}

sut_status redis_send_raw(sut_redis *r, const sut_redis_request *rq, bool judged)
{
    uint64_t now = sut_now_ns();
    sut_buf_reset(&r->scratch);
    sut_status st = sut_buf_printf(&r->scratch, "*%zu\r\n", rq->argc);
    if (!st)
        st = put_all(&r->scratch, rq->argv, rq->argc);
    if (st)
        return too_large(st);
    redis_op *op = malloc(sizeof *op);
    if (!op)
        return -ENOMEM;
    *op = (redis_op){.fn = rq->fn, .arg = rq->arg, .judged = judged};
    return dispatch(r, op, deadline_of(r, rq, now), now);
}

/* All bounds but the breaker, which is asked last: its yes must be followed by a result. */
static sut_status admit(sut_redis *r, const sut_redis_request *rq, uint64_t now)
{
    if (r->state != SUT_REDIS_READY || r->dying || r->closing)
        return SUT_REDIS_UNAVAILABLE;
    if (rq->argc > SUT_REDIS_ARGS_MAX)
        return SUT_REDIS_TOO_LARGE;
    size_t bytes = 0;
    for (size_t i = 0; i < rq->argc; i++)
        if (__builtin_add_overflow(bytes, rq->argv[i].len, &bytes))
            return SUT_REDIS_TOO_LARGE;
    if (bytes > r->opt.max_command_bytes)
        return SUT_REDIS_TOO_LARGE;
    if (rq->deadline_ns && rq->deadline_ns <= now)
        return SUT_REDIS_EXPIRED;
    if (r->op_count >= r->opt.max_outstanding || r->op_bytes + bytes > r->max_bytes)
        return SUT_REDIS_OVERLOADED;
    return 0;
}

static sut_status ask_breaker(sut_redis *r, uint64_t now)
{
    sut_breaker_state before = r->breaker.state;
    bool allowed = sut_breaker_allow(&r->breaker, now, &r->breaker_retry_ms);
    if (r->breaker.state != before)
        redis_breaker_changed(r);
    return allowed ? 0 : SUT_REDIS_UNAVAILABLE;
}

sut_status sut_redis_send(sut_redis *r, const sut_redis_request *rq)
{
    uint64_t now = sut_now_ns();
    if (!usable(rq->argv, rq->argc))
        return -EINVAL;
    sut_status st = admit(r, rq, now);
    if (!st)
        st = ask_breaker(r, now);
    if (st)
        return st;
    st = redis_send_raw(r, rq, true);
    if (st)
        sut_breaker_release(&r->breaker);
    return st;
}

void redis_ping(sut_redis *r)
{
    const sut_str ping = SUT_STR("PING");
    if (sut_redis_send(r, &(sut_redis_request){.argv = &ping, .argc = 1}))
        return; /* the breaker's time has not come, or memory is short: the next tick asks again */
}

/* ---- scripts ---- */

sut_status sut_redis_script_init(sut_redis_script *s, const char *source)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_Digest(source, strlen(source), digest, &len, EVP_sha1(), NULL) != 1 || len != 20)
        return SUT_TRACE(-ENOSYS, "SHA-1 for EVALSHA");
    s->source = source;
    sut_hex(digest, len, s->sha1);
    return 0;
}

static sut_status send_script(sut_redis *r, const sut_redis_script *s, size_t key_count, const sut_redis_request *rq,
                              uint64_t now)
{
    char count[24];
    sut_buf_reset(&r->scratch);
    sut_str keys = {count, (size_t)snprintf(count, sizeof count, "%zu", key_count)};
    sut_status st = put_bulk(&r->scratch, keys);
    if (!st)
        st = put_all(&r->scratch, rq->argv, rq->argc);
    if (st)
        return too_large(st);
    redis_op *op = malloc(sizeof *op + r->scratch.len);
    if (!op)
        return -ENOMEM;
    *op = (redis_op){.fn = rq->fn, .arg = rq->arg, .judged = true, .script = s};
    op->rest_len = r->scratch.len;
    op->rest_count = rq->argc + 1;
    memcpy(op->rest, r->scratch.data, r->scratch.len);
    sut_buf_reset(&r->scratch);
    st = put_script(&r->scratch, op, false);
    if (st) {
        free(op);
        return too_large(st);
    }
    return dispatch(r, op, deadline_of(r, rq, now), now);
}

sut_status sut_redis_eval(sut_redis *r, const sut_redis_script *s, size_t key_count, const sut_redis_request *rq)
{
    uint64_t now = sut_now_ns();
    if (key_count > rq->argc)
        return -EINVAL;
    sut_status st = admit(r, rq, now);
    if (!st)
        st = ask_breaker(r, now);
    if (st)
        return st;
    st = send_script(r, s, key_count, rq, now);
    if (st)
        sut_breaker_release(&r->breaker);
    return st;
}
