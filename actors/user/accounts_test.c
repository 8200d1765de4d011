/* People who are hidden: absent everywhere, and back with everything. */
#include "fixture_test.h"

#include "auth_schema.h"
#include "relation.h"
#include "user_service.h"

#include <criterion/criterion.h>

enum { ADA = 32, BOB = 64, EVE = 96 };

static int suspended(sut_request *rq, int64_t user_id, int64_t version)
{
    const auth_user_suspended event = {
        .user_id = user_id, .reason = SUT_STR("Spam."), .hidden = true, .version = version};
    return sut_test_deliver(rq, fix_consumer("user.suspended"), &event, NULL, NULL);
}

static int unsuspended(sut_request *rq, int64_t user_id, int64_t version, bool hidden)
{
    const auth_user_unsuspended event = {.user_id = user_id, .hidden = hidden, .version = version};
    return sut_test_deliver(rq, fix_consumer("user.unsuspended"), &event, NULL, NULL);
}

static int act(sut_request *rq, const sut_method *m, int64_t me, int64_t other)
{
    const sut_principal who = {.user_id = me, .level = 1};
    user_follow_in in = {.user_id = other};
    user_relation_change reply;
    cr_assert_eq(m->in->size, sizeof in);
    return sut_test_call(rq, m, &who, &in, &reply, NULL);
}

static size_t listed(sut_request *rq, const sut_method *m, int64_t viewer, int64_t owner)
{
    const sut_principal who = {.user_id = viewer, .level = 1};
    user_followers_in of = {.user_id = owner};
    user_blocks_in mine = {0};
    user_requests_in requests = {0};
    const void *in = m == &user_requests_method ? (void *)&requests : m->in->size == sizeof of ? (void *)&of : &mine;
    user_page page;
    cr_assert_eq(sut_test_call(rq, m, &who, in, &page, NULL), 0, "%s", m->name);
    return page.items.count;
}

static size_t cards(sut_request *rq, int64_t viewer)
{
    int64_t ids[] = {ADA, BOB, EVE};
    user_cards_in in = {.user_ids = {ids, 3}, .viewer_id = viewer, .has_viewer_id = viewer ? SUT_PRESENT : SUT_ABSENT};
    user_cards_out out;
    cr_assert_eq(sut_test_call(rq, &user_cards_method, NULL, &in, &out, NULL), 0);
    return out.items.count;
}

static bool friends(sut_request *rq, int64_t user_id, int64_t other_id)
{
    user_friend_check_in in = {.user_id = user_id, .other_id = other_id};
    user_friend_check_out out;
    cr_assert_eq(sut_test_call(rq, &user_friend_check_method, NULL, &in, &out, NULL), 0);
    return out.friend;
}

static void people(sut_request *rq)
{
    cr_assert_eq(fix_create(rq, ADA, "ada", NULL), 0);
    cr_assert_eq(fix_create(rq, BOB, "bob", NULL), 0);
    cr_assert_eq(fix_create(rq, EVE, "eve", NULL), 0);
}

/* What Bob and Eve see of Ada in lists: `n` times each. */
static void seen(sut_request *rq, size_t n)
{
    cr_assert_eq(listed(rq, &user_followers_method, BOB, BOB), n);
    cr_assert_eq(listed(rq, &user_following_method, BOB, BOB), n);
    cr_assert_eq(listed(rq, &user_friends_method, BOB, BOB), n);
    cr_assert_eq(listed(rq, &user_mutual_friends_method, BOB, EVE), n);
    cr_assert_eq(listed(rq, &user_mutes_method, EVE, 0), n);
    cr_assert_eq(cards(rq, 0), 2 + n);
    cr_assert_eq(cards(rq, BOB), 2 + n);
    cr_assert_eq(friends(rq, BOB, ADA), n == 1);
    cr_assert_eq(friends(rq, ADA, BOB), n == 1);
    cr_assert_eq(fix_get(rq, BOB, ADA, NULL), n ? 0 : SUT_ERR_NOT_FOUND);
    cr_assert_eq(fix_get(rq, 0, ADA, NULL), n ? 0 : SUT_ERR_NOT_FOUND);
}

static void befriend(sut_request *rq, int64_t one, int64_t other)
{
    cr_assert_eq(act(rq, &user_friend_request_method, one, other), 0);
    cr_assert_eq(act(rq, &user_friend_accept_method, other, one), 0);
}

