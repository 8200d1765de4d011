/* Formats, patterns, dates, base64. */
#include "runtime.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <pthread.h>

TestSuite(format, .timeout = 60);

static void expect_format(sut_format format, const char *const *good, const char *const *bad)
{
    for (; *good; good++)
        cr_expect_null(sut_format_fault((uint8_t)format, sut_str_from(*good)), "%s is refused", *good);
    for (; *bad; bad++)
        cr_expect_not_null(sut_format_fault((uint8_t)format, sut_str_from(*bad)), "%s is taken", *bad);
}
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

Test(format, email)
{
    expect_format(SUT_FMT_EMAIL,
                  LIST("a@b.co", "first.last+tag@sub.example.org", "o'neil@example.com", "x_y-z@a-b.io", "1@2.com",
                       A63 "a@" A63 ".org", "a@xn--bcher-kva.example"),
                  LIST("", "a", "@b.co", "a@", "a@b", "a@b.", "a@.co", "a@@b.co", "a@b@c.co", ".a@b.co", "a.@b.co",
                       "a..b@c.co", "a b@c.co", "a@b c.co", "a@-b.co", "a@b-.co", "a@b..co", "a@127.0.0.1", "a@b.3com",
                       "\"a\"@b.co", "a@[::1]", "a@b.c\xc3\xb6", "\xc3\xa4@b.co", A63 "aa@b.co", "a@" A63 "a.org",
                       "a@b.co\n", "a@b.co "));
    char exact[256];
    memset(exact, 'a', 255);
    memcpy(exact + 1, "@", 1);
    for (int i = 62; i < 250; i += 60)
        exact[i] = '.';
    memcpy(exact + 250, ".org", 5);
    cr_assert_null(sut_format_fault(SUT_FMT_EMAIL, (sut_str){exact, 254}));
    memcpy(exact + 250, "a.org", 6);
    cr_assert_not_null(sut_format_fault(SUT_FMT_EMAIL, (sut_str){exact, 255}));
}

Test(format, uris)
{
    expect_format(SUT_FMT_URI, LIST("urn:isbn:0451450523", "mailto:a@b.co", "http://x/", "a+b-c.d:x", "x:%41"),
                  LIST("", "x", ":", "x:", ":x", "1x:y", "x:a b", "x:%4", "x:%4g", "x:<y>", "x:\xc3\xa9", "x y:z"));
    expect_format(SUT_FMT_HTTP_URI,
                  LIST("http://example.org", "HTTPS://Example.org/a?b=c#d", "http://localhost:8080/", "http://10.0.0.1",
                       "http://[::1]:80/x", "https://a.b/%20", "http://h?q"),
                  LIST("", "http://", "http:///x", "ftp://a.b", "javascript:alert(1)", "//a.b", "http:a.b",
                       "http://user@a.b", "http://user:pw@a.b", "http://a.b:0", "http://a.b:65536",
                       "http://a.b:", "http://a.b:x", "http://-a.b", "http://a..b", "http://a b", "http://[::1",
                       "http://[x]", "http://a.b/%zz", "http://a.b\\@c.d", "https://a.b/\n"));
}

Test(format, names_and_numbers)
{
    expect_format(SUT_FMT_USERNAME, LIST("a", "ann", "ann_b", "a.b-c", "9lives", "a_", "a__b"),
                  LIST("", "_a", ".a", "-a", "a.", "a-", "a..b", "a.-b", "a b", "a@b", "\xc3\xa4nn", "a/b"));
    /* Cyrillic a, Greek omicron, fullwidth a, combining and composed accents, zero width, bidi, soft hyphen, emoji. */
    expect_format(SUT_FMT_USERNAME, LIST("ann"),
                  LIST("\u0430nn", "b\u03bfb", "\uff41nn", "e\u0301va", "\u00e9va", "an\u200bn", "an\u200dn",
                       "an\ufeffn", "\u200fann", "\u202eann", "ann\u2066", "an\u00adn", "ann\U0001f984", "an\an"));
    expect_format(SUT_FMT_UUID, LIST("123e4567-e89b-42d3-a456-426614174000", "123E4567-E89B-42D3-A456-426614174000"),
                  LIST("", "123e4567e89b42d3a456426614174000", "123e4567-e89b-42d3-a456-42661417400",
                       "123e4567-e89b-42d3-a456-42661417400g", "123e4567-e89b-42d3-a456+426614174000"));
    expect_format(SUT_FMT_HEX, LIST("", "00", "deadBEEF"), LIST("0", "0g", "0x00", "00 "));
    expect_format(SUT_FMT_BASE64URL, LIST("", "YQ", "YWI", "-_09azAZ"), LIST("Y", "YQ==", "Y+", "Y/Aa", "YWJjY"));
}

