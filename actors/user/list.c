/* The lists of the social graph, page by page, and user.cards. A page is one statement: rows of connections in order,
 * each with its card and what it is to the viewer. Whoever hides from the viewer is passed over there, so pages are
 * full. */
#include "cursor.h"
#include "user.h"
#include "user_service.h"

#include <errno.h>

#define CARD_COLUMNS "p.user_id, p.username, p.display_name, p.avatar_url, t.ties"
enum { CARD_ID, CARD_USERNAME, CARD_DISPLAY_NAME, CARD_AVATAR_URL, CARD_TIES, CARD_COLUMN_COUNT };

/* One page of those at `far` whose `near` is the owner $1, for viewer $2, after ($3, $4), at most $5. */
#define PAGE_SQL(near, far, kind, also)                                                                                \
    "SELECT " CARD_COLUMNS ", k.created_at FROM connections k JOIN user_profiles p ON p.user_id = k." far " "          \
    "CROSS JOIN LATERAL (SELECT " USER_TIES_OF_SQL(                                                                    \
        "$2", "p.user_id") " AS ties) t "                                                                              \
                           "WHERE k." near " = $1 AND k.kind = '" kind "' AND " USER_PRESENT_SQL                       \
                           " AND (k.created_at, k." far ") < ($3, $4) "                                                \
                           "AND (k.expires_at IS NULL OR k.expires_at > now()) " also                                  \
                           "ORDER BY k.created_at DESC, k." far " DESC LIMIT $5"
#define VISIBLE "AND (t.ties & 96) = 0 " /* USER_TIES_HIDING */
#define MUTUAL                                                                                                         \
    VISIBLE "AND EXISTS (SELECT 1 FROM connections m WHERE m.user_id = $2 AND m.other_id = k.other_id AND m.kind = "   \
            "'friend') "

static const sut_pg_stmt s_followers = {"user_list_followers", PAGE_SQL("other_id", "user_id", "follow", VISIBLE), 5};
static const sut_pg_stmt s_following = {"user_list_following", PAGE_SQL("user_id", "other_id", "follow", VISIBLE), 5};
static const sut_pg_stmt s_friends = {"user_list_friends", PAGE_SQL("user_id", "other_id", "friend", VISIBLE), 5};
static const sut_pg_stmt s_mutual = {"user_list_mutual", PAGE_SQL("user_id", "other_id", "friend", MUTUAL), 5};
static const sut_pg_stmt s_blocks = {"user_list_blocks", PAGE_SQL("user_id", "other_id", "block", ""), 5};
static const sut_pg_stmt s_mutes = {"user_list_mutes", PAGE_SQL("user_id", "other_id", "mute", VISIBLE), 5};
static const sut_pg_stmt s_requests[2][2] = {
    [USER_REQUEST_KIND_FRIEND] =
        {[USER_REQUEST_DIRECTION_RECEIVED] = {"user_list_friend_requests",
                                              PAGE_SQL("other_id", "user_id", "request", VISIBLE), 5},
         [USER_REQUEST_DIRECTION_SENT] = {"user_list_friend_requests_sent",
                                          PAGE_SQL("user_id", "other_id", "request", VISIBLE), 5}},
    [USER_REQUEST_KIND_FOLLOW] = {
        [USER_REQUEST_DIRECTION_RECEIVED] = {"user_list_follow_requests",
                                             PAGE_SQL("other_id", "user_id", "follow_request", VISIBLE), 5},
        [USER_REQUEST_DIRECTION_SENT] = {"user_list_follow_requests_sent",
                                         PAGE_SQL("user_id", "other_id", "follow_request", VISIBLE), 5}}};

/* ---- cards ---- */

static void nullable(const sut_pg_result *r, int row, int col, sut_str *out, uint8_t *has)
{
    *out = sut_pg_get_text(r, row, col);
    *has = out->ptr ? SUT_PRESENT : SUT_NULL;
}

