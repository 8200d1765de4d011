/* An HTTP request's JSON and parameters → one msgpack body, checked once as a whole. */
#include "runtime.h"

#include <errno.h>
#include <jansson.h>

static void json_free(json_t **p)
{
    json_decref(*p);
}

/* No field may be said twice: by the body and a parameter, or by two parameters. One that belongs to a parameter which
 * is not given (text.ptr NULL) may not come in the body instead. */
static void find_doubles(json_t *object, const sut_text_value *overrides, size_t count, sut_field_errors *errs)
{
    for (size_t i = 0; i < count; i++) {
        const sut_field *f = overrides[i].field;
        sut_path step = {.name = {f->name, f->name_len}};
        bool given = overrides[i].text.ptr != NULL;
        if (object && json_object_get(object, f->name))
            sut_path_error(errs, &step, given ? "duplicate" : "unknown_field",
                           "must not be in the body: it comes from the path, query or a header");
        for (size_t j = 0; j < i; j++)
            if (overrides[j].field == f)
                sut_path_error(errs, &step, "duplicate", "must be given only once");
    }
}

static sut_status add_overrides(const sut_text_value *overrides, size_t count, sut_arena *a, sut_buf *out,
                                sut_field_errors *errs)
{
    sut_status status = 0;
    for (size_t i = 0; i < count && !status; i++) {
        const sut_field *f = overrides[i].field;
        if (!overrides[i].text.ptr)
            continue;
        status = sut_mp_add_str(out, (sut_str){f->name, f->name_len});
        if (!status)
            status = sut_text_add_value(f, overrides[i].text, a, out, errs);
    }
    return status;
}

static sut_status build_body(const sut_record *desc, json_t *object, const sut_text_value *overrides, size_t count,
                             sut_arena *a, sut_buf *out, sut_field_errors *errs)
{
    size_t before = sut_field_errors_total(errs);
    find_doubles(object, overrides, count, errs);
    if (sut_field_errors_total(errs) > before)
        return SUT_RECORD_INVALID;
    size_t given = 0;
    for (size_t i = 0; i < count; i++)
        given += overrides[i].text.ptr != NULL;
    sut_status status = sut_mp_add_map(out, (object ? json_object_size(object) : 0) + given);
    if (!status && object)
        status = sut_json_add_members(desc, object, a, out);
    return status ? status : add_overrides(overrides, count, a, out, errs);
}

sut_status sut_request_to_body_as(const sut_record *desc, sut_str json, const sut_text_value *overrides,
                                  size_t override_count, size_t max_bytes, sut_unknown_policy policy, sut_arena *a,
                                  sut_buf *out, sut_field_errors *errs)
{
    json_t *object SUT_CLEANUP(json_free) = NULL;
    size_t start = out->len;
    sut_status status = json.ptr ? sut_json_parse(json, max_bytes, &object, errs) : 0;
    if (!status)
        status = build_body(desc, object, overrides, override_count, a, out, errs);
    if (!status)
        status = sut_body_check(desc, (sut_str){(const char *)out->data + start, out->len - start}, policy, a, errs);
    if (status)
        out->len = start;
    return status;
}

sut_status sut_request_to_body(const sut_record *desc, sut_str json, const sut_text_value *overrides,
                               size_t override_count, size_t max_bytes, sut_arena *a, sut_buf *out,
                               sut_field_errors *errs)
{
    return sut_request_to_body_as(desc, json, overrides, override_count, max_bytes, SUT_UNKNOWN_REFUSE, a, out, errs);
}
