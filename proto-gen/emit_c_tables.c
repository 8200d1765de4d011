/* Emits a domain's tables: enum, record, error and method descriptors, and the domain itself. */
#include "emit.h"

static void put_enum(const pg_domain *d, const pg_enum *e, sut_buf *b)
{
    pg_put(b, "static const sut_enum_value %s_%s_values[] = {\n", d->name, e->name);
    for (size_t i = 0; i < e->count; i++) {
        pg_put(b, "    {\"%s\", %d, ", e->values[i].name, e->values[i].value);
        pg_put_c_string(b, e->values[i].doc);
        pg_put(b, "},\n");
    }
    pg_put(b, "};\nconst sut_enum_desc %s_%s_enum = {\"%s\", %s_%s_values, %zu};\n\n", d->name, e->name, e->name,
           d->name, e->name, e->count);
}

static void put_record(pg_context *c, const pg_domain *d, const pg_record *r, sut_buf *b)
{
    const char *type = pg_printf(c, "%s_%s", d->name, r->name);
    for (size_t i = 0; i < r->count; i++) {
        const pg_field *f = &r->fields[i];
        if (!f->element)
            continue;
        pg_put(b, "static const sut_field %s_%s_element[] = {\n", type, f->name);
        pg_c_field(NULL, f->element, NULL, r->is_input, b);
        pg_put(b, "};\n");
    }
    if (r->count)
        pg_put(b, "const sut_field %s_fields[] = {\n", type);
    for (size_t i = 0; i < r->count; i++) {
        const pg_field *f = &r->fields[i];
        pg_c_field(type, f, f->element ? pg_printf(c, "%s_%s_element[0]", type, f->name) : NULL, r->is_input, b);
    }
    pg_put(b, "%sconst sut_record %s_record = {\n    .name = \"%s\", .fields = ", r->count ? "};\n" : "", type,
           r->name);
    if (r->count)
        pg_put(b, "%s_fields, .count = %zu", type, r->count);
    else
        pg_put(b, "NULL, .count = 0");
    pg_put(b, ", .size = sizeof(struct %s),\n    .doc = ", type);
    pg_put_c_string(b, r->doc);
    pg_put(b, "};\n\n");
}

/* Errors of the platform that methods of this domain list, once each; and the domain's own. */
static void put_errors(const pg_domain *d, sut_buf *b)
{
    static const char *const names[] = {[SUT_ERR_NONE] = NULL,
#define X(name, code, status, doc) [SUT_ERR_##name] = #name,
                                        SUT_PLATFORM_ERRORS(X)
#undef X
    };
    bool used[SUT_ERR_PLATFORM_COUNT] = {false};
    for (size_t i = 0; i < d->method_count; i++)
        for (size_t j = 0; j < d->methods[i].error_count; j++)
            if (!d->methods[i].errors[j].own && !d->methods[i].errors[j].edge_only &&
                !used[d->methods[i].errors[j].platform]) {
                const pg_method_error *e = &d->methods[i].errors[j];
                used[e->platform] = true;
                pg_put(b, "static const sut_error_desc platform_%s = {SUT_ERR_%s, \"%s\", %u, ", e->code,
                       names[e->platform], e->code, e->http_status);
                pg_put_c_string(b, e->doc);
                pg_put(b, "};\n");
            }
    if (d->error_count)
        pg_put(b, "static const sut_error_desc %s_errors[] = {\n", d->name);
    for (size_t i = 0; i < d->error_count; i++) {
        pg_put(b, "    {%d, \"%s\", %u, ", d->errors[i].number, d->errors[i].name, d->errors[i].http_status);
        pg_put_c_string(b, d->errors[i].doc);
        pg_put(b, "},\n");
    }
    if (d->error_count)
        pg_put(b, "};\nstatic const sut_error_desc *const %s_error_list[] = {\n", d->name);
    for (size_t i = 0; i < d->error_count; i++)
        pg_put(b, "    &%s_errors[%zu],\n", d->name, i);
    pg_put(b, "%s\n", d->error_count ? "};\n" : "");
}

static void put_http(const pg_method *m, const char *name, sut_buf *b)
{
    static const char *const sources[] = {"SUT_FROM_BODY",   "SUT_FROM_PATH",   "SUT_FROM_QUERY",
                                          "SUT_FROM_HEADER", "SUT_FROM_CLIENT", "SUT_FROM_NOWHERE"};
    if (!m->verb)
        return;
    const pg_record *in = m->in;
    if (in->count)
        pg_put(b, "static const sut_http_source %s_sources[] = {\n", name);
    for (size_t i = 0; i < in->count; i++) {
        pg_put(b, "    {&%s_%s_fields[%zu], %s, \"%s\"},\n", in->domain->name, in->name, i, sources[m->sources[i].from],
               m->sources[i].name);
    }
    pg_put(b, "%sstatic const sut_http_route %s_route = {\"%s\", \"%s\", %u, ", in->count ? "};\n" : "", name, m->verb,
           m->path, m->success_status);
    if (in->count)
        pg_put(b, "%s_sources, %zu};\n", name, in->count);
    else
        pg_put(b, "NULL, 0};\n");
}

