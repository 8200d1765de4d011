/* Cross-origin requests, by configuration (https://fetch.spec.whatwg.org/#http-cors-protocol). Tokens travel in the
 * Authorization header, never in cookies, so credentials mode is never allowed. */
#ifndef SUT_HTTP_CORS_H
#define SUT_HTTP_CORS_H

#include "base/arena.h"
#include "request.h"

#define SUT_CORS_ORIGINS_MAX 32

typedef struct sut_cors {
    sut_str origins[SUT_CORS_ORIGINS_MAX]; /* point into the setting */
    size_t count;
    bool any;
} sut_cors;

/* `origins`: "https://app.example.org,https://admin.example.org", "*" or empty (no other origin). Borrowed. -EINVAL
 * with one line in `error`. */
SUT_MUST_CHECK sut_status sut_cors_init(sut_cors *c, const char *origins, char *error, size_t error_size);
/* Header lines for the answer to this request; absent if none are due. `preflight` adds what may be sent. */
sut_str sut_cors_headers(const sut_cors *c, const sut_http_request *rq, const char *allow, bool preflight,
                         sut_arena *a);

#endif
