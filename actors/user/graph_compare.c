/* The copy in Neo4j against `connections`, part by part in order of (from, to). A part is counted and hashed by both
 * first; only one that differs is read edge by edge, in smaller parts. Of each the copy is read before the connections:
 * what the connections say then is never older than what the copy had, so a mend that finds the version which was read
 * is right. */
#include "graph_copy.h"

#include "neo4j.h"
#include "user_service.h"

#include <errno.h>
#include <stdlib.h>

#define HASHED   10000 /* edges of a part that is hashed */
#define READ     1000  /* edges of a part that is read */
#define READ_MAX 4000  /* edges in a part, ended ones too, of either */
#define COPY_MS  10000
#define LAGS_MAX 10 /* a check looks again so often, since the copy is behind by some events */
#define LAG_MS   300

/* ---- statements: (from, to) past ($1, $2), up to ($3, $4) ---- */

#define EDGES                                                                                                          \
    "FROM connections WHERE (user_id, other_id) > ($1, $2) AND (kind = 'follow' OR (kind = 'friend' AND user_id < "    \
    "other_id)) "
#define UP_TO "AND (user_id, other_id) <= ($3, $4) "
static const sut_pg_stmt s_bound = {
    "user_graph_bound", "SELECT user_id, other_id " EDGES "ORDER BY user_id, other_id LIMIT 1 OFFSET $3", 3};
static const sut_pg_stmt s_hash = {"user_graph_hash",
                                   "SELECT count(*), coalesce(sum((user_id % 1000003) * (other_id % 999983) + CASE "
                                   "kind WHEN 'friend' THEN (other_id % "
                                   "999979) * 7919 ELSE 0 END), 0)::bigint " EDGES UP_TO,
                                   4};
static const sut_pg_stmt s_read = {"user_graph_read",
                                   "SELECT user_id, other_id, CASE kind WHEN 'friend' THEN 1 ELSE 0 END " EDGES UP_TO
                                   "ORDER BY 1, 2, 3 LIMIT 4000",
                                   4};

#define COPIED(kinds)                                                                                                  \
    "MATCH (u:User) WHERE u.id >= $user AND u.id <= $last_user MATCH (u)-[r:" kinds "]->(o:User) WHERE (u.id > $user " \
    "OR o.id > $other) AND (u.id < $last_user OR o.id <= $last_other) "
static const char s_copy_hash[] =
    COPIED("FOLLOWS|FRIENDS_WITH") "RETURN count(*), sum((u.id % 1000003) * (o.id % 999983) + CASE type(r) WHEN "
                                   "'FRIENDS_WITH' THEN (o.id % 999979) * 7919 ELSE 0 END)";
static const char s_copy_read[] = COPIED(
    "FOLLOWS|UNFOLLOWED|FRIENDS_WITH|UNFRIENDED") "WITH u.id AS u, o.id AS o, CASE WHEN type(r) IN "
                                                  "['FOLLOWS', 'UNFOLLOWED'] THEN 0 ELSE 1 END AS kind, sum(CASE "
                                                  "WHEN type(r) IN ['FOLLOWS', 'FRIENDS_WITH'] THEN 1 ELSE 0 END) "
                                                  "AS live, max(coalesce(r.version, 0)) AS version "
                                                  "RETURN u, o, kind, live, version ORDER BY u, o, kind LIMIT "
                                                  "4000";

typedef struct range { /* past the first, up to the last */
    int64_t user, other, last_user, last_other;
} range;

static json_t *params_of(const range *in)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "user", (json_int_t)in->user, "other", (json_int_t)in->other, "last_user",
                     (json_int_t)in->last_user, "last_other", (json_int_t)in->last_other);
}

static sut_pg_params values_of(const range *in, sut_pg_param values[4])
{
    values[0] = sut_pg_i64(in->user);
    values[1] = sut_pg_i64(in->other);
    values[2] = sut_pg_i64(in->last_user);
    values[3] = sut_pg_i64(in->last_other);
    return (sut_pg_params){values, 4};
}

static int64_t cell(const json_t *rows, size_t row, size_t col)
{
    return json_integer_value(json_array_get(json_array_get(rows, row), col));
}

