/* Mails that auth sends, and what their tokens open. Mails are files here. */
#include "fixture_test.h"
#include "timing_test.h"

#include "auth_service.h"
#include "mail.h"
#include "password.h"

#include "base/clock.h"
#include "kit/event.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- helpers ---- */

/* Delivers the index-th mail.requested that was emitted; the event's own id makes a repetition a repetition. */
static int deliver(sut_request *rq, size_t index, sut_error_body *error)
{
    auth_mail_requested event;
    sut_test_emitted_event info;
    cr_assert_eq(sut_test_emitted(rq, &auth_mail_requested_event, index, &event, &info), 0, "no %zu-th mail", index);
    const sut_test_delivery opt = {.event_id = info.id, .sequence = index + 1};
    return sut_test_deliver(rq, fix_consumer("mail.requested"), &event, &opt, error);
}

/* The files, in their order; the newest one's content in `text` (may be NULL). */
static int files(const fix *f, char text[4096])
{
    struct dirent **names;
    int mails = 0, count = scandir(f->mail_dir, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", f->mail_dir, names[i]->d_name);
        mails += names[i]->d_name[0] != '.';
        if (text && names[i]->d_name[0] != '.') {
            FILE *file = fopen(path, "r");
            cr_assert_not_null(file);
            text[fread(text, 1, 4095, file)] = 0;
            fclose(file);
        }
        free(names[i]);
    }
    free(names);
    return mails;
}

/* The token in the newest file. */
static sut_str newest_token(sut_request *rq, const fix *f)
{
    char text[4096];
    cr_assert_gt(files(f, text), 0);
    char *at = strstr(text, "#token=");
    cr_assert_not_null(at, "%s", text);
    at += strlen("#token=");
    return sut_request_str(rq, (sut_str){at, strcspn(at, "\r\n")});
}

static int verify(sut_request *rq, sut_str token)
{
    auth_verify_email_in in = {.token = token};
    auth_verify_email_out out;
    return sut_test_call(rq, &auth_verify_email_method, NULL, &in, &out, NULL);
}

static int forgot(sut_request *rq, const char *email)
{
    auth_forgot_password_in in = {.email = sut_str_from(email)};
    auth_forgot_password_out out;
    return sut_test_call(rq, &auth_forgot_password_method, NULL, &in, &out, NULL);
}

static int reset(sut_request *rq, sut_str token, const char *password)
{
    auth_reset_password_in in = {.token = token, .new_password = sut_str_from(password)};
    auth_reset_password_out out;
    return sut_test_call(rq, &auth_reset_password_method, NULL, &in, &out, NULL);
}

static int change(sut_request *rq, const sut_principal *who, const char *old, const char *new)
{
    auth_change_password_in in = {.old_password = sut_str_from(old), .new_password = sut_str_from(new)};
    auth_change_password_out out;
    return sut_test_call(rq, &auth_change_password_method, who, &in, &out, NULL);
}

static int resend(sut_request *rq, const sut_principal *who)
{
    auth_verify_resend_in in = {0};
    auth_verify_resend_out out;
    return sut_test_call(rq, &auth_verify_resend_method, who, &in, &out, NULL);
}

/* ada, and the token of a mail that resets her password; it is the second that was asked for. */
static sut_str reset_token(sut_request *rq, fix *f)
{
    fix_account(rq, "ada");
    cr_assert_eq(forgot(rq, "ada@example.org"), 0);
    cr_assert_eq(deliver(rq, 1, NULL), 0);
    return newest_token(rq, f);
}

/* ---- sending ---- */

static sut_status once(sut_request *rq, void *arg)
{
    fix *f = arg;
    fix_account(rq, "ada");
    cr_assert_eq(FIX_COUNT(f, "mails WHERE kind = 'verify' AND length(token_hash) = 32 AND ended_at IS NULL"), 1);
    cr_assert_eq(deliver(rq, 0, NULL), 0);
    cr_assert_eq(deliver(rq, 0, NULL), 0, "again");
    cr_assert_eq(files(f, NULL), 1);
    cr_assert_eq(FIX_COUNT(f, "mails WHERE outcome = 'sent'"), 1);
    return 0;
}

