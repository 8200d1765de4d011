/* Access tokens: JWT (RFC 7519), HS256 only. The one place that knows their format: the auth actor signs with it, edge
 * and auth verify with it.
 *
 * Header: alg "HS256"; kid: the key's id in the key ring (base/keyring.h; absent: "0"); typ "JWT" or absent; no crit.
 * Claims: user_id (integer from 1), permissions (1 USER or 3 ADMIN), iat and exp (integer seconds since 1970; exp - iat
 * at most SUT_TOKEN_LIFETIME_S, because revocations are held no longer than that), sid (string: the login session's
 * id), and, when the edge is configured to want them, iss and aud (strings). nbf is honoured if there.
 *
 * libjwt 1.10.2 succeeds unchecked without a key, takes an RSA public key for an HS256 secret, ignores exp and
 * overflows its stack on long tokens: every rule it lacks is enforced here, before or behind it. */
#ifndef SUT_TOKEN_TOKEN_H
#define SUT_TOKEN_TOKEN_H

#include "base/keyring.h"

#define SUT_TOKEN_MAX        4096u /* bytes of the compact form */
#define SUT_TOKEN_LIFETIME_S 900   /* an access token lives no longer */
#define SUT_TOKEN_LEEWAY_S   5     /* clocks of edge and auth may differ by so much */
#define SUT_TOKEN_SID_MAX    64

typedef struct sut_claims {
    int64_t user_id;
    int32_t level;
    int64_t issued_at, expires_at; /* seconds since 1970 UTC */
    char session[SUT_TOKEN_SID_MAX + 1];
} sut_claims;

typedef enum sut_token_fault {
    SUT_TOKEN_OK = 0,
    SUT_TOKEN_MALFORMED, /* not three base64url parts, too long, or not JSON */
    SUT_TOKEN_ALGORITHM, /* anything but HS256 */
    SUT_TOKEN_KEY,       /* no such kid */
    SUT_TOKEN_SIGNATURE,
    SUT_TOKEN_CLAIMS, /* a claim is missing or out of range */
    SUT_TOKEN_EXPIRED,
    SUT_TOKEN_NOT_YET,
    SUT_TOKEN_ISSUER,
    SUT_TOKEN_AUDIENCE
} sut_token_fault;
const char *sut_token_fault_text(sut_token_fault f); /* one line for people; tells nothing of keys */

typedef struct sut_token_rules {
    const char *issuer;   /* NULL or empty: not checked */
    const char *audience; /* the same */
} sut_token_rules;

/* Signs claims with the ring's first key; issuer and audience are added if the rules name them. *out is malloc'd. Any
 * thread. -ENOMEM. */
SUT_MUST_CHECK sut_status sut_token_sign(const sut_keyring *ring, const sut_token_rules *rules,
                                         const sut_claims *claims, char **out);
/* Verifies one token at `now_s` (seconds since 1970). Any thread. `out` is filled only on SUT_TOKEN_OK. */
SUT_MUST_CHECK sut_token_fault sut_token_verify(const sut_keyring *ring, const sut_token_rules *rules, sut_str token,
                                                int64_t now_s, sut_claims *out);
/* Only the checks that depend on the time: for claims that were verified before. */
SUT_MUST_CHECK sut_token_fault sut_claims_timely(const sut_claims *claims, int64_t now_s);

#endif
