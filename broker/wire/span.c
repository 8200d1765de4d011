/* Spans of events and deliveries. */
#include "wire/span.h"

#include <string.h>

#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME  UINT64_C(0x100000001b3)

#define SPAN_AT 36 /* in a traceparent */

static void write_hex(uint64_t id, char out[SUT_SPAN_ID_LEN + 1])
{
    uint8_t bytes[8];
    if (id == 0)
        id = 1; /* no span's id is all zero */
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(id >> (56 - 8 * i));
    sut_hex(bytes, sizeof bytes, out);
}

static uint64_t fnv(uint64_t hash, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * FNV_PRIME;
    return hash;
}

void sut_span_of_event(const uint8_t event_id[SUT_EVENT_ID_LEN], char out[SUT_SPAN_ID_LEN + 1])
{
    uint64_t id = 0;
    for (size_t i = 0; i < sizeof id; i++)
        id = id << 8 | event_id[i];
    write_hex(id, out);
}

void sut_span_of_delivery(const uint8_t event_id[SUT_EVENT_ID_LEN], sut_str group, uint32_t attempt,
                          char out[SUT_SPAN_ID_LEN + 1])
{
    const uint8_t number[4] = {(uint8_t)(attempt >> 24), (uint8_t)(attempt >> 16), (uint8_t)(attempt >> 8),
                               (uint8_t)attempt};
    uint64_t id = fnv(FNV_OFFSET, event_id, SUT_EVENT_ID_LEN);
    id = fnv(id, group.ptr, group.len);
    write_hex(fnv(id, number, sizeof number), out);
}

void sut_traceparent_set_span(char traceparent[SUT_TRACEPARENT_LEN + 1], const char span_id[SUT_SPAN_ID_LEN + 1])
{
    memcpy(traceparent + SPAN_AT, span_id, SUT_SPAN_ID_LEN);
}