static sut_status absent(sut_request *rq, void *arg)
{
    static const sut_method *const acts[] = {&user_follow_method,           &user_unfollow_method,
                                             &user_follower_approve_method, &user_follower_remove_method,
                                             &user_friend_request_method,   &user_friend_accept_method,
                                             &user_friend_remove_method,    &user_block_method,
                                             &user_unblock_method,          &user_unmute_method};
    user_profile before, after;
    (void)arg;
    people(rq);
    befriend(rq, ADA, BOB);
    befriend(rq, ADA, EVE);
    befriend(rq, EVE, BOB);
    cr_assert_eq(act(rq, &user_friend_remove_method, EVE, BOB), 0);
    cr_assert_eq(act(rq, &user_follow_method, ADA, BOB), 0);
    cr_assert_eq(act(rq, &user_follow_method, BOB, ADA), 0);
    const sut_principal eve = {.user_id = EVE, .level = 1};
    user_relation_change reply;
    cr_assert_eq(sut_test_call(rq, &user_mute_method, &eve, &(user_mute_in){.user_id = ADA}, &reply, NULL), 0);
    seen(rq, 1);
    cr_assert_eq(fix_get(rq, EVE, BOB, &before), 0);

    cr_assert_eq(suspended(rq, ADA, 1), 0);
    seen(rq, 0);
    for (size_t i = 0; i < SUT_ARRAY_LEN(acts); i++)
        cr_assert_eq(act(rq, acts[i], BOB, ADA), SUT_ERR_NOT_FOUND, "%s", acts[i]->name);
    cr_assert_eq(sut_test_call(rq, &user_mute_method, &eve, &(user_mute_in){.user_id = ADA}, &reply, NULL),
                 SUT_ERR_NOT_FOUND);
    user_page page;
    cr_assert_eq(sut_test_call(rq, &user_followers_method, &eve, &(user_followers_in){.user_id = ADA}, &page, NULL),
                 SUT_ERR_NOT_FOUND, "nor has she any lists");
    cr_assert_eq(fix_get(rq, ADA, ADA, NULL), 0, "to herself she is there, as soon as she is back");
    cr_assert_eq(fix_get(rq, EVE, BOB, &after), 0);
    cr_assert_eq(after.follower_count, before.follower_count, "others' counters stay meanwhile");

    cr_assert_eq(unsuspended(rq, ADA, 2, false), 0);
    seen(rq, 1);
    return 0;
}

Test(accounts, hidden_people_are_absent_and_come_back_with_all, .timeout = 40)
{
    fix_run(absent);
}

static sut_status requests(sut_request *rq, void *arg)
{
    (void)arg;
    people(rq);
    cr_assert_eq(act(rq, &user_friend_request_method, ADA, BOB), 0);
    cr_assert_eq(listed(rq, &user_requests_method, BOB, 0), 1);
    cr_assert_eq(suspended(rq, ADA, 1), 0);
    cr_assert_eq(listed(rq, &user_requests_method, BOB, 0), 0);
    cr_assert_eq(act(rq, &user_friend_accept_method, BOB, ADA), SUT_ERR_NOT_FOUND);
    cr_assert_eq(unsuspended(rq, ADA, 2, false), 0);
    cr_assert_eq(act(rq, &user_friend_accept_method, BOB, ADA), 0);
    cr_assert_eq(act(rq, &user_block_method, BOB, EVE), 0);
    cr_assert_eq(listed(rq, &user_blocks_method, BOB, 0), 1);
    cr_assert_eq(suspended(rq, EVE, 1), 0);
    cr_assert_eq(listed(rq, &user_blocks_method, BOB, 0), 0, "not even here");
    cr_assert_eq(unsuspended(rq, EVE, 2, false), 0);
    cr_assert_eq(listed(rq, &user_blocks_method, BOB, 0), 1);
    return 0;
}

Test(accounts, requests_and_blocks_wait_for_them, .timeout = 40)
{
    fix_run(requests);
}

static sut_status versions(sut_request *rq, void *arg)
{
    (void)arg;
    people(rq);
    const auth_user_deactivated gone = {.user_id = ADA, .hidden = true, .version = 3};
    const auth_user_reactivated back = {.user_id = ADA, .hidden = false, .version = 5};
    cr_assert_eq(unsuspended(rq, ADA, 2, false), 0);
    cr_assert_eq(suspended(rq, ADA, 1), 0);
    cr_assert_eq(fix_get(rq, 0, ADA, NULL), 0, "an older one changes nothing");
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(sut_test_deliver(rq, fix_consumer("user.deactivated"), &gone, NULL, NULL), 0);
        cr_assert_eq(fix_get(rq, 0, ADA, NULL), SUT_ERR_NOT_FOUND);
    }
    cr_assert_eq(unsuspended(rq, ADA, 4, true), 0);
    cr_assert_eq(fix_get(rq, 0, ADA, NULL), SUT_ERR_NOT_FOUND, "not suspended, and still deactivated");
    cr_assert_eq(sut_test_deliver(rq, fix_consumer("user.reactivated"), &back, NULL, NULL), 0);
    cr_assert_eq(suspended(rq, ADA, 1), 0, "history told again");
    cr_assert_eq(unsuspended(rq, ADA, 4, true), 0);
    cr_assert_eq(fix_get(rq, 0, ADA, NULL), 0);
    cr_assert_eq(fix_get(rq, 0, BOB, NULL), 0, "nobody else");
    return 0;
}

Test(accounts, the_newest_version_holds, .timeout = 40)
{
    fix_run(versions);
}

static sut_status unknown(sut_request *rq, void *arg)
{
    (void)arg;
    cr_assert_eq(suspended(rq, ADA, 1), SUT_ERR_UNAVAILABLE, "it comes again, when the profile is there");
    cr_assert_eq(fix_create(rq, ADA, "ada", NULL), 0);
    cr_assert_eq(suspended(rq, ADA, 1), 0);
    cr_assert_eq(fix_get(rq, 0, ADA, NULL), SUT_ERR_NOT_FOUND);
    cr_assert_eq(fix_undo(rq, BOB, NULL), 0);
    cr_assert_eq(suspended(rq, BOB, 1), 0, "who is gone for good is not waited for");
    return 0;
}

Test(accounts, a_profile_that_comes_later_is_hidden_too, .timeout = 40)
{
    fix_run(unknown);
}
