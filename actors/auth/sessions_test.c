/* What a user sees of the own sessions, how they are ended, and when they end by themselves. */
#include "fixture_test.h"

#include "base/clock.h"
#include "device.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define FIREFOX "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

static sut_status words(sut_request *rq, void *arg)
{
    static const struct {
        const char *agent, *words; /* words NULL: nothing to say */
    } cases[] = {
        {FIREFOX, "Firefox on Linux"},
        {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36 "
         "Edg/126.0",
         "Edge on Windows"},
        {"Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36",
         "Chrome on Android"},
        {"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1 Version/17.5 Mobile Safari/604.1",
         "Safari on iPhone"},
        {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1 Version/17.5 Safari/605.1",
         "Safari on a Mac"},
        {"curl/7.88.1", "curl"},
        {"MyApp/1.0 (Android 14)", "MyApp on Android"},
        {"python-requests", "python-requests"},
        {"Mozilla/5.0", NULL},
        {"<script>/1", NULL},
        {"caf\xc3\xa9/1", NULL},
        {"averyveryveryveryveryverylongproductname/1", NULL},
        {" ", NULL},
        {"", NULL},
    };
    (void)arg;
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        sut_str is = auth_device_words(rq, sut_str_from(cases[i].agent));
        if (cases[i].words)
            cr_assert(is.ptr && sut_str_is(is, cases[i].words), "%s: %.*s", cases[i].agent, SUT_STR_FMT(is));
        else
            cr_assert(!is.ptr, "%s: %.*s", cases[i].agent, SUT_STR_FMT(is));
    }
    cr_assert(!auth_device_words(rq, SUT_STR_NONE).ptr);
    return 0;
}

Test(sessions, a_device_in_plain_words, .timeout = 40)
{
    fix_run(words);
}

static auth_tokens login_with(sut_request *rq, const char *address, const char *agent)
{
    auth_login_in in = {.email = SUT_STR("ada@example.org"), .password = SUT_STR(FIX_PASSWORD)};
    auth_tokens tokens;
    if (address) {
        in.client_address = sut_str_from(address);
        in.has_client_address = SUT_PRESENT;
    }
    if (agent) {
        in.user_agent = sut_str_from(agent);
        in.has_user_agent = SUT_PRESENT;
    }
    cr_assert_eq(sut_test_call(rq, &auth_login_method, NULL, &in, &tokens, NULL), 0);
    return tokens;
}

static sut_list list(sut_request *rq, const sut_principal *who)
{
    auth_sessions_list_in in = {0};
    auth_sessions_list_out out;
    cr_assert_eq(sut_test_call(rq, &auth_sessions_list_method, who, &in, &out, NULL), 0);
    cr_assert(!out.next_cursor.ptr);
    return out.items;
}

static const auth_session *item(sut_list l, size_t i)
{
    return ((const auth_session *const *)l.items)[i];
}

static int end(sut_request *rq, const sut_principal *who, sut_str session)
{
    auth_session_end_in in = {.session = session};
    auth_session_end_out out;
    return sut_test_call(rq, &auth_session_end_method, who, &in, &out, NULL);
}

static int end_others(sut_request *rq, const sut_principal *who)
{
    auth_sessions_end_in in = {0};
    auth_sessions_end_out out;
    return sut_test_call(rq, &auth_sessions_end_method, who, &in, &out, NULL);
}

