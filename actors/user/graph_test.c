/* The graph: one suite for both adapters, on random graphs (of a fixed seed) and at the edges; and the copy in Neo4j
 * under events in any order, repeated, and under damage. Without Java or Maven the parts about Neo4j are left out, and
 * say so. */
#include "fixture_test.h"

#include "graph.h"
#include "graph_copy.h"
#include "neo4j.h"
#include "user_service.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEOPLE 60
#define ID(n)  (INT64_C(32) * ((n) + 1))

static unsigned s_seed;

static unsigned dice(unsigned sides)
{
    s_seed = s_seed * 1664525u + 1013904223u;
    return (s_seed >> 8) % sides;
}

static void sql(sut_test_postgres *pg, const char *fmt, ...) SUT_PRINTF(2, 3);
static void sql(sut_test_postgres *pg, const char *fmt, ...)
{
    char text[1024], whole[1200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    snprintf(whole, sizeof whole, "WITH x AS (%s RETURNING 1) SELECT count(*) FROM x", text);
    sut_test_postgres_sql(pg, whole);
}

/* ---- a graph that the tests know too ---- */

static bool s_friends[PEOPLE][PEOPLE], s_follows[PEOPLE][PEOPLE];

static void forget(sut_test_postgres *pg)
{
    memset(s_friends, 0, sizeof s_friends);
    memset(s_follows, 0, sizeof s_follows);
    sql(pg, "DELETE FROM connections");
}

static void befriend(sut_test_postgres *pg, int a, int b)
{
    s_friends[a][b] = s_friends[b][a] = true;
    sql(pg, "INSERT INTO connections (user_id, other_id, kind) VALUES (%lld, %lld, 'friend'), (%lld, %lld, 'friend')",
        (long long)ID(a), (long long)ID(b), (long long)ID(b), (long long)ID(a));
}

static void follow(sut_test_postgres *pg, int a, int b)
{
    s_follows[a][b] = true;
    sql(pg, "INSERT INTO connections (user_id, other_id, kind) VALUES (%lld, %lld, 'follow')", (long long)ID(a),
        (long long)ID(b));
}

/* `each`: friendships and follows a person, about. */
static void grow(sut_test_postgres *pg, unsigned seed, unsigned each)
{
    forget(pg);
    s_seed = seed;
    for (unsigned i = 0; i < PEOPLE * each; i++) {
        int a = (int)dice(PEOPLE), b = (int)dice(PEOPLE);
        if (a != b && !s_friends[a][b] && dice(2))
            befriend(pg, a, b);
        else if (a != b && !s_follows[a][b])
            follow(pg, a, b);
    }
    sql(pg, "INSERT INTO connections (user_id, other_id, kind) VALUES (32, 64, 'mute'), (32, 96, 'request')");
}

/* ---- what is asked ---- */

static user_graph_rows ask(sut_request *rq, user_graph_ask_fn *adapter, user_graph_query query,
                           const user_graph_asked *asked)
{
    user_graph_rows rows;
    sut_status st = adapter(rq, query, asked, &rows);
    /* On a busy machine a JVM that has just started takes longer than a reader would wait. */
    for (int again = 0; (st == SUT_ERR_UNAVAILABLE || st == SUT_ERR_DEADLINE_EXCEEDED) && again < 20; again++)
        st = adapter(rq, query, asked, &rows);
    cr_assert_eq(st, 0, "query %d: %d", (int)query, st);
    return rows;
}

static void same(const user_graph_rows *a, const user_graph_rows *b, int query)
{
    cr_assert_eq(a->count, b->count, "query %d: %zu and %zu rows", query, a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        for (int col = 0; col < 3; col++)
            cr_assert_eq(a->items[i][col], b->items[i][col], "query %d, row %zu, column %d: %lld and %lld", query, i,
                         col, (long long)a->items[i][col], (long long)b->items[i][col]);
}

/* All questions, about random people with random bounds. */
static void compare(sut_request *rq, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        int64_t ids[40];
        size_t count = 0;
        for (int n = 0; n < PEOPLE && count < 40; n++)
            if (dice(4) == 0)
                ids[count++] = ID(n);
        ids[count] = ID(PEOPLE + 5); /* nobody knows them */
        count += count < 39 && dice(2);
        const user_graph_asked asked = {.a = ID((int)dice(PEOPLE + 2)),
                                        .b = ID((int)dice(PEOPLE)),
                                        .after = dice(3) ? 0 : ID((int)dice(PEOPLE)),
                                        .limit = dice(4) ? 300 : 1 + (int)dice(9),
                                        .ids = ids,
                                        .id_count = count};
        for (int query = 0; query < USER_GRAPH_QUERY_COUNT; query++) {
            user_graph_asked this = asked;
            if (query >= USER_GRAPH_STEP_FRIENDS && query <= USER_GRAPH_STEP_FOLLOWERS)
                this.limit = USER_GRAPH_EDGES_MAX; /* which edges are read first is nobody's promise */
            user_graph_rows pg = ask(rq, user_graph_ask_postgres, (user_graph_query)query, &this);
            user_graph_rows neo4j = ask(rq, user_graph_ask_neo4j, (user_graph_query)query, &this);
            same(&pg, &neo4j, query);
        }
    }
}

/* ---- what is right, worked out by hand ---- */

static void mutual_is_right(sut_request *rq, user_graph_ask_fn *adapter)
{
    for (int i = 0; i < 30; i++) {
        int a = (int)dice(PEOPLE), b = (int)dice(PEOPLE), after = (int)dice(PEOPLE);
        user_graph_rows got = ask(rq, adapter, USER_GRAPH_MUTUAL,
                                  &(user_graph_asked){.a = ID(a), .b = ID(b), .after = ID(after), .limit = 100});
        size_t row = 1;
        for (int n = after + 1; n < PEOPLE; n++)
            if (s_friends[a][n] && s_friends[b][n])
                cr_assert(row < got.count && got.items[row][0] == ID(n) && ++row);
        cr_assert_eq(row, got.count);
    }
}

static void near_is_right(sut_request *rq, user_graph_ask_fn *adapter)
{
    for (int a = 0; a < PEOPLE; a += 3) {
        user_graph_rows got = ask(rq, adapter, USER_GRAPH_NEAR_FRIENDS, &(user_graph_asked){.a = ID(a), .limit = 300});
        size_t expected = 0;
        for (int n = 0; n < PEOPLE; n++) {
            int many = 0;
            for (int m = 0; m < PEOPLE; m++)
                many += s_friends[a][m] && s_friends[m][n];
            expected += many && n != a && !s_friends[a][n] && !s_follows[a][n];
            for (size_t i = 0; i < got.count; i++)
                cr_assert(got.items[i][0] != ID(n) || got.items[i][1] == many);
        }
        cr_assert_eq(got.count, expected);
        for (size_t i = 1; i < got.count; i++)
            cr_assert(got.items[i - 1][1] > got.items[i][1] ||
                      (got.items[i - 1][1] == got.items[i][1] && got.items[i - 1][0] < got.items[i][0]));
    }
}

static int distance(int from, int to, bool by_follows)
{
    int far[PEOPLE];
    memset(far, -1, sizeof far);
    far[from] = 0;
    for (int d = 0; d < USER_GRAPH_STEPS_MAX; d++)
        for (int a = 0; a < PEOPLE; a++)
            for (int b = 0; far[a] == d && b < PEOPLE; b++)
                if (far[b] < 0 && (by_follows ? s_follows[a][b] : s_friends[a][b]))
                    far[b] = d + 1;
    return far[to];
}

static void paths_are_right(sut_request *rq)
{
    for (int i = 0; i < 60; i++) {
        int from = (int)dice(PEOPLE), to = (int)dice(PEOPLE);
        bool by_follows = dice(2);
        int64_t edges = USER_GRAPH_EDGES_MAX;
        user_way way;
        cr_assert_eq(user_graph_path(rq, ID(from), ID(to), by_follows, NULL, 0, &edges, &way), 0);
        int far = distance(from, to, by_follows);
        cr_assert_eq(way.found, far < 0 ? USER_WAY_NONE : USER_WAY_FOUND, "%d to %d: %d", from, to, far);
        cr_assert_eq(way.count, far + 1, "%d to %d: %d", from, to, far);
        for (int k = 1; k < way.count; k++) {
            int a = (int)(way.ids[k - 1] / 32) - 1, b = (int)(way.ids[k] / 32) - 1;
            cr_assert(by_follows ? s_follows[a][b] : s_friends[a][b]);
        }
        if (far >= 0)
            cr_assert(way.ids[0] == ID(from) && way.ids[far] == ID(to));
    }
}

/* ---- PostgreSQL alone ---- */

static sut_status postgres(sut_request *rq, void *pg)
{
    for (unsigned each = 1; each <= 4; each++) {
        grow(pg, 7 * each, each);
        mutual_is_right(rq, user_graph_ask_postgres);
        near_is_right(rq, user_graph_ask_postgres);
        paths_are_right(rq);
    }
    return 0;
}

Test(graph, what_postgresql_says_is_right, .timeout = 60)
{
    fix_run(postgres);
}

static sut_status bounds(sut_request *rq, void *pg)
{
    user_way way;
    forget(pg);
    for (int i = 0; i < 9; i++)
        befriend(pg, i, i + 1);
    int64_t edges = USER_GRAPH_EDGES_MAX, few = 2;
    cr_assert_eq(user_graph_path(rq, ID(0), ID(6), false, NULL, 0, &edges, &way), 0);
    cr_assert(way.found == USER_WAY_FOUND && way.count == 7);
    cr_assert_eq(user_graph_path(rq, ID(0), ID(7), false, NULL, 0, &edges, &way), 0);
    cr_assert_eq(way.found, USER_WAY_NONE, "seven steps are too many");
    cr_assert_eq(user_graph_path(rq, ID(0), ID(2), false, &(int64_t){ID(1)}, 1, &edges, &way), 0);
    cr_assert_eq(way.found, USER_WAY_NONE, "nobody goes through who is avoided");
    cr_assert_eq(user_graph_path(rq, ID(0), ID(6), false, NULL, 0, &few, &way), 0);
    cr_assert_eq(way.found, USER_WAY_NOT_WITHIN_LIMITS);
    cr_assert_eq(user_graph_path(rq, ID(3), ID(3), false, NULL, 0, &few, &way), 0);
    cr_assert(way.found == USER_WAY_FOUND && way.count == 1);
    /* A star whom more follow than may be read is reached from the other side. */
    sql(pg,
        "INSERT INTO connections (user_id, other_id, kind) SELECT 1000000 + i, 32, 'follow' FROM generate_series(1, "
        "12000) i");
    follow(pg, 5, 4);
    follow(pg, 4, 0);
    edges = USER_GRAPH_EDGES_MAX;
    cr_assert_eq(user_graph_path(rq, ID(5), ID(0), true, NULL, 0, &edges, &way), 0);
    cr_assert(way.found == USER_WAY_FOUND && way.count == 3);
    edges = USER_GRAPH_EDGES_MAX;
    cr_assert_eq(user_graph_path(rq, ID(9), ID(0), true, NULL, 0, &edges, &way), 0);
    cr_assert_eq(way.found, USER_WAY_NONE, "who follows nobody reaches nobody");
    user_closeness *close;
    const int64_t ids[] = {ID(0), ID(1), ID(3), ID(8)};
    cr_assert_eq(user_graph_closeness(rq, ID(2), ids, 4, &close), 0);
    cr_assert(close[0].distance == USER_CLOSE_NEAR && close[0].mutual_count == 1);
    cr_assert(close[1].distance == USER_CLOSE_FRIEND && close[1].mutual_count == 0);
    cr_assert(close[2].distance == USER_CLOSE_FRIEND && close[3].distance == USER_CLOSE_FAR);
    return 0;
}

Test(graph, searches_are_bounded, .timeout = 60)
{
    fix_run(bounds);
}

/* ---- both, and the copy ---- */

static user_graph_part whole(sut_request *rq, bool mending)
{
    user_graph_part sum = {0}, part = {.more = true};
    while (part.more) {
        cr_assert_eq(user_graph_compare(rq, mending, &part), 0);
        sum.compared += part.compared;
        sum.copied += part.copied;
        sum.diff.missing += part.diff.missing;
        sum.diff.extra += part.diff.extra;
        sum.diff.different += part.diff.different;
    }
    return sum;
}

static void is_equal(sut_request *rq)
{
    user_graph_part p = whole(rq, false);
    cr_assert(p.compared == p.copied && !p.diff.missing && !p.diff.extra && !p.diff.different,
              "%lld and %lld edges; missing %lld, extra %lld, different %lld", (long long)p.compared,
              (long long)p.copied, (long long)p.diff.missing, (long long)p.diff.extra, (long long)p.diff.different);
}

static void cypher(sut_request *rq, const char *statement)
{
    json_t *rows;
    cr_assert_eq(user_neo4j(rq, statement, json_object(), 0, &rows), 0, "%s", statement);
    json_decref(rows);
}

static const sut_consumer *consumer(const char *subject)
{
    for (size_t i = 0; i < user_consumer_entry_count; i++)
        if (strcmp(user_consumer_entries[i].consumer->event->subject, subject) == 0 &&
            strcmp(user_consumer_entries[i].consumer->group, "user-graph") == 0)
            return user_consumer_entries[i].consumer;
    cr_assert_fail("nobody takes %s", subject);
    return NULL;
}

static void tell(sut_request *rq, const char *subject, int a, int b, int64_t version)
{
    const user_user_followed event = {.pair = SUT_STR("x"), .user_id = ID(a), .other_id = ID(b), .version = version};
    cr_assert_eq(sut_test_deliver(rq, consumer(subject), &event, NULL, NULL), 0, "%s", subject);
}

/* What happens to 12 people, told in any order and again: the newest of each pair holds. */
static void events_in_any_order(sut_request *rq, sut_test_postgres *pg)
{
    enum { CHANGES = 120 };
    static const char *const subjects[] = {"user.followed", "user.unfollowed", "friend.accepted", "friend.removed"};
    struct {
        int kind, a, b;
    } all[CHANGES];
    forget(pg);
    cypher(rq, "MATCH (n) DETACH DELETE n");
    for (int i = 0; i < CHANGES; i++) {
        int a = (int)dice(12), b = (a + 1 + (int)dice(11)) % 12, kind = (int)dice(2) * 2;
        bool is = kind ? s_friends[a][b] : s_follows[a][b];
        all[i].kind = kind + (is ? 1 : 0);
        all[i].a = a;
        all[i].b = b;
        if (kind)
            s_friends[a][b] = s_friends[b][a] = !is;
        else
            s_follows[a][b] = !is;
    }
    int order[CHANGES * 2];
    for (int i = 0; i < CHANGES * 2; i++)
        order[i] = i % CHANGES;
    for (int i = CHANGES * 2 - 1; i > 0; i--) {
        int k = (int)dice((unsigned)i + 1), swapped = order[i];
        order[i] = order[k];
        order[k] = swapped;
    }
    for (int i = 0; i < CHANGES * 2; i++)
        tell(rq, subjects[all[order[i]].kind], all[order[i]].a, all[order[i]].b, order[i] + 1);
    for (int a = 0; a < 12; a++)
        for (int b = 0; b < 12; b++) {
            if (s_follows[a][b])
                follow(pg, a, b);
            if (a < b && s_friends[a][b])
                befriend(pg, a, b);
        }
    is_equal(rq);
}

static void damage_is_found_and_mended(sut_request *rq, sut_test_postgres *pg)
{
    sut_projection_diff diff;
    user_graph_part p = whole(rq, false);
    int64_t edges = p.compared;
    cypher(rq, "MATCH ()-[r:FOLLOWS]->() WITH r LIMIT 3 DELETE r");
    cypher(rq, "MATCH (a:User {id: 32}) MERGE (b:User {id: 999936}) CREATE (a)-[:FRIENDS_WITH]->(b), "
               "(b)-[:FRIENDS_WITH {version: 5}]->(a)");
    cypher(rq, "MATCH (a)-[r:FRIENDS_WITH]->(b) WHERE b.id < 999936 AND a.id < 999936 WITH a, r, b LIMIT 1 "
               "CREATE (a)-[:FRIENDS_WITH {version: 1}]->(b)");
    p = whole(rq, false);
    cr_assert(p.compared == edges && p.diff.missing == 3 && p.diff.extra == 2 && p.diff.different == 1,
              "missing %lld, extra %lld, different %lld", (long long)p.diff.missing, (long long)p.diff.extra,
              (long long)p.diff.different);
    cr_assert_eq(sut_test_rebuild(rq, "social-graph", &diff), 0);
    cr_assert(diff.missing == 3 && diff.extra == 2 && diff.different == 1);
    is_equal(rq);
    cr_assert(strcmp(sut_test_postgres_sql(pg, "SELECT dirty = clean FROM graph_copy"), "t") == 0);
    /* An old event does not undo what was mended; a newer one holds. */
    sql(pg, "DELETE FROM connections");
    sut_status st = sut_test_rebuild(rq, "social-graph", &diff);
    cr_assert(st == 0 && diff.extra == edges);
    tell(rq, "user.followed", 1, 2, INT64_C(100000));
    cr_assert_eq(whole(rq, false).diff.extra, 1);
    tell(rq, "user.unfollowed", 1, 2, INT64_C(100001));
    tell(rq, "user.followed", 1, 2, INT64_C(100000));
    is_equal(rq);
}

/* More edges than one part holds, and one person with most of them. */
static void many_parts(sut_request *rq, sut_test_postgres *pg)
{
    sut_projection_diff diff;
    forget(pg);
    sql(pg, "INSERT INTO connections (user_id, other_id, kind) SELECT 32, 3200 + i, 'follow' FROM generate_series(1, "
            "12500) i");
    sql(pg, "INSERT INTO connections (user_id, other_id, kind) SELECT 3200 + mod(i, 1000), 100000 + i, 'follow' FROM "
            "generate_series(1, 2500) i");
    cr_assert_eq(sut_test_rebuild(rq, "social-graph", &diff), 0);
    cr_assert_eq(diff.missing, 15000);
    is_equal(rq);
    cypher(rq, "MATCH (:User {id: 32})-[r:FOLLOWS]->(b) WHERE b.id > 3200 + 11000 AND b.id <= 3200 + 11007 DELETE r");
    user_graph_part p = whole(rq, false);
    cr_assert(p.diff.missing == 7 && p.compared == 15000 && p.copied == 14993);
}

static void falls_back(sut_request *rq, sut_test_postgres *pg)
{
    user_graph_rows rows;
    forget(pg);
    befriend(pg, 0, 1);
    sut_projection_diff diff;
    cr_assert_eq(sut_test_rebuild(rq, "social-graph", &diff), 0);
    cr_assert_eq(sut_test_periodic(rq, "user.graph"), 0);
    cr_assert(user_graph_copy_usable());
    /* Whoever answers shows by what only the copy has. */
    cypher(rq, "MATCH (a:User {id: 32}) MERGE (b:User {id: 6400}) CREATE (a)-[:FRIENDS_WITH {version: 1}]->(b)");
    const user_graph_asked asked = {.ids = &(int64_t){32}, .id_count = 1, .limit = 10};
    cr_assert_eq(user_graph_ask(rq, USER_GRAPH_STEP_FRIENDS, &asked, &rows), 0);
    cr_assert_eq(rows.count, 2);
    const char *right = user_config.neo4j_url;
    user_config.neo4j_url = "http://127.0.0.1:1";
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(user_graph_ask(rq, USER_GRAPH_STEP_FRIENDS, &asked, &rows), 0, "PostgreSQL answers at once");
        cr_assert_eq(rows.count, 1);
    }
    user_config.neo4j_url = right;
    cr_assert_eq(user_graph_ask(rq, USER_GRAPH_STEP_FRIENDS, &asked, &rows), 0);
    cr_assert_eq(rows.count, 1, "the breaker is open");
    /* Another database's copy is none. */
    cypher(rq, "MATCH (c:Copy) SET c.stamp = 'another'");
    cr_assert_eq(sut_test_periodic(rq, "user.graph"), 0);
    cr_assert_not(user_graph_copy_usable());
    /* An event that Neo4j does not take is tried again, and at last noted. */
    user_config.neo4j_url = "http://127.0.0.1:1";
    const user_user_followed event = {
        .pair = SUT_STR("x"), .user_id = ID(3), .other_id = ID(4), .version = INT64_C(200000)};
    cr_assert_eq(sut_test_deliver(rq, consumer("user.followed"), &event, &(sut_test_delivery){.attempt = 5}, NULL),
                 SUT_ERR_UNAVAILABLE);
    cr_assert_eq(sut_test_deliver(rq, consumer("user.followed"), &event, &(sut_test_delivery){.attempt = 6}, NULL), 0);
    cr_assert(strcmp(sut_test_postgres_sql(pg, "SELECT dirty - clean FROM graph_copy"), "1") == 0);
    user_config.neo4j_url = right;
}

