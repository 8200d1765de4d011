/* Emits NAME_service.h and NAME_service.c: the typed handlers that an actor writes, for calls and for events, and the
 * tables that call them. */
#include "emit.h"

#include <stdlib.h>

static void put_header(const pg_domain *d, sut_buf *b)
{
    pg_banner_c(b, "Handlers that the actor of this domain defines, and the table that calls them.", d->file);
    pg_put(b, "#ifndef SUT_GEN_");
    pg_put_upper(b, d->name);
    pg_put(b, "_SERVICE_H\n#define SUT_GEN_");
    pg_put_upper(b, d->name);
    pg_put(b, "_SERVICE_H\n\n#include \"%s_schema.h\"\n", d->name);
    pg_c_event_includes(d, b);
    pg_put(b, "#include \"wire/service.h\"\n\n");
    for (size_t i = 0; i < d->method_count; i++) {
        const pg_method *m = &d->methods[i];
        pg_put(b, "/* ");
        pg_put_comment(b, m->doc);
        pg_put(b, " */\nsut_status %s_%s(sut_request *rq, const %s_%s_in *in, %s_%s_out *out);\n\n", d->name, m->name,
               d->name, m->name, d->name, m->name);
    }
    for (size_t i = 0; i < d->consumer_count; i++) {
        const pg_consumer *u = &d->consumers[i];
        pg_put(b, "/* %s, group %s: ", u->event->subject, u->group);
        pg_put_comment(b, u->doc);
        pg_put(b, " */\nsut_status %s_on_%s(sut_request *rq, const %s_%s *event);\n\n", d->name, u->name,
               u->event->domain->name, u->event->name);
    }
    pg_put(b, "extern const sut_service_entry %s_service_entries[];\nextern const size_t %s_service_entry_count;\n",
           d->name, d->name);
    pg_put(b,
           "extern const sut_consumer_entry %s_consumer_entries[];\nextern const size_t "
           "%s_consumer_entry_count;\n\n#endif\n",
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

static int by_group(const void *a, const void *b)
{
    const pg_consumer *x = *(const pg_consumer *const *)a, *y = *(const pg_consumer *const *)b;
    const int group = strcmp(x->group, y->group);
    return group ? group : strcmp(x->event->subject, y->event->subject);
}

static void put_consumers(pg_context *c, const pg_domain *d, sut_buf *b)
{
    const pg_consumer **sorted = PG_ARRAY(c, d->consumer_count + 1, const pg_consumer *);
    for (size_t i = 0; i < d->consumer_count; i++) {
        const pg_consumer *u = sorted[i] = &d->consumers[i];
        pg_put(
            b,
            "static sut_status take_%s_%s(sut_request *rq, const void *body)\n{\n    return %s_on_%s(rq, body);\n}\n\n",
            d->name, u->name, d->name, u->name);
    }
    qsort(sorted, d->consumer_count, sizeof(const pg_consumer *), by_group);
    pg_put(b, "\nconst sut_consumer_entry %s_consumer_entries[] = {\n", d->name);
    for (size_t i = 0; i < d->consumer_count; i++)
        pg_put(b, "    {&%s_%s_consumer, take_%s_%s},\n", d->name, sorted[i]->name, d->name, sorted[i]->name);
    if (!d->consumer_count)
        pg_put(b, "    {NULL, NULL},\n");
    pg_put(b, "};\nconst size_t %s_consumer_entry_count = %zu;\n", d->name, d->consumer_count);
}

void pg_emit_service(pg_context *c, const pg_model *m, pg_outputs *o)
{
    for (size_t i = 0; i < m->count; i++) {
        const pg_domain *d = m->domains[i];
        if (strcmp(d->name, PG_COMMON) == 0)
            continue;
        put_header(d, pg_output_new(c, o, pg_printf(c, "%s_service.h", d->name)));
        sut_buf *source = pg_output_new(c, o, pg_printf(c, "%s_service.c", d->name));
        put_source(d, source);
        put_consumers(c, d, source);
    }
}
