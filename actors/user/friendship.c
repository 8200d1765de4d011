/* user.friendship: what only friends of a user are told. That the caller is one is checked before, by the method's
 * level. */
#include "user.h"
#include "user_service.h"

static const sut_pg_stmt s_friendship = {
    "user_friendship",
    "SELECT k.created_at, (SELECT count(*) FROM (SELECT FROM connections m JOIN connections n "
    "ON n.user_id = $2 AND n.kind = 'friend' AND n.other_id = m.other_id "
    "JOIN user_profiles p ON p.user_id = m.other_id AND " USER_PRESENT_SQL " "
    "WHERE m.user_id = $1 AND m.kind = 'friend' LIMIT 1000) shared) FROM connections k "
    "WHERE k.user_id = $1 AND k.other_id = $2 AND k.kind = 'friend' AND (k.expires_at IS NULL OR k.expires_at > now())",
    2};

sut_status user_friendship(sut_request *rq, const user_friendship_in *in, user_friendship_out *out)
{
    const sut_pg_result *r;
    sut_status st =
        sut_pg_read(rq, &s_friendship, SUT_PG_PARAMS(sut_pg_i64(sut_request_user_id(rq)), sut_pg_i64(in->user_id)), &r);
    if (st != 0)
        return st;
    if (sut_pg_rows(r) == 0) /* it has just ended; and admins, who pass every level, may be friends of nobody */
        return sut_fail(rq, SUT_ERR_FORBIDDEN, "You are not friends.");
    *out = (user_friendship_out){
        .since = sut_pg_get_timestamptz(r, 0, 0),
        .mutual_friend_count = (int32_t)sut_pg_get_i64(r, 0, 1),
    };
    return 0;
}
