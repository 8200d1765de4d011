/* What only friends are told, and that nobody else is. */
#include "fixture_test.h"
#include "kit/testing.h"
#include "user_service.h"

#include <criterion/criterion.h>

enum { OWNER = 32, VIEWER = 64, OTHER = 96 };

static sut_status friendship(sut_request *rq, int64_t viewer, int64_t owner, user_friendship_out *out)
{
    const sut_principal who = {.user_id = viewer, .level = SUT_LEVEL_USER};
    user_friendship_in in = {.user_id = owner};
    return sut_test_call(rq, &user_friendship_method, viewer ? &who : NULL, &in, out, NULL);
}

static void befriend(void *f, int64_t a, int64_t b)
{
    fix_connect(f, a, b, "friend", "NULL");
    fix_connect(f, b, a, "friend", "NULL");
}

static sut_status told(sut_request *rq, void *arg)
{
    user_friendship_out out;
    cr_assert_eq(fix_create(rq, OWNER, "owner", NULL), 0);
    cr_assert_eq(fix_create(rq, VIEWER, "viewer", NULL), 0);
    cr_assert_eq(fix_create(rq, OTHER, "other", NULL), 0);
    cr_assert_eq(friendship(rq, 0, OWNER, &out), SUT_ERR_UNAUTHENTICATED);
    cr_assert_eq(friendship(rq, VIEWER, OWNER, &out), SUT_ERR_FORBIDDEN);
    cr_assert_eq(friendship(rq, VIEWER, 999968, &out), SUT_ERR_FORBIDDEN, "nobody reads like a stranger");
    fix_connect(arg, VIEWER, OWNER, "follow", "NULL");
    fix_connect(arg, VIEWER, OWNER, "request", "NULL");
    cr_assert_eq(friendship(rq, VIEWER, OWNER, &out), SUT_ERR_FORBIDDEN, "to ask is not enough");
    fix_disconnect(arg);
    befriend(arg, VIEWER, OWNER);
    cr_assert_eq(friendship(rq, VIEWER, OWNER, &out), 0);
    cr_assert(out.since > 0 && out.mutual_friend_count == 0);
    befriend(arg, VIEWER, OTHER);
    befriend(arg, OWNER, OTHER);
    cr_assert_eq(friendship(rq, VIEWER, OWNER, &out), 0);
    cr_assert_eq(out.mutual_friend_count, 1);
    cr_assert_eq(friendship(rq, OWNER, VIEWER, &out), 0, "for both");
    cr_assert_eq(out.mutual_friend_count, 1);
    (void)sut_test_postgres_sql(arg, "UPDATE user_profiles SET hidden = true WHERE user_id = 96");
    cr_assert_eq(friendship(rq, OWNER, VIEWER, &out), 0);
    cr_assert_eq(out.mutual_friend_count, 0, "whoever is suspended is not counted");
    fix_disconnect(arg);
    cr_assert_eq(friendship(rq, VIEWER, OWNER, &out), SUT_ERR_FORBIDDEN, "it has ended");
    return 0;
}

Test(friendship, only_friends_are_told, .timeout = 40)
{
    fix_run(told);
}
