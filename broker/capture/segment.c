/* Heads and records of segments, and how damage is passed over. */
#include "segment.h"

#include "base/crc32c.h"

#include <errno.h>
#include <string.h>

#define MAGIC        "SUTCAP\r\n"
#define MARK         "SPAN"
#define MARK_BYTES   4
#define FRONT_BYTES  (MARK_BYTES + 4 + 8) /* up to and with the number */
#define CRC_BYTES    4
#define RECORD_LEAST (FRONT_BYTES + 2 + SEAL_TAG_BYTES + CRC_BYTES)

#define AT_FORMAT 8
#define AT_KID    12
#define AT_SALT   (AT_KID + SUT_KID_MAX)
#define AT_MADE   (SEGMENT_HEAD_BYTES - CRC_BYTES - 8)

static void put_le(uint8_t *at, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_le(const uint8_t *at, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v |= (uint64_t)at[i] << (8 * i);
    return v;
}

/* ---- heads ---- */

_Static_assert(AT_SALT + SEAL_SALT_BYTES == AT_MADE, "no hole in the head");

void segment_put_head(const segment_head *h, uint8_t out[SEGMENT_HEAD_BYTES])
{
    memset(out, 0, SEGMENT_HEAD_BYTES);
    memcpy(out, MAGIC, AT_FORMAT); // NOLINT(bugprone-not-null-terminated-result)
    put_le(out + AT_FORMAT, SEGMENT_FORMAT, 4);
    memcpy(out + AT_KID, h->kid, strnlen(h->kid, SUT_KID_MAX));
    memcpy(out + AT_SALT, h->salt, SEAL_SALT_BYTES);
    put_le(out + AT_MADE, (uint64_t)h->made_us, 8);
    put_le(out + SEGMENT_HEAD_BYTES - CRC_BYTES, crc32c(0, out, SEGMENT_HEAD_BYTES - CRC_BYTES), CRC_BYTES);
}

const char *segment_get_head(const uint8_t *bytes, size_t len, segment_head *out)
{
    if (len < SEGMENT_HEAD_BYTES || memcmp(bytes, MAGIC, AT_FORMAT) != 0)
        return "is no segment of captured spans";
    if (get_le(bytes + AT_FORMAT, 4) != SEGMENT_FORMAT)
        return "is of another format than this build reads";
    if (get_le(bytes + SEGMENT_HEAD_BYTES - CRC_BYTES, CRC_BYTES) != crc32c(0, bytes, SEGMENT_HEAD_BYTES - CRC_BYTES))
        return "has a damaged head";
    *out = (segment_head){.made_us = (int64_t)get_le(bytes + AT_MADE, 8)};
    memcpy(out->kid, bytes + AT_KID, SUT_KID_MAX);
    memcpy(out->salt, bytes + AT_SALT, SEAL_SALT_BYTES);
    return NULL;
}

/* ---- records ---- */

static sut_status put_record(sut_buf *out, size_t start, uint64_t number, sut_str meta, sut_str inner, seal *s)
{
    uint8_t front[FRONT_BYTES + 2] = MARK, crc[CRC_BYTES];
    put_le(front + MARK_BYTES, 2 + meta.len + inner.len + SEAL_TAG_BYTES + CRC_BYTES, 4);
    put_le(front + MARK_BYTES + 4, number, 8);
    put_le(front + FRONT_BYTES, meta.len, 2);
    sut_status st = sut_buf_append(out, front, sizeof front);
    if (st == 0)
        st = sut_buf_append(out, meta.ptr, meta.len);
    if (st == 0)
        st = seal_close(s, number, meta, inner, out);
    if (st < 0)
        return st;
    put_le(crc, crc32c(0, out->data + start, out->len - start), CRC_BYTES);
    return sut_buf_append(out, crc, sizeof crc);
}

sut_status segment_put_record(sut_buf *out, uint64_t number, sut_str meta, sut_str inner, seal *s)
{
    const size_t start = out->len;
    if (meta.len > UINT16_MAX || RECORD_LEAST + meta.len + inner.len > SEGMENT_RECORD_MAX)
        return -EMSGSIZE;
    const sut_status st = put_record(out, start, number, meta, inner, s);
    if (st < 0)
        out->len = start;
    return st;
}

bool segment_get_record(const uint8_t *bytes, size_t len, size_t at, segment_record *out)
{
    if (at > len || len - at < RECORD_LEAST || memcmp(bytes + at, MARK, MARK_BYTES) != 0)
        return false;
    const uint8_t *p = bytes + at;
    const uint64_t rest = get_le(p + MARK_BYTES, 4), meta_len = get_le(p + FRONT_BYTES, 2);
    if (rest > SEGMENT_RECORD_MAX || rest > len - at - FRONT_BYTES || rest < 2 + meta_len + SEAL_TAG_BYTES + CRC_BYTES)
        return false;
    const size_t total = FRONT_BYTES + (size_t)rest;
    if (get_le(p + total - CRC_BYTES, CRC_BYTES) != crc32c(0, p, total - CRC_BYTES))
        return false;
    const size_t sealed_at = FRONT_BYTES + 2 + (size_t)meta_len;
    *out = (segment_record){.number = get_le(p + MARK_BYTES + 4, 8),
                            .meta = {(const char *)p + FRONT_BYTES + 2, (size_t)meta_len},
                            .sealed = {(const char *)p + sealed_at, total - CRC_BYTES - sealed_at},
                            .bytes = total};
    return true;
}

size_t segment_next_mark(const uint8_t *bytes, size_t len, size_t at, bool over)
{
    const uint8_t *mark = at < len ? memmem(bytes + at, len - at, MARK, MARK_BYTES) : NULL;
    if (mark)
        return (size_t)(mark - bytes);
    if (over || len < at + MARK_BYTES)
        return over || at > len ? len : at;
    return len - MARK_BYTES + 1;
}
