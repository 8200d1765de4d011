/* Access tokens. The input up to the first NUL is the header's JSON, the rest the claims': both are packed and signed
 * with the right key, so that the checks behind the signature are reached. The raw input is a token, too. */
#include "fuzz.h"
#include "token/token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW_S  1767322245

static size_t base64url(const uint8_t *in, size_t len, char *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t n = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | in[i];
        for (have += 8; have >= 6; have -= 6)
            out[n++] = alphabet[bits >> (have - 6) & 63];
    }
    if (have > 0)
        out[n++] = alphabet[bits << (6 - have) & 63];
    return n;
}

static sut_token_fault verify(const sut_keyring *ring, sut_str token, sut_claims *claims)
{
    return sut_token_verify(ring, &(sut_token_rules){.issuer = NULL}, token, NOW_S, claims);
}

static void check_claims(const sut_claims *c)
{
    MUST(c->user_id >= 1 && (c->level == 1 || c->level == 3));
    MUST(c->expires_at + SUT_TOKEN_LEEWAY_S >= NOW_S && c->expires_at - c->issued_at <= SUT_TOKEN_LIFETIME_S);
    MUST(strnlen(c->session, sizeof c->session) <= SUT_TOKEN_SID_MAX);
}

static void check_signed(const sut_keyring *ring, const uint8_t *data, size_t size)
{
    const uint8_t *nul = memchr(data, 0, size);
    size_t head = nul ? (size_t)(nul - data) : size;
    char *token = malloc(size * 2 + 128);
    MUST(token);
    size_t len = base64url(data, head, token);
    token[len++] = '.';
    if (nul)
        len += base64url(nul + 1, size - head - 1, token + len);
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len;
    MUST(HMAC(EVP_sha256(), SECRET, sizeof SECRET - 1, (unsigned char *)token, len, mac, &mac_len));
    token[len++] = '.';
    len += base64url(mac, mac_len, token + len);
    token[len] = '\0';
    sut_claims claims;
    if (verify(ring, (sut_str){token, len}, &claims) == SUT_TOKEN_OK)
        check_claims(&claims);
    if (len > 0) { /* and one bit of the signature's first byte wrong */
        token[len - 20] = token[len - 20] == 'A' ? 'B' : 'A';
        MUST(verify(ring, (sut_str){token, len}, &claims) != SUT_TOKEN_OK);
    }
    free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sut_keyring *ring;
    char error[200];
    sut_claims claims;
    if (!ring)
        MUST(sut_keyring_load(&ring, NULL, SECRET, error, sizeof error) == 0);
    MUST(verify(ring, (sut_str){(const char *)data, size}, &claims) != SUT_TOKEN_OK);
    check_signed(ring, data, size);
    return 0;
}
