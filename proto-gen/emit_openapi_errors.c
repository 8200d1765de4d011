/* The problem responses of operations (RFC 9457), by HTTP status (openapi.h). */
#include "openapi.h"

#include <stdlib.h>

/* The errors of one status: a run in the method's list, which is sorted by status. */
typedef struct group {
    const pg_method_error *errors;
    size_t count;
} group;

static bool next_group(const pg_method *m, size_t *at, group *g)
{
    if (*at >= m->error_count)
        return false;
    g->errors = &m->errors[*at];
    g->count = 0;
    while (*at < m->error_count && m->errors[*at].http_status == g->errors->http_status) {
        g->count++;
        (*at)++;
    }
    return true;
}

static bool is_shared(const group *g)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->errors[i].own)
            return false;
    return true;
}

static const char *shared_name(pg_context *c, const group *g)
{
    char *name = pg_printf(c, "%u", g->errors->http_status);
    for (size_t i = 0; i < g->count; i++)
        name = pg_printf(c, "%s%s%s", name, i ? "-or-" : "-", g->errors[i].code);
    return name;
}

static void put_example(pg_json *j, pg_context *c, const pg_method_error *e)
{
    pg_json_object(j, e->code);
    pg_json_object(j, "value");
    pg_json_string(j, "type", pg_printf(c, "urn:shareuptime:problem:%s", e->code));
    pg_json_string(j, "title", e->doc);
    pg_json_number(j, "status", e->http_status);
    pg_json_string(j, "code", e->code);
    if (!e->own && e->platform == SUT_ERR_INVALID) {
        pg_json_array(j, "errors");
        pg_json_object(j, NULL);
        pg_json_string(j, "pointer", "/field");
        pg_json_string(j, "code", "required");
        pg_json_string(j, "message", "is required");
        pg_json_end_object(j);
        pg_json_end_array(j);
    }
    pg_json_string(j, "trace_id", "4bf92f3577b34da6a3ce929d0e0e4736");
    pg_json_end_object(j);
    pg_json_end_object(j);
}

static void put_content(pg_json *j, pg_context *c, const group *g)
{
    pg_json_object(j, "content");
    pg_json_object(j, "application/problem+json");
    pg_json_object(j, "schema");
    pg_json_array(j, "allOf");
    pg_json_object(j, NULL);
    pg_json_string(j, "$ref", "#/components/schemas/problem");
    pg_json_end_object(j);
    pg_json_object(j, NULL);
    pg_json_object(j, "properties");
    pg_json_object(j, "code");
    pg_json_array(j, "enum");
    for (size_t i = 0; i < g->count; i++)
        pg_json_string(j, NULL, g->errors[i].code);
    pg_json_end_array(j);
    pg_json_end_object(j);
    pg_json_end_object(j);
    pg_json_end_object(j);
    pg_json_end_array(j);
    pg_json_end_object(j);
    pg_json_object(j, "examples");
    for (size_t i = 0; i < g->count; i++)
        put_example(j, c, &g->errors[i]);
    pg_json_end_object(j);
    pg_json_end_object(j);
    pg_json_end_object(j);
}

static void put_response(pg_json *j, pg_context *c, const char *key, const group *g)
{
    char *text = pg_printf(c, "%s", "");
    for (size_t i = 0; i < g->count; i++)
        text = pg_printf(c, "%s%s`%s`: %s", text, i ? " " : "", g->errors[i].code, g->errors[i].doc);
    pg_json_object(j, key);
    pg_json_string(j, "description", text);
    uint32_t status = g->errors->http_status;
    if (status == 429 || status == 503) {
        pg_json_object(j, "headers");
        pg_json_object(j, "Retry-After");
        pg_json_string(j, "description", "Seconds to wait before the next try.");
        pg_json_raw(j, "schema", "{\"type\": \"integer\", \"minimum\": 0}");
        pg_json_end_object(j);
        pg_json_end_object(j);
    }
    put_content(j, c, g);
    pg_json_end_object(j);
}