static sut_status lists(sut_request *rq, void *arg)
{
    fix *f = arg;
    fix_account(rq, "ada");
    fix_sql(f, "UPDATE sessions SET last_seen_at = now() - interval '1 day' RETURNING 1");
    auth_tokens a = login_with(rq, "192.0.2.7", FIREFOX), b = login_with(rq, "2001:db8::1", NULL);
    sut_principal who = fix_principal(rq, &a), sessionless = {.user_id = a.user_id, .level = 1};
    sut_list l = list(rq, &who);
    cr_assert_eq(l.count, 3);
    int current = 0;
    for (size_t i = 0; i < l.count; i++) {
        const auth_session *s = item(l, i);
        current += s->current;
        cr_assert_eq(s->current, sut_str_eq(s->id, who.session));
        cr_assert(s->created_at <= sut_wall_us() + 1000000 && s->expires_at > s->created_at);
        if (s->current) {
            cr_assert(sut_str_is(s->device, "Firefox on Linux"));
            cr_assert(sut_str_is(s->address, "192.0.2.7"));
        }
    }
    cr_assert_eq(current, 1);
    cr_assert(item(l, 2)->has_device == SUT_ABSENT && item(l, 2)->has_address == SUT_ABSENT,
              "the one seen longest ago");
    cr_assert_eq(list(rq, &sessionless).count, 3, "and none of them is the one that asks");
    for (size_t i = 0; i < 3; i++)
        cr_assert_not(item(list(rq, &sessionless), i)->current);

    auth_refresh_in in = {.refresh_token = b.refresh_token,
                          .client_address = SUT_STR("198.51.100.4"),
                          .has_client_address = SUT_PRESENT,
                          .user_agent = SUT_STR("curl/8"),
                          .has_user_agent = SUT_PRESENT};
    auth_tokens next;
    cr_assert_eq(sut_test_call(rq, &auth_refresh_method, NULL, &in, &next, NULL), 0);
    cr_assert_eq(FIX_COUNT(f, "sessions WHERE address = '198.51.100.4' AND device = 'curl'"), 1, "where it is now");
    auth_tokens other = fix_account(rq, "grace");
    sut_principal grace = fix_principal(rq, &other);
    cr_assert_eq(list(rq, &grace).count, 1, "her own only");
    return 0;
}

Test(sessions, are_listed_with_what_they_are_recognised_by, .timeout = 40)
{
    fix_run(lists);
}

