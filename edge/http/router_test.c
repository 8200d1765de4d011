#include "router.h"

#include <criterion/criterion.h>
#include <errno.h>

static void tear_down(void);
TestSuite(router, .timeout = 30, .fini = tear_down);

static const sut_field s_id = {.name = "user_id"}, s_other = {.name = "comment_id"};
static const sut_http_source s_one[] = {{&s_id, SUT_FROM_PATH, "id"}};
static const sut_http_source s_two[] = {
    {&s_other, SUT_FROM_PATH, "cid"}, {&s_id, SUT_FROM_PATH, "id"}, {&s_id, SUT_FROM_QUERY, "id"}};
static const sut_http_route s_http_none = {.source_count = 0}, s_http_one = {.sources = s_one, .source_count = 1},
                            s_http_two = {.sources = s_two, .source_count = 3};
static const sut_method s_plain = {.name = "t.plain", .http = &s_http_none},
                        s_by_id = {.name = "t.by_id", .http = &s_http_one},
                        s_by_two = {.name = "t.by_two", .http = &s_http_two};

static sut_router *make(void)
{
    sut_router *r = NULL;
    cr_assert_eq(sut_router_new(&r), 0);
    cr_assert_eq(sut_router_add(r, "GET", "/health", NULL, SUT_PAGE_HEALTH), 0);
    cr_assert_eq(sut_router_add(r, "GET", "/api/users/search", &s_plain, SUT_PAGE_NONE), 0);
    cr_assert_eq(sut_router_add(r, "GET", "/api/users/:id", &s_by_id, SUT_PAGE_NONE), 0);
    cr_assert_eq(sut_router_add(r, "PUT", "/api/users/:id", &s_by_id, SUT_PAGE_NONE), 0);
    cr_assert_eq(sut_router_add(r, "GET", "/api/users/:id/friends", &s_by_id, SUT_PAGE_NONE), 0);
    cr_assert_eq(sut_router_add(r, "DELETE", "/api/posts/:id/comments/:cid", &s_by_two, SUT_PAGE_NONE), 0);
    return r;
}

/* Holds the segments of the last path: what find() returns points into it. */
static sut_arena *s_arena;

static sut_route_match find(const sut_router *r, const char *verb, const char *path)
{
    sut_str segments[SUT_PATH_SEGMENTS_MAX];
    size_t count;
    sut_route_match m;
    s_arena = sut_arena_free(s_arena);
    cr_assert_eq(sut_arena_new(&s_arena, 0), 0);
    cr_assert_eq(sut_uri_segments(sut_str_from(path), s_arena, segments, &count), 0);
    sut_router_find(r, sut_str_from(verb), segments, count, &m);
    return m;
}

static void tear_down(void)
{
    s_arena = sut_arena_free(s_arena);
}

Test(router, literals_before_parameters)
{
    sut_router *r = make();
    cr_assert_eq(find(r, "GET", "/api/users/search").route->method, &s_plain);
    sut_route_match m = find(r, "GET", "/api/users/7");
    cr_assert_eq(m.route->method, &s_by_id);
    cr_assert_eq(m.param_count, 1);
    cr_assert(sut_str_is(m.params[0], "7"));
    cr_assert_eq(find(r, "GET", "/api/users/searching").route->method, &s_by_id);
    cr_assert_eq(find(r, "HEAD", "/health").route->page, SUT_PAGE_HEALTH);
    sut_router_free(r);
}

Test(router, a_literal_that_leads_nowhere_gives_way_to_a_parameter)
{
    sut_router *r = make();
    sut_route_match m = find(r, "GET", "/api/users/search/friends");
    cr_assert_not_null(m.route);
    cr_assert_eq(m.param_count, 1);
    cr_assert(sut_str_is(m.params[0], "search"));
    sut_router_free(r);
}

Test(router, parameters_are_bound_by_name)
{
    sut_router *r = make();
    sut_route_match m = find(r, "DELETE", "/api/posts/1/comments/2");
    cr_assert_eq(m.param_count, 2);
    cr_assert(sut_str_is(m.params[m.route->param_of[0]], "2"));
    cr_assert(sut_str_is(m.params[m.route->param_of[1]], "1"));
    sut_router_free(r);
}

Test(router, not_found_and_not_allowed)
{
    sut_router *r = make();
    static const char *const nowhere[] = {"/",           "/healthz", "/health/", "//health",      "/api/users",
                                          "/api/users/", "/api",     "/h",       "/api/users/7/", "/api/users/7/x"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(nowhere); i++)
        cr_assert_eq(find(r, "GET", nowhere[i]).verbs, 0, "%s", nowhere[i]);
    char allow[SUT_ALLOW_SIZE];
    sut_route_match m = find(r, "POST", "/api/users/7");
    cr_assert_null(m.route);
    sut_router_allow(m.verbs, allow);
    cr_assert_str_eq(allow, "GET, HEAD, PUT, OPTIONS");
    cr_assert_null(find(r, "TRACE", "/health").route);
    cr_assert_null(find(r, "get", "/health").route);
    sut_router_allow(~0u, allow);
    cr_assert_str_eq(allow, "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS");
    sut_router_free(r);
}

Test(router, what_cannot_be_added)
{
    sut_router *r = make();
    cr_assert_eq(sut_router_add(r, "GET", "/health", &s_plain, SUT_PAGE_NONE), -EEXIST);
    cr_assert_eq(sut_router_add(r, "GET", "/api/users/:id", &s_by_id, SUT_PAGE_NONE), -EEXIST);
    cr_assert_eq(sut_router_add(r, "TRACE", "/x", &s_plain, SUT_PAGE_NONE), -EINVAL);
    cr_assert_eq(sut_router_add(r, "GET", "x", &s_plain, SUT_PAGE_NONE), -EINVAL);
    cr_assert_eq(sut_router_add(r, "GET", "/x/:nobody", &s_by_id, SUT_PAGE_NONE), -EINVAL);
    sut_router_free(r);
}

Test(router, all_schemas)
{
    sut_router *r = NULL;
    char error[256];
    cr_assert_eq(sut_router_new(&r), 0);
    cr_assert_eq(sut_router_add_schemas(r, error, sizeof(error)), 0, "%s", error);
    for (size_t d = 0; d < sut_domain_count; d++) {
        for (size_t i = 0; i < sut_domains[d]->method_count; i++) {
            const sut_method *m = sut_domains[d]->methods[i];
            if (!m->http)
                continue;
            sut_route_match found = find(r, m->http->verb, m->http->path);
            cr_assert_not_null(found.route, "%s", m->name);
            cr_assert_eq(found.route->method, m, "%s", m->name);
        }
    }
    sut_router_free(r);
}
