/* A counted string that does not own its bytes. `ptr` is NULL for "absent"; where ptr is not NULL, ptr[len] is NUL
 * unless the function that made it says otherwise. */
#ifndef SUT_BASE_STR_H
#define SUT_BASE_STR_H

#include "base/status.h"

#include <string.h>

typedef struct sut_str {
    const char *ptr;
    size_t len;
} sut_str;

#define SUT_STR(literal) ((sut_str){(literal), sizeof(literal) - 1})
#define SUT_STR_FMT(s)   (int)(s).len, ((s).ptr ? (s).ptr : "")
#define SUT_STR_NONE     ((sut_str){NULL, 0})

static inline sut_str sut_str_from(const char *cstr)
{
    return (sut_str){cstr, cstr ? strlen(cstr) : 0};
}

static inline bool sut_str_eq(sut_str a, sut_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool sut_str_is(sut_str a, const char *cstr)
{
    return sut_str_eq(a, sut_str_from(cstr));
}

/* True if the bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF).
 * `*chars`, if not NULL, is set to the number of code points. */
bool sut_utf8_valid(sut_str s, size_t *chars);

/* Compares secrets without telling by its duration where they differ (the length is not hidden). */
bool sut_secret_eq(const void *a, const void *b, size_t len);

/* Writes 2*len lower-case hex digits and a NUL. `out` holds 2*len+1 bytes. */
void sut_hex(const void *bytes, size_t len, char *out);

/* Parses exactly 2*len hex digits of either case; false for anything else. */
bool sut_unhex(sut_str hex, void *out, size_t len);

/* Whole-string decimal parse with range: false for empty, sign only, blanks, overflow or trailing bytes. */
bool sut_parse_i64(sut_str s, int64_t min, int64_t max, int64_t *out);

/* Glob of subjects as NATS has it: tokens parted by '.', `*` is one token, a last `>` is one or more. */
bool sut_subject_match(sut_str pattern, sut_str subject);

#endif
