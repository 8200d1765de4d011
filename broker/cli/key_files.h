/* Files that must never be seen half-written: replaced as a whole, readable by nobody else. Private to `sut key`. */
#ifndef SUT_CLI_KEY_FILES_H
#define SUT_CLI_KEY_FILES_H

#include "base/str.h"

/* Makes the directory with mode 0700 if it is missing; -EPERM if others may write into one that is there. */
SUT_MUST_CHECK sut_status sut_key_dir(const char *path);
/* Reads a whole file; *text is malloc'd, NUL behind; a missing file is empty. */
SUT_MUST_CHECK sut_status sut_key_read(const char *path, char **text, size_t *len);
/* Replaces `path` by these bytes: a temporary file beside it, mode 0600, synced, renamed; the directory synced. */
SUT_MUST_CHECK sut_status sut_key_replace(const char *path, const void *bytes, size_t len);
/* Takes the lock file PATH.lock, waiting for it; a descriptor to close, or negative. */
SUT_MUST_CHECK int sut_key_lock(const char *path);

/* Writes DIR/NAME.secret: 32 random bytes in hex and a newline. */
SUT_MUST_CHECK sut_status sut_key_make_secret(const char *dir, const char *name);
/* Makes a CURVE key pair in DIR/NAME.cert and DIR/NAME.cert_secret (czmq's zcert format). */
SUT_MUST_CHECK sut_status sut_key_make_cert(const char *dir, const char *name, char public_z85[41]);
/* Reads the public key of DIR/NAME.cert; -ENOENT if there is none. */
SUT_MUST_CHECK sut_status sut_key_load_cert(const char *dir, const char *name, char public_z85[41]);
/* Removes secret and certificate; missing ones are fine. */
SUT_MUST_CHECK sut_status sut_key_remove(const char *dir, const char *name);

#endif
