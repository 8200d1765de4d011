/* auth.login: an unknown address and a wrong password take the same time and read the same. */
#include "auth.h"
#include "auth_service.h"
#include "mail.h"

#include "kit/event.h"
#include "password.h"
#include "standing.h"

static const sut_pg_stmt s_rehash = {
    "auth_login_rehash", "UPDATE users SET password_hash = $2, updated_at = now() WHERE id = $1 AND password_hash = $3",
    3};

/* So that a user's events are numbered as they happened, and so that nothing that has changed since the password was
 * checked is passed over (another password, a suspension, a level): whoever changes it holds the row while all sessions
 * end. */
static const sut_pg_stmt s_lock = {"auth_login_lock",
                                   "SELECT " AUTH_STANDING_COLUMNS " FROM users u WHERE u.id = $1 AND "
                                   "u.password_version = $2 AND u.status = 'active' FOR NO KEY UPDATE",
                                   2};

typedef struct login {
    const auth_account *account;
    sut_str new_hash; /* absent: the old one is good */
    auth_grant grant;
} login;

static sut_status bad_credentials(sut_request *rq)
{
    return sut_fail(rq, AUTH_ERR_BAD_CREDENTIALS, "The address or the password is wrong.");
}

/* Who is let in again, whether the sweeper has seen it or not, and who comes back. The password was right, so this
 * tells its owner only. */
static sut_status enter(sut_request *rq, sut_pg_tx *tx, const auth_standing *s)
{
    if (auth_standing_barred(s))
        return auth_standing_refuse(rq, s);
    sut_status st = s->suspended ? auth_suspension_end(rq, tx, s, 0) : 0;
    return st != 0 || !s->deactivated ? st : auth_account_reactivate(rq, tx, s->user_id);
}

static sut_status open_session(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    login *l = arg;
    auth_standing standing;
    const sut_pg_result *r;
    sut_status st = sut_pg_exec(
        tx, &s_lock, SUT_PG_PARAMS(sut_pg_i64(l->account->id), sut_pg_i64(l->account->password_version)), &r);
    if (st == 0 && sut_pg_rows(r) == 0)
        st = bad_credentials(rq);
    if (st != 0)
        return st;
    standing = auth_standing_read(r, 0, 0);
    l->grant.level = standing.level;
    st = enter(rq, tx, &standing);
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

/* The password was right, so this tells its owner only. */
static sut_status unverified(sut_request *rq, const auth_account *account)
{
    auth_mail_asking asking = {.kind = AUTH_MAIL_VERIFY, .email = account->email};
    sut_status st = auth_mail_ask_alone(rq, &asking);
    return st != 0 ? st : sut_fail(rq, AUTH_ERR_EMAIL_UNVERIFIED, "The address must be confirmed first: see the mail.");
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
    if (st != 0)
        return auth_throttle_unlooked(rq, &attempt, st);
    st = auth_password_check(rq, in->password, account.password_hash, &matches);
    if (st == SUT_ERR_OVERLOADED)
        return auth_throttle_unlooked(rq, &attempt, st);
    if (st != 0)
        return st; /* time ran out, perhaps while it was looked at: the attempt counts */
    if (!matches)
        return bad_credentials(rq);
    auth_throttle_refund(rq, &attempt);
    if (account.status != AUTH_ACTIVE)
        return sut_fail_retry(rq, AUTH_ERR_ACCOUNT_PENDING, 5000, "The registration is not finished; try again soon.");
    if (auth_config.require_verified && !account.is_verified)
        return unverified(rq, &account);
    login l = {.account = &account, .grant = {.client = client, .user_id = account.id}};
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
