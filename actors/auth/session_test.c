/* Sessions: refresh, logout, verify, revocations, what is bounded and what is cleaned up. */
#include "fixture_test.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static int logout(sut_request *rq, const sut_principal *who, bool all)
{
    auth_logout_in in = {.all = all, .has_all = SUT_PRESENT};
    auth_logout_out out;
    return sut_test_call(rq, &auth_logout_method, who, &in, &out, NULL);
}

static auth_revocations_out revocations(sut_request *rq, int64_t since, int32_t limit)
{
    auth_revocations_in in = {.since = since, .has_since = SUT_PRESENT, .limit = limit, .has_limit = SUT_PRESENT};
    auth_revocations_out out;
    cr_assert_eq(sut_test_call(rq, &auth_revocations_method, NULL, &in, &out, NULL), 0);
    return out;
}

static const auth_revocation *revocation(const auth_revocations_out *out, size_t i)
{
    return ((const auth_revocation *const *)out->items.items)[i];
}

static int mirrored(fix *f, int64_t user_id)
{
    char command[160];
    int count = -1;
    snprintf(command, sizeof command, "redis-cli -s %s/s HLEN session:%lld", f->redis.dir, (long long)user_id);
    FILE *p = popen(command, "r");
    cr_assert(p && fscanf(p, "%d", &count) == 1);
    pclose(p);
    return count;
}

