/* auth.register. Costs one bcrypt hash, three round trips to auth_db and one call to the user actor. */
#include "auth.h"
#include "auth_service.h"

#include "password.h"

/* Activation and the first session are one transaction: whoever gets tokens has an active account. */
typedef struct activation {
    auth_account *account;
    auth_client client;
    auth_grant grant;
    bool gone;
} activation;

static sut_status activate(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    activation *a = arg;
    bool active = false;
    sut_status st = auth_account_activate(rq, tx, a->account, &active);
    if (st != 0)
        return st;
    a->gone = !active;
    if (a->gone)
        return 0;
    a->grant = (auth_grant){.client = a->client, .user_id = a->account->id, .level = a->account->level};
    return auth_session_open(rq, tx, &a->grant);
}

static sut_status email_taken(sut_request *rq)
{
    return sut_fail_field_as(rq, AUTH_ERR_EMAIL_TAKEN, "/email", "taken", "This address has an account already.");
}

static sut_status try_again(sut_request *rq)
{
    return sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, 1000, "The registration was interrupted; try again.");
}

/* A new pending account. `*raced`: another request has made one for this address meanwhile. */
static sut_status new_account(sut_request *rq, const auth_register_in *in, auth_account *account, bool *raced)
{
    char hash[AUTH_HASH_SIZE];
    sut_status st = auth_password_hash(rq, in->password, hash);
    if (st != 0)
        return st;
    *account = (auth_account){.email = in->email,
                              .password_hash = sut_str_from(hash),
                              .username = in->username,
                              .display_name = in->display_name};
    st = auth_account_insert(rq, account, raced);
    account->password_hash = SUT_STR_NONE; /* it was in this frame */
    return st;
}

/* The pending account of an earlier try, if the password is the same. */
static sut_status resume(sut_request *rq, const auth_register_in *in, auth_account *account)
{
    bool same = false;
    sut_status st = 0;
    if (account->status != AUTH_ACTIVE)
        st = auth_password_check(rq, in->password, account->password_hash, &same);
    if (st != 0)
        return st;
    if (!same)
        return email_taken(rq);
    if (account->status == AUTH_UNDOING) {
        st = auth_saga_undo(rq, account->id);
        return st != 0 ? st : try_again(rq);
    }
    account->username = in->username;
    account->display_name = in->display_name;
    return 0;
}

static sut_status pending_account(sut_request *rq, const auth_register_in *in, auth_account *account)
{
    bool found, raced = false;
    sut_status st = auth_account_by_email(rq, in->email, account, &found);
    if (st == 0 && !found) {
        st = new_account(rq, in, account, &raced);
        if (st != 0 || !raced)
            return st;
        st = auth_account_by_email(rq, in->email, account, &found);
    }
    if (st != 0)
        return st;
    return found ? resume(rq, in, account) : try_again(rq);
}

sut_status auth_register(sut_request *rq, const auth_register_in *in, auth_register_out *out)
{
    auth_account account;
    auth_saga_end end;
    const sut_str own[] = {in->email, in->username, in->display_name};
    sut_status st = auth_password_judge(rq, "/password", in->password, own, SUT_ARRAY_LEN(own));
    if (st == 0)
        st = pending_account(rq, in, &account);
    if (st != 0)
        return st;
    if ((st = auth_saga_profile(rq, &account, &end)) != 0)
        return st;
    if (end == AUTH_SAGA_NAME_TAKEN)
        return sut_fail_field_as(rq, AUTH_ERR_USERNAME_TAKEN, "/username", "taken", "This name is taken.");
    if (end == AUTH_SAGA_UNDONE)
        return try_again(rq);
    activation a = {.account = &account, .client = auth_client_of(rq, in->client_address, in->user_agent)};
    if ((st = sut_pg_tx_run(rq, activate, &a)) != 0)
        return st;
    if (a.gone)
        return try_again(rq);
    auth_session_answer(rq, &a.grant, account.username, account.email, out);
    return 0;
}
