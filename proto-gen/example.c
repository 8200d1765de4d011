/* Makes up values that fit a field's declaration (example.h). */
#include "example.h"

#include "base/clock.h"
#include "check.h"

#include <stdio.h>

#define DAY_US INT64_C(86400000000)

static const char *quoted(pg_context *c, const char *text)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    pg_put_json_string(&b, text);
    const char *copy = pg_strdup(c, (const char *)b.data, b.len);
    sut_buf_deinit(&b);
    return copy;
}

static int64_t clamp(const pg_field *f, int64_t value)
{
    if (f->min_node && value < f->min.i)
        value = f->min.i;
    if (f->max_node && value > f->max.i)
        value = f->max.i;
    return value;
}

static const char *int_json(pg_context *c, const pg_field *f, int64_t value)
{
    if (f->type == SUT_T_DATE) {
        char text[11];
        sut_date_format((int32_t)value, text);
        return pg_printf(c, "\"%s\"", text);
    }
    if (f->type == SUT_T_TIMESTAMP) {
        char text[SUT_RFC3339_SIZE];
        sut_rfc3339(value, text);
        return pg_printf(c, "\"%s\"", text);
    }
    return pg_printf(c, "%lld", (long long)value);
}

/* Text of `chars` ASCII letters. */
static const char *letters(pg_context *c, size_t chars)
{
    char *text = pg_alloc(c, chars + 1, 1);
    for (size_t i = 0; i < chars; i++)
        text[i] = (char)('a' + (char)(i % 26));
    return text;
}

static size_t min_length(const pg_field *f)
{
    return f->min_chars > f->min_bytes ? f->min_chars : f->min_bytes;
}

static size_t max_length(const pg_field *f)
{
    size_t chars = f->max_chars ? f->max_chars : SUT_ENVELOPE_MAX, bytes = f->max_bytes ? f->max_bytes : chars;
    return chars < bytes ? chars : bytes;
}

static const char *text_example(pg_context *c, const pg_field *f)
{
    static const char *const by_format[] = {
        [SUT_FMT_NONE] = NULL,
        [SUT_FMT_EMAIL] = "ada@example.org",
        [SUT_FMT_URI] = "https://example.org/",
        [SUT_FMT_HTTP_URI] = "https://example.org/",
        [SUT_FMT_USERNAME] = "ada.lovelace",
        [SUT_FMT_UUID] = "0b0e9f0a-6f2c-4c1e-9d52-0a4b8a7f6c01",
        [SUT_FMT_HEX] = "00ff",
        [SUT_FMT_BASE64URL] = "AP8",
        [SUT_FMT_LOCALE] = "en-GB",
        [SUT_FMT_TIMEZONE] = "Europe/London",
        [SUT_FMT_PAST_DATE] = NULL,
    };
    if (by_format[f->format])
        return quoted(c, by_format[f->format]);
    size_t length = min_length(f) > 4 ? min_length(f) : 4;
    return quoted(c, letters(c, length < max_length(f) ? length : max_length(f)));
}

static const char *bytes_example(pg_context *c, size_t count)
{
    char *text = pg_alloc(c, count * 2 + 8, 1), *p = text;
    *p++ = '"';
    for (size_t i = 0; i + 3 <= count; i += 3)
        p += sprintf(p, "AAAA");
    if (count % 3)
        p += sprintf(p, "%s", count % 3 == 1 ? "AA==" : "AAA=");
    *p = '"';
    return text;
}

static const char *repeat_example(pg_context *c, const pg_field *f, size_t count, int depth)
{
    bool map = f->type == SUT_T_MAP;
    const char *one = pg_example(c, f->element, depth);
    sut_buf b;
    sut_buf_init(&b, 0);
    pg_put(&b, "%c", map ? '{' : '[');
    for (size_t i = 0; i < count; i++) {
        pg_put(&b, "%s", i ? ", " : "");
        if (map)
            pg_put(&b, "\"key%zu\": ", i + 1);
        pg_put(&b, "%s", one);
    }
    pg_put(&b, "%c", map ? '}' : ']');
    const char *copy = pg_strdup(c, (const char *)b.data, b.len);
    sut_buf_deinit(&b);
    return copy;
}

