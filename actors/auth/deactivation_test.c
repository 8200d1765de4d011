/* Deactivating one's own account, and coming back. */
#include "fixture_test.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static int deactivate(sut_request *rq, const auth_tokens *who, const char *password, sut_error_body *error)
{
    sut_principal principal = who ? fix_principal(rq, who) : (sut_principal){0};
    auth_deactivate_in in = {.password = sut_str_from(password)};
    auth_deactivate_out out;
    return sut_test_call(rq, &auth_deactivate_method, who ? &principal : NULL, &in, &out, error);
}

static int login(sut_request *rq, auth_tokens *out)
{
    return fix_login(rq, "ada@example.org", FIX_PASSWORD, out, NULL);
}

static void events(fix *f, const char *expected)
{
    cr_assert_str_eq(fix_sql(f, "SELECT coalesce(string_agg(subject, ' ' ORDER BY id), '') FROM sut_outbox "
                                "WHERE subject ~ '^user\\.(un)?suspended|^user\\.(de|re)activated'"),
                     expected);
}

static sut_status goes_and_comes(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens ada = fix_account(rq, "ada"), other, back, grace = fix_account(rq, "grace");
    sut_error_body error;
    auth_user_deactivated gone;
    auth_user_reactivated returned;
    cr_assert_eq(login(rq, &other), 0);
    cr_assert_eq(deactivate(rq, NULL, FIX_PASSWORD, NULL), SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(deactivate(rq, &ada, "not this one", &error), AUTH_ERR_WRONG_PASSWORD);
    cr_assert(sut_str_is(error.errors[0].pointer, "/password"));
    cr_assert_eq(deactivate(rq, &ada, "", NULL), SUT_ERR_INVALID);
    events(f, "");
    cr_assert_eq(deactivate(rq, &ada, FIX_PASSWORD, NULL), 0);
    events(f, "user.deactivated");
    cr_assert_eq(fix_verify(rq, ada.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(fix_verify(rq, other.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(fix_refresh(rq, other.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID,
                 "only the password brings back");
    cr_assert_eq(fix_verify(rq, grace.access_token, NULL, NULL), 0);
    cr_assert_eq(FIX_COUNT(f, "revocations"), 2);
    cr_assert_eq(deactivate(rq, &ada, FIX_PASSWORD, NULL), 0, "again");
    cr_assert_eq(sut_test_emitted(rq, &auth_user_deactivated_event, 0, &gone, NULL), 0);
    cr_assert(gone.hidden);
    cr_assert_eq(gone.version, 1);

    cr_assert_eq(fix_login(rq, "ada@example.org", "not this one", NULL, NULL), AUTH_ERR_BAD_CREDENTIALS);
    events(f, "user.deactivated");
    cr_assert_eq(login(rq, &back), 0);
    cr_assert_eq(back.user_id, ada.user_id);
    cr_assert_eq(fix_verify(rq, back.access_token, NULL, NULL), 0);
    cr_assert_eq(login(rq, NULL), 0);
    events(f, "user.deactivated user.reactivated");
    cr_assert_eq(sut_test_emitted(rq, &auth_user_reactivated_event, 0, &returned, NULL), 0);
    cr_assert_not(returned.hidden);
    cr_assert_eq(returned.version, 2);
    return 0;
}

Test(deactivation, ends_everything_until_the_next_login, .timeout = 40)
{
    fix_run(goes_and_comes);
}

/* Each of the two may come and go without the other. */
static sut_status suspended_besides(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens ada = fix_account(rq, "ada"), boss = fix_account(rq, "boss");
    const sut_principal admin = {.user_id = boss.user_id, .level = 3};
    auth_managed_account a;
    auth_user_unsuspended end;
    auth_admin_suspend_in suspend = {.user_id = ada.user_id, .reason = SUT_STR("Spam.")};
    auth_admin_unsuspend_in lift = {.user_id = ada.user_id};
    fix_sql(f, "UPDATE users SET level = 3 WHERE username = 'boss' RETURNING 1");
    cr_assert_eq(deactivate(rq, &ada, FIX_PASSWORD, NULL), 0);
    cr_assert_eq(sut_test_call(rq, &auth_admin_suspend_method, &admin, &suspend, &a, NULL), 0);
    cr_assert_eq(a.state, AUTH_ACCOUNT_STATE_SUSPENDED);
    cr_assert_eq(a.has_deactivated_at, SUT_PRESENT);
    cr_assert_eq(login(rq, NULL), AUTH_ERR_ACCOUNT_SUSPENDED);
    events(f, "user.deactivated user.suspended");
    cr_assert_eq(sut_test_call(rq, &auth_admin_unsuspend_method, &admin, &lift, &a, NULL), 0);
    cr_assert_eq(a.state, AUTH_ACCOUNT_STATE_DEACTIVATED);
    cr_assert_eq(sut_test_emitted(rq, &auth_user_unsuspended_event, 0, &end, NULL), 0);
    cr_assert(end.hidden, "the owner has not come back");

    cr_assert_eq(sut_test_call(rq, &auth_admin_suspend_method, &admin, &suspend, &a, NULL), 0);
    fix_sql(f, "UPDATE users SET suspended_until = now() - interval '1 s' WHERE username = 'ada' RETURNING 1");
    cr_assert_eq(login(rq, NULL), 0);
    events(f, "user.deactivated user.suspended user.unsuspended user.suspended user.unsuspended user.reactivated");
    cr_assert_str_eq(fix_sql(f, "SELECT account_version FROM users WHERE username = 'ada'"), "6");
    return 0;
}

Test(deactivation, and_suspension_are_two_things, .timeout = 40)
{
    fix_run(suspended_besides);
}

/* ---- at the same time ---- */

typedef struct racer {
    const auth_tokens *who; /* NULL: logs in */
    int *left, status;
} racer;

static sut_status run_racer(sut_request *rq, void *arg)
{
    racer *r = *(racer **)arg;
    r->status = r->who ? deactivate(rq, r->who, FIX_PASSWORD, NULL) : login(rq, NULL);
    (*r->left)--;
    return 0;
}

/* Whoever comes last decides, and all of it: either hidden without a session, or there with one. */
static sut_status at_once(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens ada = fix_account(rq, "ada");
    for (int round = 0; round < 20; round++) {
        int left = 4;
        racer r[4];
        for (int i = 0; i < 4; i++) {
            racer *one = &r[i];
            r[i] = (racer){.who = i % 2 ? &ada : NULL, .left = &left, .status = -1};
            cr_assert_eq(sut_background(rq, "racer", run_racer, &one, sizeof one, 20000), 0);
        }
        while (left > 0)
            cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
        for (int i = 0; i < 4; i++)
            cr_assert_eq(r[i].status, 0);
        cr_assert_str_eq(fix_sql(f, "SELECT (deactivated_at IS NULL) = EXISTS (SELECT 1 FROM sessions s "
                                    "WHERE s.user_id = u.id AND s.revoked_at IS NULL) FROM users u"),
                         "t");
    }
    cr_assert_str_eq(fix_sql(f, "SELECT count(*) = (SELECT account_version FROM users) FROM sut_outbox "
                                "WHERE subject ~ '^user\\.(de|re)activated'"),
                     "t");
    return 0;
}

Test(deactivation, and_logins_at_once, .timeout = 60)
{
    fix_run(at_once);
}
