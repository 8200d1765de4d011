/* Relations: what each act does, whom it refuses, what it counts and tells. */
#include "fixture_test.h"

#include "relation.h"
#include "user_service.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { ADA = 32, BOB = 64, EVE = 96, NOBODY = 128 };

static int act(sut_request *rq, const sut_method *m, int64_t me, int64_t other, user_relation *out)
{
    const sut_principal who = {.user_id = me, .level = 1};
    user_follow_in in = {.user_id = other}; /* all have this one field, user.mute aside */
    user_relation_change reply;
    cr_assert_eq(m->in->size, sizeof in);
    int st = sut_test_call(rq, m, me ? &who : NULL, &in, &reply, NULL);
    if (st == 0 && out)
        *out = *reply.relation;
    return st;
}

static int mute(sut_request *rq, int64_t me, int64_t other, int64_t until_us, user_relation *out)
{
    const sut_principal who = {.user_id = me, .level = 1};
    user_mute_in in = {.user_id = other, .until = until_us, .has_until = until_us ? SUT_PRESENT : SUT_ABSENT};
    user_relation_change reply;
    int st = sut_test_call(rq, &user_mute_method, &who, &in, &reply, NULL);
    if (st == 0 && out)
        *out = *reply.relation;
    return st;
}

static void people(sut_request *rq)
{
    cr_assert_eq(fix_create(rq, ADA, "ada", NULL), 0);
    cr_assert_eq(fix_create(rq, BOB, "bob", NULL), 0);
    cr_assert_eq(fix_create(rq, EVE, "eve", NULL), 0);
}

static void set(sut_test_postgres *pg, int64_t whose, const char *json)
{
    char sql[256];
    snprintf(sql, sizeof sql, "UPDATE user_profiles SET privacy_settings = '%s' WHERE user_id = %lld RETURNING 1", json,
             (long long)whose);
    sut_test_postgres_sql(pg, sql);
}

static const char *sql(sut_test_postgres *pg, const char *query)
{
    return sut_test_postgres_sql(pg, query);
}

static user_profile profile(sut_request *rq, int64_t viewer, int64_t owner)
{
    user_profile p;
    cr_assert_eq(fix_get(rq, viewer, owner, &p), 0);
    return p;
}

static void events(sut_test_postgres *pg, const char *expected)
{
    cr_assert_str_eq(sql(pg, "SELECT coalesce(string_agg(subject, ' ' ORDER BY id), '') FROM sut_outbox"), expected);
}

/* ---- following ---- */

static sut_status follows(sut_request *rq, void *arg)
{
    user_relation r;
    user_user_followed told;
    sut_test_emitted_event info;
    people(rq);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(act(rq, &user_follow_method, BOB, ADA, &r), 0);
        cr_assert(r.following && !r.followed_by);
    }
    cr_assert_eq(profile(rq, ADA, ADA).follower_count, 1, "once");
    cr_assert_eq(profile(rq, ADA, BOB).following_count, 1);
    cr_assert(profile(rq, ADA, BOB).relation->followed_by);
    events(arg, "user.followed");
    cr_assert_eq(sut_test_emitted(rq, &user_user_followed_event, 0, &told, &info), 0);
    cr_assert(told.user_id == BOB && told.other_id == ADA && sut_str_is(info.key, "32:64"));
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(act(rq, &user_unfollow_method, BOB, ADA, &r), 0);
        cr_assert_not(r.following);
    }
    user_user_unfollowed ended;
    cr_assert_eq(sut_test_emitted(rq, &user_user_unfollowed_event, 0, &ended, NULL), 0);
    cr_assert_gt(ended.version, told.version);
    cr_assert_eq(profile(rq, ADA, ADA).follower_count, 0);
    cr_assert_eq(act(rq, &user_follow_method, BOB, ADA, NULL), 0);
    cr_assert_eq(act(rq, &user_follower_remove_method, ADA, BOB, &r), 0);
    cr_assert_not(r.followed_by);
    cr_assert_eq(profile(rq, ADA, BOB).following_count, 0);
    events(arg, "user.followed user.unfollowed user.followed user.unfollowed");
    return 0;
}

