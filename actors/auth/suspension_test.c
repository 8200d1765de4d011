/* Suspension: what it ends, whom it spares, how it ends itself; alone and with others at the same time. */
#include "fixture_test.h"
#include "mail.h"
#include "password.h"
#include "timing_test.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define FAR 4070908800000000 /* 2099 */

static sut_principal admin_of(sut_request *rq, fix *f, const char *name)
{
    auth_tokens t = fix_account(rq, name);
    char sql[128];
    snprintf(sql, sizeof sql, "UPDATE users SET level = 3 WHERE id = %lld RETURNING 1", (long long)t.user_id);
    fix_sql(f, sql);
    return (sut_principal){.user_id = t.user_id, .level = 3};
}

static int suspend(sut_request *rq, const sut_principal *by, int64_t user_id, const char *reason, int64_t until_us,
                   auth_managed_account *out)
{
    auth_admin_suspend_in in = {.user_id = user_id,
                                .reason = sut_str_from(reason),
                                .until = until_us,
                                .has_until = until_us ? SUT_PRESENT : SUT_ABSENT};
    auth_managed_account unused;
    return sut_test_call(rq, &auth_admin_suspend_method, by, &in, out ? out : &unused, NULL);
}

static int lift(sut_request *rq, const sut_principal *by, int64_t user_id, auth_managed_account *out)
{
    auth_admin_unsuspend_in in = {.user_id = user_id};
    auth_managed_account unused;
    return sut_test_call(rq, &auth_admin_unsuspend_method, by, &in, out ? out : &unused, NULL);
}

static int login(sut_request *rq, const char *name, auth_tokens *out, sut_error_body *error)
{
    return fix_login(rq, sut_request_printf(rq, "%s@example.org", name).ptr, FIX_PASSWORD, out, error);
}

static void events(fix *f, const char *expected)
{
    cr_assert_str_eq(fix_sql(f, "SELECT coalesce(string_agg(subject, ' ' ORDER BY id), '') FROM sut_outbox "
                                "WHERE subject ~ '^user\\.(un)?suspended|^user\\.(de|re)activated'"),
                     expected);
}

/* ---- what it does ---- */

