/* The envelope: one msgpack array with fixed positions (docs/protocol.md). A ZeroMQ message is one frame that holds one
 * or more envelopes back to back. Decoding borrows: every sut_str points into the caller's bytes. */
#ifndef SUT_WIRE_ENVELOPE_H
#define SUT_WIRE_ENVELOPE_H

#include "base/buf.h"
#include "wire/errors.h"

#define SUT_PROTOCOL_VERSION    1
#define SUT_ENVELOPE_MAX        (1u << 20)  /* bytes of one envelope */
#define SUT_FRAME_MAX           (64u << 10) /* coalesced frame, unless one envelope is larger */
#define SUT_SUBJECT_MAX         128         /* bytes; [a-z0-9_] tokens parted by '.' */
#define SUT_KEY_MAX             256
#define SUT_TRACEPARENT_LEN     55 /* W3C Trace Context level 1, version 00; or empty */
#define SUT_OPTIONS_MAX         16 /* entries of the options map */
#define SUT_IDEMPOTENCY_KEY_MAX 255
#define SUT_MSGPACK_DEPTH_MAX   16
#define SUT_SPAN_ID_LEN         16 /* hex digits: the span id of a traceparent */
#define SUT_EVENT_ID_LEN        16 /* bytes: an event's identity, minted by its publisher, never changed */
#define SUT_SOURCE_MAX          64 /* bytes of a source's name */

/* All numbers are reserved from the first day; streams (next) are refused as bad_envelope by this build. */
typedef enum sut_kind {
    SUT_HELLO = 1,
    SUT_WELCOME = 2,
    SUT_PING = 3,
    SUT_PONG = 4,
    SUT_BYE = 5,
    SUT_CALL = 10,
    SUT_REPLY = 11,
    SUT_ERROR_REPLY = 12, /* SUT_ERROR is a log level */
    SUT_CANCEL = 13,
    SUT_CREDIT = 14,
    SUT_PUBLISH = 20,
    SUT_PUBLISHED = 21,
    SUT_SUBSCRIBE = 22,
    SUT_DELIVER = 23,
    SUT_ACK = 24,
    SUT_NACK = 25,
    SUT_PROGRESS = 26,
    SUT_TERM = 27,
    SUT_GAP = 28,
    SUT_UNSUBSCRIBE = 29,
    SUT_MARKER = 30, /* all up to `sequence` has been sent to this subscription */
    SUT_TAP = 40,
    SUT_STREAM_OPEN = 50,
    SUT_STREAM_CHUNK = 51,
    SUT_STREAM_CREDIT = 52,
    SUT_STREAM_CLOSE = 53 /* (next) */
} sut_kind;

/* Who a call is for; user_id 0: nobody. Only peers whose role allows it may set one (DESIGN section 4). */
typedef struct sut_principal {
    int64_t user_id;
    int32_t level;   /* 0 PUBLIC, 1 USER, 3 ADMIN */
    sut_str session; /* the login session's id, or absent */
} sut_principal;

/* The options map has small integer keys on the wire (docs/protocol.md lists them); unknown keys are ignored. */
typedef struct sut_envelope_options {
    sut_str idempotency_key; /* absent: ptr NULL */
    sut_str instance;        /* pin to this instance id */
    uint32_t attempt;        /* 1 for the first delivery of a call, 2 after failover; 0: not said */
    uint32_t credits;        /* credit, hello: how many more calls may be sent */
    uint32_t retry_after_ms; /* error */
    uint64_t sequence;       /* events: position in the journal */
    uint64_t session;        /* welcome */
    uint32_t http_status;    /* error: the status that the schema declares */
    sut_str event_id;        /* publish, deliver: SUT_EVENT_ID_LEN bytes */
    sut_str source;          /* publish: who numbers its publishes without gaps (an outbox relay) */
    uint64_t number, epoch;  /* publish: of that source; a lower epoch than the last one seen is refused */
    int64_t not_before;      /* publish: microseconds since 1970 UTC; not delivered earlier */
    int64_t published_at;    /* deliver: when the journal took it, microseconds since 1970 UTC */
    uint32_t dedup;          /* published: sut_dedup, which rule found out whether it is a duplicate */
    uint32_t duplicate;      /* published: 1: it was there before; sequence is the first one's if known */
    uint32_t replayed;       /* deliver, publish: 1: history that is told again */
    uint32_t generation;     /* deliver: of the group's dedup space; a replay begins a new one */
    sut_str parent_id;       /* call: the span that caused this one, SUT_SPAN_ID_LEN hex digits; for who watches */
} sut_envelope_options;

