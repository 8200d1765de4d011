/* auth.verify_email and auth.verify_resend: whose mailbox it is. */
#include "auth_service.h"
#include "mail.h"

static const sut_pg_stmt s_verify = {
    "auth_verify_email", "UPDATE users SET is_verified = TRUE, updated_at = now() WHERE id = $1 AND NOT is_verified",
    1};

static sut_status verify(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    int64_t user_id;
    sut_str email;
    sut_status st = auth_link_use(rq, tx, arg, &user_id, &email);
    return st != 0 ? st : sut_pg_queue(tx, &s_verify, SUT_PG_PARAMS(sut_pg_i64(user_id)));
}

sut_status auth_verify_email(sut_request *rq, const auth_verify_email_in *in, auth_verify_email_out *out)
{
    auth_link link;
    (void)out;
    sut_status st = auth_link_read(rq, AUTH_MAIL_VERIFY, in->token, &link);
    return st != 0 ? st : sut_pg_tx_run(rq, verify, &link);
}

static const sut_pg_stmt s_mine = {"auth_verify_mine",
                                   "SELECT email, is_verified FROM users WHERE id = $1 AND status = 'active'", 1};

sut_status auth_verify_resend(sut_request *rq, const auth_verify_resend_in *in, auth_verify_resend_out *out)
{
    const sut_pg_result *r;
    (void)in;
    out->accepted = true;
    sut_status st = sut_pg_read(rq, &s_mine, SUT_PG_PARAMS(sut_pg_i64(sut_request_user_id(rq))), &r);
    if (st != 0 || sut_pg_rows(r) == 0 || sut_pg_get_bool(r, 0, 1))
        return st; /* without account, or confirmed: there is nothing to send */
    auth_mail_asking asking = {.kind = AUTH_MAIL_VERIFY, .email = sut_pg_get_text(r, 0, 0)};
    if ((st = auth_mail_ask_alone(rq, &asking)) != 0)
        return st;
    return asking.asked ? 0
                        : sut_fail_retry(rq, AUTH_ERR_TOO_MANY_MAILS, 3600000,
                                         "This account has been sent enough of these; look for them, or try later.");
}
