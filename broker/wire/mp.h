/* The msgpack reader and writer of this module: one item a step, bounded by the bytes that are there, never allocating.
 *
 * Written by hand, and not over msgpack-c, because every byte that a peer sends must be scanned before any library may
 * parse it (155 bytes of nested array headers make msgpack-c reserve 130 GB), and because a reader that borrows decodes
 * an envelope in the time in which msgpack-c allocates its first zone. Format: the msgpack specification, github.com/
 * msgpack/msgpack/blob/master/spec.md. Ext types do not exist in this protocol and are refused. */
#ifndef SUT_WIRE_MP_H
#define SUT_WIRE_MP_H

#include "base/buf.h"
#include "wire/envelope.h"
#include "wire/msgpack.h"

#include <endian.h>

typedef struct sut_mp_in {
    const uint8_t *at, *end;
} sut_mp_in;

typedef enum sut_mp_type {
    SUT_MP_NIL,
    SUT_MP_BOOL,
    SUT_MP_UINT, /* 0 and up, whichever format carried it */
    SUT_MP_INT,  /* below 0 */
    SUT_MP_F64,
    SUT_MP_STR,
    SUT_MP_BIN,
    SUT_MP_ARRAY,
    SUT_MP_MAP
} sut_mp_type;

typedef struct sut_mp_item {
    sut_mp_type type;
    union {
        bool b;
        uint64_t u;
        int64_t i;
        double f;
        sut_str s;      /* borrowed, no NUL behind */
        uint32_t count; /* elements that follow; for a map, pairs */
    } v;
} sut_mp_item;

static inline sut_mp_in sut_mp_in_of(sut_str bytes)
{
    const uint8_t *p = (const uint8_t *)(bytes.ptr ? bytes.ptr : "");
    return (sut_mp_in){p, p + bytes.len};
}

/* Reads a whole scalar, or the header of an array or map, whose count is checked against the bytes left. SUT_ENV_OK,
 * SUT_ENV_TRUNCATED or SUT_ENV_TYPE (ext and 0xc1); after a fault `in` is where it was. */
SUT_MUST_CHECK sut_envelope_fault sut_mp_next_any(sut_mp_in *in, sut_mp_item *out);

/* The same; the two forms that most items have, strings below 32 bytes and numbers below 128, are read inline. */
SUT_MUST_CHECK static inline sut_envelope_fault sut_mp_next(sut_mp_in *in, sut_mp_item *out)
{
    const uint8_t *p = in->at;
    if (p < in->end) {
        size_t len = *p & 0x1f;
        if ((*p & 0xe0) == 0xa0 && len < (size_t)(in->end - p)) {
            out->type = SUT_MP_STR;
            out->v.s = (sut_str){(const char *)p + 1, len};
            in->at = p + 1 + len;
            return SUT_ENV_OK;
        }
        if (*p < 0x80) {
            out->type = SUT_MP_UINT;
            out->v.u = *p;
            in->at = p + 1;
            return SUT_ENV_OK;
        }
    }
    return sut_mp_next_any(in, out);
}

/* Steps over one value with all that is nested in it, at most `depth` containers deep. */
SUT_MUST_CHECK sut_envelope_fault sut_mp_skip(sut_mp_in *in, unsigned depth);

/* Well-formed UTF-8? Looks eight bytes at a time as long as they are ASCII. */
static inline bool sut_mp_utf8(const char *p, size_t len)
{
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t w;
        memcpy(&w, p + i, 8);
        if (w & UINT64_C(0x8080808080808080))
            return sut_utf8_valid((sut_str){p + i, len - i}, NULL);
    }
    unsigned char high = 0;
    for (size_t k = i; k < len; k++)
        high |= (unsigned char)p[k];
    return !(high & 0x80) || sut_utf8_valid((sut_str){p + i, len - i}, NULL);
}

static inline uint16_t sut_mp_be16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return be16toh(v);
}

static inline uint32_t sut_mp_be32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return be32toh(v);
}

static inline uint64_t sut_mp_be64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return be64toh(v);
}

/* Writers into memory that the caller has reserved: each returns the place behind what it wrote, in the shortest form.
 * The bound of a number is SUT_MP_NUM_MAX bytes, of any header SUT_MP_HEAD_MAX. */
#define SUT_MP_NUM_MAX  9
#define SUT_MP_HEAD_MAX 5

