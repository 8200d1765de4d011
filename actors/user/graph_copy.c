/* Keeping the copy in Neo4j: events, rebuilding, and knowing whether it is good.
 *
 * Rebuilding goes through the edges part by part and mends what differs, in place: Neo4j Community has one database,
 * and building a second graph beside the first would double what it holds. Events go on meanwhile; each write looks at
 * the version that is there (docs/decisions/0024-social-graph.md says why no order of the two is wrong). */
#include "graph_copy.h"

#include "neo4j.h"
#include "user_service.h"

#include "base/health.h"
#include "base/log.h"
#include "kit/event.h"

#include <errno.h>
#include <string.h>

#define WRITE_MS   3000
#define LOOK_MS    5000 /* the first statement after its start takes more than a second */
#define ATTEMPTS   6    /* of an event, some three seconds; then the whole copy is compared when Neo4j is back */
#define PROJECTION "social-graph"

/* ---- writing ---- */

/* Setting `touched` locks the node, so that two writers of an edge follow one another. */
#define PUT(live, dead)                                                                                                \
    "UNWIND $rows AS x MERGE (a:User {id: x[0]}) MERGE (b:User {id: x[1]}) SET a.touched = true "                      \
    "WITH x, a, b OPTIONAL MATCH (a)-[r:" live "|" dead "]->(b) "                                                      \
    "WITH x, a, b, collect(r) AS old, coalesce(max(r.version), 0) AS have "                                            \
    "WHERE CASE WHEN $exact THEN have = x[2] ELSE have < x[2] END FOREACH (r IN old | DELETE r) "                      \
    "CREATE (a)-[:" live " {version: x[2]}]->(b) RETURN count(*)"
static const char *const s_put[2][2] = {
    [USER_GRAPH_FOLLOW] = {PUT("UNFOLLOWED", "FOLLOWS"), PUT("FOLLOWS", "UNFOLLOWED")},
    [USER_GRAPH_FRIEND] = {PUT("UNFRIENDED", "FRIENDS_WITH"), PUT("FRIENDS_WITH", "UNFRIENDED")},
};

sut_status user_graph_put(sut_request *rq, user_graph_edge edge, bool there, bool exact, json_t *rows)
{
    json_t *answer;
    sut_status st =
        user_neo4j(rq, s_put[edge][there], json_pack("{s:o, s:b}", "rows", rows, "exact", exact), WRITE_MS, &answer);
    if (!st)
        json_decref(answer);
    return st;
}

/* ---- events ---- */

/* While a rebuild is still to begin, one more reason for it changes nothing. */
static const sut_pg_stmt s_soil = {"user_graph_soil", "UPDATE graph_copy SET dirty = dirty + 1 WHERE dirty <= begun",
                                   0};

static sut_status soil(sut_request *rq)
{
    return sut_pg_run(rq, &s_soil, SUT_PG_NO_PARAMS, NULL);
}

typedef struct change {
    user_graph_edge edge;
    bool there;
    int64_t from, to, version;
} change;

/* Of a friendship both ends are alike. */
static sut_status put(sut_request *rq, const change *c)
{
    bool turn = c->edge == USER_GRAPH_FRIEND && c->from > c->to;
    return user_graph_put(rq, c->edge, c->there, false,
                          json_pack("[[I, I, I]]", (json_int_t)(turn ? c->to : c->from),
                                    (json_int_t)(turn ? c->from : c->to), (json_int_t)c->version));
}

/* An event that Neo4j cannot take for long is not kept waiting until it is a dead letter: the copy is noted to be
 * wrong. */
static sut_status follow_up(sut_request *rq, const change *c)
{
    if (!user_neo4j_configured())
        return soil(rq);
    sut_status st = put(rq, c);
    if (st == 0 || sut_request_delivery(rq)->attempt < ATTEMPTS || st == SUT_ERR_CANCELLED)
        return st;
    sut_request_clear_error(rq);
    return soil(rq);
}

