/* One change between two users: a transaction of two round trips. The first locks the pair and reads what they are to
 * each other; relation_rules.c decides; the second writes rows, counters and events, and commits.
 *
 * The pair's lock is the only one that is waited for (docs/decisions/0022-relations.md), so there is nothing to
 * deadlock. */
#include "relation.h"

#include "kit/event.h"

#include <errno.h>
#include <inttypes.h>

/* Two pairs whose hashes collide wait for each other, and no more: a transaction has one pair. */
static const sut_pg_stmt s_lock = {
    "user_pair_lock", "SELECT pg_advisory_xact_lock(7307, hashtext(least($1, $2) || ':' || greatest($1, $2)))", 2};

/* $1: the other, $2: the actor, as USER_TIES_SQL has them. */
static const sut_pg_stmt s_read = {
    "user_pair_read",
    "SELECT " USER_TIES_SQL ", nextval('connection_versions'), " USER_PRIVACY_COLUMNS " FROM user_profiles p "
    "WHERE p.user_id = $1 AND " USER_PRESENT_SQL " AND EXISTS (SELECT 1 FROM user_profiles m WHERE m.user_id = $2)",
    2};

static const sut_pg_stmt s_add = {
    "user_connection_add",
    "INSERT INTO connections (user_id, other_id, kind, expires_at) VALUES ($1, $2, $3, $4) "
    "ON CONFLICT (user_id, other_id, kind) DO UPDATE SET created_at = now(), expires_at = excluded.expires_at",
    4};

static const sut_pg_stmt s_remove = {"user_connection_remove",
                                     "DELETE FROM connections WHERE user_id = $1 AND other_id = $2 AND kind = $3", 3};

static const sut_pg_stmt s_count = {"user_connection_count", "SELECT connection_count_add($1, $2, $3, $4)", 4};

typedef struct relating {
    user_act act;
    int64_t me, other, until_us;
    user_relation_change *out;
    int64_t version;
    sut_str pair;
} relating;

/* ---- rows ---- */

static const struct s_row {
    unsigned tie;
    bool theirs; /* from the other to the actor */
    const char *kind;
} s_rows[] = {
    {USER_TIE_FOLLOWS, false, "follow"},
    {USER_TIE_FOLLOWED_BY, true, "follow"},
    {USER_TIE_FOLLOW_ASKED, false, "follow_request"},
    {USER_TIE_FOLLOW_ASKED_BY, true, "follow_request"},
    {USER_TIE_FRIEND, false, "friend"},
    {USER_TIE_FRIEND, true, "friend"},
    {USER_TIE_ASKED, false, "request"},
    {USER_TIE_ASKED_BY, true, "request"},
    {USER_TIE_BLOCKS, false, "block"},
    {USER_TIE_MUTES, false, "mute"},
    {USER_TIE_MUTED_BY, true, "mute"},
};

static sut_status write_row(sut_pg_tx *tx, const relating *a, const struct s_row *row, const user_change *c)
{
    sut_pg_param from = sut_pg_i64(row->theirs ? a->other : a->me), to = sut_pg_i64(row->theirs ? a->me : a->other);
    sut_pg_param kind = sut_pg_text(sut_str_from(row->kind));
    if (c->removed & row->tie)
        return sut_pg_queue(tx, &s_remove, SUT_PG_PARAMS(from, to, kind));
    if (!(c->added & row->tie))
        return 0;
    bool ends = row->tie == USER_TIE_MUTES && a->until_us != 0;
    return sut_pg_queue(
        tx, &s_add,
        SUT_PG_PARAMS(from, to, kind, ends ? sut_pg_timestamptz(a->until_us) : sut_pg_null(SUT_PG_TIMESTAMPTZ)));
}

/* ---- counters ---- */

static int step(const user_change *c, unsigned tie)
{
    return (c->added & tie ? 1 : 0) - (c->removed & tie ? 1 : 0);
}

static sut_status count_one(sut_pg_tx *tx, int64_t user_id, int followers, int following, int friends)
{
    if (!followers && !following && !friends)
        return 0;
    return sut_pg_queue(
        tx, &s_count,
        SUT_PG_PARAMS(sut_pg_i64(user_id), sut_pg_i64(followers), sut_pg_i64(following), sut_pg_i64(friends)));
}

static sut_status count(sut_pg_tx *tx, const relating *a, const user_change *c)
{
    int follows = step(c, USER_TIE_FOLLOWS), followed = step(c, USER_TIE_FOLLOWED_BY),
        friends = step(c, USER_TIE_FRIEND);
    sut_status st = count_one(tx, a->me, followed, follows, friends);
    return st != 0 ? st : count_one(tx, a->other, follows, followed, friends);
}

/* ---- events ---- */

