/* Emits openapi.json: the REST API as OpenAPI 3.1 describes it. */
#include "compat.h"
#include "emit.h"
#include "example.h"
#include "openapi.h"

bool pg_body_fields(const pg_method *m, bool *all)
{
    size_t body = 0;
    for (size_t i = 0; i < m->in->count; i++)
        body += m->sources[i].from == SUT_FROM_BODY;
    *all = body == m->in->count;
    return body > 0;
}

static void put_parameter(pg_json *j, pg_context *c, const pg_field *f, const pg_source *s)
{
    static const char *const places[] = {
        [SUT_FROM_PATH] = "path", [SUT_FROM_QUERY] = "query", [SUT_FROM_HEADER] = "header", [SUT_FROM_NOWHERE] = NULL};
    if (!places[s->from] || strcasecmp(s->name, "Authorization") == 0)
        return; /* the security scheme describes Authorization */
    pg_json_object(j, NULL);
    pg_json_string(j, "name", s->name);
    pg_json_string(j, "in", places[s->from]);
    pg_json_bool(j, "required", f->required);
    pg_json_string(j, "description", f->doc);
    pg_openapi_field(j, "schema", c, f);
    pg_json_end_object(j);
}

static void put_parameters(pg_json *j, pg_context *c, const pg_method *m)
{
    bool mutates = strcmp(m->verb, "GET") != 0, any = mutates;
    for (size_t i = 0; i < m->in->count; i++)
        any = any || m->sources[i].from != SUT_FROM_BODY;
    if (!any)
        return;
    pg_json_array(j, "parameters");
    for (size_t i = 0; i < m->in->count; i++)
        put_parameter(j, c, &m->in->fields[i], &m->sources[i]);
    if (mutates) {
        pg_json_object(j, NULL);
        pg_json_string(j, "$ref", "#/components/parameters/idempotency_key");
        pg_json_end_object(j);
    }
    pg_json_end_array(j);
}

/* An example body: the fields that come from it. */
static const char *body_example(pg_context *c, const pg_method *m)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    const char *before = "{";
    for (size_t i = 0; i < m->in->count; i++) {
        if (m->sources[i].from != SUT_FROM_BODY)
            continue;
        pg_put(&b, "%s\"%s\": %s", before, m->in->fields[i].name, pg_example(c, &m->in->fields[i], 0));
        before = ", ";
    }
    pg_put(&b, "}");
    const char *copy = pg_strdup(c, (const char *)b.data, b.len);
    sut_buf_deinit(&b);
    return copy;
}

static void put_json_content(pg_json *j, pg_context *c, const char *schema, const char *example)
{
    pg_json_object(j, "content");
    pg_json_object(j, "application/json");
    pg_json_object(j, "schema");
    pg_json_string(j, "$ref", pg_printf(c, "#/components/schemas/%s", schema));
    pg_json_end_object(j);
    pg_json_raw(j, "example", example);
    pg_json_end_object(j);
    pg_json_end_object(j);
}

/* Bodies that leave out parameters have a component of their own. */
static const char *body_schema(pg_context *c, const pg_method *m)
{
    bool all;
    (void)pg_body_fields(m, &all);
    return all ? pg_openapi_name(c, m->in) : pg_printf(c, "%s_%s_body", m->domain->name, m->name);
}

static void put_body(pg_json *j, pg_context *c, const pg_method *m)
{
    bool all, required = false;
    if (!pg_body_fields(m, &all))
        return;
    for (size_t i = 0; i < m->in->count; i++)
        required = required || (m->in->fields[i].required && m->sources[i].from == SUT_FROM_BODY);
    pg_json_object(j, "requestBody");
    pg_json_bool(j, "required", required);
    put_json_content(j, c, body_schema(c, m), body_example(c, m));
    pg_json_end_object(j);
}

static void put_success(pg_json *j, pg_context *c, const pg_method *m)
{
    const char *docs[] = {"Done.", "Made.", "Accepted; it is done later.", NULL, "Done; nothing to say."};
    pg_json_object(j, pg_printf(c, "%u", m->success_status));
    pg_json_string(j, "description", m->success_status == 200 ? m->out->doc : docs[m->success_status - 200]);
    if (m->success_status != 204)
        put_json_content(j, c, pg_openapi_name(c, m->out), pg_example_record(c, m->out, false, NULL, NULL, 0));
    pg_json_end_object(j);
}

static void put_security(pg_json *j, const pg_method *m)
{
    pg_json_array(j, "security");
    if (m->level == SUT_LEVEL_PUBLIC)
        pg_json_raw(j, NULL, "{}");
    pg_json_raw(j, NULL, "{\"bearer\": []}");
    pg_json_end_array(j);
}

static void put_operation(pg_json *j, pg_context *c, const pg_method *m)
{
    char *verb = pg_strdup(c, m->verb, strlen(m->verb));
    for (char *s = verb; *s; s++)
        *s = (char)(*s | 0x20);
    pg_json_object(j, verb);
    pg_json_string(j, "operationId", m->subject);
    pg_json_string(j, "summary", m->doc);
    pg_json_array(j, "tags");
    pg_json_string(j, NULL, m->domain->name);
    pg_json_end_array(j);
    pg_json_string(j, "x-level", pg_level_name(m->level));
    pg_json_string(j, "x-rate-class", m->rate_class);
    pg_json_string(j, "x-since", m->since);
    pg_json_bool(j, "x-idempotent", m->idempotent);
    pg_json_number(j, "x-timeout-ms", m->timeout_ms);
    put_security(j, m);
    put_parameters(j, c, m);
    put_body(j, c, m);
    pg_json_object(j, "responses");
    put_success(j, c, m);
    pg_openapi_responses(j, c, m);
    pg_json_end_object(j);
    pg_json_end_object(j);
}

