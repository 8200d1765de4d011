/* The broker's own CURVE certificate. */
#ifndef SUT_APP_CURVE_H
#define SUT_APP_CURVE_H

#include "base/status.h"

/* Reads the 32-byte secret key from KEYS_DIR/broker.cert_secret (czmq's zcert format, made by `sut key broker`), which
 * must be private. 0, or an exit code with one line in `error`. */
int sut_curve_load(const char *keys_dir, uint8_t secret[32], char *error, size_t error_size);

#endif
