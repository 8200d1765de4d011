/* Gathers what a method takes, each field from where its declaration says, and has it validated as a whole. */
#include "api.h"

#include "negotiate.h"
#include "problem.h"

#define FIELD_ERRORS_MAX 64

static void refuse_fields(sut_exchange *x, const sut_field_errors *errs)
{
    bool syntax = errs->count > 0 && sut_str_is(errs->items[0].code, "json");
    const sut_error_desc *d = sut_platform_error(syntax ? SUT_ERR_BAD_REQUEST : SUT_ERR_INVALID);
    sut_problem_send(x, &(sut_problem){.status = d->http_status,
                                       .code = d->code,
                                       .title = d->doc,
                                       .detail = errs->count > 0 ? errs->items[0].message : SUT_STR_NONE,
                                       .errors = errs->items,
                                       .error_count = errs->count});
}

typedef struct parameters {
    sut_text_value values[SUT_ROUTE_SOURCES_MAX];
    size_t count;
} parameters;

static void add(parameters *p, const sut_field *field, sut_str text)
{
    if (p->count < SUT_ARRAY_LEN(p->values))
        p->values[p->count++] = (sut_text_value){field, text};
}

static const sut_http_source *query_source(const sut_http_route *http, sut_str name)
{
    for (size_t i = 0; i < http->source_count; i++) {
        if (http->sources[i].source == SUT_FROM_QUERY && sut_str_is(name, http->sources[i].name))
            return &http->sources[i];
    }
    return NULL;
}

static sut_str pointer_to(sut_exchange *x, sut_str name)
{
    sut_str p = sut_arena_printf(x->arena, "/%.*s", SUT_STR_FMT(name));
    return p.ptr ? p : SUT_STR("");
}

/* Unknown and doubled parameters are errors by name: a misspelt filter must not be ignored. */
static bool gather_query(sut_exchange *x, const sut_http_route *http, parameters *p, sut_field_errors *errs)
{
    sut_query_param query[SUT_QUERY_PARAMS_MAX];
    size_t count;
    if (sut_uri_query(x->rq.query, x->arena, query, &count)) {
        sut_problem_error(x, SUT_ERR_BAD_REQUEST, "the query cannot be decoded or has more than 64 parameters",
                          SUT_STR_NONE);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const sut_http_source *source = query_source(http, query[i].name);
        bool doubled = false;
        for (size_t j = 0; j < i; j++)
            doubled = doubled || sut_str_eq(query[i].name, query[j].name);
        if (doubled)
            sut_field_errors_add(errs, pointer_to(x, query[i].name), "duplicate", "must be given only once");
        else if (!source)
            sut_field_errors_add(errs, pointer_to(x, query[i].name), "unknown_field", "no such query parameter");
        else
            add(p, source->field, query[i].value);
    }
    return true;
}

static bool fits(const sut_field *f, size_t bytes, size_t chars)
{
    return (f->max_bytes == 0 || bytes <= f->max_bytes) && (f->max_chars == 0 || chars <= f->max_chars);
}

/* What the edge knows of the client, whatever that says of itself: the address is the one that limits are counted by. A
 * User-Agent serves for display: one that is no text, or longer than the field takes, is left out. */
static void add_client(const sut_exchange *x, const sut_http_source *s, parameters *p)
{
    size_t count, chars;
    if (strcmp(s->name, "address") == 0) {
        add(p, s->field, x->client);
        return;
    }
    sut_str agent = sut_http_header_of(&x->rq, "User-Agent", &count);
    if (count == 1 && agent.len > 0 && sut_utf8_valid(agent, &chars) && fits(s->field, agent.len, chars))
        add(p, s->field, agent);
}

static void gather_rest(sut_exchange *x, const sut_route_match *match, parameters *p, sut_field_errors *errs)
{
    const sut_http_route *http = match->route->method->http;
    for (size_t i = 0; i < http->source_count; i++) {
        const sut_http_source *s = &http->sources[i];
        if (s->source == SUT_FROM_PATH) {
            add(p, s->field, match->params[match->route->param_of[i]]);
        } else if (s->source == SUT_FROM_HEADER) {
            size_t count;
            sut_str value = sut_http_header_of(&x->rq, s->name, &count);
            if (count > 1)
                sut_field_errors_add(errs, pointer_to(x, sut_str_from(s->field->name)), "duplicate",
                                     "the header must be given only once");
            else if (count == 1)
                add(p, s->field, value);
        } else if (s->source == SUT_FROM_CLIENT) {
            add_client(x, s, p);
        }
    }
}

static bool has(const parameters *p, const sut_field *field)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->values[i].field == field)
            return true;
    }
    return false;
}

/* A field that does not come from the body may not come in it: a pair without text says so. */
static void forbid_in_body(const sut_http_route *http, parameters *p)
{
    for (size_t i = 0; i < http->source_count; i++) {
        if (http->sources[i].source != SUT_FROM_BODY && !has(p, http->sources[i].field))
            add(p, http->sources[i].field, SUT_STR_NONE);
    }
}

/* The body's JSON; absent if there is none. False: it was answered. */
static bool read_json(sut_exchange *x, sut_str *json)
{
    *json = SUT_STR_NONE;
    if (!x->rq.chunked && x->rq.content_length == 0)
        return true;
    if (sut_str_is(x->rq.method, "GET") || sut_str_is(x->rq.method, "HEAD")) {
        sut_problem_error(x, SUT_ERR_BAD_REQUEST, "GET takes no body", SUT_STR_NONE);
        return false;
    }
    if (!sut_sends_json(&x->rq)) {
        sut_problem_error(x, SUT_ERR_UNSUPPORTED_MEDIA_TYPE, NULL, SUT_STR("Accept: application/json\r\n"));
        return false;
    }
    sut_http_fault fault = sut_exchange_body(x, json);
    if (fault.status)
        sut_problem_fault(x, &fault);
    return fault.status == 0;
}

bool sut_api_input(sut_api *api, sut_exchange *x, const sut_route_match *match, sut_buf *out)
{
    const sut_method *m = match->route->method;
    parameters p = {.count = 0};
    sut_field_errors errs;
    sut_str json;
    sut_field_errors_init(&errs, x->arena, FIELD_ERRORS_MAX);
    if (!read_json(x, &json) || !gather_query(x, m->http, &p, &errs))
        return false;
    gather_rest(x, match, &p, &errs);
    forbid_in_body(m->http, &p);
    sut_status st = errs.count > 0
                        ? SUT_RECORD_INVALID
                        : sut_request_to_body(m->in, json, p.values, p.count, api->body_bytes, x->arena, out, &errs);
    if (st == SUT_RECORD_INVALID)
        refuse_fields(x, &errs);
    else if (st)
        sut_problem_error(x, SUT_ERR_INTERNAL, NULL, SUT_STR_NONE);
    return st == 0;
}
