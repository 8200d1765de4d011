/* Search of people, in steps that each have a limit: those whom the viewer knows and prefixes of names; words of names
 * and bio; names that are alike. At most 200 candidates are then put in order, and pages are cut from that. */
#include "cursor.h"
#include "graph.h"
#include "user_service.h"

#include <errno.h>
#include <stdlib.h>

#define USER_SEARCH_MAX 200 /* candidates of one search */
#define FEW             5   /* fewer hits than that: names that are alike are looked for */
/* For all that comes after prefixes. */
static const sut_pg_stmt s_budget = {"user_search_budget", "SET LOCAL statement_timeout = 110", 0};

/* $1 is compared as a range, so no character of it is a wildcard. */
#define BEGINS(what) "(" what " ~>=~ f.f AND " what " ~<~ (f.f || chr(1114111)))"
#define USERNAME     "lower(p.username)"
#define DISPLAY_NAME "user_search_fold(p.display_name)"

/* Whoever the viewer $2 is a friend of or follows comes first: of the newest 500. Then names in their order. */
static const sut_pg_stmt s_prefix = {
    "user_search_prefix",
    "WITH f AS MATERIALIZED (SELECT user_search_fold($1) AS f) "
    "SELECT x.id, x.match FROM f CROSS JOIN LATERAL ("
    "(SELECT p.user_id AS id, CASE WHEN " BEGINS(
        USERNAME) " THEN 0 ELSE 1 END AS match "
                  "FROM (SELECT DISTINCT other_id FROM (SELECT other_id FROM connections WHERE user_id = $2 AND kind = "
                  "'friend' "
                  "ORDER BY created_at DESC, other_id DESC LIMIT 250) a UNION SELECT other_id FROM (SELECT other_id "
                  "FROM connections "
                  "WHERE user_id = $2 AND kind = 'follow' ORDER BY created_at DESC, other_id DESC LIMIT 250) b) k "
                  "JOIN user_profiles p ON p.user_id = k.other_id WHERE NOT p.hidden AND (" BEGINS(
                      USERNAME) " OR " BEGINS(DISPLAY_NAME) ") LIMIT 100) UNION ALL "
                                                            "(SELECT p.user_id, 0 FROM user_profiles p WHERE NOT "
                                                            "p.hidden AND " BEGINS(
                                                                USERNAME) " ORDER BY " USERNAME
                                                                          " USING ~<~ LIMIT 200) UNION ALL "
                                                                          "(SELECT p.user_id, 1 FROM user_profiles p "
                                                                          "WHERE NOT p.hidden AND " BEGINS(
                                                                              DISPLAY_NAME) " ORDER BY " DISPLAY_NAME
                                                                                            " USING ~<~ LIMIT 200)) x "
                                                                                            "WHERE f.f <> ''",
    2};

static const sut_pg_stmt s_more = {"user_search_more", "SELECT user_id, match, alike FROM user_search_more($1, $2, $3)",
                                   3};

static const sut_pg_stmt s_cards = {
    "user_search_cards",
    "SELECT p.user_id, p.username, p.display_name, p.avatar_url, t.ties, " USER_COUNT_SQL(
        "followers") ", lower(p.username) = user_search_fold($3) FROM user_profiles p CROSS JOIN LATERAL "
                     "(SELECT " USER_TIES_OF_SQL("$2", "p.user_id") " AS ties) t WHERE p.user_id = ANY($1) "
                                                                    "AND " USER_PRESENT_SQL
                                                                    " AND (t.ties & 96) = 0", /* USER_TIES_HIDING */
    3};
enum { ID, NAME, DISPLAY, AVATAR, TIES, FOLLOWERS, EXACT };

typedef struct candidate {
    int64_t id;
    user_search_match match;
    double alike;
    int row;       /* of the cards; -1: not for the viewer */
    int64_t score; /* the greater, the earlier */
} candidate;

typedef struct search {
    const user_search_in *in;
    sut_str q;
    int64_t viewer;
    candidate all[USER_SEARCH_MAX];
    size_t count;
    bool complete;
    const sut_pg_result *cards;
} search;

/* ---- candidates ---- */

