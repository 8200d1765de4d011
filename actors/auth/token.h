/* Tokens: signed access tokens (token/token.h) and opaque refresh tokens. */
#ifndef AUTH_TOKEN_H
#define AUTH_TOKEN_H

#include "kit/kit.h"
#include "token/token.h"

#define AUTH_SESSION_ID_SIZE 33 /* 16 random bytes in hex, and NUL */
#define AUTH_TOKEN_HASH_SIZE 32 /* SHA-256 */

/* Signed with the first key. The string lives in the request's arena; absent if it could not be made. */
sut_str auth_access_token(sut_request *rq, const sut_claims *claims);

void auth_session_id_make(char out[AUTH_SESSION_ID_SIZE]);
/* Makes a refresh token into the arena and its SHA-256, which is all that is stored. */
sut_str auth_refresh_token_make(sut_request *rq, uint8_t hash[AUTH_TOKEN_HASH_SIZE]);
/* False if it does not look like one of ours. */
bool auth_refresh_token_hash(sut_str token, uint8_t hash[AUTH_TOKEN_HASH_SIZE]);

#endif
