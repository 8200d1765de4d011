/* Redaction: nothing secret, undeclared or of the wrong type is let through. */
#include "record_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>

static sut_arena *s_arena;
static sut_buf s_body, s_out, s_json;
static sut_field_errors s_errs;

static void setup(void)
{
    cr_assert_eq(sut_arena_new(&s_arena, 8 << 20), 0);
    sut_buf_init(&s_body, 0);
    sut_buf_init(&s_out, 0);
    sut_buf_init(&s_json, 0);
    sut_field_errors_init(&s_errs, s_arena, 8);
}

static void teardown(void)
{
    sut_buf_deinit(&s_body);
    sut_buf_deinit(&s_out);
    sut_buf_deinit(&s_json);
    s_arena = sut_arena_free(s_arena);
}

TestSuite(redact, .timeout = 30, .init = setup, .fini = teardown);

static void expect(const sut_record *desc, sut_str body, bool personal, const char *want)
{
    sut_str got, json;
    sut_buf_reset(&s_out);
    sut_buf_reset(&s_json);
    cr_assert_eq(sut_record_redact(desc, body, personal, &s_out), 0);
    got = (sut_str){(const char *)s_out.data, s_out.len};
    cr_assert_eq(sut_body_scan(got), SUT_ENV_OK);
    cr_assert_eq(sut_msgpack_to_json(got, &s_json), 0);
    cr_assert_eq(sut_buf_str(&s_json, &json), 0);
    cr_assert_str_eq(json.ptr, want);
}

static sut_str from_json(const char *json)
{
    sut_buf_reset(&s_body);
    cr_assert_eq(sut_json_to_body(&all_desc, sut_str_from(json), 4096, SUT_UNKNOWN_IGNORE, s_arena, &s_body, &s_errs),
                 0);
    return (sut_str){(const char *)s_body.data, s_body.len};
}

Test(redact, what_is_left_out_without_a_trace_is_told)
{
    static const struct {
        sut_str body;
        bool left_out;
    } cases[] = {{{"\x81\xa2id\x01", 5}, false},
                 {{"\x81\xa2ie\x01", 5}, true},
                 {{"\x81\xa2id\xa1x", 6}, false}, /* of another type: that leaves its trace */
                 {{"", 0}, false}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        bool left_out = !cases[i].left_out;
        cr_assert_eq(sut_record_redact_told(&all_desc, cases[i].body, true, &s_out, &left_out), 0);
        cr_assert_eq(left_out, cases[i].left_out, "%zu", i);
    }
    bool left_out = false;
    cr_assert_eq(sut_record_redact_told(NULL, cases[0].body, true, &s_out, &left_out), 0);
    cr_assert(left_out);
    cr_assert_eq(sut_record_redact_told(&all_desc, SUT_STR("\x81"), true, &s_out, &left_out), -EBADMSG);
}

Test(redact, secrets_always_personal_fields_on_demand)
{
    sut_str body = from_json("{\"id\":1,\"must\":null,\"secret\":\"canary-canary\",\"email\":\"a@b.co\","
                             "\"birth\":\"2000-01-01\",\"flag\":true}");
    expect(&all_desc, body, false,
           "{\"id\":1,\"must\":null,\"secret\":\"<redacted>\",\"email\":\"a@b.co\",\"birth\":\"2000-01-01\","
           "\"flag\":true}");
    expect(&all_desc, body, true,
           "{\"id\":1,\"must\":null,\"secret\":\"<redacted>\",\"email\":\"<redacted>\",\"birth\":\"<redacted>\","
           "\"flag\":true}");
}

Test(redact, it_is_told_how_much_was_withheld)
{
    size_t withheld = 9;
    sut_str body = from_json("{\"id\":1,\"must\":null,\"secret\":\"canary-canary\",\"email\":\"a@b.co\"}");
    cr_assert_eq(sut_record_redact_counted(&all_desc, body, true, &s_out, &withheld), 0);
    cr_assert_eq(withheld, 2);
    cr_assert_eq(sut_record_redact_counted(&all_desc, body, false, &s_out, &withheld), 0);
    cr_assert_eq(withheld, 1);
    cr_assert_eq(sut_record_redact_counted(&all_desc, from_json("{\"id\":1,\"must\":null}"), true, &s_out, &withheld),
                 0);
    cr_assert_eq(withheld, 0);
    body = from_json("{\"id\":1,\"must\":null}");
    cr_assert_eq(sut_record_redact_counted(NULL, body, true, &s_out, &withheld), 0);
    cr_assert_eq(withheld, 1);
}

Test(redact, undeclared_fields_are_left_out_at_every_level)
{
    sut_str body = from_json("{\"id\":1,\"must\":null,\"canary\":{\"x\":[1]},\"item\":{\"name\":\"a\",\"canary\":1},"
                             "\"items\":[{\"name\":\"b\",\"canary\":1}],\"labels\":{\"k\":\"v\"},\"numbers\":[1,2]}");
    expect(&all_desc, body, true,
           "{\"id\":1,\"must\":null,\"item\":{\"name\":\"a\"},\"items\":[{\"name\":\"b\"}],\"labels\":{\"k\":\"v\"},"
           "\"numbers\":[1,2]}");
}

Test(redact, values_of_the_wrong_type_are_withheld)
{
    /* {"id":"canary","item":"canary","numbers":[1,"canary"],"labels":{"k":{"canary":1}},"items":{"canary":1}} */
    static const char raw[] = "\x85\xa2id\xa6"
                              "canary\xa4item\xa6"
                              "canary\xa7numbers\x92\x01\xa6"
                              "canary\xa6labels\x81\xa1k\x81\xa6"
                              "canary\x01\xa5items\x81\xa6"
                              "canary\x01";
    expect(&all_desc, (sut_str){raw, sizeof raw - 1}, false,
           "{\"id\":\"<redacted>\",\"item\":\"<redacted>\",\"numbers\":[1,\"<redacted>\"],"
           "\"labels\":{\"k\":\"<redacted>\"},\"items\":\"<redacted>\"}");
}

Test(redact, a_secret_that_is_a_container_is_withheld_whole)
{
    static const char raw[] = "\x81\xa6secret\x92\x01\x81\xa1k\x02";
    expect(&all_desc, (sut_str){raw, sizeof raw - 1}, false, "{\"secret\":\"<redacted>\"}");
}

Test(redact, without_a_declaration_nothing_is_shown)
{
    expect(NULL, from_json("{\"id\":1,\"must\":null}"), false, "{}");
    expect(&all_desc, SUT_STR_NONE, false, "{}");
}

Test(redact, what_cannot_be_read_is_refused)
{
    cr_assert_eq(sut_record_redact(&all_desc, SUT_STR("\x81\xa2id"), false, &s_out), -EBADMSG);
    cr_assert_eq(sut_record_redact(NULL, SUT_STR("\x90"), false, &s_out), -EBADMSG);
    cr_assert_eq(s_out.len, 0);
    s_out.limit = 10;
    cr_assert_eq(sut_record_redact(&all_desc, from_json("{\"id\":1,\"must\":\"abc\"}"), false, &s_out), -EMSGSIZE);
    cr_assert_eq(s_out.len, 0);
}
