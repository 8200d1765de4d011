/* Compares the Origin header with the list, byte by byte: an origin is not a pattern. */
#include "cors.h"

#include <errno.h>
#include <stdio.h>

static bool is_origin(sut_str s)
{
    size_t scheme = 0;
    if (s.len > 7 && memcmp(s.ptr, "http://", 7) == 0)
        scheme = 7;
    else if (s.len > 8 && memcmp(s.ptr, "https://", 8) == 0)
        scheme = 8;
    for (size_t i = scheme; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c > '~' || c == '/' || c == '"')
            return false;
    }
    return scheme > 0;
}

sut_status sut_cors_init(sut_cors *c, const char *origins, char *error, size_t error_size)
{
    memset(c, 0, sizeof(*c));
    if (strcmp(origins, "*") == 0) {
        c->any = true;
        return 0;
    }
    for (const char *at = origins; *at;) {
        sut_str origin = {at, strcspn(at, ",")};
        if (!is_origin(origin) || c->count == SUT_CORS_ORIGINS_MAX) {
            (void)snprintf(error, error_size,
                           "CORS_ORIGINS: at most %d origins such as https://app.example.org, parted by commas, or *",
                           SUT_CORS_ORIGINS_MAX);
            return -EINVAL;
        }
        c->origins[c->count++] = origin;
        at += origin.len + (at[origin.len] == ',');
    }
    return 0;
}

static bool allowed(const sut_cors *c, sut_str origin)
{
    for (size_t i = 0; i < c->count; i++) {
        if (sut_str_eq(c->origins[i], origin))
            return true;
    }
    return c->any;
}

sut_str sut_cors_headers(const sut_cors *c, const sut_http_request *rq, const char *allow, bool preflight, sut_arena *a)
{
    size_t count;
    if (!c->any && c->count == 0)
        return SUT_STR_NONE;
    sut_str origin = sut_http_header_of(rq, "Origin", &count);
    if (count != 1 || !allowed(c, origin) || !is_origin(origin))
        return c->any ? SUT_STR_NONE : SUT_STR("Vary: Origin\r\n");
    sut_str shown = c->any ? SUT_STR("*") : origin;
    sut_str base = sut_arena_printf(a,
                                    "Access-Control-Allow-Origin: %.*s\r\n"
                                    "Access-Control-Expose-Headers: X-Request-Id, Retry-After, RateLimit-Limit, "
                                    "RateLimit-Remaining, RateLimit-Reset\r\n%s",
                                    SUT_STR_FMT(shown), c->any ? "" : "Vary: Origin\r\n");
    if (!preflight || !base.ptr)
        return base;
    return sut_arena_printf(
        a,
        "%.*sAccess-Control-Allow-Methods: %s\r\n"
        "Access-Control-Allow-Headers: Authorization, Content-Type, Idempotency-Key, traceparent\r\n"
        "Access-Control-Max-Age: 600\r\n",
        SUT_STR_FMT(base), allow);
}
