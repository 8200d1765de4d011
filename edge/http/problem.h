/* Errors as RFC 9457 problem details. One function maps wire errors to HTTP. */
#ifndef SUT_HTTP_PROBLEM_H
#define SUT_HTTP_PROBLEM_H

#include "exchange.h"

#include "wire/schema.h"

typedef struct sut_problem {
    int status;
    const char *code, *title;
    sut_str detail; /* may be absent */
    const sut_field_error *errors;
    size_t error_count;
    uint32_t retry_after_ms;
    sut_str headers; /* more header lines, or absent */
} sut_problem;

void sut_problem_send(sut_exchange *x, const sut_problem *p);
/* A platform error. */
void sut_problem_error(sut_exchange *x, int err, const char *detail, sut_str headers);
/* A request that is refused before it is understood; the connection ends. */
void sut_problem_fault(sut_exchange *x, const sut_http_fault *fault);
/* What the bus answered to a call of `m`: status and title from the schema's table, fields from the error body. */
void sut_problem_reply(sut_exchange *x, const sut_method *m, const sut_bridge_reply *reply);

#endif