Test(relation, following_is_counted_and_told_once, .timeout = 40)
{
    fix_run(follows);
}

static sut_status asks_to_follow(sut_request *rq, void *arg)
{
    user_relation r;
    people(rq);
    set(arg, ADA, "{\"private_account\": true}");
    cr_assert_eq(act(rq, &user_follow_method, BOB, ADA, &r), 0);
    cr_assert(!r.following && r.follow_request == USER_REQUEST_STATE_SENT);
    cr_assert_eq(act(rq, &user_follow_method, BOB, ADA, &r), 0);
    cr_assert_eq(profile(rq, ADA, ADA).follower_count, 0);
    cr_assert_eq(profile(rq, ADA, BOB).relation->follow_request, USER_REQUEST_STATE_RECEIVED);
    cr_assert_eq(act(rq, &user_follower_approve_method, BOB, ADA, NULL), USER_ERR_NO_REQUEST,
                 "not by the one who asks");
    cr_assert_eq(act(rq, &user_follower_approve_method, ADA, EVE, NULL), USER_ERR_NO_REQUEST);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(act(rq, &user_follower_approve_method, ADA, BOB, &r), 0);
        cr_assert(r.followed_by && r.follow_request == USER_REQUEST_STATE_NONE);
    }
    cr_assert_eq(profile(rq, ADA, ADA).follower_count, 1);
    cr_assert_eq(act(rq, &user_follow_method, EVE, ADA, NULL), 0);
    cr_assert_eq(act(rq, &user_follower_remove_method, ADA, EVE, &r), 0, "declined");
    cr_assert_eq(r.follow_request, USER_REQUEST_STATE_NONE);
    cr_assert_eq(act(rq, &user_follower_approve_method, ADA, EVE, NULL), USER_ERR_NO_REQUEST);
    cr_assert_eq(act(rq, &user_follow_method, EVE, ADA, NULL), 0);
    cr_assert_eq(act(rq, &user_unfollow_method, EVE, ADA, &r), 0, "withdrawn");
    cr_assert_eq(r.follow_request, USER_REQUEST_STATE_NONE);
    cr_assert_eq(act(rq, &user_follow_method, EVE, ADA, NULL), 0);
    set(arg, ADA, "{}");
    cr_assert_eq(act(rq, &user_follow_method, EVE, ADA, &r), 0, "private no more");
    cr_assert(r.following && r.follow_request == USER_REQUEST_STATE_NONE);
    cr_assert_str_eq(sql(arg, "SELECT count(*) FROM connections WHERE kind = 'follow_request'"), "0");
    return 0;
}

Test(relation, a_private_account_is_asked, .timeout = 40)
{
    fix_run(asks_to_follow);
}

/* ---- friends ---- */

