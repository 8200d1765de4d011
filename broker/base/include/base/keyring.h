/* The keys that access tokens are signed with: kid → key. File: one `KID HEXKEY` a line, `#` comments; the first key
 * signs, all verify, so that keys are rotated by putting a new line on top and taking the old one out when its tokens
 * are gone. Immutable once loaded; share by swapping pointers. */
#ifndef SUT_BASE_KEYRING_H
#define SUT_BASE_KEYRING_H

#include "base/str.h"

#define SUT_KEYRING_MAX   16
#define SUT_KEY_BYTES_MIN 32 /* RFC 7518 section 3.2: a key of the hash's size or larger for HS256 */
#define SUT_KEY_BYTES_MAX 128
#define SUT_KID_MAX       32

typedef struct sut_key {
    char kid[SUT_KID_MAX + 1];
    uint8_t bytes[SUT_KEY_BYTES_MAX];
    size_t len;
} sut_key;

typedef struct sut_keyring {
    sut_key keys[SUT_KEYRING_MAX];
    size_t count; /* at least 1 */
} sut_keyring;

/* From the file at `path` (read by sut_secret_load, so it must be private), or, if `path` is NULL, from `secret` alone
 * as kid "0" (the seed's JWT_SECRET: its bytes as they are, 32 or more). Exactly one of both must be given. On failure
 * returns -EINVAL (or what reading returned) and writes one line that names what is wrong into `error`. */
SUT_MUST_CHECK sut_status sut_keyring_load(sut_keyring **out, const char *path, const char *secret, char *error,
                                           size_t error_size);
sut_keyring *sut_keyring_free(sut_keyring *k);                      /* wipes; returns NULL */
const sut_key *sut_keyring_find(const sut_keyring *k, sut_str kid); /* NULL if there is none */
/* The ids in their order, parted by blanks, for a log: "2 1". */
#define SUT_KEYRING_NAMES_SIZE (SUT_KEYRING_MAX * (SUT_KID_MAX + 1))
void sut_keyring_names(const sut_keyring *k, char out[SUT_KEYRING_NAMES_SIZE]);
static inline const sut_key *sut_keyring_signing(const sut_keyring *k)
{
    return &k->keys[0];
}

#endif