Test(format, places_and_tongues)
{
    expect_format(SUT_FMT_LOCALE, LIST("en", "deu", "pt-BR", "zh-Hant-TW", "de-1996", "sl-rozaj-biske"),
                  LIST("", "e", "engl", "e1", "en-", "-en", "en--US", "en_US", "en-123456789", "en-\xc3\xa4"));
    expect_format(SUT_FMT_TIMEZONE,
                  LIST("UTC", "Europe/Madrid", "America/Argentina/Salta", "Etc/GMT+5", "America/Port-au-Prince"),
                  LIST("", "/", "Europe/", "/Madrid", "Europe//Madrid", "../etc/passwd", "Europe/Ma drid", "a/b/c/d",
                       "+05:00", "Europe/1"));
}

Test(format, unknown_formats_let_nothing_pass)
{
    cr_assert_not_null(sut_format_fault(200, SUT_STR("x")));
    cr_assert_not_null(sut_format_fault(SUT_FMT_PAST_DATE, SUT_STR("x")));
    cr_assert_null(sut_format_fault(SUT_FMT_NONE, SUT_STR("")));
}

Test(format, patterns_match_all_of_the_text)
{
    cr_assert_eq(sut_pattern_match("[a-z]+", SUT_STR("abc")), 1);
    cr_assert_eq(sut_pattern_match("[a-z]+", SUT_STR("abc1")), 0);
    cr_assert_eq(sut_pattern_match("[a-z]+", SUT_STR("1abc")), 0);
    cr_assert_eq(sut_pattern_match("a|ab", SUT_STR("ab")), 1, "the anchors hold for each alternative");
    cr_assert_eq(sut_pattern_match("a|b", SUT_STR("ab")), 0);
    cr_assert_eq(sut_pattern_match("^a$", SUT_STR("a\n")), 0);
    cr_assert_eq(sut_pattern_match("\\p{L}{2}", SUT_STR("\xc3\xa9\xc3\xa9")), 1);
    cr_assert_eq(sut_pattern_match(".", SUT_STR("\xe2\x82\xac")), 1, "a character, not a byte");
    cr_assert_eq(sut_pattern_match("", SUT_STR_NONE), 1);
}

Test(format, patterns_that_do_not_compile_let_nothing_pass)
{
    cr_assert_lt(sut_pattern_match("[a-", SUT_STR("a")), 0);
    cr_assert_lt(sut_pattern_match("\\C", SUT_STR("a")), 0);
}

Test(format, no_pattern_hangs)
{
    static char text[50000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '!';
    static const char *const evil[] = {"(a+)+", "(a|a)*", "(a|aa)+", "(.*a){20}", "(?:a*)*b", "(a*)*\\1b"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(evil); i++)
        cr_expect_eq(sut_pattern_match(evil[i], (sut_str){text, sizeof text}), 0, "%s", evil[i]);
}

Test(format, one_pointer_may_come_to_mean_another_pattern)
{
    char pattern[8] = "a+";
    cr_assert_eq(sut_pattern_match(pattern, SUT_STR("aa")), 1);
    strcpy(pattern, "b+");
    cr_assert_eq(sut_pattern_match(pattern, SUT_STR("aa")), 0);
    cr_assert_eq(sut_pattern_match(pattern, SUT_STR("bb")), 1);
}

static const char *const s_shared[] = {"[a-z]{1}x", "[a-z]{2}x", "[a-z]{3}x", "[a-z]{4}x"};

static void *match_all(void *arg)
{
    (void)arg;
    size_t right = 0;
    for (int round = 0; round < 500; round++)
        for (size_t i = 0; i < SUT_ARRAY_LEN(s_shared); i++)
            right += sut_pattern_match(s_shared[i], (sut_str){&"abcdx"[3 - i], i + 2}) == 1;
    return right == 500 * SUT_ARRAY_LEN(s_shared) ? NULL : (void *)1;
}

Test(format, patterns_are_shared_by_threads)
{
    pthread_t threads[8];
    for (size_t i = 0; i < SUT_ARRAY_LEN(threads); i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, match_all, NULL), 0);
    for (size_t i = 0; i < SUT_ARRAY_LEN(threads); i++) {
        void *wrong;
        cr_assert_eq(pthread_join(threads[i], &wrong), 0);
        cr_assert_null(wrong);
    }
}

