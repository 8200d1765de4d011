/* Emits a domain's C header: enums, error numbers, structs, and the names of its tables. */
#include "emit.h"

static void put_enum(const pg_domain *d, const pg_enum *e, sut_buf *b)
{
    pg_put(b, "/* ");
    pg_put_comment(b, e->doc);
    pg_put(b, " */\ntypedef enum %s_%s {\n", d->name, e->name);
    for (size_t i = 0; i < e->count; i++) {
        pg_put(b, "    ");
        pg_put_upper(b, d->name);
        pg_put(b, "_");
        pg_put_upper(b, e->name);
        pg_put(b, "_");
        pg_put_upper(b, e->values[i].name);
        pg_put(b, " = %d%s /* ", e->values[i].value, i + 1 < e->count ? "," : "");
        pg_put_comment(b, e->values[i].doc);
        pg_put(b, " */\n");
    }
    pg_put(b, "} %s_%s;\nextern const sut_enum_desc %s_%s_enum;\n\n", d->name, e->name, d->name, e->name);
}

static void put_errors(const pg_domain *d, sut_buf *b)
{
    if (!d->error_count)
        return;
    pg_put(b, "/* What handlers of this domain may return beside 0, sut_err and negative statuses. */\n");
    pg_put(b, "typedef enum %s_err {\n", d->name);
    for (size_t i = 0; i < d->error_count; i++) {
        pg_put(b, "    ");
        pg_put_upper(b, d->name);
        pg_put(b, "_ERR_");
        pg_put_upper(b, d->errors[i].name);
        pg_put(b, " = %d%s /* %u: ", d->errors[i].number, i + 1 < d->error_count ? "," : "", d->errors[i].http_status);
        pg_put_comment(b, d->errors[i].doc);
        pg_put(b, " */\n");
    }
    pg_put(b, "} %s_err;\n\n", d->name);
}

static void put_field(const pg_field *f, sut_buf *b)
{
    static const char *const types[] = {
        [SUT_T_BOOL] = "bool",      [SUT_T_I32] = "int32_t",   [SUT_T_I64] = "int64_t",       [SUT_T_F64] = "double",
        [SUT_T_STRING] = "sut_str", [SUT_T_BYTES] = "sut_str", [SUT_T_TIMESTAMP] = "int64_t", [SUT_T_DATE] = "int32_t",
        [SUT_T_ENUM] = "int32_t",   [SUT_T_LIST] = "sut_list", [SUT_T_MAP] = "sut_map",
    };
    if (f->type == SUT_T_RECORD)
        pg_put(b, "    const struct %s_%s *%s;", f->record->domain->name, f->record->name, f->name);
    else
        pg_put(b, "    %s %s;", types[f->type], f->name);
    pg_put(b, " /* ");
    if (f->type == SUT_T_ENUM)
        pg_put(b, "%s_%s: ", f->enumeration->domain->name, f->enumeration->name);
    else if (f->type == SUT_T_LIST || f->type == SUT_T_MAP)
        pg_put(b, "of %s%s%s: ", f->element->record ? f->element->record->domain->name : "",
               f->element->record ? "_" : "",
               f->element->record ? f->element->record->name : pg_type_name(f->element->type));
    pg_put_comment(b, f->doc);
    pg_put(b, " */\n");
}

static void put_record(const pg_domain *d, const pg_record *r, sut_buf *b)
{
    pg_put(b, "/* ");
    pg_put_comment(b, r->doc);
    pg_put(b, " */\nstruct %s_%s {\n", d->name, r->name);
    for (size_t i = 0; i < r->count; i++)
        put_field(&r->fields[i], b);
    for (size_t i = 0; i < r->count; i++)
        if (pg_has_presence(&r->fields[i]))
            pg_put(b, "    uint8_t has_%s; /* sut_presence */\n", r->fields[i].name);
    if (!r->count)
        pg_put(b, "    char nothing; /* a struct of C has a member; nothing is ever read or written here */\n");
    pg_put(b, "};\n");
    if (r->count)
        pg_put(b, "extern const sut_field %s_%s_fields[];\n", d->name, r->name);
    pg_put(b, "extern const sut_record %s_%s_record;\n\n", d->name, r->name);
}

/* A method whose `in` or `out` is a declared record still has its own name for it, so that all handlers look alike. */
static void put_alias(const pg_method *m, const pg_record *r, const char *suffix, sut_buf *b)
{
    if (!r->method)
        pg_put(b, "typedef struct %s_%s %s_%s_%s;\n", r->domain->name, r->name, m->domain->name, m->name, suffix);
}

void pg_c_header(const pg_domain *d, bool has_common, sut_buf *b)
{
    pg_banner_c(b, d->doc, d->file);
    pg_put(b, "#ifndef SUT_GEN_");
    pg_put_upper(b, d->name);
    pg_put(b, "_SCHEMA_H\n#define SUT_GEN_");
    pg_put_upper(b, d->name);
    pg_put(b, "_SCHEMA_H\n\n");
    if (has_common && strcmp(d->name, PG_COMMON) != 0)
        pg_put(b, "#include \"%s_schema.h\"\n", PG_COMMON);
    pg_put(b, "#include \"wire/schema.h\"\n\n");
    for (size_t i = 0; i < d->enum_count; i++)
        put_enum(d, &d->enums[i], b);
    put_errors(d, b);
    for (size_t i = 0; i < d->record_count; i++)
        pg_put(b, "typedef struct %s_%s %s_%s;\n", d->name, d->records[i].name, d->name, d->records[i].name);
    for (size_t i = 0; i < d->method_count; i++) {
        put_alias(&d->methods[i], d->methods[i].in, "in", b);
        put_alias(&d->methods[i], d->methods[i].out, "out", b);
    }
    pg_put(b, "\n");
    for (size_t i = 0; i < d->record_count; i++)
        put_record(d, &d->records[i], b);
    for (size_t i = 0; i < d->method_count; i++)
        pg_put(b, "extern const sut_method %s_%s_method;\n", d->name, d->methods[i].name);
    pg_c_event_names(d, b);
    pg_put(b, "extern const sut_domain %s_domain;\n\n#endif\n", d->name);
}