/* Where `edges` edges from here end, or everything if there are not so many. */
static sut_status bound(sut_request *rq, int64_t edges, range *in)
{
    const sut_pg_result *r;
    sut_status st =
        sut_pg_run(rq, &s_bound, SUT_PG_PARAMS(sut_pg_i64(in->user), sut_pg_i64(in->other), sut_pg_i64(edges - 1)), &r);
    if (st)
        return st;
    bool all = sut_pg_rows(r) == 0;
    in->last_user = all ? INT64_MAX : sut_pg_get_i64(r, 0, 0);
    in->last_other = all ? INT64_MAX : sut_pg_get_i64(r, 0, 1);
    return 0;
}

/* ---- hashed ---- */

static sut_status hash(sut_request *rq, const range *in, user_graph_part *part, bool *same)
{
    const sut_pg_result *r;
    json_t *rows;
    sut_pg_param values[4];
    sut_status st = user_neo4j(rq, s_copy_hash, params_of(in), COPY_MS, &rows);
    if (st)
        return st;
    int64_t copied = cell(rows, 0, 0), copy_sum = cell(rows, 0, 1);
    json_decref(rows);
    st = sut_pg_run(rq, &s_hash, values_of(in, values), &r);
    if (st)
        return st;
    part->copied = copied;
    part->compared = sut_pg_get_i64(r, 0, 0);
    *same = copied == part->compared && copy_sum == sut_pg_get_i64(r, 0, 1);
    return 0;
}

/* ---- edge by edge ---- */

typedef struct mends { /* [edge][there]: rows for user_graph_put */
    json_t *rows[2][2];
} mends;

