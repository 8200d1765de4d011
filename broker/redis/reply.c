/* hiredis's replies as ours: strings are borrowed from hiredis, arrays of items live in the client's arena. */
#include "client.h"

static sut_redis_kind kind_of(int type)
{
    switch (type) {
    case REDIS_REPLY_STRING: return SUT_REDIS_STRING;
    case REDIS_REPLY_ARRAY: return SUT_REDIS_ARRAY;
    case REDIS_REPLY_INTEGER: return SUT_REDIS_INT;
    case REDIS_REPLY_STATUS: return SUT_REDIS_STATUS;
    case REDIS_REPLY_ERROR: return SUT_REDIS_ERROR;
    default: return SUT_REDIS_NIL;
    }
}

/* Recursion is bounded: hiredis refuses replies nested deeper than seven. */
bool redis_reply_convert(sut_arena *a, const redisReply *in, sut_redis_value *out)
{
    *out = (sut_redis_value){.kind = kind_of(in->type)};
    switch (out->kind) {
    case SUT_REDIS_NIL: return true;
    case SUT_REDIS_INT: out->integer = in->integer; return true;
    case SUT_REDIS_STRING:
    case SUT_REDIS_STATUS:
    case SUT_REDIS_ERROR: out->string = (sut_str){in->str, in->len}; return true;
    case SUT_REDIS_ARRAY: break;
    }
    sut_redis_value *items = sut_arena_array(a, in->elements, sizeof *items);
    if (!items)
        return false;
    for (size_t i = 0; i < in->elements; i++)
        if (!redis_reply_convert(a, in->element[i], &items[i]))
            return false;
    out->items = items;
    out->count = in->elements;
    return true;
}