/* "/a/:id" → "/a/{id}" */
static const char *template_path(pg_context *c, const char *path)
{
    char *out = pg_alloc(c, strlen(path) * 2 + 1, 1), *p = out;
    for (bool parameter = false; *path || parameter; path++) {
        if (parameter && (*path == '/' || !*path)) {
            *p++ = '}';
            parameter = false;
        }
        if (!*path)
            break;
        bool opens = *path == ':' && path[-1] == '/';
        *p++ = opens ? '{' : *path;
        parameter = parameter || opens;
    }
    return out;
}

static void put_paths(pg_json *j, pg_context *c, const pg_method *const *methods, size_t count)
{
    pg_json_object(j, "paths");
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(methods[i]->path, methods[i - 1]->path) != 0)
            pg_json_object(j, template_path(c, methods[i]->path));
        put_operation(j, c, methods[i]);
        if (i + 1 == count || strcmp(methods[i]->path, methods[i + 1]->path) != 0)
            pg_json_end_object(j);
    }
    pg_json_end_object(j);
}

/* A record's component, if a method that HTTP reaches uses it as it is. */
static void put_record(pg_json *j, pg_context *c, const pg_model *m, const pg_record *r)
{
    unsigned used = pg_record_http_use(m, r);
    bool all = true, input = used & PG_USED_IN;
    if (r->method && input)
        (void)pg_body_fields(r->method, &all);
    const pg_method *answers = r->method && r == r->method->out ? r->method : NULL;
    if (used && all && (r->count || !r->method || (answers && answers->success_status != 204)))
        pg_openapi_record(j, pg_openapi_name(c, r), c, r, input, NULL);
}

/* What is left for the body when other fields of the input come from elsewhere. */
static void put_rest(pg_json *j, pg_context *c, const pg_method *m)
{
    bool all;
    if (m->verb && pg_body_fields(m, &all) && !all)
        pg_openapi_record(j, body_schema(c, m), c, m->in, true, m);
}

static void put_schemas(pg_json *j, pg_context *c, const pg_model *m)
{
    pg_json_object(j, "schemas");
    for (size_t i = 0; i < m->count; i++) {
        const pg_domain *d = m->domains[i];
        for (size_t r = 0; r < d->record_count; r++)
            put_record(j, c, m, &d->records[r]);
        for (size_t k = 0; k < d->method_count; k++)
            put_rest(j, c, &d->methods[k]);
    }
    pg_openapi_problem_schemas(j);
    pg_json_end_object(j);
}

static void put_components(pg_json *j, pg_context *c, const pg_model *m, const pg_method *const *methods, size_t count)
{
    pg_json_object(j, "components");
    pg_json_object(j, "parameters");
    pg_json_object(j, "idempotency_key");
    pg_json_string(j, "name", "Idempotency-Key");
    pg_json_string(j, "in", "header");
    pg_json_bool(j, "required", false);
    pg_json_string(j, "description",
                   "Chosen by the client; the same request with the same key is executed once and answered alike for "
                   "24 hours.");
    pg_json_raw(j, "schema", "{\"type\": \"string\", \"minLength\": 1, \"maxLength\": 255, \"pattern\": \"^[!-~]+$\"}");
    pg_json_end_object(j);
    pg_json_end_object(j);
    pg_openapi_shared_responses(j, c, methods, count);
    put_schemas(j, c, m);
    pg_json_object(j, "securitySchemes");
    pg_json_object(j, "bearer");
    pg_json_string(j, "type", "http");
    pg_json_string(j, "scheme", "bearer");
    pg_json_string(j, "bearerFormat", "JWT");
    pg_json_string(j, "description", "The access_token of a login.");
    pg_json_end_object(j);
    pg_json_end_object(j);
    pg_json_end_object(j);
}

/* The API is as new as its newest operation. */
static const char *api_version(const pg_method *const *methods, size_t count)
{
    const char *newest = "1.0";
    for (size_t i = 0; i < count; i++)
        if (strverscmp(methods[i]->since, newest) > 0)
            newest = methods[i]->since;
    return newest;
}

static void put_tags(pg_json *j, const pg_model *m)
{
    pg_json_array(j, "tags");
    for (size_t i = 0; i < m->count; i++) {
        if (!m->domains[i]->method_count)
            continue;
        pg_json_object(j, NULL);
        pg_json_string(j, "name", m->domains[i]->name);
        pg_json_string(j, "description", m->domains[i]->doc);
        pg_json_end_object(j);
    }
    pg_json_end_array(j);
}

void pg_emit_openapi(pg_context *c, const pg_model *m, pg_outputs *o)
{
    size_t count;
    const pg_method **methods = pg_http_methods(c, m, &count);
    sut_buf *b = pg_output_new(c, o, "openapi.json");
    pg_json j = pg_json_start(b);
    pg_json_object(&j, NULL);
    pg_json_string(&j, "openapi", "3.1.0");
    pg_json_object(&j, "info");
    pg_json_string(&j, "title", "ShareUpTime");
    pg_json_string(&j, "version", api_version(methods, count));
    pg_json_string(&j, "description",
                   "The REST API of ShareUpTime. Generated by proto-gen from the schemas: do not edit.");
    pg_json_object(&j, "license");
    pg_json_string(&j, "name", "Apache-2.0");
    pg_json_string(&j, "identifier", "Apache-2.0");
    pg_json_end_object(&j);
    pg_json_end_object(&j);
    pg_json_raw(&j, "servers", "[{\"url\": \"/\", \"description\": \"The edge that serves this document.\"}]");
    put_tags(&j, m);
    put_paths(&j, c, methods, count);
    put_components(&j, c, m, methods, count);
    pg_json_end_object(&j);
    pg_put(b, "\n");
}
