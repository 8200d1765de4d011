/* libcrypto's AES-GCM and HMAC, and the key file. */
#include "seal.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NONCE_BYTES 12
#define PURPOSE     "sut capture segment 1"

sut_status seal_init(seal *s, const sut_key *key, const uint8_t salt[SEAL_SALT_BYTES])
{
    uint8_t info[sizeof PURPOSE - 1 + SEAL_SALT_BYTES];
    unsigned len = 0;

    *s = (seal){.ctx = EVP_CIPHER_CTX_new()};
    memcpy(info, PURPOSE, sizeof PURPOSE - 1); // NOLINT(bugprone-not-null-terminated-result)
    memcpy(info + sizeof PURPOSE - 1, salt, SEAL_SALT_BYTES);
    if (s->ctx && HMAC(EVP_sha256(), key->bytes, (int)key->len, info, sizeof info, s->key, &len) &&
        len == sizeof s->key && EVP_CipherInit_ex(s->ctx, EVP_aes_256_gcm(), NULL, s->key, NULL, 1) == 1)
        return 0;
    seal_deinit(s);
    return SUT_TRACE(-ENOMEM, "seal");
}

void seal_deinit(seal *s)
{
    EVP_CIPHER_CTX_free(s->ctx);
    s->ctx = NULL;
    explicit_bzero(s->key, sizeof s->key);
}

static bool begin(const seal *s, uint64_t number, sut_str open, bool closing)
{
    uint8_t nonce[NONCE_BYTES] = {0};
    int len = 0;

    for (size_t i = 0; i < sizeof number; i++)
        nonce[i] = (uint8_t)(number >> (8 * i));
    return s->ctx && open.len <= INT_MAX && EVP_CipherInit_ex(s->ctx, NULL, NULL, NULL, nonce, closing) == 1 &&
           EVP_CipherUpdate(s->ctx, NULL, &len, (const uint8_t *)open.ptr, (int)open.len) == 1;
}

/* Both directions, up to the tag. */
static bool run(const seal *s, sut_str in, uint8_t *out)
{
    int len = 0;

    return in.len == 0 ||
           (EVP_CipherUpdate(s->ctx, out, &len, (const uint8_t *)in.ptr, (int)in.len) == 1 && (size_t)len == in.len);
}

sut_status seal_close(seal *s, uint64_t number, sut_str open, sut_str plain, sut_buf *out)
{
    int len = 0;
    const sut_status st = plain.len <= INT_MAX ? sut_buf_reserve(out, plain.len + SEAL_TAG_BYTES) : -EMSGSIZE;

    if (st < 0)
        return st;
    uint8_t *at = out->data + out->len;
    if (!begin(s, number, open, true) || !run(s, plain, at) || EVP_CipherFinal_ex(s->ctx, at + plain.len, &len) != 1 ||
        EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_BYTES, at + plain.len) != 1)
        return SUT_TRACE(-EIO, "seal");
    out->len += plain.len + SEAL_TAG_BYTES;
    return 0;
}

sut_status seal_open(seal *s, uint64_t number, sut_str open, sut_str sealed, sut_buf *out)
{
    int len = 0;

    if (sealed.len < SEAL_TAG_BYTES || sealed.len > INT_MAX)
        return -EBADMSG;
    const sut_str in = {sealed.ptr, sealed.len - SEAL_TAG_BYTES};
    uint8_t tag[SEAL_TAG_BYTES];
    memcpy(tag, sealed.ptr + in.len, sizeof tag);
    const sut_status st = sut_buf_reserve(out, in.len + 1);
    if (st < 0)
        return st;
    uint8_t *at = out->data + out->len;
    if (!begin(s, number, open, false) || !run(s, in, at) ||
        EVP_CIPHER_CTX_ctrl(s->ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_BYTES, tag) != 1 ||
        EVP_CipherFinal_ex(s->ctx, at + in.len, &len) != 1)
        return -EBADMSG; /* what was written past out->len does not count */
    out->len += in.len;
    return 0;
}

/* ---- the key file ---- */

static sut_status write_all(int fd, const char *text, size_t len)
{
    const ssize_t n = write(fd, text, len);
    if (n == (ssize_t)len)
        return 0;
    return n < 0 ? -errno : -ENOSPC;
}

/* Under another name first, so that nobody ever finds half a key. */
static sut_status make_file(const char *path)
{
    char aside[PATH_MAX], hex[65], line[80];
    uint8_t key[32];
    sut_random(key, sizeof key);
    sut_hex(key, sizeof key, hex);
    const int len = snprintf(line, sizeof line, "1 %s\n", hex);
    const int n = snprintf(aside, sizeof aside, "%s.%ld", path, (long)getpid());
    sut_status st = n > 0 && (size_t)n < sizeof aside ? 0 : -ENAMETOOLONG;
    const int fd = st == 0 ? open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (st == 0 && fd < 0)
        st = -errno;
    if (st == 0)
        st = write_all(fd, line, (size_t)len);
    if (st == 0 && fsync(fd) != 0)
        st = -errno;
    if (st == 0 && link(aside, path) != 0 && errno != EEXIST) /* somebody else's is as good */
        st = -errno;
    if (fd >= 0) {
        close(fd);
        unlink(aside);
    }
    explicit_bzero(key, sizeof key);
    explicit_bzero(hex, sizeof hex);
    explicit_bzero(line, sizeof line);
    return st;
}

sut_status seal_keys_load(sut_keyring **out, const char *path, char *error, size_t error_size)
{
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        const sut_status st = make_file(path);
        if (st < 0) {
            snprintf(error, error_size, "%s: cannot be made: %s", path, strerror(-st));
            return st;
        }
    }
    return sut_keyring_load(out, path, NULL, error, error_size);
}
