/* HTTP for fibers, over kit/transfer.h: Neo4j, object stores, push services.
 *
 *     sut_http_reply reply;
 *     sut_status st = sut_http(rq, &(sut_http_request){.method = "POST", .url = url, .body = json,
 *                                                      .content_type = "application/json"}, &reply);
 *     if (st == 0 && reply.status == 200) …
 *
 * A status of HTTP's own, 500 as well, is an answer and no error. Redirects are not followed, proxies of the
 * environment not used, cookies not kept; https is verified against the system's certificates.
 *
 * Errors: SUT_ERR_UNAVAILABLE (no connection: certainly not sent), SUT_ERR_OUTCOME_UNKNOWN (lost on its way),
 * SUT_ERR_OVERLOADED (SUT_TRANSFERS_MAX run already), SUT_ERR_DEADLINE_EXCEEDED, SUT_ERR_CANCELLED; SUT_ERR_INTERNAL if
 * the request cannot be made or the answer is larger than max_reply. Whoever has a dependency there keeps a breaker
 * around it (base/breaker.h). */
#ifndef SUT_KIT_HTTP_H
#define SUT_KIT_HTTP_H

#include "kit/kit.h"

#define SUT_HTTP_HEADERS_MAX 16
#define SUT_HTTP_REPLY_BYTES (1u << 20)

typedef struct sut_http_header {
    const char *name;
    sut_str value; /* without CR, LF and NUL: refused otherwise */
} sut_http_header;

typedef struct sut_http_request { /* strings are borrowed until sut_http returns */
    const char *method;           /* NULL: GET */
    const char *url;              /* http: or https: */
    const char *user, *password;  /* basic authentication; NULL: none */
    const char *content_type;     /* of the body; NULL: no body is sent */
    sut_str body;
    const sut_http_header *headers;
    size_t header_count;
    uint32_t timeout_ms; /* of the whole exchange, besides the request's deadline; 0: 10,000 */
    size_t max_reply;    /* bytes of body; 0: SUT_HTTP_REPLY_BYTES */
} sut_http_request;

typedef struct sut_http_reply {
    int status;           /* 100 to 599 */
    sut_str content_type; /* absent if there is none */
    sut_str body;         /* in the request's arena */
} sut_http_reply;

SUT_MUST_CHECK sut_status sut_http(sut_request *rq, const sut_http_request *in, sut_http_reply *out);

#endif
