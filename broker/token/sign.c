/* Signs access tokens with the first key of the ring. */
#include "token/token.h"

#include <errno.h>
#include <jwt.h>

static bool add_text(jwt_t *jwt, const char *name, const char *value)
{
    return !value || !*value || jwt_add_grant(jwt, name, value) == 0;
}

static bool add_claims(jwt_t *jwt, const sut_token_rules *rules, const sut_claims *c)
{
    return jwt_add_grant_int(jwt, "user_id", c->user_id) == 0 && jwt_add_grant_int(jwt, "permissions", c->level) == 0 &&
           jwt_add_grant(jwt, "sid", c->session) == 0 && jwt_add_grant_int(jwt, "iat", c->issued_at) == 0 &&
           jwt_add_grant_int(jwt, "exp", c->expires_at) == 0 && add_text(jwt, "iss", rules->issuer) &&
           add_text(jwt, "aud", rules->audience);
}

sut_status sut_token_sign(const sut_keyring *ring, const sut_token_rules *rules, const sut_claims *claims, char **out)
{
    const sut_key *key = sut_keyring_signing(ring);
    jwt_t *jwt = NULL;
    *out = NULL;
    if (jwt_new(&jwt) != 0)
        return -ENOMEM;
    if (add_claims(jwt, rules, claims) && jwt_set_alg(jwt, JWT_ALG_HS256, key->bytes, (int)key->len) == 0 &&
        jwt_add_header(jwt, "kid", key->kid) == 0)
        *out = jwt_encode_str(jwt);
    jwt_free(jwt);
    return *out ? 0 : -ENOMEM;
}
