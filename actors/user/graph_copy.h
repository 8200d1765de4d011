/* The copy of friendships and follows in Neo4j: nodes User{id}, FOLLOWS, FRIENDS_WITH (from the lower id to the
 * higher), each with the version of the pair's change that made it. What has ended is UNFOLLOWED or UNFRIENDED, with
 * the version that ended it: so an older event changes nothing, also after a removal. */
#ifndef USER_GRAPH_COPY_H
#define USER_GRAPH_COPY_H

#include "user.h"

#include "kit/projection.h"

#include <jansson.h>

#define USER_PROJECTION_COUNT 1
extern const sut_projection user_projections[USER_PROJECTION_COUNT];

/* May questions go to the copy? Configured, up when it was last looked at, and known to be good. */
bool user_graph_copy_usable(void);
/* It has just answered, or failed to: for health. */
void user_graph_copy_seen(bool up);

/* A periodic function: looks at the copy, and has it rebuilt if it is not good. */
sut_status user_graph_watch(sut_request *rq, void *arg);

/* graph_compare.c: a part of the copy, compared and, with `mend`, mended; each mend holds only if no event came
 * between. */
typedef struct user_graph_part {
    int64_t user, other;      /* in: where the last part ended; out: where this one did */
    bool more;                /* out */
    int64_t compared, copied; /* out: edges of connections, of the copy */
    sut_projection_diff diff; /* out */
} user_graph_part;
SUT_MUST_CHECK sut_status user_graph_compare(sut_request *rq, bool mend, user_graph_part *part);

/* Writes into the copy, graph_copy.c. `rows`: [from, to, version] each, taken over. exact: only where the copy still
 * has this version (0: nothing); else only where it has an older one. */
typedef enum user_graph_edge { USER_GRAPH_FOLLOW, USER_GRAPH_FRIEND } user_graph_edge;
SUT_MUST_CHECK sut_status user_graph_put(sut_request *rq, user_graph_edge edge, bool there, bool exact, json_t *rows);

#endif
