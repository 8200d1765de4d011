/* Looks a host name up without blocking the loop: getaddrinfo(3) in a thread of its own that shares nothing with us but
 * a pipe. Private to redis. */
#ifndef SUT_REDIS_RESOLVE_H
#define SUT_REDIS_RESOLVE_H

#include "base/loop.h"

#define RESOLVED_SIZE 64 /* a numeric IPv4 or IPv6 address with a NUL */

/* `address` is NULL if the name was not found; `why` says so then. */
typedef void (*resolve_fn)(const char *address, const char *why, void *arg);

typedef struct resolver {
    sut_watch watch;
    int fd; /* -1 while idle; zero-initialise with RESOLVER_INIT */
    resolve_fn fn;
    void *arg;
} resolver;
#define RESOLVER_INIT ((resolver){.fd = -1})

/* Calls fn once, from the loop, unless resolver_stop comes first. */
SUT_MUST_CHECK sut_status resolver_start(resolver *r, sut_loop *loop, const char *host, resolve_fn fn, void *arg);
void resolver_stop(resolver *r); /* idempotent; the thread finishes by itself */
bool resolve_is_numeric(const char *host);

#endif
