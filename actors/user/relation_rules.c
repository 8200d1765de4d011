/* The rules of relations: what an act changes, given what two users are to each other. No database, no clock. */
#include "relation.h"

#define FOLLOWING_EITHER (USER_TIE_FOLLOWS | USER_TIE_FOLLOWED_BY | USER_TIE_FOLLOW_ASKED | USER_TIE_FOLLOW_ASKED_BY)
#define REQUESTS         (USER_TIE_ASKED | USER_TIE_ASKED_BY)
#define ALL_BUT_BLOCKS   (FOLLOWING_EITHER | REQUESTS | USER_TIE_FRIEND | USER_TIE_MUTES | USER_TIE_MUTED_BY)

/* A friend has been let in already, so follows a private account without asking. */
static user_verdict follow(const user_pair *p, user_change *c)
{
    if (p->ties & USER_TIE_FOLLOWS)
        return USER_ALLOWED;
    if (p->is_private && !(p->ties & USER_TIE_FRIEND)) {
        c->added = USER_TIE_FOLLOW_ASKED;
        return USER_ALLOWED;
    }
    c->added = USER_TIE_FOLLOWS;
    c->removed = USER_TIE_FOLLOW_ASKED;
    return USER_ALLOWED;
}

static user_verdict approve(const user_pair *p, user_change *c)
{
    if (p->ties & USER_TIE_FOLLOWED_BY)
        return USER_ALLOWED;
    if (!(p->ties & USER_TIE_FOLLOW_ASKED_BY))
        return USER_NO_REQUEST;
    c->added = USER_TIE_FOLLOWED_BY;
    c->removed = USER_TIE_FOLLOW_ASKED_BY;
    return USER_ALLOWED;
}

static user_verdict accept(const user_pair *p, user_change *c)
{
    if (p->ties & USER_TIE_FRIEND)
        return USER_ALLOWED;
    if (!(p->ties & USER_TIE_ASKED_BY))
        return USER_NO_REQUEST;
    c->added = USER_TIE_FRIEND;
    c->removed = REQUESTS;
    return USER_ALLOWED;
}

/* Whom the other asked may always answer by asking: then both want it. */
static user_verdict befriend(const user_pair *p, user_change *c)
{
    if (p->ties & (USER_TIE_FRIEND | USER_TIE_ASKED))
        return USER_ALLOWED;
    if (p->ties & USER_TIE_ASKED_BY)
        return accept(p, c);
    if (!user_audience_has(p->friends, p->ties))
        return USER_TAKES_NO_REQUESTS;
    c->added = USER_TIE_ASKED;
    return USER_ALLOWED;
}

static user_verdict judge(user_act act, const user_pair *p, user_change *c)
{
    switch (act) {
    case USER_ACT_FOLLOW: return follow(p, c);
    case USER_ACT_UNFOLLOW: c->removed = USER_TIE_FOLLOWS | USER_TIE_FOLLOW_ASKED; return USER_ALLOWED;
    case USER_ACT_APPROVE: return approve(p, c);
    case USER_ACT_REMOVE_FOLLOWER: c->removed = USER_TIE_FOLLOWED_BY | USER_TIE_FOLLOW_ASKED_BY; return USER_ALLOWED;
    case USER_ACT_BEFRIEND: return befriend(p, c);
    case USER_ACT_ACCEPT: return accept(p, c);
    case USER_ACT_UNFRIEND: c->removed = USER_TIE_FRIEND | REQUESTS; return USER_ALLOWED;
    case USER_ACT_BLOCK:
        c->added = USER_TIE_BLOCKS;
        c->removed = ALL_BUT_BLOCKS;
        return USER_ALLOWED;
    case USER_ACT_UNBLOCK: c->removed = USER_TIE_BLOCKS; return USER_ALLOWED;
    case USER_ACT_MUTE: c->added = USER_TIE_MUTES; return USER_ALLOWED;
    case USER_ACT_UNMUTE: c->removed = USER_TIE_MUTES; return USER_ALLOWED;
    }
    return USER_NO_SUCH_USER;
}

user_verdict user_rule(user_act act, const user_pair *pair, user_change *out)
{
    *out = (user_change){0};
    if (pair->ties & USER_TIE_BLOCKED_BY)
        return USER_NO_SUCH_USER;
    if ((pair->ties & USER_TIE_BLOCKS) && act != USER_ACT_BLOCK && act != USER_ACT_UNBLOCK)
        return USER_NO_SUCH_USER;
    user_verdict verdict = judge(act, pair, out);
    if (verdict != USER_ALLOWED)
        *out = (user_change){0};
    out->removed &= pair->ties;
    if (act != USER_ACT_MUTE) /* muted again, it may end at another time */
        out->added &= ~pair->ties;
    return verdict;
}
