/* The ids of spans that nobody has to send: an event's and a delivery's follow from what they are. So broker and
 * consumer name the same delivery without a word, and an event keeps its span however often its outbox sends it
 * (docs/protocol.md, Traces). */
#ifndef SUT_WIRE_SPAN_H
#define SUT_WIRE_SPAN_H

#include "wire/envelope.h"

/* The event's own span: the first eight bytes of its id. Its parent is the span in its traceparent. */
void sut_span_of_event(const uint8_t event_id[SUT_EVENT_ID_LEN], char out[SUT_SPAN_ID_LEN + 1]);
/* One delivery of it to a group: FNV-1a, 64 bits, of the event's id, the group's name and the attempt (4 bytes, big
 * endian; from 1). Its parent is the event's span; what its consumer calls has it for a parent. */
void sut_span_of_delivery(const uint8_t event_id[SUT_EVENT_ID_LEN], sut_str group, uint32_t attempt,
                          char out[SUT_SPAN_ID_LEN + 1]);
/* Puts another span into a traceparent. */
void sut_traceparent_set_span(char traceparent[SUT_TRACEPARENT_LEN + 1], const char span_id[SUT_SPAN_ID_LEN + 1]);

#endif
