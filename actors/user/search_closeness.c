/* How close people are to whoever searches, from `connections`. */
#include "search.h"

/* 64 friends: 200 candidates cost 12,800 look-ups in the worst case. */
static const sut_pg_stmt s_near = {
    "user_search_near",
    "WITH mine AS MATERIALIZED (SELECT other_id FROM connections WHERE user_id = $1 AND kind = 'friend' "
    "ORDER BY created_at DESC, other_id DESC LIMIT 64), "
    "near AS (SELECT other_id AS id, CASE kind WHEN 'friend' THEN 3 ELSE 2 END AS how FROM connections "
    "WHERE user_id = $1 AND other_id = ANY($2) AND kind IN ('friend', 'follow') "
    "UNION ALL SELECT g.other_id, 1 FROM mine JOIN connections g ON g.user_id = mine.other_id "
    "AND g.other_id = ANY($2) AND g.kind = 'friend') "
    "SELECT id, max(how) FROM near GROUP BY id",
    2};

sut_status user_closeness(sut_request *rq, int64_t viewer, const int64_t *ids, size_t count, user_nearness *out)
{
    const sut_pg_result *r;
    for (size_t i = 0; i < count; i++)
        out[i] = USER_STRANGER;
    if (viewer == 0 || count == 0)
        return 0;
    sut_status st = sut_pg_read(rq, &s_near, SUT_PG_PARAMS(sut_pg_i64(viewer), sut_pg_i64_array(ids, count)), &r);
    for (int row = 0; !st && row < sut_pg_rows(r); row++)
        for (size_t i = 0; i < count; i++)
            if (ids[i] == sut_pg_get_i64(r, row, 0))
                out[i] = (user_nearness)sut_pg_get_i32(r, row, 1);
    return st;
}