static void put_user_field(const pg_method *m, const pg_field *f, const char *key, sut_buf *b)
{
    if (f)
        pg_put(b, "    .%s = &%s_%s_fields[%zu],\n", key, m->in->domain->name, m->in->name,
               (size_t)(f - m->in->fields));
}

static void put_method(pg_context *c, const pg_method *m, sut_buf *b)
{
    const char *name = pg_printf(c, "%s_%s", m->domain->name, m->name);
    put_http(m, name, b);
    size_t errors = 0;
    pg_put(b, "static const sut_error_desc *const %s_method_errors[] = {\n", name);
    for (size_t i = 0; i < m->error_count; i++) {
        const pg_method_error *e = &m->errors[i];
        if (e->edge_only)
            continue;
        errors++;
        if (e->own)
            pg_put(b, "    &%s_errors[%d],\n", m->domain->name, e->own->number - SUT_ERR_DOMAIN_FIRST);
        else
            pg_put(b, "    &platform_%s,\n", e->code);
    }
    pg_put(b, "};\nconst sut_method %s_method = {\n    .name = \"%s\",\n    .service = \"%s\",\n", name, m->subject,
           m->domain->name);
    pg_put(b, "    .in = &%s_%s_record,\n    .out = &%s_%s_record,\n", m->in->domain->name, m->in->name,
           m->out->domain->name, m->out->name);
    pg_put(b, "    .timeout_ms = %u,\n    .level = SUT_LEVEL_%s,\n    .idempotent = %s,\n    .service_only = %s,\n",
           m->timeout_ms, pg_level_name(m->level), m->idempotent ? "true" : "false",
           m->service_only ? "true" : "false");
    put_user_field(m, m->self, "self", b);
    put_user_field(m, m->owner, "owner", b);
    pg_put(b, "    .rate_class = \"%s\",\n    .since = \"%s\",\n    .doc = ", m->rate_class, m->since);
    pg_put_c_string(b, m->doc);
    if (m->verb)
        pg_put(b, ",\n    .http = &%s_route", name);
    pg_put(b, ",\n    .errors = %s_method_errors,\n    .error_count = %zu};\n\n", name, errors);
}

static void put_domain(const pg_domain *d, sut_buf *b)
{
    if (d->method_count)
        pg_put(b, "static const sut_method *const %s_methods[] = {\n", d->name);
    for (size_t i = 0; i < d->method_count; i++)
        pg_put(b, "    &%s_%s_method,\n", d->name, d->methods[i].name);
    if (d->method_count)
        pg_put(b, "};\n");
    if (d->record_count)
        pg_put(b, "static const sut_record *const %s_records[] = {\n", d->name);
    for (size_t i = 0; i < d->record_count; i++)
        pg_put(b, "    &%s_%s_record,\n", d->name, d->records[i].name);
    if (d->record_count)
        pg_put(b, "};\n");
    pg_c_events(d, b);
    pg_put(b, "const sut_domain %s_domain = {\n    .name = \"%s\",\n", d->name, d->name);
    if (d->method_count)
        pg_put(b, "    .methods = %s_methods, .method_count = %zu,\n", d->name, d->method_count);
    if (d->record_count)
        pg_put(b, "    .records = %s_records, .record_count = %zu,\n", d->name, d->record_count);
    if (d->error_count)
        pg_put(b, "    .errors = %s_error_list, .error_count = %zu,\n", d->name, d->error_count);
    if (d->event_count)
        pg_put(b, "    .events = %s_events, .event_count = %zu,\n", d->name, d->event_count);
    if (d->consumer_count)
        pg_put(b, "    .consumers = %s_consumers, .consumer_count = %zu,\n", d->name, d->consumer_count);
    pg_put(b, "};\n");
}

void pg_c_tables(pg_context *c, const pg_domain *d, sut_buf *b)
{
    pg_banner_c(b, pg_printf(c, "Tables of the domain %s.", d->name), d->file);
    pg_put(b, "#include \"%s_schema.h\"\n", d->name);
    pg_c_event_includes(d, b);
    pg_put(b, "\n#include <stddef.h>\n\n");
    for (size_t i = 0; i < d->enum_count; i++)
        put_enum(d, &d->enums[i], b);
    for (size_t i = 0; i < d->record_count; i++)
        put_record(c, d, &d->records[i], b);
    put_errors(d, b);
    for (size_t i = 0; i < d->method_count; i++)
        put_method(c, &d->methods[i], b);
    put_domain(d, b);
}
