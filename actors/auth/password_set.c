/* auth.forgot_password, auth.reset_password and auth.change_password. */
#include "auth_service.h"
#include "mail.h"
#include "password.h"

/* The row for an address without account is made like any other and its mail dropped by the consumer: the answer takes
 * the same statements either way. */
sut_status auth_forgot_password(sut_request *rq, const auth_forgot_password_in *in, auth_forgot_password_out *out)
{
    out->accepted = true;
    auth_mail_asking asking = {.kind = AUTH_MAIL_RESET, .email = in->email};
    return auth_mail_ask_alone(rq, &asking);
}

/* ---- a new password ---- */

static const sut_pg_stmt s_set = {"auth_password_set",
                                  "UPDATE users SET password_hash = $2, password_version = password_version + 1, "
                                  "is_verified = is_verified OR $3, updated_at = now() WHERE id = $1",
                                  3};

/* The account's row is locked. `mailbox`: whoever sets it has shown that the mailbox is theirs. */
static sut_status set_password(sut_request *rq, sut_pg_tx *tx, int64_t user_id, sut_str email, const char *hash,
                               bool mailbox)
{
    sut_status st = sut_pg_queue(
        tx, &s_set, SUT_PG_PARAMS(sut_pg_i64(user_id), sut_pg_text(sut_str_from(hash)), sut_pg_bool(mailbox)));
    if (st == 0)
        st = auth_link_void(tx, AUTH_MAIL_RESET, email);
    return st != 0 ? st : auth_mail_ask(rq, tx, AUTH_MAIL_CHANGED, email, NULL);
}

/* ---- by mail ---- */

typedef struct resetting {
    auth_link link;
    char hash[AUTH_HASH_SIZE];
    int64_t user_id;
} resetting;

static sut_status reset(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    resetting *x = arg;
    sut_str email;
    sut_status st = auth_link_use(rq, tx, &x->link, &x->user_id, &email);
    if (st == 0)
        st = set_password(rq, tx, x->user_id, email, x->hash, true);
    return st != 0 ? st : auth_session_revoke(rq, tx, x->user_id, SUT_STR_NONE);
}

sut_status auth_reset_password(sut_request *rq, const auth_reset_password_in *in, auth_reset_password_out *out)
{
    resetting x = {.user_id = 0};
    (void)out;
    sut_status st = auth_password_judge(rq, "/new_password", in->new_password, NULL, 0);
    if (st == 0)
        st = auth_link_read(rq, AUTH_MAIL_RESET, in->token, &x.link);
    if (st == 0)
        st = auth_link_look(rq, &x.link); /* no hashing for whoever has none */
    if (st == 0)
        st = auth_password_hash(rq, in->new_password, x.hash);
    if (st == 0)
        st = sut_pg_tx_run(rq, reset, &x);
    if (st == 0)
        auth_mirror_drop(rq, x.user_id, SUT_STR_NONE);
    return st;
}

/* ---- by the old one ---- */

static const sut_pg_stmt s_mine = {
    "auth_change_mine", "SELECT email, password_hash, password_version FROM users WHERE id = $1 AND status = 'active'",
    1};

static const sut_pg_stmt s_lock = {"auth_change_lock",
                                   "SELECT 1 FROM users WHERE id = $1 AND password_version = $2 FOR NO KEY UPDATE", 2};

typedef struct changing {
    auth_owner owner;
    sut_str session; /* the one that stays; absent: none */
    char hash[AUTH_HASH_SIZE];
} changing;

sut_status auth_owner_refuse(sut_request *rq, const char *pointer)
{
    return sut_fail_field_as(rq, AUTH_ERR_WRONG_PASSWORD, pointer, "wrong", "This is not the present password.");
}

static sut_status change(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    changing *x = arg;
    const auth_owner *owner = &x->owner;
    const sut_pg_result *r;
    sut_status st =
        sut_pg_exec(tx, &s_lock, SUT_PG_PARAMS(sut_pg_i64(owner->user_id), sut_pg_i64(owner->password_version)), &r);
    if (st != 0)
        return st;
    if (sut_pg_rows(r) == 0)
        return auth_owner_refuse(rq, "/old_password"); /* changed meanwhile */
    st = set_password(rq, tx, owner->user_id, owner->email, x->hash, false);
    if (st != 0)
        return st;
    return x->session.ptr ? auth_session_revoke_others(rq, tx, owner->user_id, x->session)
                          : auth_session_revoke(rq, tx, owner->user_id, SUT_STR_NONE);
}

sut_status auth_owner_confirm(sut_request *rq, const char *pointer, sut_str password, auth_owner *owner)
{
    const sut_pg_result *r;
    bool matches = false;
    sut_status st = sut_pg_read(rq, &s_mine, SUT_PG_PARAMS(sut_pg_i64(owner->user_id)), &r);
    if (st != 0)
        return st;
    bool found = sut_pg_rows(r) == 1;
    if (found) {
        owner->email = sut_pg_get_text(r, 0, 0);
        owner->password_version = sut_pg_get_i64(r, 0, 2);
    }
    st = auth_password_check(rq, password, found ? sut_pg_get_text(r, 0, 1) : SUT_STR_NONE, &matches);
    return st != 0 || matches ? st : auth_owner_refuse(rq, pointer);
}

sut_status auth_change_password(sut_request *rq, const auth_change_password_in *in, auth_change_password_out *out)
{
    const sut_principal *who = sut_request_principal(rq);
    changing x = {.owner = {.user_id = who->user_id}, .session = who->session};
    (void)out;
    sut_status st = auth_owner_confirm(rq, "/old_password", in->old_password, &x.owner);
    if (st == 0)
        st = auth_password_judge(rq, "/new_password", in->new_password, &x.owner.email, 1);
    if (st == 0)
        st = auth_password_hash(rq, in->new_password, x.hash);
    return st != 0 ? st : sut_pg_tx_run(rq, change, &x);
}
