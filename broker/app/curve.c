/* Reads the broker's CURVE certificate with czmq. */
#include "curve.h"

#include "base/str.h"

#include <czmq.h>
#include <errno.h>
#include <sys/stat.h>

int sut_curve_load(const char *keys_dir, uint8_t secret[32], char *error, size_t error_size)
{
    char path[4096];
    struct stat st;
    zcert_t *cert;

    if (snprintf(path, sizeof path, "%s/broker.cert_secret", keys_dir) >= (int)sizeof path || stat(path, &st) != 0) {
        snprintf(error, error_size,
                 "SUT_BROKER_TCP: tcp needs the broker's certificate %s/broker.cert_secret; make it by "
                 "`sut key broker`",
                 keys_dir);
        return SUT_EXIT_CONFIG;
    }
    if (!S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & (S_IRWXG | S_IRWXO))) {
        snprintf(error, error_size, "SUT_BROKER_TCP: %s must be ours and have mode 0600", path);
        return SUT_EXIT_CONFIG;
    }
    cert = zcert_load(path);
    if (!cert) {
        snprintf(error, error_size, "SUT_BROKER_TCP: %s is not a CURVE certificate", path);
        return SUT_EXIT_CONFIG;
    }
    memcpy(secret, zcert_secret_key(cert), 32);
    zcert_destroy(&cert);
    if (sut_secret_eq(secret, (const uint8_t[32]){0}, 32)) {
        snprintf(error, error_size, "SUT_BROKER_TCP: %s holds no secret key", path);
        return SUT_EXIT_CONFIG;
    }
    return 0;
}
