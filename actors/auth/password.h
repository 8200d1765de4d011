/* Passwords: which are good enough, and bcrypt `$2b$` through libxcrypt. Both in the worker pool. */
#ifndef AUTH_PASSWORD_H
#define AUTH_PASSWORD_H

#include "kit/kit.h"

#define AUTH_PASSWORD_BYTES_MAX 72 /* bcrypt reads no more: longer ones would be cut, so they are refused */
#define AUTH_HASH_SIZE          64 /* "$2b$10$" + 53 characters and NUL */

/* ---- strength.c ---- */

#define AUTH_STRENGTH_BITS_MIN 20.0 /* about a million guesses, which an online attack never has */

/* Is it good enough to be set, by NIST SP 800-63B section 5.1.1.2: long enough, and neither well known nor easily
 * guessed? Nothing is asked of its composition. `own`: what an attacker knows of its owner (address, names; absent ones
 * are passed over), which counts for nothing in it. Parks while a worker estimates: up to some 30 ms. 0;
 * SUT_ERR_INVALID with a field error `too_easy` (or `length`) at `pointer` ("/new_password") that says what is wrong
 * with it; or what sut_work returns. Call it before looking at whether the account exists, so that its answer tells
 * nothing. */
SUT_MUST_CHECK sut_status auth_password_judge(sut_request *rq, const char *pointer, sut_str password,
                                              const sut_str *own, size_t own_count);

/* ---- password.c ---- */

/* Prepares the hash that unknown addresses are checked against, at `cost` (4 to 31), so that they take as long as known
 * ones. Call once at start. -EINVAL if libxcrypt does not know `$2b$`. */
SUT_MUST_CHECK sut_status auth_password_init(int cost);

/* Parks while a worker hashes. Returns 0, or an error number (SUT_ERR_OVERLOADED with retry-after among them). The
 * password must have passed the schema's limits. */
SUT_MUST_CHECK sut_status auth_password_hash(sut_request *rq, sut_str password, char out[AUTH_HASH_SIZE]);

/* Does the password belong to the hash? `hash` absent: takes as long as if there were one, and says no. */
SUT_MUST_CHECK sut_status auth_password_check(sut_request *rq, sut_str password, sut_str hash, bool *matches);

/* Was the hash made at a lower cost than is configured now? */
bool auth_password_outdated(sut_str hash);

#endif
