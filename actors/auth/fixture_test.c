/* The actor of the tests of auth. */
#include "fixture_test.h"

#include "auth_service.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static sut_status create(sut_request *rq, fix_user_actor *u, const user_profile_create_in *in,
                         user_profile_create_out *out)
{
    void (*before)(sut_request *) = u->before;
    u->creates++;
    u->before = NULL;
    if (before)
        before(rq);
    if (u->create != 0)
        return sut_fail(rq, u->create, "said by the stand-in");
    out->created = true;
    out->username = u->profile_name[0] ? sut_str_from(u->profile_name) : in->username;
    return 0;
}

static sut_status user_actor(sut_request *rq, const sut_method *m, const void *in, void *out, void *arg)
{
    fix_user_actor *u = arg;
    if (m == &user_profile_create_method)
        return create(rq, u, in, out);
    if (m == &user_profile_undo_method) {
        u->undos++;
        u->undone = ((const user_profile_undo_in *)in)->user_id;
        *(user_profile_undo_out *)out = (user_profile_undo_out){.removed = true};
        return u->undo != 0 ? sut_fail(rq, u->undo, "said by the stand-in") : 0;
    }
    cr_assert_eq(m, &user_profile_get_method);
    u->gets++;
    if (!u->profile_name[0])
        return sut_fail(rq, SUT_ERR_NOT_FOUND, "said by the stand-in");
    *(user_profile *)out = (user_profile){.username = sut_str_from(u->profile_name)};
    return 0;
}

void fix_run(sut_request_fn body)
{
    fix f = {.user = {.create = 0}};
    sut_actor_options actor = auth_actor;
    actor.entries = auth_service_entries;
    actor.entry_count = auth_service_entry_count;
    actor.consumers = auth_consumer_entries;
    actor.consumer_count = auth_consumer_entry_count;
    sut_test_postgres_start(&f.pg);
    sut_test_redis_start(&f.redis);
    setenv("AUTH_DATABASE_URL", f.pg.url, 1);
    setenv("REDIS_URL", f.redis.url, 1);
    setenv("JWT_SECRET", "a secret of more than thirty-two bytes", 1);
    setenv("BCRYPT_COST", "4", 0);
    snprintf(f.mail_dir, sizeof f.mail_dir, "%s/mail", f.redis.dir);
    setenv("MAIL_DIR", f.mail_dir, 1);
    sut_test_on_remote(user_actor, &f.user);
    sut_status st = sut_test_actor(&actor, body, &f);
    sut_test_redis_remove(&f.redis);
    sut_test_postgres_remove(&f.pg);
    cr_assert_eq(st, 0, "the body returned %d", st);
}

const char *fix_sql(fix *f, const char *sql)
{
    return sut_test_postgres_sql(&f->pg, sql);
}

void fix_known(fix *f, int count, const char *hash)
{
    char sql[400];
    snprintf(sql, sizeof sql,
             "INSERT INTO users (email, password_hash, username, status) SELECT 'known' || i || '@example.org', '%s', "
             "'known' || i, 'active' FROM generate_series(0, %d) i",
             hash, count - 1);
    fix_sql(f, sql);
}

const sut_consumer *fix_consumer(const char *subject)
{
    for (size_t i = 0; i < auth_consumer_entry_count; i++)
        if (strcmp(auth_consumer_entries[i].consumer->event->subject, subject) == 0)
            return auth_consumer_entries[i].consumer;
    cr_assert_fail("no consumer of %s", subject);
    return NULL;
}

int fix_register(sut_request *rq, const char *email, const char *password, const char *name, auth_tokens *out,
                 sut_error_body *error)
{
    auth_register_in in = {
        .email = sut_str_from(email), .password = sut_str_from(password), .username = sut_str_from(name)};
    auth_tokens unused;
    return sut_test_call(rq, &auth_register_method, NULL, &in, out ? out : &unused, error);
}

int fix_login(sut_request *rq, const char *email, const char *password, auth_tokens *out, sut_error_body *error)
{
    auth_login_in in = {.email = sut_str_from(email), .password = sut_str_from(password)};
    auth_tokens unused;
    return sut_test_call(rq, &auth_login_method, NULL, &in, out ? out : &unused, error);
}

int fix_refresh(sut_request *rq, sut_str token, auth_tokens *out, sut_error_body *error)
{
    auth_refresh_in in = {.refresh_token = token};
    auth_tokens unused;
    return sut_test_call(rq, &auth_refresh_method, NULL, &in, out ? out : &unused, error);
}

sut_principal fix_principal(sut_request *rq, const auth_tokens *tokens)
{
    sut_claims claims;
    cr_assert_eq(sut_token_verify(auth_keys, &auth_token_rules, tokens->access_token, sut_wall_us() / 1000000, &claims),
                 SUT_TOKEN_OK);
    cr_assert_eq(claims.user_id, tokens->user_id);
    return (sut_principal){
        .user_id = claims.user_id, .level = claims.level, .session = sut_request_str(rq, sut_str_from(claims.session))};
}

int fix_verify(sut_request *rq, sut_str token, auth_verify_out *out, sut_error_body *error)
{
    auth_verify_out unused;
    sut_principal somebody = {.user_id = 1, .level = 1};
    auth_verify_in in = {.authorization = sut_request_printf(rq, "Bearer %.*s", SUT_STR_FMT(token))};
    return sut_test_call(rq, &auth_verify_method, &somebody, &in, out ? out : &unused, error);
}

auth_tokens fix_account(sut_request *rq, const char *name)
{
    auth_tokens tokens;
    sut_str email = sut_request_printf(rq, "%s@example.org", name);
    cr_assert_eq(fix_register(rq, email.ptr, FIX_PASSWORD, name, &tokens, NULL), 0);
    return tokens;
}
