/* auth.admin_suspend and auth.admin_unsuspend, and the end of suspensions by time. */
#include "admin.h"

#include "auth_service.h"

#include "base/clock.h"
#include "base/log.h"
#include "kit/event.h"

/* Both at once, in the order of their ids, so that two administrators who act on each other do not wait for each other
 * in a circle. `by` is locked, too: who loses the level at this moment has either acted before, or acts no more. */
static const sut_pg_stmt s_lock = {
    "auth_suspension_lock",
    "SELECT " AUTH_STANDING_COLUMNS " FROM users u WHERE u.id IN ($1, $2) ORDER BY u.id FOR NO KEY UPDATE", 2};

static const sut_pg_stmt s_suspend = {
    "auth_suspension_set",
    "UPDATE users SET suspended_at = CASE WHEN $4 THEN suspended_at ELSE now() END, suspended_until = $2, "
    "suspension_reason = $3, account_version = account_version + 1, updated_at = now() WHERE id = $1 "
    "RETURNING account_version",
    4};

static const sut_pg_stmt s_end = {
    "auth_suspension_end",
    "UPDATE users SET suspended_at = NULL, suspended_until = NULL, suspension_reason = NULL, "
    "account_version = account_version + 1, updated_at = now() WHERE id = $1 RETURNING account_version",
    1};

static const sut_pg_stmt s_view = {"auth_suspension_view",
                                   "SELECT " AUTH_MANAGED_COLUMNS " FROM users u WHERE u.id = $1", 1};

typedef struct suspending {
    int64_t by, user_id;
    sut_str reason;
    int64_t until_us; /* 0: until it is lifted */
    bool changed;
    auth_managed_account *out;
} suspending;

/* Fills what the two are; `of` is all zero if there is no such account. */
static sut_status lock(sut_request *rq, sut_pg_tx *tx, const suspending *a, auth_standing *of)
{
    const sut_pg_result *r;
    auth_standing by = {0};
    *of = (auth_standing){0};
    sut_status st = sut_pg_exec(tx, &s_lock, SUT_PG_PARAMS(sut_pg_i64(a->by), sut_pg_i64(a->user_id)), &r);
    if (st != 0)
        return st;
    for (int i = 0; i < sut_pg_rows(r); i++) {
        const auth_standing s = auth_standing_read(r, i, 0);
        if (s.user_id == a->by)
            by = s;
        if (s.user_id == a->user_id)
            *of = s;
    }
    if (by.level != SUT_LEVEL_ADMIN || !by.registered || auth_standing_barred(&by))
        return sut_fail(rq, SUT_ERR_FORBIDDEN, "You are no administrator any more.");
    return of->user_id ? 0 : sut_fail(rq, SUT_ERR_NOT_FOUND, "There is no such account.");
}

static sut_status view(sut_pg_tx *tx, const suspending *a)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_exec(tx, &s_view, SUT_PG_PARAMS(sut_pg_i64(a->user_id)), &r);
    if (st == 0)
        *a->out = auth_managed_read(r, 0);
    return st;
}

/* ---- suspending ---- */

static sut_status judge(sut_request *rq, const suspending *a, const auth_standing *of)
{
    if (a->by == a->user_id)
        return sut_fail(rq, AUTH_ERR_SELF_SUSPENSION, "This is your own account.");
    if (of->level == SUT_LEVEL_ADMIN)
        return sut_fail(rq, AUTH_ERR_ACCOUNT_IS_ADMIN, "This is an administrator's account.");
    return of->registered ? 0
                          : sut_fail(rq, AUTH_ERR_ACCOUNT_PENDING, "The registration of this account is not finished.");
}

static sut_status set(sut_request *rq, sut_pg_tx *tx, const suspending *a, bool again)
{
    const sut_pg_result *r;
    sut_pg_param until = a->until_us ? sut_pg_timestamptz(a->until_us) : sut_pg_null(SUT_PG_TIMESTAMPTZ);
    sut_status st = sut_pg_exec(
        tx, &s_suspend, SUT_PG_PARAMS(sut_pg_i64(a->user_id), until, sut_pg_text(a->reason), sut_pg_bool(again)), &r);
    if (st != 0)
        return st;
    const auth_act act = {
        .act = "suspend", .by = a->by, .user_id = a->user_id, .reason = a->reason, .until_us = a->until_us};
    const auth_user_suspended event = {.user_id = a->user_id,
                                       .by = a->by,
                                       .has_by = SUT_PRESENT,
                                       .reason = a->reason,
                                       .until = a->until_us,
                                       .has_until = a->until_us ? SUT_PRESENT : SUT_ABSENT,
                                       .hidden = true,
                                       .version = sut_pg_get_i64(r, 0, 0)};
    st = auth_act_note(tx, &act);
    return st != 0 ? st : sut_emit(rq, tx, &auth_user_suspended_event, &event, NULL);
}

