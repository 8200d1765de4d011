/* Limiter, token validator and permission checker in their order. */
#include "gate/gate.h"

#include "base/clock.h"
#include "token_cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct sut_gate {
    pthread_rwlock_t lock; /* guards `ring` */
    sut_keyring *ring;
    sut_limiter *limiter;
    sut_revocations *revocations;
    sut_token_cache *verified;
    char *keys_file, *secret, *issuer, *audience;
};

/* A copy, or NULL for an unset or empty setting. */
static sut_status copy(const char *from, char **to)
{
    if (!from || !*from)
        return 0;
    *to = strdup(from);
    return *to ? 0 : -ENOMEM;
}

static sut_status set_up(sut_gate *g, const sut_gate_options *opt, char *error, size_t error_size)
{
    if (copy(opt->keys_file, &g->keys_file) || copy(opt->secret, &g->secret) || copy(opt->rules.issuer, &g->issuer) ||
        copy(opt->rules.audience, &g->audience))
        return -ENOMEM;
    sut_status st = sut_keyring_load(&g->ring, g->keys_file, g->secret, error, error_size);
    if (st == 0)
        st = sut_limiter_new(&g->limiter, opt->rate_limits, error, error_size);
    if (st == 0)
        st = sut_revocations_new(&g->revocations, SUT_REVOCATIONS_MAX);
    if (st == 0)
        st = sut_token_cache_new(&g->verified);
    return st;
}

sut_status sut_gate_new(sut_gate **out, const sut_gate_options *opt, char *error, size_t error_size)
{
    *out = NULL;
    (void)snprintf(error, error_size, "out of memory");
    sut_gate *g = calloc(1, sizeof(*g));
    if (!g)
        return -ENOMEM;
    if (pthread_rwlock_init(&g->lock, NULL) != 0) {
        free(g);
        return -ENOMEM;
    }
    sut_status st = set_up(g, opt, error, error_size);
    if (st) {
        sut_gate_free(g);
        return st;
    }
    *out = g;
    return 0;
}

sut_gate *sut_gate_free(sut_gate *g)
{
    if (!g)
        return NULL;
    sut_keyring_free(g->ring);
    sut_limiter_free(g->limiter);
    sut_revocations_free(g->revocations);
    sut_token_cache_free(g->verified);
    if (g->secret)
        explicit_bzero(g->secret, strlen(g->secret));
    free(g->secret);
    free(g->keys_file);
    free(g->issuer);
    free(g->audience);
    (void)pthread_rwlock_destroy(&g->lock);
    free(g);
    return NULL;
}

sut_status sut_gate_reload(sut_gate *g, char words[SUT_KEYRING_NAMES_SIZE])
{
    sut_keyring *fresh = NULL;
    sut_status st = sut_keyring_load(&fresh, g->keys_file, g->secret, words, SUT_KEYRING_NAMES_SIZE);
    if (st)
        return st;
    sut_keyring_names(fresh, words);
    (void)pthread_rwlock_wrlock(&g->lock);
    sut_keyring *old = g->ring;
    g->ring = fresh;
    sut_token_cache_clear(g->verified); /* a key that went takes its tokens along */
    (void)pthread_rwlock_unlock(&g->lock);
    sut_keyring_free(old);
    return 0;
}

sut_revocations *sut_gate_revocations(sut_gate *g)
{
    return g->revocations;
}

/* The token of an Authorization header (RFC 6750 section 2.1), or absent. */
static sut_str bearer(sut_str header)
{
    const size_t scheme = sizeof("Bearer ") - 1;
    if (header.len <= scheme || strncasecmp(header.ptr, "Bearer ", scheme) != 0)
        return SUT_STR_NONE;
    size_t at = scheme;
    while (at < header.len && header.ptr[at] == ' ')
        at++;
    return (sut_str){header.ptr + at, header.len - at};
}

