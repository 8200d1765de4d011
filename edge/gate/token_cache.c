/* A direct-mapped table of verified tokens under striped locks: a newer token takes the place of an older one. */
#include "token_cache.h"

#include "base/status.h"

#include <openssl/evp.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define SLOTS 8192u
#define LOCKS 32u

typedef struct slot {
    sut_token_digest digest;
    sut_claims claims; /* user_id 0: empty */
} slot;

struct sut_token_cache {
    pthread_mutex_t locks[LOCKS];
    slot slots[SLOTS];
};

sut_status sut_token_cache_new(sut_token_cache **out)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return SUT_TRACE(-ENOMEM, "token cache");
    for (size_t i = 0; i < LOCKS; i++)
        (void)pthread_mutex_init(&(*out)->locks[i], NULL);
    return 0;
}

sut_token_cache *sut_token_cache_free(sut_token_cache *c)
{
    if (c) {
        for (size_t i = 0; i < LOCKS; i++)
            (void)pthread_mutex_destroy(&c->locks[i]);
        free(c);
    }
    return NULL;
}

void sut_token_cache_clear(sut_token_cache *c)
{
    for (size_t lock = 0; lock < LOCKS; lock++) {
        (void)pthread_mutex_lock(&c->locks[lock]);
        for (size_t i = lock; i < SLOTS; i += LOCKS)
            c->slots[i].claims.user_id = 0;
        (void)pthread_mutex_unlock(&c->locks[lock]);
    }
}

bool sut_token_digest_of(sut_str token, sut_token_digest *out)
{
    unsigned len = 0;
    return EVP_Digest(token.ptr, token.len, out->bytes, &len, EVP_sha256(), NULL) == 1 && len == sizeof(out->bytes);
}

static size_t index_of(const sut_token_digest *digest)
{
    uint32_t word;
    memcpy(&word, digest->bytes, sizeof(word));
    return word % SLOTS;
}

bool sut_token_cache_get(sut_token_cache *c, const sut_token_digest *digest, sut_claims *out)
{
    size_t at = index_of(digest);
    (void)pthread_mutex_lock(&c->locks[at % LOCKS]);
    const slot *s = &c->slots[at];
    bool found = s->claims.user_id != 0 && memcmp(&s->digest, digest, sizeof(*digest)) == 0;
    if (found)
        *out = s->claims;
    (void)pthread_mutex_unlock(&c->locks[at % LOCKS]);
    return found;
}

void sut_token_cache_put(sut_token_cache *c, const sut_token_digest *digest, const sut_claims *claims)
{
    size_t at = index_of(digest);
    (void)pthread_mutex_lock(&c->locks[at % LOCKS]);
    c->slots[at] = (slot){.digest = *digest, .claims = *claims};
    (void)pthread_mutex_unlock(&c->locks[at % LOCKS]);
}