static sut_status befriends(sut_request *rq, void *arg)
{
    user_relation r;
    people(rq);
    cr_assert_eq(act(rq, &user_friend_accept_method, BOB, ADA, NULL), USER_ERR_NO_REQUEST);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(act(rq, &user_friend_request_method, BOB, ADA, &r), 0);
        cr_assert(!r.friend && r.request == USER_REQUEST_STATE_SENT);
    }
    cr_assert_eq(act(rq, &user_friend_accept_method, BOB, ADA, NULL), USER_ERR_NO_REQUEST, "one's own request");
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(act(rq, &user_friend_accept_method, ADA, BOB, &r), 0);
        cr_assert(r.friend && r.request == USER_REQUEST_STATE_NONE);
    }
    cr_assert(profile(rq, BOB, ADA).relation->friend && profile(rq, ADA, BOB).relation->friend);
    cr_assert_eq(act(rq, &user_friend_request_method, BOB, ADA, &r), 0);
    cr_assert(r.friend && r.request == USER_REQUEST_STATE_NONE, "friends need not ask");
    for (int i = 0; i < 2; i++)
        cr_assert_eq(act(rq, &user_friend_remove_method, BOB, ADA, &r), 0);
    cr_assert_not(profile(rq, ADA, BOB).relation->friend);
    events(arg, "friend.requested friend.accepted friend.removed");
    cr_assert_eq(act(rq, &user_friend_request_method, BOB, ADA, NULL), 0);
    cr_assert_eq(act(rq, &user_friend_remove_method, BOB, ADA, &r), 0, "withdrawn");
    cr_assert_eq(act(rq, &user_friend_request_method, BOB, ADA, NULL), 0);
    cr_assert_eq(act(rq, &user_friend_remove_method, ADA, BOB, &r), 0, "declined");
    cr_assert_eq(r.request, USER_REQUEST_STATE_NONE);
    cr_assert_eq(act(rq, &user_friend_request_method, BOB, ADA, NULL), 0);
    cr_assert_eq(act(rq, &user_friend_request_method, ADA, BOB, &r), 0);
    cr_assert(r.friend, "both asked");
    cr_assert_str_eq(sql(arg, "SELECT sum(friends) FROM connection_counts"), "2");
    cr_assert_str_eq(sql(arg, "SELECT count(*) FROM connections WHERE kind <> 'friend'"), "0");
    return 0;
}

Test(relation, friends_are_two_who_want_it, .timeout = 40)
{
    fix_run(befriends);
}

static sut_status closed(sut_request *rq, void *arg)
{
    user_relation r;
    people(rq);
    set(arg, ADA, "{\"friend_requests\": \"nobody\", \"private_account\": true}");
    cr_assert_eq(act(rq, &user_friend_request_method, BOB, ADA, NULL), USER_ERR_TAKES_NO_REQUESTS);
    set(arg, ADA, "{\"friend_requests\": \"of a later version\"}");
    cr_assert_eq(act(rq, &user_friend_request_method, BOB, ADA, NULL), USER_ERR_TAKES_NO_REQUESTS);
    set(arg, ADA, "{\"friend_requests\": \"followers\"}");
    cr_assert_eq(act(rq, &user_friend_request_method, BOB, ADA, NULL), USER_ERR_TAKES_NO_REQUESTS);
    cr_assert_eq(act(rq, &user_follow_method, BOB, ADA, NULL), 0);
    cr_assert_eq(act(rq, &user_friend_request_method, BOB, ADA, NULL), 0);
    set(arg, BOB, "{\"friend_requests\": \"nobody\", \"private_account\": true}");
    cr_assert_eq(act(rq, &user_friend_request_method, ADA, BOB, &r), 0, "he asked himself");
    cr_assert(r.friend);
    cr_assert_eq(act(rq, &user_follow_method, ADA, BOB, &r), 0);
    cr_assert(r.following, "a friend has been let in");
    return 0;
}

Test(relation, who_may_ask_is_the_owners_to_say, .timeout = 40)
{
    fix_run(closed);
}

/* ---- block, mute ---- */

static const sut_method *const s_acts[] = {&user_follow_method,           &user_unfollow_method,
                                           &user_follower_approve_method, &user_follower_remove_method,
                                           &user_friend_request_method,   &user_friend_accept_method,
                                           &user_friend_remove_method,    &user_block_method,
                                           &user_unblock_method,          &user_unmute_method};

