/* Values that come as text: path, query and header parameters. */
#include "runtime.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define NUMBER_MAX 64 /* bytes of a real number's text */

/* The grammar of JSON's numbers (RFC 8259 section 6), which is narrower than strtod's: no hex, inf, nan or blanks. */
static bool is_json_number(sut_str s)
{
    size_t i = 0, start;
#define DIGITS()                                                                                                       \
    for (start = i; i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++)                                              \
        ;                                                                                                              \
    if (i == start)                                                                                                    \
    return false
    if (i < s.len && s.ptr[i] == '-')
        i++;
    bool zero = i < s.len && s.ptr[i] == '0';
    DIGITS();
    if (zero && i - start > 1)
        return false;
    if (i < s.len && s.ptr[i] == '.') {
        i++;
        DIGITS();
    }
    if (i < s.len && (s.ptr[i] | 0x20) == 'e') {
        i++;
        if (i < s.len && (s.ptr[i] == '+' || s.ptr[i] == '-'))
            i++;
        DIGITS();
    }
#undef DIGITS
    return i == s.len;
}

static bool parse_f64(sut_str s, double *out)
{
    char text[NUMBER_MAX + 1];
    if (s.len > NUMBER_MAX || !is_json_number(s))
        return false;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    *out = strtod(text, NULL); /* programs of ours keep the C locale */
    return isfinite(*out);
}

static sut_status add_bytes(sut_str text, sut_arena *a, sut_buf *out)
{
    size_t len;
    uint8_t *bytes = sut_arena_alloc(a, text.len / 4 * 3 + 1);
    if (!bytes)
        return -ENOMEM;
    if (!sut_base64_decode(text, bytes, &len))
        return sut_mp_add_str(out, text);
    return sut_mp_add_bin(out, (sut_str){(const char *)bytes, len});
}

static sut_status add_scalar(const sut_field *f, sut_str text, sut_arena *a, sut_buf *out)
{
    int64_t i;
    double d;
    switch ((sut_type)f->type) {
    case SUT_T_BOOL:
        if (sut_str_is(text, "true") || sut_str_is(text, "false"))
            return sut_mp_add_bool(out, text.len == 4);
        break;
    case SUT_T_I32:
    case SUT_T_I64:
        if (sut_parse_i64(text, INT64_MIN, INT64_MAX, &i))
            return sut_mp_add_int(out, i);
        break;
    case SUT_T_F64:
        if (parse_f64(text, &d))
            return sut_mp_add_f64(out, d);
        break;
    case SUT_T_TIMESTAMP:
        if (sut_rfc3339_parse(text, &i))
            return sut_mp_add_int(out, i);
        break;
    case SUT_T_BYTES: return add_bytes(text, a, out);
    case SUT_T_STRING:
    case SUT_T_DATE:
    case SUT_T_ENUM:
    case SUT_T_RECORD:
    case SUT_T_LIST:
    case SUT_T_MAP: break;
    }
    return sut_mp_add_str(out, text);
}

/* "a,b,c": the items of a list may not hold a comma. Empty text is an empty list. */
static sut_status add_list(const sut_field *element, sut_str text, sut_arena *a, sut_buf *out)
{
    size_t count = text.len > 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == ',';
    sut_status status = sut_mp_add_array(out, count);
    size_t start = 0;
    for (size_t n = 0; n < count && !status; n++) {
        const char *comma = memchr(text.ptr + start, ',', text.len - start);
        size_t end = comma ? (size_t)(comma - text.ptr) : text.len;
        status = add_scalar(element, (sut_str){text.ptr + start, end - start}, a, out);
        start = end + 1;
    }
    return status;
}

sut_status sut_text_add_value(const sut_field *f, sut_str text, sut_arena *a, sut_buf *out, sut_field_errors *errs)
{
    if (!text.ptr)
        text = SUT_STR("");
    if (!sut_mp_utf8(text.ptr, text.len)) {
        sut_path step = {.name = {f->name, f->name_len}};
        sut_path_error(errs, &step, "format", "must be UTF-8");
        return SUT_RECORD_INVALID;
    }
    return f->type == SUT_T_LIST ? add_list(f->element, text, a, out) : add_scalar(f, text, a, out);
}

sut_status sut_field_from_text(const sut_field *f, sut_str text, sut_arena *a, sut_buf *out, sut_field_errors *errs)
{
    size_t start = out->len;
    sut_status status = sut_mp_add_str(out, (sut_str){f->name, f->name_len});
    size_t value = out->len;
    if (!status)
        status = sut_text_add_value(f, text, a, out, errs);
    if (!status)
        status =
            sut_value_check(f, (sut_str){(const char *)out->data + value, out->len - value}, SUT_WORDS_JSON, a, errs);
    if (status)
        out->len = start;
    return status;
}
