/* Where the broker listens: the ipc path with its directory and lock, so that no two brokers serve one path. */
#ifndef SUT_APP_ENDPOINT_H
#define SUT_APP_ENDPOINT_H

#include "base/status.h"

typedef struct sut_endpoint_lock {
    int fd; /* of PATH.lock, locked while the broker lives */
    bool held;
} sut_endpoint_lock;

/* Makes the path of `ipc://PATH` ours: its directory exists and is private (made with mode 0700 if it is missing), no
 * living broker has it, and a socket that a dead one left is removed. On failure returns the exit code that fits
 * (status.h) and one line in `error`; 0 if it is ours. */
int sut_endpoint_take(sut_endpoint_lock *lock, const char *endpoint, char *error, size_t error_size);
void sut_endpoint_release(sut_endpoint_lock *lock); /* idempotent */
/* 0, or an exit code with one line in `error`: is it `tcp://HOST:PORT`? */
int sut_endpoint_check_tcp(const char *endpoint, char *error, size_t error_size);

#endif
