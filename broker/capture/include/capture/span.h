/* One thing that happened within a trace, as it is captured: a call with its answer, an event, or a delivery. */
#ifndef SUT_CAPTURE_SPAN_H
#define SUT_CAPTURE_SPAN_H

#include "wire/event.h"

#define SUT_TRACE_ID_BYTES 16
#define SUT_SPAN_ID_BYTES  8

typedef enum sut_span_kind { SUT_SPAN_CALL = 1, SUT_SPAN_EVENT, SUT_SPAN_DELIVERY } sut_span_kind;

typedef struct sut_span {
    sut_span_kind kind;
    uint64_t number; /* of its record, rising by the order of their ends; 0: it is only in memory */
    uint8_t trace_id[SUT_TRACE_ID_BYTES], span_id[SUT_SPAN_ID_BYTES];
    uint8_t parent_id[SUT_SPAN_ID_BYTES]; /* all zero: none was said */
    int64_t at_us;                        /* UTC, of its begin */
    uint64_t took_us;
    bool ended; /* false: not answered; took_us says nothing */
    bool replayed;
    bool has_body, has_reply; /* they were recorded */
    bool cut;                 /* of the body something secret was left out */
    int64_t user_id;
    int32_t level;
    uint32_t attempt;  /* from 1 */
    uint64_t sequence; /* of events and deliveries */
    uint8_t event_id[SUT_EVENT_ID_LEN];
    sut_str subject, from, to, code, group;
    /* Sealed on disk; absent if that could not be opened. msgpack maps without anything secret. */
    sut_str key, body, reply;
} sut_span;

#endif
