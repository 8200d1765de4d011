/* The gate: what a request passes before it may go on the bus, in the order of the design: rate limiter, token
 * validator with revocations, permission checker. (Validation of the body follows in edge/http, from the same tables.)
 */
#ifndef SUT_GATE_GATE_H
#define SUT_GATE_GATE_H

#include "gate/limiter.h"
#include "gate/revocations.h"
#include "token/token.h"
#include "wire/schema.h"

typedef struct sut_gate sut_gate;

typedef struct sut_gate_options {
    const char *keys_file; /* SUT_JWT_KEYS, or NULL */
    const char *secret;    /* JWT_SECRET, or NULL */
    sut_token_rules rules;
    const char *rate_limits;
} sut_gate_options;

/* Strings are copied or used up. On failure one line in `error` that names the setting. */
SUT_MUST_CHECK sut_status sut_gate_new(sut_gate **out, const sut_gate_options *opt, char *error, size_t error_size);
sut_gate *sut_gate_free(sut_gate *g);
/* Reads the keys again, and puts their ids into `words` in their order; a bad file keeps the old ones, and `words` says
 * why. Any thread. */
SUT_MUST_CHECK sut_status sut_gate_reload(sut_gate *g, char words[SUT_KEYRING_NAMES_SIZE]);
sut_revocations *sut_gate_revocations(sut_gate *g);

typedef struct sut_gate_request {
    const sut_method *method;
    sut_str authorization; /* the header's value; absent: anonymous */
    sut_str client;        /* the client's address */
    uint64_t now_ns;       /* monotonic */
    int64_t now_s;         /* wall clock, seconds */
} sut_gate_request;

typedef struct sut_gate_verdict {
    int err; /* 0: pass; RATE_LIMITED, UNAUTHENTICATED, FORBIDDEN, or UNAVAILABLE when revocations are not known */
    const char *why; /* one line for people */
    bool token_given;
    sut_claims claims; /* user_id 0: nobody */
    sut_limit_verdict limit;
} sut_gate_verdict;

/* Any thread. */
void sut_gate_check(sut_gate *g, const sut_gate_request *rq, sut_gate_verdict *out);
/* May this principal pass for the user named by the path (the method's `self`)? Admins pass. */
bool sut_gate_self(const sut_gate_verdict *v, int64_t user_id);

#endif
