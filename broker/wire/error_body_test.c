/* Error bodies and the platform's error table. */
#include "mp.h"

#include "base/arena.h"

#include <criterion/criterion.h>
#include <errno.h>

TestSuite(error_body, .timeout = 30);

static sut_arena *s_arena;
static sut_buf s_buf;

static void setup(void)
{
    cr_assert_eq(sut_arena_new(&s_arena, 1 << 20), 0);
    sut_buf_init(&s_buf, 0);
}

static void teardown(void)
{
    sut_buf_deinit(&s_buf);
    s_arena = sut_arena_free(s_arena);
}

Test(error_body, comes_back, .init = setup, .fini = teardown)
{
    const sut_field_error fields[] = {{SUT_STR("/email"), SUT_STR("format"), SUT_STR("must be an address")},
                                      {SUT_STR("/items/3/name"), SUT_STR("required"), SUT_STR("is required")}};
    const sut_error_body in = {.code = SUT_STR("validation_failed"),
                               .message = SUT_STR("two fields are wrong"),
                               .retry_after_ms = 250,
                               .http_status = 422,
                               .errors = fields,
                               .error_count = 2};
    sut_error_body out;
    sut_str bytes;
    cr_assert_eq(sut_error_body_encode(&s_buf, &in), 0);
    cr_assert_eq(sut_buf_str(&s_buf, &bytes), 0);
    cr_assert_eq(sut_body_scan(bytes), SUT_ENV_OK);
    cr_assert_eq(sut_error_body_decode(s_arena, bytes, &out), 0);
    cr_assert(sut_str_eq(out.code, in.code) && sut_str_eq(out.message, in.message));
    cr_assert_eq(out.retry_after_ms, 250);
    cr_assert_eq(out.http_status, 422);
    cr_assert_eq(out.error_count, 2);
    cr_assert(sut_str_is(out.errors[1].pointer, "/items/3/name"));
    cr_assert(sut_str_is(out.errors[1].code, "required"));
    cr_assert(sut_str_is(out.errors[0].message, "must be an address"));
    memset(s_buf.data, 0, s_buf.len);
    cr_assert(sut_str_is(out.code, "validation_failed"), "strings are copied");
}

Test(error_body, what_is_nothing_is_left_out, .init = setup, .fini = teardown)
{
    const sut_error_body in = {.code = SUT_STR("internal"), .message = SUT_STR("")};
    sut_error_body out;
    cr_assert_eq(sut_error_body_encode(&s_buf, &in), 0);
    cr_assert_eq(s_buf.len, 1 + 5 + 9 + 8 + 1);
    cr_assert_eq(sut_error_body_decode(s_arena, (sut_str){(char *)s_buf.data, s_buf.len}, &out), 0);
    cr_assert_eq(out.error_count, 0);
    cr_assert_eq(out.retry_after_ms, 0);
}

Test(error_body, limit_leaves_the_buffer_as_it_was, .init = setup, .fini = teardown)
{
    const sut_error_body in = {.code = SUT_STR("internal"), .message = SUT_STR("a message that does not fit")};
    cr_assert_eq(sut_buf_append(&s_buf, "x", 1), 0);
    s_buf.limit = 20;
    cr_assert_eq(sut_error_body_encode(&s_buf, &in), -EMSGSIZE);
    cr_assert_eq(s_buf.len, 1);
}

Test(error_body, unknown_keys_are_passed_over_and_wrong_ones_refused, .init = setup, .fini = teardown)
{
    static const struct {
        const char *bytes;
        size_t len;
        sut_status status;
    } cases[] = {
#define CASE(lit, status) {(lit), sizeof(lit) - 1, (status)}
        CASE("\x83\xa4"
             "code\xa1x\xa7message\xa1y\xa3new\x91\x81\xa1k\xc0",
             0),
        CASE("", -EBADMSG),
        CASE("\x80", -EBADMSG),
        CASE("\x81\xa4"
             "code\xa1x",
             -EBADMSG),
        CASE("\x82\xa4"
             "code\x01\xa7message\xa1y",
             -EBADMSG),
        CASE("\x83\xa4"
             "code\xa1x\xa7message\xa1y\xa6"
             "errors\x80",
             -EBADMSG),
        CASE("\x83\xa4"
             "code\xa1x\xa7message\xa1y\xa6"
             "errors\x91\x80",
             -EBADMSG),
        CASE("\x83\xa4"
             "code\xa1x\xa7message\xa1y\xae"
             "retry_after_ms\xff",
             -EBADMSG),
        CASE("\x82\xa4"
             "code\xa1x\xa4"
             "code\xa1y",
             -EBADMSG),
#undef CASE
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        sut_error_body out;
        sut_status status = sut_error_body_decode(s_arena, (sut_str){cases[i].bytes, cases[i].len}, &out);
        cr_expect_eq(status, cases[i].status, "case %zu: %d", i, status);
    }
}

Test(error_body, platform_errors_are_found_both_ways)
{
    for (int err = 1; err < SUT_ERR_PLATFORM_COUNT; err++) {
        const sut_error_desc *d = sut_platform_error(err);
        cr_assert_not_null(d);
        cr_assert_eq(d->err, err);
        cr_assert_eq(sut_platform_error_by_code(sut_str_from(d->code)), d);
        cr_assert(d->http_status >= 400 && d->http_status < 600);
    }
    cr_assert_null(sut_platform_error(0));
    cr_assert_null(sut_platform_error(-1));
    cr_assert_null(sut_platform_error(SUT_ERR_PLATFORM_COUNT));
    cr_assert_null(sut_platform_error_by_code(SUT_STR("no_such_error")));
    cr_assert_null(sut_platform_error_by_code(SUT_STR("")));
    cr_assert_eq(sut_platform_error(SUT_ERR_OVERLOADED)->http_status, 503);
}
