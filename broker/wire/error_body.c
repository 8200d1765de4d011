/* The body of an error envelope: code, message, and the fields that were wrong. */
#include "mp.h"

#include "base/arena.h"

#include <errno.h>

#define FIELD_ERRORS_MAX 1024

static sut_status add_pair_str(sut_buf *out, const char *key, sut_str value)
{
    sut_status status = sut_mp_add_str(out, sut_str_from(key));
    return status ? status : sut_mp_add_str(out, value);
}

static sut_status add_pair_uint(sut_buf *out, const char *key, uint64_t value)
{
    sut_status status = sut_mp_add_str(out, sut_str_from(key));
    return status ? status : sut_mp_add_uint(out, value);
}

static sut_status add_field_error(sut_buf *out, const sut_field_error *e)
{
    sut_status status = sut_mp_add_map(out, 3);
    if (!status)
        status = add_pair_str(out, "pointer", e->pointer);
    if (!status)
        status = add_pair_str(out, "code", e->code);
    if (!status)
        status = add_pair_str(out, "message", e->message);
    return status;
}

static sut_status add_error_body(sut_buf *out, const sut_error_body *e)
{
    size_t pairs = 2 + (size_t)(e->retry_after_ms > 0) + (size_t)(e->http_status > 0) + (size_t)(e->error_count > 0);
    sut_status status = sut_mp_add_map(out, pairs);
    if (!status)
        status = add_pair_str(out, "code", e->code);
    if (!status)
        status = add_pair_str(out, "message", e->message);
    if (!status && e->retry_after_ms > 0)
        status = add_pair_uint(out, "retry_after_ms", e->retry_after_ms);
    if (!status && e->http_status > 0)
        status = add_pair_uint(out, "http_status", e->http_status);
    if (status || e->error_count == 0)
        return status;
    status = sut_mp_add_str(out, SUT_STR("errors"));
    if (!status)
        status = sut_mp_add_array(out, e->error_count);
    for (size_t i = 0; i < e->error_count && !status; i++)
        status = add_field_error(out, &e->errors[i]);
    return status;
}

sut_status sut_error_body_encode(sut_buf *out, const sut_error_body *e)
{
    size_t start = out->len;
    sut_status status = e->error_count > FIELD_ERRORS_MAX ? -EMSGSIZE : add_error_body(out, e);
    if (status)
        out->len = start;
    return status;
}

static sut_status copy_str(sut_arena *a, const sut_mp_item *item, sut_str *out)
{
    if (item->type != SUT_MP_STR)
        return -EBADMSG;
    *out = sut_arena_str(a, item->v.s);
    return out->ptr ? 0 : -ENOMEM;
}

static sut_status copy_u32(const sut_mp_item *item, uint32_t *out)
{
    if (item->type != SUT_MP_UINT || item->v.u > UINT32_MAX)
        return -EBADMSG;
    *out = (uint32_t)item->v.u;
    return 0;
}

/* The value of a key that this build does not know, which a newer peer may send. */
static sut_status pass_unknown(sut_mp_in *in)
{
    return sut_mp_skip(in, SUT_MSGPACK_DEPTH_MAX) ? -EBADMSG : 0;
}

static sut_status read_field_error(sut_arena *a, sut_mp_in *in, sut_field_error *out)
{
    sut_mp_item map, key, value;
    if (sut_mp_next(in, &map) || map.type != SUT_MP_MAP)
        return -EBADMSG;
    sut_status status = 0;
    for (uint32_t i = 0; i < map.v.count && !status; i++) {
        if (sut_mp_next(in, &key) || key.type != SUT_MP_STR)
            return -EBADMSG;
        sut_str *to = sut_str_is(key.v.s, "pointer")   ? &out->pointer
                      : sut_str_is(key.v.s, "code")    ? &out->code
                      : sut_str_is(key.v.s, "message") ? &out->message
                                                       : NULL;
        if (!to)
            status = pass_unknown(in);
        else
            status = sut_mp_next(in, &value) ? -EBADMSG : copy_str(a, &value, to);
    }
    if (status)
        return status;
    return out->pointer.ptr && out->code.ptr && out->message.ptr ? 0 : -EBADMSG;
}

static sut_status read_field_errors(sut_arena *a, sut_mp_in *in, sut_error_body *out)
{
    sut_mp_item list;
    if (sut_mp_next(in, &list) || list.type != SUT_MP_ARRAY || list.v.count > FIELD_ERRORS_MAX)
        return -EBADMSG;
    sut_field_error *items = sut_arena_array(a, list.v.count ? list.v.count : 1, sizeof *items);
    if (!items)
        return -ENOMEM;
    for (uint32_t i = 0; i < list.v.count; i++) {
        sut_status status = read_field_error(a, in, &items[i]);
        if (status)
            return status;
    }
    out->errors = items;
    out->error_count = list.v.count;
    return 0;
}

static sut_status read_pair(sut_arena *a, sut_mp_in *in, sut_error_body *out)
{
    sut_mp_item key, value;
    if (sut_mp_next(in, &key) || key.type != SUT_MP_STR)
        return -EBADMSG;
    if (sut_str_is(key.v.s, "errors"))
        return read_field_errors(a, in, out);
    bool code = sut_str_is(key.v.s, "code"), message = sut_str_is(key.v.s, "message"),
         retry = sut_str_is(key.v.s, "retry_after_ms"), http = sut_str_is(key.v.s, "http_status");
    if (!code && !message && !retry && !http)
        return pass_unknown(in);
    if (sut_mp_next(in, &value))
        return -EBADMSG;
    if (code || message)
        return copy_str(a, &value, code ? &out->code : &out->message);
    return copy_u32(&value, retry ? &out->retry_after_ms : &out->http_status);
}

sut_status sut_error_body_decode(struct sut_arena *a, sut_str body, sut_error_body *out)
{
    memset(out, 0, sizeof *out);
    if (body.len == 0 || sut_body_scan(body))
        return -EBADMSG;
    sut_mp_in in = sut_mp_in_of(body);
    sut_mp_item map;
    if (sut_mp_next(&in, &map))
        return -EBADMSG;
    for (uint32_t i = 0; i < map.v.count; i++) {
        sut_status status = read_pair(a, &in, out);
        if (status)
            return status;
    }
    return out->code.ptr && out->message.ptr ? 0 : -EBADMSG;
}
