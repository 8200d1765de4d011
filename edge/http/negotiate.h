/* Content negotiation: there is one representation, application/json in UTF-8, both ways. */
#ifndef SUT_HTTP_NEGOTIATE_H
#define SUT_HTTP_NEGOTIATE_H

#include "request.h"

/* Does the client take application/json (RFC 9110 section 12.5.1)? No Accept header means anything. */
bool sut_accepts_json(const sut_http_request *rq);
/* Is the body said to be application/json, in UTF-8 or without a charset, and not content-encoded? */
bool sut_sends_json(const sut_http_request *rq);

#endif