static sut_status rotates(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens first = fix_account(rq, "ada"), second, third;
    cr_assert_eq(fix_refresh(rq, first.refresh_token, &second, NULL), 0);
    cr_assert_not(sut_str_eq(first.refresh_token, second.refresh_token));
    cr_assert_eq(second.user_id, first.user_id);
    cr_assert(sut_str_is(second.email, "ada@example.org"));
    cr_assert(sut_str_eq(fix_principal(rq, &first).session, fix_principal(rq, &second).session), "one family");
    cr_assert_eq(fix_refresh(rq, second.refresh_token, &third, NULL), 0);
    cr_assert_eq(FIX_COUNT(f, "revocations"), 0);

    auth_tokens elsewhere;
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, &elsewhere, NULL), 0);
    cr_assert_eq(mirrored(f, first.user_id), 2);
    cr_assert_eq(fix_refresh(rq, first.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_REUSED);
    cr_assert_eq(fix_refresh(rq, third.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID, "the family is revoked");
    cr_assert_eq(fix_verify(rq, third.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(fix_refresh(rq, first.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(FIX_COUNT(f, "revocations"), 1, "and only once");
    cr_assert_eq(mirrored(f, first.user_id), 1);
    cr_assert_eq(fix_verify(rq, elsewhere.access_token, NULL, NULL), 0, "other sessions go on");
    cr_assert_eq(fix_refresh(rq, elsewhere.refresh_token, NULL, NULL), 0);
    return 0;
}

Test(refresh, rotates_and_reuse_revokes_the_family, .timeout = 40)
{
    fix_run(rotates);
}

static sut_status refused(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens t = fix_account(rq, "ada"), next;
    char other[80];
    snprintf(other, sizeof other, "%.*s", SUT_STR_FMT(t.refresh_token));
    other[sizeof "srt_" + 10] ^= 1;
    cr_assert_eq(fix_refresh(rq, sut_str_from(other), NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(fix_refresh(rq, SUT_STR("no_token_of_ours_at_all"), NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(fix_refresh(rq, t.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(fix_refresh(rq, SUT_STR("short"), NULL, NULL), SUT_ERR_INVALID);
    fix_sql(f, "UPDATE tokens SET expires_at = now() - interval '1 second' RETURNING 1");
    cr_assert_eq(fix_refresh(rq, t.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_EXPIRED);
    fix_sql(f, "UPDATE tokens SET expires_at = now() + interval '1 hour' RETURNING 1");
    cr_assert_eq(fix_refresh(rq, t.refresh_token, &next, NULL), 0, "a refusal has not used it up");
    fix_sql(f, "UPDATE users SET status = 'pending' RETURNING 1");
    cr_assert_eq(fix_refresh(rq, next.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    return 0;
}

Test(refresh, what_is_not_a_live_token_is_refused, .timeout = 40)
{
    fix_run(refused);
}

typedef struct racer {
    sut_str token;
    int *left, status;
} racer;

static sut_status exchange(sut_request *rq, void *arg)
{
    racer *r = *(racer **)arg;
    r->status = fix_refresh(rq, r->token, NULL, NULL);
    (*r->left)--;
    return 0;
}

static void race(sut_request *rq)
{
    auth_tokens t;
    int left = 8, won = 0, reused = 0;
    racer r[8];
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, &t, NULL), 0);
    for (int i = 0; i < 8; i++) {
        racer *one = &r[i];
        r[i] = (racer){t.refresh_token, &left, -1};
        cr_assert_eq(sut_background(rq, "racer", exchange, &one, sizeof one, 20000), 0);
    }
    while (left > 0)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    for (int i = 0; i < 8; i++) {
        won += r[i].status == 0;
        reused += r[i].status == AUTH_ERR_TOKEN_REUSED;
        cr_assert(r[i].status == 0 || r[i].status == AUTH_ERR_TOKEN_REUSED || r[i].status == AUTH_ERR_TOKEN_INVALID);
    }
    cr_assert_eq(won, 1);
    cr_assert_eq(reused, 1, "the next one ends the session, the others find it ended");
}

static sut_status raced(sut_request *rq, void *arg)
{
    fix *f = arg;
    fix_account(rq, "ada");
    for (int i = 0; i < 10; i++) /* the first ones open the connections on which the others meet */
        race(rq);
    cr_assert_eq(FIX_COUNT(f, "tokens"), 1 + 2 * 10);
    cr_assert_eq(FIX_COUNT(f, "revocations"), 10);
    return 0;
}

Test(refresh, one_of_many_at_once_wins, .timeout = 40)
{
    fix_run(raced);
}

static sut_status logs_out(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens a = fix_account(rq, "ada"), b, c, other = fix_account(rq, "grace");
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, &b, NULL), 0);
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, &c, NULL), 0);
    sut_principal here = fix_principal(rq, &a), sessionless = {.user_id = a.user_id, .level = 1};
    cr_assert_eq(logout(rq, NULL, false), SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(logout(rq, &sessionless, false), SUT_ERR_INVALID);
    cr_assert_eq(logout(rq, &here, false), 0);
    cr_assert_eq(mirrored(f, a.user_id), 2);
    cr_assert_eq(logout(rq, &here, false), 0, "again: nothing more to end");
    cr_assert_eq(FIX_COUNT(f, "revocations"), 1);
    cr_assert_eq(fix_verify(rq, a.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(fix_refresh(rq, a.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(fix_verify(rq, b.access_token, NULL, NULL), 0);
    sut_principal thief = {.user_id = other.user_id, .level = 1, .session = fix_principal(rq, &b).session};
    cr_assert_eq(logout(rq, &thief, false), 0);
    cr_assert_eq(fix_verify(rq, b.access_token, NULL, NULL), 0, "a session of somebody else is not ended");
    cr_assert_eq(logout(rq, &sessionless, true), 0);
    cr_assert_eq(fix_verify(rq, b.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(fix_verify(rq, c.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(fix_verify(rq, other.access_token, NULL, NULL), 0);
    cr_assert_eq(FIX_COUNT(f, "revocations"), 3);
    cr_assert_eq(mirrored(f, a.user_id), 0);
    return 0;
}

Test(logout, ends_one_session_or_all, .timeout = 40)
{
    fix_run(logs_out);
}

static sut_status verifies(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens t = fix_account(rq, "ada");
    auth_verify_out v;
    cr_assert_eq(fix_verify(rq, t.access_token, &v, NULL), 0);
    cr_assert(v.valid);
    cr_assert_eq(v.user_id, t.user_id);
    cr_assert_eq(v.permissions, 1);
    int64_t left = v.expires_at / 1000000 - sut_wall_us() / 1000000;
    cr_assert(left > 800 && left <= 900, "%lld", (long long)left);
    fix_sql(f, "UPDATE users SET level = 3 RETURNING 1");
    cr_assert_eq(fix_verify(rq, t.access_token, &v, NULL), 0);
    cr_assert_eq(v.permissions, 3, "what holds now, not when the token was made");

    sut_principal who = fix_principal(rq, &t);
    const sut_str headers[] = {SUT_STR("Bearer"), SUT_STR("Bearer "), SUT_STR("Basic YTpi"), SUT_STR("Bearer x.y.z"),
                               t.access_token};
    for (size_t i = 0; i < SUT_ARRAY_LEN(headers); i++) {
        auth_verify_in in = {.authorization = headers[i]};
        cr_assert_eq(sut_test_call(rq, &auth_verify_method, &who, &in, &v, NULL), AUTH_ERR_TOKEN_INVALID, "%zu", i);
    }
    sut_claims old = {.user_id = t.user_id, .level = 1, .issued_at = 1000, .expires_at = 1900};
    memcpy(old.session, who.session.ptr, who.session.len + 1);
    cr_assert_eq(fix_verify(rq, auth_access_token(rq, &old), NULL, NULL), AUTH_ERR_TOKEN_EXPIRED);
    /* A moment ago: fix_sql holds up the loop, and a batch of reads that was begun before it has the now() of its
     * begin. */
    fix_sql(f, "UPDATE sessions SET expires_at = now() - interval '1 minute' RETURNING 1");
    cr_assert_eq(fix_verify(rq, t.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    return 0;
}

Test(verify, says_what_holds_now, .timeout = 40)
{
    fix_run(verifies);
}

static sut_status pages(sut_request *rq, void *arg)
{
    (void)arg;
    sut_str sessions[5];
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "user%d", i);
        auth_tokens t = fix_account(rq, name);
        sut_principal who = fix_principal(rq, &t);
        sessions[i] = who.session;
        cr_assert_eq(logout(rq, &who, false), 0);
    }
    auth_revocations_out out;
    int64_t cursor = 0;
    int seen = 0;
    do {
        out = revocations(rq, cursor, 2);
        for (size_t i = 0; i < out.items.count; i++, seen++) {
            const auth_revocation *r = revocation(&out, i);
            cr_assert_gt(r->id, cursor);
            cr_assert_eq(r->has_session, SUT_PRESENT);
            cr_assert_eq(r->has_issued_before, SUT_ABSENT);
            cr_assert(sut_str_eq(r->session, sessions[seen]), "in order");
            cr_assert(r->revoked_at > 0 && r->user_id > 0);
            cursor = r->id;
        }
        cr_assert_eq(out.cursor, cursor);
    } while (out.more);
    cr_assert_eq(seen, 5);
    out = revocations(rq, cursor, 1000);
    cr_assert_eq(out.items.count, 0);
    cr_assert_eq(out.cursor, cursor);
    cr_assert_not(out.more);
    return 0;
}

Test(revocations, come_in_order_and_in_pages, .timeout = 40)
{
    fix_run(pages);
}

static sut_status bounded(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens first = fix_account(rq, "ada"), last;
    fix_sql(f, "UPDATE sessions SET created_at = now() - interval '1 day' RETURNING 1");
    fix_sql(f, "INSERT INTO sessions (id, user_id, created_at, expires_at) SELECT 'old' || n, (SELECT id FROM users), "
               "now() - interval '1 hour', now() + interval '1 hour' FROM generate_series(1, 99) n RETURNING 1");
    cr_assert_eq(fix_verify(rq, first.access_token, NULL, NULL), 0);
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, &last, NULL), 0);
    cr_assert_eq(FIX_COUNT(f, "sessions WHERE revoked_at IS NULL"), 100);
    cr_assert_eq(fix_verify(rq, first.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID, "the oldest has ended");
    cr_assert_eq(fix_verify(rq, last.access_token, NULL, NULL), 0);
    auth_revocations_out out = revocations(rq, 0, 10);
    cr_assert_eq(out.items.count, 1, "the edges hear of it");
    cr_assert(sut_str_eq(revocation(&out, 0)->session, fix_principal(rq, &first).session));
    return 0;
}

Test(session, a_user_has_a_hundred_at_most, .timeout = 40)
{
    fix_run(bounded);
}

static sut_status cleans_up(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens a = fix_account(rq, "ada"), b = fix_account(rq, "grace"), next;
    sut_principal who = fix_principal(rq, &b);
    cr_assert_eq(fix_refresh(rq, a.refresh_token, &next, NULL), 0);
    cr_assert_eq(logout(rq, &who, false), 0);
    cr_assert_eq(sut_test_periodic(rq, "auth.cleanup"), 0);
    cr_assert_eq(FIX_COUNT(f, "sessions"), 2, "nothing has expired");
    cr_assert_eq(FIX_COUNT(f, "tokens"), 3);
    cr_assert_eq(FIX_COUNT(f, "revocations"), 1);
    fix_sql(f, "UPDATE tokens SET expires_at = now() - interval '1 s' WHERE used_at IS NOT NULL RETURNING 1");
    fix_sql(f, "UPDATE sessions SET expires_at = now() - interval '1 s' WHERE revoked_at IS NOT NULL RETURNING 1");
    fix_sql(f, "UPDATE revocations SET revoked_at = now() - interval '1790 s' RETURNING 1");
    cr_assert_eq(sut_test_periodic(rq, "auth.cleanup"), 0);
    cr_assert_eq(FIX_COUNT(f, "sessions"), 1);
    cr_assert_eq(FIX_COUNT(f, "tokens"), 1);
    cr_assert_eq(FIX_COUNT(f, "revocations"), 1, "kept for two lifetimes of an access token");
    fix_sql(f, "UPDATE revocations SET revoked_at = now() - interval '1810 s' RETURNING 1");
    cr_assert_eq(sut_test_periodic(rq, "auth.cleanup"), 0);
    cr_assert_eq(FIX_COUNT(f, "revocations"), 0);
    cr_assert_eq(fix_refresh(rq, next.refresh_token, NULL, NULL), 0);
    return 0;
}

Test(session, what_has_expired_is_removed, .timeout = 40)
{
    fix_run(cleans_up);
}

static sut_status without_redis(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens t = fix_account(rq, "ada"), next;
    sut_test_redis_stop(&f->redis);
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, NULL, NULL), 0, "Redis is not the record");
    cr_assert_eq(fix_refresh(rq, t.refresh_token, &next, NULL), 0);
    cr_assert_eq(fix_verify(rq, next.access_token, NULL, NULL), 0);
    sut_principal who = fix_principal(rq, &next);
    cr_assert_eq(logout(rq, &who, false), 0);
    cr_assert_eq(fix_verify(rq, next.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    sut_test_redis_again(&f->redis);
    return 0;
}

Test(session, revocation_survives_redis, .timeout = 40)
{
    fix_run(without_redis);
}
