/* How the caller and somebody else are connected. A path shows people and what they are to each other, so nobody is on
 * it whom the caller may not see, and no edge that both ends' lists hide: whoever stands in the way is gone round. */
#include "graph.h"
#include "user_service.h"

#include <errno.h>
#include <stdlib.h>

#define AVOID_MAX 2000 /* blocks either way; more, and the newest are what counts */
#define TRIES_MAX 8    /* detours */

static const sut_pg_stmt s_ends = {
    "user_path_end",
    "SELECT " USER_TIES_SQL " FROM user_profiles p WHERE p.user_id = $1 AND (" USER_PRESENT_SQL " OR $1 = $2)", 2};

static const sut_pg_stmt s_blocks = {
    "user_path_blocks",
    "(SELECT other_id FROM connections WHERE user_id = $1 AND kind = 'block' ORDER BY created_at DESC LIMIT 1000) "
    "UNION "
    "(SELECT user_id FROM connections WHERE other_id = $1 AND kind = 'block' ORDER BY created_at DESC LIMIT 1000) "
    "ORDER BY 1",
    1};

/* $1: ids, $2: the viewer. */
static const sut_pg_stmt s_people = {"user_path_people",
                                     "SELECT p.user_id, p.hidden, t.ties, " USER_PRIVACY_COLUMNS
                                     " FROM user_profiles p CROSS JOIN LATERAL (SELECT " USER_TIES_OF_SQL(
                                         "$2", "p.user_id") " AS ties) t WHERE p.user_id = ANY($1)",
                                     2};

typedef struct walk {
    sut_request *rq;
    int64_t me, to;
    int64_t *avoid; /* sorted */
    size_t avoid_count;
    int64_t edges;
} walk;

static int by_id(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static sut_status begin(walk *w)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_read(w->rq, &s_blocks, SUT_PG_PARAMS(sut_pg_i64(w->me)), &r);
    if (st)
        return st;
    size_t room = AVOID_MAX + (size_t)TRIES_MAX * 2 * (USER_GRAPH_STEPS_MAX + 1);
    w->avoid = sut_arena_array(sut_request_arena(w->rq), room, sizeof *w->avoid);
    if (!w->avoid)
        return -ENOMEM;
    for (int i = 0; i < sut_pg_rows(r); i++)
        w->avoid[w->avoid_count++] = sut_pg_get_i64(r, i, 0);
    return 0;
}

/* ---- may the path be shown? ---- */

typedef struct person {
    bool there, shows; /* shows: the list that the path goes along */
} person;

/* Of one on a path, to the caller: as check_owner in list.c has it. */
static person look(const walk *w, const sut_pg_result *r, int row, bool by_follows)
{
    unsigned ties = (unsigned)sut_pg_get_i32(r, row, 2);
    if (sut_pg_get_i64(r, row, 0) == w->me)
        return (person){true, true};
    user_privacy privacy = user_privacy_read(r, row, 3);
    return (person){
        .there = !sut_pg_get_bool(r, row, 1) && !(ties & USER_TIES_HIDING),
        .shows = user_audience_has(by_follows ? privacy.followers : privacy.friends, ties) &&
                 (!privacy.private_account || user_audience_has(USER_AUDIENCE_FOLLOWERS, ties)),
    };
}

static sut_status look_at_all(const walk *w, const user_way *path, bool by_follows, person *out)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_read(w->rq, &s_people,
                                SUT_PG_PARAMS(sut_pg_i64_array(path->ids, (size_t)path->count), sut_pg_i64(w->me)), &r);
    for (int row = 0; !st && row < sut_pg_rows(r); row++)
        for (int i = 0; i < path->count; i++)
            if (path->ids[i] == sut_pg_get_i64(r, row, 0))
                out[i] = look(w, r, row, by_follows);
    return st;
}

/* Adds whoever is in the way to those who are avoided. An edge is shown if either end shows it; of two that do not, the
 * one nearer to the caller is gone round, unless it is the caller. */
static bool may_be_shown(walk *w, const user_way *path, const person *people)
{
    size_t before = w->avoid_count;
    for (int i = 1; i + 1 < path->count; i++)
        if (!people[i].there || (!people[i].shows && !people[i + 1].shows))
            w->avoid[w->avoid_count++] = path->ids[i];
    qsort(w->avoid, w->avoid_count, sizeof *w->avoid, by_id);
    return w->avoid_count == before;
}

static sut_status seek(walk *w, bool by_follows, user_way *out)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        person people[USER_GRAPH_STEPS_MAX + 1] = {0};
        sut_status st = user_graph_path(w->rq, w->me, w->to, by_follows, w->avoid, w->avoid_count, &w->edges, out);
        if (st || out->found != USER_WAY_FOUND)
            return st;
        st = look_at_all(w, out, by_follows, people);
        if (st || may_be_shown(w, out, people))
            return st;
    }
    *out = (user_way){.found = USER_WAY_NOT_WITHIN_LIMITS};
    return 0;
}

/* ---- the answer ---- */

static sut_status show(const walk *w, const user_way *path, bool by_follows, user_path_out *out)
{
    sut_list cards;
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant
    const user_card **items = sut_arena_array(sut_request_arena(w->rq), USER_GRAPH_STEPS_MAX + 1, sizeof *items);
    if (!items)
        return -ENOMEM;
    sut_status st = user_cards_read(w->rq, path->ids, (size_t)path->count, w->me, &cards);
    if (st)
        return st;
    const user_card *const *found = cards.items;
    size_t count = 0;
    for (int i = 0; i < path->count; i++)
        for (size_t k = 0; k < cards.count; k++)
            if (found[k]->user_id == path->ids[i])
                items[count++] = found[k];
    if (count != (size_t)path->count) /* somebody went away this very moment */
        return 0;
    out->outcome = USER_PATH_OUTCOME_FOUND;
    out->kind = by_follows ? USER_PATH_KIND_FOLLOWS : USER_PATH_KIND_FRIENDS;
    out->length = path->count - 1;
    out->has_kind = out->has_length = SUT_PRESENT;
    out->path = (sut_list){items, count};
    return 0;
}

static sut_status check_end(const walk *w)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_read(w->rq, &s_ends, SUT_PG_PARAMS(sut_pg_i64(w->to), sut_pg_i64(w->me)), &r);
    if (st)
        return st;
    bool there = sut_pg_rows(r) && !((unsigned)sut_pg_get_i32(r, 0, 0) & USER_TIES_HIDING);
    return there ? 0 : user_not_found(w->rq);
}

sut_status user_path(sut_request *rq, const user_path_in *in, user_path_out *out)
{
    walk w = {.rq = rq, .me = sut_request_user_id(rq), .to = in->user_id};
    user_way path = {0};
    bool by_follows = false, limited = false;
    sut_status st = check_end(&w);
    if (!st)
        st = begin(&w);
    for (int turn = 0; !st && turn < 2 && path.count == 0; turn++) {
        by_follows = turn == 1;
        w.edges = USER_GRAPH_EDGES_MAX;
        st = seek(&w, by_follows, &path);
        limited = limited || path.found == USER_WAY_NOT_WITHIN_LIMITS;
    }
    if (st)
        return st;
    out->outcome = limited ? USER_PATH_OUTCOME_NOT_WITHIN_LIMITS : USER_PATH_OUTCOME_NO_PATH;
    return path.count ? show(&w, &path, by_follows, out) : 0;
}
