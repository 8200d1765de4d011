/* profile_create and profile_undo: any number of times, in any order, at the same time. */
#include "fixture_test.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static int count(sut_test_postgres *pg, const char *table)
{
    char sql[80];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    return atoi(sut_test_postgres_sql(pg, sql));
}

static sut_status creates(sut_request *rq, void *arg)
{
    user_profile_create_out out;
    user_profile p;
    cr_assert_eq(fix_create(rq, 32, "ada", &out), 0);
    cr_assert(out.created);
    cr_assert(sut_str_is(out.username, "ada"));
    cr_assert_eq(fix_create(rq, 32, "ada", &out), 0);
    cr_assert_not(out.created);
    cr_assert_eq(fix_create(rq, 32, "another", &out), 0);
    cr_assert_not(out.created);
    cr_assert(sut_str_is(out.username, "ada"), "the name that it has");
    cr_assert_eq(fix_create(rq, 64, "ADA", &out), USER_ERR_USERNAME_TAKEN);
    cr_assert_eq(fix_create(rq, 64, "grace", &out), 0, "after another name");
    cr_assert_eq(fix_create(rq, 64, "ada", &out), 0, "a name that others have is not asked for again");
    cr_assert(sut_str_is(out.username, "grace"));
    user_profile_create_in in = {.user_id = 96,
                                 .username = SUT_STR("linus"),
                                 .display_name = SUT_STR("Linus T."),
                                 .has_display_name = SUT_PRESENT};
    cr_assert_eq(sut_test_call(rq, &user_profile_create_method, NULL, &in, &out, NULL), 0);
    cr_assert_eq(fix_get(rq, 0, 96, &p), 0);
    cr_assert(sut_str_is(p.display_name, "Linus T."));
    cr_assert_eq(p.follower_count + p.following_count + p.post_count, 0);
    cr_assert_eq(fix_get(rq, 0, 64, &p), 0);
    cr_assert_eq(p.has_display_name, SUT_NULL);
    cr_assert_eq(count(arg, "user_profiles"), 3);
    return 0;
}

Test(registration, a_profile_is_created_once, .timeout = 40)
{
    fix_run(creates);
}

static sut_status undoes(sut_request *rq, void *arg)
{
    user_profile_undo_out out;
    cr_assert_eq(fix_create(rq, 32, "ada", NULL), 0);
    cr_assert_eq(fix_undo(rq, 32, &out), 0);
    cr_assert(out.removed);
    cr_assert_eq(fix_undo(rq, 32, &out), 0);
    cr_assert_not(out.removed);
    cr_assert_eq(fix_create(rq, 32, "ada", NULL), USER_ERR_REGISTRATION_UNDONE);
    cr_assert_eq(fix_create(rq, 64, "ada", NULL), 0, "the name is free");
    cr_assert_eq(fix_create(rq, 32, "ada", NULL), USER_ERR_REGISTRATION_UNDONE,
                 "whatever became of the name that it asks for");
    cr_assert_eq(fix_undo(rq, 96, &out), 0);
    cr_assert_not(out.removed);
    cr_assert_eq(fix_create(rq, 96, "late", NULL), USER_ERR_REGISTRATION_UNDONE, "an undo that came first");
    cr_assert_eq(count(arg, "user_profiles"), 1);
    return 0;
}

Test(registration, what_was_undone_is_never_created, .timeout = 40)
{
    fix_run(undoes);
}

/* ---- at the same time ---- */

typedef struct racer {
    int64_t user_id;
    const char *name; /* NULL: undo */
    int *left, status;
    bool effect;
} racer;

static sut_status run_racer(sut_request *rq, void *arg)
{
    racer *r = *(racer **)arg;
    user_profile_create_out created = {.created = false};
    user_profile_undo_out removed = {.removed = false};
    r->status = r->name ? fix_create(rq, r->user_id, r->name, &created) : fix_undo(rq, r->user_id, &removed);
    r->effect = r->status == 0 && (r->name ? created.created : removed.removed);
    (*r->left)--;
    return 0;
}

static void race(sut_request *rq, racer *racers, int n)
{
    int left = n;
    for (int i = 0; i < n; i++) {
        racer *one = &racers[i];
        one->left = &left;
        cr_assert_eq(sut_background(rq, "racer", run_racer, &one, sizeof one, 20000), 0);
    }
    while (left > 0)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
}

static sut_status same_user(sut_request *rq, void *arg)
{
    racer r[8];
    for (int i = 0; i < 8; i++)
        r[i] = (racer){.user_id = 32, .name = "ada"};
    race(rq, r, 8);
    int made = 0;
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(r[i].status, 0);
        made += r[i].effect;
    }
    cr_assert_eq(made, 1);
    cr_assert_eq(count(arg, "user_profiles"), 1);
    return 0;
}

Test(registration, many_creates_at_once_make_one, .timeout = 40)
{
    fix_run(same_user);
}

static sut_status same_name(sut_request *rq, void *arg)
{
    racer r[8];
    for (int i = 0; i < 8; i++)
        r[i] = (racer){.user_id = 32 * (i + 1), .name = i % 2 ? "ada" : "ADA"};
    race(rq, r, 8);
    int made = 0;
    for (int i = 0; i < 8; i++) {
        cr_assert(r[i].status == 0 || r[i].status == USER_ERR_USERNAME_TAKEN, "%d", r[i].status);
        made += r[i].status == 0;
    }
    cr_assert_eq(made, 1);
    cr_assert_eq(count(arg, "user_profiles"), 1);
    return 0;
}

Test(registration, one_of_many_gets_the_name, .timeout = 40)
{
    fix_run(same_name);
}

static sut_status create_and_undo(sut_request *rq, void *arg)
{
    for (int round = 0; round < 10; round++) {
        int64_t id = 32 * (round + 1);
        racer r[6] = {{.user_id = id, .name = "ada"}, {.user_id = id}, {.user_id = id, .name = "ada"},
                      {.user_id = id, .name = "ada"}, {.user_id = id}, {.user_id = id, .name = "ada"}};
        race(rq, r, 6);
        int made = 0, removed = 0;
        for (int i = 0; i < 6; i++) {
            cr_assert(r[i].status == 0 || (r[i].name && r[i].status == USER_ERR_REGISTRATION_UNDONE), "%d",
                      r[i].status);
            made += r[i].name && r[i].effect;
            removed += !r[i].name && r[i].effect;
        }
        cr_assert_eq(made, removed, "a create slipped past an undo");
        cr_assert_eq(count(arg, "user_profiles"), 0);
    }
    cr_assert_eq(count(arg, "profile_tombstones"), 10);
    return 0;
}

Test(registration, no_create_slips_past_an_undo, .timeout = 40)
{
    fix_run(create_and_undo);
}
