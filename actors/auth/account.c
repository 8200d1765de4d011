/* Rows of users. */
#include "auth.h"
#include "mail.h"

#include "kit/event.h"

static const sut_pg_stmt s_by_email = {"auth_account_by_email",
                                       "SELECT id, email, password_hash, username, display_name, status, level, "
                                       "is_verified, password_version FROM users WHERE email = $1",
                                       1};

static const sut_pg_stmt s_insert = {
    "auth_account_insert",
    "INSERT INTO users (email, password_hash, username, display_name) VALUES ($1, $2, $3, $4) "
    "ON CONFLICT (email) DO NOTHING RETURNING id",
    4};

static auth_status status_of(sut_str name)
{
    if (sut_str_is(name, "active"))
        return AUTH_ACTIVE;
    return sut_str_is(name, "pending") ? AUTH_PENDING : AUTH_UNDOING;
}

sut_status auth_account_by_email(sut_request *rq, sut_str email, auth_account *out, bool *found)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_read(rq, &s_by_email, SUT_PG_PARAMS(sut_pg_text(email)), &r);
    if (st != 0)
        return st;
    *found = sut_pg_rows(r) == 1;
    *out = (auth_account){0};
    if (!*found)
        return 0;
    *out = (auth_account){
        .id = sut_pg_get_i64(r, 0, 0),
        .email = sut_pg_get_text(r, 0, 1),
        .password_hash = sut_pg_get_text(r, 0, 2),
        .username = sut_pg_get_text(r, 0, 3),
        .display_name = sut_pg_get_text(r, 0, 4),
        .status = status_of(sut_pg_get_text(r, 0, 5)),
        .level = sut_pg_get_i32(r, 0, 6),
        .is_verified = sut_pg_get_bool(r, 0, 7),
        .password_version = sut_pg_get_i64(r, 0, 8),
    };
    return 0;
}

sut_status auth_account_insert(sut_request *rq, auth_account *account, bool *taken)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_run(rq, &s_insert,
                               SUT_PG_PARAMS(sut_pg_text(account->email), sut_pg_text(account->password_hash),
                                             sut_pg_text(account->username), sut_pg_text(account->display_name)),
                               &r);
    if (st != 0)
        return st;
    *taken = sut_pg_rows(r) == 0;
    if (!*taken)
        account->id = sut_pg_get_i64(r, 0, 0);
    return 0;
}

/* The row is locked first, so that of several that activate one account a single one sees it pending. One that became
 * active meanwhile may have been suspended since: this must not be another way in. */
static const sut_pg_stmt s_activate = {
    "auth_account_activate",
    "UPDATE users u SET status = 'active', username = $2, updated_at = now() FROM (SELECT id, status FROM users WHERE "
    "id = $1 AND status <> 'undoing' AND suspended_at IS NULL AND deactivated_at IS NULL FOR UPDATE) old WHERE u.id = "
    "old.id RETURNING u.level, old.status = 'pending', "
    "u.email",
    2};

sut_status auth_account_activate(sut_request *rq, sut_pg_tx *tx, auth_account *account, bool *active)
{
    const sut_pg_result *r;
    sut_status st =
        sut_pg_exec(tx, &s_activate, SUT_PG_PARAMS(sut_pg_i64(account->id), sut_pg_text(account->username)), &r);
    if (st != 0)
        return st;
    *active = sut_pg_rows(r) == 1;
    if (!*active)
        return 0;
    account->status = AUTH_ACTIVE;
    account->level = sut_pg_get_i32(r, 0, 0);
    if (!sut_pg_get_bool(r, 0, 1))
        return 0;
    auth_user_registered event = {.user_id = account->id, .username = account->username};
    if (account->display_name.ptr) {
        event.display_name = account->display_name;
        event.has_display_name = SUT_PRESENT;
    }
    sut_str email = sut_pg_get_text(r, 0, 2);
    st = sut_emit(rq, tx, &auth_user_registered_event, &event, NULL);
    return st != 0 ? st : auth_mail_ask(rq, tx, AUTH_MAIL_VERIFY, email, NULL);
}
