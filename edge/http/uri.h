/* Percent decoding, path segments and query parameters (RFC 3986; '+' in a query is a blank, as forms have it). */
#ifndef SUT_HTTP_URI_H
#define SUT_HTTP_URI_H

#include "base/arena.h"

#define SUT_PATH_SEGMENTS_MAX 16
#define SUT_QUERY_PARAMS_MAX  64

/* Decodes into the arena. ptr NULL: a bad escape, NUL, bytes that are not UTF-8, or no memory. */
sut_str sut_uri_decode(sut_str raw, bool plus_is_blank, sut_arena *a);

/* Splits "/a/b" into decoded segments. -EINVAL for a segment that is "." or "..", or does not decode; -E2BIG for more
 * than SUT_PATH_SEGMENTS_MAX. Empty segments stay. "/" is one empty segment. */
SUT_MUST_CHECK sut_status sut_uri_segments(sut_str path, sut_arena *a, sut_str out[SUT_PATH_SEGMENTS_MAX],
                                           size_t *count);

typedef struct sut_query_param {
    sut_str name, value; /* decoded */
} sut_query_param;

/* Splits "a=1&b=2". Empty pieces are skipped. -EINVAL for a piece that does not decode; -E2BIG for too many. */
SUT_MUST_CHECK sut_status sut_uri_query(sut_str query, sut_arena *a, sut_query_param out[SUT_QUERY_PARAMS_MAX],
                                        size_t *count);

#endif