Test(mail, of_a_registration_is_sent_once, .timeout = 40)
{
    fix_run(once);
}

static sut_status crashed(sut_request *rq, void *arg)
{
    fix *f = arg;
    char first[4096], second[4096];
    fix_account(rq, "ada");
    cr_assert_eq(deliver(rq, 0, NULL), 0);
    files(f, first);
    fix_sql(f, "DELETE FROM sut_consumed"); /* as if the record of it had not been committed */
    fix_sql(f, "UPDATE mails SET ended_at = NULL, outcome = NULL");
    cr_assert_eq(deliver(rq, 0, NULL), 0);
    cr_assert_eq(files(f, second), 1, "the same mail is the same file");
    cr_assert_str_eq(first, second, "byte for byte, the Message-ID too");
    return 0;
}

Test(mail, that_went_unrecorded_goes_again_as_the_same, .timeout = 40)
{
    fix_run(crashed);
}

static void expect_dropped(sut_request *rq, fix *f, const char *sql)
{
    fix_sql(f, "DELETE FROM sut_consumed");
    fix_sql(f, "UPDATE mails SET ended_at = NULL, outcome = NULL, used_at = NULL, expires_at = now() + interval '1 h'");
    fix_sql(f, "UPDATE users SET is_verified = FALSE, status = 'active'");
    fix_sql(f, sql);
    cr_assert_eq(deliver(rq, 0, NULL), 0, "%s", sql);
    cr_assert_eq(files(f, NULL), 0, "%s", sql);
}

static sut_status dropped(sut_request *rq, void *arg)
{
    fix *f = arg;
    fix_account(rq, "ada");
    expect_dropped(rq, f, "UPDATE mails SET used_at = now()");
    expect_dropped(rq, f, "UPDATE mails SET expires_at = now()");
    expect_dropped(rq, f, "UPDATE users SET is_verified = TRUE");
    expect_dropped(rq, f, "UPDATE users SET status = 'undoing'");
    expect_dropped(rq, f, "UPDATE mails SET token_hash = sha256('another key')");
    cr_assert_eq(FIX_COUNT(f, "mails WHERE outcome = 'dropped'"), 1);
    expect_dropped(rq, f, "DELETE FROM mails");
    return 0;
}

Test(mail, that_nobody_needs_any_more_is_dropped, .timeout = 40)
{
    fix_run(dropped);
}

static sut_status replayed(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_mail_requested event;
    const sut_test_delivery opt = {.replayed = true, .generation = 2};
    fix_account(rq, "ada");
    cr_assert_eq(sut_test_emitted(rq, &auth_mail_requested_event, 0, &event, NULL), 0);
    cr_assert_eq(sut_test_deliver(rq, fix_consumer("mail.requested"), &event, &opt, NULL), 0);
    cr_assert_eq(files(f, NULL), 0);
    cr_assert_eq(deliver(rq, 0, NULL), 0, "its own delivery is still to come");
    cr_assert_eq(files(f, NULL), 1);
    return 0;
}

Test(mail, is_not_sent_when_history_is_told_again, .timeout = 40)
{
    fix_run(replayed);
}

static sut_status later(sut_request *rq, void *arg)
{
    fix *f = arg;
    sut_error_body error;
    char aside[128];
    fix_account(rq, "ada");
    snprintf(aside, sizeof aside, "%s.aside", f->mail_dir);
    cr_assert_eq(rename(f->mail_dir, aside), 0);
    cr_assert_eq(deliver(rq, 0, &error), SUT_ERR_UNAVAILABLE);
    cr_assert_eq(error.retry_after_ms, 1000);
    cr_assert_eq(FIX_COUNT(f, "mails WHERE ended_at IS NULL"), 1);
    cr_assert_eq(rename(aside, f->mail_dir), 0);
    cr_assert_eq(deliver(rq, 0, NULL), 0);
    cr_assert_eq(files(f, NULL), 1);
    return 0;
}