static inline uint8_t *sut_mp_put16(uint8_t *p, uint8_t lead, uint16_t v)
{
    v = htobe16(v);
    *p = lead;
    memcpy(p + 1, &v, sizeof v);
    return p + 3;
}

static inline uint8_t *sut_mp_put32(uint8_t *p, uint8_t lead, uint32_t v)
{
    v = htobe32(v);
    *p = lead;
    memcpy(p + 1, &v, sizeof v);
    return p + 5;
}

static inline uint8_t *sut_mp_put64(uint8_t *p, uint8_t lead, uint64_t v)
{
    v = htobe64(v);
    *p = lead;
    memcpy(p + 1, &v, sizeof v);
    return p + 9;
}

static inline uint8_t *sut_mp_put_nil(uint8_t *p)
{
    *p = 0xc0;
    return p + 1;
}

static inline uint8_t *sut_mp_put_bool(uint8_t *p, bool v)
{
    *p = v ? 0xc3 : 0xc2;
    return p + 1;
}

static inline uint8_t *sut_mp_put_uint(uint8_t *p, uint64_t v)
{
    if (v < 0x80) {
        *p = (uint8_t)v;
        return p + 1;
    }
    if (v <= UINT8_MAX) {
        p[0] = 0xcc;
        p[1] = (uint8_t)v;
        return p + 2;
    }
    if (v <= UINT16_MAX)
        return sut_mp_put16(p, 0xcd, (uint16_t)v);
    if (v <= UINT32_MAX)
        return sut_mp_put32(p, 0xce, (uint32_t)v);
    return sut_mp_put64(p, 0xcf, v);
}

static inline uint8_t *sut_mp_put_int(uint8_t *p, int64_t v)
{
    if (v >= 0)
        return sut_mp_put_uint(p, (uint64_t)v);
    if (v >= -32) {
        *p = (uint8_t)v;
        return p + 1;
    }
    if (v >= INT8_MIN) {
        p[0] = 0xd0;
        p[1] = (uint8_t)v;
        return p + 2;
    }
    if (v >= INT16_MIN)
        return sut_mp_put16(p, 0xd1, (uint16_t)v);
    if (v >= INT32_MIN)
        return sut_mp_put32(p, 0xd2, (uint32_t)v);
    return sut_mp_put64(p, 0xd3, (uint64_t)v);
}

static inline uint8_t *sut_mp_put_f64(uint8_t *p, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return sut_mp_put64(p, 0xcb, bits);
}

static inline uint8_t *sut_mp_put_str_head(uint8_t *p, size_t len)
{
    if (len < 32) {
        *p = (uint8_t)(0xa0 | len);
        return p + 1;
    }
    if (len <= UINT8_MAX) {
        p[0] = 0xd9;
        p[1] = (uint8_t)len;
        return p + 2;
    }
    return len <= UINT16_MAX ? sut_mp_put16(p, 0xda, (uint16_t)len) : sut_mp_put32(p, 0xdb, (uint32_t)len);
}

static inline uint8_t *sut_mp_put_bin_head(uint8_t *p, size_t len)
{
    if (len <= UINT8_MAX) {
        p[0] = 0xc4;
        p[1] = (uint8_t)len;
        return p + 2;
    }
    return len <= UINT16_MAX ? sut_mp_put16(p, 0xc5, (uint16_t)len) : sut_mp_put32(p, 0xc6, (uint32_t)len);
}

static inline uint8_t *sut_mp_put_bytes(uint8_t *p, sut_str s)
{
    if (s.len > 0)
        memcpy(p, s.ptr, s.len);
    return p + s.len;
}

static inline uint8_t *sut_mp_put_str(uint8_t *p, sut_str s)
{
    return sut_mp_put_bytes(sut_mp_put_str_head(p, s.len), s);
}

static inline uint8_t *sut_mp_put_array_head(uint8_t *p, size_t count)
{
    if (count < 16) {
        *p = (uint8_t)(0x90 | count);
        return p + 1;
    }
    return count <= UINT16_MAX ? sut_mp_put16(p, 0xdc, (uint16_t)count) : sut_mp_put32(p, 0xdd, (uint32_t)count);
}

static inline uint8_t *sut_mp_put_map_head(uint8_t *p, size_t count)
{
    if (count < 16) {
        *p = (uint8_t)(0x80 | count);
        return p + 1;
    }
    return count <= UINT16_MAX ? sut_mp_put16(p, 0xde, (uint16_t)count) : sut_mp_put32(p, 0xdf, (uint32_t)count);
}

#endif
