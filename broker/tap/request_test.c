/* The request: what it may say, and that what is wrong is told by name. */
#include "tap/tap.h"

#include "wire/msgpack.h"

#include <criterion/criterion.h>

static sut_arena *s_arena;
static sut_buf s_body;
static sut_tap_request s_request;
static char s_error[256];

static void setup(void)
{
    cr_assert_eq(sut_arena_new(&s_arena, 1 << 20), 0);
    sut_buf_init(&s_body, 0);
}

static void teardown(void)
{
    s_arena = sut_arena_free(s_arena);
    sut_buf_deinit(&s_body);
}

TestSuite(request, .init = setup, .fini = teardown, .timeout = 10);

static void key(const char *name)
{
    cr_assert_eq(sut_mp_add_str(&s_body, sut_str_from(name)), 0);
}

static void begin(size_t pairs)
{
    sut_buf_reset(&s_body);
    cr_assert_eq(sut_mp_add_map(&s_body, pairs), 0);
}

static void add_text(const char *name, const char *value)
{
    key(name);
    cr_assert_eq(sut_mp_add_str(&s_body, sut_str_from(value)), 0);
}

static void add_int(const char *name, int64_t value)
{
    key(name);
    cr_assert_eq(sut_mp_add_int(&s_body, value), 0);
}

static void add_bool(const char *name, bool value)
{
    key(name);
    cr_assert_eq(sut_mp_add_bool(&s_body, value), 0);
}

static void add_list(const char *name, const char *one)
{
    key(name);
    cr_assert_eq(sut_mp_add_array(&s_body, 1), 0);
    cr_assert_eq(sut_mp_add_str(&s_body, sut_str_from(one)), 0);
}

static bool readable(void)
{
    return sut_tap_request_read((sut_str){(const char *)s_body.data, s_body.len}, s_arena, &s_request, s_error,
                                sizeof s_error);
}

static void must_say(const char *words)
{
    cr_assert_not(readable());
    cr_assert(strstr(s_error, words), "'%s' does not say '%s'", s_error, words);
}

Test(request, an_empty_one_asks_for_all_that_passes)
{
    cr_assert(sut_tap_request_read(SUT_STR(""), s_arena, &s_request, s_error, sizeof s_error));
    cr_assert_eq(s_request.kinds, SUT_SIGHT_CALL | SUT_SIGHT_REPLY | SUT_SIGHT_ERROR | SUT_SIGHT_EVENT);
    cr_assert_eq(s_request.subject_count, 0);
    cr_assert(s_request.follow && !s_request.personal && !s_request.has_since && !s_request.has_until);
    cr_assert_null(s_request.key.ptr);
    cr_assert_null(s_request.trace.ptr);
}

Test(request, everything_that_it_may_say)
{
    begin(11);
    add_list("subjects", "auth.>");
    add_list("kinds", "error");
    add_int("user_id", 42);
    add_text("trace", "4BF92F3577b34da6a3ce929d0e0e4736");
    add_text("key", "");
    add_int("since", 0);
    add_int("until", 9);
    add_bool("follow", true);
    add_int("bytes_per_second", 64 << 20);
    add_bool("personal", true);
    add_text("reason", "ticket 4711");
    cr_assert(readable(), "%s", s_error);
    cr_assert_eq(s_request.kinds, SUT_SIGHT_ERROR);
    cr_assert(sut_str_is(s_request.subjects[0], "auth.>"));
    cr_assert(sut_str_is(s_request.trace, "4bf92f3577b34da6a3ce929d0e0e4736"));
    cr_assert(s_request.key.ptr && s_request.key.len == 0);
    cr_assert(s_request.has_since && s_request.has_until && s_request.follow && s_request.personal);
    cr_assert_eq(s_request.bytes_per_second, 64 << 20);
}

Test(request, until_ends_it_unless_it_shall_follow)
{
    begin(1);
    add_int("until", 9);
    cr_assert(readable());
    cr_assert_not(s_request.follow);
}

Test(request, what_is_wrong_is_told_by_name)
{
    static const char *const patterns[] = {"", "a..b", "*a", "a.>.b", "A", ".", ">a", "a.**"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(patterns); i++) {
        begin(1);
        add_list("subjects", patterns[i]);
        must_say("/subjects/0");
    }
    begin(1);
    add_list("kinds", "delivery");
    must_say("/kinds/0");
    begin(1);
    add_int("user_id", 0);
    must_say("/user_id");
    begin(1);
    add_text("trace", "4bf9");
    must_say("/trace");
    begin(1);
    add_text("trace", "4bf92f3577b34da6a3ce929d0e0e473g");
    must_say("/trace");
    begin(1);
    add_int("bytes_per_second", (64 << 20) + 1);
    must_say("/bytes_per_second");
    begin(2);
    add_int("since", 9);
    add_int("until", 8);
    must_say("/until is before /since");
    begin(1);
    add_bool("personal", true);
    must_say("/reason is required");
    begin(1);
    add_text("usr_id", "42"); /* ignored, it would show everybody's */
    must_say("/usr_id");
}
