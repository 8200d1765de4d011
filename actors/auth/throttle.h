/* Slows down the guessing of passwords (docs/decisions/0023-login-throttle.md). An attempt is counted before its
 * password is looked at, by the network that it comes from and by the address that it is for; whether that has an
 * account makes no difference. Past the free ones each attempt makes the next one wait twice as long. */
#ifndef AUTH_THROTTLE_H
#define AUTH_THROTTLE_H

#include "kit/kit.h"
#include "throttle_table.h"

#define AUTH_NETWORK_SIZE 46

/* The network that stands for a client: an IPv4 address, or the /64 of an IPv6 one (also of ::ffff:a.b.c.d the IPv4
 * one), in its one canonical form. What is no address, or absent, is "". */
void auth_network_of(sut_str address, char out[AUTH_NETWORK_SIZE]);

typedef struct auth_attempt { /* one that is being judged */
    auth_bucket_key keys[2];
    auth_bucket_rule rules[2];
} auth_attempt;

/* Counts an attempt to log in as `email` (normalised) from `network`. 0: look at the password.
 * AUTH_ERR_TOO_MANY_ATTEMPTS with retry-after: do not. Counted in Redis for all instances together, and in this process
 * besides: when Redis is away the process goes on by what it has counted. */
SUT_MUST_CHECK sut_status auth_throttle_take(sut_request *rq, sut_str email, const char *network, auth_attempt *out);
/* The password was right: the attempt does not count. Never fails. */
void auth_throttle_refund(sut_request *rq, auth_attempt *attempt);
/* The password was not looked at, for the reason `st` that rq has been told: the attempt does not count. Returns `st`,
 * or SUT_ERR_OVERLOADED if there is not even room to give it back, and it counts. */
SUT_MUST_CHECK sut_status auth_throttle_unlooked(sut_request *rq, const auth_attempt *attempt, sut_status st);

#endif