/* What is answered before a request is known to be one: 408, 417, 505 … */
static void put_other(pg_json *j)
{
    pg_json_object(j, "default");
    pg_json_string(j, "description", "Any other problem with the request.");
    pg_json_object(j, "content");
    pg_json_raw(j, "application/problem+json", "{\"schema\": {\"$ref\": \"#/components/schemas/problem\"}}");
    pg_json_end_object(j);
    pg_json_end_object(j);
}

void pg_openapi_responses(pg_json *j, pg_context *c, const pg_method *m)
{
    group g;
    for (size_t at = 0; next_group(m, &at, &g);) {
        const char *status = pg_printf(c, "%u", g.errors->http_status);
        if (!is_shared(&g)) {
            put_response(j, c, status, &g);
            continue;
        }
        pg_json_object(j, status);
        pg_json_string(j, "$ref", pg_printf(c, "#/components/responses/%s", shared_name(c, &g)));
        pg_json_end_object(j);
    }
    pg_json_object(j, "default");
    pg_json_string(j, "$ref", "#/components/responses/default");
    pg_json_end_object(j);
}

typedef struct named_group {
    const char *name;
    group g;
} named_group;

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const named_group *)a)->name, ((const named_group *)b)->name);
}

void pg_openapi_shared_responses(pg_json *j, pg_context *c, const pg_method *const *methods, size_t count)
{
    named_group *all = PG_ARRAY(c, count * SUT_ERR_PLATFORM_COUNT, named_group);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        group g;
        for (size_t at = 0; next_group(methods[i], &at, &g);)
            if (is_shared(&g))
                all[n++] = (named_group){shared_name(c, &g), g};
    }
    qsort(all, n, sizeof(*all), compare_names);
    pg_json_object(j, "responses");
    for (size_t i = 0; i < n; i++)
        if (i == 0 || strcmp(all[i].name, all[i - 1].name) != 0)
            put_response(j, c, all[i].name, &all[i].g);
    put_other(j);
    pg_json_end_object(j);
}

void pg_openapi_problem_schemas(pg_json *j)
{
    pg_json_object(j, "field_error");
    pg_json_string(j, "description", "What is wrong with one field.");
    pg_json_string(j, "type", "object");
    pg_json_raw(j, "required", "[\"pointer\", \"code\", \"message\"]");
    pg_json_object(j, "properties");
    pg_json_raw(j, "pointer",
                "{\"type\": \"string\", \"description\": \"Where, as RFC 6901 has it; parameters as /NAME.\"}");
    pg_json_raw(j, "code", "{\"type\": \"string\", \"description\": \"What kind: required, type, range, length …\"}");
    pg_json_raw(j, "message", "{\"type\": \"string\", \"description\": \"What would be right, in English.\"}");
    pg_json_end_object(j);
    pg_json_end_object(j);
    pg_json_object(j, "problem");
    pg_json_string(j, "description", "An error, as RFC 9457 has it.");
    pg_json_string(j, "type", "object");
    pg_json_raw(j, "required", "[\"type\", \"title\", \"status\", \"code\", \"trace_id\"]");
    pg_json_object(j, "properties");
    pg_json_raw(j, "type", "{\"type\": \"string\", \"format\": \"uri-reference\"}");
    pg_json_raw(j, "title", "{\"type\": \"string\"}");
    pg_json_raw(j, "status", "{\"type\": \"integer\", \"minimum\": 400, \"maximum\": 599}");
    pg_json_raw(j, "detail", "{\"type\": \"string\"}");
    pg_json_raw(j, "code", "{\"type\": \"string\", \"description\": \"Stable; programs look at this one.\"}");
    pg_json_raw(j, "errors", "{\"type\": \"array\", \"items\": {\"$ref\": \"#/components/schemas/field_error\"}}");
    pg_json_raw(j, "trace_id", "{\"type\": \"string\", \"description\": \"Finds the request in our logs.\"}");
    pg_json_end_object(j);
    pg_json_end_object(j);
}
