/* What the files of the search share. */
#ifndef USER_SEARCH_H
#define USER_SEARCH_H

#include "user.h"

#define USER_SEARCH_MAX 200 /* candidates of one search */

typedef enum user_nearness { USER_STRANGER, USER_FRIEND_OF_FRIEND, USER_FOLLOWED, USER_NEAR_FRIEND } user_nearness;

/* How close each of `ids`, at most USER_SEARCH_MAX, is to `viewer` (0: nobody, to whom all are strangers). `out` has
 * `count` places. Friends of friends are looked for among the viewer's newest friends only. */
SUT_MUST_CHECK sut_status user_closeness(sut_request *rq, int64_t viewer, const int64_t *ids, size_t count,
                                         user_nearness *out);

#endif