Test(mail, that_cannot_go_now_is_tried_again, .timeout = 40)
{
    fix_run(later);
}

static sut_status bounded(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens ada = fix_account(rq, "ada");
    sut_principal who = fix_principal(rq, &ada);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(resend(rq, &who), 0);
    cr_assert_eq(resend(rq, &who), AUTH_ERR_TOO_MANY_MAILS, "one was asked for at registration");
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(forgot(rq, "ada@example.org"), 0);
        cr_assert_eq(forgot(rq, "nobody@example.org"), 0);
    }
    cr_assert_eq(FIX_COUNT(f, "mails WHERE email = 'ada@example.org' AND kind = 'reset'"), 3);
    cr_assert_eq(FIX_COUNT(f, "mails WHERE email = 'nobody@example.org' AND kind = 'reset'"), 3);
    cr_assert_eq(FIX_COUNT(f, "sut_outbox WHERE subject = 'mail.requested'"), 3 + 3 + 3);
    fix_sql(f, "UPDATE mails SET created_at = now() - interval '61 minutes'");
    cr_assert_eq(forgot(rq, "ada@example.org"), 0);
    cr_assert_eq(FIX_COUNT(f, "mails WHERE email = 'ada@example.org' AND kind = 'reset'"), 4);
    cr_assert_eq(resend(rq, &who), 0);
    return 0;
}

Test(mail, is_bounded_by_the_hour, .timeout = 40)
{
    fix_run(bounded);
}

static sut_status for_nobody(sut_request *rq, void *arg)
{
    fix *f = arg;
    cr_assert_eq(forgot(rq, "nobody@example.org"), 0);
    cr_assert_eq(deliver(rq, 0, NULL), 0);
    cr_assert_eq(files(f, NULL), 0);
    cr_assert_eq(FIX_COUNT(f, "mails WHERE outcome = 'dropped'"), 1);
    return 0;
}

Test(mail, goes_to_nobody_without_account, .timeout = 40)
{
    fix_run(for_nobody);
}

static sut_status cleaned(sut_request *rq, void *arg)
{
    fix *f = arg;
    fix_account(rq, "ada");
    fix_account(rq, "grace");
    fix_sql(f, "UPDATE mails SET expires_at = now() - interval '25 hours' WHERE email = 'ada@example.org'");
    fix_sql(f, "UPDATE mails SET expires_at = now() - interval '23 hours' WHERE email = 'grace@example.org'");
    cr_assert_eq(sut_test_periodic(rq, "auth.cleanup"), 0);
    cr_assert_str_eq(fix_sql(f, "SELECT string_agg(email, ' ') FROM mails"), "grace@example.org");
    return 0;
}

Test(mail, is_forgotten_a_day_after_it_expired, .timeout = 40)
{
    fix_run(cleaned);
}

/* ---- tokens ---- */

static sut_status confirmed(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens ada = fix_account(rq, "ada"), grace = fix_account(rq, "grace");
    auth_verify_out out;
    cr_assert_eq(deliver(rq, 0, NULL), 0);
    sut_str token = newest_token(rq, f);
    cr_assert_eq(fix_verify(rq, ada.access_token, &out, NULL), 0);
    cr_assert_not(out.is_verified);
    cr_assert_eq(reset(rq, token, "another long one"), AUTH_ERR_LINK_INVALID, "of another kind");
    cr_assert_eq(verify(rq, token), 0);
    cr_assert_eq(fix_verify(rq, ada.access_token, &out, NULL), 0);
    cr_assert(out.is_verified);
    cr_assert_eq(fix_verify(rq, grace.access_token, &out, NULL), 0);
    cr_assert_not(out.is_verified, "another account");
    cr_assert_eq(verify(rq, token), AUTH_ERR_LINK_USED);
    sut_principal who = fix_principal(rq, &ada);
    cr_assert_eq(resend(rq, &who), 0);
    cr_assert_eq(FIX_COUNT(f, "mails WHERE email = 'ada@example.org'"), 1, "nothing to confirm");
    return 0;
}

