/* Parses key files. Nothing here compares keys: finding one by its kid is no secret. */
#include "base/keyring.h"

#include "base/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_BYTES_MAX 16384

static sut_str next_word(sut_str *line)
{
    while (line->len && (*line->ptr == ' ' || *line->ptr == '\t' || *line->ptr == '\r')) {
        line->ptr++;
        line->len--;
    }
    sut_str word = {line->ptr, 0};
    while (line->len && *line->ptr != ' ' && *line->ptr != '\t' && *line->ptr != '\r') {
        line->ptr++;
        line->len--;
        word.len++;
    }
    return word;
}

static const char *add_key(sut_keyring *k, sut_str kid, sut_str hex)
{
    if (k->count == SUT_KEYRING_MAX)
        return "too many keys (at most 16)";
    if (kid.len > SUT_KID_MAX)
        return "the kid is longer than 32 bytes";
    if (sut_keyring_find(k, kid))
        return "this kid was given before";
    if (hex.len < 2 * SUT_KEY_BYTES_MIN || hex.len > 2 * SUT_KEY_BYTES_MAX)
        return "the key must be 64 to 256 hex digits (32 to 128 bytes)";
    sut_key *key = &k->keys[k->count];
    key->len = hex.len / 2;
    if (hex.len % 2 || !sut_unhex(hex, key->bytes, key->len))
        return "the key is not hex digits";
    memcpy(key->kid, kid.ptr, kid.len);
    k->count++;
    return NULL;
}

static const char *parse(sut_keyring *k, sut_str text, int *line_number)
{
    while (text.len) {
        const char *end = memchr(text.ptr, '\n', text.len);
        sut_str line = {text.ptr, end ? (size_t)(end - text.ptr) : text.len};
        size_t step = line.len + (end != NULL);
        text = (sut_str){text.ptr + step, text.len - step};
        ++*line_number;
        sut_str kid = next_word(&line);
        if (kid.len == 0 || kid.ptr[0] == '#')
            continue;
        sut_str hex = next_word(&line);
        if (hex.len == 0 || next_word(&line).len)
            return "a line must be `KID HEXKEY`";
        const char *fault = add_key(k, kid, hex);
        if (fault)
            return fault;
    }
    return k->count ? NULL : "it holds no key";
}

static sut_status from_file(sut_keyring *k, const char *path, char *error, size_t error_size)
{
    char *text = NULL;
    size_t len = 0;
    sut_status st = sut_secret_load(path, FILE_BYTES_MAX, &text, &len, error, error_size);
    if (st != 0)
        return st;
    int line_number = 0;
    const char *fault = parse(k, (sut_str){text, len}, &line_number);
    explicit_bzero(text, len);
    free(text);
    if (!fault)
        return 0;
    snprintf(error, error_size, "%s:%d: %s", path, line_number, fault);
    return -EINVAL;
}

static sut_status from_secret(sut_keyring *k, const char *secret, char *error, size_t error_size)
{
    size_t len = strlen(secret);
    if (len < SUT_KEY_BYTES_MIN || len > SUT_KEY_BYTES_MAX) {
        snprintf(error, error_size, "JWT_SECRET must be 32 to 128 bytes; it has %zu", len);
        return -EINVAL;
    }
    memcpy(k->keys[0].kid, "0", 2);
    memcpy(k->keys[0].bytes, secret, len);
    k->keys[0].len = len;
    k->count = 1;
    return 0;
}

sut_status sut_keyring_load(sut_keyring **out, const char *path, const char *secret, char *error, size_t error_size)
{
    bool has_path = path && *path, has_secret = secret && *secret;
    if (has_path == has_secret) {
        snprintf(error, error_size, "%s",
                 has_path ? "SUT_JWT_KEYS and JWT_SECRET are both set: give one"
                          : "SUT_JWT_KEYS (a key file) or JWT_SECRET must be set");
        return -EINVAL;
    }
    sut_keyring *k = calloc(1, sizeof *k);
    if (!k)
        return -ENOMEM;
    sut_status st = has_path ? from_file(k, path, error, error_size) : from_secret(k, secret, error, error_size);
    if (st != 0) {
        sut_keyring_free(k);
        return st;
    }
    *out = k;
    return 0;
}

sut_keyring *sut_keyring_free(sut_keyring *k)
{
    if (k) {
        explicit_bzero(k, sizeof *k);
        free(k);
    }
    return NULL;
}

const sut_key *sut_keyring_find(const sut_keyring *k, sut_str kid)
{
    for (size_t i = 0; i < k->count; i++)
        if (sut_str_is(kid, k->keys[i].kid))
            return &k->keys[i];
    return NULL;
}

void sut_keyring_names(const sut_keyring *k, char out[SUT_KEYRING_NAMES_SIZE])
{
    size_t at = 0;
    for (size_t i = 0; i < k->count; i++) {
        size_t len = strlen(k->keys[i].kid);
        memcpy(out + at, k->keys[i].kid, len);
        at += len;
        out[at++] = i + 1 < k->count ? ' ' : '\0';
    }
}
