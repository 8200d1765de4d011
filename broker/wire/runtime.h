/* What the files of the record runtime share: places in a document, the field checks, JSON's base64. Private. */
#ifndef SUT_WIRE_RUNTIME_H
#define SUT_WIRE_RUNTIME_H

#include "mp.h"
#include "wire/record.h"

#define SUT_KEYS_MAX          256 /* of any map on the wire (sut_body_scan) */
#define SUT_RECORD_FIELDS_MAX SUT_KEYS_MAX
#define SUT_ITEMS_MAX         10000 /* of any list */
#define SUT_DAY_US            INT64_C(86400000000)
#define SUT_DATE_MIN          (-719162) /* 0001-01-01 */
#define SUT_DATE_MAX          2932896   /* 9999-12-31 */

/* A place in a document, as a chain of steps that lives on the C stack; turned into an RFC 6901 pointer only when there
 * is an error to report. The root is NULL. */
typedef struct sut_path {
    const struct sut_path *up;
    sut_str name; /* ptr NULL: the step is `index` */
    size_t index;
} sut_path;

void sut_path_error(sut_field_errors *e, const sut_path *path, const char *code, const char *fmt, ...) SUT_PRINTF(4, 5);
/* How many errors there are, the dropped ones included. */
static inline size_t sut_field_errors_total(const sut_field_errors *e)
{
    return e->count + e->dropped;
}

/* ---- C layout ---- */

size_t sut_type_size(uint8_t type); /* of the C type of a list's or map's element */

static inline const void *sut_field_at(const sut_field *f, const void *record)
{
    return (const char *)record + f->offset;
}

/* SUT_PRESENT for a field that has no companion. */
static inline uint8_t sut_field_presence(const sut_field *f, const void *record)
{
    return f->has_offset == UINT16_MAX ? SUT_PRESENT : *((const uint8_t *)record + f->has_offset);
}

/* A required field may be nullable: having no companion, its null is a pointer of NULL. */
bool sut_value_is_null(const sut_field *f, const void *value);

/* ---- checks (validate.c, format.c, pattern.c) ---- */

/* Checks one value that is neither record, list nor map. Errors go to `e`; negative only for a fault of ours. */
SUT_MUST_CHECK sut_status sut_check_scalar(const sut_field *f, const void *value, const sut_path *path,
                                           sut_field_errors *e);
/* The number of items of a list or map, before anything is allocated for them. */
bool sut_check_count(const sut_field *f, size_t count, const sut_path *path, sut_field_errors *e);

/* NULL if `s` has the format, else what would be right: "must be …". SUT_FMT_PAST_DATE is not for strings. */
const char *sut_format_fault(uint8_t format, sut_str s);

/* Does all of `s` (valid UTF-8) match? 0 or 1; negative if the pattern cannot be compiled or memory is short. A match
 * that passes the engine's limits counts as none. Any thread. */
SUT_MUST_CHECK sut_status sut_pattern_match(const char *pattern, sut_str s);

/* ---- decoding ---- */

typedef enum {
    SUT_WORDS_MSGPACK, /* error messages speak of msgpack types */
    SUT_WORDS_JSON     /* of JSON's and of text */
} sut_words;

/* sut_record_decode, with the words for its error messages. */
SUT_MUST_CHECK sut_status sut_record_decode_as(const sut_record *desc, sut_str body, sut_unknown_policy policy,
                                               sut_words words, sut_arena *a, void *out, sut_field_errors *errs);
/* Decodes and checks one value (already scanned) of field `f`. 0 or SUT_RECORD_INVALID, or negative. */
SUT_MUST_CHECK sut_status sut_value_check(const sut_field *f, sut_str value, sut_words words, sut_arena *a,
                                          sut_field_errors *errs);

/* ---- JSON ---- */

/* Validates a body that was made from JSON or text, into scratch memory of `a`. */
SUT_MUST_CHECK sut_status sut_body_check(const sut_record *desc, sut_str body, sut_unknown_policy policy, sut_arena *a,
                                         sut_field_errors *errs);

struct json_t;
/* Parses an object. 0 with *out (json_decref it), or SUT_RECORD_INVALID with one error at pointer "". */
SUT_MUST_CHECK sut_status sut_json_parse(sut_str json, size_t max_bytes, struct json_t **out, sut_field_errors *errs);
/* Appends the members of the object as pairs of a msgpack map whose head the caller has written. */
SUT_MUST_CHECK sut_status sut_json_add_members(const sut_record *desc, struct json_t *object, sut_arena *a,
                                               sut_buf *out);
/* Appends the value of `text` for the field. Text that does not parse is appended as a string, which the check of the
 * whole then refuses with the right words. SUT_RECORD_INVALID if it cannot be a string either. */
SUT_MUST_CHECK sut_status sut_text_add_value(const sut_field *f, sut_str text, sut_arena *a, sut_buf *out,
                                             sut_field_errors *errs);

/* sut_request_to_body with a policy for undeclared fields; `json` absent: no body, else it must be an object. */
SUT_MUST_CHECK sut_status sut_request_to_body_as(const sut_record *desc, sut_str json, const sut_text_value *overrides,
                                                 size_t override_count, size_t max_bytes, sut_unknown_policy policy,
                                                 sut_arena *a, sut_buf *out, sut_field_errors *errs);

/* ---- base64 of RFC 4648 section 4, with padding ---- */

static inline size_t sut_base64_size(size_t bytes)
{
    return (bytes + 2) / 3 * 4;
}
/* Writes sut_base64_size(len) characters and returns the place behind them. */
uint8_t *sut_base64_encode(const void *bytes, size_t len, uint8_t *out);
/* `out` has room for s.len / 4 * 3 bytes. False for anything but one canonical encoding. */
bool sut_base64_decode(sut_str s, uint8_t *out, size_t *len);

#endif
