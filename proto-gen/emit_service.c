/* Emits NAME_service.h and NAME_service.c: the typed handlers that an actor writes, and the table that calls them. */
#include "emit.h"

static void put_header(const pg_domain *d, sut_buf *b)
{
    pg_banner_c(b, "Handlers that the actor of this domain defines, and the table that calls them.", d->file);
    pg_put(b, "#ifndef SUT_GEN_");
    pg_put_upper(b, d->name);
    pg_put(b, "_SERVICE_H\n#define SUT_GEN_");
    pg_put_upper(b, d->name);
    pg_put(b, "_SERVICE_H\n\n#include \"%s_schema.h\"\n#include \"wire/service.h\"\n\n", d->name);
    for (size_t i = 0; i < d->method_count; i++) {
        const pg_method *m = &d->methods[i];
        pg_put(b, "/* ");
        pg_put_comment(b, m->doc);
        pg_put(b, " */\nsut_status %s_%s(sut_request *rq, const %s_%s_in *in, %s_%s_out *out);\n\n", d->name, m->name,
               d->name, m->name, d->name, m->name);
    }
    pg_put(
        b,
        "extern const sut_service_entry %s_service_entries[];\nextern const size_t %s_service_entry_count;\n\n#endif\n",
        d->name, d->name);
}

static void put_source(const pg_domain *d, sut_buf *b)
{
    pg_banner_c(b, "Binds each method's table to its handler.", d->file);
    pg_put(b, "#include \"%s_service.h\"\n\n", d->name);
    for (size_t i = 0; i < d->method_count; i++)
        pg_put(b,
               "static sut_status call_%s_%s(sut_request *rq, const void *in, void *out)\n{\n    return %s_%s(rq, in, "
               "out);\n}\n\n",
               d->name, d->methods[i].name, d->name, d->methods[i].name);
    pg_put(b, "const sut_service_entry %s_service_entries[] = {\n", d->name);
    for (size_t i = 0; i < d->method_count; i++)
        pg_put(b, "    {&%s_%s_method, call_%s_%s},\n", d->name, d->methods[i].name, d->name, d->methods[i].name);
    if (!d->method_count)
        pg_put(b, "    {NULL, NULL},\n");
    pg_put(b, "};\nconst size_t %s_service_entry_count = %zu;\n", d->name, d->method_count);
}

void pg_emit_service(pg_context *c, const pg_model *m, pg_outputs *o)
{
    for (size_t i = 0; i < m->count; i++) {
        const pg_domain *d = m->domains[i];
        if (strcmp(d->name, PG_COMMON) == 0)
            continue;
        put_header(d, pg_output_new(c, o, pg_printf(c, "%s_service.h", d->name)));
        put_source(d, pg_output_new(c, o, pg_printf(c, "%s_service.c", d->name)));
    }
}
