/* Calls to other actors, typed by the schema. The callee gets our principal, what remains of our deadline (less 10 ms)
 * and our trace.
 *
 *     user_profile_create_in in = {.user_id = id, .username = name};
 *     user_profile_create_out out;
 *     sut_status st = sut_kit_call(rq, &user_profile_create_method, &in, &out, NULL);
 *     if (st == SUT_KIT_REMOTE && sut_kit_remote_is(rq, "username_taken"))
 *         return sut_fail_field_as(rq, AUTH_ERR_USERNAME_TAKEN, "/username", "taken", "This name is taken.");
 *     if (st)
 *         return st;
 */
#ifndef SUT_KIT_CALL_H
#define SUT_KIT_CALL_H

#include "kit/kit.h"

/* The callee answered with an error of its own domain, or with a platform error that is about our request to it and
 * must not reach our caller as if it were about theirs (validation_failed, forbidden, not_found, conflict …). Returned
 * by a handler unhandled, it is answered as `internal`. The number is none of sut_err and none of a domain's. */
enum { SUT_KIT_REMOTE = 60 };

typedef struct sut_kit_call_options {
    uint32_t timeout_ms;     /* 0: the method's, and never past our own deadline */
    sut_str key;             /* ordering key */
    sut_str idempotency_key; /* for calls that mutate: derive it from what makes the effect one (say, the user's id) */
    bool without_principal;  /* as the service itself: for service-only methods that must not see our caller */
} sut_kit_call_options;

/* Parks until the reply, an error or the deadline. `out` (the method's output struct) lives in the request's arena and
 * is filled only if 0 is returned. `opt` may be NULL. Besides SUT_KIT_REMOTE: SUT_ERR_UNAVAILABLE (certainly not
 * executed: also no_such_service), SUT_ERR_OUTCOME_UNKNOWN, SUT_ERR_OVERLOADED, SUT_ERR_DEADLINE_EXCEEDED,
 * SUT_ERR_CANCELLED, SUT_ERR_INTERNAL. A breaker a service opens on timeouts, unavailable and internal. */
SUT_MUST_CHECK sut_status sut_kit_call(sut_request *rq, const sut_method *m, const void *in, void *out,
                                       const sut_kit_call_options *opt);

/* After SUT_KIT_REMOTE. */
bool sut_kit_remote_is(const sut_request *rq, const char *code);
sut_str sut_kit_remote_code(const sut_request *rq);
sut_str sut_kit_remote_message(const sut_request *rq);

#endif
