/* JSON Schemas of fields and records (openapi.h). */
#include "check.h"
#include "openapi.h"

const char *pg_openapi_name(pg_context *c, const pg_record *r)
{
    return pg_printf(c, "%s_%s", r->domain->name, r->name);
}

#define ATEXT   "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
#define LABEL   "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define LAST    "[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define URICHAR "(?:[A-Za-z0-9._~:/?#\\[\\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})"
#define TZPART  "[A-Za-z][A-Za-z0-9_+-]*"
#define PORT    "(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"

/* What JSON Schema can say of our formats: its own name for one, and a pattern (ECMA-262) that takes what the runtime
 * takes, so that clients and test generators made from the document send nothing that is refused. */
static const struct {
    const char *format, *pattern;
} s_formats[] = {
    [SUT_FMT_NONE] = {NULL, "^[^\\u0000]*$"},
    [SUT_FMT_EMAIL] = {"email", "^(?=[^@]{1,64}@)" ATEXT "(?:\\." ATEXT ")*@(?:" LABEL "\\.)+" LAST "$"},
    [SUT_FMT_URI] = {"uri", "^[A-Za-z][A-Za-z0-9+.-]*:" URICHAR "+$"},
    [SUT_FMT_HTTP_URI] = {"uri", "^[Hh][Tt][Tt][Pp][Ss]?://(?![^/?#:]{254})(?:" LABEL "(?:\\." LABEL
                                 ")*|\\[[0-9A-Fa-f:.]{2,45}\\])"
                                 "(?::" PORT ")?(?:[/?#]" URICHAR "*)?$"},
    [SUT_FMT_USERNAME] = {NULL, "^[A-Za-z0-9](?:[.-]?[A-Za-z0-9_])*$"},
    [SUT_FMT_UUID] = {"uuid", "^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"},
    [SUT_FMT_HEX] = {NULL, "^(?:[0-9A-Fa-f]{2})*$"},
    [SUT_FMT_BASE64URL] = {NULL, "^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2,3})?$"},
    [SUT_FMT_LOCALE] = {NULL, "^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*$"},
    [SUT_FMT_TIMEZONE] = {NULL, "^" TZPART "(?:/" TZPART "){0,2}$"},
    [SUT_FMT_PAST_DATE] = {"date", "^(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}$"}, /* not after today: no word for that */
};

const char *pg_openapi_pattern(sut_format f)
{
    return s_formats[f].pattern;
}

/* What no text of people may hold, wherever it is: controls (but newlines and tabs, which a block may), separators of
 * lines, the invisible characters that have no company in which they are right, overrides of direction, and
 * noncharacters. What is right in some company only (joiners, selectors, isolates) has no word here. */
#define UNSEEN                                                                                                         \
    "\\u007F-\\u009F\\u00AD\\u034F\\u115F\\u1160\\u17B4\\u17B5\\u180B-"                                                \
    "\\u180F\\u200B\\u2028\\u2029\\u202D\\u202E\\u2060-\\u2065"                                                        \
    "\\u206A-\\u206F\\u3164\\uFDD0-\\uFDEF\\uFE00-\\uFE0D\\uFEFF\\uFFA0\\uFFF0-\\uFFFB\\uFFFE\\uFFFF"

#define SEEN       "(?=.*[^\\u0020\\u00A0\\u1680\\u2000-\\u200A\\u202F\\u205F\\u3000])"
#define LINE_CHAR  "[^\\u0000-\\u001F" UNSEEN "]"
#define BLOCK_CHAR "(?:\\r\\n|[^\\u0000-\\u0008\\u000B-\\u001F" UNSEEN "])"

const char *pg_openapi_text_pattern(const pg_field *f)
{
    bool some = f->min_chars || f->min_bytes;
    if (f->text == SUT_TEXT_BLOCK)
        return some && f->trim ? "^(?=[\\t\\n\\r ]*[^\\t\\n\\r ])" BLOCK_CHAR "*$" : "^" BLOCK_CHAR "*$";
    return some ? "^" SEEN LINE_CHAR "*$" : "^(?:" SEEN LINE_CHAR "*)?$";
}

