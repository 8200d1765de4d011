/* From an incoming call to its answer. Private to the kit. */
#ifndef SUT_KIT_DISPATCH_H
#define SUT_KIT_DISPATCH_H

#include "request.h"

#include "base/buf.h"
#include "base/metrics.h"

struct sut_runtime;
struct sut_incoming;

typedef struct sut_method_stats {
    sut_metric calls, errors;
    char labels[96];
    sut_histogram took_us;
} sut_method_stats;

/* The table's index of a method, or -1. */
int sut_dispatch_find(const struct sut_runtime *rt, sut_str subject);
/* libsut's callback. */
void sut_dispatch_incoming(void *runtime, struct sut_incoming *in);
/* Decodes, checks, calls, encodes into `reply`; 0 or an error number or a fault. rq's principal and deadline are set.
 */
sut_status sut_dispatch_call(sut_request *rq, const sut_service_entry *entry, sut_str body, sut_buf *reply);

/* access.c: may this principal call this method with this input? 0 or an error number. */
sut_status sut_access_check(sut_request *rq, const sut_method *m, const void *in);

/* reply.c: the one place where what a handler returned becomes what the caller is told. Never fails: what cannot be
 * told becomes `internal`. Strings live in the request. */
void sut_reply_error_body(sut_request *rq, sut_status status, sut_error_body *out);

/* health_method.c: NAME.health, for every actor. */
SUT_MUST_CHECK sut_status sut_health_method(struct sut_runtime *rt, sut_buf *reply);

#endif
