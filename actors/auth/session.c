/* Logins: a session row, a chain of refresh tokens, and revocation. */
#include "auth.h"

#include "base/clock.h"
#include "kit/call.h"
#include "kit/event.h"
#include "user_schema.h"

#define US_PER_S INT64_C(1000000)

static const sut_pg_stmt s_open = {"auth_session_open",
                                   "INSERT INTO sessions (id, user_id, expires_at) VALUES ($1, $2, $3)", 3};

/* What becomes of the sessions that `ended` has revoked. HAVING makes the lock of decision 6 come after all of their
 * row locks (whoever holds it waits for nobody) and only if there are any; the join makes it come before ids are given.
 */
#define NUMBER_ENDED_SQL                                                                                               \
    "ordered AS MATERIALIZED (SELECT pg_advisory_xact_lock(7305) FROM ended HAVING count(*) > 0) "                     \
    "INSERT INTO revocations (user_id, session_id) SELECT $1, ended.id FROM ended, ordered "                           \
    "RETURNING session_id, revoked_at"

/* A user's sessions are bounded: the oldest beyond 100 end. */
static const sut_pg_stmt s_trim = {
    "auth_session_trim",
    "WITH ended AS (UPDATE sessions SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL AND id IN "
    "(SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL ORDER BY created_at DESC, id OFFSET 100) "
    "RETURNING id), " NUMBER_ENDED_SQL,
    1};

static const sut_pg_stmt s_token = {"auth_session_token",
                                    "INSERT INTO tokens (token_hash, session_id, expires_at) VALUES ($1, $2, $3)", 3};

static const sut_pg_stmt s_revoke = {
    "auth_session_revoke",
    "WITH ended AS (UPDATE sessions SET revoked_at = now() "
    "WHERE user_id = $1 AND revoked_at IS NULL AND ($2::text IS NULL OR id = $2) RETURNING id), " NUMBER_ENDED_SQL,
    2};

static const sut_pg_stmt s_revoke_others = {
    "auth_session_revoke_others",
    "WITH ended AS (UPDATE sessions SET revoked_at = now() "
    "WHERE user_id = $1 AND revoked_at IS NULL AND ($2::text IS NULL OR id <> $2) RETURNING id), " NUMBER_ENDED_SQL,
    2};

/* session.revoked, for each row of what NUMBER_ENDED_SQL returned. */
static sut_status publish_ended(sut_request *rq, sut_pg_tx *tx, int64_t user_id, const sut_pg_result *r)
{
    sut_status st = 0;
    for (int i = 0; st == 0 && i < sut_pg_rows(r); i++) {
        const auth_session_revoked event = {.user_id = user_id,
                                            .session = sut_pg_get_text(r, i, 0),
                                            .has_session = SUT_PRESENT,
                                            .revoked_at = sut_pg_get_timestamptz(r, i, 1)};
        st = sut_emit(rq, tx, &auth_session_revoked_event, &event, NULL);
    }
    return st;
}

sut_status auth_session_extend(sut_request *rq, sut_pg_tx *tx, auth_grant *grant)
{
    uint8_t hash[AUTH_TOKEN_HASH_SIZE];
    grant->issued_us = sut_wall_us();
    sut_claims claims = {.user_id = grant->user_id,
                         .level = grant->level,
                         .issued_at = grant->issued_us / US_PER_S,
                         .expires_at = grant->issued_us / US_PER_S + auth_config.access_ttl_s};
    memcpy(claims.session, grant->session_id, sizeof grant->session_id);
    grant->access_token = auth_access_token(rq, &claims);
    grant->refresh_token = auth_refresh_token_make(rq, hash);
    if (!grant->access_token.ptr || !grant->refresh_token.ptr)
        return sut_fail_internal(rq, "tokens could not be made");
    return sut_pg_queue(tx, &s_token,
                        SUT_PG_PARAMS(sut_pg_bytea((sut_str){(const char *)hash, sizeof hash}),
                                      sut_pg_text(sut_str_from(grant->session_id)),
                                      sut_pg_timestamptz(grant->issued_us + auth_config.refresh_ttl_s * US_PER_S)));
}

sut_status auth_session_open(sut_request *rq, sut_pg_tx *tx, auth_grant *grant)
{
    auth_session_id_make(grant->session_id);
    int64_t expires_us = sut_wall_us() + auth_config.refresh_ttl_s * US_PER_S;
    sut_status st = sut_pg_queue(tx, &s_open,
                                 SUT_PG_PARAMS(sut_pg_text(sut_str_from(grant->session_id)), sut_pg_i64(grant->user_id),
                                               sut_pg_timestamptz(expires_us)));
    if (st == 0)
        st = auth_session_extend(rq, tx, grant);
    const sut_pg_result *r;
    if (st == 0)
        st = sut_pg_exec(tx, &s_trim, SUT_PG_PARAMS(sut_pg_i64(grant->user_id)), &r);
    return st != 0 ? st : publish_ended(rq, tx, grant->user_id, r);
}

/* Names may be changed in the user actor. */
sut_str auth_present_name(sut_request *rq, int64_t user_id, sut_str known)
{
    sut_kit_call_options opt = {.without_principal = true, .timeout_ms = 1000};
    user_profile_get_in in = {.user_id = user_id};
    user_profile_get_out profile;
    if (sut_kit_call(rq, &user_profile_get_method, &in, &profile, &opt) == 0)
        return profile.username;
    sut_request_clear_error(rq);
    return known;
}

void auth_session_answer(sut_request *rq, const auth_grant *grant, sut_str username, sut_str email, auth_tokens *out)
{
    auth_mirror_put(rq, grant->user_id, grant->session_id, grant->issued_us / US_PER_S + auth_config.refresh_ttl_s);
    *out = (auth_tokens){
        .user_id = grant->user_id,
        .username = username,
        .email = email,
        .access_token = grant->access_token,
        .refresh_token = grant->refresh_token,
        .token_type = SUT_STR("Bearer"),
        .expires_in = (int32_t)auth_config.access_ttl_s,
    };
}

sut_status auth_session_revoke(sut_request *rq, sut_pg_tx *tx, int64_t user_id, sut_str session_id)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_exec(tx, &s_revoke, SUT_PG_PARAMS(sut_pg_i64(user_id), sut_pg_text(session_id)), &r);
    return st != 0 ? st : publish_ended(rq, tx, user_id, r);
}

sut_status auth_session_revoke_others(sut_request *rq, sut_pg_tx *tx, int64_t user_id, sut_str session_id)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_exec(tx, &s_revoke_others, SUT_PG_PARAMS(sut_pg_i64(user_id), sut_pg_text(session_id)), &r);
    return st != 0 ? st : publish_ended(rq, tx, user_id, r);
}
