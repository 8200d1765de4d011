/* What auth publishes, and that it is in the transaction of its cause. */
#include "fixture_test.h"

#include "kit/event.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static void expect_count(fix *f, const char *subject, int count)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM sut_outbox WHERE subject = '%s'", subject);
    cr_assert_eq(atoi(fix_sql(f, sql)), count, "%s", subject);
}

static sut_status registered(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_user_registered event;
    sut_test_emitted_event info;
    auth_tokens ada = fix_account(rq, "ada");
    expect_count(f, "user.registered", 1);
    expect_count(f, "user.logged_in", 0);
    cr_assert_eq(sut_test_emitted(rq, &auth_user_registered_event, 0, &event, &info), 0);
    cr_assert_eq(event.user_id, ada.user_id);
    cr_assert(sut_str_is(event.username, "ada"));
    char key[32];
    snprintf(key, sizeof key, "%lld", (long long)ada.user_id);
    cr_assert(sut_str_is(info.key, key));

    cr_assert_eq(fix_register(rq, "ada@example.org", FIX_PASSWORD, "ada", NULL, NULL), AUTH_ERR_EMAIL_TAKEN);
    expect_count(f, "user.registered", 1);
    return 0;
}

Test(events, a_registration_is_published_once_when_the_account_is_active, .timeout = 40)
{
    fix_run(registered);
}

static sut_status swept(sut_request *rq, void *arg)
{
    fix *f = arg;
    fix_account(rq, "ada");
    fix_sql(f, "DELETE FROM sut_outbox");
    fix_sql(f, "UPDATE users SET status = 'pending', created_at = now() - interval '1 minute'");
    cr_assert_eq(sut_test_periodic(rq, "auth.registration_sweeper"), 0);
    expect_count(f, "user.registered", 1);
    cr_assert_eq(sut_test_periodic(rq, "auth.registration_sweeper"), 0);
    expect_count(f, "user.registered", 1);
    return 0;
}

Test(events, the_sweeper_publishes_what_it_activates, .timeout = 40)
{
    fix_run(swept);
}

static sut_status logged_in(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens ada = fix_account(rq, "ada"), again;
    auth_user_logged_in event;
    cr_assert_eq(fix_login(rq, "ada@example.org", "wrong password", NULL, NULL), AUTH_ERR_BAD_CREDENTIALS);
    expect_count(f, "user.logged_in", 0);
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, &again, NULL), 0);
    cr_assert_eq(sut_test_emitted(rq, &auth_user_logged_in_event, 0, &event, NULL), 0);
    cr_assert_eq(event.user_id, ada.user_id);
    return 0;
}

Test(events, a_login_is_published, .timeout = 40)
{
    fix_run(logged_in);
}

static int logout(sut_request *rq, const sut_principal *who, bool all)
{
    auth_logout_in in = {.all = all, .has_all = SUT_PRESENT};
    auth_logout_out out;
    return sut_test_call(rq, &auth_logout_method, who, &in, &out, NULL);
}

static sut_status revoked(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens first = fix_account(rq, "ada"), second, third, next;
    auth_session_revoked event;
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, &second, NULL), 0);
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, &third, NULL), 0);
    expect_count(f, "session.revoked", 0);
    sut_principal who = fix_principal(rq, &first);
    cr_assert_eq(logout(rq, &who, false), 0);
    cr_assert_eq(sut_test_emitted(rq, &auth_session_revoked_event, 0, &event, NULL), 0);
    cr_assert_eq(event.user_id, first.user_id);
    cr_assert(sut_str_eq(event.session, who.session));
    cr_assert_eq(logout(rq, &who, false), 0);
    expect_count(f, "session.revoked", 1);

    cr_assert_eq(fix_refresh(rq, second.refresh_token, &next, NULL), 0);
    cr_assert_eq(fix_refresh(rq, second.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_REUSED);
    expect_count(f, "session.revoked", 2);
    who = fix_principal(rq, &third);
    cr_assert_eq(logout(rq, &who, true), 0);
    expect_count(f, "session.revoked", 3);
    cr_assert_eq(FIX_COUNT(f, "revocations"), 3, "and each is in the table that edges load");
    return 0;
}

Test(events, each_end_of_a_session_is_published, .timeout = 40)
{
    fix_run(revoked);
}

static sut_status trimmed(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens ada = fix_account(rq, "ada"), again;
    (void)ada;
    fix_sql(f,
            "INSERT INTO sessions (id, user_id, expires_at, created_at) SELECT 's' || i, (SELECT id FROM users), now() "
            "+ interval '1 day', now() - interval '1 day' FROM generate_series(1, 101) i");
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, &again, NULL), 0);
    expect_count(f, "session.revoked", 3);
    return 0;
}

Test(events, sessions_beyond_a_hundred_end_and_that_is_published, .timeout = 40)
{
    fix_run(trimmed);
}
