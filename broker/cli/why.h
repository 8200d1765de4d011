/* The tree that `sut why` prints, from the spans of broker.trace. */
#ifndef SUT_CLI_WHY_H
#define SUT_CLI_WHY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* `spans`: an array of {kind: call | event | delivery, subject, from, to, at (µs or RFC 3339), took_us?, code?,
 * attempt?, sequence?, group?, key?, user_id?, span_id?, parent_id?}, in any order. A span whose parent is not known is
 * a root; a circle is cut. False: out of memory. */
bool cli_render_trace(const json_t *spans, FILE *out);

#endif
