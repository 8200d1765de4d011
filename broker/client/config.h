/* A client's options, copied and checked, and the secrets that a connection needs, read from their files each time that
 * one is made (so that a rotated secret is found). */
#ifndef SUT_CLIENT_CONFIG_H
#define SUT_CLIENT_CONFIG_H

#include "sut.h"

typedef struct client_config {
    char *endpoint;
    char *name;
    char *instance;
    char *secret_file; /* ipc */
    char *curve_file;  /* tcp */
    char *server_key;
    bool tcp;
    sut_session_fn on_session;
    void *on_session_arg;
    uint32_t queue_max;
    uint32_t spin_us;
} client_config;

#define CURVE_KEY_TEXT 40 /* bytes of a Z85 key */

typedef struct client_secret {
    char *password; /* ipc */
    char public_key[CURVE_KEY_TEXT + 1];
    char secret_key[CURVE_KEY_TEXT + 1];
} client_secret;

SUT_MUST_CHECK sut_status client_config_init(client_config *out, const sut_client_options *opt, char *error,
                                             size_t error_size);
void client_config_deinit(client_config *cfg);
SUT_MUST_CHECK sut_status client_secret_read(const client_config *cfg, client_secret *out, char *error,
                                             size_t error_size);
void client_secret_wipe(client_secret *s);
/* Reads the two keys of a certificate in czmq's zcert format; false if one is not there. */
bool client_zcert_parse(const char *text, char public_key[CURVE_KEY_TEXT + 1], char secret_key[CURVE_KEY_TEXT + 1]);

#endif
