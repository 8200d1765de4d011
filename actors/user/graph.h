/* Questions to the social graph, and the port behind which they are answered: by Neo4j where there is one that is up
 * and whose copy is known to be good, else by PostgreSQL on `connections`. Both give the same rows, in the same order
 * (docs/decisions/0024-social-graph.md).
 *
 * The graph knows friendships and who follows whom, and nothing else. Who is blocked, hidden or private is the caller's
 * to look after, in PostgreSQL, whichever adapter has answered. */
#ifndef USER_GRAPH_H
#define USER_GRAPH_H

#include "user.h"

#define USER_GRAPH_AVOID_MAX    2000  /* ids that a suggestion may be told to pass over */
#define USER_GRAPH_NEAR_MAX     300   /* of one question */
#define USER_GRAPH_CLOSE_MAX    200   /* candidates of one question */
#define USER_GRAPH_WINDOW       2000  /* friends that one page of mutual friends looks at */
#define USER_GRAPH_FRIENDS_SEEN 500   /* friends of each, lowest ids first, that closeness compares */
#define USER_GRAPH_CIRCLE       100   /* people around the asker, and around each of these, that suggestions look at */
#define USER_GRAPH_STEPS_MAX    6     /* of a path */
#define USER_GRAPH_EDGES_MAX    10000 /* that one search for a path reads */

/* ---- the port ---- */

typedef enum user_graph_query {
    USER_GRAPH_MUTUAL,        /* (0, last id looked at, how many were looked at), then (id, 0, 0) by id: friends of `a`
                                 after `after`, USER_GRAPH_WINDOW at most, that are friends of `b`; `limit` at most */
    USER_GRAPH_NEAR_FRIENDS,  /* (id, friends of `a` who are friends of theirs, 0), most first, then by id; without `a`,
                                 its friends, whom it follows, and `ids`, neither as steps nor as results */
    USER_GRAPH_NEAR_FOLLOWED, /* the same over those whom `a` is friends with or follows, and whom these follow */
    USER_GRAPH_STEP_FRIENDS,  /* (friend of any of `ids`, lowest of `ids` that leads there, edges read) by id, from
                                 `limit` edges at most; edges read = limit: some may be missing */
    USER_GRAPH_STEP_FOLLOWING, /* the same for those whom they follow */
    USER_GRAPH_STEP_FOLLOWERS, /* the same for those who follow them */
    USER_GRAPH_CLOSE,          /* (one of `ids`, user_closeness_class, mutual friends) by id, to `a` */
    USER_GRAPH_QUERY_COUNT
} user_graph_query;

typedef struct user_graph_asked {
    int64_t a, b, after, limit;
    const int64_t *ids; /* distinct */
    size_t id_count;
} user_graph_asked;

typedef struct user_graph_rows { /* in the request's arena */
    int64_t (*items)[3];
    size_t count;
} user_graph_rows;

/* An adapter. */
typedef sut_status user_graph_ask_fn(sut_request *rq, user_graph_query query, const user_graph_asked *asked,
                                     user_graph_rows *out);
user_graph_ask_fn user_graph_ask_postgres; /* graph_postgres.c */
user_graph_ask_fn user_graph_ask_neo4j;    /* graph_neo4j.c; only what Neo4j says, without a breaker */
/* Whichever is to be asked now: never an error of Neo4j's. */
user_graph_ask_fn user_graph_ask;

/* ---- questions ---- */

typedef enum user_closeness_class { USER_CLOSE_FRIEND, USER_CLOSE_NEAR, USER_CLOSE_FAR } user_closeness_class;
/* NEAR: followed by the viewer, or a friend of a friend. */
typedef struct user_closeness {
    int64_t user_id;
    user_closeness_class distance;
    int32_t mutual_count; /* among the first USER_GRAPH_FRIENDS_SEEN friends of each */
} user_closeness;
/* How close each of at most USER_GRAPH_CLOSE_MAX distinct candidates is to the viewer, in one question. `*out` is an
 * array of `count` in order of ids, in the arena. user_err otherwise. */
SUT_MUST_CHECK sut_status user_graph_closeness(sut_request *rq, int64_t viewer, const int64_t *ids, size_t count,
                                               user_closeness **out);

typedef enum user_way_found { USER_WAY_FOUND, USER_WAY_NONE, USER_WAY_NOT_WITHIN_LIMITS } user_way_found;
typedef struct user_way {
    user_way_found found;
    int64_t ids[USER_GRAPH_STEPS_MAX + 1]; /* from the first to the last */
    int count;
} user_way;
/* The shortest way from `from` to `to` over friendships or, with `by_follows`, over who follows whom, along the arrows;
 * of several the one that graph_path.c describes, which is the same for both adapters. Nobody in `avoid` is on it.
 * `*edges` is what may still be read, and is counted down. */
SUT_MUST_CHECK sut_status user_graph_path(sut_request *rq, int64_t from, int64_t to, bool by_follows,
                                          const int64_t *avoid, size_t avoid_count, int64_t *edges, user_way *out);

#endif
