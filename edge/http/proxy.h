/* Who the client is when a trusted proxy carries its request. */
#ifndef SUT_HTTP_PROXY_H
#define SUT_HTTP_PROXY_H

#include "request.h"

/* The last address of X-Forwarded-For, which is the one that the proxy itself has seen; `peer` if there is none or it
 * is no address. */
sut_str sut_proxy_client(const sut_http_request *rq, sut_str peer);

#endif
