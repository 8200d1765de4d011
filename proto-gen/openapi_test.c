/* The patterns in the OpenAPI document take what the runtime takes. */
#include "openapi.h"

#include "bind.h"

#include <criterion/criterion.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* With a host of 253 bytes behind it. */
#define L49             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG_HOST(head) head L49 "." L49 "." L49 "." L49 "." L49 ".abc"

static const char *const s_samples[] = {"",
                                        "a",
                                        "ab",
                                        "abc",
                                        "A-b",
                                        "a.b",
                                        "a..b",
                                        "a.-b",
                                        ".a",
                                        "a.",
                                        "a-",
                                        "a_",
                                        "_a",
                                        "a__b",
                                        "a_.b",
                                        "a._b",
                                        "a b",
                                        "a@b",
                                        "a@b.c",
                                        "a@b.1",
                                        "a@b.c1",
                                        "a.b@c.de",
                                        "a..b@c.de",
                                        ".a@c.de",
                                        "a.@c.de",
                                        "a@-b.de",
                                        "a@b-.de",
                                        "a@b..de",
                                        "a+b@x.org",
                                        "a@b@c.de",
                                        "a@.de",
                                        "a@de.",
                                        "\"a\"@b.de",
                                        "a@[1.2.3.4]",
                                        "a@xn--a.de",
                                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.de",
                                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.de",
                                        "http://a",
                                        "https://a.b/c?d#e",
                                        "http://",
                                        "http:///a",
                                        "HTTP://A",
                                        "ftp://a",
                                        "http://a:80",
                                        "http://a:",
                                        "http://a:0",
                                        "http://a:65535",
                                        "http://a:65536",
                                        "http://a:100000",
                                        "http://a:8x",
                                        "http://u@a",
                                        "http://a b",
                                        "http://a/%41",
                                        "http://a/%4",
                                        "http://a/%zz",
                                        "http://[::1]/",
                                        "http://[::1",
                                        "http://a?b",
                                        "http://a#b",
                                        "http://-a",
                                        "http://a_b",
                                        "http://a.",
                                        LONG_HOST("http://"),
                                        LONG_HOST("http://a"),
                                        "mailto:a@b.de",
                                        "x:y",
                                        "x:",
                                        ":y",
                                        "1x:y",
                                        "urn:a:b",
                                        "x+1:y",
                                        "x:y z",
                                        "x:%20",
                                        "123e4567-e89b-42d3-a456-426614174000",
                                        "123e4567e89b42d3a456426614174000",
                                        "123e4567-e89b-42d3-a456-42661417400g",
                                        "0",
                                        "00",
                                        "0f0",
                                        "0F0f",
                                        "zz",
                                        "AP8",
                                        "AP8=",
                                        "AP8_",
                                        "A",
                                        "AAAAA",
                                        "AAAAAA",
                                        "a+b",
                                        "en",
                                        "e",
                                        "engl",
                                        "en-GB",
                                        "en_GB",
                                        "de-CH-1996",
                                        "x-y",
                                        "en-",
                                        "en-123456789",
                                        "e1",
                                        "UTC",
                                        "Europe/London",
                                        "America/Argentina/Salta",
                                        "Etc/GMT+5",
                                        "a/b/c/d",
                                        "/a",
                                        "a/",
                                        "a//b",
                                        "1a",
                                        "Europe/1",
                                        "é",
                                        "日本",
                                        "a\n",
                                        "\t",
                                        "%",
                                        "a%b"};

/* Does the pattern, as ECMA-262 reads it, match? */
static bool matches(const char *pattern, const char *text)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                   PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
    cr_assert_not_null(re, "%s", pattern);
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(re, NULL);
    int found = pcre2_match(re, (PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, 0, 0, data, NULL);
    pcre2_match_data_free(data);
    pcre2_code_free(re);
    return found >= 0;
}

/* Joiners, selectors, isolates and marks are right in some company only: of these the pattern has nothing to say. */
Test(openapi, patterns_of_texts_agree_with_the_runtime, .timeout = 20)
{
    static const char *const samples[] = {
        "",        "Ada",   "Zo\u00eb", "\u738b", "a\nb",    "a\r\nb",  "a\rb",
        "a\tb",    " ",     "\u3000",   "\u00a0", "a\u200b", "a\u202e", "a\u2028",
        "a\ufeff", "a\x07", "a\x7f",    "\u3164", "a\u2063", "a\ufffe", "\U0001F469\u200d\U0001F680"};
    pg_context c;
    pg_context_init(&c);
    for (int kind = SUT_TEXT_LINE; kind <= SUT_TEXT_BLOCK; kind++) {
        for (uint32_t min = 0; min < 2; min++) {
            const pg_field f = {
                .name = "f", .type = SUT_T_STRING, .text = (sut_text_kind)kind, .min_chars = min, .max_chars = 4096};
            const sut_record *desc = pg_bind_field(&c, &f);
            for (size_t i = 0; i < SUT_ARRAY_LEN(samples); i++) {
                sut_buf json;
                sut_buf_init(&json, 0);
                pg_put(&json, "{\"f\": ");
                pg_put_json_string(&json, samples[i]);
                pg_put(&json, "}");
                bool right = !pg_pack(&c, desc, pg_strdup(&c, (const char *)json.data, json.len), NULL);
                bool said = matches(pg_openapi_text_pattern(&f), samples[i]);
                bool empty = min && !*samples[i] && kind == SUT_TEXT_BLOCK; /* minLength says it */
                cr_expect(said == right || empty, "kind %d, min %u, sample %zu: the runtime %s it", kind, min, i,
                          right ? "takes" : "refuses");
                sut_buf_deinit(&json);
            }
        }
    }
    pg_context_deinit(&c);
}

Test(openapi, patterns_agree_with_the_runtime, .timeout = 20)
{
    pg_context c;
    pg_context_init(&c);
    for (int format = SUT_FMT_NONE; format < SUT_FMT_PAST_DATE; format++) {
        const pg_field f = {.name = "f", .type = SUT_T_STRING, .format = (sut_format)format, .max_chars = 4096};
        const sut_record *desc = pg_bind_field(&c, &f);
        size_t taken = 0;
        for (size_t i = 0; i < SUT_ARRAY_LEN(s_samples); i++) {
            sut_buf json;
            sut_buf_init(&json, 0);
            pg_put(&json, "{\"f\": ");
            pg_put_json_string(&json, s_samples[i]);
            pg_put(&json, "}");
            bool right = !pg_pack(&c, desc, pg_strdup(&c, (const char *)json.data, json.len), NULL);
            bool said = matches(pg_openapi_pattern((sut_format)format), s_samples[i]);
            cr_expect_eq(said, right, "format %d, \"%s\": the runtime %s it, the pattern does not", format,
                         s_samples[i], right ? "takes" : "refuses");
            taken += right;
            sut_buf_deinit(&json);
        }
        cr_expect_gt(taken, 0, "no sample has format %d", format);
    }
    pg_context_deinit(&c);
}
