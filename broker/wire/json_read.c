/* JSON text → msgpack of a record. Size and depth are checked on the raw bytes, then jansson parses (it was right in
 * every hostile case it was given), and the values are written as the record's types have them on the wire. What does
 * not fit its field is passed on as it is: the check of the whole body says so, with a pointer. */
#include "runtime.h"

#include <errno.h>
#include <jansson.h>

#define JSON_DEPTH_MAX SUT_MSGPACK_DEPTH_MAX

/* Counts brackets outside strings. Nothing else is judged here: what is not JSON is the parser's to refuse. */
static bool depth_ok(sut_str json)
{
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > JSON_DEPTH_MAX)
                return false;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return true;
}

/* Our own words for jansson's errors: its text quotes the input, which may be a password. */
static const char *parse_words(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_premature_end_of_input: return "ends too early";
    case json_error_end_of_input_expected: return "has more behind its end";
    case json_error_invalid_utf8: return "is not UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key: return "has the character U+0000 in a string";
    case json_error_duplicate_key: return "has a key twice in one object";
    case json_error_numeric_overflow: return "has a number out of range";
    case json_error_stack_overflow: return "is nested too deeply";
    default: return "is not JSON";
    }
}

sut_status sut_json_parse(sut_str json, size_t max_bytes, json_t **out, sut_field_errors *errs)
{
    json_error_t error;
    *out = NULL;
    if (json.len == 0) {
        sut_field_errors_add(errs, SUT_STR(""), "json", "the body is empty; it must be a JSON object");
        return SUT_RECORD_INVALID;
    }
    if (json.len > max_bytes) {
        sut_field_errors_add(errs, SUT_STR(""), "json", "the body must be at most %zu bytes; has %zu", max_bytes,
                             json.len);
        return SUT_RECORD_INVALID;
    }
    if (!depth_ok(json)) {
        sut_field_errors_add(errs, SUT_STR(""), "json", "the body must not be nested deeper than %d levels",
                             JSON_DEPTH_MAX);
        return SUT_RECORD_INVALID;
    }
    json_t *root = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!root) {
        if (json_error_code(&error) == json_error_out_of_memory)
            return -ENOMEM;
        sut_field_errors_add(errs, SUT_STR(""), "json", "the body %s, at line %d, column %d", parse_words(&error),
                             error.line, error.column);
        return SUT_RECORD_INVALID;
    }
    if (!json_is_object(root)) {
        json_decref(root);
        sut_field_errors_add(errs, SUT_STR(""), "type", "the body must be an object");
        return SUT_RECORD_INVALID;
    }
    *out = root;
    return 0;
}

static sut_status add_value(const sut_field *f, json_t *v, sut_arena *a, sut_buf *out);

static sut_str string_of(const json_t *v)
{
    return (sut_str){json_string_value(v), json_string_length(v)};
}

static sut_status add_string(const sut_field *f, sut_str s, sut_arena *a, sut_buf *out)
{
    int64_t us;
    if (f && f->type == SUT_T_TIMESTAMP && sut_rfc3339_parse(s, &us))
        return sut_mp_add_int(out, us);
    if (!f || f->type != SUT_T_BYTES)
        return sut_mp_add_str(out, s);
    size_t len;
    uint8_t *bytes = sut_arena_alloc(a, s.len / 4 * 3 + 1);
    if (!bytes)
        return -ENOMEM;
    if (!sut_base64_decode(s, bytes, &len))
        return sut_mp_add_str(out, s);
    return sut_mp_add_bin(out, (sut_str){(const char *)bytes, len});
}

/* A field's declaration guides only where it has the same shape as the value. */
static const sut_field *element_of(const sut_field *f, sut_type type)
{
    return f && f->type == type ? f->element : NULL;
}

static sut_status add_array(const sut_field *f, json_t *v, sut_arena *a, sut_buf *out)
{
    const sut_field *element = element_of(f, SUT_T_LIST);
    size_t count = json_array_size(v);
    sut_status status = sut_mp_add_array(out, count);
    for (size_t i = 0; i < count && !status; i++)
        status = add_value(element, json_array_get(v, i), a, out);
    return status;
}

static sut_status add_object(const sut_field *f, json_t *v, sut_arena *a, sut_buf *out)
{
    sut_status status = sut_mp_add_map(out, json_object_size(v));
    if (status)
        return status;
    if (f && f->type == SUT_T_RECORD)
        return sut_json_add_members(f->record, v, a, out);
    const sut_field *element = element_of(f, SUT_T_MAP);
    for (void *at = json_object_iter(v); at && !status; at = json_object_iter_next(v, at)) {
        status = sut_mp_add_str(out, (sut_str){json_object_iter_key(at), json_object_iter_key_len(at)});
        if (!status)
            status = add_value(element, json_object_iter_value(at), a, out);
    }
    return status;
}

static sut_status add_value(const sut_field *f, json_t *v, sut_arena *a, sut_buf *out)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: return add_object(f, v, a, out);
    case JSON_ARRAY: return add_array(f, v, a, out);
    case JSON_STRING: return add_string(f, string_of(v), a, out);
    case JSON_INTEGER:
        if (f && f->type == SUT_T_F64)
            return sut_mp_add_f64(out, (double)json_integer_value(v));
        if (f && f->type == SUT_T_TIMESTAMP) /* only a string is a time in JSON */
            return sut_mp_add_f64(out, (double)json_integer_value(v));
        return sut_mp_add_int(out, json_integer_value(v));
    case JSON_REAL: return sut_mp_add_f64(out, json_real_value(v));
    case JSON_TRUE: return sut_mp_add_bool(out, true);
    case JSON_FALSE: return sut_mp_add_bool(out, false);
    case JSON_NULL: return sut_mp_add_nil(out);
    }
    return -EINVAL;
}

sut_status sut_json_add_members(const sut_record *desc, json_t *object, sut_arena *a, sut_buf *out)
{
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        sut_str name = {json_object_iter_key(at), json_object_iter_key_len(at)};
        sut_status status = sut_mp_add_str(out, name);
        if (!status)
            status = add_value(sut_record_field(desc, name), json_object_iter_value(at), a, out);
        if (status)
            return status;
    }
    return 0;
}

sut_status sut_body_check(const sut_record *desc, sut_str body, sut_unknown_policy policy, sut_arena *a,
                          sut_field_errors *errs)
{
    void *scratch = sut_arena_alloc(a, desc->size);
    if (!scratch)
        return -ENOMEM;
    return sut_record_decode_as(desc, body, policy, SUT_WORDS_JSON, a, scratch, errs);
}

sut_status sut_json_to_body(const sut_record *desc, sut_str json, size_t max_bytes, sut_unknown_policy policy,
                            sut_arena *a, sut_buf *out, sut_field_errors *errs)
{
    return sut_request_to_body_as(desc, json.ptr ? json : SUT_STR(""), NULL, 0, max_bytes, policy, a, out, errs);
}
