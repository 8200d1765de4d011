/* A cursor is position and HMAC-SHA-256 over list, owner, viewer and position, cut to 128 bits, in hex. */
#include "cursor.h"

#include "kit/pg.h"
#include "user_schema.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define KEY_SIZE      32
#define POSITION_SIZE 16
#define MAC_SIZE      16

static uint8_t s_key[KEY_SIZE];
static bool s_has_key;

static const sut_pg_stmt s_read_key = {"user_cursor_key", "SELECT key FROM cursor_key", 0};

sut_status user_cursor_start(sut_request *rq, void *arg)
{
    (void)arg;
    const sut_pg_result *r;
    sut_status st = sut_pg_read(rq, &s_read_key, SUT_PG_NO_PARAMS, &r);
    if (st)
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

/* The list's name ends with its NUL, so no two scopes read alike. */
static bool sign(const user_cursor_scope *scope, const uint8_t position[POSITION_SIZE], uint8_t out[MAC_SIZE])
{
    uint8_t text[64 + 16 + POSITION_SIZE], mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    size_t name = strlen(scope->list) + 1;
    if (!s_has_key || name > 64)
        return false;
    memcpy(text, scope->list, name);
    put(text + name, scope->owner_id);
    put(text + name + 8, scope->viewer_id);
    memcpy(text + name + 16, position, POSITION_SIZE);
    if (!HMAC(EVP_sha256(), s_key, KEY_SIZE, text, name + 16 + POSITION_SIZE, mac, &len) || len < MAC_SIZE)
        return false;
    memcpy(out, mac, MAC_SIZE);
    return true;
}

sut_str user_cursor_make(sut_request *rq, const user_cursor_scope *scope, const user_cursor *at)
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

sut_status user_cursor_read(sut_request *rq, const user_cursor_scope *scope, sut_str text, user_cursor *out)
{
    uint8_t bytes[POSITION_SIZE + MAC_SIZE], mac[MAC_SIZE];
    if (!sut_unhex(text, bytes, sizeof bytes) || !sign(scope, bytes, mac) ||
        CRYPTO_memcmp(mac, bytes + POSITION_SIZE, MAC_SIZE) != 0)
        return sut_fail(rq, USER_ERR_BAD_CURSOR, "This cursor is not one that this list gave to you.");
    *out = (user_cursor){.at_us = get(bytes), .id = get(bytes + 8)};
    return 0;
}
