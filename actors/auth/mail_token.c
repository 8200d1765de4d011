/* Tokens in mails. A token is HMAC-SHA256(key, label, kind, mail's id): its sender makes it again from the id that the
 * event carries, and neither database nor journal hold what opens an account. */
#include "auth_schema.h"
#include "mail.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>

#define PREFIX "smt_" /* so that leaked tokens can be recognised by scanners */
#define BYTES  32
#define LABEL  "shareuptime mail token 1" /* the same keys sign access tokens; no JWT begins like this */

sut_str auth_mail_token(sut_request *rq, const sut_key *key, auth_mail_kind kind, const char *id,
                        uint8_t hash[AUTH_TOKEN_HASH_SIZE])
{
    char text[128], hex[2 * BYTES + 1];
    uint8_t mac[BYTES];
    unsigned mac_len = 0;
    int len = snprintf(text, sizeof text, LABEL "\n%s\n%s", auth_mail_kind_name(kind), id);
    if (!HMAC(EVP_sha256(), key->bytes, (int)key->len, (const uint8_t *)text, (size_t)len, mac, &mac_len) ||
        mac_len != sizeof mac)
        return SUT_STR_NONE;
    sut_hex(mac, sizeof mac, hex);
    sut_str token = sut_request_printf(rq, PREFIX "%s", hex);
    explicit_bzero(mac, sizeof mac);
    explicit_bzero(hex, sizeof hex);
    if (token.ptr)
        SHA256((const uint8_t *)token.ptr, token.len, hash);
    return token;
}

/* ---- what a client shows ---- */

static const sut_pg_stmt s_look = {"auth_link_look",
                                   "SELECT email, used_at IS NOT NULL, expires_at <= now() FROM mails "
                                   "WHERE token_hash = $1 AND kind = $2",
                                   2};

/* Accounts before mails: whoever locks both does so in this order. */
static const sut_pg_stmt s_account = {
    "auth_link_account", "SELECT id FROM users WHERE email = $1 AND status = 'active' FOR NO KEY UPDATE", 1};

static const sut_pg_stmt s_use = {"auth_link_use",
                                  "UPDATE mails SET used_at = now() WHERE token_hash = $1 AND kind = $2 AND used_at IS "
                                  "NULL AND expires_at > now() RETURNING 1",
                                  2};

static const sut_pg_stmt s_void = {
    "auth_link_void", "UPDATE mails SET used_at = now() WHERE email = $1 AND kind = $2 AND used_at IS NULL", 2};

static sut_status invalid(sut_request *rq)
{
    return sut_fail(rq, AUTH_ERR_LINK_INVALID, "This is no valid token for this.");
}

static sut_status used(sut_request *rq)
{
    return sut_fail(rq, AUTH_ERR_LINK_USED, "This token was used before, or a newer one was.");
}

sut_status auth_link_read(sut_request *rq, auth_mail_kind kind, sut_str token, auth_link *out)
{
    const size_t prefix = sizeof PREFIX - 1;
    uint8_t bytes[BYTES];
    out->kind = kind;
    if (token.len != prefix + 2 * BYTES || memcmp(token.ptr, PREFIX, prefix) != 0 ||
        !sut_unhex((sut_str){token.ptr + prefix, token.len - prefix}, bytes, sizeof bytes))
        return invalid(rq);
    explicit_bzero(bytes, sizeof bytes);
    SHA256((const uint8_t *)token.ptr, token.len, out->hash);
    return 0;
}

static sut_pg_params params_of(const auth_link *link, sut_pg_param values[2])
{
    values[0] = sut_pg_bytea((sut_str){(const char *)link->hash, sizeof link->hash});
    values[1] = sut_pg_text(sut_str_from(auth_mail_kind_name(link->kind)));
    return (sut_pg_params){values, 2};
}

static sut_status judge(sut_request *rq, const sut_pg_result *r)
{
    if (sut_pg_rows(r) == 0)
        return invalid(rq);
    if (sut_pg_get_bool(r, 0, 1))
        return used(rq);
    return sut_pg_get_bool(r, 0, 2) ? sut_fail(rq, AUTH_ERR_LINK_EXPIRED, "This token has expired; ask for another.")
                                    : 0;
}

sut_status auth_link_look(sut_request *rq, const auth_link *link)
{
    const sut_pg_result *r;
    sut_pg_param values[2];
    sut_status st = sut_pg_read(rq, &s_look, params_of(link, values), &r);
    return st != 0 ? st : judge(rq, r);
}

sut_status auth_link_use(sut_request *rq, sut_pg_tx *tx, const auth_link *link, int64_t *user_id, sut_str *email)
{
    const sut_pg_result *r;
    sut_pg_param values[2];
    sut_status st = sut_pg_exec(tx, &s_look, params_of(link, values), &r);
    if (st != 0 || (st = judge(rq, r)) != 0)
        return st;
    *email = sut_pg_get_text(r, 0, 0);
    if ((st = sut_pg_exec(tx, &s_account, SUT_PG_PARAMS(sut_pg_text(*email)), &r)) != 0)
        return st;
    if (sut_pg_rows(r) == 0)
        return invalid(rq);
    *user_id = sut_pg_get_i64(r, 0, 0);
    st = sut_pg_exec(tx, &s_use, params_of(link, values), &r);
    return st != 0 || sut_pg_rows(r) == 1 ? st : used(rq);
}

sut_status auth_link_void(sut_pg_tx *tx, auth_mail_kind kind, sut_str email)
{
    return sut_pg_queue(tx, &s_void,
                        SUT_PG_PARAMS(sut_pg_text(email), sut_pg_text(sut_str_from(auth_mail_kind_name(kind)))));
}
