/* Privacy: which parts of a profile a viewer gets to see. What is hidden is absent; what is merely not filled in is
 * null. */
#include "user.h"

#include <errno.h>

enum { /* in the order of USER_VIEW_COLUMNS */
       USER_ID,
       USERNAME,
       DISPLAY_NAME,
       BIO,
       AVATAR_URL,
       LOCATION,
       WEBSITE,
       BIRTH_DATE,
       PRIVACY,
       FOLLOWER_COUNT = PRIVACY + USER_PRIVACY_COLUMN_COUNT,
       FOLLOWING_COUNT,
       POST_COUNT,
       CREATED_AT,
       UPDATED_AT
};

static user_audience audience(const sut_pg_result *r, int row, int col, user_audience unsaid)
{
    if (sut_pg_is_null(r, row, col))
        return unsaid;
    sut_str name = sut_pg_get_text(r, row, col);
    for (size_t i = 0; i < user_audience_enum.count; i++)
        if (sut_str_is(name, user_audience_enum.values[i].name))
            return (user_audience)user_audience_enum.values[i].value;
    return USER_AUDIENCE_NOBODY;
}

user_privacy user_privacy_read(const sut_pg_result *r, int row, int col)
{
    return (user_privacy){
        .birth_date = audience(r, row, col, USER_AUDIENCE_NOBODY),
        .location = audience(r, row, col + 1, USER_AUDIENCE_EVERYONE),
        .website = audience(r, row, col + 2, USER_AUDIENCE_EVERYONE),
        .followers = audience(r, row, col + 3, USER_AUDIENCE_EVERYONE),
        .friends = audience(r, row, col + 4, USER_AUDIENCE_EVERYONE),
        .mentions = audience(r, row, col + 5, USER_AUDIENCE_EVERYONE),
        .friend_requests = audience(r, row, col + 6, USER_AUDIENCE_EVERYONE),
        .private_account = !sut_pg_is_null(r, row, col + 7) && !sut_str_is(sut_pg_get_text(r, row, col + 7), "false"),
    };
}

bool user_audience_has(user_audience who, unsigned ties)
{
    switch (who) {
    case USER_AUDIENCE_EVERYONE: return true;
    case USER_AUDIENCE_FOLLOWERS: return (ties & (USER_TIE_FOLLOWS | USER_TIE_FRIEND)) != 0;
    case USER_AUDIENCE_FRIENDS: return (ties & USER_TIE_FRIEND) != 0;
    case USER_AUDIENCE_NOBODY: return false;
    }
    return false;
}

static bool may_see(user_audience who, bool owner, unsigned ties)
{
    return owner || user_audience_has(who, ties);
}

static void show_text(const sut_pg_result *r, int row, int col, bool visible, sut_str *out, uint8_t *has)
{
    *has = SUT_ABSENT;
    if (!visible)
        return;
    *out = sut_pg_get_text(r, row, col);
    *has = out->ptr ? SUT_PRESENT : SUT_NULL;
}

static user_request_state request_state(unsigned ties, unsigned sent, unsigned received)
{
    return ties & sent       ? USER_REQUEST_STATE_SENT
           : ties & received ? USER_REQUEST_STATE_RECEIVED
                             : USER_REQUEST_STATE_NONE;
}

user_relation *user_relation_of(sut_request *rq, unsigned ties)
{
    user_relation *rel = SUT_REQUEST_NEW(rq, user_relation);
    if (!rel)
        return NULL;
    *rel = (user_relation){
        .following = (ties & USER_TIE_FOLLOWS) != 0,
        .followed_by = (ties & USER_TIE_FOLLOWED_BY) != 0,
        .friend = (ties & USER_TIE_FRIEND) != 0,
        .request = (int32_t)request_state(ties, USER_TIE_ASKED, USER_TIE_ASKED_BY),
        .follow_request = (int32_t)request_state(ties, USER_TIE_FOLLOW_ASKED, USER_TIE_FOLLOW_ASKED_BY),
        .blocked = (ties & USER_TIE_BLOCKS) != 0,
        .muted = (ties & USER_TIE_MUTES) != 0,
    };
    return rel;
}

static sut_status add_relation(sut_request *rq, unsigned ties, user_profile *out)
{
    out->relation = user_relation_of(rq, ties);
    out->has_relation = SUT_PRESENT;
    return out->relation ? 0 : -ENOMEM;
}

static sut_status add_privacy(sut_request *rq, const user_privacy *s, user_profile *out)
{
    user_privacy_settings *p = SUT_REQUEST_NEW(rq, user_privacy_settings);
    if (!p)
        return -ENOMEM;
    *p = (user_privacy_settings){
        .birth_date = (int32_t)s->birth_date,
        .location = (int32_t)s->location,
        .website = (int32_t)s->website,
        .followers = (int32_t)s->followers,
        .friends = (int32_t)s->friends,
        .mentions = (int32_t)s->mentions,
        .friend_requests = (int32_t)s->friend_requests,
        .private_account = s->private_account,
        .has_birth_date = SUT_PRESENT,
        .has_location = SUT_PRESENT,
        .has_website = SUT_PRESENT,
        .has_followers = SUT_PRESENT,
        .has_friends = SUT_PRESENT,
        .has_mentions = SUT_PRESENT,
        .has_friend_requests = SUT_PRESENT,
        .has_private_account = SUT_PRESENT,
    };
    out->privacy_settings = p;
    out->has_privacy_settings = SUT_PRESENT;
    return 0;
}

sut_status user_view_fill(sut_request *rq, const sut_pg_result *r, int row, int64_t viewer_id, unsigned ties,
                          user_profile *out)
{
    user_privacy s = user_privacy_read(r, row, PRIVACY);
    *out = (user_profile){
        .user_id = sut_pg_get_i64(r, row, USER_ID),
        .username = sut_pg_get_text(r, row, USERNAME),
        .follower_count = sut_pg_get_i64(r, row, FOLLOWER_COUNT),
        .following_count = sut_pg_get_i64(r, row, FOLLOWING_COUNT),
        .post_count = sut_pg_get_i64(r, row, POST_COUNT),
        .created_at = sut_pg_get_timestamptz(r, row, CREATED_AT),
        .updated_at = sut_pg_get_timestamptz(r, row, UPDATED_AT),
    };
    bool owner = viewer_id == out->user_id;
    show_text(r, row, DISPLAY_NAME, true, &out->display_name, &out->has_display_name);
    show_text(r, row, BIO, true, &out->bio, &out->has_bio);
    show_text(r, row, AVATAR_URL, true, &out->avatar_url, &out->has_avatar_url);
    show_text(r, row, LOCATION, may_see(s.location, owner, ties), &out->location, &out->has_location);
    show_text(r, row, WEBSITE, may_see(s.website, owner, ties), &out->website, &out->has_website);
    if (may_see(s.birth_date, owner, ties)) {
        out->has_birth_date = sut_pg_is_null(r, row, BIRTH_DATE) ? SUT_NULL : SUT_PRESENT;
        out->birth_date = sut_pg_get_date(r, row, BIRTH_DATE);
    }
    if (owner)
        return add_privacy(rq, &s, out);
    return viewer_id ? add_relation(rq, ties, out) : 0;
}
