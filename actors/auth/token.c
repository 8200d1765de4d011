/* Makes tokens. Verifying access tokens is the edge's job (edge/gate). */
#include "token.h"

#include "base/clock.h"

#include <jwt.h>
#include <openssl/sha.h>
#include <stdlib.h>

#define REFRESH_PREFIX "srt_" /* so that leaked tokens can be recognised by scanners */
#define REFRESH_BYTES  32

static bool add_claims(jwt_t *jwt, int64_t user_id, int32_t level, const char *session_id, int64_t issued_s,
                       int64_t ttl_s)
{
    return jwt_add_grant_int(jwt, "user_id", user_id) == 0 && jwt_add_grant_int(jwt, "permissions", level) == 0 &&
           jwt_add_grant(jwt, "sid", session_id) == 0 && jwt_add_grant_int(jwt, "iat", issued_s) == 0 &&
           jwt_add_grant_int(jwt, "exp", issued_s + ttl_s) == 0;
}

sut_str auth_access_token(sut_request *rq, const sut_keyring *keys, int64_t user_id, int32_t level,
                          const char *session_id, int64_t issued_s, int64_t ttl_s)
{
    const sut_key *key = sut_keyring_signing(keys);
    sut_str token = SUT_STR_NONE;
    jwt_t *jwt = NULL;
    if (jwt_new(&jwt) != 0)
        return token;
    if (add_claims(jwt, user_id, level, session_id, issued_s, ttl_s) &&
        jwt_set_alg(jwt, JWT_ALG_HS256, key->bytes, (int)key->len) == 0 && jwt_add_header(jwt, "kid", key->kid) == 0) {
        char *text = jwt_encode_str(jwt);
        if (text)
            token = sut_request_str(rq, sut_str_from(text));
        free(text);
    }
    jwt_free(jwt);
    return token;
}

void auth_session_id_make(char out[AUTH_SESSION_ID_SIZE])
{
    uint8_t random[16];
    sut_random(random, sizeof random);
    sut_hex(random, sizeof random, out);
}

sut_str auth_refresh_token_make(sut_request *rq, uint8_t hash[AUTH_TOKEN_HASH_SIZE])
{
    uint8_t random[REFRESH_BYTES];
    char hex[2 * REFRESH_BYTES + 1];
    sut_random(random, sizeof random);
    sut_hex(random, sizeof random, hex);
    sut_str token = sut_request_printf(rq, REFRESH_PREFIX "%s", hex);
    explicit_bzero(random, sizeof random);
    explicit_bzero(hex, sizeof hex);
    if (token.ptr)
        SHA256((const uint8_t *)token.ptr, token.len, hash);
    return token;
}

bool auth_refresh_token_hash(sut_str token, uint8_t hash[AUTH_TOKEN_HASH_SIZE])
{
    const size_t prefix = sizeof REFRESH_PREFIX - 1;
    uint8_t bytes[REFRESH_BYTES];
    if (token.len != prefix + 2 * REFRESH_BYTES || memcmp(token.ptr, REFRESH_PREFIX, prefix) != 0 ||
        !sut_unhex((sut_str){token.ptr + prefix, token.len - prefix}, bytes, sizeof bytes))
        return false;
    explicit_bzero(bytes, sizeof bytes);
    SHA256((const uint8_t *)token.ptr, token.len, hash);
    return true;
}