#define CHANGE(event, which, is)                                                                                       \
    ((change){.edge = (which),                                                                                         \
              .there = (is),                                                                                           \
              .from = (event)->user_id,                                                                                \
              .to = (event)->other_id,                                                                                 \
              .version = (event)->version})
#define ON(name, body, which, is)                                                                                      \
    sut_status user_on_graph_##name(sut_request *rq, const body *event)                                                \
    {                                                                                                                  \
        return follow_up(rq, &CHANGE(event, which, is));                                                               \
    }

ON(followed, user_user_followed, USER_GRAPH_FOLLOW, true)
ON(unfollowed, user_user_unfollowed, USER_GRAPH_FOLLOW, false)
ON(befriended, user_friend_accepted, USER_GRAPH_FRIEND, true)
ON(unfriended, user_friend_removed, USER_GRAPH_FRIEND, false)

/* ---- rebuilding ---- */

static const sut_pg_stmt s_begin = {"user_graph_begin", "UPDATE graph_copy SET dirty = dirty + 1, begun = dirty + 1",
                                    0};
static const sut_pg_stmt s_end = {
    "user_graph_end", "UPDATE graph_copy SET clean = begun, stamp = gen_random_uuid()::text RETURNING stamp", 0};

/* Of the rebuild that runs in this process: the kit lets one run at a time. */
static user_graph_part s_at;
static sut_projection_diff s_diff;

static sut_status begin_anew(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    (void)arg;
    s_at = (user_graph_part){0};
    s_diff = (sut_projection_diff){0};
    if (!user_neo4j_configured())
        return sut_fail(rq, USER_ERR_GRAPH_NOT_CONFIGURED, "There is no Neo4j: NEO4J_URL is not set.");
    return sut_pg_queue(tx, &s_begin, SUT_PG_NO_PARAMS);
}

static sut_status make_index(sut_request *rq)
{
    json_t *rows;
    sut_status st = user_neo4j(rq, "CREATE CONSTRAINT user_id IF NOT EXISTS FOR (u:User) REQUIRE u.id IS UNIQUE",
                               json_object(), LOOK_MS, &rows);
    if (st)
        return st;
    json_decref(rows);
    st = user_neo4j(rq, "CALL db.awaitIndexes(4)", json_object(), LOOK_MS, &rows);
    if (!st)
        json_decref(rows);
    return st;
}

static sut_status next_page(sut_request *rq, sut_projection_page *page)
{
    sut_status st = page->after == 0 ? make_index(rq) : 0;
    if (!st)
        st = user_graph_compare(rq, true, &s_at);
    if (st)
        return st;
    s_diff.missing += s_at.diff.missing;
    s_diff.extra += s_at.diff.extra;
    s_diff.different += s_at.diff.different;
    page->rows = s_at.compared;
    page->after = s_at.user;
    page->more = s_at.more;
    return 0;
}

static sut_status apply(sut_request *rq, const sut_event *event, const void *body)
{
    const user_user_followed *of = body; /* all of them have the same fields */
    if (event == &user_user_followed_event)
        return put(rq, &CHANGE(of, USER_GRAPH_FOLLOW, true));
    if (event == &user_user_unfollowed_event)
        return put(rq, &CHANGE((const user_user_unfollowed *)body, USER_GRAPH_FOLLOW, false));
    if (event == &user_friend_accepted_event)
        return put(rq, &CHANGE((const user_friend_accepted *)body, USER_GRAPH_FRIEND, true));
    return put(rq, &CHANGE((const user_friend_removed *)body, USER_GRAPH_FRIEND, false));
}

/* Both have the stamp, or the copy is not read: it is the one that this database knows, and not another's or a backup.
 */
static sut_status declare_good(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    const sut_pg_result *r;
    json_t *rows;
    sut_status st = sut_pg_exec(tx, &s_end, SUT_PG_NO_PARAMS, &r);
    if (st)
        return st;
    sut_str stamp = sut_pg_get_text(r, 0, 0);
    st = user_neo4j(rq, "MERGE (c:Copy {name: 'social_graph'}) SET c.stamp = $stamp",
                    json_pack("{s:s%}", "stamp", stamp.ptr, stamp.len), LOOK_MS, &rows);
    if (st)
        return st;
    json_decref(rows);
    *(sut_projection_diff *)arg = s_diff;
    return 0;
}

