#include "uri.h"

#include <criterion/criterion.h>
#include <errno.h>

TestSuite(uri, .timeout = 30);

static sut_arena *s_arena;

static void set_up(void)
{
    cr_assert_eq(sut_arena_new(&s_arena, 0), 0);
}

static void tear_down(void)
{
    s_arena = sut_arena_free(s_arena);
}

Test(uri, decode, .init = set_up, .fini = tear_down)
{
    cr_assert(sut_str_is(sut_uri_decode(SUT_STR("a%20b%C3%A9"), false, s_arena), "a b\xc3\xa9"));
    cr_assert(sut_str_is(sut_uri_decode(SUT_STR("a+b"), false, s_arena), "a+b"));
    cr_assert(sut_str_is(sut_uri_decode(SUT_STR("a+b%2B"), true, s_arena), "a b+"));
    cr_assert(sut_str_is(sut_uri_decode(SUT_STR(""), true, s_arena), ""));
    static const char *const wrong[] = {"%", "%4", "a%", "%zz", "%00", "%c3", "%ed%a0%80", "%c0%80", "%f5%80%80%80"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(wrong); i++)
        cr_assert_null(sut_uri_decode(sut_str_from(wrong[i]), true, s_arena).ptr, "%s", wrong[i]);
    cr_assert_null(sut_uri_decode((sut_str){"a\0b", 3}, true, s_arena).ptr);
}

Test(uri, segments, .init = set_up, .fini = tear_down)
{
    sut_str out[SUT_PATH_SEGMENTS_MAX];
    size_t n;
    cr_assert_eq(sut_uri_segments(SUT_STR("/a/b%2Fc/"), s_arena, out, &n), 0);
    cr_assert_eq(n, 3);
    cr_assert(sut_str_is(out[0], "a") && sut_str_is(out[1], "b/c") && sut_str_is(out[2], ""));
    cr_assert_eq(sut_uri_segments(SUT_STR("/"), s_arena, out, &n), 0);
    cr_assert_eq(n, 1);
    cr_assert_eq(sut_uri_segments(SUT_STR("//x"), s_arena, out, &n), 0);
    cr_assert_eq(n, 2);
    static const char *const wrong[] = {"", "a", "/.", "/..", "/a/../b", "/%2e", "/%2E%2e/x", "/%zz", "/%ff"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(wrong); i++)
        cr_assert_eq(sut_uri_segments(sut_str_from(wrong[i]), s_arena, out, &n), -EINVAL, "%s", wrong[i]);
    cr_assert_eq(sut_uri_segments(SUT_STR("/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g"), s_arena, out, &n), 0);
    cr_assert_eq(sut_uri_segments(SUT_STR("/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h"), s_arena, out, &n), -E2BIG);
    cr_assert_eq(sut_uri_segments(SUT_STR("/.../..a"), s_arena, out, &n), 0);
}

Test(uri, query, .init = set_up, .fini = tear_down)
{
    sut_query_param out[SUT_QUERY_PARAMS_MAX];
    size_t n;
    cr_assert_eq(sut_uri_query(SUT_STR("a=1&b=x+y%26&c&&d==&=e"), s_arena, out, &n), 0);
    cr_assert_eq(n, 5);
    cr_assert(sut_str_is(out[0].name, "a") && sut_str_is(out[0].value, "1"));
    cr_assert(sut_str_is(out[1].name, "b") && sut_str_is(out[1].value, "x y&"));
    cr_assert(sut_str_is(out[2].name, "c") && sut_str_is(out[2].value, ""));
    cr_assert(sut_str_is(out[3].name, "d") && sut_str_is(out[3].value, "="));
    cr_assert(sut_str_is(out[4].name, "") && sut_str_is(out[4].value, "e"));
    cr_assert_eq(sut_uri_query(SUT_STR_NONE, s_arena, out, &n), 0);
    cr_assert_eq(n, 0);
    cr_assert_eq(sut_uri_query(SUT_STR("a=%"), s_arena, out, &n), -EINVAL);
    cr_assert_eq(sut_uri_query(SUT_STR("%ff=1"), s_arena, out, &n), -EINVAL);
    char many[65 * 2];
    for (size_t i = 0; i < sizeof(many); i++)
        many[i] = i % 2 ? '&' : 'a';
    cr_assert_eq(sut_uri_query((sut_str){many, sizeof(many)}, s_arena, out, &n), -E2BIG);
    cr_assert_eq(sut_uri_query((sut_str){many, sizeof(many) - 2}, s_arena, out, &n), 0);
}
