/* Registration: each step's failure, a second try, and the sweeper. */
#include "fixture_test.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static void make_old(fix *f)
{
    fix_sql(f, "UPDATE users SET created_at = now() - interval '1 minute', claimed_until = NULL RETURNING 1");
}

static sut_status sweep(sut_request *rq)
{
    return sut_test_periodic(rq, "auth.registration_sweeper");
}

static sut_status succeeds(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens t;
    cr_assert_eq(fix_register(rq, "  Ada@Example.ORG ", FIX_PASSWORD, "ada", &t, NULL), 0);
    cr_assert_eq(t.user_id % 32, 0, "shard 0");
    cr_assert(sut_str_is(t.email, "ada@example.org"));
    cr_assert(sut_str_is(t.username, "ada"));
    cr_assert(sut_str_is(t.token_type, "Bearer"));
    cr_assert_eq(t.expires_in, 900);
    cr_assert_eq(f->user.creates, 1);
    cr_assert_eq(fix_verify(rq, t.access_token, NULL, NULL), 0);
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, NULL, NULL), 0);
    cr_assert_eq(FIX_COUNT(f, "users WHERE status = 'active' AND password_hash LIKE '$2b$04$%'"), 1);

    sut_error_body e;
    cr_assert_eq(fix_register(rq, "ADA@example.org", "some other password", "ada2", NULL, &e), AUTH_ERR_EMAIL_TAKEN);
    cr_assert_eq(e.error_count, 1);
    cr_assert(sut_str_is(e.errors[0].pointer, "/email"));
    cr_assert_eq(fix_register(rq, "ada@example.org", FIX_PASSWORD, "ada", NULL, NULL), AUTH_ERR_EMAIL_TAKEN,
                 "an active account is not resumed, whatever the password");
    cr_assert_eq(FIX_COUNT(f, "users"), 1);
    return 0;
}

Test(register, makes_an_account_with_a_session, .timeout = 40)
{
    fix_run(succeeds);
}

static sut_status name_taken(sut_request *rq, void *arg)
{
    fix *f = arg;
    sut_error_body e;
    f->user.create = USER_ERR_USERNAME_TAKEN;
    cr_assert_eq(fix_register(rq, "ada@example.org", FIX_PASSWORD, "ada", NULL, &e), AUTH_ERR_USERNAME_TAKEN);
    cr_assert_eq(e.error_count, 1);
    cr_assert(sut_str_is(e.errors[0].pointer, "/username"));
    cr_assert_eq(f->user.undos, 1, "a create that is still on its way is to be refused");
    cr_assert_eq(FIX_COUNT(f, "users"), 0, "the address is free again");
    f->user.create = 0;
    cr_assert_eq(fix_register(rq, "ada@example.org", FIX_PASSWORD, "ada2", NULL, NULL), 0);
    return 0;
}

Test(register, a_taken_name_frees_the_address, .timeout = 40)
{
    fix_run(name_taken);
}

static sut_status undone(sut_request *rq, void *arg)
{
    fix *f = arg;
    sut_error_body e;
    f->user.create = USER_ERR_REGISTRATION_UNDONE;
    cr_assert_eq(fix_register(rq, "ada@example.org", FIX_PASSWORD, "ada", NULL, &e), SUT_ERR_UNAVAILABLE);
    cr_assert_gt(e.retry_after_ms, 0);
    cr_assert_eq(FIX_COUNT(f, "users"), 0);
    return 0;
}

Test(register, one_that_was_undone_is_tried_anew, .timeout = 40)
{
    fix_run(undone);
}

/* Whether or not the profile was made, the account stays pending until that is known. */
static sut_status interrupted(sut_request *rq, void *arg)
{
    fix *f = arg;
    const sut_status failures[] = {SUT_ERR_UNAVAILABLE, SUT_ERR_OUTCOME_UNKNOWN, SUT_ERR_DEADLINE_EXCEEDED,
                                   SUT_ERR_OVERLOADED};
    for (size_t i = 0; i < SUT_ARRAY_LEN(failures); i++) {
        f->user.create = failures[i];
        cr_assert_eq(fix_register(rq, "ada@example.org", FIX_PASSWORD, "ada", NULL, NULL), failures[i]);
        cr_assert_eq(FIX_COUNT(f, "users WHERE status = 'pending'"), 1);
        cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, NULL, NULL), AUTH_ERR_ACCOUNT_PENDING);
        cr_assert_eq(fix_login(rq, "ada@example.org", "not the password", NULL, NULL), AUTH_ERR_BAD_CREDENTIALS);
    }
    cr_assert_eq(f->user.undos, 0);
    f->user.create = 0;
    cr_assert_eq(fix_register(rq, "ada@example.org", "not the password", "ada", NULL, NULL), AUTH_ERR_EMAIL_TAKEN,
                 "nobody else takes over a pending account");
    auth_tokens t;
    cr_assert_eq(fix_register(rq, "ada@example.org", FIX_PASSWORD, "ada", &t, NULL), 0, "the same words resume it");
    cr_assert_eq(FIX_COUNT(f, "users WHERE status = 'active'"), 1);
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, NULL, NULL), 0);
    return 0;
}

