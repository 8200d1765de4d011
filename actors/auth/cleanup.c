/* Removes what no one can use any more. Batches are bounded, so that a run never holds many rows; what is left waits
 * for the next one. */
#include "auth.h"

#define REVOCATIONS_KEPT_FACTOR 2 /* access-token lifetimes, for edges whose clock is behind */

static const sut_pg_stmt s_sessions = {
    "auth_cleanup_sessions",
    "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < now() LIMIT 1000 "
    "FOR UPDATE SKIP LOCKED)",
    0};

static const sut_pg_stmt s_tokens = {
    "auth_cleanup_tokens",
    "DELETE FROM tokens WHERE token_hash IN (SELECT token_hash FROM tokens WHERE expires_at < now() LIMIT 1000 "
    "FOR UPDATE SKIP LOCKED)",
    0};

/* A day longer, so that an old link is told from a wrong one, and mails of the last hour are counted. */
static const sut_pg_stmt s_mails = {"auth_cleanup_mails",
                                    "DELETE FROM mails WHERE id IN (SELECT id FROM mails WHERE expires_at < now() - "
                                    "interval '1 day' LIMIT 1000 FOR UPDATE SKIP LOCKED)",
                                    0};

static const sut_pg_stmt s_revocations = {"auth_cleanup_revocations",
                                          "DELETE FROM revocations WHERE id IN (SELECT id FROM revocations WHERE "
                                          "revoked_at < now() - make_interval(secs => $1) "
                                          "LIMIT 1000 FOR UPDATE SKIP LOCKED)",
                                          1};

sut_status auth_cleanup(sut_request *rq, void *arg)
{
    (void)arg;
    sut_status st = sut_pg_run(rq, &s_sessions, SUT_PG_NO_PARAMS, NULL);
    if (st == 0)
        st = sut_pg_run(rq, &s_tokens, SUT_PG_NO_PARAMS, NULL);
    if (st == 0)
        st = sut_pg_run(rq, &s_mails, SUT_PG_NO_PARAMS, NULL);
    if (st == 0)
        st = sut_pg_run(rq, &s_revocations,
                        SUT_PG_PARAMS(sut_pg_f64((double)(REVOCATIONS_KEPT_FACTOR * auth_config.access_ttl_s))), NULL);
    return st;
}
