/* Redis for fibers: parks the fiber on a command of broker/redis, and copies the answer into its request. */
#include "kit/redis.h"

#include "redis/redis.h"

#include "request.h"
#include "runtime.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

#define S_DEPTH_MAX 8

/* One command. It outlives its fiber if that leaves early. */
typedef struct s_command {
    sut_request *rq; /* NULL once the fiber has left */
    bool done;
    sut_status status;
    sut_kit_redis_answer answer;
} s_command;

/* ---- answers ---- */

static bool s_copy(sut_request *rq, const sut_redis_value *v, sut_kit_redis_answer *out, unsigned depth);

static bool s_copy_items(sut_request *rq, const sut_redis_value *v, sut_kit_redis_answer *out, unsigned depth)
{
    sut_kit_redis_answer *items = sut_arena_array(rq->arena, v->count + 1, sizeof(*items));
    if (!items || depth >= S_DEPTH_MAX)
        return false;
    for (size_t i = 0; i < v->count; i++)
        if (!s_copy(rq, &v->items[i], &items[i], depth + 1))
            return false;
    out->type = SUT_KIT_REDIS_ARRAY;
    out->items = items;
    out->count = v->count;
    return true;
}

static bool s_copy(sut_request *rq, const sut_redis_value *v, sut_kit_redis_answer *out, unsigned depth)
{
    *out = (sut_kit_redis_answer){.type = SUT_KIT_REDIS_NIL};
    switch (v->kind) {
    case SUT_REDIS_NIL: return true;
    case SUT_REDIS_INT:
        out->type = SUT_KIT_REDIS_INT;
        out->i = v->integer;
        return true;
    case SUT_REDIS_ARRAY: return s_copy_items(rq, v, out, depth);
    case SUT_REDIS_ERROR: /* inside an array: the script's or pipeline's own, read as absent */ return true;
    case SUT_REDIS_STRING:
    case SUT_REDIS_STATUS: break;
    }
    out->type = SUT_KIT_REDIS_STRING;
    out->s = sut_request_str(rq, v->string);
    return out->s.ptr != NULL;
}

static sut_status s_unknown(sut_request *rq)
{
    return sut_fail_retry(rq, SUT_ERR_OUTCOME_UNKNOWN, SUT_RETRY_SOON_MS, "Redis was lost while it worked on this.");
}

static sut_status s_meaning(sut_request *rq, const sut_redis_reply *r, sut_kit_redis_answer *answer)
{
    if (r->outcome == SUT_REDIS_TIMEOUT)
        return sut_fail(rq, SUT_ERR_DEADLINE_EXCEEDED, "Redis did not answer in time.");
    if (r->outcome == SUT_REDIS_LOST)
        return s_unknown(rq);
    if (r->value.kind == SUT_REDIS_ERROR) {
        size_t word = 0; /* the first word is the kind of error; what follows may name keys */
        while (word < r->value.string.len && r->value.string.ptr[word] != ' ')
            word++;
        return sut_fail_internal(rq, "Redis answered %.*s", (int)word, r->value.string.ptr);
    }
    if (!s_copy(rq, &r->value, answer, 0))
        return sut_fail_internal(rq, "Redis's answer is larger than SUT_REQUEST_MEMORY allows");
    return 0;
}

static void s_on_reply(const sut_redis_reply *reply, void *arg)
{
    s_command *c = arg;
    if (!c->rq) {
        free(c);
        return;
    }
    sut_log_set_trace(c->rq->trace_id);
    c->status = s_meaning(c->rq, reply, &c->answer);
    sut_log_set_trace(NULL);
    c->done = true;
    sut_request_wake(c->rq, 0);
}

/* ---- commands ---- */

static sut_status s_refused(sut_request *rq, sut_redis *redis, sut_status why)
{
    switch (why) {
    case SUT_REDIS_UNAVAILABLE:
        return sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, sut_redis_retry_after_ms(redis), "Redis is not available.");
    case SUT_REDIS_OVERLOADED:
        return sut_fail_retry(rq, SUT_ERR_OVERLOADED, SUT_RETRY_SOON_MS, "Too much waits for Redis.");
    case SUT_REDIS_EXPIRED: return sut_request_say_interrupted(rq, SUT_ERR_DEADLINE_EXCEEDED);
    case SUT_REDIS_TOO_LARGE: return sut_fail_internal(rq, "a Redis command is too large");
    default: return why;
    }
}

static sut_status s_wait(sut_request *rq, s_command *c, sut_kit_redis_answer *out)
{
    sut_status st = sut_request_park(rq);
    if (st && !c->done) {
        c->rq = NULL; /* s_on_reply frees it */
        return sut_request_say_interrupted(rq, st);
    }
    st = c->status;
    if (!st && out)
        *out = c->answer;
    free(c);
    return st;
}

/* `script` NULL: args are a command. */
static sut_status s_run(sut_request *rq, const sut_redis_script *script, size_t keys, const sut_str *args, size_t count,
                        sut_kit_redis_answer *out)
{
    sut_redis *redis = rq->runtime->redis;
    if (!redis)
        return sut_fail_internal(rq, "this actor has no Redis");
    sut_status st = sut_request_interrupted(rq);
    if (st)
        return sut_request_say_interrupted(rq, st);
    s_command *c = calloc(1, sizeof(*c));
    if (!c)
        return SUT_TRACE(-ENOMEM, "Redis command");
    c->rq = rq;
    sut_redis_request command = {.argv = args,
                                 .argc = count,
                                 .deadline_ns = rq->deadline_ns == SUT_NEVER ? 0 : rq->deadline_ns,
                                 .fn = s_on_reply,
                                 .arg = c};
    st = script ? sut_redis_eval(redis, script, keys, &command) : sut_redis_send(redis, &command);
    if (st) {
        free(c);
        return s_refused(rq, redis, st);
    }
    return s_wait(rq, c, out);
}

sut_status sut_kit_redis(sut_request *rq, const sut_str *args, size_t count, sut_kit_redis_answer *out)
{
    return s_run(rq, NULL, 0, args, count, out);
}

sut_status sut_kit_redis_eval(sut_request *rq, const struct sut_redis_script *script, size_t keys, const sut_str *args,
                              size_t count, sut_kit_redis_answer *out)
{
    return s_run(rq, script, keys, args, count, out);
}
