/* Values that a schema itself holds: limits, defaults and examples (check.h). */
#include "check.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool parse_double(const char *text, double *out)
{
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return *text && !*end && errno == 0 && isfinite(*out) && (*text == '-' || (*text >= '0' && *text <= '9')) &&
           !strpbrk(text, "xXpP");
}

static bool enum_value(const pg_enum *e, const char *name, int64_t *out)
{
    for (size_t i = 0; i < e->count; i++) {
        if (strcmp(e->values[i].name, name) == 0) {
            *out = e->values[i].value;
            return true;
        }
    }
    return false;
}

static void wrong_value(pg_checker *k, const pg_field *f, const pg_node *n, const char *what)
{
    static const char *const expected[] = {
        [SUT_T_BOOL] = "true or false",
        [SUT_T_I32] = "a whole number that fits 32 bits",
        [SUT_T_I64] = "a whole number that fits 64 bits",
        [SUT_T_F64] = "a number",
        [SUT_T_STRING] = "text",
        [SUT_T_BYTES] = "base64 text",
        [SUT_T_TIMESTAMP] = "a time as RFC 3339 has it, \"2026-01-02T03:04:05Z\"",
        [SUT_T_DATE] = "a date, \"2026-01-02\"",
        [SUT_T_ENUM] = "one of the enum's names",
        [SUT_T_RECORD] = "a mapping of the record's fields",
        [SUT_T_LIST] = "a list",
        [SUT_T_MAP] = "a mapping",
    };
    const char *hint = "";
    if (f->type == SUT_T_ENUM && n->kind == PG_SCALAR) {
        const char **names = PG_ARRAY(k->c, f->enumeration->count, const char *);
        for (size_t i = 0; i < f->enumeration->count; i++)
            names[i] = f->enumeration->values[i].name;
        hint = pg_did_you_mean(k->c, n->text, names, f->enumeration->count);
    }
    pg_error(k->c, n->pos, "%s must be %s, not %s%s", what, expected[f->type], pg_kind_text(k->c, n), hint);
}

static bool parse_scalar(const pg_field *f, const pg_node *n, pg_scalar *out)
{
    sut_str text = sut_str_from(n->text);
    int32_t days;
    switch (f->type) {
    case SUT_T_BOOL: out->b = pg_is_true(n); return pg_is_bool(n);
    case SUT_T_I32: return n->plain && sut_parse_i64(text, INT32_MIN, INT32_MAX, &out->i);
    case SUT_T_I64: return n->plain && sut_parse_i64(text, INT64_MIN, INT64_MAX, &out->i);
    case SUT_T_F64: return n->plain && parse_double(n->text, &out->f);
    case SUT_T_STRING:
    case SUT_T_BYTES: out->s = n->text; return true;
    case SUT_T_TIMESTAMP: return sut_rfc3339_parse(text, &out->i);
    case SUT_T_DATE:
        if (!sut_date_parse(text, &days))
            return false;
        out->i = days;
        return true;
    case SUT_T_ENUM: return enum_value(f->enumeration, n->text, &out->i);
    default: return false;
    }
}

bool pg_check_scalar(pg_checker *k, const pg_field *f, const pg_node *n, const char *what, pg_scalar *out)
{
    if (n->kind == PG_SCALAR && !pg_is_null(n) && parse_scalar(f, n, out))
        return true;
    wrong_value(k, f, n, what);
    return false;
}

const char *pg_double_text(pg_context *c, double f)
{
    for (int digits = 15; digits < 17; digits++) {
        const char *text = pg_printf(c, "%.*g", digits, f);
        if (strtod(text, NULL) == f)
            return strpbrk(text, ".e") ? text : pg_printf(c, "%s.0", text);
    }
    return pg_printf(c, "%.17g", f);
}

/* A JSON string literal of NUL-terminated UTF-8. */
static const char *quote(pg_context *c, const char *s)
{
    char *out = pg_alloc(c, strlen(s) * 6 + 3, 1), *p = out;
    *p++ = '"';
    for (; *s; s++) {
        unsigned char b = (unsigned char)*s;
        if (b == '"' || b == '\\') {
            *p++ = '\\';
            *p++ = *s;
        } else if (b < 0x20) {
            p += sprintf(p, "\\u%04x", b);
        } else {
            *p++ = *s;
        }
    }
    *p = '"';
    return out;
}

static const char *list_json(pg_checker *k, const pg_field *f, const pg_node *n, const char *what)
{
    char *out = pg_printf(k->c, "[");
    for (const pg_node *item = n->first; item; item = item->next) {
        const char *one = pg_value_json(k, f->element, item, pg_printf(k->c, "an item in %s", what));
        if (!one)
            return NULL;
        out = pg_printf(k->c, "%s%s%s", out, item == n->first ? "" : ",", one);
    }
    return pg_printf(k->c, "%s]", out);
}

static const char *map_json(pg_checker *k, const pg_field *f, const pg_node *n, const char *what)
{
    char *out = pg_printf(k->c, "{");
    for (const pg_node *key = n->first; key; key = key->next) {
        const pg_field *of = f->type == SUT_T_MAP ? f->element : pg_find_field(f->record, key->text);
        if (!of) {
            pg_error(k->c, key->pos, "record \"%s\" has no field \"%s\"", f->record->name, key->text);
            return NULL;
        }
        const char *one = pg_value_json(k, of, key->value, pg_printf(k->c, "\"%s\" in %s", key->text, what));
        if (!one)
            return NULL;
        out = pg_printf(k->c, "%s%s%s:%s", out, key == n->first ? "" : ",", quote(k->c, key->text), one);
    }
    return pg_printf(k->c, "%s}", out);
}

const char *pg_value_json(pg_checker *k, const pg_field *f, const pg_node *n, const char *what)
{
    if (!f->resolved)
        return NULL; /* noted already */
    if (f->type == SUT_T_LIST && n->kind == PG_SEQUENCE && f->element)
        return list_json(k, f, n, what);
    if ((f->type == SUT_T_RECORD || (f->type == SUT_T_MAP && f->element)) && n->kind == PG_MAPPING)
        return map_json(k, f, n, what);
    pg_scalar value;
    if (!pg_check_scalar(k, f, n, what, &value))
        return NULL;
    switch (f->type) {
    case SUT_T_BOOL: return value.b ? "true" : "false";
    case SUT_T_I32:
    case SUT_T_I64: return pg_printf(k->c, "%lld", (long long)value.i);
    case SUT_T_F64: return pg_double_text(k->c, value.f);
    default: return quote(k->c, n->text);
    }
}