Test(register, one_that_was_interrupted_is_resumed_by_the_same_words, .timeout = 40)
{
    fix_run(interrupted);
}

/* The profile of the first try is there under its name, whatever the second one asks for. */
static sut_status other_name(sut_request *rq, void *arg)
{
    fix *f = arg;
    auth_tokens t;
    f->user.create = SUT_ERR_OUTCOME_UNKNOWN;
    cr_assert_eq(fix_register(rq, "ada@example.org", FIX_PASSWORD, "first", NULL, NULL), SUT_ERR_OUTCOME_UNKNOWN);
    f->user.create = 0;
    snprintf(f->user.profile_name, sizeof f->user.profile_name, "first");
    cr_assert_eq(fix_register(rq, "ada@example.org", FIX_PASSWORD, "second", &t, NULL), 0);
    cr_assert(sut_str_is(t.username, "first"));
    cr_assert_str_eq(fix_sql(f, "SELECT username FROM users"), "first");
    return 0;
}

Test(register, the_name_is_the_one_that_the_profile_has, .timeout = 40)
{
    fix_run(other_name);
}

static fix *s_fix;
static int s_inner;

static void register_inside(sut_request *rq)
{
    s_inner = fix_register(rq, "ada@example.org", FIX_PASSWORD, "other", NULL, NULL);
    s_fix->user.create = USER_ERR_USERNAME_TAKEN; /* for the outer one, which comes too late */
}

/* One request finds its name taken after another one has resumed the account under a free name and activated it. */
static sut_status resumed_meanwhile(sut_request *rq, void *arg)
{
    s_fix = arg;
    s_fix->user.before = register_inside;
    cr_assert_eq(fix_register(rq, "ada@example.org", FIX_PASSWORD, "ada", NULL, NULL), AUTH_ERR_USERNAME_TAKEN);
    cr_assert_eq(s_inner, 0);
    cr_assert_eq(s_fix->user.undos, 0, "an active account never loses its profile");
    cr_assert_eq(FIX_COUNT(s_fix, "users WHERE status = 'active' AND username = 'other'"), 1);
    return 0;
}

Test(register, an_active_account_is_not_undone, .timeout = 40)
{
    fix_run(resumed_meanwhile);
}

static void give_up_inside(sut_request *rq)
{
    (void)rq;
    fix_sql(s_fix, "UPDATE users SET status = 'undoing' RETURNING 1");
}

/* The other way round: what is being undone is not activated by one who created the profile meanwhile. */
static sut_status undone_meanwhile(sut_request *rq, void *arg)
{
    s_fix = arg;
    s_fix->user.before = give_up_inside;
    cr_assert_eq(fix_register(rq, "ada@example.org", FIX_PASSWORD, "ada", NULL, NULL), SUT_ERR_UNAVAILABLE);
    cr_assert_eq(FIX_COUNT(s_fix, "users WHERE status = 'undoing'"), 1);
    cr_assert_eq(FIX_COUNT(s_fix, "sessions"), 0);
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, NULL, NULL), AUTH_ERR_ACCOUNT_PENDING);
    cr_assert_eq(fix_register(rq, "ada@example.org", "not the password", "ada", NULL, NULL), AUTH_ERR_EMAIL_TAKEN);
    cr_assert_eq(s_fix->user.undos, 0);
    cr_assert_eq(fix_register(rq, "ada@example.org", FIX_PASSWORD, "ada", NULL, NULL), SUT_ERR_UNAVAILABLE);
    cr_assert_eq(s_fix->user.undos, 1, "the same words finish the undoing");
    cr_assert_eq(FIX_COUNT(s_fix, "users"), 0);
    cr_assert_eq(fix_register(rq, "ada@example.org", FIX_PASSWORD, "ada", NULL, NULL), 0);
    return 0;
}

