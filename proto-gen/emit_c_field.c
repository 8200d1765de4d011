/* Emits one sut_field initialiser. */
#include "emit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void put_flags(const pg_field *f, sut_buf *b)
{
    const struct {
        bool on;
        const char *name;
    } flags[] = {{f->required, "SUT_F_REQUIRED"}, {f->nullable, "SUT_F_NULLABLE"},    {f->secret, "SUT_F_SECRET"},
                 {f->personal, "SUT_F_PERSONAL"}, {f->default_node, "SUT_F_DEFAULT"}, {f->trim, "SUT_F_TRIM"},
                 {f->lower, "SUT_F_LOWER"},       {f->is_volatile, "SUT_F_VOLATILE"}};
    const char *before = ".flags = ";
    for (size_t i = 0; i < SUT_ARRAY_LEN(flags); i++) {
        if (flags[i].on) {
            pg_put(b, "%s%s", before, flags[i].name);
            before = " | ";
        }
    }
    if (*before == ' ')
        pg_put(b, ",\n     ");
}

static void put_i64(sut_buf *b, int64_t i)
{
    if (i == INT64_MIN)
        pg_put(b, "INT64_MIN");
    else
        pg_put(b, "INT64_C(%" PRId64 ")", i);
}

static void put_double(sut_buf *b, double f)
{
    for (int digits = 15; digits <= 17; digits++) {
        char text[40];
        (void)snprintf(text, sizeof(text), "%.*g", digits, f);
        if (digits == 17 || strtod(text, NULL) == f) {
            pg_put(b, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
            return;
        }
    }
}

static void put_limit(const pg_field *f, const pg_node *given, const char *which, pg_scalar value, sut_buf *b)
{
    if (!given)
        return;
    bool real = f->type == SUT_T_F64;
    pg_put(b, ".has_%s = true, .%s_%c = ", which, which, real ? 'f' : 'i');
    if (real)
        put_double(b, value.f);
    else
        put_i64(b, value.i);
    pg_put(b, ",\n     ");
}

static void put_default(const pg_field *f, sut_buf *b)
{
    if (!f->default_node)
        return;
    pg_put(b, ".def = {");
    switch (f->type) {
    case SUT_T_BOOL: pg_put(b, ".b = %s", f->def.b ? "true" : "false"); break;
    case SUT_T_F64:
        pg_put(b, ".f = ");
        put_double(b, f->def.f);
        break;
    case SUT_T_STRING:
        pg_put(b, ".s = {");
        pg_put_c_string(b, f->def.s);
        pg_put(b, ", %zu}", strlen(f->def.s));
        break;
    default:
        pg_put(b, ".i = ");
        put_i64(b, f->def.i);
        break;
    }
    pg_put(b, "},\n     ");
}

static void put_lengths(const pg_field *f, sut_buf *b)
{
    const struct {
        const char *name;
        uint32_t value;
    } limits[] = {{"min_bytes", f->min_bytes}, {"max_bytes", f->max_bytes}, {"min_chars", f->min_chars},
                  {"max_chars", f->max_chars}, {"min_items", f->min_items}, {"max_items", f->max_items}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(limits); i++)
        if (limits[i].value)
            pg_put(b, ".%s = %u,\n     ", limits[i].name, limits[i].value);
}

static void put_constant(sut_buf *b, const char *prefix, const char *name)
{
    pg_put(b, "%s", prefix);
    pg_put_upper(b, name);
}

void pg_c_field(const char *owner_type, const pg_field *f, const char *element, bool is_input, sut_buf *b)
{
    pg_put(b, "    {.name = \"%s\",\n     .name_len = %zu,\n     ", f->name, strlen(f->name));
    put_constant(b, ".type = SUT_T_", pg_type_name(f->type));
    pg_put(b, ",\n     ");
    if (f->format != SUT_FMT_NONE) {
        put_constant(b, ".format = SUT_FMT_", pg_format_name(f->format));
        pg_put(b, ",\n     ");
    }
    if (is_input && f->text != SUT_TEXT_ANY)
        pg_put(b, ".text = SUT_TEXT_%s,\n     ", f->text == SUT_TEXT_LINE ? "LINE" : "BLOCK");
    put_flags(f, b);
    if (owner_type)
        pg_put(b, ".offset = offsetof(%s, %s),\n     ", owner_type, f->name);
    if (owner_type && pg_has_presence(f))
        pg_put(b, ".has_offset = offsetof(%s, has_%s),\n     ", owner_type, f->name);
    else
        pg_put(b, ".has_offset = UINT16_MAX,\n     ");
    put_limit(f, f->min_node, "min", f->min, b);
    put_limit(f, f->max_node, "max", f->max, b);
    put_lengths(f, b);
    if (f->pattern) {
        pg_put(b, ".pattern = ");
        pg_put_c_string(b, f->pattern);
        pg_put(b, ",\n     ");
    }
    if (f->type == SUT_T_RECORD)
        pg_put(b, ".record = &%s_%s_record,\n     ", f->record->domain->name, f->record->name);
    if (f->type == SUT_T_ENUM)
        pg_put(b, ".enumeration = &%s_%s_enum,\n     ", f->enumeration->domain->name, f->enumeration->name);
    if (element)
        pg_put(b, ".element = &%s,\n     ", element);
    put_default(f, b);
    if (f->example_json) {
        pg_put(b, ".example = ");
        pg_put_c_string(b, f->example_json);
        pg_put(b, ",\n     ");
    }
    pg_put(b, ".doc = ");
    pg_put_c_string(b, f->doc);
    pg_put(b, "},\n");
}
