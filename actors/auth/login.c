/* auth.login: an unknown address and a wrong password take the same time and read the same. */
#include "auth.h"
#include "auth_service.h"

#include "kit/event.h"
#include "password.h"

static const sut_pg_stmt s_rehash = {
    "auth_login_rehash", "UPDATE users SET password_hash = $2, updated_at = now() WHERE id = $1 AND password_hash = $3",
    3};

/* So that a user's events are numbered as they happened. */
static const sut_pg_stmt s_lock = {"auth_login_lock", "SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE", 1};

typedef struct login {
    const auth_account *account;
    sut_str new_hash; /* absent: the old one is good */
    auth_grant grant;
} login;

static sut_status open_session(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    login *l = arg;
    sut_status st = sut_pg_queue(tx, &s_lock, SUT_PG_PARAMS(sut_pg_i64(l->account->id)));
    if (st == 0 && l->new_hash.ptr)
        st = sut_pg_queue(tx, &s_rehash,
                          SUT_PG_PARAMS(sut_pg_i64(l->account->id), sut_pg_text(l->new_hash),
                                        sut_pg_text(l->account->password_hash)));
    if (st == 0)
        st = auth_session_open(rq, tx, &l->grant);
    if (st != 0)
        return st;
    const auth_user_logged_in event = {.user_id = l->account->id, .session = sut_str_from(l->grant.session_id)};
    return sut_emit(rq, tx, &auth_user_logged_in_event, &event, NULL);
}

sut_status auth_login(sut_request *rq, const auth_login_in *in, auth_login_out *out)
{
    auth_account account;
    bool found, matches;
    char hash[AUTH_HASH_SIZE];
    auth_attempt attempt;
    const auth_client client = auth_client_of(rq, in->client_address, in->user_agent);
    sut_status st = auth_throttle_take(rq, in->email, client.network, &attempt);
    if (st != 0)
        return st;
    st = auth_account_by_email(rq, in->email, &account, &found);
    if (st == 0)
        st = auth_password_check(rq, in->password, account.password_hash, &matches);
    if (st != 0)
        return st; /* the attempt counts: whoever overloads us is not given guesses for it */
    if (!matches)
        return sut_fail(rq, AUTH_ERR_BAD_CREDENTIALS, "The address or the password is wrong.");
    auth_throttle_refund(rq, &attempt);
    if (account.status != AUTH_ACTIVE)
        return sut_fail_retry(rq, AUTH_ERR_ACCOUNT_PENDING, 5000, "The registration is not finished; try again soon.");
    login l = {.account = &account, .grant = {.client = client, .user_id = account.id, .level = account.level}};
    if (auth_password_outdated(account.password_hash)) {
        if ((st = auth_password_hash(rq, in->password, hash)) != 0)
            return st;
        l.new_hash = sut_str_from(hash);
    }
    if ((st = sut_pg_tx_run(rq, open_session, &l)) != 0)
        return st;
    auth_session_answer(rq, &l.grant, auth_present_name(rq, account.id, account.username), account.email, out);
    return 0;
}