static void put_type(pg_json *j, const char *type, bool nullable)
{
    if (!nullable) {
        pg_json_string(j, "type", type);
        return;
    }
    pg_json_array(j, "type");
    pg_json_string(j, NULL, type);
    pg_json_string(j, NULL, "null");
    pg_json_end_array(j);
}

static void put_integer(pg_json *j, const pg_field *f)
{
    bool small = f->type == SUT_T_I32;
    put_type(j, "integer", f->nullable);
    pg_json_string(j, "format", small ? "int32" : "int64");
    pg_json_number(j, "minimum", f->min_node ? f->min.i : small ? INT32_MIN : INT64_MIN);
    pg_json_number(j, "maximum", f->max_node ? f->max.i : small ? INT32_MAX : INT64_MAX);
}

static void put_number(pg_json *j, pg_context *c, const pg_field *f)
{
    put_type(j, "number", f->nullable);
    pg_json_string(j, "format", "double");
    if (f->min_node)
        pg_json_raw(j, "minimum", pg_double_text(c, f->min.f));
    if (f->max_node)
        pg_json_raw(j, "maximum", pg_double_text(c, f->max.f));
}

/* Lengths in bytes have no word in JSON Schema: bounds in characters that follow from them, and our own word. */
static void put_string(pg_json *j, pg_context *c, const pg_field *f)
{
    enum { UTF8_BYTES_MAX = 4 };
    uint32_t implied = (f->min_bytes + UTF8_BYTES_MAX - 1) / UTF8_BYTES_MAX;
    uint32_t min = f->min_chars > implied ? f->min_chars : implied;
    uint32_t max = f->max_chars && (!f->max_bytes || f->max_chars < f->max_bytes) ? f->max_chars : f->max_bytes;
    put_type(j, "string", f->nullable);
    if (s_formats[f->format].format)
        pg_json_string(j, "format", s_formats[f->format].format);
    if (min)
        pg_json_number(j, "minLength", min);
    if (max)
        pg_json_number(j, "maxLength", max);
    if (f->min_bytes)
        pg_json_number(j, "x-min-bytes", f->min_bytes);
    if (f->max_bytes)
        pg_json_number(j, "x-max-bytes", f->max_bytes);
    if (f->pattern)
        pg_json_string(j, "pattern", pg_printf(c, "^(?:%s)$", f->pattern));
    else if (f->text != SUT_TEXT_ANY)
        pg_json_string(j, "pattern", pg_openapi_text_pattern(f));
    else if (f->format == SUT_FMT_NONE && f->trim && min) /* blanks alone would be cut to nothing */
        pg_json_string(j, "pattern", "^[^\\u0000]*[^\\u0000\\t-\\r ][^\\u0000]*$");
    else
        pg_json_string(j, "pattern", pg_openapi_pattern(f->format));
}

static void put_enum(pg_json *j, pg_context *c, const pg_field *f)
{
    put_type(j, "string", f->nullable);
    pg_json_array(j, "enum");
    for (size_t i = 0; i < f->enumeration->count; i++)
        pg_json_string(j, NULL, f->enumeration->values[i].name);
    if (f->nullable)
        pg_json_raw(j, NULL, "null");
    pg_json_end_array(j);
    pg_json_object(j, "x-enum-docs");
    for (size_t i = 0; i < f->enumeration->count; i++)
        pg_json_string(j, f->enumeration->values[i].name, f->enumeration->values[i].doc);
    pg_json_end_object(j);
    (void)c;
}

static void put_collection(pg_json *j, pg_context *c, const pg_field *f)
{
    bool list = f->type == SUT_T_LIST;
    put_type(j, list ? "array" : "object", f->nullable);
    if (f->min_items)
        pg_json_number(j, list ? "minItems" : "minProperties", f->min_items);
    pg_json_number(j, list ? "maxItems" : "maxProperties", f->max_items ? f->max_items : 10000);
    pg_openapi_field(j, list ? "items" : "additionalProperties", c, f->element);
}

