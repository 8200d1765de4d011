/* Tables that describe records, and the one runtime that interprets them: validate, msgpack ⇄ struct, JSON ⇄ msgpack,
 * redact. proto-gen emits the tables from the schemas; nothing is generated per message but the C struct itself.
 *
 * How a field is laid out in its generated C struct:
 *   bool → bool; i32 → int32_t; i64 → int64_t; f64 → double; string, bytes → sut_str (NUL behind);
 *   timestamp → int64_t microseconds since 1970 UTC; date → int32_t days since 1970-01-01; enum → int32_t (its C enum);
 *   record → const struct T *; list, map → sut_list / sut_map.
 * A field that is not `required` has a companion `uint8_t has_NAME` holding a sut_presence; a default fills both in.
 *
 * On the wire (msgpack, by field name): bool, int, float64, str, bin, timestamp as int (microseconds), date as str
 * "YYYY-MM-DD", enum as str (its name), record as map, list as array, map as map with str keys, null as nil.
 * In JSON: the same, but bytes as base64 (RFC 4648 §4) and timestamp as RFC 3339 string in UTC. */
#ifndef SUT_WIRE_RECORD_H
#define SUT_WIRE_RECORD_H

#include "base/arena.h"
#include "base/buf.h"
#include "wire/envelope.h"

typedef enum sut_type {
    SUT_T_BOOL,
    SUT_T_I32,
    SUT_T_I64,
    SUT_T_F64,
    SUT_T_STRING,
    SUT_T_BYTES,
    SUT_T_TIMESTAMP,
    SUT_T_DATE,
    SUT_T_ENUM,
    SUT_T_RECORD,
    SUT_T_LIST,
    SUT_T_MAP
} sut_type;

typedef enum { SUT_ABSENT = 0, SUT_PRESENT = 1, SUT_NULL = 2 } sut_presence;

typedef struct sut_list {
    void *items; /* array of the element's C type (records: array of const struct T *) */
    size_t count;
} sut_list;

typedef struct sut_map {
    sut_str *keys;
    void *values; /* as sut_list.items */
    size_t count;
} sut_map;

enum { /* sut_field.flags */
       SUT_F_REQUIRED = 1 << 0,
       SUT_F_NULLABLE = 1 << 1, /* null is allowed and kept apart from absent */
       SUT_F_SECRET = 1 << 2,   /* redacted everywhere; never in events */
       SUT_F_PERSONAL = 1 << 3, /* redacted in taps and logs */
       SUT_F_DEFAULT = 1 << 4,
       SUT_F_TRIM = 1 << 5,    /* leading and trailing ASCII blanks are cut before validation */
       SUT_F_LOWER = 1 << 6,   /* ASCII letters are lowered before validation */
       SUT_F_VOLATILE = 1 << 7 /* differs from run to run: comparisons of recorded replies pass over it */
};

typedef enum sut_format {
    SUT_FMT_NONE,
    SUT_FMT_EMAIL,
    SUT_FMT_URI,
    SUT_FMT_HTTP_URI,
    SUT_FMT_USERNAME,
    SUT_FMT_UUID,
    SUT_FMT_HEX,
    SUT_FMT_BASE64URL,
    SUT_FMT_LOCALE,
    SUT_FMT_TIMEZONE,
    SUT_FMT_PAST_DATE /* a date not after today, not before 1900 */
} sut_format;

/* What people write, by `text:` of the schema: judged and brought to NFC where it is decoded (prose.h). */
typedef enum sut_text_kind {
    SUT_TEXT_ANY,  /* whatever UTF-8 */
    SUT_TEXT_LINE, /* one line: no control characters */
    SUT_TEXT_BLOCK /* newlines and tabs too */
} sut_text_kind;

typedef struct sut_enum_value {
    const char *name;
    int32_t value;
    const char *doc;
} sut_enum_value;

typedef struct sut_enum_desc {
    const char *name;
    const sut_enum_value *values;
    size_t count;
} sut_enum_desc;

typedef struct sut_record sut_record;
typedef struct sut_field sut_field;
struct sut_field {
    const char *name;
    uint16_t name_len;
    uint8_t type;   /* sut_type */
    uint8_t format; /* sut_format */
    uint8_t text;   /* sut_text_kind, of a string; looked at by decoding only */
    uint16_t flags;
    uint16_t offset;     /* of the value in the C struct; 0 for an element */
    uint16_t has_offset; /* of has_NAME; UINT16_MAX if the field has none */
    bool has_min, has_max;
    int64_t min_i, max_i; /* i32, i64, timestamp, date */
    double min_f, max_f;
    uint32_t min_bytes, max_bytes; /* string, bytes; max 0: the envelope's */
    uint32_t min_chars, max_chars; /* string, in code points */
    uint32_t min_items, max_items; /* list (max 0: 10,000), map (at most 256) */
    const char *pattern;           /* PCRE2, anchored at both ends, UTF; NULL: none */
    const sut_record *record;      /* SUT_T_RECORD */
    const sut_enum_desc *enumeration;
    const sut_field *element; /* list, map */
    union {                   /* with SUT_F_DEFAULT */
        bool b;
        int64_t i; /* also enum, timestamp, date */
        double f;
        sut_str s;
    } def;
    const char *example; /* JSON text */
    const char *doc;
};

