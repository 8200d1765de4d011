/* The REST API: from a request to a call on the bus and back, by the generated tables alone. */
#ifndef SUT_HTTP_API_H
#define SUT_HTTP_API_H

#include "bridge/bridge.h"
#include "gate/gate.h"
#include "http/server.h"

typedef struct sut_api sut_api;

typedef struct sut_api_options {
    sut_gate *gate;
    sut_bridge *bridge;
    const char *cors_origins; /* borrowed; empty: no other origin */
    size_t body_bytes;
} sut_api_options;

SUT_MUST_CHECK sut_status sut_api_new(sut_api **out, const sut_api_options *opt, char *error, size_t error_size);
sut_api *sut_api_free(sut_api *api);
void sut_api_drain(sut_api *api); /* /health says so from now on */

/* The handler for sut_server_options; `api` is its argument. */
void sut_api_handle(void *api, sut_exchange *x);

#endif
