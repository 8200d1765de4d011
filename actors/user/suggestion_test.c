/* Suggestions and paths: who is on them, why, in what order; and who never is. */
#include "fixture_test.h"

#include "user_service.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { PEOPLE = 12 };
#define ID(n) (INT64_C(32) * ((n) + 1))

static const sut_principal s_me = {.user_id = ID(0), .level = 1};

static void people(sut_request *rq)
{
    char name[16];
    for (int i = 0; i < PEOPLE; i++) {
        snprintf(name, sizeof name, "person%d", i);
        cr_assert_eq(fix_create(rq, ID(i), name, NULL), 0);
    }
}

static void befriend(sut_test_postgres *pg, int a, int b)
{
    fix_connect(pg, ID(a), ID(b), "friend", "NULL");
    fix_connect(pg, ID(b), ID(a), "friend", "NULL");
}

/* The ids that are suggested, as digits: "34" is ID(3), ID(4). */
static const char *suggested(sut_request *rq, int limit, const user_suggestion **first)
{
    static char text[128];
    user_suggestions_out out;
    const user_suggestions_in in = {.limit = limit, .has_limit = SUT_PRESENT};
    cr_assert_eq(sut_test_call(rq, &user_suggestions_method, &s_me, &in, &out, NULL), 0);
    const user_suggestion *const *items = out.items.items;
    size_t len = 0;
    for (size_t i = 0; i < out.items.count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%x", (unsigned)(items[i]->user->user_id / 32 - 1));
    text[len] = 0;
    if (first)
        *first = out.items.count ? items[0] : NULL;
    return text;
}

static int dismiss(sut_request *rq, const sut_method *m, int64_t id)
{
    const user_suggestion_dismiss_in in = {.user_id = id};
    user_suggestion_dismiss_out out;
    return sut_test_call(rq, m, &s_me, &in, &out, NULL);
}

static sut_status suggestions(sut_request *rq, void *pg)
{
    const user_suggestion *first;
    people(rq);
    cr_assert_str_eq(suggested(rq, 20, NULL), "", "nobody is popular");
    sut_test_postgres_sql(pg, "INSERT INTO connection_counts (user_id, followers) VALUES (352, 9), (320, 9), (32, 50), "
                              "(288, 5) RETURNING 1");
    cr_assert_eq(sut_test_periodic(rq, "user.popular"), 0);
    cr_assert_str_eq(suggested(rq, 20, &first), "9a8", "the most followed, then by id; not oneself");
    cr_assert(first->reason == USER_SUGGESTION_REASON_POPULAR && first->mutual_count == 0);
    befriend(pg, 0, 1);
    befriend(pg, 0, 2);
    befriend(pg, 1, 3);
    befriend(pg, 1, 4);
    befriend(pg, 2, 4);
    fix_connect(pg, ID(2), ID(5), "follow", "NULL");
    cr_assert_str_eq(suggested(rq, 20, &first), "4359a8");
    cr_assert(first->reason == USER_SUGGESTION_REASON_FRIENDS_OF_FRIENDS && first->mutual_count == 2);
    cr_assert_str_eq(suggested(rq, 1, NULL), "4");
    fix_connect(pg, ID(0), ID(4), "follow", "NULL");
    fix_connect(pg, ID(3), ID(0), "block", "NULL");
    fix_connect(pg, ID(9), ID(0), "request", "NULL");
    fix_connect(pg, ID(0), ID(10), "follow_request", "NULL");
    cr_assert_str_eq(suggested(rq, 20, NULL), "58", "nobody who is followed, blocks, has asked or was asked");
    sut_test_postgres_sql(pg, "UPDATE user_profiles SET hidden = true WHERE user_id = 288 RETURNING 1");
    cr_assert_str_eq(suggested(rq, 20, NULL), "5", "nobody who is not there");
    cr_assert_eq(dismiss(rq, &user_suggestion_dismiss_method, ID(5)), 0);
    cr_assert_eq(dismiss(rq, &user_suggestion_dismiss_method, ID(5)), 0);
    cr_assert_str_eq(suggested(rq, 20, NULL), "");
    cr_assert_eq(dismiss(rq, &user_suggestion_restore_method, ID(5)), 0);
    cr_assert_eq(dismiss(rq, &user_suggestion_restore_method, ID(5)), 0);
    cr_assert_str_eq(suggested(rq, 20, NULL), "5");
    cr_assert_eq(dismiss(rq, &user_suggestion_dismiss_method, ID(0)), USER_ERR_SELF_RELATION);
    cr_assert_eq(dismiss(rq, &user_suggestion_dismiss_method, ID(3)), SUT_ERR_NOT_FOUND, "whoever blocks is not there");
    cr_assert_eq(dismiss(rq, &user_suggestion_restore_method, ID(8)), SUT_ERR_NOT_FOUND, "nor who is hidden");
    cr_assert_eq(dismiss(rq, &user_suggestion_dismiss_method, 99999), SUT_ERR_NOT_FOUND);
    sut_test_postgres_sql(pg,
                          "WITH x AS (INSERT INTO suggestion_dismissals SELECT 32, 5000 + i, now() - interval '1 h' "
                          "FROM generate_series(1, 1200) i RETURNING 1) SELECT count(*) FROM x");
    cr_assert_eq(dismiss(rq, &user_suggestion_dismiss_method, ID(5)), 0);
    cr_assert_str_eq(sut_test_postgres_sql(pg, "SELECT count(*) FROM suggestion_dismissals"), "1000");
    cr_assert_str_eq(suggested(rq, 20, NULL), "", "the newest is kept");
    return 0;
}

Test(suggestion, each_has_its_reason_and_its_place, .timeout = 40)
{
    fix_run(suggestions);
}

static const user_path_out *path_to(sut_request *rq, int n)
{
    static user_path_out out;
    const user_path_in in = {.user_id = ID(n)};
    cr_assert_eq(sut_test_call(rq, &user_path_method, &s_me, &in, &out, NULL), 0);
    return &out;
}

static int through(const user_path_out *p, size_t i)
{
    cr_assert_lt(i, p->path.count);
    return (int)(((const user_card *const *)p->path.items)[i]->user_id / 32 - 1);
}

static sut_status paths(sut_request *rq, void *pg)
{
    people(rq);
    befriend(pg, 0, 1);
    befriend(pg, 1, 3);
    befriend(pg, 0, 2);
    befriend(pg, 2, 3);
    const user_path_out *p = path_to(rq, 3);
    cr_assert(p->outcome == USER_PATH_OUTCOME_FOUND && p->length == 2 && p->kind == USER_PATH_KIND_FRIENDS);
    cr_assert_eq(through(p, 1), 1, "of two ways that by the lower id");
    sut_test_postgres_sql(pg, "UPDATE user_profiles SET hidden = true WHERE user_id = 64 RETURNING 1");
    cr_assert_eq(through(path_to(rq, 3), 1), 2, "round who is not there");
    sut_test_postgres_sql(pg, "UPDATE user_profiles SET hidden = false WHERE user_id = 64 RETURNING 1");
    sut_test_postgres_sql(pg,
                          "UPDATE user_profiles SET privacy_settings = '{\"friends\": \"nobody\"}' WHERE user_id IN "
                          "(64, 128) RETURNING 1");
    cr_assert_eq(through(path_to(rq, 3), 1), 2, "round an edge that neither end shows");
    fix_connect(pg, ID(2), ID(0), "block", "NULL");
    p = path_to(rq, 3);
    cr_assert(p->outcome == USER_PATH_OUTCOME_NO_PATH && p->path.count == 0 && p->has_length == SUT_ABSENT);
    fix_connect(pg, ID(0), ID(5), "follow", "NULL");
    fix_connect(pg, ID(5), ID(3), "follow", "NULL");
    p = path_to(rq, 3);
    cr_assert(p->outcome == USER_PATH_OUTCOME_FOUND && p->kind == USER_PATH_KIND_FOLLOWS && through(p, 1) == 5);
    p = path_to(rq, 0);
    cr_assert(p->outcome == USER_PATH_OUTCOME_FOUND && p->length == 0 && p->path.count == 1);
    const user_path_in in = {.user_id = ID(2)}, nobody = {.user_id = 99999};
    user_path_out out;
    cr_assert_eq(sut_test_call(rq, &user_path_method, &s_me, &in, &out, NULL), SUT_ERR_NOT_FOUND);
    cr_assert_eq(sut_test_call(rq, &user_path_method, &s_me, &nobody, &out, NULL), SUT_ERR_NOT_FOUND);
    cr_assert_eq(sut_test_call(rq, &user_path_method, NULL, &in, &out, NULL), SUT_ERR_UNAUTHENTICATED);
    return 0;
}

Test(path, goes_round_whoever_may_not_be_seen, .timeout = 40)
{
    fix_run(paths);
}
