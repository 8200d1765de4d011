/* Removes mutes that have run out. Nothing shows them any more; only their room is won back. One that is renewed
 * meanwhile is looked at again when its row is locked, and stays. */
#include "user.h"

static const sut_pg_stmt s_mutes = {
    "user_cleanup_mutes",
    "DELETE FROM connections WHERE (user_id, other_id, kind) IN (SELECT user_id, other_id, kind FROM connections "
    "WHERE expires_at < now() AND kind = 'mute' ORDER BY expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED)",
    0};

sut_status user_cleanup(sut_request *rq, void *arg)
{
    (void)arg;
    return sut_pg_run(rq, &s_mutes, SUT_PG_NO_PARAMS, NULL);
}
