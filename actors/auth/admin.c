/* auth.admin_grant, auth.admin_revoke and auth.admin_list: who is an administrator. Only the machine says (`sut
 * admin`), so there is no last one to protect, and no way up from within. A change ends all sessions of the account:
 * tokens tell the level, and one that was stolen from a user must not become an administrator's. */
#include "admin.h"

#include "auth_service.h"

#include "base/log.h"
#include "kit/event.h"

static const sut_pg_stmt s_note = {
    "auth_act_note", "INSERT INTO admin_acts (act, by_id, user_id, reason, until) VALUES ($1, $2, $3, $4, $5)", 5};

sut_status auth_act_note(sut_pg_tx *tx, const auth_act *a)
{
    return sut_pg_queue(tx, &s_note,
                        SUT_PG_PARAMS(sut_pg_text(sut_str_from(a->act)),
                                      a->by ? sut_pg_i64(a->by) : sut_pg_null(SUT_PG_I64), sut_pg_i64(a->user_id),
                                      sut_pg_text(a->reason),
                                      a->until_us ? sut_pg_timestamptz(a->until_us) : sut_pg_null(SUT_PG_TIMESTAMPTZ)));
}

/* ---- grant, revoke ---- */

static const sut_pg_stmt s_lock = {
    "auth_admin_lock", "SELECT " AUTH_STANDING_COLUMNS " FROM users u WHERE u.email = $1 FOR NO KEY UPDATE", 1};

static const sut_pg_stmt s_level = {"auth_admin_level", "UPDATE users SET level = $2, updated_at = now() WHERE id = $1",
                                    2};

typedef struct leveling {
    sut_str email;
    int32_t level;
    int64_t user_id;
    bool changed;
} leveling;

static sut_status judge(sut_request *rq, const sut_pg_result *r, const leveling *l)
{
    if (sut_pg_rows(r) == 0)
        return sut_fail(rq, SUT_ERR_NOT_FOUND, "There is no account with this address.");
    const auth_standing s = auth_standing_read(r, 0, 0);
    if (!s.registered)
        return sut_fail(rq, AUTH_ERR_ACCOUNT_PENDING, "The registration of this account is not finished.");
    if (l->level == SUT_LEVEL_ADMIN && auth_standing_barred(&s))
        return auth_standing_refuse(rq, &s);
    return 0;
}

static sut_status tell(sut_request *rq, sut_pg_tx *tx, const leveling *l)
{
    const auth_act act = {.act = l->level == SUT_LEVEL_ADMIN ? "grant" : "revoke", .user_id = l->user_id};
    const auth_admin_granted granted = {.user_id = l->user_id};
    const auth_admin_revoked revoked = {.user_id = l->user_id};
    sut_status st = auth_act_note(tx, &act);
    if (st != 0)
        return st;
    return l->level == SUT_LEVEL_ADMIN ? sut_emit(rq, tx, &auth_admin_granted_event, &granted, NULL)
                                       : sut_emit(rq, tx, &auth_admin_revoked_event, &revoked, NULL);
}

static sut_status run(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    leveling *l = arg;
    const sut_pg_result *r;
    l->changed = false;
    sut_status st = sut_pg_exec(tx, &s_lock, SUT_PG_PARAMS(sut_pg_text(l->email)), &r);
    if (st != 0 || (st = judge(rq, r, l)) != 0)
        return st;
    l->user_id = sut_pg_get_i64(r, 0, 0);
    l->changed = sut_pg_get_i32(r, 0, 1) != l->level;
    if (!l->changed)
        return 0;
    st = sut_pg_queue(tx, &s_level, SUT_PG_PARAMS(sut_pg_i64(l->user_id), sut_pg_i32(l->level)));
    if (st == 0)
        st = tell(rq, tx, l);
    return st != 0 ? st : auth_session_revoke(rq, tx, l->user_id, SUT_STR_NONE);
}

/* Peers set a principal when they carry a user's wish, and no user may wish for this. */
static sut_status set_level(sut_request *rq, leveling *l)
{
    if (sut_request_user_id(rq) != 0)
        return sut_fail(rq, SUT_ERR_FORBIDDEN, "Administrators are made on the machine only.");
    sut_status st = sut_pg_tx_run(rq, run, l);
    if (st != 0 || !l->changed)
        return st;
    sut_log(SUT_WARN, "auth", "level.changed", SUT_KV_I("user_id", l->user_id), SUT_KV_I("level", l->level));
    auth_mirror_drop(rq, l->user_id, SUT_STR_NONE);
    return 0;
}

sut_status auth_admin_grant(sut_request *rq, const auth_admin_grant_in *in, auth_admin_grant_out *out)
{
    leveling l = {.email = in->email, .level = SUT_LEVEL_ADMIN};
    sut_status st = set_level(rq, &l);
    *out = (auth_admin_grant_out){.user_id = l.user_id, .changed = l.changed};
    return st;
}

sut_status auth_admin_revoke(sut_request *rq, const auth_admin_revoke_in *in, auth_admin_revoke_out *out)
{
    leveling l = {.email = in->email, .level = SUT_LEVEL_USER};
    sut_status st = set_level(rq, &l);
    *out = (auth_admin_revoke_out){.user_id = l.user_id, .changed = l.changed};
    return st;
}

/* ---- list ---- */

static const sut_pg_stmt s_list = {"auth_admin_list",
                                   "SELECT " AUTH_MANAGED_COLUMNS " FROM users u WHERE u.level = 3 AND u.id > $1 "
                                   "ORDER BY u.id LIMIT $2",
                                   2};

sut_status auth_admin_list(sut_request *rq, const auth_admin_list_in *in, auth_admin_list_out *out)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_read(rq, &s_list, SUT_PG_PARAMS(sut_pg_i64(in->after), sut_pg_i64(in->limit + 1)), &r);
    if (st != 0)
        return st;
    int rows = sut_pg_rows(r);
    out->more = rows > in->limit;
    return auth_managed_list(rq, r, (size_t)(out->more ? in->limit : rows), &out->items);
}
