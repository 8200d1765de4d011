/* Sealing: AES-256-GCM (NIST SP 800-38D) under a key of one segment, which is derived from a key of the key file and
 * the segment's salt. A record's number is its nonce, and a segment never has one number twice: so no pair of key and
 * nonce is used again, whatever a crash or a full disk leaves behind. */
#ifndef SUT_CAPTURE_SEAL_H
#define SUT_CAPTURE_SEAL_H

#include "base/buf.h"
#include "base/keyring.h"

#define SEAL_SALT_BYTES 16
#define SEAL_TAG_BYTES  16

typedef struct seal {
    uint8_t key[32];
    struct evp_cipher_ctx_st *ctx;
} seal;

SUT_MUST_CHECK sut_status seal_init(seal *s, const sut_key *key, const uint8_t salt[SEAL_SALT_BYTES]);
void seal_deinit(seal *s); /* wipes; idempotent */
/* Appends the sealed bytes and the tag. `open` is authenticated with them. */
SUT_MUST_CHECK sut_status seal_close(seal *s, uint64_t number, sut_str open, sut_str plain, sut_buf *out);
/* Appends the plain bytes. -EBADMSG: not sealed by this key, or changed since. */
SUT_MUST_CHECK sut_status seal_open(seal *s, uint64_t number, sut_str open, sut_str sealed, sut_buf *out);

/* Loads the key file, and makes one with a random key if there is none. -EINVAL and so on with one line in `error`. */
SUT_MUST_CHECK sut_status seal_keys_load(sut_keyring **out, const char *path, char *error, size_t error_size);

#endif
