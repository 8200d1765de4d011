/* An event to publish, from a line of JSON. */
#ifndef SUT_CLI_EVENT_INPUT_H
#define SUT_CLI_EVENT_INPUT_H

#include "input.h"

/* {subject, key?, event_id? (hex), not_before? (RFC 3339), traceparent?, body}; other members are ignored, as a printed
 * event has more. Strings of `out` are borrowed from `line` and `arena`; the body is encoded by its schema unless
 * `raw`. 0, or an exit code with the reason printed; `where` ("FILE: line 3") begins it. */
int cli_event_from_line(const char *where, const json_t *line, bool raw, sut_arena *arena, sut_publish *out);
bool cli_event_id_parse(const char *hex, uint8_t out[SUT_EVENT_ID_LEN]); /* false: complained */

#endif
