/* Quoting, and files that are written only when they change. */
#include "output.h"

#include "json_out.h"

#include <criterion/criterion.h>

static const char *text_of(sut_buf *b)
{
    sut_str s;
    cr_assert_eq(sut_buf_str(b, &s), 0);
    return s.ptr;
}

Test(output, c_strings, .timeout = 10)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    pg_put_c_string(&b, "a\"b\\c\n?"
                        "?/\x7f é");
    cr_expect_str_eq(text_of(&b), "\"a\\\"b\\\\c\\012\\077?/\\177 é\"");
    sut_buf_deinit(&b);
}

Test(output, json_strings, .timeout = 10)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    pg_put_json_string(&b, "a\"b\\c\n\x1f é");
    cr_expect_str_eq(text_of(&b), "\"a\\\"b\\\\c\\u000a\\u001f é\"");
    sut_buf_deinit(&b);
}

Test(output, a_comment_cannot_be_ended, .timeout = 10)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    pg_put_comment(&b, "a */ b /* c **/");
    cr_expect_null(strstr(text_of(&b), "*/"));
    cr_expect_null(strstr(text_of(&b), "/*"));
    sut_buf_deinit(&b);
}

Test(output, json_is_indented_and_closed, .timeout = 10)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    pg_json j = pg_json_start(&b);
    pg_json_object(&j, NULL);
    pg_json_array(&j, "a");
    pg_json_number(&j, NULL, -5);
    pg_json_raw(&j, NULL, "{}");
    pg_json_end_array(&j);
    pg_json_object(&j, "empty");
    pg_json_end_object(&j);
    pg_json_bool(&j, "b", false);
    pg_json_end_object(&j);
    cr_expect_str_eq(text_of(&b), "{\n  \"a\": [\n    -5,\n    {}\n  ],\n  \"empty\": {},\n  \"b\": false\n}");
    sut_buf_deinit(&b);
}
