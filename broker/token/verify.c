/* Verifies access tokens: the header ours, the signature libjwt's, every claim ours again (see token/token.h). */
#include "token/token.h"

#include <jansson.h>
#include <jwt.h>

#include <errno.h>
#include <limits.h>

#define HEADER_MAX 512u /* decoded bytes of the JOSE header */

const char *sut_token_fault_text(sut_token_fault f)
{
    static const char *const text[] = {
        [SUT_TOKEN_OK] = "the token is valid",
        [SUT_TOKEN_MALFORMED] = "the token is malformed",
        [SUT_TOKEN_ALGORITHM] = "the token's algorithm is not HS256",
        [SUT_TOKEN_KEY] = "the token's key is not known",
        [SUT_TOKEN_SIGNATURE] = "the token's signature is wrong",
        [SUT_TOKEN_CLAIMS] = "a claim of the token is missing or out of range",
        [SUT_TOKEN_EXPIRED] = "the token has expired",
        [SUT_TOKEN_NOT_YET] = "the token is not valid yet",
        [SUT_TOKEN_ISSUER] = "the token's issuer is not accepted",
        [SUT_TOKEN_AUDIENCE] = "the token is meant for somebody else",
    };
    return (size_t)f < SUT_ARRAY_LEN(text) ? text[f] : "the token is malformed";
}

static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* RFC 4648 section 5, without padding. False for other characters, an impossible length or more than `cap` bytes. */
static bool base64url_decode(sut_str in, char *out, size_t cap, size_t *len)
{
    if (in.len % 4 == 1 || in.len / 4 * 3 + 2 > cap)
        return false;
    uint32_t bits = 0;
    unsigned held = 0;
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        int v = base64url_value(in.ptr[i]);
        if (v < 0)
            return false;
        bits = (bits << 6) | (uint32_t)v;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[n++] = (char)((bits >> held) & 0xff);
        }
    }
    *len = n;
    return true;
}

/* Three non-empty base64url parts, no NUL; sets `header` to the first. */
static bool split(sut_str token, sut_str *header)
{
    size_t dots = 0, part = 0;
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] == '.') {
            if (part == 0 || ++dots > 2)
                return false;
            if (dots == 1)
                *header = (sut_str){token.ptr, i};
            part = 0;
        } else if (base64url_value(token.ptr[i]) < 0) {
            return false;
        } else {
            part++;
        }
    }
    return dots == 2 && part > 0;
}

/* Chooses the key by the header, before libjwt sees the token: the algorithm is compared here, so that no other is ever
 * computed. */
static sut_token_fault choose_key(const sut_keyring *ring, sut_str header, const sut_key **key)
{
    char text[HEADER_MAX];
    size_t len = 0;
    if (!base64url_decode(header, text, sizeof(text), &len))
        return SUT_TOKEN_MALFORMED;
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        return SUT_TOKEN_MALFORMED;
    }
    sut_token_fault fault = SUT_TOKEN_OK;
    const json_t *alg = json_object_get(json, "alg"), *kid = json_object_get(json, "kid"),
                 *typ = json_object_get(json, "typ");
    if (!json_is_string(alg) || strcmp(json_string_value(alg), "HS256") != 0)
        fault = SUT_TOKEN_ALGORITHM;
    else if (json_object_get(json, "crit") ||
             (typ && (!json_is_string(typ) || strcmp(json_string_value(typ), "JWT") != 0)))
        fault = SUT_TOKEN_MALFORMED;
    else if (kid && !json_is_string(kid))
        fault = SUT_TOKEN_KEY;
    if (fault == SUT_TOKEN_OK) {
        *key = sut_keyring_find(ring, kid ? sut_str_from(json_string_value(kid)) : SUT_STR("0"));
        if (!*key)
            fault = SUT_TOKEN_KEY;
    }
    json_decref(json);
    return fault;
}

/* False unless the claim is there as an integer (libjwt's getter gives 0 for any other type). */
static bool claim_int(const json_t *claims, const char *name, int64_t *out)
{
    const json_t *v = json_object_get(claims, name);
    *out = json_is_integer(v) ? json_integer_value(v) : 0;
    return json_is_integer(v);
}

sut_token_fault sut_claims_timely(const sut_claims *claims, int64_t now_s)
{
    if (now_s >= claims->expires_at + SUT_TOKEN_LEEWAY_S)
        return SUT_TOKEN_EXPIRED;
    if (claims->issued_at > now_s + SUT_TOKEN_LEEWAY_S)
        return SUT_TOKEN_NOT_YET;
    return SUT_TOKEN_OK;
}

