/* Emits the tables over all domains: sut_domains and sut_methods (by name: what the broker and `sut` look up) and
 * sut_routes (by path: what the edge builds its router from). */
#include "emit.h"
#include "openapi.h"

#include <stdlib.h>

static void put_includes(const pg_model *m, sut_buf *b)
{
    for (size_t i = 0; i < m->count; i++)
        pg_put(b, "#include \"%s_schema.h\"\n", m->domains[i]->name);
    pg_put(b, "\n");
}

static int by_subject(const void *a, const void *b)
{
    return strcmp((*(const pg_method *const *)a)->subject, (*(const pg_method *const *)b)->subject);
}

static int by_route(const void *a, const void *b)
{
    const pg_method *x = *(const pg_method *const *)a, *y = *(const pg_method *const *)b;
    int path = strcmp(x->path, y->path);
    return path ? path : strcmp(x->verb, y->verb);
}

/* Emits `const sut_method *const NAMEs[]` and `NAME_count`. */
static void put_table(const pg_method *const *methods, size_t count, const char *name, sut_buf *b)
{
    pg_put(b, "const sut_method *const %ss[] = {\n", name);
    for (size_t i = 0; i < count; i++)
        pg_put(b, "    &%s_%s_method,\n", methods[i]->domain->name, methods[i]->name);
    pg_put(b, "    NULL};\nconst size_t %s_count = %zu;\n", name, count);
}

static const pg_method **collect(pg_context *c, const pg_model *m, bool http, size_t *count)
{
    size_t most = 0;
    for (size_t i = 0; i < m->count; i++)
        most += m->domains[i]->method_count;
    const pg_method **all = PG_ARRAY(c, most, const pg_method *);
    *count = 0;
    for (size_t i = 0; i < m->count; i++)
        for (size_t j = 0; j < m->domains[i]->method_count; j++)
            if (!http || m->domains[i]->methods[j].verb)
                all[(*count)++] = &m->domains[i]->methods[j];
    qsort(all, *count, sizeof(const pg_method *), http ? by_route : by_subject);
    return all;
}

const pg_method **pg_http_methods(pg_context *c, const pg_model *m, size_t *count)
{
    return collect(c, m, true, count);
}

static void put_events(pg_context *c, const pg_model *m, sut_buf *b)
{
    size_t count;
    const pg_event **events = pg_all_events(c, m, &count);
    pg_put(b, "\nconst sut_event *const sut_events[] = {\n");
    for (size_t i = 0; i < count; i++)
        pg_put(b, "    &%s_%s_event,\n", events[i]->domain->name, events[i]->name);
    pg_put(b, "    NULL};\nconst size_t sut_event_count = %zu;\n\n", count);
    const pg_consumer **consumers = pg_all_consumers(c, m, &count);
    pg_put(b, "const sut_consumer *const sut_consumers[] = {\n");
    for (size_t i = 0; i < count; i++)
        pg_put(b, "    &%s_%s_consumer,\n", consumers[i]->domain->name, consumers[i]->name);
    pg_put(b, "    NULL};\nconst size_t sut_consumer_count = %zu;\n", count);
}

void pg_emit_methods(pg_context *c, const pg_model *m, pg_outputs *o)
{
    sut_buf *b = pg_output_new(c, o, "schema_methods.c");
    pg_banner_c(b, "All domains, methods, events and consumers, sorted.", "the schemas");
    put_includes(m, b);
    pg_put(b, "const sut_domain *const sut_domains[] = {\n");
    for (size_t i = 0; i < m->count; i++)
        pg_put(b, "    &%s_domain,\n", m->domains[i]->name);
    pg_put(b, "    NULL};\nconst size_t sut_domain_count = %zu;\n\n", m->count);
    size_t count;
    const pg_method **all = collect(c, m, false, &count);
    put_table(all, count, "sut_method", b);
    put_events(c, m, b);
}

void pg_emit_routes(pg_context *c, const pg_model *m, pg_outputs *o)
{
    sut_buf *b = pg_output_new(c, o, "schema_routes.c");
    pg_banner_c(b, "All methods that HTTP reaches, sorted by path, then verb.", "the schemas");
    put_includes(m, b);
    size_t count;
    const pg_method **all = pg_http_methods(c, m, &count);
    put_table(all, count, "sut_route", b);
}