static sut_status fill_card(sut_request *rq, const sut_pg_result *r, int row, int64_t viewer, user_card *out)
{
    out->user_id = sut_pg_get_i64(r, row, CARD_ID);
    out->username = sut_pg_get_text(r, row, CARD_USERNAME);
    nullable(r, row, CARD_DISPLAY_NAME, &out->display_name, &out->has_display_name);
    nullable(r, row, CARD_AVATAR_URL, &out->avatar_url, &out->has_avatar_url);
    if (viewer == 0 || viewer == out->user_id)
        return 0;
    out->relation = user_relation_of(rq, (unsigned)sut_pg_get_i32(r, row, CARD_TIES));
    out->has_relation = SUT_PRESENT;
    return out->relation ? 0 : -ENOMEM;
}

/* The first `count` rows. */
static sut_status fill_cards(sut_request *rq, const sut_pg_result *r, int count, int64_t viewer, sut_list *out)
{
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant
    const user_card **items = sut_arena_array(sut_request_arena(rq), (size_t)count + 1, sizeof *items);
    user_card *cards = sut_arena_array(sut_request_arena(rq), (size_t)count + 1, sizeof *cards);
    if (!items || !cards)
        return -ENOMEM;
    for (int i = 0; i < count; i++) {
        cards[i] = (user_card){0};
        items[i] = &cards[i];
        sut_status st = fill_card(rq, r, i, viewer, &cards[i]);
        if (st)
            return st;
    }
    *out = (sut_list){items, (size_t)count};
    return 0;
}

/* ---- pages ---- */

typedef struct asked { /* what all lists are asked */
    const char *list;
    const sut_pg_stmt *stmt;
    int64_t owner;
    int32_t limit;
    sut_str cursor;
    uint8_t has_cursor;
} asked;

/* One more than asked for is read: so it is known whether there are more. */
static sut_status read_page(sut_request *rq, const asked *a, user_page *out)
{
    const sut_pg_result *r;
    user_cursor from = USER_CURSOR_FIRST;
    const user_cursor_scope scope = {.list = a->list, .owner_id = a->owner, .viewer_id = sut_request_user_id(rq)};
    sut_status st = a->has_cursor == SUT_PRESENT ? user_cursor_read(rq, &scope, a->cursor, &from) : 0;
    if (!st)
        st = sut_pg_read(rq, a->stmt,
                         SUT_PG_PARAMS(sut_pg_i64(a->owner), sut_pg_i64(scope.viewer_id),
                                       sut_pg_timestamptz(from.at_us), sut_pg_i64(from.id), sut_pg_i64(a->limit + 1)),
                         &r);
    if (st)
        return st;
    int rows = sut_pg_rows(r), count = rows < a->limit ? rows : a->limit;
    st = fill_cards(rq, r, count, scope.viewer_id, &out->items);
    if (st || rows <= a->limit)
        return st;
    const user_cursor at = {.at_us = sut_pg_get_timestamptz(r, count - 1, CARD_COLUMN_COUNT),
                            .id = sut_pg_get_i64(r, count - 1, CARD_ID)};
    out->next_cursor = user_cursor_make(rq, &scope, &at);
    return out->next_cursor.ptr ? 0 : sut_fail_internal(rq, "a cursor could not be made");
}

static const sut_pg_stmt s_owner = {"user_list_owner",
                                    "SELECT " USER_TIES_SQL ", " USER_PRIVACY_COLUMNS
                                    " FROM user_profiles p WHERE p.user_id = $1 "
                                    "AND (" USER_PRESENT_SQL " OR $1 = $2)",
                                    2};

