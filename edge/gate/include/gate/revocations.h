/* Which login sessions were revoked, held for one access-token lifetime, so that a verified token of such a session is
 * refused at once. Filled from auth.revocations (gate/feed.h); every look-up also says whether the news is fresh: an
 * edge without news for SUT_REVOCATIONS_STALE_MS, or that never had any, must refuse all tokens (fail closed).
 *
 * Thread-safe: one writer, any readers. Bounded: past the limit it is never fresh, rather than forgetting a revocation.
 */
#ifndef SUT_GATE_REVOCATIONS_H
#define SUT_GATE_REVOCATIONS_H

#include "base/str.h"

#define SUT_REVOCATIONS_STALE_MS 3000
#define SUT_REVOCATIONS_MAX      (1u << 18) /* entries held at most */

typedef struct sut_revocations sut_revocations;

typedef struct sut_revocation {
    int64_t user_id;
    sut_str session;       /* this session; absent: all of the user's that were … */
    int64_t issued_before; /* … issued before or at this second since 1970 */
    int64_t at;            /* when it was revoked, seconds since 1970: says how long it must be held */
} sut_revocation;

SUT_MUST_CHECK sut_status sut_revocations_new(sut_revocations **out, size_t max_entries);
sut_revocations *sut_revocations_free(sut_revocations *r);

/* Adds one; the same one again changes nothing. -ENOSPC when full: the table is then stale until entries expire. */
SUT_MUST_CHECK sut_status sut_revocations_add(sut_revocations *r, const sut_revocation *item);
/* A full load begins: forgets that one did not fit. */
void sut_revocations_reload(sut_revocations *r);
/* All that was revoked up to `now_ns` (monotonic) is in. */
void sut_revocations_current(sut_revocations *r, uint64_t now_ns);
/* Drops what no living token can be refused for any more. */
void sut_revocations_expire(sut_revocations *r, int64_t now_s);
size_t sut_revocations_count(const sut_revocations *r);

typedef enum { SUT_SESSION_LIVE, SUT_SESSION_REVOKED, SUT_SESSION_UNKNOWN } sut_session_verdict;
/* UNKNOWN: the news is stale. REVOKED is said whether it is stale or not. */
sut_session_verdict sut_revocations_check(const sut_revocations *r, int64_t user_id, sut_str session,
                                          int64_t issued_at_s, uint64_t now_ns);

#endif