static int order(const int64_t a[3], const int64_t b[3])
{
    for (int i = 0; i < 3; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

static sut_status note(mends *m, const int64_t key[3], bool there, int64_t version)
{
    if (!m)
        return 0;
    json_t **rows = &m->rows[key[2]][there];
    if (!*rows)
        *rows = json_array();
    return json_array_append_new(
               *rows, json_pack("[I, I, I]", (json_int_t)key[0], (json_int_t)key[1], (json_int_t)version)) == 0
               ? 0
               : -ENOMEM;
}

/* Both are sorted by key. `m` NULL: only counts. */
static sut_status merge(const sut_pg_result *r, const json_t *rows, mends *m, user_graph_part *part)
{
    int row = 0;
    size_t copy = 0, copies = json_array_size(rows);
    sut_status st = 0;
    while (!st && (row < sut_pg_rows(r) || copy < copies)) {
        int64_t is[3] = {INT64_MAX, INT64_MAX, 0}, has[3] = {INT64_MAX, INT64_MAX, 0};
        for (int col = 0; col < 3 && row < sut_pg_rows(r); col++)
            is[col] = sut_pg_get_i64(r, row, col);
        for (size_t col = 0; col < 3 && copy < copies; col++)
            has[col] = cell(rows, copy, col);
        int before = order(is, has);
        int64_t live = before >= 0 ? cell(rows, copy, 3) : 0, version = before >= 0 ? cell(rows, copy, 4) : 0;
        part->compared += before <= 0;
        part->copied += live;
        part->diff.missing += before <= 0 && live == 0;
        part->diff.extra += before > 0 && live > 0;
        part->diff.different += before == 0 && live > 1;
        if ((before <= 0 && live != 1) || (before > 0 && live > 0))
            st = note(m, before <= 0 ? is : has, before <= 0, version);
        row += before <= 0;
        copy += before >= 0;
    }
    return st;
}

static sut_status mend(sut_request *rq, mends *m)
{
    sut_status st = 0;
    for (int edge = 0; edge < 2; edge++)
        for (int there = 0; there < 2; there++) {
            json_t *rows = m->rows[edge][there];
            m->rows[edge][there] = NULL;
            if (rows && !st)
                st = user_graph_put(rq, (user_graph_edge)edge, there, true, rows);
            else
                json_decref(rows);
        }
    return st;
}

/* More than it may be (Neo4j holds much that is not ours): up to the last whole pair that was read. */
static sut_status shorten(sut_request *rq, const json_t *rows, range *in)
{
    size_t count = json_array_size(rows), last = count;
    if (count < READ_MAX)
        return 0;
    while (last > 0 && cell(rows, last - 1, 0) == cell(rows, count - 1, 0) &&
           cell(rows, last - 1, 1) == cell(rows, count - 1, 1))
        last--;
    if (last == 0)
        return sut_fail_internal(rq, "Neo4j has thousands of edges between two people");
    in->last_user = cell(rows, last - 1, 0);
    in->last_other = cell(rows, last - 1, 1);
    return 0;
}

/* The rows that shorten has left out. */
static void cut(json_t *rows, const range *in)
{
    size_t count = json_array_size(rows);
    while (count > 0 && (cell(rows, count - 1, 0) > in->last_user ||
                         (cell(rows, count - 1, 0) == in->last_user && cell(rows, count - 1, 1) > in->last_other)))
        json_array_remove(rows, --count);
}

static sut_status read_edges(sut_request *rq, range *in, const sut_pg_result **r, json_t **rows)
{
    sut_pg_param values[4];
    sut_status st = user_neo4j(rq, s_copy_read, params_of(in), COPY_MS, rows);
    if (st)
        return st;
    st = shorten(rq, *rows, in);
    if (!st) {
        cut(*rows, in);
        st = sut_pg_run(rq, &s_read, values_of(in, values), r);
    }
    if (!st && sut_pg_rows(*r) >= READ_MAX)
        st = sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, 500, "Too much changes here at this moment.");
    if (st)
        json_decref(*rows), *rows = NULL;
    return st;
}

static sut_status compare_edges(sut_request *rq, bool mending, range *in, user_graph_part *part)
{
    const sut_pg_result *r;
    json_t *rows;
    mends m = {0};
    sut_status st = read_edges(rq, in, &r, &rows);
    if (st)
        return st;
    part->compared = part->copied = 0;
    part->diff = (sut_projection_diff){0};
    st = merge(r, rows, mending ? &m : NULL, part);
    json_decref(rows);
    sut_status mended = mend(rq, &m);
    return st ? st : mended;
}

/* ---- a part ---- */

sut_status user_graph_compare(sut_request *rq, bool mending, user_graph_part *part)
{
    bool same = false;
    range in = {.user = part->user, .other = part->other};
    part->diff = (sut_projection_diff){0};
    sut_status st = bound(rq, HASHED, &in);
    if (!st)
        st = hash(rq, &in, part, &same);
    if (!st && !same)
        st = bound(rq, READ, &in);
    if (!st && !same)
        st = compare_edges(rq, mending, &in, part);
    if (st)
        return st;
    part->user = in.last_user;
    part->other = in.last_other;
    part->more = in.last_user != INT64_MAX;
    return 0;
}

static bool differs(const user_graph_part *part)
{
    return part->diff.missing || part->diff.extra || part->diff.different;
}

/* A difference that goes away when looked at again was an event on its way. */
sut_status user_graph_check(sut_request *rq, const user_graph_check_in *in, user_graph_check_out *out)
{
    user_graph_part part = {0};
    sut_status st = 0;
    if (!user_neo4j_configured())
        return sut_fail(rq, USER_ERR_GRAPH_NOT_CONFIGURED, "There is no Neo4j: NEO4J_URL is not set.");
    for (int turn = 0; !st && (turn == 0 || (differs(&part) && turn < LAGS_MAX)); turn++) {
        if (turn > 0)
            st = sut_request_sleep_ms(rq, LAG_MS);
        part = (user_graph_part){.user = in->after_user, .other = in->after_other};
        if (!st)
            st = user_graph_compare(rq, false, &part);
    }
    if (st)
        return st;
    *out = (user_graph_check_out){.after_user = part.more ? part.user : in->after_user,
                                  .after_other = part.more ? part.other : in->after_other,
                                  .more = part.more,
                                  .compared = part.compared,
                                  .copied = part.copied,
                                  .missing = part.diff.missing,
                                  .extra = part.diff.extra,
                                  .different = part.diff.different};
    return 0;
}
