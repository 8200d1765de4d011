/* What proto-gen emits for the actor that serves a domain: one entry a method, binding its table to a typed handler.
 *
 * gen/NAME_service.h declares the handlers (`sut_status auth_login(sut_request *rq, const auth_login_in *in,
 * auth_login_out *out)`) and `NAME_service_entries[NAME_service_entry_count]`, sorted by method name;
 * gen/NAME_service.c holds thunks, so that no function pointer is ever cast. */
#ifndef SUT_WIRE_SERVICE_H
#define SUT_WIRE_SERVICE_H

#include "wire/schema.h"

typedef struct sut_request sut_request; /* the kit's: principal, deadline, trace, arena of one call */

/* `in` and `out` point to structs of method->in and method->out; `out` is zeroed. Returns 0; an error number that the
 * method may answer (sut_err, or the domain's own from SUT_ERR_DOMAIN_FIRST); or a negative status, which the caller
 * sees as `internal`. */
typedef struct sut_service_entry {
    const sut_method *method;
    sut_status (*call)(sut_request *rq, const void *in, void *out);
} sut_service_entry;

/* One event that a service consumes: `body` points to a struct of consumer->event->body. Returns 0: done, the event is
 * acknowledged; anything else: it is delivered again later, and at last becomes a dead letter with the error's words.
 * gen/NAME_service.h declares the handlers (`sut_status user_on_registered(sut_request *rq, const auth_user_registered
 * *event)`) and `NAME_consumer_entries[NAME_consumer_entry_count]`, sorted by group, then subject. */
typedef struct sut_consumer_entry {
    const sut_consumer *consumer;
    sut_status (*take)(sut_request *rq, const void *body);
} sut_consumer_entry;

#endif
