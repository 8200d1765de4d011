/* Takes out of a span what may not be written: secret fields by the schema, bodies that no schema declares. Personal
 * fields stay; they are sealed. */
#ifndef SUT_CAPTURE_STRIP_H
#define SUT_CAPTURE_STRIP_H

#include "capture/span.h"

typedef struct stripper {
    sut_buf body, reply;
} stripper;

void stripper_init(stripper *s);
void stripper_deinit(stripper *s); /* idempotent */
/* `out` borrows from `in` and from the stripper, until its next use. */
void strip(stripper *s, const sut_span *in, sut_span *out);

#endif
