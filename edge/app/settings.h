/* The settings of sut-edge. */
#ifndef SUT_EDGE_SETTINGS_H
#define SUT_EDGE_SETTINGS_H

#include "base/config.h"

typedef struct edge_settings {
    const char *port, *host, *tls;
    const char *broker, *name, *secret_file, *curve_file, *server_key;
    const char *jwt_keys, *jwt_secret, *issuer, *audience;
    const char *cors_origins, *rate_limits, *proxies;
    int64_t threads, per_address, body_bytes, header_timeout_ms, keep_alive_ms, body_timeout_ms, drain_ms;
} edge_settings;

extern const sut_setting edge_setting_table[];
extern const size_t edge_setting_count;

#endif
