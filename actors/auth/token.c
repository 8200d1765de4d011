/* Makes tokens. */
#include "auth.h"

#include "base/clock.h"

#include <openssl/sha.h>
#include <stdlib.h>

#define REFRESH_PREFIX "srt_" /* so that leaked tokens can be recognised by scanners */
#define REFRESH_BYTES  32

sut_str auth_access_token(sut_request *rq, const sut_claims *claims)
{
    char *text = NULL;
    if (sut_token_sign(auth_keys, &auth_token_rules, claims, &text) != 0)
        return SUT_STR_NONE;
    sut_str token = sut_request_str(rq, sut_str_from(text));
    free(text);
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
