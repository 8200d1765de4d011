/* Checks before a handler, and what its callers are told. */
#include "dispatch.h"

#include "fixture_test.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static const sut_principal s_nobody = {0}, s_one = {.user_id = 1, .level = 1}, s_two = {.user_id = 2, .level = 1},
                           s_three = {.user_id = 3, .level = 1}, s_admin = {.user_id = 9, .level = 3},
                           s_level_zero = {.user_id = 1, .level = 0};

static sut_status text(sut_request *rq, const sut_method *m, const sut_principal *p)
{
    fix_text in = {SUT_STR("hello")}, out;
    sut_status st = sut_test_call(rq, m, p, &in, &out, NULL);
    if (!st)
        cr_assert(sut_str_is(out.text, "hello"));
    return st;
}

static sut_status user(sut_request *rq, const sut_method *m, const sut_principal *p, int64_t user_id)
{
    fix_user in = {user_id}, out;
    return sut_test_call(rq, m, p, &in, &out, NULL);
}

static sut_status levels(sut_request *rq, void *arg)
{
    (void)arg;
    cr_assert_eq(text(rq, &fix_echo, NULL), 0);
    cr_assert_eq(text(rq, &fix_secret, NULL), 0, "service-only methods need no principal");
    cr_assert_eq(text(rq, &fix_user_only, &s_nobody), SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(text(rq, &fix_user_only, &s_level_zero), SUT_ERR_FORBIDDEN);
    cr_assert_eq(text(rq, &fix_user_only, &s_one), 0);
    cr_assert_eq(text(rq, &fix_admin, NULL), SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(text(rq, &fix_admin, &s_one), SUT_ERR_FORBIDDEN);
    cr_assert_eq(text(rq, &fix_admin, &s_admin), 0);
    cr_assert_eq(user(rq, &fix_mine, &s_one, 1), 0);
    cr_assert_eq(user(rq, &fix_mine, &s_one, 2), SUT_ERR_FORBIDDEN);
    cr_assert_eq(user(rq, &fix_mine, &s_nobody, 0), SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(user(rq, &fix_mine, &s_admin, 2), 0);
    cr_assert_eq(user(rq, &fix_friends, &s_two, 1), 0, "a friend");
    cr_assert_eq(user(rq, &fix_friends, &s_one, 1), 0, "oneself");
    cr_assert_eq(user(rq, &fix_friends, &s_three, 1), SUT_ERR_FORBIDDEN);
    cr_assert_eq(user(rq, &fix_friends, &s_admin, 1), 0);
    cr_assert_eq(user(rq, &fix_friends, NULL, 1), SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(user(rq, &fix_friends, &s_two, 99), SUT_ERR_UNAVAILABLE, "when nobody can say, it is not allowed");
    return 0;
}

Test(dispatch, level_self_and_friend, .timeout = 30)
{
    cr_assert_eq(sut_test_actor(&fix_options, levels, NULL), 0);
}

static sut_status validation(sut_request *rq, void *arg)
{
    (void)arg;
    fix_text in = {SUT_STR("this is longer than twenty")}, out;
    sut_error_body error;
    cr_assert_eq(sut_test_call(rq, &fix_echo, NULL, &in, &out, &error), SUT_ERR_INVALID);
    cr_assert(sut_str_is(error.code, "validation_failed"));
    cr_assert_eq(error.http_status, 422);
    cr_assert_eq(error.error_count, 1);
    cr_assert(sut_str_is(error.errors[0].pointer, "/text"));
#ifndef NDEBUG
    in.text = SUT_STR("x");
    cr_assert_eq(sut_test_call(rq, &fix_bad_reply, NULL, &in, &out, &error), SUT_ERR_INTERNAL);
#endif
    return 0;
}

Test(dispatch, input_and_in_debug_builds_output_are_validated, .timeout = 30)
{
    cr_assert_eq(sut_test_actor(&fix_options, validation, NULL), 0);
}

static sut_error_body fail_with(sut_request *rq, int64_t number)
{
    fix_user in = {number};
    fix_text out;
    sut_error_body error = {0};
    cr_assert_neq(sut_test_call(rq, &fix_fails, NULL, &in, &out, &error), 0);
    return error;
}

static sut_status mapping(sut_request *rq, void *arg)
{
    (void)arg;
    sut_error_body e = fail_with(rq, SUT_ERR_DOMAIN_FIRST);
    cr_assert(sut_str_is(e.code, "fix_broken"));
    cr_assert_eq(e.http_status, 418);
    cr_assert(sut_str_is(e.message, "said with 64"));
    cr_assert_eq(e.retry_after_ms, 1234);
    cr_assert(sut_str_is(fail_with(rq, SUT_ERR_OVERLOADED).code, "overloaded"));
    e = fail_with(rq, SUT_ERR_INVALID);
    cr_assert_eq(e.error_count, 1);
    cr_assert(sut_str_is(e.errors[0].pointer, "/user_id"));
    cr_assert(sut_str_is(e.errors[0].message, "must be 7"));
    int64_t faults[] = {-EIO, SUT_ERR_INTERNAL, SUT_KIT_REMOTE, 4711};
    for (size_t i = 0; i < SUT_ARRAY_LEN(faults); i++) {
        e = fail_with(rq, faults[i]);
        cr_assert(sut_str_is(e.code, "internal"));
        cr_assert_eq(e.http_status, 500);
        cr_assert_eq(e.retry_after_ms, 0);
        cr_assert_null(memmem(e.message.ptr, e.message.len, "said", 4), "no details of a fault of ours");
        cr_assert_null(memmem(e.message.ptr, e.message.len, "canary", 6));
    }
    return 0;
}

Test(dispatch, errors_are_mapped_in_one_place, .timeout = 30)
{
    cr_assert_eq(sut_test_actor(&fix_options, mapping, NULL), 0);
}

static sut_status finds(sut_request *rq, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < fix_options.entry_count; i++)
        cr_assert_eq(sut_dispatch_find(rq->runtime, sut_str_from(fix_options.entries[i].method->name)), (int)i);
    const char *others[] = {"", "fix", "fix.", "fix.ech", "fix.echoo", "fix.zzz", "aaa"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(others); i++)
        cr_assert_eq(sut_dispatch_find(rq->runtime, sut_str_from(others[i])), -1, "%s", others[i]);
    return 0;
}

Test(dispatch, methods_are_found_by_their_whole_name, .timeout = 30)
{
    cr_assert_eq(sut_test_actor(&fix_options, finds, NULL), 0);
}

/* ---- calls to others, here without a bus ---- */

static sut_status remote(sut_request *rq, const sut_method *m, const void *in, void *out, void *arg)
{
    (void)in;
    (void)arg;
    if (m == &fix_admin)
        return sut_fail(rq, SUT_KIT_REMOTE, "no");
    ((fix_text *)out)->text = SUT_STR("from afar");
    return 0;
}

static sut_status calls(sut_request *rq, void *arg)
{
    (void)arg;
    fix_text in = {SUT_STR("x")}, out = {0};
    cr_assert_eq(sut_kit_call(rq, &fix_echo, &in, &out, NULL), SUT_ERR_UNAVAILABLE);
    sut_test_on_remote(remote, NULL);
    cr_assert_eq(sut_kit_call(rq, &fix_echo, &in, &out, NULL), 0);
    cr_assert(sut_str_is(out.text, "from afar"));
    cr_assert_eq(sut_kit_call(rq, &fix_admin, &in, &out, NULL), SUT_KIT_REMOTE);
    sut_test_on_remote(NULL, NULL);
    return 0;
}

Test(dispatch, calls_to_other_actors_can_be_answered_by_a_test, .timeout = 30)
{
    cr_assert_eq(sut_test_actor(&fix_options, calls, NULL), 0);
}
