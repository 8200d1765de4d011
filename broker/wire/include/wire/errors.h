/* The platform's errors: what the protocol itself, and not a domain, can answer. Domains declare their own in
 * the schemas, numbered from SUT_ERR_DOMAIN_FIRST. On the wire an error is its code (a string), never its number. */
#ifndef SUT_WIRE_ERRORS_H
#define SUT_WIRE_ERRORS_H

#include "base/str.h"

/* name, code, HTTP status, doc */
#define SUT_PLATFORM_ERRORS(X)                                                                                         \
    X(BAD_ENVELOPE, "bad_envelope", 400, "The envelope breaks the protocol; the connection is closed.")                \
    X(HELLO_REQUIRED, "hello_required", 400, "Nothing but hello is answered before hello.")                            \
    X(VERSION, "unsupported_version", 400, "The protocol version is not spoken here; the connection is closed.")       \
    X(BAD_REQUEST, "bad_request", 400, "The HTTP request or its JSON cannot be read.")                                 \
    X(INVALID, "validation_failed", 422, "A field breaks its declaration; errors[] names each one.")                   \
    X(UNAUTHENTICATED, "unauthenticated", 401, "A valid access token is required.")                                    \
    X(FORBIDDEN, "forbidden", 403, "The caller may not do this.")                                                      \
    X(NOT_FOUND, "not_found", 404, "There is no such thing, or it is not visible to the caller.")                      \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, "The path exists, but not with this HTTP method.")                \
    X(NOT_ACCEPTABLE, "not_acceptable", 406, "Only application/json can be had.")                                      \
    X(CONFLICT, "conflict", 409, "The state of the thing does not allow this.")                                        \
    X(PAYLOAD_TOO_LARGE, "payload_too_large", 413, "The body or envelope is over its limit.")                          \
    X(URI_TOO_LONG, "uri_too_long", 414, "The request target is over its limit.")                                      \
    X(UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", 415, "The body must be application/json in UTF-8.")            \
    X(HEADERS_TOO_LARGE, "headers_too_large", 431, "The request's header fields are over their limit.")                \
    X(RATE_LIMITED, "rate_limited", 429, "Too many requests; see Retry-After.")                                        \
    X(OVERLOADED, "overloaded", 503, "A queue is full; retry after retry_after_ms.")                                   \
    X(NO_SUCH_SERVICE, "no_such_service", 503, "No instance serves this subject.")                                     \
    X(NO_SUCH_METHOD, "no_such_method", 501, "The service does not know this method.")                                 \
    X(UNAVAILABLE, "unavailable", 503, "Certainly not executed; anyone may retry.")                                    \
    X(OUTCOME_UNKNOWN, "outcome_unknown", 503, "It may have been executed; retry only with an idempotency key.")       \
    X(DEADLINE_EXCEEDED, "deadline_exceeded", 504, "The deadline passed before an answer came.")                       \
    X(CANCELLED, "cancelled", 499, "The caller cancelled the call.")                                                   \
    X(NO_SUCH_EVENT, "no_such_event", 404, "No schema declares an event of this subject.")                             \
    X(FENCED, "fenced", 409, "A newer epoch of this source has published: this one is over.")                          \
    X(SOURCE_GAP, "source_gap", 409, "The source's number does not follow the last one that was taken.")               \
    X(POSITION_GONE, "position_gone", 410, "Retention has removed that part of the journal.")                          \
    X(STORAGE_FULL, "storage_full", 507, "The journal cannot be written; nothing was published, reading goes on.")     \
    X(INTERNAL, "internal", 500, "A fault of ours; trace_id finds it in the logs.")

typedef enum sut_err {
    SUT_ERR_NONE = 0,
#define X(name, code, status, doc) SUT_ERR_##name,
    SUT_PLATFORM_ERRORS(X)
#undef X
        SUT_ERR_PLATFORM_COUNT,
    SUT_ERR_DOMAIN_FIRST = 64
} sut_err;

typedef struct sut_error_desc {
    int err; /* sut_err, or a domain's number from SUT_ERR_DOMAIN_FIRST */
    const char *code;
    int http_status;
    const char *doc;
} sut_error_desc;

/* NULL if the number or code is not a platform error. */
const sut_error_desc *sut_platform_error(int err);
const sut_error_desc *sut_platform_error_by_code(sut_str code);

#endif
