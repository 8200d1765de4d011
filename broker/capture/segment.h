/* A segment's bytes: one head, then records, each with a mark, its length, its number and a CRC-32C, so that whatever
 * happened to the file, what is read is a record that was written, or is passed over. Pure: no files here.
 *
 *   head    "SUTCAP\r\n" | format u32 | key id 32, padded with zeros | salt 16 | made at, µs u64 | CRC-32C u32
 *   record  "SPAN" | length of what follows the number u32 | number u64 | meta length u16 | meta | sealed | CRC-32C u32
 *
 * Numbers are little endian; a CRC is over all before it of head or record. */
#ifndef SUT_CAPTURE_SEGMENT_H
#define SUT_CAPTURE_SEGMENT_H

#include "seal.h"

#define SEGMENT_FORMAT     1
#define SEGMENT_HEAD_BYTES 72
#define SEGMENT_RECORD_MAX (128u << 10) /* bytes of one record at most */

typedef struct segment_head {
    char kid[SUT_KID_MAX + 1]; /* of the key that its records are sealed under */
    uint8_t salt[SEAL_SALT_BYTES];
    int64_t made_us;
} segment_head;

void segment_put_head(const segment_head *h, uint8_t out[SEGMENT_HEAD_BYTES]);
/* NULL, or why it is none: "is of format 7; this build reads 1". */
const char *segment_get_head(const uint8_t *bytes, size_t len, segment_head *out);

typedef struct segment_record {
    uint64_t number;
    sut_str meta, sealed; /* borrowed */
    size_t bytes;         /* of all of it */
} segment_record;

/* Appends the record; its inner part is sealed on the way. -EMSGSIZE if it is over SEGMENT_RECORD_MAX. */
SUT_MUST_CHECK sut_status segment_put_record(sut_buf *out, uint64_t number, sut_str meta, sut_str inner, seal *s);
/* The record that starts at `at` exactly. */
bool segment_get_record(const uint8_t *bytes, size_t len, size_t at, segment_record *out);
/* The first place at or behind `at` where a record may start: its mark, or if more bytes may follow (not `over`) what
 * may be the beginning of one. `len` if there is none. */
size_t segment_next_mark(const uint8_t *bytes, size_t len, size_t at, bool over);

#endif
