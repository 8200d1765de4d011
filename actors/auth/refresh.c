/* auth.refresh: each refresh token is exchanged once. One that comes again was stolen, or its thief came first: the
 * whole session ends (RFC 9700 section 4.14.2). */
#include "auth.h"
#include "auth_service.h"
#include "standing.h"

#include "base/clock.h"
#include "base/log.h"
#include "kit/event.h"

/* The session's row is locked, so that two exchanges of one token cannot both see it unused. */
static const sut_pg_stmt s_find = {
    "auth_refresh_find",
    "SELECT s.id, s.user_id, u.level, u.username, u.email, t.used_at IS NOT NULL, "
    "s.revoked_at IS NOT NULL OR u.status <> 'active', "
    "LEAST(t.expires_at, s.expires_at) <= now(), s.created_at, s.last_seen_at, u.is_verified, " AUTH_STANDING_COLUMNS
    " "
    "FROM tokens t JOIN sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id "
    "WHERE t.token_hash = $1 AND t.purpose = 'refresh' FOR UPDATE OF s, t",
    1};

static const sut_pg_stmt s_use = {"auth_refresh_use", "UPDATE tokens SET used_at = now() WHERE token_hash = $1", 1};

static const sut_pg_stmt s_seen = {"auth_refresh_seen",
                                   "UPDATE sessions SET last_seen_at = now(), expires_at = $2, "
                                   "address = COALESCE($3, address), device = COALESCE($4, device) WHERE id = $1",
                                   4};

#define STANDING 11 /* the first of its columns */

typedef enum { EXCHANGED, UNKNOWN, EXPIRED, UNVERIFIED, SUSPENDED, REUSED } verdict;

typedef struct exchange {
    sut_str hash;
    verdict verdict;
    sut_str username, email;
    auth_standing standing;
    auth_grant grant;
} exchange;

/* A suspension has ended the session; whoever holds its last token is told why. */
static verdict judge(const sut_pg_result *r)
{
    if (sut_pg_rows(r) == 0)
        return UNKNOWN;
    const auth_standing s = auth_standing_read(r, 0, STANDING);
    if (auth_standing_barred(&s) && !sut_pg_get_bool(r, 0, 5))
        return SUSPENDED;
    if (sut_pg_get_bool(r, 0, 6))
        return UNKNOWN;
    if (sut_pg_get_bool(r, 0, 5))
        return REUSED;
    /* What the settings say now holds for older sessions, too; and what would end within a second or two gives no
     * tokens any more. */
    int64_t now_us = sut_wall_us(), begun_us = sut_pg_get_timestamptz(r, 0, 8);
    bool over = auth_session_expires_us(begun_us, sut_pg_get_timestamptz(r, 0, 9)) <= now_us ||
                auth_session_expires_us(begun_us, now_us) < now_us + 2000000;
    if (sut_pg_get_bool(r, 0, 7) || over)
        return EXPIRED;
    return auth_config.require_verified && !sut_pg_get_bool(r, 0, 10) ? UNVERIFIED : EXCHANGED;
}

static sut_status rotate(sut_request *rq, sut_pg_tx *tx, exchange *x)
{
    int64_t expires_us = auth_session_expires_us(x->grant.begun_us, sut_wall_us());
    sut_status st = sut_pg_queue(tx, &s_use, SUT_PG_PARAMS(sut_pg_bytea(x->hash)));
    if (st == 0)
        st = sut_pg_queue(tx, &s_seen,
                          SUT_PG_PARAMS(sut_pg_text(sut_str_from(x->grant.session_id)), sut_pg_timestamptz(expires_us),
                                        sut_pg_text(x->grant.client.address), sut_pg_text(x->grant.client.device)));
    return st != 0 ? st : auth_session_extend(rq, tx, &x->grant);
}

static sut_status end_for_reuse(sut_request *rq, sut_pg_tx *tx, const exchange *x)
{
    sut_str session = sut_str_from(x->grant.session_id), device = x->grant.client.device;
    sut_status st = auth_session_revoke(rq, tx, x->grant.user_id, session);
    const auth_session_reuse_detected event = {.user_id = x->grant.user_id,
                                               .session = session,
                                               .device = device,
                                               .has_device = device.ptr ? SUT_PRESENT : SUT_ABSENT,
                                               .detected_at = sut_wall_us()};
    return st != 0 ? st : sut_emit(rq, tx, &auth_session_reuse_detected_event, &event, NULL);
}

static sut_status run(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    exchange *x = arg;
    const sut_pg_result *r;
    sut_status st = sut_pg_exec(tx, &s_find, SUT_PG_PARAMS(sut_pg_bytea(x->hash)), &r);
    if (st != 0)
        return st;
    x->verdict = judge(r);
    if (x->verdict == SUSPENDED)
        x->standing = auth_standing_read(r, 0, STANDING);
    if (x->verdict != EXCHANGED && x->verdict != REUSED)
        return 0;
    sut_str session = sut_pg_get_text(r, 0, 0);
    if (session.len >= sizeof x->grant.session_id)
        return sut_fail_internal(rq, "a session id of %zu bytes", session.len);
    memcpy(x->grant.session_id, session.ptr, session.len + 1);
    x->grant.user_id = sut_pg_get_i64(r, 0, 1);
    x->grant.level = sut_pg_get_i32(r, 0, 2);
    x->grant.begun_us = sut_pg_get_timestamptz(r, 0, 8);
    x->username = sut_pg_get_text(r, 0, 3);
    x->email = sut_pg_get_text(r, 0, 4);
    if (x->verdict == REUSED)
        return end_for_reuse(rq, tx, x);
    return rotate(rq, tx, x);
}

static sut_status refuse(sut_request *rq, const exchange *x)
{
    if (x->verdict == EXPIRED)
        return sut_fail(rq, AUTH_ERR_TOKEN_EXPIRED, "The refresh token has expired; log in again.");
    if (x->verdict == UNVERIFIED)
        return sut_fail(rq, AUTH_ERR_EMAIL_UNVERIFIED, "The address must be confirmed first: see the mail.");
    if (x->verdict == SUSPENDED)
        return auth_standing_refuse(rq, &x->standing);
    if (x->verdict == UNKNOWN)
        return sut_fail(rq, AUTH_ERR_TOKEN_INVALID, "This is no valid refresh token; log in again.");
    sut_log(SUT_WARN, "auth", "refresh.reused", SUT_KV_I("user_id", x->grant.user_id));
    auth_mirror_drop(rq, x->grant.user_id, sut_str_from(x->grant.session_id));
    return sut_fail(rq, AUTH_ERR_TOKEN_REUSED, "This refresh token was used before; its session has been ended.");
}

sut_status auth_refresh(sut_request *rq, const auth_refresh_in *in, auth_refresh_out *out)
{
    uint8_t hash[AUTH_TOKEN_HASH_SIZE];
    exchange x = {.hash = {(const char *)hash, sizeof hash},
                  .verdict = UNKNOWN,
                  .grant = {.client = auth_client_of(rq, in->client_address, in->user_agent)}};
    if (!auth_refresh_token_hash(in->refresh_token, hash))
        return refuse(rq, &x);
    sut_status st = sut_pg_tx_run(rq, run, &x);
    if (st != 0)
        return st;
    if (x.verdict != EXCHANGED)
        return refuse(rq, &x);
    auth_session_answer(rq, &x.grant, auth_present_name(rq, x.grant.user_id, x.username), x.email, out);
    return 0;
}