Test(link, confirms_its_address, .timeout = 40)
{
    fix_run(confirmed);
}

static sut_status wrong(sut_request *rq, void *arg)
{
    fix *f = arg;
    sut_str token = reset_token(rq, f);
    for (size_t i = 0; i < token.len; i++) {
        char other[128];
        memcpy(other, token.ptr, token.len + 1);
        other[i] = other[i] == 'a' ? 'b' : 'a';
        cr_assert_eq(reset(rq, sut_str_from(other), "another long one"), AUTH_ERR_LINK_INVALID, "byte %zu", i);
    }
    cr_assert_eq(verify(rq, token), AUTH_ERR_LINK_INVALID, "of another kind");
    fix_sql(f, "UPDATE mails SET expires_at = now()");
    cr_assert_eq(reset(rq, token, "another long one"), AUTH_ERR_LINK_EXPIRED);
    fix_sql(f, "UPDATE mails SET expires_at = now() + interval '1 h'");
    fix_sql(f, "UPDATE users SET status = 'undoing'");
    cr_assert_eq(reset(rq, token, "another long one"), AUTH_ERR_LINK_INVALID, "nobody's");
    fix_sql(f, "UPDATE users SET status = 'active'");
    cr_assert_eq(FIX_COUNT(f, "mails WHERE used_at IS NOT NULL"), 0, "what was refused used nothing up");
    cr_assert_eq(reset(rq, token, "another long one"), 0);
    return 0;
}

Test(link, that_is_wrong_opens_nothing, .timeout = 40)
{
    fix_run(wrong);
}

static sut_status resets(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens t;
    sut_str token = reset_token(rq, f);
    cr_assert_eq(forgot(rq, "ada@example.org"), 0);
    cr_assert_eq(deliver(rq, 2, NULL), 0);
    sut_str second = newest_token(rq, f);
    cr_assert_not(sut_str_eq(token, second));
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, &t, NULL), 0);
    cr_assert_eq(reset(rq, token, "another long one"), 0);
    cr_assert_eq(FIX_COUNT(f, "sessions WHERE revoked_at IS NULL"), 0);
    cr_assert_eq(FIX_COUNT(f, "sut_outbox WHERE subject = 'session.revoked'"), 2);
    cr_assert_eq(fix_refresh(rq, t.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, NULL, NULL), AUTH_ERR_BAD_CREDENTIALS);
    cr_assert_eq(fix_login(rq, "ada@example.org", "another long one", NULL, NULL), 0);
    cr_assert_eq(FIX_COUNT(f, "users WHERE is_verified"), 1, "the token came to the address");
    cr_assert_eq(reset(rq, token, "a third long one"), AUTH_ERR_LINK_USED);
    cr_assert_eq(reset(rq, second, "a third long one"), AUTH_ERR_LINK_USED, "void, too");
    char text[4096];
    cr_assert_eq(deliver(rq, 3, NULL), 0);
    files(f, text);
    cr_assert_not_null(strstr(text, "Subject: Your password was changed\r\n"));
    cr_assert_null(strstr(text, "token"));
    return 0;
}

Test(link, resets_a_password_once_and_ends_all_sessions, .timeout = 40)
{
    fix_run(resets);
}

typedef struct racer {
    sut_str token;
    char password[32];
    int *left;
    int status;
} racer;

static sut_status race(sut_request *rq, void *arg)
{
    racer *r = *(racer **)arg;
    r->status = r->password[0] ? reset(rq, r->token, r->password) : verify(rq, r->token);
    (*r->left)--;
    return 0;
}