static sut_status blocks(sut_request *rq, void *arg)
{
    user_relation r;
    people(rq);
    cr_assert_eq(act(rq, &user_follow_method, BOB, ADA, NULL), 0);
    cr_assert_eq(act(rq, &user_follow_method, ADA, BOB, NULL), 0);
    cr_assert_eq(act(rq, &user_friend_request_method, BOB, ADA, NULL), 0);
    cr_assert_eq(act(rq, &user_friend_accept_method, ADA, BOB, NULL), 0);
    cr_assert_eq(mute(rq, BOB, ADA, 0, NULL), 0);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(act(rq, &user_block_method, ADA, BOB, &r), 0);
        cr_assert(r.blocked && !r.following && !r.followed_by && !r.friend && !r.muted);
    }
    cr_assert_str_eq(sql(arg, "SELECT string_agg(user_id || kind || other_id, ',') FROM connections"), "32block64");
    cr_assert_str_eq(sql(arg, "SELECT sum(followers + following + friends) FROM connection_counts"), "0");
    events(arg, "user.followed user.followed friend.requested friend.accepted user.unfollowed user.unfollowed "
                "friend.removed user.blocked");
    cr_assert_eq(fix_get(rq, BOB, ADA, NULL), SUT_ERR_NOT_FOUND);
    cr_assert_eq(fix_get(rq, ADA, BOB, NULL), SUT_ERR_NOT_FOUND);
    for (size_t i = 0; i < SUT_ARRAY_LEN(s_acts); i++)
        cr_assert_eq(act(rq, s_acts[i], BOB, ADA, NULL), SUT_ERR_NOT_FOUND, "%s of one's blocker", s_acts[i]->name);
    cr_assert_eq(mute(rq, BOB, ADA, 0, NULL), SUT_ERR_NOT_FOUND);
    cr_assert_eq(act(rq, &user_follow_method, ADA, BOB, NULL), SUT_ERR_NOT_FOUND, "whom one blocks is not there");
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(act(rq, &user_unblock_method, ADA, BOB, &r), 0);
        cr_assert(!r.blocked && !r.following, "what was does not come back");
    }
    cr_assert_eq(act(rq, &user_follow_method, BOB, ADA, NULL), 0);
    return 0;
}

Test(relation, a_block_ends_all_and_hides_each_from_the_other, .timeout = 40)
{
    fix_run(blocks);
}

static sut_status mutes(sut_request *rq, void *arg)
{
    user_relation r;
    int64_t now = sut_wall_us();
    people(rq);
    cr_assert_eq(mute(rq, ADA, BOB, 0, &r), 0);
    cr_assert(r.muted);
    cr_assert(profile(rq, ADA, BOB).relation->muted && !profile(rq, BOB, ADA).relation->muted);
    cr_assert_eq(mute(rq, ADA, BOB, now + INT64_C(3600000000), &r), 0, "until another time");
    cr_assert(r.muted);
    cr_assert_str_eq(sql(arg, "SELECT expires_at > now() FROM connections"), "t");
    cr_assert_eq(mute(rq, ADA, BOB, now - 1, NULL), SUT_ERR_INVALID);
    cr_assert_eq(mute(rq, ADA, BOB, 1, NULL), SUT_ERR_INVALID);
    sql(arg, "UPDATE connections SET expires_at = now() RETURNING 1");
    cr_assert_not(profile(rq, ADA, BOB).relation->muted, "it has run out");
    cr_assert_eq(mute(rq, ADA, EVE, 0, NULL), 0);
    cr_assert_eq(sut_test_periodic(rq, "user.cleanup"), 0);
    cr_assert_str_eq(sql(arg, "SELECT string_agg(other_id::text, ',') FROM connections"), "96",
                     "the one without end stays");
    cr_assert_eq(act(rq, &user_unmute_method, ADA, EVE, NULL), 0);
    cr_assert_eq(mute(rq, ADA, BOB, 0, NULL), 0, "again");
    cr_assert(profile(rq, ADA, BOB).relation->muted);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(act(rq, &user_unmute_method, ADA, BOB, &r), 0);
    cr_assert_not(r.muted);
    events(arg, "");
    return 0;
}

Test(relation, a_mute_is_silent_and_may_run_out, .timeout = 40)
{
    fix_run(mutes);
}

/* ---- refusals ---- */