static sut_status both(sut_request *rq, void *pg)
{
    sut_projection_diff diff;
    cr_assert_eq(sut_test_periodic(rq, "user.graph"), 0);
    cr_assert_not(user_graph_copy_usable(), "an empty Neo4j is no copy");
    for (unsigned each = 1; each <= 6; each += 2) {
        grow(pg, 11 * each, each);
        cr_assert_eq(sut_test_rebuild(rq, "social-graph", &diff), 0);
        is_equal(rq);
        compare(rq, 15);
        mutual_is_right(rq, user_graph_ask_neo4j);
        near_is_right(rq, user_graph_ask_neo4j);
        cr_assert_eq(sut_test_periodic(rq, "user.graph"), 0);
        cr_assert(user_graph_copy_usable());
        paths_are_right(rq);
    }
    for (unsigned seed = 1; seed <= 3; seed++) {
        s_seed = seed;
        events_in_any_order(rq, pg);
    }
    damage_is_found_and_mended(rq, pg);
    many_parts(rq, pg);
    falls_back(rq, pg);
    return 0;
}

Test(graph, neo4j_says_the_same_and_its_copy_is_kept, .timeout = 240)
{
    sut_test_neo4j neo4j;
    if (!sut_test_neo4j_start(&neo4j))
        cr_skip_test("Neo4j is left out: no Java or Maven here");
    setenv("NEO4J_URL", neo4j.url, 1);
    setenv("NEO4J_USER", "", 1);
    fix_run(both);
    sut_test_neo4j_remove(&neo4j);
}
