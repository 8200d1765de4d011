/* Registration across auth and user, step by step:
 *
 *   1. auth commits the account as pending (register.c);
 *   2. user.profile_create(user_id, username …), idempotent by user_id;
 *   3. auth activates the account.
 *
 * A crash after 1 or 2 leaves a pending account, which the sweeper takes through 2 and 3. If the name turns out to be
 * taken, the account is marked as being undone, so that nobody activates it any more (another request may have resumed
 * it under another name); then user.profile_undo leaves a tombstone, so that a create which is still on its way
 * somewhere is refused; and only then is the account removed. At no time is a name held by nobody, or an account active
 * without profile. */
#include "auth.h"

#include "base/log.h"
#include "kit/call.h"
#include "user_schema.h"

#include <inttypes.h>

static const sut_pg_stmt s_give_up = {
    "auth_account_give_up",
    "UPDATE users SET status = 'undoing', updated_at = now() WHERE id = $1 AND status <> 'active'", 1};

static const sut_pg_stmt s_remove = {"auth_account_remove", "DELETE FROM users WHERE id = $1 AND status = 'undoing'",
                                     1};

/* Rows that another instance is at work on are passed over, until its claim has run out. */
static const sut_pg_stmt s_claim = {
    "auth_saga_claim",
    "UPDATE users SET claimed_until = now() + interval '10 seconds' WHERE id IN "
    "(SELECT id FROM users WHERE status <> 'active' AND created_at < now() - interval '5 seconds' "
    "AND (claimed_until IS NULL OR claimed_until < now()) ORDER BY created_at LIMIT 50 FOR UPDATE SKIP LOCKED) "
    "RETURNING id, username, display_name, status = 'undoing'",
    0};

static sut_kit_call_options service_call(void)
{
    return (sut_kit_call_options){.without_principal = true};
}

sut_status auth_saga_undo(sut_request *rq, int64_t user_id)
{
    sut_kit_call_options opt = service_call();
    user_profile_undo_in in = {.user_id = user_id};
    user_profile_undo_out out;
    const sut_pg_result *r;
    sut_status st = sut_pg_run(rq, &s_give_up, SUT_PG_PARAMS(sut_pg_i64(user_id)), &r);
    if (st != 0 || sut_pg_affected(r) == 0)
        return st; /* it became active, or somebody else has undone it */
    st = sut_kit_call(rq, &user_profile_undo_method, &in, &out, &opt);
    return st != 0 ? st : sut_pg_run(rq, &s_remove, SUT_PG_PARAMS(sut_pg_i64(user_id)), NULL);
}

sut_status auth_saga_profile(sut_request *rq, auth_account *account, auth_saga_end *end)
{
    sut_kit_call_options opt = service_call();
    user_profile_create_in in = {.user_id = account->id, .username = account->username};
    user_profile_create_out out;
    if (account->display_name.ptr) {
        in.has_display_name = SUT_PRESENT;
        in.display_name = account->display_name;
    }
    *end = AUTH_SAGA_DONE;
    sut_status st = sut_kit_call(rq, &user_profile_create_method, &in, &out, &opt);
    if (st == 0) {
        account->username = out.username;
        return 0;
    }
    if (st != SUT_KIT_REMOTE)
        return st;
    if (sut_kit_remote_is(rq, "username_taken"))
        *end = AUTH_SAGA_NAME_TAKEN;
    else if (sut_kit_remote_is(rq, "registration_undone"))
        *end = AUTH_SAGA_UNDONE;
    else
        return sut_fail_internal(rq, "user.profile_create answered %.*s", SUT_STR_FMT(sut_kit_remote_code(rq)));
    sut_request_clear_error(rq);
    return auth_saga_undo(rq, account->id);
}

static sut_status activate(sut_request *rq, sut_pg_tx *tx, void *account)
{
    bool active;
    return auth_account_activate(rq, tx, account, &active);
}

static sut_status finish(sut_request *rq, auth_account *account)
{
    auth_saga_end end = AUTH_SAGA_UNDONE;
    sut_status st =
        account->status == AUTH_UNDOING ? auth_saga_undo(rq, account->id) : auth_saga_profile(rq, account, &end);
    if (st == 0 && end == AUTH_SAGA_DONE)
        st = sut_pg_tx_run(rq, activate, account);
    if (st == 0)
        sut_log(SUT_INFO, "auth", end == AUTH_SAGA_DONE ? "registration.finished" : "registration.undone",
                SUT_KV_I("user_id", account->id));
    return st;
}

sut_status auth_saga_sweep(sut_request *rq, void *arg)
{
    (void)arg;
    const sut_pg_result *r;
    sut_status st = sut_pg_run(rq, &s_claim, SUT_PG_NO_PARAMS, &r), first = 0;
    if (st != 0)
        return st;
    for (int i = 0; i < sut_pg_rows(r); i++) {
        auth_account account = {.id = sut_pg_get_i64(r, i, 0),
                                .username = sut_pg_get_text(r, i, 1),
                                .display_name = sut_pg_get_text(r, i, 2),
                                .status = sut_pg_get_bool(r, i, 3) ? AUTH_UNDOING : AUTH_PENDING};
        st = finish(rq, &account);
        if (st != 0 && first == 0)
            first = st;
        if (st != 0)
            sut_request_clear_error(rq);
    }
    return first;
}
