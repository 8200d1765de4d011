/* user.profile_get, user.profile_update, user.usernames and user.friend_check. */
#include "user.h"
#include "user_service.h"

#include "base/buf.h"
#include "kit/event.h"

#include <errno.h>

/* Two statements, so that the commonest read, a stranger's, does not look at connections at all. */
static const sut_pg_stmt s_get = {
    "user_profile_get",
    "SELECT " USER_VIEW_COLUMNS " FROM user_profiles p WHERE p.user_id = $1 AND (" USER_PRESENT_SQL " OR $1 = $2)", 2};
static const sut_pg_stmt s_get_as = {"user_profile_get_as",
                                     "SELECT " USER_VIEW_COLUMNS ", " USER_TIES_SQL
                                     " FROM user_profiles p WHERE p.user_id = $1 "
                                     "AND " USER_PRESENT_SQL,
                                     2};

sut_status user_not_found(sut_request *rq)
{
    return sut_fail(rq, SUT_ERR_NOT_FOUND, "There is no such user.");
}

sut_status user_profile_get(sut_request *rq, const user_profile_get_in *in, user_profile_get_out *out)
{
    const sut_pg_result *r;
    int64_t viewer = sut_request_user_id(rq);
    bool stranger = viewer == 0 || viewer == in->user_id;
    sut_status st =
        sut_pg_read(rq, stranger ? &s_get : &s_get_as, SUT_PG_PARAMS(sut_pg_i64(in->user_id), sut_pg_i64(viewer)), &r);
    if (st != 0)
        return st;
    if (sut_pg_rows(r) == 0)
        return user_not_found(rq);
    unsigned ties = stranger ? 0 : (unsigned)sut_pg_get_i32(r, 0, USER_VIEW_COLUMN_COUNT);
    if (ties & USER_TIES_HIDING)
        return user_not_found(rq);
    return user_view_fill(rq, r, 0, viewer, ties, out);
}

/* For each column a flag (was it given?) and a value (NULL clears it). */
static const sut_pg_stmt s_update = {
    "user_profile_update",
    "UPDATE user_profiles p SET "
    "username = coalesce($2, p.username), "
    "display_name = CASE WHEN $3 THEN $4 ELSE p.display_name END, "
    "bio = CASE WHEN $5 THEN $6 ELSE p.bio END, "
    "avatar_url = CASE WHEN $7 THEN $8 ELSE p.avatar_url END, "
    "location = CASE WHEN $9 THEN $10 ELSE p.location END, "
    "website = CASE WHEN $11 THEN $12 ELSE p.website END, "
    "birth_date = CASE WHEN $13 THEN $14 ELSE p.birth_date END, "
    "privacy_settings = p.privacy_settings || $15, "
    "version = p.version + 1, updated_at = now() WHERE p.user_id = $1 RETURNING " USER_VIEW_COLUMNS ", p.version",
    15};

static sut_pg_param given(uint8_t has)
{
    return sut_pg_bool(has != SUT_ABSENT);
}

static sut_pg_param text(uint8_t has, sut_str value)
{
    return sut_pg_text(has == SUT_PRESENT ? value : SUT_STR_NONE);
}

/* The given settings as a JSON object, to be laid over the stored one. */
static sut_status privacy_json(sut_request *rq, const user_privacy_settings *given_settings, sut_str *out)
{
    sut_buf body, json;
    *out = SUT_STR("{}");
    if (!given_settings)
        return 0;
    sut_buf_init(&body, SUT_ENVELOPE_MAX);
    sut_buf_init(&json, SUT_ENVELOPE_MAX);
    sut_status st = sut_record_encode(&user_privacy_settings_record, given_settings, &body);
    if (st == 0)
        st = sut_body_to_json(&user_privacy_settings_record, (sut_str){(const char *)body.data, body.len}, &json);
    if (st == 0)
        *out = sut_request_str(rq, (sut_str){(const char *)json.data, json.len});
    sut_buf_deinit(&body);
    sut_buf_deinit(&json);
    return st != 0 || out->ptr ? st : sut_fail_internal(rq, "no memory for privacy settings");
}

typedef struct update {
    const user_profile_update_in *in;
    user_profile_update_out *out;
    sut_str privacy;
} update;