Test(register, what_is_being_undone_does_not_become_active, .timeout = 40)
{
    fix_run(undone_meanwhile);
}

/* ---- two at once ---- */

typedef struct racer {
    const char *name;
    int *left, status;
    auth_tokens tokens;
} racer;

static sut_status race(sut_request *rq, void *arg)
{
    racer *r = *(racer **)arg;
    r->status = fix_register(rq, "ada@example.org", FIX_PASSWORD, r->name, &r->tokens, NULL);
    (*r->left)--;
    return 0;
}

static sut_status at_once(sut_request *rq, void *arg)
{
    fix *f = arg;
    int left = 4;
    racer r[4] = {{"ada", &left, -1, {0}}, {"ada", &left, -1, {0}}, {"ada", &left, -1, {0}}, {"ada", &left, -1, {0}}};
    for (int i = 0; i < 4; i++) {
        racer *one = &r[i];
        cr_assert_eq(sut_background(rq, "racer", race, &one, sizeof one, 20000), 0);
    }
    while (left > 0)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    int made = 0;
    for (int i = 0; i < 4; i++) {
        made += r[i].status == 0;
        cr_assert(r[i].status == 0 || r[i].status == AUTH_ERR_EMAIL_TAKEN, "%d", r[i].status);
    }
    cr_assert_geq(made, 1);
    cr_assert_eq(FIX_COUNT(f, "users WHERE status = 'active'"), 1);
    cr_assert_eq(FIX_COUNT(f, "sessions"), made);
    return 0;
}

Test(register, many_at_once_make_one_account, .timeout = 40)
{
    fix_run(at_once);
}

/* ---- the sweeper ---- */

static sut_status sweeper(sut_request *rq, void *arg)
{
    fix *f = arg;
    f->user.create = SUT_ERR_UNAVAILABLE;
    cr_assert_eq(fix_register(rq, "ada@example.org", FIX_PASSWORD, "ada", NULL, NULL), SUT_ERR_UNAVAILABLE);
    int creates = f->user.creates;
    cr_assert_eq(sweep(rq), 0);
    cr_assert_eq(f->user.creates, creates, "one that may be in hand is left alone");
    make_old(f);
    cr_assert_eq(sweep(rq), SUT_ERR_UNAVAILABLE);
    cr_assert_eq(f->user.creates, creates + 1);
    cr_assert_eq(sweep(rq), 0);
    cr_assert_eq(f->user.creates, creates + 1, "what is claimed is passed over");
    make_old(f);
    f->user.create = 0;
    cr_assert_eq(sweep(rq), 0);
    cr_assert_eq(FIX_COUNT(f, "users WHERE status = 'active'"), 1);
    cr_assert_eq(fix_login(rq, "ada@example.org", FIX_PASSWORD, NULL, NULL), 0);
    make_old(f);
    creates = f->user.creates;
    cr_assert_eq(sweep(rq), 0);
    cr_assert_eq(f->user.creates, creates, "active accounts are none of its business");
    return 0;
}

Test(register, the_sweeper_finishes_what_was_interrupted, .timeout = 40)
{
    fix_run(sweeper);
}

static sut_status sweeper_undoes(sut_request *rq, void *arg)
{
    fix *f = arg;
    f->user.create = SUT_ERR_OUTCOME_UNKNOWN;
    cr_assert_eq(fix_register(rq, "ada@example.org", FIX_PASSWORD, "ada", NULL, NULL), SUT_ERR_OUTCOME_UNKNOWN);
    make_old(f);
    f->user.create = USER_ERR_USERNAME_TAKEN;
    f->user.undo = SUT_ERR_UNAVAILABLE;
    cr_assert_eq(sweep(rq), SUT_ERR_UNAVAILABLE);
    cr_assert_eq(FIX_COUNT(f, "users WHERE status = 'undoing'"), 1, "kept until the profile is known to be gone");
    make_old(f);
    f->user.undo = 0;
    f->user.create = 0; /* the name is free again: too late for this one */
    int creates = f->user.creates;
    cr_assert_eq(sweep(rq), 0);
    cr_assert_eq(f->user.creates, creates);
    cr_assert_eq(FIX_COUNT(f, "users"), 0);
    return 0;
}

Test(register, the_sweeper_undoes_what_cannot_be_finished, .timeout = 40)
{
    fix_run(sweeper_undoes);
}