static sut_status ends(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens a = fix_account(rq, "ada"), other = fix_account(rq, "grace");
    auth_tokens b = login_with(rq, NULL, NULL), c = login_with(rq, NULL, NULL);
    sut_principal here = fix_principal(rq, &a), there = fix_principal(rq, &b), grace = fix_principal(rq, &other);
    cr_assert_eq(end(rq, NULL, there.session), SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(end(rq, &grace, there.session), SUT_ERR_NOT_FOUND, "somebody else's");
    cr_assert_eq(fix_verify(rq, b.access_token, NULL, NULL), 0);
    cr_assert_eq(end(rq, &here, SUT_STR("ffffffffffffffffffffffffffffffff")), SUT_ERR_NOT_FOUND);
    cr_assert_eq(end(rq, &here, SUT_STR("' OR 1=1 --")), SUT_ERR_NOT_FOUND);
    cr_assert_eq(end(rq, &here, there.session), 0);
    cr_assert_eq(end(rq, &here, there.session), SUT_ERR_NOT_FOUND, "it has ended");
    cr_assert_eq(fix_verify(rq, b.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(fix_refresh(rq, b.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(FIX_COUNT(f, "revocations"), 1, "the edges hear of it");

    sut_principal sessionless = {.user_id = a.user_id, .level = 1};
    cr_assert_eq(end_others(rq, &sessionless), SUT_ERR_INVALID);
    cr_assert_eq(end_others(rq, &here), 0);
    cr_assert_eq(end_others(rq, &here), 0, "there is nothing more to end");
    cr_assert_eq(fix_verify(rq, a.access_token, NULL, NULL), 0);
    cr_assert_eq(fix_verify(rq, c.access_token, NULL, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(fix_verify(rq, other.access_token, NULL, NULL), 0, "hers goes on");
    cr_assert_eq(FIX_COUNT(f, "revocations"), 2);
    cr_assert_eq(list(rq, &here).count, 1);
    return 0;
}

/* As many as a user may have: each is an event of its own, in one transaction. */
static sut_status ends_many(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens a = fix_account(rq, "ada");
    sut_principal here = fix_principal(rq, &a);
    fix_sql(f, "INSERT INTO sessions (id, user_id, created_at, last_seen_at, expires_at) SELECT 'many' || i, user_id, "
               "created_at, last_seen_at, expires_at FROM sessions, generate_series(1, 99) i RETURNING 1");
    cr_assert_eq(list(rq, &here).count, 100);
    const int told = FIX_COUNT(f, "sut_outbox");
    cr_assert_eq(end_others(rq, &here), 0);
    cr_assert_eq(list(rq, &here).count, 1);
    cr_assert_eq(FIX_COUNT(f, "revocations"), 99);
    cr_assert_eq(FIX_COUNT(f, "sut_outbox") - told, 99);
    return 0;
}

Test(sessions, all_that_a_user_may_have_are_ended_at_once, .timeout = 40)
{
    fix_run(ends_many);
}

Test(sessions, one_is_ended_or_all_others, .timeout = 40)
{
    fix_run(ends);
}

static sut_status idle(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens t = fix_account(rq, "ada"), next;
    cr_assert_eq(t.expires_in, 300, "an access token does not outlive its session");
    fix_sql(f, "UPDATE sessions SET last_seen_at = now() - interval '299 s' RETURNING 1");
    cr_assert_eq(fix_refresh(rq, t.refresh_token, &next, NULL), 0);
    cr_assert_eq(FIX_COUNT(f, "sessions WHERE last_seen_at > now() - interval '30 s'"), 1,
                 "a refresh is a sign of life");
    fix_sql(f, "UPDATE sessions SET last_seen_at = now() - interval '301 s' RETURNING 1");
    cr_assert_eq(fix_refresh(rq, next.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_EXPIRED);
    return 0;
}

Test(sessions, an_idle_one_ends, .timeout = 40)
{
    setenv("SESSION_IDLE_S", "300", 1);
    fix_run(idle);
}

static sut_status oldest(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens t = fix_account(rq, "ada"), next;
    fix_sql(f, "UPDATE sessions SET created_at = now() - interval '3540 s' RETURNING 1");
    cr_assert_eq(fix_refresh(rq, t.refresh_token, &next, NULL), 0);
    cr_assert(next.expires_in > 20 && next.expires_in <= 60, "%d", next.expires_in);
    cr_assert_eq(FIX_COUNT(f, "sessions WHERE expires_at <= now() + interval '60 s'"), 1);
    fix_sql(f, "UPDATE sessions SET created_at = now() - interval '3600 s' RETURNING 1");
    cr_assert_eq(fix_refresh(rq, next.refresh_token, NULL, NULL), AUTH_ERR_TOKEN_EXPIRED,
                 "though it was used all the time");
    return 0;
}

Test(sessions, none_lasts_for_ever, .timeout = 40)
{
    setenv("SESSION_MAX_S", "3600", 1);
    fix_run(oldest);
}

static sut_status reuse(sut_request *rq, void *arg)
{
    (void)arg;
    auth_tokens t = fix_account(rq, "ada"), next;
    sut_principal who = fix_principal(rq, &t);
    cr_assert_eq(fix_refresh(rq, t.refresh_token, &next, NULL), 0);
    cr_assert_eq(sut_test_emitted(rq, &auth_session_reuse_detected_event, 0, NULL, NULL), SUT_ERR_NOT_FOUND);
    auth_refresh_in in = {
        .refresh_token = t.refresh_token, .user_agent = SUT_STR("curl/8"), .has_user_agent = SUT_PRESENT};
    auth_tokens none;
    cr_assert_eq(sut_test_call(rq, &auth_refresh_method, NULL, &in, &none, NULL), AUTH_ERR_TOKEN_REUSED);
    auth_session_reuse_detected event;
    cr_assert_eq(sut_test_emitted(rq, &auth_session_reuse_detected_event, 0, &event, NULL), 0);
    cr_assert_eq(event.user_id, t.user_id);
    cr_assert(sut_str_eq(event.session, who.session));
    cr_assert(sut_str_is(event.device, "curl"));
    cr_assert_eq(sut_test_emitted(rq, &auth_session_revoked_event, 0, NULL, NULL), 0);
    cr_assert_eq(sut_test_call(rq, &auth_refresh_method, NULL, &in, &none, NULL), AUTH_ERR_TOKEN_INVALID);
    cr_assert_eq(sut_test_emitted(rq, &auth_session_reuse_detected_event, 1, NULL, NULL), SUT_ERR_NOT_FOUND,
                 "told once");
    return 0;
}

Test(sessions, a_token_that_comes_twice_is_told, .timeout = 40)
{
    fix_run(reuse);
}
