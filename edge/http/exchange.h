/* One request and its answer: what handlers see of a connection. Implemented by exchange.c on civetweb. */
#ifndef SUT_HTTP_EXCHANGE_H
#define SUT_HTTP_EXCHANGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "bridge/bridge.h"
#include "http/server.h"
#include "request.h"

struct sut_exchange {
    sut_http_request rq;
    sut_str client;     /* the client's address: the peer's, or what a trusted proxy says */
    sut_arena *arena;   /* reset after the request */
    sut_waiter *waiter; /* of this thread, for calls through the bridge */
    uint64_t begun_ns;
    sut_str common_headers; /* header lines for every answer to this request (CORS, limits); may be absent */
    void *health_copy;      /* of health_page.c, for this thread; NULL until it is asked for; malloc'd */
    bool answered, body_read;
    int status;                          /* of the answer */
    char trace[SUT_TRACEPARENT_LEN + 1]; /* traceparent of this request, made when first asked for */
    char trace_id[33];                   /* its trace id, which log lines of this thread carry from then on */
};

typedef struct sut_response {
    int status;
    const char *content_type; /* NULL: no body */
    sut_str body;
    sut_str headers;         /* more header lines, each with CRLF; may be absent */
    uint32_t retry_after_ms; /* 0: no Retry-After */
} sut_response;

/* Reads the whole body within its limit, deadline and minimum rate, once; absent if there is none. A fault ends the
 * connection. */
SUT_MUST_CHECK sut_http_fault sut_exchange_body(sut_exchange *x, sut_str *body);
/* Sends the answer in one write. HEAD gets the headers only. */
void sut_exchange_send(sut_exchange *x, const sut_response *r);
/* The same with bytes that were rendered before: headers from the status line on, without Date, Connection and the
 * empty line; then the body. */
void sut_exchange_send_rendered(sut_exchange *x, sut_str head, sut_str body);
/* The request's traceparent: continues the client's if that is a valid one, else a new one. */
sut_str sut_exchange_traceparent(sut_exchange *x);
sut_str sut_exchange_trace_id(sut_exchange *x); /* its 32 hex digits of trace id */
/* Has the client gone away while we work for it? Costs some system calls. */
bool sut_exchange_gone(sut_exchange *x);

#endif
