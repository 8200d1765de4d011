/* user_profiles.hidden: whoever is suspended or has deactivated the account is absent for others, and comes back with
 * all relations. auth knows; its events tell the state that followed and a version, so of two the newer one holds,
 * whatever the order in which they come and however often. */
#include "user.h"
#include "user_service.h"

#include "auth_schema.h"

static const sut_pg_stmt s_hide = {
    "user_account_hide",
    "UPDATE user_profiles SET hidden = $2, hidden_version = $3 WHERE user_id = $1 AND hidden_version < $3", 3};

static const sut_pg_stmt s_known = {"user_account_known",
                                    "SELECT EXISTS (SELECT 1 FROM user_profiles WHERE user_id = $1) OR "
                                    "EXISTS (SELECT 1 FROM profile_tombstones WHERE user_id = $1)",
                                    1};

typedef struct hiding {
    int64_t user_id, version;
    bool hidden;
} hiding;

/* A profile that is not there yet (history is told again to a new database, and user.registered is a group of its own)
 * must not miss this. */
static sut_status hide(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    const hiding *h = arg;
    const sut_pg_result *r;
    sut_status st = sut_pg_queue(tx, &s_hide,
                                 SUT_PG_PARAMS(sut_pg_i64(h->user_id), sut_pg_bool(h->hidden), sut_pg_i64(h->version)));
    if (st == 0)
        st = sut_pg_exec(tx, &s_known, SUT_PG_PARAMS(sut_pg_i64(h->user_id)), &r);
    if (st != 0 || sut_pg_get_bool(r, 0, 0))
        return st;
    return sut_fail(rq, SUT_ERR_UNAVAILABLE, "This user has no profile yet.");
}

/* All four tell the same. */
#define ON(name)                                                                                                       \
    sut_status user_on_##name(sut_request *rq, const auth_user_##name *event)                                          \
    {                                                                                                                  \
        hiding h = {event->user_id, event->version, event->hidden};                                                    \
        return sut_pg_tx_run(rq, hide, &h);                                                                            \
    }

ON(suspended)
ON(unsuspended)
ON(deactivated)
ON(reactivated)