typedef enum sut_dedup { SUT_DEDUP_NONE, SUT_DEDUP_SOURCE, SUT_DEDUP_WINDOW } sut_dedup;

typedef struct sut_envelope {
    uint8_t version;
    uint8_t kind; /* sut_kind */
    uint64_t id;  /* correlation id: chosen by the caller, unique a session */
    sut_str subject;
    sut_str key;
    uint32_t ttl_ms; /* remaining time; 0: none said */
    sut_principal principal;
    sut_str traceparent; /* ptr NULL or SUT_TRACEPARENT_LEN bytes */
    sut_envelope_options opt;
    sut_str body; /* bytes of a msgpack map by field name; may be empty */
} sut_envelope;

/* Why bytes are not an envelope; each costs the peer its connection. */
typedef enum sut_envelope_fault {
    SUT_ENV_OK = 0,
    SUT_ENV_TRUNCATED,
    SUT_ENV_NOT_ARRAY,
    SUT_ENV_BAD_COUNT,
    SUT_ENV_VERSION,
    SUT_ENV_KIND,
    SUT_ENV_TYPE,
    SUT_ENV_RANGE,
    SUT_ENV_TOO_LARGE,
    SUT_ENV_DEPTH,
    SUT_ENV_DUPLICATE_KEY,
    SUT_ENV_TAIL,
    SUT_ENV_UTF8,
    SUT_ENV_SUBJECT,
    SUT_ENV_TRACEPARENT
} sut_envelope_fault;
const char *sut_envelope_fault_text(sut_envelope_fault f); /* "has an unknown kind": a sentence without its subject */

/* Tokens of [a-z0-9_] parted by single dots, 1 to SUT_SUBJECT_MAX bytes. */
bool sut_subject_valid(sut_str subject);

/* Decodes the envelope at the start of `bytes`; `*used` is its length, so that the caller goes on behind it. Never
 * allocates, never reads past len. Checks positions, types, limits and the options map; the body is only measured.
 * After a fault nothing of `out` may be used. */
SUT_MUST_CHECK sut_envelope_fault sut_envelope_decode(const uint8_t *bytes, size_t len, sut_envelope *out,
                                                      size_t *used);
/* Appends the encoding. Absent strings become nil, zero and empty options are left out. -EMSGSIZE past the buffer's
 * limit or SUT_ENVELOPE_MAX; -EINVAL for what sut_envelope_decode would refuse. On failure `out` is as it was. */
SUT_MUST_CHECK sut_status sut_envelope_encode(sut_buf *out, const sut_envelope *env);
/* Upper bound of the encoded size, for deciding where a coalesced frame ends. */
size_t sut_envelope_size_bound(const sut_envelope *env);

/* Scans a body before any library parses it: exactly one msgpack map with string keys at the top, depth at most
 * SUT_MSGPACK_DEPTH_MAX, counts bounded by the bytes left, no duplicate keys in any map, valid UTF-8 strings, no ext
 * types, no tail. An empty body counts as an empty map. Linear but for maps (sorted check), no allocation, 4 KiB of
 * stack: so a map of more than 256 keys, or more than 512 keys in maps inside each other, is refused as SUT_ENV_RANGE.
 */
SUT_MUST_CHECK sut_envelope_fault sut_body_scan(sut_str body);

/* Body of an error envelope: {code, message, retry_after_ms?, errors?: [{pointer, code, message}]}. */
typedef struct sut_field_error {
    sut_str pointer; /* RFC 6901, into the request body: "/email" */
    sut_str code;    /* required, type, range, length, pattern, format, enum, unknown_field, duplicate, json, msgpack */
    sut_str message; /* what would be right: "must be at most 50 characters; has 61"; never a secret's value */
} sut_field_error;

typedef struct sut_error_body {
    sut_str code;
    sut_str message;
    uint32_t retry_after_ms;
    uint32_t http_status; /* 0: not said */
    const sut_field_error *errors;
    size_t error_count;
} sut_error_body;

SUT_MUST_CHECK sut_status sut_error_body_encode(sut_buf *out, const sut_error_body *e);
struct sut_arena;
/* Decodes into `a`; strings are copied. -EBADMSG if it is not an error body. Scans the body itself first. */
SUT_MUST_CHECK sut_status sut_error_body_decode(struct sut_arena *a, sut_str body, sut_error_body *out);

#endif
