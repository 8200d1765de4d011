/* A span as bytes: what may lie open (meta), and what is sealed (lane key, body, reply). Numbers are little endian. */
#ifndef SUT_CAPTURE_SPAN_BYTES_H
#define SUT_CAPTURE_SPAN_BYTES_H

#include "capture/span.h"

#define SPAN_TEXT_MAX 256         /* bytes of each of subject, from, to, code, group; longer ones are cut */
#define SPAN_BODY_MAX (32u << 10) /* bytes of body and of reply; larger ones are not recorded */

/* Both append; negative only for want of memory. */
SUT_MUST_CHECK sut_status span_put_meta(sut_buf *out, const sut_span *s);
SUT_MUST_CHECK sut_status span_put_inner(sut_buf *out, const sut_span *s);
/* Whatever the bytes are: false, or a span whose strings point into them. Body, reply and key come from the inner part.
 */
bool span_get_meta(sut_str meta, sut_span *out);
bool span_get_inner(sut_str inner, sut_span *out);

#endif
