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
       SHOW_BIRTH_DATE,
       SHOW_LOCATION,
       SHOW_WEBSITE,
       FOLLOWER_COUNT,
       FOLLOWING_COUNT,
       POST_COUNT,
       CREATED_AT,
       UPDATED_AT
};

/* What is stored was validated when it came in; a value of a later version hides. */
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

static bool may_see(user_audience who, bool owner, unsigned ties)
{
    if (owner)
        return true;
    switch (who) {
    case USER_AUDIENCE_EVERYONE: return true;
    case USER_AUDIENCE_FOLLOWERS: return (ties & (USER_TIE_FOLLOWS | USER_TIE_FRIEND)) != 0;
    case USER_AUDIENCE_FRIENDS: return (ties & USER_TIE_FRIEND) != 0;
    case USER_AUDIENCE_NOBODY: return false;
    }
    return false;
}

static void show_text(const sut_pg_result *r, int row, int col, bool visible, sut_str *out, uint8_t *has)
{
    *has = SUT_ABSENT;
    if (!visible)
        return;
    *out = sut_pg_get_text(r, row, col);
    *has = out->ptr ? SUT_PRESENT : SUT_NULL;
}

static sut_status add_relation(sut_request *rq, unsigned ties, user_profile *out)
{
    user_relation *rel = SUT_REQUEST_NEW(rq, user_relation);
    if (!rel)
        return -ENOMEM;
    *rel = (user_relation){
        .following = (ties & USER_TIE_FOLLOWS) != 0,
        .followed_by = (ties & USER_TIE_FOLLOWED_BY) != 0,
        .friend = (ties & USER_TIE_FRIEND) != 0,
        .request = ties & USER_TIE_ASKED      ? USER_REQUEST_STATE_SENT
                   : ties & USER_TIE_ASKED_BY ? USER_REQUEST_STATE_RECEIVED
                                              : USER_REQUEST_STATE_NONE,
        .blocked = (ties & USER_TIE_BLOCKS) != 0,
        .muted = (ties & USER_TIE_MUTES) != 0,
    };
    out->relation = rel;
    out->has_relation = SUT_PRESENT;
    return 0;
}

typedef struct shown {
    user_audience birth_date, location, website;
} shown;

static sut_status add_privacy(sut_request *rq, shown s, user_profile *out)
{
    user_privacy_settings *p = SUT_REQUEST_NEW(rq, user_privacy_settings);
    if (!p)
        return -ENOMEM;
    *p = (user_privacy_settings){
        .birth_date = (int32_t)s.birth_date,
        .location = (int32_t)s.location,
        .website = (int32_t)s.website,
        .has_birth_date = SUT_PRESENT,
        .has_location = SUT_PRESENT,
        .has_website = SUT_PRESENT,
    };
    out->privacy_settings = p;
    out->has_privacy_settings = SUT_PRESENT;
    return 0;
}

sut_status user_view_fill(sut_request *rq, const sut_pg_result *r, int row, int64_t viewer_id, unsigned ties,
                          user_profile *out)
{
    shown s = {
        .birth_date = audience(r, row, SHOW_BIRTH_DATE, USER_AUDIENCE_NOBODY),
        .location = audience(r, row, SHOW_LOCATION, USER_AUDIENCE_EVERYONE),
        .website = audience(r, row, SHOW_WEBSITE, USER_AUDIENCE_EVERYONE),
    };
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
        return add_privacy(rq, s, out);
    return viewer_id ? add_relation(rq, ties, out) : 0;
}
