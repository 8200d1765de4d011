/* Which route, and what is answered without one: 404, 405, OPTIONS, the edge's own pages. */
#include "api.h"

#include "problem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static sut_status set_up(sut_api *api, const sut_api_options *opt, char *error, size_t error_size)
{
    sut_status st = sut_router_new(&api->router);
    if (st == 0)
        st = sut_health_page_new(&api->health);
    if (st == 0)
        st = sut_router_add(api->router, "GET", "/health", NULL, SUT_PAGE_HEALTH);
    if (st == 0)
        st = sut_router_add(api->router, "GET", "/openapi.json", NULL, SUT_PAGE_OPENAPI);
    if (st == 0)
        st = sut_router_add_schemas(api->router, error, error_size);
    if (st == 0)
        st = sut_cors_init(&api->cors, opt->cors_origins, error, error_size);
    return st;
}

sut_status sut_api_new(sut_api **out, const sut_api_options *opt, char *error, size_t error_size)
{
    *out = NULL;
    (void)snprintf(error, error_size, "out of memory");
    sut_api *api = calloc(1, sizeof(*api));
    if (!api)
        return SUT_TRACE(-ENOMEM, "api");
    api->gate = opt->gate;
    api->bridge = opt->bridge;
    api->body_bytes = opt->body_bytes;
    sut_status st = set_up(api, opt, error, error_size);
    if (st) {
        sut_api_free(api);
        return st;
    }
    *out = api;
    return 0;
}

sut_api *sut_api_free(sut_api *api)
{
    if (!api)
        return NULL;
    sut_router_free(api->router);
    sut_health_page_free(api->health);
    free(api);
    return NULL;
}

void sut_api_drain(sut_api *api)
{
    sut_health_page_drain(api->health);
}

static sut_str allow_header(sut_exchange *x, unsigned verbs)
{
    char allow[SUT_ALLOW_SIZE];
    sut_router_allow(verbs, allow);
    return sut_arena_printf(x->arena, "Allow: %s\r\n", allow);
}

/* OPTIONS, as a question or as a browser's preflight: needs no token, tells only what the documents say. */
static void answer_options(sut_api *api, sut_exchange *x, unsigned verbs)
{
    char allow[SUT_ALLOW_SIZE];
    sut_router_allow(verbs, allow);
    size_t count;
    (void)sut_http_header_of(&x->rq, "Access-Control-Request-Method", &count);
    x->common_headers = sut_cors_headers(&api->cors, &x->rq, allow, count == 1, x->arena);
    sut_exchange_send(x, &(sut_response){.status = 204, .headers = allow_header(x, verbs)});
}

static void answer_page(sut_api *api, sut_exchange *x, sut_page page)
{
    if (page == SUT_PAGE_HEALTH)
        sut_health_page_answer(api->health, x);
    else
        sut_openapi_answer(x);
}

static void route(sut_api *api, sut_exchange *x)
{
    sut_str segments[SUT_PATH_SEGMENTS_MAX];
    sut_route_match match = {0};
    size_t count;
    sut_status st = sut_uri_segments(x->rq.path, x->arena, segments, &count);
    if (st == -EINVAL) {
        sut_problem_error(x, SUT_ERR_BAD_REQUEST, "the path has a dot segment or is not UTF-8", SUT_STR_NONE);
        return;
    }
    if (st == 0)
        sut_router_find(api->router, x->rq.method, segments, count, &match);
    if (!match.verbs)
        sut_problem_error(x, SUT_ERR_NOT_FOUND, "there is nothing at this path", SUT_STR_NONE);
    else if (sut_str_is(x->rq.method, "OPTIONS"))
        answer_options(api, x, match.verbs);
    else if (!match.route)
        sut_problem_error(x, SUT_ERR_METHOD_NOT_ALLOWED, NULL, allow_header(x, match.verbs));
    else if (!match.route->method)
        answer_page(api, x, match.route->page);
    else
        sut_api_call(api, x, &match);
}

void sut_api_handle(void *arg, sut_exchange *x)
{
    sut_api *api = arg;
    bool read = sut_str_is(x->rq.method, "GET") || sut_str_is(x->rq.method, "HEAD");
    if (read && sut_str_is(x->rq.path, "/health")) { /* asked often by balancers: no route, no arena */
        sut_health_page_answer(api->health, x);
        return;
    }
    x->common_headers = sut_cors_headers(&api->cors, &x->rq, "", false, x->arena);
    route(api, x);
}