/* Eight at once; exactly one wins, and its index is returned. */
static int one_wins(sut_request *rq, sut_str token, bool with_password)
{
    racer r[8];
    int left = 8, winner = -1;
    for (int i = 0; i < 8; i++) {
        racer *one = &r[i];
        r[i] = (racer){.token = token, .left = &left};
        if (with_password)
            snprintf(r[i].password, sizeof r[i].password, "password number %d", i);
        cr_assert_eq(sut_background(rq, "racer", race, &one, sizeof one, 20000), 0);
    }
    while (left > 0)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    for (int i = 0; i < 8; i++) {
        cr_assert(r[i].status == 0 || r[i].status == AUTH_ERR_LINK_USED, "%d", r[i].status);
        cr_assert(r[i].status != 0 || winner < 0, "two have won");
        winner = r[i].status == 0 ? i : winner;
    }
    cr_assert_geq(winner, 0);
    return winner;
}

static sut_status raced(sut_request *rq, void *arg)
{
    fix *f = arg;
    char password[32];
    sut_str token = reset_token(rq, f);
    for (int i = 0; i < 10; i++) {
        fix_sql(f, "UPDATE mails SET used_at = NULL");
        snprintf(password, sizeof password, "password number %d", one_wins(rq, token, true));
        cr_assert_eq(fix_login(rq, "ada@example.org", password, NULL, NULL), 0, "the winner's holds");
    }
    cr_assert_eq(deliver(rq, 0, NULL), 0, "confirmed by the reset: dropped");
    fix_account(rq, "grace");
    fix_sql(f, "DELETE FROM sut_outbox WHERE subject = 'mail.requested' AND id < (SELECT max(id) FROM sut_outbox WHERE "
               "subject = 'mail.requested')");
    cr_assert_eq(deliver(rq, 0, NULL), 0);
    (void)one_wins(rq, newest_token(rq, f), false);
    return 0;
}

Test(link, one_of_many_at_once_wins, .timeout = 40)
{
    fix_run(raced);
}

/* ---- change ---- */

