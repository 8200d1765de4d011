/* What two users are to each other, and how it changes. The rules are in relation_rules.c, without a database; one
 * transaction that applies them is in relation.c. */
#ifndef USER_RELATION_H
#define USER_RELATION_H

#include "user.h"

typedef enum user_act { /* of one user, the actor, towards another */
                        USER_ACT_FOLLOW,
                        USER_ACT_UNFOLLOW,        /* also withdraws a follow request */
                        USER_ACT_APPROVE,         /* the other's follow request */
                        USER_ACT_REMOVE_FOLLOWER, /* also declines a follow request */
                        USER_ACT_BEFRIEND,        /* asks; accepts if the other has asked */
                        USER_ACT_ACCEPT,
                        USER_ACT_UNFRIEND, /* also withdraws or declines a friend request */
                        USER_ACT_BLOCK,
                        USER_ACT_UNBLOCK,
                        USER_ACT_MUTE,
                        USER_ACT_UNMUTE
} user_act;

typedef struct user_pair {
    unsigned ties;         /* user_tie, as the actor sees them */
    bool is_private;       /* the other takes followers only by request */
    user_audience friends; /* who may ask the other to be friends */
} user_pair;

typedef enum user_verdict { USER_ALLOWED, USER_NO_SUCH_USER, USER_NO_REQUEST, USER_TAKES_NO_REQUESTS } user_verdict;

typedef struct user_change {
    unsigned added, removed; /* user_tie; disjoint. Both 0: it is so already */
} user_change;

/* Pure. `*out` is all zero unless allowed. */
user_verdict user_rule(user_act act, const user_pair *pair, user_change *out);

/* Lets the caller do it to `other_id`, in one transaction with counters and events, and fills what they are to each
 * other then. `until_us`: of a mute, when it ends; 0: never. SUT_ERR_NOT_FOUND for whoever is not there, or is blocked
 * or blocks; user_err otherwise. */
SUT_MUST_CHECK sut_status user_relate(sut_request *rq, user_act act, int64_t other_id, int64_t until_us,
                                      user_relation_change *out);

#endif
