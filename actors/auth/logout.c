/* auth.logout, auth.verify and auth.revocations: the end of sessions, and who needs to know of it. */
#include "auth.h"
#include "auth_service.h"

#include "base/clock.h"

#include <errno.h>
#include <strings.h>

typedef struct ending {
    int64_t user_id;
    sut_str session; /* absent: all */
} ending;

static sut_status end_sessions(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    ending *e = arg;
    return auth_session_revoke(rq, tx, e->user_id, e->session);
}

sut_status auth_logout(sut_request *rq, const auth_logout_in *in, auth_logout_out *out)
{
    (void)out;
    const sut_principal *who = sut_request_principal(rq);
    ending e = {.user_id = who->user_id, .session = in->all ? SUT_STR_NONE : who->session};
    if (!in->all && !who->session.ptr)
        return sut_fail(rq, SUT_ERR_INVALID, "The caller has no session; say all to end every one.");
    sut_status st = sut_pg_tx_run(rq, end_sessions, &e);
    if (st == 0)
        auth_mirror_drop(rq, e.user_id, e.session);
    return st;
}

static const sut_pg_stmt s_live = {
    "auth_session_live",
    "SELECT u.level, u.is_verified FROM sessions s JOIN users u ON u.id = s.user_id "
    "WHERE s.id = $1 AND s.user_id = $2 AND s.revoked_at IS NULL AND s.expires_at > now() AND u.status = 'active'",
    2};

static bool bearer(sut_str header, sut_str *token)
{
    const char scheme[] = "Bearer ";
    size_t len = sizeof scheme - 1;
    if (header.len <= len || strncasecmp(header.ptr, scheme, len) != 0)
        return false;
    *token = (sut_str){header.ptr + len, header.len - len};
    return true;
}

sut_status auth_verify(sut_request *rq, const auth_verify_in *in, auth_verify_out *out)
{
    sut_str token;
    sut_claims claims;
    const sut_pg_result *r;
    if (!bearer(in->authorization, &token))
        return sut_fail(rq, AUTH_ERR_TOKEN_INVALID, "The Authorization header must be `Bearer TOKEN`.");
    sut_token_fault fault = sut_token_verify(auth_keys, &auth_token_rules, token, sut_wall_us() / 1000000, &claims);
    if (fault != SUT_TOKEN_OK)
        return sut_fail(rq, fault == SUT_TOKEN_EXPIRED ? AUTH_ERR_TOKEN_EXPIRED : AUTH_ERR_TOKEN_INVALID, "%s",
                        sut_token_fault_text(fault));
    sut_status st = sut_pg_read(
        rq, &s_live, SUT_PG_PARAMS(sut_pg_text(sut_str_from(claims.session)), sut_pg_i64(claims.user_id)), &r);
    if (st != 0)
        return st;
    if (sut_pg_rows(r) == 0)
        return sut_fail(rq, AUTH_ERR_TOKEN_INVALID, "The session has ended.");
    *out = (auth_verify_out){
        .valid = true,
        .user_id = claims.user_id,
        .is_verified = sut_pg_get_bool(r, 0, 1),
        .permissions = sut_pg_get_i32(r, 0, 0),
        .expires_at = claims.expires_at * 1000000,
    };
    return 0;
}

static const sut_pg_stmt s_since = {
    "auth_revocations_since",
    "SELECT id, user_id, session_id, issued_before, revoked_at FROM revocations WHERE id > $1 ORDER BY id LIMIT $2", 2};

static void fill_revocation(auth_revocation *item, const sut_pg_result *r, int row)
{
    *item = (auth_revocation){
        .id = sut_pg_get_i64(r, row, 0),
        .user_id = sut_pg_get_i64(r, row, 1),
        .session = sut_pg_get_text(r, row, 2),
        .issued_before = sut_pg_get_timestamptz(r, row, 3),
        .revoked_at = sut_pg_get_timestamptz(r, row, 4),
        .has_session = sut_pg_is_null(r, row, 2) ? SUT_ABSENT : SUT_PRESENT,
        .has_issued_before = sut_pg_is_null(r, row, 3) ? SUT_ABSENT : SUT_PRESENT,
    };
}

sut_status auth_revocations(sut_request *rq, const auth_revocations_in *in, auth_revocations_out *out)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_read(rq, &s_since, SUT_PG_PARAMS(sut_pg_i64(in->since), sut_pg_i64(in->limit)), &r);
    if (st != 0)
        return st;
    size_t count = (size_t)sut_pg_rows(r);
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is meant
    const auth_revocation **items = sut_arena_array(sut_request_arena(rq), count + 1, sizeof *items);
    auth_revocation *rows = sut_arena_array(sut_request_arena(rq), count + 1, sizeof *rows);
    if (!items || !rows)
        return -ENOMEM;
    out->cursor = in->since;
    for (size_t i = 0; i < count; i++) {
        fill_revocation(&rows[i], r, (int)i);
        items[i] = &rows[i];
        out->cursor = rows[i].id;
    }
    out->items = (sut_list){items, count};
    out->more = count == (size_t)in->limit;
    return 0;
}
