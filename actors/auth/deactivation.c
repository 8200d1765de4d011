/* auth.deactivate, and coming back. */
#include "standing.h"

#include "auth_service.h"

#include "kit/event.h"

/* A password that was changed since it was checked deactivates nothing. */
static const sut_pg_stmt s_lock = {"auth_deactivation_lock",
                                   "SELECT " AUTH_STANDING_COLUMNS " FROM users u WHERE u.id = $1 AND "
                                   "u.password_version = $2 AND u.status = 'active' FOR NO KEY UPDATE",
                                   2};

static const sut_pg_stmt s_deactivate = {"auth_deactivation_set",
                                         "UPDATE users SET deactivated_at = now(), "
                                         "account_version = account_version + 1, updated_at = now() WHERE id = $1 "
                                         "RETURNING account_version",
                                         1};

static const sut_pg_stmt s_reactivate = {"auth_deactivation_end",
                                         "UPDATE users SET deactivated_at = NULL, "
                                         "account_version = account_version + 1, updated_at = now() WHERE id = $1 "
                                         "RETURNING account_version",
                                         1};

static sut_status go(sut_request *rq, sut_pg_tx *tx, int64_t user_id)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_exec(tx, &s_deactivate, SUT_PG_PARAMS(sut_pg_i64(user_id)), &r);
    if (st != 0)
        return st;
    const auth_user_deactivated event = {.user_id = user_id, .hidden = true, .version = sut_pg_get_i64(r, 0, 0)};
    return sut_emit(rq, tx, &auth_user_deactivated_event, &event, NULL);
}

static sut_status deactivate(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    const auth_owner *owner = arg;
    const sut_pg_result *r;
    sut_status st =
        sut_pg_exec(tx, &s_lock, SUT_PG_PARAMS(sut_pg_i64(owner->user_id), sut_pg_i64(owner->password_version)), &r);
    if (st != 0)
        return st;
    if (sut_pg_rows(r) == 0)
        return auth_owner_refuse(rq, "/password");
    if (!auth_standing_read(r, 0, 0).deactivated)
        st = go(rq, tx, owner->user_id);
    return st != 0 ? st : auth_session_revoke(rq, tx, owner->user_id, SUT_STR_NONE);
}

sut_status auth_deactivate(sut_request *rq, const auth_deactivate_in *in, auth_deactivate_out *out)
{
    auth_owner owner = {.user_id = sut_request_user_id(rq)};
    (void)out;
    sut_status st = auth_owner_confirm(rq, "/password", in->password, &owner);
    if (st == 0)
        st = sut_pg_tx_run(rq, deactivate, &owner);
    if (st == 0)
        auth_mirror_drop(rq, owner.user_id, SUT_STR_NONE);
    return st;
}

sut_status auth_account_reactivate(sut_request *rq, sut_pg_tx *tx, int64_t user_id)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_exec(tx, &s_reactivate, SUT_PG_PARAMS(sut_pg_i64(user_id)), &r);
    if (st != 0)
        return st;
    const auth_user_reactivated event = {.user_id = user_id, .hidden = false, .version = sut_pg_get_i64(r, 0, 0)};
    return sut_emit(rq, tx, &auth_user_reactivated_event, &event, NULL);
}
