/* Error lists and suggestions. */
#include "context.h"

#include <criterion/criterion.h>

static pg_context s_context;

static void start(void)
{
    pg_context_init(&s_context);
}

static void stop(void)
{
    pg_context_deinit(&s_context);
}

TestSuite(context, .init = start, .fini = stop, .timeout = 10);

Test(context, errors_are_sorted_and_said_once)
{
    pg_error(&s_context, (pg_pos){"b.yaml", 2, 1}, "later");
    pg_error(&s_context, (pg_pos){"a.yaml", 10, 1}, "line %d", 10);
    pg_error(&s_context, (pg_pos){"a.yaml", 9, 7}, "right");
    pg_error(&s_context, (pg_pos){"a.yaml", 9, 2}, "left");
    pg_error(&s_context, (pg_pos){"a.yaml", 9, 2}, "left");
    sut_buf out;
    sut_buf_init(&out, 0);
    pg_print_errors(&s_context, &out);
    sut_str text;
    cr_assert_eq(sut_buf_str(&out, &text), 0);
    cr_expect_str_eq(text.ptr, "a.yaml:9:2: error: left\na.yaml:9:7: error: right\na.yaml:10:1: error: line 10\n"
                               "b.yaml:2:1: error: later\n");
    sut_buf_deinit(&out);
}

static const char *suggest(const char *word)
{
    static const char *const names[] = {"string", "required", NULL, "max_chars", "max_bytes", "USER"};
    return pg_did_you_mean(&s_context, word, names, SUT_ARRAY_LEN(names));
}

Test(context, suggests_what_is_near)
{
    cr_expect_str_eq(suggest("strng"), "; did you mean \"string\"?");
    cr_expect_str_eq(suggest("sting"), "; did you mean \"string\"?");
    cr_expect_str_eq(suggest("requierd"), "; did you mean \"required\"?", "swapped letters count once");
    cr_expect_str_eq(suggest("max_char"), "; did you mean \"max_chars\"?");
    cr_expect_str_eq(suggest("user"), "; did you mean \"USER\"?", "case does not count");
}

Test(context, suggests_nothing_far_off)
{
    cr_expect_str_eq(suggest("colour"), "");
    cr_expect_str_eq(suggest(""), "");
    cr_expect_str_eq(suggest("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "");
}