static void add(search *s, int64_t id, user_search_match match, double alike)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->all[i].id == id)
            return;
    if (s->count < USER_SEARCH_MAX)
        s->all[s->count++] = (candidate){.id = id, .match = match, .alike = alike, .row = -1};
}

static user_search_match match_of(int32_t number)
{
    static const user_search_match all[] = {USER_SEARCH_MATCH_USERNAME, USER_SEARCH_MATCH_DISPLAY_NAME,
                                            USER_SEARCH_MATCH_BIO, USER_SEARCH_MATCH_SIMILAR};
    return number >= 0 && (size_t)number < SUT_ARRAY_LEN(all) ? all[number] : USER_SEARCH_MATCH_SIMILAR;
}

static sut_status by_prefix(sut_request *rq, search *s)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_read(rq, &s_prefix, SUT_PG_PARAMS(sut_pg_text(s->q), sut_pg_i64(s->viewer)), &r);
    for (int row = 0; !st && row < sut_pg_rows(r); row++)
        add(s, sut_pg_get_i64(r, row, 0), match_of(sut_pg_get_i32(r, row, 1)), 0);
    return st;
}

/* On a connection of its own: what is slow must hold up nobody on the shared one. */
static sut_status by_words(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    (void)rq;
    search *s = arg;
    const sut_pg_result *r;
    int32_t few = s->count < FEW ? FEW : 0; /* words find most of those again whom prefixes found */
    sut_status st = sut_pg_queue(tx, &s_budget, SUT_PG_NO_PARAMS);
    if (!st)
        st = sut_pg_exec(tx, &s_more, SUT_PG_PARAMS(sut_pg_text(s->q), sut_pg_i32(USER_SEARCH_MAX), sut_pg_i32(few)),
                         &r);
    for (int row = 0; !st && row < sut_pg_rows(r); row++) {
        if (sut_pg_is_null(r, row, 0))
            s->complete = false;
        else
            add(s, sut_pg_get_i64(r, row, 0), match_of(sut_pg_get_i32(r, row, 1)), sut_pg_get_f64(r, row, 2));
    }
    return st;
}

/* ---- their order ---- */

/* 0 to 15: friends, whom the viewer follows, friends of friends by how many are shared, strangers. */
static int nearness(unsigned ties, const user_closeness *close)
{
    if (ties & USER_TIE_FRIEND)
        return 15;
    if (ties & USER_TIE_FOLLOWS)
        return 14;
    return close && close->mutual_count > 0 ? (close->mutual_count < 13 ? close->mutual_count : 13) : 0;
}

/* From the highest bit: how it was found, how close, how alike, how many follow. */
static int64_t score(const search *s, const candidate *c, const user_closeness *close)
{
    const int64_t many = (INT64_C(1) << 44) - 1;
    int64_t followers = sut_pg_get_i64(s->cards, c->row, FOLLOWERS);
    int64_t tier = sut_pg_get_bool(s->cards, c->row, EXACT)     ? 4
                   : c->match == USER_SEARCH_MATCH_USERNAME     ? 3
                   : c->match == USER_SEARCH_MATCH_DISPLAY_NAME ? 3
                   : c->match == USER_SEARCH_MATCH_BIO          ? 2
                                                                : 1;
    followers = followers < 0 ? 0 : followers > many ? many : followers;
    return tier << 52 | (int64_t)nearness((unsigned)sut_pg_get_i32(s->cards, c->row, TIES), close) << 48 |
           (int64_t)(c->alike * 15) << 44 | followers;
}