const char *pg_example(pg_context *c, const pg_field *f, int depth)
{
    if (f->example_json)
        return f->example_json;
    switch (f->type) {
    case SUT_T_BOOL: return "true";
    case SUT_T_I32:
    case SUT_T_I64: return int_json(c, f, clamp(f, 1));
    case SUT_T_F64: return pg_double_text(c, f->min_node ? f->min.f : f->max_node ? f->max.f : 0.5);
    case SUT_T_STRING: return text_example(c, f);
    case SUT_T_BYTES: return bytes_example(c, f->min_bytes ? f->min_bytes : 1);
    case SUT_T_TIMESTAMP: return int_json(c, f, clamp(f, INT64_C(20455) * DAY_US)); /* 2026-01-02 */
    case SUT_T_DATE: return int_json(c, f, clamp(f, 5822));                         /* 1985-12-10 */
    case SUT_T_ENUM: return quoted(c, f->enumeration->values[0].name);
    case SUT_T_RECORD: return pg_example_record(c, f->record, depth >= PG_EXAMPLE_DEPTH, NULL, NULL, depth + 1);
    case SUT_T_LIST:
    case SUT_T_MAP:
        if (depth >= PG_EXAMPLE_DEPTH && f->min_items == 0)
            return f->type == SUT_T_MAP ? "{}" : "[]";
        return repeat_example(c, f, f->min_items ? f->min_items : 1, depth);
    }
    return "null";
}

const char *pg_example_record(pg_context *c, const pg_record *r, bool only_required, const pg_field *replace,
                              const char *json, int depth)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    pg_put(&b, "{");
    bool any = false;
    for (size_t i = 0; i < r->count; i++) {
        const pg_field *f = &r->fields[i];
        const char *value = f == replace ? json : only_required && !f->required ? NULL : pg_example(c, f, depth);
        if (!value)
            continue;
        pg_put(&b, "%s\"%s\": %s", any ? ", " : "", f->name, value);
        any = true;
    }
    pg_put(&b, "}");
    const char *copy = pg_strdup(c, (const char *)b.data, b.len);
    sut_buf_deinit(&b);
    return copy;
}

static size_t int_edges(pg_context *c, const pg_field *f, const char *out[PG_EDGES_MAX])
{
    size_t n = 0;
    bool whole = f->type == SUT_T_I32 || f->type == SUT_T_I64;
    int64_t low = f->type == SUT_T_I32 ? INT32_MIN : INT64_MIN, high = f->type == SUT_T_I32 ? INT32_MAX : INT64_MAX;
    if (f->min_node || whole)
        out[n++] = int_json(c, f, f->min_node ? f->min.i : low);
    if (f->max_node || whole)
        out[n++] = int_json(c, f, f->max_node ? f->max.i : high);
    return n;
}

static size_t text_edges(pg_context *c, const pg_field *f, const char *out[PG_EDGES_MAX])
{
    if (f->format != SUT_FMT_NONE || f->pattern)
        return 0;
    size_t n = 0;
    out[n++] = quoted(c, letters(c, min_length(f)));
    out[n++] = quoted(c, letters(c, max_length(f)));
    if (f->min_bytes <= 2 && f->min_chars <= 1 && max_length(f) >= 2)
        out[n++] = "\"\\u00e9\""; /* one character of two bytes */
    return n;
}

size_t pg_example_edges(pg_context *c, const pg_field *f, const char *out[PG_EDGES_MAX])
{
    size_t n = 0;
    switch (f->type) {
    case SUT_T_BOOL:
        out[n++] = "true";
        out[n++] = "false";
        break;
    case SUT_T_I32:
    case SUT_T_I64:
    case SUT_T_TIMESTAMP:
    case SUT_T_DATE: n = int_edges(c, f, out); break;
    case SUT_T_F64:
        if (f->min_node)
            out[n++] = pg_double_text(c, f->min.f);
        if (f->max_node)
            out[n++] = pg_double_text(c, f->max.f);
        break;
    case SUT_T_STRING: n = text_edges(c, f, out); break;
    case SUT_T_BYTES:
        out[n++] = bytes_example(c, f->min_bytes);
        out[n++] = bytes_example(c, f->max_bytes ? f->max_bytes : 64);
        break;
    case SUT_T_ENUM: out[n++] = quoted(c, f->enumeration->values[f->enumeration->count - 1].name); break;
    case SUT_T_LIST:
    case SUT_T_MAP: out[n++] = repeat_example(c, f, f->min_items, 1); break;
    case SUT_T_RECORD: out[n++] = pg_example_record(c, f->record, true, NULL, NULL, 1); break;
    }
    if (f->nullable && n < PG_EDGES_MAX)
        out[n++] = "null";
    return n;
}
