/* Strings: UTF-8 by the book's hostile cases, hex, decimal parse, subject globs. */
#include "base/str.h"

#include <criterion/criterion.h>

#define BYTES(literal) ((sut_str){(literal), sizeof(literal) - 1})

Test(str, well_formed_utf8_is_counted, .timeout = 5)
{
    size_t chars = 99;
    cr_assert(sut_utf8_valid(BYTES(""), &chars));
    cr_assert_eq(chars, 0);
    cr_assert(sut_utf8_valid(SUT_STR_NONE, NULL));
    cr_assert(sut_utf8_valid(BYTES("plain ascii that is longer than a word"), &chars));
    cr_assert_eq(chars, 38);
    cr_assert(sut_utf8_valid(BYTES("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80z"), &chars));
    cr_assert_eq(chars, 5);
    cr_assert(
        sut_utf8_valid(BYTES("\x00\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"), &chars));
    cr_assert_eq(chars, 8);
    cr_assert(sut_utf8_valid(BYTES("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"), &chars));
    cr_assert_eq(chars, 2);
}

Test(str, malformed_utf8_is_refused_at_every_offset, .timeout = 5)
{
    static const char *const bad[] = {"\x80",     /* continuation alone */
                                      "\xC0\xAF", /* overlong */
                                      "\xC1\xBF",
                                      "\xE0\x80\x80",
                                      "\xE0\x9F\xBF",
                                      "\xF0\x80\x80\x80",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xED\xA0\x80", /* surrogates */
                                      "\xED\xBF\xBF",
                                      "\xF4\x90\x80\x80", /* past U+10FFFF */
                                      "\xF5\x80\x80\x80",
                                      "\xFE",
                                      "\xFF",
                                      "\xC3", /* cut off */
                                      "\xE2\x82",
                                      "\xF0\x9F\x98",
                                      "\xC3(",
                                      "\xE2(\xA1",
                                      "\xE2\x82(",
                                      "\xF0\x9F\x98("};
    for (size_t i = 0; i < SUT_ARRAY_LEN(bad); i++) {
        for (size_t before = 0; before < 18; before++) {
            char text[64] = "aaaaaaaaaaaaaaaaaaaaaaaa";
            size_t n = strlen(bad[i]);
            memcpy(text + before, bad[i], n);
            cr_assert_not(sut_utf8_valid((sut_str){text, before + n}, NULL), "case %zu at %zu", i, before);
            memset(text + before + n, 'z', 9);
            cr_assert_not(sut_utf8_valid((sut_str){text, before + n + 9}, NULL), "case %zu at %zu, inside", i, before);
        }
    }
}

Test(str, hex_goes_both_ways, .timeout = 5)
{
    char text[9];
    uint8_t bytes[4];
    sut_hex("\x00\xff\x1a\xB2", 4, text);
    cr_assert_str_eq(text, "00ff1ab2");
    cr_assert(sut_unhex(SUT_STR("00fF1Ab2"), bytes, 4));
    cr_assert_arr_eq(bytes, ((uint8_t[]){0, 255, 0x1a, 0xb2}), 4);
    cr_assert_not(sut_unhex(SUT_STR("00ff1ab"), bytes, 4));
    cr_assert_not(sut_unhex(SUT_STR("00ff1ab2c"), bytes, 4));
    cr_assert_not(sut_unhex(SUT_STR("00ff1ag2"), bytes, 4));
    cr_assert_not(sut_unhex(SUT_STR("00ff1a 2"), bytes, 4));
    cr_assert(sut_unhex(SUT_STR(""), bytes, 0));
}

Test(str, decimals_are_parsed_whole_or_not_at_all, .timeout = 5)
{
    int64_t n = 0;
    cr_assert(sut_parse_i64(SUT_STR("-9223372036854775808"), INT64_MIN, INT64_MAX, &n));
    cr_assert_eq(n, INT64_MIN);
    cr_assert(sut_parse_i64(SUT_STR("9223372036854775807"), INT64_MIN, INT64_MAX, &n));
    cr_assert_eq(n, INT64_MAX);
    cr_assert(sut_parse_i64(SUT_STR("+07"), 0, 7, &n));
    cr_assert_eq(n, 7);
    static const char *const bad[] = {"",
                                      "-",
                                      "+",
                                      " 1",
                                      "1 ",
                                      "0x10",
                                      "1e3",
                                      "--1",
                                      "1.0",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999999999"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(bad); i++)
        cr_assert_not(sut_parse_i64(sut_str_from(bad[i]), INT64_MIN, INT64_MAX, &n), "\"%s\"", bad[i]);
    cr_assert_not(sut_parse_i64((sut_str){"1\0", 2}, 0, 10, &n));
    cr_assert_not(sut_parse_i64(SUT_STR("8"), 0, 7, &n));
    cr_assert_not(sut_parse_i64(SUT_STR("-1"), 0, 7, &n));
    cr_assert_eq(n, 7, "a refused parse leaves the result alone");
}

static bool match(const char *pattern, const char *subject)
{
    return sut_subject_match(sut_str_from(pattern), sut_str_from(subject));
}

Test(str, subjects_match_as_nats_has_it, .timeout = 5)
{
    cr_assert(match("post.created", "post.created"));
    cr_assert_not(match("post.created", "post.create"));
    cr_assert_not(match("post", "post.created"));
    cr_assert(match("post.*", "post.created"));
    cr_assert_not(match("post.*", "post"));
    cr_assert_not(match("post.*", "post.a.b"));
    cr_assert(match("*.created", "post.created"));
    cr_assert(match("post.>", "post.a.b"));
    cr_assert(match("post.>", "post.a"));
    cr_assert_not(match("post.>", "post"));
    cr_assert_not(match("post.>", "poster.a"));
    cr_assert(match(">", "a"));
    cr_assert(match(">", "a.b.c"));
    cr_assert_not(match(">", ""));
    cr_assert_not(match(">.a", "b.a"), "> is a wildcard only at the end");
    cr_assert_not(match("po*", "post"), "* is a whole token");
    cr_assert_not(match("post.*", "post."));
    cr_assert_not(match("post.>", "post..a"));
    cr_assert_not(match("post.>", "post.a."));
}

Test(str, secrets_compare_by_content, .timeout = 5)
{
    cr_assert(sut_secret_eq("abcd", "abcd", 4));
    cr_assert_not(sut_secret_eq("abcd", "abce", 4));
    cr_assert_not(sut_secret_eq("xbcd", "abcd", 4));
    cr_assert(sut_secret_eq("", "", 0));
}
