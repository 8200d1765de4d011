/* Who is an administrator, and the list of accounts. */
#include "fixture_test.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static int grant(sut_request *rq, const char *email, bool *changed)
{
    auth_admin_grant_in in = {.email = sut_str_from(email)};
    auth_admin_grant_out out = {.changed = false};
    int st = sut_test_call(rq, &auth_admin_grant_method, NULL, &in, &out, NULL);
    if (changed)
        *changed = out.changed;
    return st;
}

static int revoke(sut_request *rq, const char *email, bool *changed)
{
    auth_admin_revoke_in in = {.email = sut_str_from(email)};
    auth_admin_revoke_out out = {.changed = false};
    int st = sut_test_call(rq, &auth_admin_revoke_method, NULL, &in, &out, NULL);
    if (changed)
        *changed = out.changed;
    return st;
}

static auth_admin_list_out admins(sut_request *rq, int64_t after, int32_t limit)
{
    auth_admin_list_in in = {.after = after, .has_after = SUT_PRESENT, .limit = limit, .has_limit = SUT_PRESENT};
    auth_admin_list_out out;
    cr_assert_eq(sut_test_call(rq, &auth_admin_list_method, NULL, &in, &out, NULL), 0);
    return out;
}

static sut_status levels(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens before = fix_account(rq, "ada"), now;
    auth_verify_out v;
    bool changed;
    auth_admin_granted granted;
    cr_assert_eq(fix_principal(rq, &before).level, 1);
    cr_assert_eq(grant(rq, " ADA@example.org", &changed), 0);
    cr_assert(changed);
    cr_assert_eq(fix_verify(rq, before.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID,
                 "tokens of before are refused");
    cr_assert_eq(fix_refresh(rq, before.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(FIX_COUNT(f, "revocations"), 1, "and edges hear of it");
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, &now, NULL), 0);
    cr_assert_eq(fix_principal(rq, &now).level, 3);
    cr_assert_eq(fix_verify(rq, now.access_token, &v, NULL), 0);
    cr_assert_eq(v.permissions, 3);
    cr_assert_eq(grant(rq, "ada@example.org", &changed), 0);
    cr_assert_not(changed, "again: nothing happens");
    cr_assert_eq(fix_verify(rq, now.access_token, NULL, NULL), 0);
    cr_assert_eq(fix_refresh(rq, now.refresh_token, &now, NULL), 0);
    cr_assert_eq(fix_principal(rq, &now).level, 3);
    cr_assert_eq(sut_test_emitted(rq, &auth_admin_granted_event, 0, &granted, NULL), 0);
    cr_assert_eq(granted.user_id, now.user_id);
    cr_assert_eq(granted.has_by, SUT_ABSENT, "somebody on the machine");
    cr_assert_eq(sut_test_emitted(rq, &auth_admin_granted_event, 1, NULL, NULL), SUT_ERR_NOT_FOUND);

    cr_assert_eq(revoke(rq, "ada@example.org", &changed), 0);
    cr_assert(changed, "the last one, too");
    cr_assert_eq(fix_verify(rq, now.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(fix_refresh(rq, now.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(revoke(rq, "ada@example.org", &changed), 0);
    cr_assert_not(changed);
    cr_assert_eq(sut_test_emitted(rq, &auth_admin_revoked_event, 0, NULL, NULL), 0);
    cr_assert_eq(sut_test_emitted(rq, &auth_admin_revoked_event, 1, NULL, NULL), SUT_ERR_NOT_FOUND);
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, &now, NULL), 0);
    cr_assert_eq(fix_principal(rq, &now).level, 1);
    cr_assert_str_eq(fix_sql(f, "SELECT string_agg(act || ' ' || (by_id IS NULL), ',' ORDER BY id) FROM admin_acts"),
                     "grant true,revoke true");
    return 0;
}

Test(admin, a_level_holds_at_once_and_ends_what_was_before, .timeout = 40)
{
    fix_run(levels);
}

static sut_status refused(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens ada = fix_account(rq, "ada");
    const sut_principal admin = {.user_id = ada.user_id, .level = 3};
    auth_admin_grant_in in = {.email = SUT_STR("ada@example.org")};
    auth_admin_grant_out out;
    cr_assert_eq(grant(rq, "nobody@example.org", NULL), SUT_ERR_NOT_FOUND);
    cr_assert_eq(revoke(rq, "nobody@example.org", NULL), SUT_ERR_NOT_FOUND);
    cr_assert_eq(grant(rq, "not an address", NULL), SUT_ERR_INVALID);
    cr_assert_eq(grant(rq, "", NULL), SUT_ERR_INVALID);
    cr_assert_eq(sut_test_call(rq, &auth_admin_grant_method, &admin, &in, &out, NULL), SUT_ERR_FORBIDDEN,
                 "no user's call reaches it, not even an administrator's");
    fix_sql(f, "UPDATE users SET status = 'pending' RETURNING 1");
    cr_assert_eq(grant(rq, "ada@example.org", NULL), AUTH_ERR_ACCOUNT_PENDING);
    cr_assert_eq(revoke(rq, "ada@example.org", NULL), AUTH_ERR_ACCOUNT_PENDING);
    fix_sql(f, "UPDATE users SET status = 'active', suspended_at = now(), suspension_reason = 'Spam.' RETURNING 1");
    cr_assert_eq(grant(rq, "ada@example.org", NULL), AUTH_ERR_ACCOUNT_SUSPENDED);
    fix_sql(f, "UPDATE users SET suspended_until = now() - interval '1 s' RETURNING 1");
    cr_assert_eq(grant(rq, "ada@example.org", NULL), 0, "it has run out");
    cr_assert_eq(FIX_COUNT(f, "admin_acts"), 1);
    return 0;
}

Test(admin, whom_it_is_refused_and_why, .timeout = 40)
{
    fix_run(refused);
}

static sut_status listed(sut_request *rq, void *arg)
{
    (void)arg;
    static const char *const names[] = {"ada", "bob", "eve"};
    cr_assert_eq(admins(rq, 0, 1000).items.count, 0);
    for (size_t i = 0; i < SUT_ARRAY_LEN(names); i++) {
        fix_account(rq, names[i]);
        cr_assert_eq(grant(rq, sut_request_printf(rq, "%s@example.org", names[i]).ptr, NULL), 0);
    }
    fix_account(rq, "somebody");
    int64_t after = 0;
    for (size_t i = 0; i < SUT_ARRAY_LEN(names); i++) {
        auth_admin_list_out page = admins(rq, after, 1);
        cr_assert_eq(page.items.count, 1);
        cr_assert_eq(page.more, i < 2);
        const auth_managed_account *a = *(const auth_managed_account *const *)page.items.items;
        cr_assert(sut_str_is(a->username, names[i]));
        cr_assert_eq(a->level, 3);
        cr_assert_eq(a->state, AUTH_ACCOUNT_STATE_ACTIVE);
        after = a->user_id;
    }
    cr_assert_eq(admins(rq, after, 1000).items.count, 0);
    return 0;
}

Test(admin, all_are_listed, .timeout = 40)
{
    fix_run(listed);
}

static sut_status record(sut_request *rq, void *arg)
{
    fix *f = arg;
    fix_account(rq, "ada");
    cr_assert_eq(grant(rq, "ada@example.org", NULL), 0);
    static const char *const tries[] = {"UPDATE admin_acts SET by_id = 7", "DELETE FROM admin_acts",
                                        "TRUNCATE admin_acts"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(tries); i++) {
        char sql[200];
        snprintf(sql, sizeof sql,
                 "DO $$ BEGIN %s; RAISE SQLSTATE '22000'; EXCEPTION WHEN raise_exception THEN NULL; END $$", tries[i]);
        fix_sql(f, sql);
    }
    cr_assert_eq(FIX_COUNT(f, "admin_acts WHERE by_id IS NULL"), 1);
    return 0;
}

Test(admin, the_record_of_acts_is_never_changed, .timeout = 40)
{
    fix_run(record);
}

/* ---- the list of accounts ---- */

static sut_principal s_admin;

static int users(sut_request *rq, auth_admin_users_in in, auth_admin_users_out *out)
{
    if (in.limit) {
        in.has_limit = SUT_PRESENT;
    }
    in.has_email = in.email.ptr ? SUT_PRESENT : SUT_ABSENT;
    in.has_username = in.username.ptr ? SUT_PRESENT : SUT_ABSENT;
    in.has_cursor = in.cursor.ptr ? SUT_PRESENT : SUT_ABSENT;
    return sut_test_call(rq, &auth_admin_users_method, &s_admin, &in, out, NULL);
}

static const char *names(sut_request *rq, const auth_admin_users_out *page)
{
    sut_str text = SUT_STR("");
    for (size_t i = 0; i < page->items.count; i++)
        text = sut_request_printf(rq, "%.*s%s%.*s", SUT_STR_FMT(text), i ? " " : "",
                                  SUT_STR_FMT(((const auth_managed_account *const *)page->items.items)[i]->username));
    return text.ptr;
}

static const char *found(sut_request *rq, auth_admin_users_in in)
{
    auth_admin_users_out page;
    cr_assert_eq(users(rq, in, &page), 0);
    cr_assert_null(page.next_cursor.ptr);
    return names(rq, &page);
}

static const char *in_state(sut_request *rq, auth_account_state state)
{
    return found(rq, (auth_admin_users_in){.state = (int32_t)state, .has_state = SUT_PRESENT});
}

static void people(sut_request *rq)
{
    static const char *const all[] = {"ada", "Adam", "ad_m", "bob", "eve"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(all); i++)
        fix_account(rq, all[i]);
    s_admin = (sut_principal){.user_id = 1 << 20, .level = 3};
}

static sut_status filters(sut_request *rq, void *arg)
{
    fix *f = arg;
    people(rq);
    cr_assert_str_eq(found(rq, (auth_admin_users_in){.limit = 100}), "eve bob ad_m Adam ada", "the newest first");
    cr_assert_str_eq(found(rq, (auth_admin_users_in){.username = SUT_STR("AD")}), "ad_m Adam ada");
    cr_assert_str_eq(found(rq, (auth_admin_users_in){.username = SUT_STR("ad_")}), "ad_m", "not a wildcard");
    cr_assert_str_eq(found(rq, (auth_admin_users_in){.username = SUT_STR("%")}), "");
    cr_assert_str_eq(found(rq, (auth_admin_users_in){.username = SUT_STR("ad\\")}), "");
    cr_assert_str_eq(found(rq, (auth_admin_users_in){.email = SUT_STR("Ada@EXAMPLE.org")}), "ada");
    cr_assert_str_eq(found(rq, (auth_admin_users_in){.email = SUT_STR("ada"), .username = SUT_STR("adam")}), "Adam",
                     "both must hold");
    cr_assert_str_eq(found(rq, (auth_admin_users_in){.email = SUT_STR("'; DROP TABLE users; --")}), "");

    fix_sql(f, "UPDATE users SET suspended_at = now(), suspension_reason = 'x', deactivated_at = now() "
               "WHERE username = 'ada' RETURNING 1");
    fix_sql(f,
            "UPDATE users SET suspended_at = now(), suspension_reason = 'x', suspended_until = now() - interval '1 s' "
            "WHERE username = 'Adam' RETURNING 1");
    fix_sql(f, "UPDATE users SET deactivated_at = now() WHERE username = 'bob' RETURNING 1");
    fix_sql(f, "UPDATE users SET status = 'pending', claimed_until = now() + interval '1 h' WHERE username = 'eve' "
               "RETURNING 1");
    cr_assert_str_eq(in_state(rq, AUTH_ACCOUNT_STATE_SUSPENDED), "ada");
    cr_assert_str_eq(in_state(rq, AUTH_ACCOUNT_STATE_DEACTIVATED), "bob");
    cr_assert_str_eq(in_state(rq, AUTH_ACCOUNT_STATE_PENDING), "eve");
    cr_assert_str_eq(in_state(rq, AUTH_ACCOUNT_STATE_ACTIVE), "ad_m Adam", "a suspension that has run out is none");
    return 0;
}

Test(admin_users, filters, .timeout = 40)
{
    fix_run(filters);
}

static sut_status pages(sut_request *rq, void *arg)
{
    auth_admin_users_out page;
    (void)arg;
    people(rq);
    cr_assert_eq(users(rq, (auth_admin_users_in){.limit = 2}, &page), 0);
    cr_assert_str_eq(names(rq, &page), "eve bob");
    sut_str cursor = page.next_cursor;
    fix_account(rq, "newcomer");
    cr_assert_eq(users(rq, (auth_admin_users_in){.limit = 2, .cursor = cursor}, &page), 0);
    cr_assert_str_eq(names(rq, &page), "ad_m Adam", "whoever comes meanwhile moves nothing");
    cr_assert_eq(users(rq, (auth_admin_users_in){.limit = 1, .cursor = page.next_cursor}, &page), 0);
    cr_assert_str_eq(names(rq, &page), "ada");
    cr_assert_null(page.next_cursor.ptr, "as many as asked for, and no more");

    cr_assert_eq(users(rq, (auth_admin_users_in){.cursor = cursor, .username = SUT_STR("a")}, &page),
                 AUTH_ERR_BAD_CURSOR, "of another filter");
    char forged[80];
    snprintf(forged, sizeof forged, "%.*s", SUT_STR_FMT(cursor));
    forged[20] ^= 1;
    cr_assert_eq(users(rq, (auth_admin_users_in){.cursor = sut_str_from(forged)}, &page), AUTH_ERR_BAD_CURSOR);
    cr_assert_eq(users(rq, (auth_admin_users_in){.cursor = SUT_STR("x")}, &page), AUTH_ERR_BAD_CURSOR);
    s_admin.user_id++;
    cr_assert_eq(users(rq, (auth_admin_users_in){.cursor = cursor}, &page), AUTH_ERR_BAD_CURSOR, "of somebody else");
    cr_assert_eq(users(rq, (auth_admin_users_in){.limit = 101}, &page), SUT_ERR_INVALID);
    cr_assert_eq(users(rq, (auth_admin_users_in){.limit = -1}, &page), SUT_ERR_INVALID);
    cr_assert_eq(users(rq, (auth_admin_users_in){.email = SUT_STR(" ")}, &page), SUT_ERR_INVALID);
    s_admin.level = 1;
    cr_assert_eq(users(rq, (auth_admin_users_in){.limit = 2}, &page), SUT_ERR_FORBIDDEN);
    s_admin = (sut_principal){0};
    cr_assert_eq(users(rq, (auth_admin_users_in){.limit = 2}, &page), SUT_ERR_UNAUTHENTICATED);
    return 0;
}

Test(admin_users, pages_and_whom_they_are_refused, .timeout = 40)
{
    fix_run(pages);
}