/* Returns having emitted one of the events of a pair; `from` is the user_id. They all have these fields. */
#define TELL(event, from, to)                                                                                          \
    do {                                                                                                               \
        const user_##event told = {.pair = a->pair, .user_id = (from), .other_id = (to), .version = a->version};       \
        return sut_emit(rq, tx, &user_##event##_event, &told, NULL);                                                   \
    } while (0)

static sut_status tell_added(sut_request *rq, sut_pg_tx *tx, const relating *a, unsigned tie)
{
    switch (tie) {
    case USER_TIE_FOLLOWS: TELL(user_followed, a->me, a->other);
    case USER_TIE_FOLLOWED_BY: TELL(user_followed, a->other, a->me);
    case USER_TIE_FOLLOW_ASKED: TELL(follow_requested, a->me, a->other);
    case USER_TIE_ASKED: TELL(friend_requested, a->me, a->other);
    case USER_TIE_FRIEND: TELL(friend_accepted, a->me, a->other);
    case USER_TIE_BLOCKS: TELL(user_blocked, a->me, a->other);
    default: return 0;
    }
}

static sut_status tell_removed(sut_request *rq, sut_pg_tx *tx, const relating *a, unsigned tie)
{
    switch (tie) {
    case USER_TIE_FOLLOWS: TELL(user_unfollowed, a->me, a->other);
    case USER_TIE_FOLLOWED_BY: TELL(user_unfollowed, a->other, a->me);
    case USER_TIE_FRIEND: TELL(friend_removed, a->me, a->other);
    case USER_TIE_BLOCKS: TELL(user_unblocked, a->me, a->other);
    default: return 0;
    }
}

/* What ends is told before what begins. */
static sut_status tell(sut_request *rq, sut_pg_tx *tx, const relating *a, const user_change *c)
{
    sut_status st = 0;
    for (unsigned tie = 1; !st && tie <= c->removed; tie <<= 1)
        if (c->removed & tie)
            st = tell_removed(rq, tx, a, tie);
    for (unsigned tie = 1; !st && tie <= c->added; tie <<= 1)
        if (c->added & tie)
            st = tell_added(rq, tx, a, tie);
    return st;
}

/* ---- the transaction ---- */

static sut_status refuse(sut_request *rq, user_verdict verdict)
{
    switch (verdict) {
    case USER_NO_REQUEST: return sut_fail(rq, USER_ERR_NO_REQUEST, "There is no such request, or none any more.");
    case USER_TAKES_NO_REQUESTS:
        return sut_fail(rq, USER_ERR_TAKES_NO_REQUESTS, "This user takes no friend requests from you.");
    default: return user_not_found(rq);
    }
}

static sut_status write_change(sut_request *rq, sut_pg_tx *tx, const relating *a, const user_change *c)
{
    sut_status st = 0;
    for (size_t i = 0; !st && i < SUT_ARRAY_LEN(s_rows); i++)
        st = write_row(tx, a, &s_rows[i], c);
    if (!st)
        st = count(tx, a, c);
    return st != 0 ? st : tell(rq, tx, a, c);
}

static sut_status run(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    relating *a = arg;
    const sut_pg_result *r;
    user_change change;
    sut_pg_params both = SUT_PG_PARAMS(sut_pg_i64(a->other), sut_pg_i64(a->me));
    sut_status st = sut_pg_queue(tx, &s_lock, both);
    if (!st)
        st = sut_pg_exec(tx, &s_read, both, &r);
    if (st)
        return st;
    if (sut_pg_rows(r) == 0)
        return user_not_found(rq);
    user_privacy privacy = user_privacy_read(r, 0, 2);
    const user_pair pair = {.ties = (unsigned)sut_pg_get_i32(r, 0, 0),
                            .is_private = privacy.private_account,
                            .friends = privacy.friend_requests};
    user_verdict verdict = user_rule(a->act, &pair, &change);
    if (verdict != USER_ALLOWED)
        return refuse(rq, verdict);
    a->version = sut_pg_get_i64(r, 0, 1);
    a->out->relation = user_relation_of(rq, (pair.ties & ~change.removed) | change.added);
    return a->out->relation ? write_change(rq, tx, a, &change) : -ENOMEM;
}

sut_status user_relate(sut_request *rq, user_act act, int64_t other_id, int64_t until_us, user_relation_change *out)
{
    relating a = {.act = act, .me = sut_request_user_id(rq), .other = other_id, .until_us = until_us, .out = out};
    if (a.me == other_id)
        return sut_fail(rq, USER_ERR_SELF_RELATION, "This is you; a relation takes two.");
    a.pair = sut_request_printf(rq, "%" PRId64 ":%" PRId64, a.me < other_id ? a.me : other_id,
                                a.me < other_id ? other_id : a.me);
    return a.pair.ptr ? sut_pg_tx_once(rq, run, &a, out) : -ENOMEM;
}
