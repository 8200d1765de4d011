/* The actor of the kit's tests. */
#include "fixture_test.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define S_OFF(type, member) .offset = offsetof(type, member), .has_offset = UINT16_MAX

static const sut_field s_text_fields[] = {
    {.name = "text",
     .name_len = 4,
     .type = SUT_T_STRING,
     .flags = SUT_F_REQUIRED,
     S_OFF(fix_text, text),
     .min_chars = 1,
     .max_chars = 20,
     .max_bytes = 80},
};
const sut_record fix_text_record = {"fix_text", s_text_fields, 1, sizeof(fix_text), "A text."};

static const sut_field s_user_fields[] = {
    {.name = "user_id", .name_len = 7, .type = SUT_T_I64, .flags = SUT_F_REQUIRED, S_OFF(fix_user, user_id)},
};
const sut_record fix_user_record = {"fix_user", s_user_fields, 1, sizeof(fix_user), "A user."};

static const sut_field s_step_fields[] = {
    {.name = "user_id", .name_len = 7, .type = SUT_T_I64, .flags = SUT_F_REQUIRED, S_OFF(fix_step, user_id)},
    {.name = "n",
     .name_len = 1,
     .type = SUT_T_I64,
     .flags = SUT_F_REQUIRED,
     S_OFF(fix_step, n),
     .has_min = true,
     .min_i = 1,
     .max_i = INT64_MAX,
     .has_max = true},
    {.name = "text",
     .name_len = 4,
     .type = SUT_T_STRING,
     .offset = offsetof(fix_step, text),
     .has_offset = offsetof(fix_step, has_text),
     .max_chars = 4000,
     .max_bytes = 4000},
};
const sut_record fix_step_record = {"fix_step", s_step_fields, 3, sizeof(fix_step), "A step."};
const sut_event fix_stepped = {.subject = "fix.stepped",
                               .service = "fix",
                               .body = &fix_step_record,
                               .key = &s_step_fields[0],
                               .since = "1.0",
                               .doc = ""};
const sut_event fix_foreign = {
    .subject = "other.stepped", .service = "other", .body = &fix_step_record, .since = "1.0", .doc = ""};

static const sut_error_desc s_own_error = {SUT_ERR_DOMAIN_FIRST, "fix_broken", 418, "It is broken."};
static const sut_error_desc *const s_errors[] = {&s_own_error};

#define S_METHOD(method, in_record, out_record, ...)                                                                   \
    {                                                                                                                  \
        .name = "fix." method, .service = "fix", .in = &in_record, .out = &out_record, .timeout_ms = 3000,             \
        .rate_class = "default", .since = "1.0", .doc = "", .errors = s_errors, .error_count = 1, __VA_ARGS__          \
    }

const sut_method fix_admin = S_METHOD("admin", fix_text_record, fix_text_record, .level = SUT_LEVEL_ADMIN);
const sut_method fix_bad_reply = S_METHOD("bad_reply", fix_text_record, fix_text_record, .level = SUT_LEVEL_PUBLIC);
const sut_method fix_echo = S_METHOD("echo", fix_text_record, fix_text_record, .level = SUT_LEVEL_PUBLIC);
const sut_method fix_fails = S_METHOD("fails", fix_user_record, fix_text_record, .level = SUT_LEVEL_PUBLIC);
const sut_method fix_friends =
    S_METHOD("friends", fix_user_record, fix_user_record, .level = SUT_LEVEL_FRIEND, .owner = &s_user_fields[0]);
const sut_method fix_mine =
    S_METHOD("mine", fix_user_record, fix_user_record, .level = SUT_LEVEL_USER, .self = &s_user_fields[0]);
const sut_method fix_secret = S_METHOD("secret", fix_text_record, fix_text_record, .service_only = true);
const sut_method fix_user_only = S_METHOD("user", fix_text_record, fix_text_record, .level = SUT_LEVEL_USER);

static sut_status s_echo(sut_request *rq, const void *in, void *out)
{
    (void)rq;
    *(fix_text *)out = *(const fix_text *)in;
    return 0;
}

static sut_status s_same_user(sut_request *rq, const void *in, void *out)
{
    (void)rq;
    *(fix_user *)out = *(const fix_user *)in;
    return 0;
}

static sut_status s_bad_reply(sut_request *rq, const void *in, void *out)
{
    (void)rq;
    (void)in;
    ((fix_text *)out)->text = SUT_STR("far more than twenty characters");
    return 0;
}

/* Fails with the number that it is given. */
static sut_status s_fails(sut_request *rq, const void *in, void *out)
{
    (void)out;
    int err = (int)((const fix_user *)in)->user_id;
    if (err == SUT_ERR_INTERNAL)
        return sut_fail_internal(rq, "canary detail");
    if (err == SUT_ERR_INVALID)
        return sut_fail_field(rq, "/user_id", "range", "must be %d", 7);
    return sut_fail_retry(rq, err, 1234, "said with %d", err);
}

static sut_status s_friend_check(sut_request *rq, int64_t user_id, int64_t other_id, bool *is_friend)
{
    if (user_id == 99)
        return sut_fail(rq, SUT_ERR_UNAVAILABLE, "nobody knows");
    *is_friend = user_id == 1 && other_id == 2;
    return 0;
}

static const sut_service_entry s_entries[] = {
    {&fix_admin, s_echo},        {&fix_bad_reply, s_bad_reply}, {&fix_echo, s_echo},   {&fix_fails, s_fails},
    {&fix_friends, s_same_user}, {&fix_mine, s_same_user},      {&fix_secret, s_echo}, {&fix_user_only, s_echo},
};

const sut_actor_options fix_options = {.name = "fix",
                                       .summary = "tests",
                                       .entries = s_entries,
                                       .entry_count = SUT_ARRAY_LEN(s_entries),
                                       .friend_check = s_friend_check};
const sut_actor_options fix_pg_options = {.name = "fix",
                                          .summary = "tests",
                                          .entries = s_entries,
                                          .entry_count = SUT_ARRAY_LEN(s_entries),
                                          .friend_check = s_friend_check,
                                          .database_setting = "FIX_DATABASE_URL"};

/* ---- many fibers ---- */

typedef struct s_child {
    sut_request_fn fn;
    void *arg;
    size_t *left;
} s_child;

static sut_status s_run_child(sut_request *rq, void *arg)
{
    s_child *child = arg;
    (void)child->fn(rq, child->arg);
    (*child->left)--;
    return 0;
}

void fix_all(sut_request *rq, sut_request_fn fn, void *args, size_t count, size_t size)
{
    size_t left = count;
    for (size_t i = 0; i < count; i++) {
        s_child child = {fn, (char *)args + i * size, &left};
        cr_assert_eq(sut_background(rq, "child", s_run_child, &child, sizeof(child), 20000), 0);
    }
    while (left > 0)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
}

void fix_until(sut_request *rq, const bool *flag)
{
    while (!*flag)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
}

void fix_run_pg(const sut_actor_options *opt, sut_request_fn body, sut_test_postgres *p)
{
    sut_test_postgres_start(p);
    setenv("FIX_DATABASE_URL", p->url, 1);
    sut_status st = sut_test_actor(opt, body, p);
    sut_test_postgres_remove(p);
    cr_assert_eq(st, 0, "the body returned %d", st);
}
