/* Do two kinds of requests take the same time? Judged by the distribution of many pairs, never by one sample. */
#ifndef AUTH_TIMING_TEST_H
#define AUTH_TIMING_TEST_H

#include "kit/kit.h"

#define TIMING_PAIRS_MAX 1810 /* `i` is below it */

/* Makes the i-th request, of a known or of an unknown one, and returns what it took. */
typedef double (*fix_time_fn)(sut_request *rq, bool known, size_t i);

/* Asserts that nobody could tell the two kinds apart by their times, and that a difference of a quarter would have been
 * seen. On a busy machine that takes more pairs. */
void fix_equal_time(sut_request *rq, fix_time_fn one);

#endif
