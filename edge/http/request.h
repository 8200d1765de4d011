/* One HTTP request as the rest of the edge sees it: civetweb's view of it after every check of hygiene.c. All strings
 * point into civetweb's buffer and live as long as the request. */
#ifndef SUT_HTTP_REQUEST_H
#define SUT_HTTP_REQUEST_H

#include "base/str.h"

#define SUT_HTTP_HEADERS_MAX 63 /* civetweb keeps 64 and drops the rest unseen: 64 is one too many to be sure */

typedef struct sut_http_limits {
    size_t target_bytes; /* path and query */
    size_t header_bytes; /* from the request line to the empty line */
    size_t body_bytes;
} sut_http_limits;

typedef struct sut_http_header {
    const char *name, *value;
} sut_http_header;

/* What civetweb's parser left in its buffer, with its separators overwritten by NULs. */
typedef struct sut_http_raw {
    const char *method, *target, *query, *version; /* query: behind the '?', or NULL; version: "1.1" */
    const sut_http_header *headers;
    size_t header_count;
} sut_http_raw;

typedef struct sut_http_request {
    sut_str method, path, query; /* raw; query.ptr NULL if there is none */
    bool http11;
    bool close; /* the connection ends with this request */
    const sut_http_header *headers;
    size_t header_count;
    size_t header_bytes;
    bool has_length, chunked, expect_continue;
    uint64_t content_length;
} sut_http_request;

/* Why a request is refused. `status` 0: it is not. */
typedef struct sut_http_fault {
    int status;
    const char *why;
} sut_http_fault;

/* Checks the raw request and fills `out`. Any fault here ends the connection: what follows on it cannot be trusted. */
SUT_MUST_CHECK sut_http_fault sut_http_check(const sut_http_raw *raw, const sut_http_limits *limits,
                                             sut_http_request *out);

/* The value of the only header of that name (case-insensitive, blanks cut); absent if there is none. `*count`, if not
 * NULL, says how many there are: of several, the first is returned. */
sut_str sut_http_header_of(const sut_http_request *rq, const char *name, size_t *count);
/* True if a comma-separated header value holds `token` (case-insensitive). */
bool sut_http_has_token(sut_str value, const char *token);

#endif