static int earlier(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int by_id(const void *id, const void *close)
{
    const int64_t x = *(const int64_t *)id, y = ((const user_closeness *)close)->user_id;
    return (x > y) - (x < y);
}

/* Leaves those whom the viewer may see, in order. */
static sut_status rank(sut_request *rq, search *s)
{
    int64_t ids[USER_SEARCH_MAX] = {0};
    user_closeness *close = NULL; /* in order of ids */
    for (size_t i = 0; i < s->count; i++)
        ids[i] = s->all[i].id;
    sut_status st = sut_pg_read(
        rq, &s_cards, SUT_PG_PARAMS(sut_pg_i64_array(ids, s->count), sut_pg_i64(s->viewer), sut_pg_text(s->q)),
        &s->cards);
    if (!st && s->viewer && s->count)
        st = user_graph_closeness(rq, s->viewer, ids, s->count, &close);
    if (st)
        return st;
    size_t kept = 0, all = s->count;
    for (int row = 0; row < sut_pg_rows(s->cards); row++)
        for (size_t i = 0; i < s->count; i++)
            if (ids[i] == sut_pg_get_i64(s->cards, row, ID))
                s->all[i].row = row;
    for (size_t i = 0; i < s->count; i++) {
        candidate c = s->all[i];
        if (c.row < 0)
            continue;
        c.score = score(s, &c, close ? bsearch(&c.id, close, all, sizeof *close, by_id) : NULL);
        s->all[kept++] = c;
    }
    s->count = kept;
    qsort(s->all, kept, sizeof s->all[0], earlier);
    return 0;
}

/* ---- the page ---- */

static sut_status fill(sut_request *rq, const search *s, const candidate *c, user_found *out)
{
    const sut_pg_result *r = s->cards;
    *out = (user_found){.user_id = c->id, .username = sut_pg_get_text(r, c->row, NAME), .match = (int32_t)c->match};
    out->display_name = sut_pg_get_text(r, c->row, DISPLAY);
    out->has_display_name = out->display_name.ptr ? SUT_PRESENT : SUT_NULL;
    out->avatar_url = sut_pg_get_text(r, c->row, AVATAR);
    out->has_avatar_url = out->avatar_url.ptr ? SUT_PRESENT : SUT_NULL;
    if (s->viewer == 0 || s->viewer == c->id)
        return 0;
    out->relation = user_relation_of(rq, (unsigned)sut_pg_get_i32(r, c->row, TIES));
    out->has_relation = SUT_PRESENT;
    return out->relation ? 0 : -ENOMEM;
}

static sut_status page(sut_request *rq, const search *s, const user_cursor_scope *scope, const user_cursor *from,
                       user_search_out *out)
{
    size_t at = 0, end, limit = (size_t)s->in->limit;
    const candidate after = {.score = from->at_us, .id = from->id};
    while (s->in->has_cursor == SUT_PRESENT && at < s->count && earlier(&s->all[at], &after) <= 0)
        at++;
    end = s->count - at > limit ? at + limit : s->count;
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant
    const user_found **items = sut_arena_array(sut_request_arena(rq), end - at + 1, sizeof *items);
    user_found *found = sut_arena_array(sut_request_arena(rq), end - at + 1, sizeof *found);
    if (!items || !found)
        return -ENOMEM;
    for (size_t i = at; i < end; i++) {
        items[i - at] = &found[i - at];
        sut_status st = fill(rq, s, &s->all[i], &found[i - at]);
        if (st)
            return st;
    }
    out->items = (sut_list){items, end - at};
    out->complete = s->complete;
    if (end == s->count)
        return 0;
    const user_cursor last = {.at_us = s->all[end - 1].score, .id = s->all[end - 1].id};
    out->next_cursor = user_cursor_make(rq, scope, &last);
    return out->next_cursor.ptr ? 0 : sut_fail_internal(rq, "a cursor could not be made");
}

sut_status user_search(sut_request *rq, const user_search_in *in, user_search_out *out)
{
    search *s = sut_arena_array(sut_request_arena(rq), 1, sizeof *s);
    user_cursor from = USER_CURSOR_FIRST;
    if (!s)
        return -ENOMEM;
    *s = (search){.in = in, .q = in->q, .viewer = sut_request_user_id(rq), .complete = true};
    const user_cursor_scope scope = {.list = "search", .viewer_id = s->viewer, .filter = in->q};
    sut_status st = in->has_cursor == SUT_PRESENT ? user_cursor_read(rq, &scope, in->cursor, &from) : 0;
    if (!st)
        st = by_prefix(rq, s);
    if (!st && s->count < USER_SEARCH_MAX)
        st = sut_pg_tx_run(rq, by_words, s);
    if (!st)
        st = rank(rq, s);
    return st != 0 ? st : page(rq, s, &scope, &from, out);
}