/* May the viewer see this list of the owner? A private account shows its lists to followers and friends at most. */
static sut_status check_owner(sut_request *rq, int64_t owner, bool is_friends)
{
    const sut_pg_result *r;
    int64_t viewer = sut_request_user_id(rq);
    sut_status st = sut_pg_read(rq, &s_owner, SUT_PG_PARAMS(sut_pg_i64(owner), sut_pg_i64(viewer)), &r);
    if (st)
        return st;
    unsigned ties = sut_pg_rows(r) ? (unsigned)sut_pg_get_i32(r, 0, 0) : 0;
    if (sut_pg_rows(r) == 0 || (ties & USER_TIES_HIDING))
        return user_not_found(rq);
    if (viewer == owner)
        return 0;
    user_privacy privacy = user_privacy_read(r, 0, 1);
    bool shown = user_audience_has(is_friends ? privacy.friends : privacy.followers, ties) &&
                 (!privacy.private_account || user_audience_has(USER_AUDIENCE_FOLLOWERS, ties));
    return shown ? 0 : sut_fail(rq, USER_ERR_LIST_HIDDEN, "This list is not shown to you.");
}

#define ASKED(list, stmt, owner)                                                                                       \
    &(const asked)                                                                                                     \
    {                                                                                                                  \
        (list), (stmt), (owner), in->limit, in->cursor, in->has_cursor                                                 \
    }

sut_status user_followers(sut_request *rq, const user_followers_in *in, user_followers_out *out)
{
    sut_status st = check_owner(rq, in->user_id, false);
    return st != 0 ? st : read_page(rq, ASKED("followers", &s_followers, in->user_id), out);
}

sut_status user_following(sut_request *rq, const user_following_in *in, user_following_out *out)
{
    sut_status st = check_owner(rq, in->user_id, false);
    return st != 0 ? st : read_page(rq, ASKED("following", &s_following, in->user_id), out);
}

sut_status user_friends(sut_request *rq, const user_friends_in *in, user_friends_out *out)
{
    sut_status st = check_owner(rq, in->user_id, true);
    return st != 0 ? st : read_page(rq, ASKED("friends", &s_friends, in->user_id), out);
}

sut_status user_mutual_friends(sut_request *rq, const user_mutual_friends_in *in, user_mutual_friends_out *out)
{
    if (in->user_id == sut_request_user_id(rq))
        return sut_fail(rq, USER_ERR_SELF_RELATION, "This is you; sharing friends takes two.");
    sut_status st = check_owner(rq, in->user_id, true);
    return st != 0 ? st : read_page(rq, ASKED("mutual_friends", &s_mutual, in->user_id), out);
}

sut_status user_blocks(sut_request *rq, const user_blocks_in *in, user_blocks_out *out)
{
    return read_page(rq, ASKED("blocks", &s_blocks, sut_request_user_id(rq)), out);
}

sut_status user_mutes(sut_request *rq, const user_mutes_in *in, user_mutes_out *out)
{
    return read_page(rq, ASKED("mutes", &s_mutes, sut_request_user_id(rq)), out);
}

sut_status user_requests(sut_request *rq, const user_requests_in *in, user_requests_out *out)
{
    const sut_pg_stmt *stmt = &s_requests[in->kind][in->direction];
    return read_page(rq, ASKED(stmt->name, stmt, sut_request_user_id(rq)), out);
}

/* ---- for other actors ---- */

static const sut_pg_stmt s_cards = {"user_cards",
                                    "SELECT " CARD_COLUMNS
                                    " FROM user_profiles p CROSS JOIN LATERAL (SELECT " USER_TIES_OF_SQL(
                                        "$2", "p.user_id") " AS ties) t WHERE p.user_id = ANY($1) AND " USER_PRESENT_SQL
                                                           " " VISIBLE "ORDER BY p.user_id",
                                    2};

sut_status user_cards_read(sut_request *rq, const int64_t *ids, size_t count, int64_t viewer, sut_list *out)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_read(rq, &s_cards, SUT_PG_PARAMS(sut_pg_i64_array(ids, count), sut_pg_i64(viewer)), &r);
    return st != 0 ? st : fill_cards(rq, r, sut_pg_rows(r), viewer, out);
}

sut_status user_cards(sut_request *rq, const user_cards_in *in, user_cards_out *out)
{
    int64_t viewer = in->has_viewer_id == SUT_PRESENT ? in->viewer_id : 0;
    return user_cards_read(rq, (const int64_t *)in->user_ids.items, in->user_ids.count, viewer, &out->items);
}