struct sut_record {
    const char *name;
    const sut_field *fields;
    size_t count;
    size_t size; /* sizeof the C struct */
    const char *doc;
};

/* Collects field errors; at most `max`, further ones are counted. Its strings live in the arena. */
typedef struct sut_field_errors {
    sut_arena *arena;
    sut_field_error *items;
    size_t count, max, dropped;
} sut_field_errors;
void sut_field_errors_init(sut_field_errors *e, sut_arena *a, size_t max);
void sut_field_errors_add(sut_field_errors *e, sut_str pointer, const char *code, const char *fmt, ...)
    SUT_PRINTF(4, 5);

/* What to do with a field that the record does not declare: bus decoders ignore it, HTTP and `sut` refuse it by name.
 */
typedef enum { SUT_UNKNOWN_IGNORE, SUT_UNKNOWN_REFUSE } sut_unknown_policy;

/* msgpack → struct, with defaults, trimming, texts in NFC and full validation. `out` points to desc->size bytes, which
 * are zeroed first. Returns 0; SUT_RECORD_INVALID with errors in `errs`; or negative (-ENOMEM). Runs sut_body_scan
 * itself. */
enum { SUT_RECORD_INVALID = 1 };
SUT_MUST_CHECK sut_status sut_record_decode(const sut_record *desc, sut_str body, sut_unknown_policy policy,
                                            sut_arena *a, void *out, sut_field_errors *errs);
/* struct → msgpack (appends one map). Absent fields are left out; SUT_NULL is nil. */
SUT_MUST_CHECK sut_status sut_record_encode(const sut_record *desc, const void *in, sut_buf *out);
/* Validates a struct made by our own code (the reply check of debug builds and tests). */
SUT_MUST_CHECK sut_status sut_record_validate(const sut_record *desc, const void *in, sut_field_errors *errs);

/* JSON text → msgpack body of `desc`, validated. Pre-scans size (max_bytes) and depth before jansson; refuses duplicate
 * keys, invalid UTF-8, trailing bytes, NUL in strings, numbers out of range. Pointers are RFC 6901. */
SUT_MUST_CHECK sut_status sut_json_to_body(const sut_record *desc, sut_str json, size_t max_bytes,
                                           sut_unknown_policy policy, sut_arena *a, sut_buf *out,
                                           sut_field_errors *errs);
/* msgpack body → JSON text in declaration order; undeclared fields are left out. -EBADMSG if the body is not one. This
 * is a hot path of the edge: one pass, no tree. */
SUT_MUST_CHECK sut_status sut_body_to_json(const sut_record *desc, sut_str body, sut_buf *out);
/* The same without a schema (for `sut` and errors): ints, strings and so on as they are, bin as base64. */
SUT_MUST_CHECK sut_status sut_msgpack_to_json(sut_str body, sut_buf *out);
/* Converts one textual value (path or query parameter) and appends key and value to a msgpack map under construction.
 * SUT_RECORD_INVALID with an error (pointer "/NAME") if it does not parse or validate. */
SUT_MUST_CHECK sut_status sut_field_from_text(const sut_field *f, sut_str text, sut_arena *a, sut_buf *out,
                                              sut_field_errors *errs);
/* JSON object merged with text parameters → one msgpack body, validated once as a whole. `json` may be absent (no
 * body). `overrides` are (field, text) pairs from path, query and header; a field given both ways is an error, and so
 * is one in the body whose pair has no text (ptr NULL: it belongs to a parameter that was not given). This is what the
 * edge calls. */
typedef struct sut_text_value {
    const sut_field *field;
    sut_str text;
} sut_text_value;
SUT_MUST_CHECK sut_status sut_request_to_body(const sut_record *desc, sut_str json, const sut_text_value *overrides,
                                              size_t override_count, size_t max_bytes, sut_arena *a, sut_buf *out,
                                              sut_field_errors *errs);

/* body → body with every secret (and, if `personal`, personal) field replaced by "<redacted>", and undeclared fields
 * left out. desc NULL: the whole body becomes {}. */
SUT_MUST_CHECK sut_status sut_record_redact(const sut_record *desc, sut_str body, bool personal, sut_buf *out);
/* The same, and says whether anything was left out without a trace. */
SUT_MUST_CHECK sut_status sut_record_redact_told(const sut_record *desc, sut_str body, bool personal, sut_buf *out,
                                                 bool *left_out);
/* The same; `*withheld` is how many values could not be shown: 0 says that `out` is as good as the body. */
SUT_MUST_CHECK sut_status sut_record_redact_counted(const sut_record *desc, sut_str body, bool personal, sut_buf *out,
                                                    size_t *withheld);

const sut_field *sut_record_field(const sut_record *desc, sut_str name); /* NULL if none */

/* Dates: proleptic Gregorian calendar days since 1970-01-01. */
bool sut_date_parse(sut_str s, int32_t *days);
void sut_date_format(int32_t days, char out[11]);
bool sut_rfc3339_parse(sut_str s, int64_t *wall_us);

#endif
