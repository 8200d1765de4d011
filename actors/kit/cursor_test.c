/* Cursors: each holds in its own scope, and nowhere else. */
#include "fixture_test.h"

#include "kit/cursor.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const sut_cursor_scope s_scope = {"list", 32, 64, {"a", 1}};
static const sut_cursor s_at = {.at_us = -5, .id = INT64_MAX};

static sut_status in_its_scope(sut_request *rq, void *arg)
{
    sut_cursor at;
    cr_assert_null(sut_cursor_make(rq, &s_scope, &s_at).ptr, "there is no key yet");
    sut_test_postgres_sql(arg, "CREATE TABLE cursor_key (key bytea)");
    cr_assert_eq(sut_cursor_start(rq), SUT_ERR_INTERNAL);
    sut_test_postgres_sql(arg, "INSERT INTO cursor_key VALUES (decode(repeat('ab', 32), 'hex'))");
    cr_assert_eq(sut_cursor_start(rq), 0);
    sut_str text = sut_cursor_make(rq, &s_scope, &s_at);
    cr_assert_eq(text.len, 64);
    cr_assert(sut_cursor_read(&s_scope, text, &at));
    cr_assert(at.at_us == s_at.at_us && at.id == s_at.id);

    const sut_cursor_scope others[] = {
        {"lists", 32, 64, {"a", 1}},  {"lis", 32, 64, {"a", 1}},  {"list", 33, 64, {"a", 1}},
        {"list", 32, 0, {"a", 1}},    {"list", 64, 32, {"a", 1}}, {"list", 32, 64, {"b", 1}},
        {"list", 32, 64, {"a\0", 2}}, {"list", 32, 64, {"", 0}},  {"list", 32, 64, SUT_STR_NONE},
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(others); i++)
        cr_assert_not(sut_cursor_read(&others[i], text, &at), "%zu", i);
    text = sut_cursor_make(rq, &others[7], &s_at);
    cr_assert(sut_cursor_read(&others[8], text, &at), "an absent filter is an empty one");
    return 0;
}

Test(cursor, holds_in_its_scope_only, .timeout = 40)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, in_its_scope, &p);
}

static sut_status changed(sut_request *rq, void *arg)
{
    sut_cursor at;
    char wrong[66];
    sut_test_postgres_sql(arg, "CREATE TABLE cursor_key AS SELECT decode(repeat('ab', 32), 'hex') AS key");
    cr_assert_eq(sut_cursor_start(rq), 0);
    sut_str text = sut_cursor_make(rq, &s_scope, &s_at);
    for (size_t i = 0; i < text.len; i++) {
        memcpy(wrong, text.ptr, text.len + 1);
        wrong[i] = wrong[i] == '0' ? '1' : '0';
        cr_assert_not(sut_cursor_read(&s_scope, sut_str_from(wrong), &at), "%zu", i);
    }
    for (size_t i = 0; i < text.len; i++)
        cr_assert_not(sut_cursor_read(&s_scope, (sut_str){text.ptr, i}, &at), "%zu", i);
    snprintf(wrong, sizeof wrong, "%.*s0", SUT_STR_FMT(text));
    cr_assert_not(sut_cursor_read(&s_scope, sut_str_from(wrong), &at));
    cr_assert_not(sut_cursor_read(&s_scope, SUT_STR_NONE, &at));
    const sut_cursor_scope endless = {.list =
                                          "a name of a list that is longer than any name of a list has to be, ever"};
    cr_assert_null(sut_cursor_make(rq, &endless, &s_at).ptr);
    return 0;
}

Test(cursor, no_byte_of_it_may_be_changed, .timeout = 40)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, changed, &p);
}