Test(format, dates_come_back)
{
    char text[11];
    int32_t back;
    for (int32_t days = SUT_DATE_MIN; days <= SUT_DATE_MAX; days += 1 + (days % 7 == 0 ? 30 : 0)) {
        sut_date_format(days, text);
        cr_assert(sut_date_parse(sut_str_from(text), &back) && back == days, "%s is %d, not %d", text, back, days);
    }
    sut_date_format(0, text);
    cr_assert_str_eq(text, "1970-01-01");
    sut_date_format(SUT_DATE_MAX, text);
    cr_assert_str_eq(text, "9999-12-31");
    sut_date_format(SUT_DATE_MIN, text);
    cr_assert_str_eq(text, "0001-01-01");
    sut_date_format(11016, text);
    cr_assert_str_eq(text, "2000-02-29");
}

Test(format, dates_that_are_none)
{
    static const char *const bad[] = {"",           "2000-1-01",  "2000-01-1",  "2000-00-01",  "2000-13-01",
                                      "2000-01-00", "2000-01-32", "2000-04-31", "1900-02-29",  "2001-02-29",
                                      "0000-01-01", "2000/01/01", "20000101",   "2000-01-01 ", "+200-01-01",
                                      "-001-01-01", "2000-01-0a"};
    int32_t days;
    for (size_t i = 0; i < SUT_ARRAY_LEN(bad); i++)
        cr_expect_not(sut_date_parse(sut_str_from(bad[i]), &days), "%s", bad[i]);
    cr_assert(sut_date_parse(SUT_STR("2000-02-29"), &days));
}

Test(format, times)
{
    static const struct {
        const char *text;
        int64_t us;
    } good[] = {{"1970-01-01T00:00:00Z", 0},
                {"1970-01-01t00:00:00z", 0},
                {"1970-01-01T00:00:00.000001Z", 1},
                {"1970-01-01T00:00:00.5Z", 500000},
                {"1970-01-01T00:00:00.1234567Z", 123456},
                {"1969-12-31T23:59:59.999999Z", -1},
                {"1970-01-01T01:00:00+01:00", 0},
                {"1969-12-31T18:30:00-05:30", 0},
                {"2026-01-02T03:04:05-00:00", INT64_C(1767323045000000)},
                {"9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999)}};
    static const char *const bad[] = {"",
                                      "1970-01-01",
                                      "1970-01-01T00:00:00",
                                      "1970-01-01 00:00:00Z",
                                      "1970-01-01T24:00:00Z",
                                      "1970-01-01T00:60:00Z",
                                      "1970-01-01T00:00:60Z",
                                      "1970-01-01T00:00:00.Z",
                                      "1970-01-01T00:00:00+0100",
                                      "1970-01-01T00:00:00+24:00",
                                      "1970-01-01T00:00:00+01:60",
                                      "1970-01-01T00:00:00ZZ",
                                      "1970-01-01T00:00Z",
                                      "1970-02-30T00:00:00Z",
                                      "0001-01-01T00:00:00+00:01",
                                      "9999-12-31T23:59:59-00:01",
                                      "1970-01-01T00:00:0 Z"};
    int64_t us;
    for (size_t i = 0; i < SUT_ARRAY_LEN(good); i++) {
        cr_assert(sut_rfc3339_parse(sut_str_from(good[i].text), &us), "%s", good[i].text);
        cr_expect_eq(us, good[i].us, "%s is %lld", good[i].text, (long long)us);
    }
    for (size_t i = 0; i < SUT_ARRAY_LEN(bad); i++)
        cr_expect_not(sut_rfc3339_parse(sut_str_from(bad[i]), &us), "%s", bad[i]);
}

Test(format, times_come_back)
{
    uint64_t seed = 3;
    for (int i = 0; i < 10000; i++) {
        char text[SUT_RFC3339_SIZE];
        int64_t back, us = (int64_t)(sut_prng(&seed) % UINT64_C(253402300799999999));
        sut_rfc3339(us, text);
        cr_assert(sut_rfc3339_parse(sut_str_from(text), &back) && back == us, "%s", text);
    }
}

Test(format, base64_of_rfc_4648)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(pairs); i++) {
        uint8_t text[16], bytes[16];
        size_t len;
        sut_str want = sut_str_from(pairs[i][1]);
        cr_assert_eq((size_t)(sut_base64_encode(pairs[i][0], strlen(pairs[i][0]), text) - text), want.len);
        cr_assert_eq(memcmp(text, want.ptr, want.len), 0);
        cr_assert(sut_base64_decode(want, bytes, &len));
        cr_assert(len == strlen(pairs[i][0]) && memcmp(bytes, pairs[i][0], len) == 0);
    }
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "Z===", "Zg==Zg==", "Zm9v\n", "Zm-_", "=Zg="};
    for (size_t i = 0; i < SUT_ARRAY_LEN(bad); i++) {
        uint8_t bytes[16];
        size_t len;
        cr_expect_not(sut_base64_decode(sut_str_from(bad[i]), bytes, &len), "%s", bad[i]);
    }
}
