/* The shortest path between two people, by breadth-first search from both ends: each round is one question to the port,
 * whichever adapter answers, so both find the same.
 *
 * The end whose rim is smaller takes the next step; of two alike the first. A step that would read more edges than are
 * left is not taken, and that end stands still from then on: somebody whom a million follow does not stop the search
 * from the other side. Where the rims meet, the lowest id wins; and each person was reached from the lowest id of the
 * rim before. */
#include "graph.h"

#include <errno.h>
#include <stdlib.h>

typedef struct seen { /* sorted by id */
    int64_t id, from;
} seen;

typedef struct side {
    user_graph_query step;
    seen *all; /* everybody who was reached, in the arena */
    size_t count;
    int64_t *rim; /* who was reached last, by id */
    size_t rim_count;
    int depth;
    bool closed;
} side;

typedef struct path_search {
    side ends[2];
    const int64_t *avoid; /* sorted */
    size_t avoid_count;
    int64_t *edges;
    bool limited;
} path_search;

static int by_id(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static const seen *find(const side *s, int64_t id)
{
    return s->count ? bsearch(&id, s->all, s->count, sizeof *s->all, by_id) : NULL;
}

static bool is_avoided(const path_search *s, int64_t id)
{
    return s->avoid_count && bsearch(&id, s->avoid, s->avoid_count, sizeof *s->avoid, by_id);
}

/* Rows are sorted by id, and so is what was seen: one pass merges them. */
static sut_status take(sut_request *rq, const path_search *search, side *s, const user_graph_rows *rows)
{
    seen *all = sut_arena_array(sut_request_arena(rq), s->count + rows->count + 1, sizeof *all);
    int64_t *rim = sut_arena_array(sut_request_arena(rq), rows->count + 1, sizeof *rim);
    size_t old = 0, count = 0, rim_count = 0;
    if (!all || !rim)
        return -ENOMEM;
    for (size_t i = 0; i < rows->count; i++) {
        int64_t id = rows->items[i][0];
        while (old < s->count && s->all[old].id < id)
            all[count++] = s->all[old++];
        if ((old < s->count && s->all[old].id == id) || is_avoided(search, id))
            continue;
        all[count++] = (seen){id, rows->items[i][1]};
        rim[rim_count++] = id;
    }
    while (old < s->count)
        all[count++] = s->all[old++];
    s->all = all;
    s->count = count;
    s->rim = rim;
    s->rim_count = rim_count;
    s->depth++;
    return 0;
}

static sut_status step(sut_request *rq, path_search *search, side *s)
{
    user_graph_rows rows;
    const user_graph_asked asked = {.limit = *search->edges, .ids = s->rim, .id_count = s->rim_count};
    sut_status st = user_graph_ask(rq, s->step, &asked, &rows);
    if (st)
        return st;
    int64_t read = rows.count ? rows.items[0][2] : 0;
    if (read >= *search->edges) {
        search->limited = true;
        s->closed = true;
        return 0;
    }
    *search->edges -= read;
    return take(rq, search, s, &rows);
}

/* The lowest id of this rim that the other end has reached, or 0. */
static int64_t meeting(const path_search *search, const side *moved)
{
    const side *other = &search->ends[moved == &search->ends[0]];
    for (size_t i = 0; i < moved->rim_count; i++)
        if (find(other, moved->rim[i]))
            return moved->rim[i];
    return 0;
}

static void write_down(const path_search *search, int64_t middle, user_way *out)
{
    int64_t first[USER_GRAPH_STEPS_MAX + 1];
    int count = 0;
    for (int64_t id = middle; id; id = find(&search->ends[0], id)->from)
        first[count++] = id;
    while (count > 0)
        out->ids[out->count++] = first[--count];
    for (int64_t id = find(&search->ends[1], middle)->from; id; id = find(&search->ends[1], id)->from)
        out->ids[out->count++] = id;
    out->found = USER_WAY_FOUND;
}

static side *next_side(path_search *s)
{
    side *a = &s->ends[0], *b = &s->ends[1];
    bool a_goes = !a->closed && a->rim_count, b_goes = !b->closed && b->rim_count;
    /* a rim that is empty for good says that there is no way: all that can be reached was */
    if ((!a->closed && !a->rim_count) || (!b->closed && !b->rim_count)) {
        s->limited = false;
        return NULL;
    }
    if (a->depth + b->depth >= USER_GRAPH_STEPS_MAX)
        return NULL;
    if (a_goes && (!b_goes || a->rim_count <= b->rim_count))
        return a;
    return b_goes ? b : NULL;
}

static sut_status begin(sut_request *rq, side *s, user_graph_query query, int64_t id)
{
    s->step = query;
    s->all = SUT_REQUEST_NEW(rq, seen);
    s->rim = SUT_REQUEST_NEW(rq, int64_t);
    if (!s->all || !s->rim)
        return -ENOMEM;
    s->all[0].id = id;
    s->rim[0] = id;
    s->count = s->rim_count = 1;
    return 0;
}

sut_status user_graph_path(sut_request *rq, int64_t from, int64_t to, bool by_follows, const int64_t *avoid,
                           size_t avoid_count, int64_t *edges, user_way *out)
{
    path_search s = {.avoid = avoid, .avoid_count = avoid_count, .edges = edges};
    *out = (user_way){.found = USER_WAY_NONE};
    if (from == to) {
        *out = (user_way){.found = USER_WAY_FOUND, .ids = {from}, .count = 1};
        return 0;
    }
    sut_status st = begin(rq, &s.ends[0], by_follows ? USER_GRAPH_STEP_FOLLOWING : USER_GRAPH_STEP_FRIENDS, from);
    if (!st)
        st = begin(rq, &s.ends[1], by_follows ? USER_GRAPH_STEP_FOLLOWERS : USER_GRAPH_STEP_FRIENDS, to);
    for (side *next; !st && (next = next_side(&s)) != NULL;) {
        st = step(rq, &s, next);
        int64_t middle = st || next->closed ? 0 : meeting(&s, next);
        if (middle) {
            write_down(&s, middle, out);
            return 0;
        }
    }
    if (!st && s.limited)
        out->found = USER_WAY_NOT_WITHIN_LIMITS;
    return st;
}
