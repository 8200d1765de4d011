/* An event at rest: what the journal holds and the core delivers. Strings are borrowed from whoever made it. */
#ifndef SUT_WIRE_EVENT_H
#define SUT_WIRE_EVENT_H

#include "wire/envelope.h"

typedef struct sut_stored_event {
    uint64_t sequence; /* position in the log, from 1, without gaps; 0: not yet in it */
    int64_t time_us;   /* when it was appended, UTC; never below that of the event before it */
    uint8_t id[SUT_EVENT_ID_LEN];
    sut_str subject, key; /* key may be absent */
    sut_principal principal;
    sut_str traceparent;
    sut_str source; /* with number and epoch: of a source that numbers its publishes; else absent */
    uint64_t number, epoch;
    int64_t not_before_us; /* 0: at once */
    bool replayed;
    sut_str publisher; /* the peer's name, stamped by the broker */
    sut_str body;      /* msgpack map */
} sut_stored_event;

#endif