static sut_status refusals(sut_request *rq, void *arg)
{
    people(rq);
    for (size_t i = 0; i < SUT_ARRAY_LEN(s_acts); i++) {
        const char *name = s_acts[i]->name;
        cr_assert_eq(act(rq, s_acts[i], ADA, ADA, NULL), USER_ERR_SELF_RELATION, "%s", name);
        cr_assert_eq(act(rq, s_acts[i], ADA, NOBODY, NULL), SUT_ERR_NOT_FOUND, "%s", name);
        cr_assert_eq(act(rq, s_acts[i], NOBODY, ADA, NULL), SUT_ERR_NOT_FOUND, "%s by one without a profile", name);
        cr_assert_eq(act(rq, s_acts[i], 0, ADA, NULL), SUT_ERR_UNAUTHENTICATED, "%s", name);
        cr_assert_eq(act(rq, s_acts[i], ADA, 0, NULL), SUT_ERR_INVALID, "%s", name);
        cr_assert_eq(act(rq, s_acts[i], ADA, -1, NULL), SUT_ERR_INVALID, "%s", name);
        cr_assert_eq(act(rq, s_acts[i], ADA, INT64_MAX, NULL), SUT_ERR_INVALID, "%s", name);
        cr_assert_eq(act(rq, s_acts[i], ADA, INT64_C(9007199254740991), NULL), SUT_ERR_NOT_FOUND, "%s", name);
    }
    cr_assert_eq(mute(rq, ADA, ADA, 0, NULL), USER_ERR_SELF_RELATION);
    cr_assert_eq(mute(rq, ADA, NOBODY, 0, NULL), SUT_ERR_NOT_FOUND);
    cr_assert_str_eq(sql(arg, "SELECT count(*) FROM connections"), "0");
    events(arg, "");
    return 0;
}

Test(relation, oneself_and_nobody_are_refused, .timeout = 40)
{
    fix_run(refusals);
}

/* ---- the rules, all of them ---- */

/* From every state that obeys the invariants, every act leads to one that does. */
static bool is_sound(unsigned ties)
{
    const unsigned blocks = ties & USER_TIES_HIDING;
    if (blocks && (ties & ~blocks))
        return false;
    if (blocks == USER_TIES_HIDING)
        return false;
    if ((ties & USER_TIE_FRIEND) && (ties & (USER_TIE_ASKED | USER_TIE_ASKED_BY)))
        return false;
    if ((ties & USER_TIE_ASKED) && (ties & USER_TIE_ASKED_BY))
        return false;
    if ((ties & USER_TIE_FOLLOWS) && (ties & USER_TIE_FOLLOW_ASKED))
        return false;
    return !((ties & USER_TIE_FOLLOWED_BY) && (ties & USER_TIE_FOLLOW_ASKED_BY));
}

Test(relation_rules, every_act_keeps_every_state_sound)
{
    for (unsigned ties = 0; ties < 2 * USER_TIE_MUTED_BY; ties++) {
        for (unsigned n = 0; is_sound(ties) && n < 2 * 4 * (USER_ACT_UNMUTE + 1U); n++) {
            user_act what = n / 8;
            const user_pair pair = {.ties = ties, .is_private = n & 1, .friends = n / 2 % 4};
            user_change c, again;
            user_verdict verdict = user_rule(what, &pair, &c);
            unsigned after = (ties & ~c.removed) | c.added;
            cr_assert_eq(c.added & c.removed, 0);
            cr_assert_eq(c.removed & ~ties, 0, "only what is there ends");
            cr_assert(verdict == USER_ALLOWED || after == ties);
            cr_assert(is_sound(after), "act %d makes %x of %x", what, after, ties);
            const user_pair then = {.ties = after, .is_private = pair.is_private, .friends = pair.friends};
            if (verdict == USER_ALLOWED) {
                cr_assert_eq(user_rule(what, &then, &again), USER_ALLOWED, "act %d from %x again", what, ties);
                cr_assert_eq((after & ~again.removed) | again.added, after, "act %d is idempotent from %x", what, ties);
            }
        }
    }
}
