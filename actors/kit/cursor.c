/* A cursor is position and HMAC-SHA-256 over list, owner, viewer, filter and position, cut to 128 bits, in hex. */
#include "kit/cursor.h"

#include "kit/pg.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

#define KEY_SIZE      32
#define LIST_MAX      64 /* with its NUL */
#define POSITION_SIZE 16
#define MAC_SIZE      16

static uint8_t s_key[KEY_SIZE];
static bool s_has_key;

static const sut_pg_stmt s_read_key = {"sut_cursor_key", "SELECT key FROM cursor_key", 0};

sut_status sut_cursor_start(sut_request *rq)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_read(rq, &s_read_key, SUT_PG_NO_PARAMS, &r);
    if (st != 0)
        return st;
    sut_str key = sut_pg_rows(r) == 1 ? sut_pg_get_bytea(r, 0, 0) : SUT_STR_NONE;
    if (key.len != KEY_SIZE)
        return sut_fail_internal(rq, "cursor_key has no key of %d bytes", KEY_SIZE);
    memcpy(s_key, key.ptr, KEY_SIZE);
    s_has_key = true;
    return 0;
}

static void put(uint8_t *at, int64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)((uint64_t)value >> (56 - 8 * i));
}

static int64_t get(const uint8_t *at)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | at[i];
    return (int64_t)value;
}

/* The list's name ends with its NUL and all behind it has a fixed size, so no two scopes read alike. */
static bool sign(const sut_cursor_scope *scope, const uint8_t position[POSITION_SIZE], uint8_t out[MAC_SIZE])
{
    uint8_t text[LIST_MAX + 16 + SHA256_DIGEST_LENGTH + POSITION_SIZE], mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    size_t at = strlen(scope->list) + 1;
    if (!s_has_key || at > LIST_MAX)
        return false;
    memcpy(text, scope->list, at);
    put(text + at, scope->owner_id);
    put(text + at + 8, scope->viewer_id);
    at += 16;
    SHA256((const uint8_t *)(scope->filter.ptr ? scope->filter.ptr : ""), scope->filter.len, text + at);
    at += SHA256_DIGEST_LENGTH;
    memcpy(text + at, position, POSITION_SIZE);
    at += POSITION_SIZE;
    if (!HMAC(EVP_sha256(), s_key, KEY_SIZE, text, at, mac, &len) || len < MAC_SIZE)
        return false;
    memcpy(out, mac, MAC_SIZE);
    return true;
}

sut_str sut_cursor_make(sut_request *rq, const sut_cursor_scope *scope, const sut_cursor *at)
{
    uint8_t bytes[POSITION_SIZE + MAC_SIZE];
    char text[2 * sizeof bytes + 1];
    put(bytes, at->at_us);
    put(bytes + 8, at->id);
    if (!sign(scope, bytes, bytes + POSITION_SIZE))
        return SUT_STR_NONE;
    sut_hex(bytes, sizeof bytes, text);
    return sut_request_str(rq, sut_str_from(text));
}

bool sut_cursor_read(const sut_cursor_scope *scope, sut_str text, sut_cursor *out)
{
    uint8_t bytes[POSITION_SIZE + MAC_SIZE], mac[MAC_SIZE];
    if (!sut_unhex(text, bytes, sizeof bytes) || !sign(scope, bytes, mac) ||
        CRYPTO_memcmp(mac, bytes + POSITION_SIZE, MAC_SIZE) != 0)
        return false;
    *out = (sut_cursor){.at_us = get(bytes), .id = get(bytes + 8)};
    return true;
}
