/* Login and passwords. */
#include "fixture_test.h"
#include "timing_test.h"

#include "password.h"

#include <criterion/criterion.h>
#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static sut_status logs_in(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens made = fix_account(rq, "ada"), t;
    cr_assert_eq(fix_login(rq, " ADA@Example.org", FIX_PASSWORD, &t, NULL), 0);
    cr_assert_eq(t.user_id, made.user_id);
    cr_assert_not(sut_str_eq(t.refresh_token, made.refresh_token));
    cr_assert(sut_str_is(t.username, "ada"), "the user actor could not be asked: the name of the registration");
    snprintf(f->user.profile_name, sizeof f->user.profile_name, "renamed");
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, &t, NULL), 0);
    cr_assert(sut_str_is(t.username, "renamed"));
    cr_assert_eq(FIX_COUNT(f, "sessions WHERE revoked_at IS NULL"), 3);
    cr_assert_eq(FIX_COUNT(f, "tokens WHERE length(token_hash) = 32"), 3);
    return 0;
}

Test(login, gives_a_session_of_its_own, .timeout = 40)
{
    fix_run(logs_in);
}

static sut_status alike(sut_request *rq, void *arg)
{
    (void)arg;
    sut_error_body wrong, unknown;
    fix_account(rq, "ada");
    cr_assert_eq(fix_login(rq, "ada@example.org", "not the password", NULL, &wrong), AUTH_ERR_BAD_CREDENTIALS);
    cr_assert_eq(fix_login(rq, "nobody@example.org", "not the password", NULL, &unknown), AUTH_ERR_BAD_CREDENTIALS);
    cr_assert(sut_str_eq(wrong.message, unknown.message));
    cr_assert_eq(wrong.error_count, unknown.error_count);
    cr_assert_eq(fix_login(rq, "nobody@example.org", "nobody's password", NULL, NULL), AUTH_ERR_BAD_CREDENTIALS,
                 "the password of the decoy opens nothing");
    return 0;
}

Test(login, an_unknown_address_reads_like_a_wrong_password, .timeout = 40)
{
    fix_run(alike);
}

/* Processor time of this process: what bcrypt costs, however busy the machine is. */
static double work_of(sut_request *rq, sut_str hash)
{
    struct timespec a, b;
    bool matches = true;
    cr_assert_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a), 0);
    cr_assert_eq(auth_password_check(rq, SUT_STR("not the password"), hash, &matches), 0);
    cr_assert_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b), 0);
    cr_assert_not(matches);
    return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
}

static sut_status same_work(sut_request *rq, void *arg)
{
    (void)arg;
    char hash[AUTH_HASH_SIZE];
    struct crypt_data data = {.initialized = 0};
    cr_assert_eq(auth_password_hash(rq, SUT_STR(FIX_PASSWORD), hash), 0);
    const char *old = crypt_r(FIX_PASSWORD, "$2b$06$abcdefghijklmnopqrstuu", &data);
    cr_assert(old && strncmp(old, "$2b$06$", 7) == 0);
    double known = work_of(rq, sut_str_from(hash)), unknown = work_of(rq, SUT_STR_NONE);
    double cheap = work_of(rq, sut_str_from(old));
    cr_assert(unknown > known / 2 && unknown < known * 2, "%g and %g", unknown, known);
    cr_assert(cheap > known / 2 && cheap < known * 2, "%g and %g", cheap, known);
    return 0;
}

Test(login, every_refusal_costs_the_same_work, .timeout = 40)
{
    setenv("BCRYPT_COST", "10", 1);
    fix_run(same_work);
}

/* Each from an address of its own, since what is throttled is another matter. */
static sut_status try_to_log_in(sut_request *rq, bool known, size_t i)
{
    auth_tokens out;
    const auth_login_in in = {
        .email = sut_request_printf(rq, "%s%zu@example.org", known ? "known" : "other", i),
        .password = SUT_STR("not this one"),
        .client_address = sut_request_printf(rq, "2001:db8:%zx:%x::1", i, known),
        .has_client_address = SUT_PRESENT,
    };
    return sut_test_call(rq, &auth_login_method, NULL, &in, &out, NULL);
}

static sut_status same_time(sut_request *rq, void *arg)
{
    fix *f = arg;
    char hash[AUTH_HASH_SIZE];
    cr_assert_eq(auth_password_hash(rq, SUT_STR(FIX_PASSWORD), hash), 0);
    fix_known(f, TIMING_PAIRS_MAX, hash);
    timing_assert_same(rq, AUTH_ERR_BAD_CREDENTIALS, try_to_log_in);
    return 0;
}

Test(login, takes_the_same_time_for_everybody, .timeout = 60)
{
    fix_run(same_time);
}

