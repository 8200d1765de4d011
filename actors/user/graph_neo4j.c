/* The graph from Neo4j. Each statement gives what its neighbour in graph_postgres.c gives, with the same limits in the
 * same order. A friendship is one FRIENDS_WITH, from the lower id to the higher. */
#include "graph.h"
#include "neo4j.h"

#include <errno.h>

#define TIMEOUT_MS 1000 /* PostgreSQL must have time left */

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

#define NEAR(step)                                                                                                     \
    "WITH v, f ORDER BY f.id LIMIT " TEXT(                                                                             \
        USER_GRAPH_CIRCLE) " CALL { WITH f MATCH (f)" step " WITH c ORDER BY c.id "                                    \
                           "LIMIT " TEXT(                                                                              \
                               USER_GRAPH_CIRCLE) " RETURN c } WITH v, c, count(*) AS many WHERE c.id <> $a AND NOT "  \
                                                  "c.id IN $ids "                                                      \
                                                  "AND NOT (v)-[:FRIENDS_WITH]-(c) AND NOT (v)-[:FOLLOWS]->(c) "       \
                                                  "RETURN c.id AS id, many, 0 ORDER BY many DESC, id "                 \
                                                  "LIMIT $limit"
#define STEP(pattern)                                                                                                  \
    "MATCH (u:User) WHERE u.id IN $ids MATCH " pattern " WITH u.id AS src, o.id AS dst LIMIT $limit "                  \
    "WITH collect([dst, src]) AS e WITH e, size(e) AS many UNWIND e AS x RETURN x[0] AS dst, min(x[1]), many "         \
    "ORDER BY dst"
#define FIRST_FRIENDS "ORDER BY f.id LIMIT " TEXT(USER_GRAPH_FRIENDS_SEEN)

static const char *const s_queries[USER_GRAPH_QUERY_COUNT] = {
    [USER_GRAPH_MUTUAL] =
        "OPTIONAL MATCH (:User {id: $a})-[:FRIENDS_WITH]-(f) WHERE f.id > $after WITH f ORDER BY f.id "
        "LIMIT " TEXT(USER_GRAPH_WINDOW) " WITH collect(f) AS w "
                                         "CALL { WITH w RETURN 0 AS id, coalesce(reduce(m = 0, f IN w | CASE WHEN f.id "
                                         "> m THEN f.id ELSE m END), 0) AS "
                                         "x, size(w) AS y UNION ALL WITH w UNWIND w AS f MATCH "
                                         "(f)-[:FRIENDS_WITH]-(:User {id: $b}) WITH f ORDER BY f.id "
                                         "LIMIT $limit RETURN f.id AS id, 0 AS x, 0 AS y } RETURN id, x, y ORDER BY id",
    [USER_GRAPH_NEAR_FRIENDS] =
        "MATCH (v:User {id: $a})-[:FRIENDS_WITH]-(f) WHERE NOT f.id IN $ids " NEAR("-[:FRIENDS_WITH]-(c)"),
    [USER_GRAPH_NEAR_FOLLOWED] =
        "MATCH (v:User {id: $a}) CALL { WITH v MATCH (v)-[:FRIENDS_WITH]-(f) RETURN f UNION WITH v MATCH "
        "(v)-[:FOLLOWS]->(f) RETURN f } WITH v, f WHERE NOT f.id IN $ids " NEAR("-[:FOLLOWS]->(c)"),
    [USER_GRAPH_STEP_FRIENDS] = STEP("(u)-[:FRIENDS_WITH]-(o)"),
    [USER_GRAPH_STEP_FOLLOWING] = STEP("(u)-[:FOLLOWS]->(o)"),
    [USER_GRAPH_STEP_FOLLOWERS] = STEP("(u)<-[:FOLLOWS]-(o)"),
    [USER_GRAPH_CLOSE] =
        "OPTIONAL MATCH (v:User {id: $a}) CALL { WITH v OPTIONAL MATCH (v)-[:FRIENDS_WITH]-(f) WITH f " FIRST_FRIENDS
        " RETURN collect(f.id) AS mine } UNWIND $ids AS x OPTIONAL MATCH (c:User {id: x}) CALL { WITH c, mine OPTIONAL "
        "MATCH (c)-[:FRIENDS_WITH]-(f) WITH f, mine " FIRST_FRIENDS
        " RETURN count(CASE WHEN f.id IN mine THEN 1 END) AS many } RETURN x AS id, CASE WHEN v IS NULL OR c IS NULL "
        "THEN 2 WHEN EXISTS { (v)-[:FRIENDS_WITH]-(c) } THEN 0 WHEN many > 0 OR EXISTS { (v)-[:FOLLOWS]->(c) } THEN 1 "
        "ELSE 2 END, many ORDER BY id",
};

static json_t *ids_of(const user_graph_asked *asked)
{
    json_t *ids = json_array();
    for (size_t i = 0; ids && i < asked->id_count; i++)
        if (json_array_append_new(ids, json_integer(asked->ids[i])))
            json_decref(ids), ids = NULL;
    return ids;
}

static sut_status read_rows(sut_request *rq, const json_t *rows, user_graph_rows *out)
{
    *out = (user_graph_rows){.count = json_array_size(rows)};
    out->items = sut_arena_array(sut_request_arena(rq), out->count + 1, sizeof *out->items);
    if (!out->items)
        return -ENOMEM;
    for (size_t i = 0; i < out->count; i++)
        for (size_t col = 0; col < 3; col++) {
            const json_t *cell = json_array_get(json_array_get(rows, i), col);
            if (!json_is_integer(cell))
                return sut_fail_internal(rq, "Neo4j's answer has no number in column %zu", col);
            out->items[i][col] = json_integer_value(cell);
        }
    return 0;
}

sut_status user_graph_ask_neo4j(sut_request *rq, user_graph_query query, const user_graph_asked *asked,
                                user_graph_rows *out)
{
    json_t *rows;
    json_t *params =
        json_pack("{s:I, s:I, s:I, s:I, s:o}", "a", (json_int_t)asked->a, "b", (json_int_t)asked->b, "after",
                  (json_int_t)asked->after, "limit", (json_int_t)asked->limit, "ids", ids_of(asked));
    uint32_t left = sut_request_remaining_ms(rq) / 2;
    sut_status st = user_neo4j(rq, s_queries[query], params, left < TIMEOUT_MS ? left + 1 : TIMEOUT_MS, &rows);
    if (st)
        return st;
    st = read_rows(rq, rows, out);
    json_decref(rows);
    return st;
}
