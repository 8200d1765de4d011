/* Whether two kinds of requests take the same time: what a stranger with a clock could learn. */
#ifndef AUTH_TIMING_TEST_H
#define AUTH_TIMING_TEST_H

#include "kit/kit.h"

#define TIMING_PAIRS_MAX 1800

/* One request about somebody who is there (known) or not; the i-th pair's. Returns the answer. */
typedef sut_status (*timing_ask)(sut_request *rq, bool known, size_t i);

/* Asks in pairs, one of each kind right after the other in random order, until a difference of a quarter could be told
 * apart; fails if both kinds differ, if an answer is not `expected`, or if after TIMING_PAIRS_MAX pairs a quarter could
 * still not be seen. */
void timing_assert_same(sut_request *rq, sut_status expected, timing_ask ask);

#endif
