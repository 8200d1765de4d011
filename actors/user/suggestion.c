/* Who is suggested to whom: friends of friends, then those whom one's circle follows, then the popular, in the order of
 * graph.h within each. One read says whom to pass over, the graph finds, one read makes cards of those who are there.
 */
#include "graph.h"
#include "user_service.h"

#include <errno.h>

#define DISMISSALS_TEXT "1000"
#define POPULAR_MAX     200

/* ---- whom to pass over ---- */

/* Each part has its bound, so blocks of thousands do not crowd out what was dismissed. A friend whose list of friends
 * is shown to nobody is no step to others either. */
#define NOT_A_STEP                                                                                                     \
    "SELECT k.other_id FROM (SELECT other_id FROM connections WHERE user_id = $1 AND kind = 'friend' ORDER BY "        \
    "other_id LIMIT 500) k JOIN user_profiles p ON p.user_id = k.other_id WHERE p.privacy_settings->>'friends' = "     \
    "'nobody' OR p.hidden"
static const sut_pg_stmt s_avoid = {
    "user_suggestion_avoid",
    "(SELECT other_id FROM suggestion_dismissals WHERE user_id = $1 ORDER BY created_at DESC LIMIT " DISMISSALS_TEXT
    ") "
    "UNION (SELECT other_id FROM connections WHERE user_id = $1 AND kind IN ('block', 'request', 'follow_request') "
    "ORDER BY created_at DESC LIMIT 250) "
    "UNION (SELECT user_id FROM connections WHERE other_id = $1 AND kind IN ('block', 'request', 'follow_request') "
    "ORDER BY created_at DESC LIMIT 250) UNION (" NOT_A_STEP ")",
    1};

static sut_status read_ids(sut_request *rq, const sut_pg_stmt *stmt, sut_pg_params params, int64_t **ids, size_t *count)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_read(rq, stmt, params, &r);
    if (st)
        return st;
    *count = (size_t)sut_pg_rows(r);
    *ids = sut_arena_array(sut_request_arena(rq), *count + 1, sizeof **ids);
    if (!*ids)
        return -ENOMEM;
    for (size_t i = 0; i < *count; i++)
        (*ids)[i] = sut_pg_get_i64(r, (int)i, 0);
    return 0;
}

/* ---- the popular ---- */

static const sut_pg_stmt s_popular = {
    "user_popular",
    "SELECT user_id FROM popular_people WHERE user_id <> $1 AND user_id <> ALL($2) ORDER BY followers DESC, user_id "
    "LIMIT $3",
    3};

/* ---- putting together ---- */

typedef struct gathering {
    sut_request *rq;
    int64_t me;
    int32_t limit;
    const int64_t *avoid;
    size_t avoid_count;
    const user_suggestion **items; /* limit of them */
    size_t count;
} gathering;

static bool is_taken(const gathering *g, int64_t id)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->items[i]->user->user_id == id)
            return true;
    return false;
}

