/* The graph from `connections`. Each question is one statement; each part of it that could grow with somebody's fame
 * has a LIMIT in order of ids, and Neo4j's has the same. */
#include "graph.h"

#include <errno.h>

/* Numbers of graph.h as text. */
#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

/* All statements have the same parameters: $1 a, $2 b, $3 after, $4 limit, $5 ids. */
#define MINE(kinds)                                                                                                    \
    "WITH mine AS MATERIALIZED (SELECT DISTINCT k.other_id AS id FROM connections k WHERE k.user_id = $1 AND k.kind "  \
    "IN (" kinds ") AND NOT EXISTS (SELECT 1 FROM unnest($5::bigint[]) x WHERE x = k.other_id) ORDER BY 1 "            \
    "LIMIT " TEXT(USER_GRAPH_CIRCLE) ") "
#define NEAR(kinds, kind)                                                                                              \
    MINE(kinds)                                                                                                        \
    "SELECT n.id, n.many, 0::bigint FROM (SELECT c.id, count(*) AS many FROM mine m CROSS JOIN LATERAL (SELECT "       \
    "other_id AS id FROM connections WHERE user_id = m.id AND kind = '" kind "' ORDER BY other_id LIMIT " TEXT(        \
        USER_GRAPH_CIRCLE) ") c GROUP BY c.id) n WHERE n.id <> $1 "                                                    \
                           "AND NOT EXISTS (SELECT 1 FROM unnest($5::bigint[]) x WHERE x = n.id) "                     \
                           "AND NOT EXISTS (SELECT 1 FROM connections k WHERE k.user_id = $1 AND k.other_id = n.id "   \
                           "AND k.kind IN "                                                                            \
                           "('friend', 'follow')) ORDER BY n.many DESC, n.id LIMIT $4"
#define STEP(near, far, kind)                                                                                          \
    "WITH e AS MATERIALIZED (SELECT " near " AS src, " far " AS dst FROM connections WHERE " near                      \
    " = ANY($5) AND kind = '" kind "' LIMIT $4) "                                                                      \
    "SELECT dst, min(src), (SELECT count(*) FROM e) FROM e GROUP BY dst ORDER BY dst"
#define FRIENDS_SEEN(user)                                                                                             \
    "SELECT other_id AS id FROM connections WHERE user_id = " user                                                     \
    " AND kind = 'friend' ORDER BY other_id LIMIT " TEXT(USER_GRAPH_FRIENDS_SEEN)

static const sut_pg_stmt s_queries[USER_GRAPH_QUERY_COUNT] = {
    [USER_GRAPH_MUTUAL] =
        {"user_graph_mutual",
         "WITH w AS MATERIALIZED (SELECT other_id AS id FROM connections WHERE user_id = $1 AND kind "
         "= 'friend' AND other_id > $3 ORDER BY other_id LIMIT " TEXT(
             USER_GRAPH_WINDOW) ") "
                                "SELECT 0::bigint AS id, coalesce(max(w.id), 0), count(*) FROM w UNION ALL "
                                "(SELECT w.id, 0, 0 FROM w JOIN connections b ON b.user_id = $2 AND b.other_id = w.id "
                                "AND "
                                "b.kind = 'friend' ORDER BY w.id LIMIT $4) ORDER BY id",
         5},
    [USER_GRAPH_NEAR_FRIENDS] = {"user_graph_near_friends", NEAR("'friend'", "friend"), 5},
    [USER_GRAPH_NEAR_FOLLOWED] = {"user_graph_near_followed", NEAR("'friend', 'follow'", "follow"), 5},
    [USER_GRAPH_STEP_FRIENDS] = {"user_graph_step_friends", STEP("user_id", "other_id", "friend"), 5},
    [USER_GRAPH_STEP_FOLLOWING] = {"user_graph_step_following", STEP("user_id", "other_id", "follow"), 5},
    [USER_GRAPH_STEP_FOLLOWERS] = {"user_graph_step_followers", STEP("other_id", "user_id", "follow"), 5},
    [USER_GRAPH_CLOSE] =
        {"user_graph_close",
         "WITH mine AS MATERIALIZED (" FRIENDS_SEEN(
             "$1") ") "
                   "SELECT x.id, CASE WHEN EXISTS (SELECT 1 FROM connections k WHERE k.user_id = $1 AND "
                   "k.other_id = x.id AND k.kind = 'friend') THEN 0 WHEN n.many > 0 OR EXISTS (SELECT 1 FROM "
                   "connections k WHERE k.user_id = $1 AND k.other_id = x.id AND k.kind = 'follow') THEN 1 ELSE "
                   "2 END, n.many FROM unnest($5::bigint[]) x(id) CROSS JOIN LATERAL (SELECT count(*) AS many "
                   "FROM (" FRIENDS_SEEN("x.id") ") f WHERE f.id IN (SELECT id FROM mine)) n ORDER BY x.id",
         5},
};

sut_status user_graph_ask_postgres(sut_request *rq, user_graph_query query, const user_graph_asked *asked,
                                   user_graph_rows *out)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_run(rq, &s_queries[query],
                               SUT_PG_PARAMS(sut_pg_i64(asked->a), sut_pg_i64(asked->b), sut_pg_i64(asked->after),
                                             sut_pg_i64(asked->limit), sut_pg_i64_array(asked->ids, asked->id_count)),
                               &r);
    if (st)
        return st;
    *out = (user_graph_rows){.count = (size_t)sut_pg_rows(r)};
    out->items = sut_arena_array(sut_request_arena(rq), out->count + 1, sizeof *out->items);
    if (!out->items)
        return -ENOMEM;
    for (int row = 0; row < sut_pg_rows(r); row++)
        for (int col = 0; col < 3; col++)
            out->items[row][col] = sut_pg_get_i64(r, row, col);
    return 0;
}
