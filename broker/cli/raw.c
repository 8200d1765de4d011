/* JSON to msgpack without a schema: each value becomes what it looks like. */
#include "input.h"

#include "wire/msgpack.h"

#include <errno.h>

static sut_status add(const json_t *v, sut_buf *out, int depth);

static sut_status add_object(const json_t *v, sut_buf *out, int depth)
{
    sut_status st = sut_mp_add_map(out, json_object_size(v));
    for (void *i = json_object_iter((json_t *)(uintptr_t)v); i && !st;
         i = json_object_iter_next((json_t *)(uintptr_t)v, i)) {
        st = sut_mp_add_str(out, sut_str_from(json_object_iter_key(i)));
        if (!st)
            st = add(json_object_iter_value(i), out, depth);
    }
    return st;
}

static sut_status add_array(const json_t *v, sut_buf *out, int depth)
{
    sut_status st = sut_mp_add_array(out, json_array_size(v));
    for (size_t i = 0; i < json_array_size(v) && !st; i++)
        st = add(json_array_get(v, i), out, depth);
    return st;
}

static sut_status add(const json_t *v, sut_buf *out, int depth)
{
    if (depth >= SUT_MSGPACK_DEPTH_MAX)
        return -E2BIG;
    switch (json_typeof(v)) {
    case JSON_OBJECT: return add_object(v, out, depth + 1);
    case JSON_ARRAY: return add_array(v, out, depth + 1);
    case JSON_STRING: return sut_mp_add_str(out, (sut_str){json_string_value(v), json_string_length(v)});
    case JSON_INTEGER: return sut_mp_add_int(out, json_integer_value(v));
    case JSON_REAL: return sut_mp_add_f64(out, json_real_value(v));
    case JSON_TRUE: return sut_mp_add_bool(out, true);
    case JSON_FALSE: return sut_mp_add_bool(out, false);
    case JSON_NULL: return sut_mp_add_nil(out);
    }
    return -EINVAL;
}

sut_status cli_value_to_msgpack(const json_t *v, sut_buf *out)
{
    return add(v, out, 0);
}

sut_status cli_json_to_msgpack(sut_str json, sut_buf *out, char *error, size_t error_size)
{
    json_error_t e;
    json_t *v = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, &e);
    if (!v) {
        snprintf(error, error_size, "line %d, column %d: %s", e.line, e.column, e.text);
        return -EINVAL;
    }
    sut_status st = json_is_object(v) ? add(v, out, 0) : -EINVAL;
    if (st != 0)
        snprintf(error, error_size, "%s",
                 st == -EINVAL  ? "must be a JSON object"
                 : st == -E2BIG ? "is nested too deeply"
                                : "is larger than an envelope may be");
    json_decref(v);
    return st;
}
