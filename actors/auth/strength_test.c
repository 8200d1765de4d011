/* Which passwords are refused, and what is said of them. */
#include "fixture_test.h"

#include "password.h"

#include <criterion/criterion.h>

static int judge(sut_request *rq, const char *password, sut_error_body *error)
{
    auth_register_in in = {.email = SUT_STR("ada.lovelace@analytical.example"),
                           .password = sut_str_from(password),
                           .username = SUT_STR("countess"),
                           .display_name = SUT_STR("Augusta King"),
                           .has_display_name = SUT_PRESENT};
    auth_tokens tokens;
    return sut_test_call(rq, &auth_register_method, NULL, &in, &tokens, error);
}

static sut_status weak(sut_request *rq, void *arg)
{
    static const struct {
        const char *password, *says;
    } cases[] = {
        {"password", "well-known"},      {"P@ssw0rd", "well-known"},
        {"iloveyou2", "well-known"},     {"abcdefgh", "sequence"},
        {"aaaaaaaaaaaaaaaa", "repeats"}, {"passwordpassword", "repeats"},
        {"zxcvbnm,", "neighbour"},       {"19841231", "date"},
        {"analytical", "your own"},      {"Lovelace1", "your own"},
        {"l0vel4ce", "your own"},        {"countess", "your own"},
        {"augustaking", "your own"},     {"ADA.LOVELACE@Analytical.example", "your own"},
        {"ShareUpTime", "or ours"},
    };
    fix *f = arg;
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        sut_error_body error;
        cr_assert_eq(judge(rq, cases[i].password, &error), SUT_ERR_INVALID, "%s", cases[i].password);
        cr_assert_eq(error.error_count, 1);
        cr_assert(sut_str_is(error.errors[0].pointer, "/password"));
        cr_assert(sut_str_is(error.errors[0].code, "too_easy"));
        cr_assert(
            memmem(error.errors[0].message.ptr, error.errors[0].message.len, cases[i].says, strlen(cases[i].says)),
            "%s: %.*s", cases[i].password, SUT_STR_FMT(error.errors[0].message));
    }
    cr_assert_eq(FIX_COUNT(f, "users"), 0, "nothing was begun");
    cr_assert_eq(f->user.creates, 0);
    return 0;
}

Test(strength, what_is_easily_guessed_is_refused_and_why, .timeout = 40)
{
    fix_run(weak);
}

static sut_status good(sut_request *rq, void *arg)
{
    (void)arg;
    const char *const passwords[] = {
        "correct horse battery", "kvxzwqmp", /* no composition rules: eight lower-case letters */
        "\xe2\x82\xac\xc3\xbc\xc3\x9f\xe2\x82\xac\xc3\xa4\xc3\xb6\xc3\xa9\xc3\xb1",
        "a d a   l o v e l a c e   w a s   h e r e   y e s t e r d a y   a t   5", /* blanks count as they are */
    };
    const sut_str own[] = {SUT_STR("ada@example.org"), SUT_STR_NONE, SUT_STR("")};
    for (size_t i = 0; i < SUT_ARRAY_LEN(passwords); i++)
        cr_assert_eq(auth_password_judge(rq, "/p", sut_str_from(passwords[i]), own, SUT_ARRAY_LEN(own)), 0, "%s",
                     passwords[i]);
    return 0;
}

Test(strength, all_else_is_taken, .timeout = 40)
{
    fix_run(good);
}

/* As many own words as anybody can send, and lengths that the schema would have refused. */
static sut_status bounds(sut_request *rq, void *arg)
{
    (void)arg;
    char name[2048];
    memset(name, 'x', sizeof name);
    for (size_t i = 0; i < sizeof name; i += 5)
        name[i] = '.';
    const sut_str own[] = {{name, sizeof name}, {name + 1, 254}, {name + 1, 100}};
    sut_str password = SUT_STR("correct horse battery");
    cr_assert_eq(auth_password_judge(rq, "/p", password, own, SUT_ARRAY_LEN(own)), 0);
    cr_assert_eq(auth_password_judge(rq, "/p", SUT_STR_NONE, NULL, 0), SUT_ERR_INVALID);
    cr_assert_eq(auth_password_judge(rq, "/p", SUT_STR(""), NULL, 0), SUT_ERR_INVALID);
    cr_assert_eq(auth_password_judge(rq, "/p", (sut_str){name, 73}, NULL, 0), SUT_ERR_INVALID);
    cr_assert_eq(auth_password_judge(rq, "/p", (sut_str){"correct\0horse battery", 21}, NULL, 0), SUT_ERR_INVALID);
    return 0;
}

Test(strength, long_input_is_bounded, .timeout = 40)
{
    fix_run(bounds);
}