static const sut_event *const s_events[] = {&user_user_followed_event, &user_user_unfollowed_event,
                                            &user_friend_accepted_event, &user_friend_removed_event};
const sut_projection user_projections[USER_PROJECTION_COUNT] = {{.name = PROJECTION,
                                                                 .events = s_events,
                                                                 .event_count = SUT_ARRAY_LEN(s_events),
                                                                 .fresh = begin_anew,
                                                                 .page = next_page,
                                                                 .apply = apply,
                                                                 .swap = declare_good}};

sut_status user_rebuild_start(sut_request *rq, const user_rebuild_start_in *in, user_rebuild_start_out *out)
{
    (void)out;
    return sut_projection_rebuild(rq, in->projection);
}

sut_status user_rebuild_status(sut_request *rq, const user_rebuild_status_in *in, user_rebuild_status_out *out)
{
    sut_projection_status s;
    sut_status st = sut_projection_look(rq, in->projection, &s);
    if (st)
        return st;
    *out = (user_rebuild_status_out){.state = s.state,
                                     .error = s.error,
                                     .has_error = s.error.ptr ? SUT_PRESENT : SUT_ABSENT,
                                     .rows = s.rows,
                                     .replayed = s.replayed,
                                     .missing = s.diff.missing,
                                     .extra = s.diff.extra,
                                     .different = s.diff.different};
    return 0;
}

/* ---- is it good? ---- */

static const sut_pg_stmt s_state = {"user_graph_state", "SELECT dirty = clean, stamp FROM graph_copy", 0};

static bool s_usable;

bool user_graph_copy_usable(void)
{
    return s_usable;
}

void user_graph_copy_seen(bool up)
{
    if (!up)
        sut_health_set("neo4j", false, SUT_HEALTH_DEGRADED, "it does not answer: the graph is read from PostgreSQL");
}

/* *good: the copy answers, is whole and is ours. *up: it answers. */
static sut_status look(sut_request *rq, bool *up, bool *good)
{
    const sut_pg_result *r;
    json_t *rows;
    sut_status st = sut_pg_read(rq, &s_state, SUT_PG_NO_PARAMS, &r);
    if (st)
        return st;
    *up = user_neo4j(rq, "MATCH (c:Copy {name: 'social_graph'}) RETURN c.stamp", json_object(), LOOK_MS, &rows) == 0;
    if (!*up) {
        sut_request_clear_error(rq);
        return 0;
    }
    const char *stamp = json_string_value(json_array_get(json_array_get(rows, 0), 0));
    *good = stamp && sut_pg_get_bool(r, 0, 0) && sut_str_is(sut_pg_get_text(r, 0, 1), stamp);
    json_decref(rows);
    return 0;
}

static void have_it_rebuilt(sut_request *rq)
{
    sut_status st = sut_projection_rebuild(rq, SUT_STR(PROJECTION));
    if (st == 0)
        sut_log(SUT_INFO, "user", "graph.rebuild", SUT_KV("why", "the copy in Neo4j is not whole"));
    sut_request_clear_error(rq); /* SUT_ERR_CONFLICT: it is under way */
}

sut_status user_graph_watch(sut_request *rq, void *arg)
{
    static bool s_noted;
    bool up = false, good = false;
    (void)arg;
    if (!user_neo4j_configured()) { /* what happens from now on, a copy that comes back later does not know */
        sut_status st = s_noted ? 0 : soil(rq);
        s_noted = st == 0;
        return st;
    }
    sut_status st = look(rq, &up, &good);
    s_usable = st == 0 && good;
    user_graph_copy_seen(up);
    if (up)
        sut_health_set("neo4j", false, good ? SUT_HEALTH_UP : SUT_HEALTH_DEGRADED,
                       good ? NULL : "its copy of the graph is being rebuilt: the graph is read from PostgreSQL");
    if (st == 0 && up && !good)
        have_it_rebuilt(rq);
    return st;
}