static void put_reference(pg_json *j, pg_context *c, const pg_field *f)
{
    const char *ref = pg_printf(c, "#/components/schemas/%s", pg_openapi_name(c, f->record));
    if (!f->nullable) {
        pg_json_string(j, "$ref", ref);
        return;
    }
    pg_json_array(j, "anyOf");
    pg_json_object(j, NULL);
    pg_json_string(j, "$ref", ref);
    pg_json_end_object(j);
    pg_json_object(j, NULL);
    pg_json_string(j, "type", "null");
    pg_json_end_object(j);
    pg_json_end_array(j);
}

static void put_default(pg_json *j, pg_context *c, const pg_field *f)
{
    switch (f->type) {
    case SUT_T_BOOL: pg_json_bool(j, "default", f->def.b); break;
    case SUT_T_I32:
    case SUT_T_I64: pg_json_number(j, "default", f->def.i); break;
    case SUT_T_F64: pg_json_raw(j, "default", pg_double_text(c, f->def.f)); break;
    default: pg_json_string(j, "default", f->default_node->text); break;
    }
}

static void put_notes(pg_json *j, pg_context *c, const pg_field *f)
{
    if (f->default_node)
        put_default(j, c, f);
    if (f->secret)
        pg_json_bool(j, "x-secret", true);
    if (f->text != SUT_TEXT_ANY)
        pg_json_string(j, "x-text", f->text == SUT_TEXT_LINE ? "line" : "block");
    if (f->personal)
        pg_json_bool(j, "x-personal", true);
    if (f->since)
        pg_json_string(j, "x-since", f->since);
    if (f->example_json) {
        pg_json_array(j, "examples");
        pg_json_raw(j, NULL, f->example_json);
        pg_json_end_array(j);
    }
}

void pg_openapi_field(pg_json *j, const char *key, pg_context *c, const pg_field *f)
{
    pg_json_object(j, key);
    if (*f->name)
        pg_json_string(j, "description", f->doc);
    switch (f->type) {
    case SUT_T_BOOL: put_type(j, "boolean", f->nullable); break;
    case SUT_T_I32:
    case SUT_T_I64: put_integer(j, f); break;
    case SUT_T_F64: put_number(j, c, f); break;
    case SUT_T_STRING: put_string(j, c, f); break;
    case SUT_T_BYTES:
        put_type(j, "string", f->nullable);
        pg_json_string(j, "contentEncoding", "base64");
        break;
    case SUT_T_TIMESTAMP:
        put_type(j, "string", f->nullable);
        pg_json_string(j, "format", "date-time");
        break;
    case SUT_T_DATE:
        put_type(j, "string", f->nullable);
        pg_json_string(j, "format", "date");
        if (f->format == SUT_FMT_PAST_DATE)
            pg_json_string(j, "pattern", pg_openapi_pattern(f->format));
        break;
    case SUT_T_ENUM: put_enum(j, c, f); break;
    case SUT_T_RECORD: put_reference(j, c, f); break;
    case SUT_T_LIST:
    case SUT_T_MAP: put_collection(j, c, f); break;
    }
    put_notes(j, c, f);
    pg_json_end_object(j);
}

static bool wanted(const pg_method *m, size_t i)
{
    return !m || m->sources[i].from == SUT_FROM_BODY;
}

void pg_openapi_record(pg_json *j, const char *key, pg_context *c, const pg_record *r, bool input, const pg_method *m)
{
    pg_json_object(j, key);
    pg_json_string(j, "description", r->doc);
    pg_json_string(j, "type", "object");
    bool any = false;
    for (size_t i = 0; i < r->count; i++)
        any = any || (r->fields[i].required && wanted(m, i));
    if (any) {
        pg_json_array(j, "required");
        for (size_t i = 0; i < r->count; i++)
            if (r->fields[i].required && wanted(m, i))
                pg_json_string(j, NULL, r->fields[i].name);
        pg_json_end_array(j);
    }
    pg_json_object(j, "properties");
    for (size_t i = 0; i < r->count; i++)
        if (wanted(m, i))
            pg_openapi_field(j, r->fields[i].name, c, &r->fields[i]);
    pg_json_end_object(j);
    if (input)
        pg_json_bool(j, "additionalProperties", false);
    pg_json_end_object(j);
}