static sut_status changes(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens here = fix_account(rq, "ada"), there;
    sut_principal who = fix_principal(rq, &here);
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, &there, NULL), 0);
    cr_assert_eq(forgot(rq, "ada@example.org"), 0);
    cr_assert_eq(deliver(rq, 1, NULL), 0);
    sut_str token = newest_token(rq, f);
    cr_assert_eq(change(rq, NULL, FIX_PASSWORD, "another long one"), SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(change(rq, &who, "not this one", "another long one"), AUTH_ERR_WRONG_PASSWORD);
    cr_assert_eq(FIX_COUNT(f, "sessions WHERE revoked_at IS NULL"), 2);
    cr_assert_eq(change(rq, &who, FIX_PASSWORD, "another long one"), 0);
    cr_assert_eq(fix_verify(rq, here.access_token, NULL, NULL), 0, "this one stays");
    cr_assert_eq(fix_refresh(rq, here.refresh_token, NULL, NULL), 0);
    cr_assert_eq(fix_refresh(rq, there.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(reset(rq, token, "a third long one"), AUTH_ERR_LINK_USED, "asked for by whoever had the mailbox");
    cr_assert_eq(change(rq, &who, FIX_PASSWORD, "a third long one"), AUTH_ERR_WRONG_PASSWORD);
    cr_assert_eq(FIX_COUNT(f, "mails WHERE kind = 'changed'"), 1);
    const sut_principal nobody = {.user_id = 999 * 32, .level = 1};
    cr_assert_eq(change(rq, &nobody, FIX_PASSWORD, "another long one"), AUTH_ERR_WRONG_PASSWORD);
    return 0;
}

Test(change, ends_the_other_sessions, .timeout = 40)
{
    fix_run(changes);
}

/* ---- a login whose password was checked before it was changed ---- */

typedef struct late_login {
    int status;
    bool done;
} late_login;

static sut_status log_in(sut_request *rq, void *arg)
{
    late_login *l = *(late_login **)arg;
    l->status = fix_login(rq, "ada@example.org", FIX_PASSWORD, NULL, NULL);
    l->done = true;
    return 0;
}

static const sut_pg_stmt s_take = {"test_take", "SELECT 1 FROM users FOR UPDATE", 0};
static const sut_pg_stmt s_waiting = {"test_waiting", "SELECT count(*) FROM pg_locks WHERE NOT granted", 0};
static const sut_pg_stmt s_bump = {"test_bump", "UPDATE users SET password_version = password_version + 1", 0};

static sut_status change_before_login(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    late_login *l = arg;
    const sut_pg_result *r;
    cr_assert_eq(sut_pg_exec(tx, &s_take, SUT_PG_NO_PARAMS, &r), 0);
    cr_assert_eq(sut_background(rq, "login", log_in, &l, sizeof l, 20000), 0);
    do /* it has checked the password, and waits for the row */
        cr_assert_eq(sut_pg_exec(tx, &s_waiting, SUT_PG_NO_PARAMS, &r), 0);
    while (sut_pg_get_i64(r, 0, 0) == 0);
    return sut_pg_queue(tx, &s_bump, SUT_PG_NO_PARAMS);
}

static sut_status late(sut_request *rq, void *arg)
{
    fix *f = arg;
    late_login l = {.status = -1};
    fix_account(rq, "ada");
    cr_assert_eq(sut_pg_tx_run(rq, change_before_login, &l), 0);
    while (!l.done)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    cr_assert_eq(l.status, AUTH_ERR_BAD_CREDENTIALS);
    cr_assert_eq(FIX_COUNT(f, "sessions"), 1, "the registration's");
    return 0;
}

Test(login, with_a_password_that_was_changed_meanwhile_opens_nothing, .timeout = 40)
{
    fix_run(late);
}

/* ---- time ---- */

static sut_status ask_again(sut_request *rq, bool known, size_t i)
{
    return (sut_status)forgot(rq, sut_request_printf(rq, "%s%zu@example.org", known ? "known" : "other", i).ptr);
}

static sut_status equal_time(sut_request *rq, void *arg)
{
    fix *f = arg;
    fix_known(f, TIMING_PAIRS_MAX, "x");
    timing_assert_same(rq, 0, ask_again);
    return 0;
}

Test(forgot, takes_the_same_time_for_everybody, .timeout = 60)
{
    fix_run(equal_time);
}

/* ---- REQUIRE_VERIFIED_EMAIL ---- */

static sut_status required(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens ada = fix_account(rq, "ada"), next;
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, NULL, NULL), AUTH_ERR_EMAIL_UNVERIFIED);
    cr_assert_eq(fix_login(rq, "ada@example.org", "not this one", NULL, NULL), AUTH_ERR_BAD_CREDENTIALS);
    cr_assert_eq(FIX_COUNT(f, "mails"), 2, "a wrong password sends nothing");
    for (int i = 0; i < 5; i++)
        cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, NULL, NULL), AUTH_ERR_EMAIL_UNVERIFIED);
    cr_assert_eq(FIX_COUNT(f, "mails"), 3, "bounded");
    cr_assert_eq(fix_refresh(rq, ada.refresh_token, NULL, NULL), AUTH_ERR_EMAIL_UNVERIFIED);
    cr_assert_eq(deliver(rq, 2, NULL), 0);
    cr_assert_eq(verify(rq, newest_token(rq, f)), 0);
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, NULL, NULL), 0);
    cr_assert_eq(fix_refresh(rq, ada.refresh_token, &next, NULL), 0, "it was not used up");
    cr_assert_eq(fix_refresh(rq, ada.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_REUSED);
    return 0;
}

Test(required, no_login_before_the_address_is_confirmed, .timeout = 40)
{
    setenv("REQUIRE_VERIFIED_EMAIL", "true", 1);
    fix_run(required);
}
