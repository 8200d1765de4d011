/* What can be seen of one envelope as it passes the broker: what taps are shown and what is captured for `sut why`. The
 * core tells it (sut_core_ops.seen) while it handles the envelope; every string is borrowed for that long only. */
#ifndef SUT_WIRE_SIGHT_H
#define SUT_WIRE_SIGHT_H

#include "wire/event.h"

typedef enum sut_sight_kind {
    SUT_SIGHT_CALL = 1,      /* a call was given to an instance, or is answered by the broker itself (to: "broker") */
    SUT_SIGHT_REPLY = 2,     /* its end, as its caller gets it: from the instance, to the caller */
    SUT_SIGHT_ERROR = 4,     /* the same, an error: also of calls that no instance got (from: "broker") */
    SUT_SIGHT_EVENT = 8,     /* an event is in the journal: from its publisher, no `to` */
    SUT_SIGHT_DELIVERY = 16, /* a delivery to a member of a durable group has ended; `code` says how */
} sut_sight_kind;

typedef struct sut_sight {
    sut_sight_kind kind;
    int64_t at_us;    /* UTC, of this sight */
    uint64_t took_us; /* of the end of a call (from its acceptance) or of a delivery (from its sending) */
    sut_str from, to; /* instances' names where there are several of a peer, else peers' names */
    sut_str subject, key, traceparent;
    sut_str parent_id;       /* the span that caused this one: 16 hex digits, or absent */
    sut_principal principal; /* of the end of a call without its session */
    uint64_t call;           /* the broker's number of the call: the same in call, reply and error; 0 of events */
    uint64_t id;             /* the caller's own number */
    uint32_t attempt;        /* of a call given to instances, of a delivery; from 1 */
    sut_str code;            /* of an error; of a delivery: `acked`, `expired`, `lost`, or what the consumer said */
    sut_str group;           /* of a delivery */
    uint64_t sequence;       /* of events and deliveries */
    uint8_t event_id[SUT_EVENT_ID_LEN];
    bool replayed;
    uint8_t picked; /* of calls: what ops.picks said when they were accepted; 0: nothing, or it was not asked */
    sut_str body;   /* msgpack; absent of deliveries. Of errors: an error body */
} sut_sight;

#endif
