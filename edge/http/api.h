/* Inside of the API: the parts that a request passes in turn. */
#ifndef SUT_HTTP_API_PRIVATE_H
#define SUT_HTTP_API_PRIVATE_H

#include "cors.h"
#include "exchange.h"
#include "health_page.h"
#include "http/api.h"
#include "router.h"

struct sut_api {
    sut_router *router;
    sut_gate *gate;
    sut_bridge *bridge;
    sut_health_page *health;
    sut_cors cors;
    size_t body_bytes;
};

/* call.c: the route is a method: gate, validation, bus, answer. */
void sut_api_call(sut_api *api, sut_exchange *x, const sut_route_match *match);
/* input.c: body, path, query and headers → one validated msgpack body. False: it was answered with the reason. */
SUT_MUST_CHECK bool sut_api_input(sut_api *api, sut_exchange *x, const sut_route_match *match, sut_buf *out);
/* openapi_page.c */
void sut_openapi_answer(sut_exchange *x);

#endif