static sut_status publish_updated(sut_request *rq, sut_pg_tx *tx, const user_profile *p, int64_t version)
{
    const user_user_updated event = {.user_id = p->user_id,
                                     .version = version,
                                     .username = p->username,
                                     .display_name = p->display_name,
                                     .has_display_name = p->has_display_name,
                                     .avatar_url = p->avatar_url,
                                     .has_avatar_url = p->has_avatar_url};
    return sut_emit(rq, tx, &user_user_updated_event, &event, NULL);
}

static sut_status run_update(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    const sut_pg_result *r;
    const update *u = arg;
    const user_profile_update_in *in = u->in;
    int64_t user_id = sut_request_user_id(rq);
    sut_pg_param birth_date =
        in->has_birth_date == SUT_PRESENT ? sut_pg_date(in->birth_date) : sut_pg_null(SUT_PG_DATE);
    sut_status st = sut_pg_exec(
        tx, &s_update,
        SUT_PG_PARAMS(sut_pg_i64(user_id), text(in->has_username, in->username), given(in->has_display_name),
                      text(in->has_display_name, in->display_name), given(in->has_bio), text(in->has_bio, in->bio),
                      given(in->has_avatar_url), text(in->has_avatar_url, in->avatar_url), given(in->has_location),
                      text(in->has_location, in->location), given(in->has_website), text(in->has_website, in->website),
                      given(in->has_birth_date), birth_date, sut_pg_jsonb(u->privacy)),
        &r);
    if (st != 0)
        return st;
    if (sut_pg_rows(r) == 0)
        return user_not_found(rq);
    st = user_view_fill(rq, r, 0, user_id, 0, u->out);
    return st != 0 ? st : publish_updated(rq, tx, u->out, sut_pg_get_i64(r, 0, USER_VIEW_COLUMN_COUNT));
}

sut_status user_profile_update(sut_request *rq, const user_profile_update_in *in, user_profile_update_out *out)
{
    update u = {.in = in, .out = out};
    sut_status st = privacy_json(rq, in->privacy_settings, &u.privacy);
    if (st == 0)
        st = sut_pg_tx_once(rq, run_update, &u, out);
    if (st == SUT_ERR_CONFLICT && sut_pg_violated(rq, "user_profiles_username_key"))
        return sut_fail_field_as(rq, USER_ERR_USERNAME_TAKEN, "/username", "taken", "This name is taken.");
    return st;
}

static const sut_pg_stmt s_friend = {
    "user_friend_check",
    "SELECT EXISTS (SELECT 1 FROM connections WHERE user_id = $1 AND other_id = $2 AND kind = 'friend' "
    "AND (expires_at IS NULL OR expires_at > now())) "
    "AND NOT EXISTS (SELECT 1 FROM user_profiles WHERE user_id IN ($1, $2) AND hidden)",
    2};

sut_status user_is_friend(sut_request *rq, int64_t user_id, int64_t other_id, bool *is_friend)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_read(rq, &s_friend, SUT_PG_PARAMS(sut_pg_i64(user_id), sut_pg_i64(other_id)), &r);
    *is_friend = st == 0 && sut_pg_get_bool(r, 0, 0);
    return st;
}

sut_status user_friend_check(sut_request *rq, const user_friend_check_in *in, user_friend_check_out *out)
{
    return user_is_friend(rq, in->user_id, in->other_id, &out->friend);
}

static const sut_pg_stmt s_names = {
    "user_usernames",
    "SELECT user_id, username, version FROM user_profiles WHERE user_id > $1 ORDER BY user_id LIMIT $2", 2};

sut_status user_usernames(sut_request *rq, const user_usernames_in *in, user_usernames_out *out)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_read(rq, &s_names, SUT_PG_PARAMS(sut_pg_i64(in->after), sut_pg_i64(in->limit)), &r);
    if (st != 0)
        return st;
    size_t count = (size_t)sut_pg_rows(r);
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant
    const user_username_version **items = sut_arena_array(sut_request_arena(rq), count + 1, sizeof *items);
    user_username_version *rows = sut_arena_array(sut_request_arena(rq), count + 1, sizeof *rows);
    if (!items || !rows)
        return -ENOMEM;
    out->cursor = in->after;
    for (size_t i = 0; i < count; i++) {
        rows[i] = (user_username_version){.user_id = sut_pg_get_i64(r, (int)i, 0),
                                          .username = sut_pg_get_text(r, (int)i, 1),
                                          .version = sut_pg_get_i64(r, (int)i, 2)};
        items[i] = &rows[i];
        out->cursor = rows[i].user_id;
    }
    out->items = (sut_list){items, count};
    out->more = count == (size_t)in->limit;
    return 0;
}