static sut_status ends_everything(sut_request *rq, void *arg)
{
    fix *f = arg;
    const sut_principal admin = admin_of(rq, f, "admin");
    auth_tokens ada = fix_account(rq, "ada"), used = ada, other;
    auth_managed_account a;
    sut_error_body error;
    auth_user_suspended event;
    cr_assert_eq(login(rq, "ada", &other, NULL), 0);
    cr_assert_eq(fix_refresh(rq, used.refresh_token, &ada, NULL), 0);
    cr_assert_eq(suspend(rq, &admin, ada.user_id, " Spam. ", FAR, &a), 0);
    cr_assert_eq(a.state, AUTH_ACCOUNT_STATE_SUSPENDED);
    cr_assert_eq(a.suspended_until, FAR);
    cr_assert(sut_str_is(a.suspension_reason, "Spam."));
    cr_assert_eq(FIX_COUNT(f, "sessions WHERE revoked_at IS NULL AND user_id <> (SELECT min(id) FROM users)"), 0);
    cr_assert_eq(fix_verify(rq, ada.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(fix_verify(rq, other.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(FIX_COUNT(f, "revocations"), 2, "edges hear of both");

    cr_assert_eq(login(rq, "ada", NULL, &error), AUTH_ERR_ACCOUNT_SUSPENDED);
    cr_assert(sut_str_is(error.message, "This account is suspended until 2099-01-01T00:00:00.000000Z: Spam."));
    cr_assert_eq(error.error_count, 1);
    cr_assert(sut_str_is(error.errors[0].pointer, "/until"));
    cr_assert(sut_str_is(error.errors[0].message, "2099-01-01T00:00:00.000000Z"));
    cr_assert_eq(fix_refresh(rq, ada.refresh_token, NULL, &error), AUTH_ERR_ACCOUNT_SUSPENDED);
    cr_assert(sut_str_is(error.errors[0].message, "2099-01-01T00:00:00.000000Z"));
    cr_assert_eq(fix_refresh(rq, used.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID,
                 "a token that is not the last one is told nothing");
    cr_assert_eq(fix_login(rq, "ada@example.org", "not this one", NULL, &error), AUTH_ERR_BAD_CREDENTIALS);
    cr_assert(sut_str_is(error.message, "The address or the password is wrong."), "a stranger learns nothing");
    cr_assert_eq(fix_register(rq, "ada@example.org", FIX_PASSWORD, "ada", NULL, NULL), AUTH_ERR_EMAIL_TAKEN);

    cr_assert_eq(sut_test_emitted(rq, &auth_user_suspended_event, 0, &event, NULL), 0);
    cr_assert_eq(event.user_id, ada.user_id);
    cr_assert_eq(event.by, admin.user_id);
    cr_assert_eq(event.until, FAR);
    cr_assert(sut_str_is(event.reason, "Spam."));
    cr_assert(event.hidden);
    cr_assert_eq(event.version, 1);

    cr_assert_eq(lift(rq, &admin, ada.user_id, &a), 0);
    cr_assert_eq(a.state, AUTH_ACCOUNT_STATE_ACTIVE);
    cr_assert_eq(fix_verify(rq, ada.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID, "what has ended stays ended");
    cr_assert_eq(fix_refresh(rq, ada.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(login(rq, "ada", NULL, NULL), 0);
    return 0;
}

Test(suspension, ends_everything_and_tells_its_owner_only, .timeout = 40)
{
    fix_run(ends_everything);
}

static sut_status again(sut_request *rq, void *arg)
{
    fix *f = arg;
    const sut_principal admin = admin_of(rq, f, "admin"), second = admin_of(rq, f, "second");
    auth_tokens ada = fix_account(rq, "ada");
    auth_managed_account first, later;
    auth_user_suspended event;
    auth_user_unsuspended end;
    sut_error_body error;
    cr_assert_eq(lift(rq, &admin, ada.user_id, NULL), 0, "there is nothing to lift");
    events(f, "");
    cr_assert_eq(suspend(rq, &admin, ada.user_id, "Spam.", 0, &first), 0);
    cr_assert_eq(first.has_suspended_until, SUT_ABSENT);
    cr_assert_eq(suspend(rq, &admin, ada.user_id, "Spam.", 0, &later), 0);
    events(f, "user.suspended");
    cr_assert_eq(later.suspended_at, first.suspended_at);
    cr_assert_eq(login(rq, "ada", NULL, &error), AUTH_ERR_ACCOUNT_SUSPENDED);
    cr_assert(sut_str_is(error.message, "This account is suspended: Spam."));
    cr_assert_eq(error.error_count, 0, "it does not end by itself");
    cr_assert_eq(suspend(rq, &second, ada.user_id, "Fraud.", FAR, &later), 0);
    cr_assert_eq(later.suspended_at, first.suspended_at);
    cr_assert_eq(later.suspended_until, FAR);
    events(f, "user.suspended user.suspended");
    cr_assert_eq(sut_test_emitted(rq, &auth_user_suspended_event, 1, &event, NULL), 0);
    cr_assert_eq(event.by, second.user_id);
    cr_assert_eq(event.version, 2);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(lift(rq, &admin, ada.user_id, NULL), 0);
    events(f, "user.suspended user.suspended user.unsuspended");
    cr_assert_eq(sut_test_emitted(rq, &auth_user_unsuspended_event, 0, &end, NULL), 0);
    cr_assert_eq(end.by, admin.user_id);
    cr_assert_eq(end.version, 3);
    cr_assert_not(end.hidden);
    cr_assert_str_eq(fix_sql(f, "SELECT string_agg(concat_ws(' ', act, by_id, reason, extract(year FROM until)), ', ' "
                                "ORDER BY id) FROM admin_acts"),
                     "suspend 32 Spam., suspend 64 Fraud. 2099, unsuspend 32");
    return 0;
}

Test(suspension, again_it_changes_reason_and_end, .timeout = 40)
{
    fix_run(again);
}

static sut_status refused(sut_request *rq, void *arg)
{
    fix *f = arg;
    const sut_principal admin = admin_of(rq, f, "admin"), second = admin_of(rq, f, "second");
    auth_tokens ada = fix_account(rq, "ada"), bob = fix_account(rq, "bob");
    const sut_principal user = {.user_id = bob.user_id, .level = 1};
    char long_reason[302];
    memset(long_reason, 'x', sizeof long_reason - 1);
    long_reason[301] = '\0';
    cr_assert_eq(suspend(rq, NULL, ada.user_id, "Spam.", 0, NULL), SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(suspend(rq, &user, ada.user_id, "Spam.", 0, NULL), SUT_ERR_FORBIDDEN);
    cr_assert_eq(lift(rq, &user, ada.user_id, NULL), SUT_ERR_FORBIDDEN);
    cr_assert_eq(suspend(rq, &admin, admin.user_id, "Spam.", 0, NULL), AUTH_ERR_SELF_SUSPENSION);
    cr_assert_eq(suspend(rq, &admin, second.user_id, "Spam.", 0, NULL), AUTH_ERR_ACCOUNT_IS_ADMIN);
    cr_assert_eq(suspend(rq, &admin, 1 << 30, "Spam.", 0, NULL), SUT_ERR_NOT_FOUND);
    cr_assert_eq(lift(rq, &admin, 1 << 30, NULL), SUT_ERR_NOT_FOUND);
    cr_assert_eq(suspend(rq, &admin, 0, "Spam.", 0, NULL), SUT_ERR_INVALID);
    cr_assert_eq(suspend(rq, &admin, ada.user_id, "", 0, NULL), SUT_ERR_INVALID);
    cr_assert_eq(suspend(rq, &admin, ada.user_id, "  ", 0, NULL), SUT_ERR_INVALID);
    cr_assert_eq(suspend(rq, &admin, ada.user_id, long_reason, 0, NULL), SUT_ERR_INVALID, "never cut");
    cr_assert_eq(suspend(rq, &admin, ada.user_id, "Spam.", sut_wall_us() - 1000000, NULL), SUT_ERR_INVALID);
    cr_assert_eq(suspend(rq, &admin, ada.user_id, "Spam.", 1, NULL), SUT_ERR_INVALID);
    fix_sql(f, "UPDATE users SET status = 'pending', claimed_until = now() + interval '1 h' WHERE username = 'bob' "
               "RETURNING 1");
    cr_assert_eq(suspend(rq, &admin, bob.user_id, "Spam.", 0, NULL), AUTH_ERR_ACCOUNT_PENDING);
    fix_sql(f, "UPDATE users SET level = 1 WHERE username = 'admin' RETURNING 1");
    cr_assert_eq(suspend(rq, &admin, ada.user_id, "Spam.", 0, NULL), SUT_ERR_FORBIDDEN,
                 "a token of before, that no edge has refused yet");
    cr_assert_eq(lift(rq, &admin, ada.user_id, NULL), SUT_ERR_FORBIDDEN);
    long_reason[300] = '\0';
    cr_assert_eq(suspend(rq, &second, ada.user_id, long_reason, 0, NULL), 0);
    cr_assert_eq(FIX_COUNT(f, "admin_acts"), 1);
    events(f, "user.suspended");
    return 0;
}

Test(suspension, whom_it_is_refused_and_why, .timeout = 40)
{
    fix_run(refused);
}

/* ---- what does not end it ---- */

static const char *mail_id(fix *f, const char *kind)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT id FROM mails WHERE kind = '%s' ORDER BY created_at DESC LIMIT 1", kind);
    return fix_sql(f, sql);
}

static sut_str mail_token(sut_request *rq, fix *f, auth_mail_kind kind)
{
    uint8_t hash[AUTH_TOKEN_HASH_SIZE];
    sut_str token =
        auth_mail_token(rq, sut_keyring_signing(auth_keys), kind, mail_id(f, auth_mail_kind_name(kind)), hash);
    cr_assert(token.ptr);
    return token;
}

static sut_status other_doors(sut_request *rq, void *arg)
{
    fix *f = arg;
    const sut_principal admin = admin_of(rq, f, "admin");
    auth_tokens ada = fix_account(rq, "ada");
    auth_verify_email_in verify = {.token = mail_token(rq, f, AUTH_MAIL_VERIFY)};
    auth_verify_email_out verified;
    auth_forgot_password_in forgot = {.email = SUT_STR("ada@example.org")};
    auth_forgot_password_out accepted;
    auth_reset_password_out done;
    cr_assert_eq(suspend(rq, &admin, ada.user_id, "Spam.", 0, NULL), 0);
    cr_assert_eq(sut_test_call(rq, &auth_verify_email_method, NULL, &verify, &verified, NULL), 0);
    cr_assert_eq(sut_test_call(rq, &auth_forgot_password_method, NULL, &forgot, &accepted, NULL), 0);
    auth_reset_password_in reset = {.token = mail_token(rq, f, AUTH_MAIL_RESET),
                                    .new_password = SUT_STR("another long sentence")};
    cr_assert_eq(sut_test_call(rq, &auth_reset_password_method, NULL, &reset, &done, NULL), 0);
    cr_assert_eq(fix_login(rq, "ada@example.org", "another long sentence", NULL, NULL), AUTH_ERR_ACCOUNT_SUSPENDED);
    cr_assert_eq(login(rq, "ada", NULL, NULL), AUTH_ERR_BAD_CREDENTIALS);
    cr_assert_eq(FIX_COUNT(f, "sessions WHERE revoked_at IS NULL AND user_id <> (SELECT min(id) FROM users)"), 0);
    events(f, "user.suspended");
    return 0;
}

Test(suspension, neither_reset_nor_confirmation_lifts_it, .timeout = 40)
{
    fix_run(other_doors);
}

/* ---- its end ---- */

static void run_out(fix *f)
{
    fix_sql(
        f, "UPDATE users SET suspended_until = now() - interval '1 minute' WHERE suspended_at IS NOT NULL RETURNING 1");
}

static sut_status expires(sut_request *rq, void *arg)
{
    fix *f = arg;
    const sut_principal admin = admin_of(rq, f, "admin");
    auth_tokens ada = fix_account(rq, "ada"), bob = fix_account(rq, "bob");
    auth_user_unsuspended end;
    cr_assert_eq(suspend(rq, &admin, ada.user_id, "Spam.", FAR, NULL), 0);
    cr_assert_eq(suspend(rq, &admin, bob.user_id, "Spam.", FAR, NULL), 0);
    cr_assert_eq(sut_test_periodic(rq, "auth.suspensions"), 0);
    cr_assert_eq(login(rq, "ada", NULL, NULL), AUTH_ERR_ACCOUNT_SUSPENDED);
    run_out(f);
    cr_assert_eq(login(rq, "ada", NULL, NULL), 0, "by time, whether it was swept or not");
    events(f, "user.suspended user.suspended user.unsuspended");
    cr_assert_eq(sut_test_emitted(rq, &auth_user_unsuspended_event, 0, &end, NULL), 0);
    cr_assert_eq(end.user_id, ada.user_id);
    cr_assert_eq(end.has_by, SUT_ABSENT);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(sut_test_periodic(rq, "auth.suspensions"), 0);
    events(f, "user.suspended user.suspended user.unsuspended user.unsuspended");
    cr_assert_eq(sut_test_emitted(rq, &auth_user_unsuspended_event, 1, &end, NULL), 0);
    cr_assert_eq(end.user_id, bob.user_id);
    cr_assert_eq(end.has_by, SUT_ABSENT);
    cr_assert_eq(end.version, 2);
    cr_assert_eq(FIX_COUNT(f, "users WHERE suspended_at IS NOT NULL"), 0);
    cr_assert_eq(FIX_COUNT(f, "admin_acts"), 2, "time is no administrator");

    cr_assert_eq(suspend(rq, &admin, bob.user_id, "Again.", FAR, NULL), 0);
    run_out(f);
    cr_assert_eq(suspend(rq, &admin, bob.user_id, "Again.", FAR, NULL), 0, "another one, not the old one again");
    cr_assert_eq(login(rq, "bob", NULL, NULL), AUTH_ERR_ACCOUNT_SUSPENDED);
    run_out(f);
    cr_assert_eq(lift(rq, &admin, bob.user_id, NULL), 0);
    cr_assert_eq(sut_test_emitted(rq, &auth_user_unsuspended_event, 2, &end, NULL), 0);
    cr_assert_eq(end.has_by, SUT_ABSENT, "who comes late has lifted nothing");
    return 0;
}

Test(suspension, ends_by_itself_and_says_so, .timeout = 40)
{
    fix_run(expires);
}

/* ---- at the same time ---- */

typedef struct racer {
    sut_request_fn act;
    const sut_principal *by;
    int64_t user_id;
    int *left, status;
} racer;

static sut_status run_racer(sut_request *rq, void *arg)
{
    racer *r = *(racer **)arg;
    (void)r->act(rq, r);
    (*r->left)--;
    return 0;
}

static void race(sut_request *rq, racer *racers, int n)
{
    int left = n;
    for (int i = 0; i < n; i++) {
        racer *one = &racers[i];
        one->left = &left;
        one->status = -1;
        cr_assert_eq(sut_background(rq, "racer", run_racer, &one, sizeof one, 20000), 0);
    }
    while (left > 0)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
}

static sut_status logs_in(sut_request *rq, void *arg)
{
    racer *r = arg;
    r->status = login(rq, "ada", NULL, NULL);
    return 0;
}

static sut_status suspends(sut_request *rq, void *arg)
{
    racer *r = arg;
    r->status = suspend(rq, r->by, r->user_id, "Spam.", FAR, NULL);
    return 0;
}

static sut_status during_login(sut_request *rq, void *arg)
{
    fix *f = arg;
    const sut_principal admin = admin_of(rq, f, "admin");
    auth_tokens ada = fix_account(rq, "ada");
    int let_in = 0;
    for (int round = 0; round < 20; round++) {
        racer r[6];
        for (int i = 0; i < 6; i++)
            r[i] = (racer){.act = i == round % 6 ? suspends : logs_in, .by = &admin, .user_id = ada.user_id};
        race(rq, r, 6);
        for (int i = 0; i < 6; i++) {
            cr_assert(r[i].status == 0 || (i != round % 6 && r[i].status == AUTH_ERR_ACCOUNT_SUSPENDED), "%d",
                      r[i].status);
            let_in += i != round % 6 && r[i].status == 0;
        }
        cr_assert_eq(FIX_COUNT(f, "sessions WHERE revoked_at IS NULL AND user_id <> (SELECT min(id) FROM users)"), 0,
                     "a session has survived");
        cr_assert_eq(lift(rq, &admin, ada.user_id, NULL), 0);
    }
    cr_assert_leq(let_in, 100);
    return 0;
}

Test(suspension, no_session_survives_it, .timeout = 60)
{
    fix_run(during_login);
}

static sut_status loses_level(sut_request *rq, void *arg)
{
    racer *r = arg;
    auth_admin_revoke_in in = {.email = SUT_STR("second@example.org")};
    auth_admin_revoke_out out;
    r->status = sut_test_call(rq, &auth_admin_revoke_method, NULL, &in, &out, NULL);
    return 0;
}

/* Two on one account; each on the other; and one on the other while that one loses the level: no deadlock, and never
 * does an administrator end up suspended, or somebody act who was none. */
static sut_status two_admins(sut_request *rq, void *arg)
{
    fix *f = arg;
    const sut_principal first = admin_of(rq, f, "admin"), second = admin_of(rq, f, "second");
    auth_tokens ada = fix_account(rq, "ada");
    for (int round = 0; round < 20; round++) {
        fix_sql(f, "UPDATE users SET level = 3, suspended_at = NULL, suspended_until = NULL, suspension_reason = NULL "
                   "WHERE username = 'second' RETURNING 1");
        racer r[] = {{.act = suspends, .by = &first, .user_id = ada.user_id},
                     {.act = suspends, .by = &second, .user_id = ada.user_id},
                     {.act = suspends, .by = &first, .user_id = second.user_id},
                     {.act = suspends, .by = &second, .user_id = first.user_id},
                     {.act = loses_level}};
        race(rq, r, SUT_ARRAY_LEN(r));
        cr_assert_eq(r[0].status, 0);
        cr_assert(r[1].status == 0 || r[1].status == SUT_ERR_FORBIDDEN, "%d", r[1].status);
        cr_assert(r[2].status == 0 || r[2].status == AUTH_ERR_ACCOUNT_IS_ADMIN, "%d", r[2].status);
        cr_assert(r[3].status == AUTH_ERR_ACCOUNT_IS_ADMIN || r[3].status == SUT_ERR_FORBIDDEN, "%d", r[3].status);
        cr_assert_eq(r[4].status, 0);
        cr_assert_eq(FIX_COUNT(f, "users WHERE level = 3 AND suspended_at IS NOT NULL"), 0);
        cr_assert_eq(FIX_COUNT(f, "sut_outbox WHERE subject = 'user.suspended' AND key = '96'"), round + 1,
                     "the second one found it done");
        cr_assert_eq(lift(rq, &first, ada.user_id, NULL), 0);
    }
    return 0;
}

Test(suspension, two_administrators_at_once, .timeout = 60)
{
    fix_run(two_admins);
}

/* ---- time ---- */

static sut_status try_to_log_in(sut_request *rq, bool known, size_t i)
{
    sut_str email = sut_request_printf(rq, "%s%zu@example.org", known ? "known" : "other", i);
    return (sut_status)fix_login(rq, email.ptr, "not the password", NULL, NULL);
}

static sut_status equal_time(sut_request *rq, void *arg)
{
    fix *f = arg;
    char hash[AUTH_HASH_SIZE];
    cr_assert_eq(auth_password_hash(rq, SUT_STR(FIX_PASSWORD), hash), 0);
    fix_known(f, TIMING_PAIRS_MAX, hash);
    fix_sql(f, "UPDATE users SET suspended_at = now(), suspension_reason = 'Spam.'");
    timing_assert_same(rq, AUTH_ERR_BAD_CREDENTIALS, try_to_log_in);
    return 0;
}

Test(suspension, a_wrong_password_takes_as_long_as_for_nobody, .timeout = 120)
{
    setenv("LOGIN_FREE_NETWORK", "100000", 1);
    fix_run(equal_time);
}