/* Cards come by id; the order is the candidates'. */
static const user_card *card_of(const sut_list *cards, int64_t id)
{
    const user_card *const *items = cards->items;
    size_t low = 0, high = cards->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (items[middle]->user_id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < cards->count && items[low]->user_id == id ? items[low] : NULL;
}

/* A copy that lags may still name whoever was followed a moment ago. */
static bool is_stranger(const user_card *card)
{
    const user_relation *rel = card->relation;
    return rel && !rel->following && !rel->friend && !rel->blocked && rel->request == USER_REQUEST_STATE_NONE &&
           rel->follow_request == USER_REQUEST_STATE_NONE;
}

/* `many` NULL: all 0. */
static sut_status add(gathering *g, const int64_t *ids, const int32_t *many, size_t count,
                      user_suggestion_reason reason)
{
    sut_list cards = {0};
    sut_status st = count ? user_cards_read(g->rq, ids, count, g->me, &cards) : 0;
    for (size_t i = 0; !st && i < count && g->count < (size_t)g->limit; i++) {
        const user_card *card = card_of(&cards, ids[i]);
        if (!card || !is_stranger(card) || is_taken(g, ids[i]))
            continue;
        user_suggestion *s = SUT_REQUEST_NEW(g->rq, user_suggestion);
        if (!s)
            return -ENOMEM;
        *s = (user_suggestion){.user = card, .mutual_count = many ? many[i] : 0, .reason = (int32_t)reason};
        g->items[g->count++] = s;
    }
    return st;
}

static sut_status add_near(gathering *g, user_graph_query query, user_suggestion_reason reason)
{
    user_graph_rows rows;
    const user_graph_asked asked = {
        .a = g->me, .limit = USER_GRAPH_NEAR_MAX, .ids = g->avoid, .id_count = g->avoid_count};
    if (g->count == (size_t)g->limit)
        return 0;
    sut_status st = user_graph_ask(g->rq, query, &asked, &rows);
    if (st)
        return st;
    int64_t *ids = sut_arena_array(sut_request_arena(g->rq), rows.count + 1, sizeof *ids);
    int32_t *many = sut_arena_array(sut_request_arena(g->rq), rows.count + 1, sizeof *many);
    if (!ids || !many)
        return -ENOMEM;
    for (size_t i = 0; i < rows.count; i++) {
        ids[i] = rows.items[i][0];
        many[i] = (int32_t)rows.items[i][1];
    }
    return add(g, ids, many, rows.count, reason);
}

static sut_status add_popular(gathering *g)
{
    int64_t *ids;
    size_t count;
    if (g->count == (size_t)g->limit)
        return 0;
    sut_status st =
        read_ids(g->rq, &s_popular,
                 SUT_PG_PARAMS(sut_pg_i64(g->me), sut_pg_i64_array(g->avoid, g->avoid_count), sut_pg_i64(POPULAR_MAX)),
                 &ids, &count);
    return st ? st : add(g, ids, NULL, count, USER_SUGGESTION_REASON_POPULAR);
}

sut_status user_suggestions(sut_request *rq, const user_suggestions_in *in, user_suggestions_out *out)
{
    int64_t *avoid = NULL;
    gathering g = {.rq = rq, .me = sut_request_user_id(rq), .limit = in->limit};
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant
    g.items = sut_arena_array(sut_request_arena(rq), (size_t)in->limit, sizeof *g.items);
    if (!g.items)
        return -ENOMEM;
    sut_status st = read_ids(rq, &s_avoid, SUT_PG_PARAMS(sut_pg_i64(g.me)), &avoid, &g.avoid_count);
    g.avoid = avoid;
    if (!st)
        st = add_near(&g, USER_GRAPH_NEAR_FRIENDS, USER_SUGGESTION_REASON_FRIENDS_OF_FRIENDS);
    if (!st)
        st = add_near(&g, USER_GRAPH_NEAR_FOLLOWED, USER_SUGGESTION_REASON_FOLLOWED_BY_FRIENDS);
    if (!st)
        st = add_popular(&g);
    if (!st)
        out->items = (sut_list){g.items, g.count};
    return st;
}

/* ---- dismissing ---- */

static const sut_pg_stmt s_exists = {
    "user_suggestion_exists",
    "SELECT " USER_TIES_SQL " FROM user_profiles p WHERE p.user_id = $1 AND " USER_PRESENT_SQL, 2};
static const sut_pg_stmt s_dismiss = {
    "user_suggestion_dismiss",
    "INSERT INTO suggestion_dismissals (user_id, other_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", 2};
static const sut_pg_stmt s_forget = {
    "user_suggestion_forget",
    "DELETE FROM suggestion_dismissals WHERE user_id = $1 AND other_id IN (SELECT other_id FROM suggestion_dismissals "
    "WHERE user_id = $1 ORDER BY created_at DESC, other_id DESC OFFSET " DISMISSALS_TEXT ")",
    1};
static const sut_pg_stmt s_restore = {"user_suggestion_restore",
                                      "DELETE FROM suggestion_dismissals WHERE user_id = $1 AND other_id = $2", 2};

static sut_status check_other(sut_request *rq, int64_t other)
{
    const sut_pg_result *r;
    int64_t me = sut_request_user_id(rq);
    if (other == me)
        return sut_fail(rq, USER_ERR_SELF_RELATION, "This is you; nobody is suggested to themselves.");
    sut_status st = sut_pg_read(rq, &s_exists, SUT_PG_PARAMS(sut_pg_i64(other), sut_pg_i64(me)), &r);
    if (st)
        return st;
    bool there = sut_pg_rows(r) && !((unsigned)sut_pg_get_i32(r, 0, 0) & USER_TIES_HIDING);
    return there ? 0 : user_not_found(rq);
}

static sut_status dismiss(sut_request *rq, sut_pg_tx *tx, void *other)
{
    int64_t me = sut_request_user_id(rq);
    sut_status st = sut_pg_queue(tx, &s_dismiss, SUT_PG_PARAMS(sut_pg_i64(me), sut_pg_i64(*(const int64_t *)other)));
    return st ? st : sut_pg_queue(tx, &s_forget, SUT_PG_PARAMS(sut_pg_i64(me)));
}

sut_status user_suggestion_dismiss(sut_request *rq, const user_suggestion_dismiss_in *in,
                                   user_suggestion_dismiss_out *out)
{
    (void)out;
    int64_t other = in->user_id;
    sut_status st = check_other(rq, other);
    return st ? st : sut_pg_tx_run(rq, dismiss, &other);
}

sut_status user_suggestion_restore(sut_request *rq, const user_suggestion_restore_in *in,
                                   user_suggestion_restore_out *out)
{
    (void)out;
    sut_status st = check_other(rq, in->user_id);
    return st ? st
              : sut_pg_run(rq, &s_restore, SUT_PG_PARAMS(sut_pg_i64(sut_request_user_id(rq)), sut_pg_i64(in->user_id)),
                           NULL);
}