/* What is so already is no act. Sessions end last, by the lock that revocation takes; a login that is under way waits
 * for the account's row, and then sees it. */
static sut_status suspend(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    suspending *a = arg;
    auth_standing of;
    a->changed = false;
    sut_status st = lock(rq, tx, a, &of);
    if (st == 0)
        st = judge(rq, a, &of);
    if (st != 0)
        return st;
    bool again = auth_standing_barred(&of);
    a->changed = !again || of.until_us != a->until_us || !sut_str_eq(of.reason, a->reason);
    if (a->changed)
        st = set(rq, tx, a, again);
    if (st == 0)
        st = view(tx, a);
    return st != 0 || !a->changed ? st : auth_session_revoke(rq, tx, a->user_id, SUT_STR_NONE);
}

sut_status auth_admin_suspend(sut_request *rq, const auth_admin_suspend_in *in, auth_admin_suspend_out *out)
{
    suspending a = {.by = sut_request_user_id(rq), .user_id = in->user_id, .reason = in->reason, .out = out};
    if (in->has_until == SUT_PRESENT) {
        if (in->until <= sut_wall_us())
            return sut_fail_field(rq, "/until", "past", "This time has passed already.");
        a.until_us = in->until;
    }
    sut_status st = sut_pg_tx_run(rq, suspend, &a);
    if (st == 0 && a.changed)
        auth_mirror_drop(rq, a.user_id, SUT_STR_NONE);
    return st;
}

/* ---- its end ---- */

sut_status auth_suspension_end(sut_request *rq, sut_pg_tx *tx, const auth_standing *s, int64_t by)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_exec(tx, &s_end, SUT_PG_PARAMS(sut_pg_i64(s->user_id)), &r);
    if (st != 0)
        return st;
    const auth_user_unsuspended event = {.user_id = s->user_id,
                                         .by = by,
                                         .has_by = by ? SUT_PRESENT : SUT_ABSENT,
                                         .hidden = s->deactivated,
                                         .version = sut_pg_get_i64(r, 0, 0)};
    return sut_emit(rq, tx, &auth_user_unsuspended_event, &event, NULL);
}

static sut_status lift(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    suspending *a = arg;
    auth_standing of;
    sut_status st = lock(rq, tx, a, &of);
    if (st != 0)
        return st;
    if (of.suspended) {
        const auth_act act = {.act = "unsuspend", .by = a->by, .user_id = a->user_id};
        st = auth_suspension_end(rq, tx, &of, of.ran_out ? 0 : a->by);
        if (st == 0 && !of.ran_out)
            st = auth_act_note(tx, &act);
    }
    return st != 0 ? st : view(tx, a);
}

sut_status auth_admin_unsuspend(sut_request *rq, const auth_admin_unsuspend_in *in, auth_admin_unsuspend_out *out)
{
    suspending a = {.by = sut_request_user_id(rq), .user_id = in->user_id, .out = out};
    return sut_pg_tx_run(rq, lift, &a);
}

/* ---- by time ---- */

/* One account a transaction: each publishes, and none holds rows while it waits for another. A row that somebody is at
 * work on is theirs. */
static const sut_pg_stmt s_over = {"auth_suspension_over",
                                   "SELECT " AUTH_STANDING_COLUMNS " FROM users u WHERE u.suspended_until <= now() "
                                   "ORDER BY u.suspended_until LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED",
                                   0};

#define SWEPT_MAX 200 /* a run */

static sut_status end_next(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    int64_t *user_id = arg;
    const sut_pg_result *r;
    *user_id = 0;
    sut_status st = sut_pg_exec(tx, &s_over, SUT_PG_NO_PARAMS, &r);
    if (st != 0 || sut_pg_rows(r) == 0)
        return st;
    const auth_standing s = auth_standing_read(r, 0, 0);
    *user_id = s.user_id;
    return auth_suspension_end(rq, tx, &s, 0);
}

sut_status auth_suspension_sweep(sut_request *rq, void *arg)
{
    (void)arg;
    for (int i = 0; i < SWEPT_MAX; i++) {
        int64_t user_id = 0;
        sut_status st = sut_pg_tx_run(rq, end_next, &user_id);
        if (st != 0 || user_id == 0)
            return st;
        sut_log(SUT_INFO, "auth", "suspension.ended", SUT_KV_I("user_id", user_id));
    }
    return 0;
}
