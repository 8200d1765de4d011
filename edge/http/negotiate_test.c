#include "cors.h"
#include "negotiate.h"
#include "proxy.h"

#include <criterion/criterion.h>
#include <errno.h>

TestSuite(negotiate, .timeout = 30);

static sut_http_request with(const sut_http_header *headers, size_t count)
{
    return (sut_http_request){.headers = headers, .header_count = count};
}

static bool accepts(const char *value)
{
    const sut_http_header h[] = {{"accept", value}};
    sut_http_request rq = with(h, 1);
    return sut_accepts_json(&rq);
}

Test(negotiate, accept)
{
    static const char *const yes[] = {"*/*",
                                      "application/json",
                                      "application/*",
                                      "text/html, application/json;q=0.001",
                                      "text/html, */*;q=0.1",
                                      "",
                                      " , ",
                                      "Application/JSON;charset=\"a,b\"",
                                      "application/json;q=1.0, */*;q=0"};
    static const char *const no[] = {"text/html",
                                     "application/xml",
                                     "application/json;q=0",
                                     "*/*;q=0.000",
                                     "application/json;q=0, */*",
                                     "application/json;q=0.0, application/*;q=0.5",
                                     "application/jsonp",
                                     "json",
                                     "application/problem+json"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(yes); i++)
        cr_assert(accepts(yes[i]), "%s", yes[i]);
    for (size_t i = 0; i < SUT_ARRAY_LEN(no); i++)
        cr_assert_not(accepts(no[i]), "%s", no[i]);
    sut_http_request rq = with(NULL, 0);
    cr_assert(sut_accepts_json(&rq));
}

static bool sends(const char *type, const char *encoding)
{
    const sut_http_header h[] = {{"Content-Type", type}, {"Content-Encoding", encoding}};
    sut_http_request rq = with(h, encoding ? 2 : 1);
    return sut_sends_json(&rq);
}

Test(negotiate, content_type)
{
    cr_assert(sends("application/json", NULL));
    cr_assert(sends("application/json ; Charset=UTF-8", NULL));
    cr_assert(sends("APPLICATION/json;charset=\"utf-8\"", "identity"));
    cr_assert(sends("application/json; profile=x", NULL));
    cr_assert_not(sends("application/json; charset=utf-16", NULL));
    cr_assert_not(sends("application/json5", NULL));
    cr_assert_not(sends("text/json", NULL));
    cr_assert_not(sends("", NULL));
    cr_assert_not(sends("application/json", "gzip"));
    const sut_http_header twice[] = {{"Content-Type", "application/json"}, {"Content-Type", "application/json"}};
    sut_http_request rq = with(twice, 2);
    cr_assert_not(sut_sends_json(&rq));
}

Test(negotiate, origins)
{
    char error[256];
    sut_cors c;
    static const char *const wrong[] = {"example.org", "https://", "https://a/", "https://a b",
                                        "ftp://a",     ",",        "https://a,,"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(wrong); i++)
        cr_assert_eq(sut_cors_init(&c, wrong[i], error, sizeof(error)), -EINVAL, "%s", wrong[i]);
    sut_arena *a = NULL;
    cr_assert_eq(sut_arena_new(&a, 0), 0);
    const sut_http_header ours[] = {{"Origin", "https://a.example"}}, evil[] = {{"Origin", "https://a.example.evil"}};
    sut_http_request from_ours = with(ours, 1), from_evil = with(evil, 1);
    cr_assert_eq(sut_cors_init(&c, "", error, sizeof(error)), 0);
    cr_assert_null(sut_cors_headers(&c, &from_ours, "", false, a).ptr);
    cr_assert_eq(sut_cors_init(&c, "http://x:1,https://a.example", error, sizeof(error)), 0);
    cr_assert(strstr(sut_cors_headers(&c, &from_ours, "", false, a).ptr, "Allow-Origin: https://a.example\r\n"));
    cr_assert_null(strstr(sut_cors_headers(&c, &from_evil, "", true, a).ptr, "Allow-Origin"));
    cr_assert(strstr(sut_cors_headers(&c, &from_ours, "PUT", true, a).ptr, "Allow-Methods: PUT\r\n"));
    cr_assert_eq(sut_cors_init(&c, "*", error, sizeof(error)), 0);
    cr_assert(strstr(sut_cors_headers(&c, &from_evil, "", false, a).ptr, "Allow-Origin: *\r\n"));
    sut_arena_free(a);
}

static sut_str client(const char *forwarded)
{
    const sut_http_header h[] = {{"X-Forwarded-For", forwarded}};
    sut_http_request rq = with(h, 1);
    return sut_proxy_client(&rq, SUT_STR("127.0.0.1"));
}

Test(negotiate, the_last_forwarded_address_counts)
{
    cr_assert(sut_str_is(client("10.0.0.1"), "10.0.0.1"));
    cr_assert(sut_str_is(client("1.1.1.1,  10.0.0.2"), "10.0.0.2"));
    cr_assert(sut_str_is(client("x, 2001:db8::1"), "2001:db8::1"));
    cr_assert(sut_str_is(client("10.0.0.1, unknown"), "127.0.0.1"));
    cr_assert(sut_str_is(client("10.0.0.1,"), "127.0.0.1"));
    cr_assert(sut_str_is(client(""), "127.0.0.1"));
    const sut_http_header twice[] = {{"X-Forwarded-For", "10.0.0.1"}, {"X-Forwarded-For", "10.0.0.2"}};
    sut_http_request rq = with(twice, 2), none = with(NULL, 0);
    cr_assert(sut_str_is(sut_proxy_client(&rq, SUT_STR("127.0.0.1")), "127.0.0.1"));
    cr_assert(sut_str_is(sut_proxy_client(&none, SUT_STR("127.0.0.1")), "127.0.0.1"));
}
