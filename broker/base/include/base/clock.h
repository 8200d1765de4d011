/* Clocks. Durations and deadlines use the monotonic clock only; the wall clock is for showing and storing. */
#ifndef SUT_BASE_CLOCK_H
#define SUT_BASE_CLOCK_H

#include "base/status.h"

#define SUT_NS_PER_MS UINT64_C(1000000)
#define SUT_NS_PER_US UINT64_C(1000)
#define SUT_NS_PER_S  UINT64_C(1000000000)
#define SUT_NEVER     UINT64_MAX /* a deadline that never comes */

uint64_t sut_now_ns(void); /* CLOCK_MONOTONIC, nanoseconds. Any thread. */
int64_t sut_wall_us(void); /* CLOCK_REALTIME, microseconds since 1970-01-01 UTC. Any thread. */

/* RFC 3339 in UTC with microseconds ("2026-01-02T03:04:05.678901Z"): 27 bytes and NUL. */
#define SUT_RFC3339_SIZE 28
void sut_rfc3339(int64_t wall_us, char out[SUT_RFC3339_SIZE]);

/* Cryptographically random bytes from getrandom(2). Aborts if the kernel has none. Any thread. */
void sut_random(void *out, size_t len);

/* xoshiro-class generator for jitter and simulations: never for secrets. State is one caller-owned word. */
uint64_t sut_prng(uint64_t *state);

#endif
