/* Claims of tokens that were verified before, by the SHA-256 of the token: a verification costs about ten times a
 * look-up. Holds nothing that a token could be made of. Bounded; any thread. The caller still checks the time and
 * revocations. */
#ifndef SUT_GATE_TOKEN_CACHE_H
#define SUT_GATE_TOKEN_CACHE_H

#include "token/token.h"

typedef struct sut_token_cache sut_token_cache;

typedef struct sut_token_digest {
    uint8_t bytes[32];
} sut_token_digest;

SUT_MUST_CHECK sut_status sut_token_cache_new(sut_token_cache **out);
sut_token_cache *sut_token_cache_free(sut_token_cache *c);
void sut_token_cache_clear(sut_token_cache *c);

bool sut_token_digest_of(sut_str token, sut_token_digest *out); /* false: the digest cannot be computed */
bool sut_token_cache_get(sut_token_cache *c, const sut_token_digest *digest, sut_claims *out);
void sut_token_cache_put(sut_token_cache *c, const sut_token_digest *digest, const sut_claims *claims);

#endif
