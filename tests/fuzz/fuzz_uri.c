/* Request targets: percent escapes, path segments, query parameters, and the router that gets them. */
#include "fuzz.h"
#include "router.h"

/* What is decoded is text: UTF-8 without NUL. */
static void check_text(sut_str s)
{
    MUST(s.ptr && sut_utf8_valid(s, NULL) && !memchr(s.ptr, 0, s.len));
}

static void check_path(const sut_router *router, sut_str path, sut_arena *a)
{
    static const char *const verbs[] = {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "BREW"};
    sut_str segments[SUT_PATH_SEGMENTS_MAX];
    size_t count = 0;
    if (sut_uri_segments(path, a, segments, &count))
        return;
    MUST(count <= SUT_PATH_SEGMENTS_MAX);
    for (size_t i = 0; i < count; i++) {
        check_text(segments[i]);
        MUST(!sut_str_is(segments[i], ".") && !sut_str_is(segments[i], ".."));
    }
    for (size_t i = 0; i < SUT_ARRAY_LEN(verbs); i++) {
        sut_route_match match;
        char allow[SUT_ALLOW_SIZE];
        sut_router_find(router, sut_str_from(verbs[i]), segments, count, &match);
        MUST(match.param_count <= SUT_ROUTE_PARAMS_MAX && (!match.route || match.verbs));
        if (match.verbs)
            sut_router_allow(match.verbs, allow);
    }
}

static void check_query(sut_str query, sut_arena *a)
{
    sut_query_param params[SUT_QUERY_PARAMS_MAX];
    size_t count = 0;
    if (sut_uri_query(query, a, params, &count))
        return;
    MUST(count <= SUT_QUERY_PARAMS_MAX);
    for (size_t i = 0; i < count; i++) {
        check_text(params[i].name);
        check_text(params[i].value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sut_router *router;
    char error[200];
    if (!router) {
        MUST(sut_router_new(&router) == 0);
        MUST(sut_router_add_schemas(router, error, sizeof error) == 0);
    }
    FUZZ_ARENA(a);
    const sut_str input = {(const char *)data, size};
    sut_str decoded = sut_uri_decode(input, false, a);
    if (decoded.ptr)
        check_text(decoded);
    check_path(router, input, a);
    check_query(input, a);
    return 0;
}