/* The read lock is held from look-up to store, so that a token verified with an old ring never enters the cache after
 * the ring was changed and the cache cleared. */
static sut_token_fault verify(sut_gate *g, sut_str token, int64_t now_s, sut_claims *out)
{
    sut_token_digest digest;
    if (token.len == 0 || token.len > SUT_TOKEN_MAX || !sut_token_digest_of(token, &digest))
        return SUT_TOKEN_MALFORMED;
    const sut_token_rules rules = {g->issuer, g->audience};
    (void)pthread_rwlock_rdlock(&g->lock);
    sut_token_fault fault;
    if (sut_token_cache_get(g->verified, &digest, out)) {
        fault = sut_claims_timely(out, now_s);
    } else {
        fault = sut_token_verify(g->ring, &rules, token, now_s, out);
        if (fault == SUT_TOKEN_OK)
            sut_token_cache_put(g->verified, &digest, out);
    }
    (void)pthread_rwlock_unlock(&g->lock);
    return fault;
}

static void refuse(sut_gate_verdict *v, int err, const char *why)
{
    v->err = err;
    v->why = why;
    memset(&v->claims, 0, sizeof(v->claims));
}

/* A token that is given must be good, also where none is needed: a client with a bad token is told so at once. */
static void check_token(sut_gate *g, const sut_gate_request *rq, sut_gate_verdict *v)
{
    if (!rq->authorization.ptr) {
        if (rq->method->level > SUT_LEVEL_PUBLIC)
            refuse(v, SUT_ERR_UNAUTHENTICATED, "this operation needs an access token");
        return;
    }
    v->token_given = true;
    sut_token_fault fault = verify(g, bearer(rq->authorization), rq->now_s, &v->claims);
    if (fault != SUT_TOKEN_OK) {
        refuse(v, SUT_ERR_UNAUTHENTICATED, sut_token_fault_text(fault));
        return;
    }
    switch (sut_revocations_check(g->revocations, v->claims.user_id, sut_str_from(v->claims.session),
                                  v->claims.issued_at, rq->now_ns)) {
    case SUT_SESSION_LIVE: return;
    case SUT_SESSION_REVOKED: refuse(v, SUT_ERR_UNAUTHENTICATED, "the session was revoked"); return;
    case SUT_SESSION_UNKNOWN:
        if (rq->method->level > SUT_LEVEL_PUBLIC)
            refuse(v, SUT_ERR_UNAVAILABLE, "it is not known at the moment which sessions were revoked");
        else /* nobody is let in on a token that may have been revoked */
            memset(&v->claims, 0, sizeof(v->claims));
        return;
    }
}

/* FRIEND is for the actor to decide; here it means that somebody must be logged in. */
static void check_level(const sut_gate_request *rq, sut_gate_verdict *v)
{
    uint8_t level = rq->method->level;
    if (level == SUT_LEVEL_PUBLIC)
        return;
    if (v->claims.user_id == 0)
        refuse(v, SUT_ERR_UNAUTHENTICATED, "this operation needs an access token");
    else if (level == SUT_LEVEL_ADMIN && v->claims.level < SUT_LEVEL_ADMIN)
        refuse(v, SUT_ERR_FORBIDDEN, "this operation is for administrators");
}

void sut_gate_check(sut_gate *g, const sut_gate_request *rq, sut_gate_verdict *out)
{
    memset(out, 0, sizeof(*out));
    out->limit = sut_limiter_take(g->limiter, rq->method->rate_class, rq->client, rq->now_ns);
    if (!out->limit.allowed) {
        refuse(out, SUT_ERR_RATE_LIMITED, "too many requests of this kind");
        return;
    }
    check_token(g, rq, out);
    if (out->err == 0)
        check_level(rq, out);
}

bool sut_gate_self(const sut_gate_verdict *v, int64_t user_id)
{
    return v->claims.user_id == user_id || v->claims.level >= SUT_LEVEL_ADMIN;
}