static sut_status rehash(sut_request *rq, void *arg)
{
    fix *f = arg;
    fix_account(rq, "ada");
    cr_assert_eq(FIX_COUNT(f, "users WHERE password_hash LIKE '$2b$04$%'"), 1);
    cr_assert_eq(auth_password_init(5), 0);
    cr_assert_eq(fix_login(rq, "ada@example.org", "not the password", NULL, NULL), AUTH_ERR_BAD_CREDENTIALS);
    cr_assert_eq(FIX_COUNT(f, "users WHERE password_hash LIKE '$2b$04$%'"), 1);
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, NULL, NULL), 0);
    cr_assert_eq(FIX_COUNT(f, "users WHERE password_hash LIKE '$2b$05$%'"), 1);
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, NULL, NULL), 0, "with the new hash");
    cr_assert_eq(auth_password_init(4), 0);
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, NULL, NULL), 0);
    cr_assert_eq(FIX_COUNT(f, "users WHERE password_hash LIKE '$2b$05$%'"), 1, "never a cheaper one");
    return 0;
}

Test(login, a_raised_cost_makes_new_hashes, .timeout = 40)
{
    fix_run(rehash);
}

#define TEN(s) s s s s s s s s s s

static sut_status lengths(sut_request *rq, void *arg)
{
    (void)arg;
    const char *just = TEN("seven..") "72", *over = TEN("seven..") "723";
    const char *utf8 = TEN("sieben\xc3\xa9") "\xc3\xa9\xc3\xa9"; /* 62 characters, 84 bytes */
    const char *umlauts = TEN("\xc3\xa9\xe2\x82\xac") "\xf0\x9d\x84\x9e";
    cr_assert_eq(strlen(just), 72);
    cr_assert_eq(fix_register(rq, "a@example.org", over, "user_a", NULL, NULL), SUT_ERR_INVALID);
    cr_assert_eq(fix_register(rq, "a@example.org", utf8, "user_a", NULL, NULL), SUT_ERR_INVALID,
                 "it is bytes that count");
    cr_assert_eq(fix_register(rq, "a@example.org", "1234567", "user_a", NULL, NULL), SUT_ERR_INVALID);
    cr_assert_eq(fix_register(rq, "a@example.org", just, "user_a", NULL, NULL), 0);
    cr_assert_eq(fix_login(rq, "a@example.org", just, NULL, NULL), 0);
    cr_assert_eq(fix_login(rq, "a@example.org", TEN("seven..") "73", NULL, NULL), AUTH_ERR_BAD_CREDENTIALS,
                 "the last byte counts");
    cr_assert_eq(fix_login(rq, "a@example.org", over, NULL, NULL), SUT_ERR_INVALID, "not cut to what would match");
    cr_assert_eq(fix_register(rq, "b@example.org", umlauts, "user_b", NULL, NULL), 0);
    cr_assert_eq(fix_login(rq, "b@example.org", umlauts, NULL, NULL), 0);
    cr_assert_eq(fix_login(rq, "b@example.org", TEN("\xc3\xa9\xe2\x82\xac") "\xf0\x9d\x84\x9f", NULL, NULL),
                 AUTH_ERR_BAD_CREDENTIALS);
    return 0;
}

Test(login, passwords_of_all_lengths_and_scripts, .timeout = 40)
{
    fix_run(lengths);
}

static sut_status nul(sut_request *rq, void *arg)
{
    (void)arg;
    char hash[AUTH_HASH_SIZE];
    bool matches;
    sut_str with_nul = {"password\0more", 13};
    auth_register_in in = {.email = SUT_STR("a@example.org"), .password = with_nul, .username = SUT_STR("user_a")};
    auth_tokens t;
    cr_assert_eq(sut_test_call(rq, &auth_register_method, NULL, &in, &t, NULL), SUT_ERR_INVALID);
    /* and should the schema ever let it through */
    cr_assert_eq(auth_password_hash(rq, with_nul, hash), SUT_ERR_INVALID);
    cr_assert_eq(auth_password_hash(rq, SUT_STR(TEN("seven..") "723"), hash), SUT_ERR_INVALID);
    cr_assert_eq(auth_password_check(rq, with_nul, SUT_STR_NONE, &matches), SUT_ERR_INVALID);
    cr_assert_not(matches);
    return 0;
}

Test(login, a_password_with_nul_is_refused_not_cut, .timeout = 40)
{
    fix_run(nul);
}

static sut_status damaged(sut_request *rq, void *arg)
{
    fix *f = arg;
    fix_account(rq, "ada");
    const char *const hashes[] = {"", "*0", "plain", "$1$abcdefgh$", "$2b$04$short"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(hashes); i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "UPDATE users SET password_hash = '%s' RETURNING 1", hashes[i]);
        fix_sql(f, sql);
        cr_assert_neq(fix_login(rq, "ada@example.org", FIX_PASSWORD, NULL, NULL), 0, "%s", hashes[i]);
    }
    return 0;
}

Test(login, a_damaged_hash_opens_nothing, .timeout = 40)
{
    fix_run(damaged);
}