static bool read_claims(const json_t *json, sut_claims *out)
{
    int64_t level;
    if (!claim_int(json, "user_id", &out->user_id) || !claim_int(json, "permissions", &level) ||
        !claim_int(json, "iat", &out->issued_at) || !claim_int(json, "exp", &out->expires_at))
        return false;
    const int64_t far = INT64_C(1) << 53;
    if (out->user_id < 1 || out->user_id >= far || (level != 1 && level != 3))
        return false;
    if (out->issued_at < 0 || out->issued_at >= far || out->expires_at <= out->issued_at ||
        out->expires_at - out->issued_at > SUT_TOKEN_LIFETIME_S)
        return false;
    out->level = (int32_t)level;
    const char *sid = json_string_value(json_object_get(json, "sid"));
    size_t len = sid ? strlen(sid) : 0;
    if (len == 0 || len > SUT_TOKEN_SID_MAX)
        return false;
    memcpy(out->session, sid, len + 1);
    return true;
}

/* A rule that is configured must be met: a token without the claim does not meet it. */
static bool claim_is(const json_t *json, const char *name, const char *wanted)
{
    if (!wanted || !*wanted)
        return true;
    const char *have = json_string_value(json_object_get(json, name));
    return have && strcmp(have, wanted) == 0;
}

static sut_token_fault check_claims(const json_t *json, const sut_token_rules *rules, int64_t now_s, sut_claims *out)
{
    if (!read_claims(json, out))
        return SUT_TOKEN_CLAIMS;
    if (!claim_is(json, "iss", rules->issuer))
        return SUT_TOKEN_ISSUER;
    if (!claim_is(json, "aud", rules->audience))
        return SUT_TOKEN_AUDIENCE;
    int64_t not_before;
    if (json_object_get(json, "nbf") && !claim_int(json, "nbf", &not_before))
        return SUT_TOKEN_CLAIMS;
    if (claim_int(json, "nbf", &not_before) && not_before > now_s + SUT_TOKEN_LEEWAY_S)
        return SUT_TOKEN_NOT_YET;
    return sut_claims_timely(out, now_s);
}

/* The signature, by libjwt, with a key that was chosen for HS256. */
static sut_token_fault check_signature(const sut_key *key, sut_str token)
{
    char text[SUT_TOKEN_MAX + 1];
    memcpy(text, token.ptr, token.len);
    text[token.len] = '\0';
    jwt_t *jwt = NULL;
    if (key->len < SUT_KEY_BYTES_MIN || jwt_decode(&jwt, text, key->bytes, (int)key->len) != 0 || !jwt)
        return SUT_TOKEN_SIGNATURE;
    sut_token_fault fault = jwt_get_alg(jwt) == JWT_ALG_HS256 ? SUT_TOKEN_OK : SUT_TOKEN_ALGORITHM;
    jwt_free(jwt);
    return fault;
}

/* The second part of a token whose signature was right. NULL if it is not a JSON object without doubled names. */
static json_t *payload(sut_str token)
{
    char text[SUT_TOKEN_MAX];
    size_t len = 0;
    const char *first = memchr(token.ptr, '.', token.len), *last = memrchr(token.ptr, '.', token.len);
    if (!base64url_decode((sut_str){first + 1, (size_t)(last - first) - 1}, text, sizeof(text), &len))
        return NULL;
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

sut_token_fault sut_token_verify(const sut_keyring *ring, const sut_token_rules *rules, sut_str token, int64_t now_s,
                                 sut_claims *out)
{
    sut_str header = SUT_STR_NONE;
    if (token.len == 0 || token.len > SUT_TOKEN_MAX || !split(token, &header))
        return SUT_TOKEN_MALFORMED;
    const sut_key *key = NULL;
    sut_token_fault fault = choose_key(ring, header, &key);
    if (fault != SUT_TOKEN_OK)
        return fault;
    fault = check_signature(key, token);
    if (fault != SUT_TOKEN_OK)
        return fault;
    json_t *json = payload(token);
    if (!json)
        return SUT_TOKEN_CLAIMS;
    sut_claims claims;
    memset(&claims, 0, sizeof(claims));
    fault = check_claims(json, rules, now_s, &claims);
    json_decref(json);
    if (fault == SUT_TOKEN_OK)
        *out = claims;
    return fault;
}
