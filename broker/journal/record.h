/* Records at rest. Every value in the file that is ours begins with the same eight bytes, so that no byte is believed
 * before its checksum was:
 *
 *   0  u32 CRC-32C of all bytes from 4 on, begun with the table's salt (a record in the wrong table is a wrong one)
 *   4  u8  format version     5  u8  0     6  u16 a length of the record's kind's own
 *
 * An event goes on with: 8 i64 time in µs, 16 u64 sequence (0 in the tables of delayed events and dead letters), then
 * the publisher's name (its length is the u16 at 6), then a publish envelope. All numbers are little-endian. */
#ifndef SUT_JOURNAL_RECORD_H
#define SUT_JOURNAL_RECORD_H

#include "journal/journal.h"

#define RECORD_FORMAT    1
#define RECORD_HEAD      8
#define RECORD_EVENT     24
#define RECORD_MAX_BYTES (SUT_ENVELOPE_MAX + 65536)
#define PUBLISHER_MAX    256

typedef enum record_salt { /* part of the format: never renumbered */
                           SALT_HEADER = 1,
                           SALT_STATE,
                           SALT_EVENT,
                           SALT_DELAYED,
                           SALT_VALUE,
                           SALT_SOURCE,
                           SALT_IDS,
                           SALT_DEAD,
                           SALT_WAL_HEADER,
                           SALT_WAL
} record_salt;

typedef enum record_fault { RECORD_OK, RECORD_SHORT, RECORD_CRC, RECORD_VERSION, RECORD_CONTENT } record_fault;
const char *record_fault_text(record_fault f);

/* Fills in the eight bytes at the start of a record of `len` bytes. */
void record_seal(record_salt salt, uint16_t own, uint8_t *bytes, size_t len);
SUT_MUST_CHECK record_fault record_check(record_salt salt, const uint8_t *bytes, size_t len);

/* Appends an event's record to `out`. -EINVAL, -EMSGSIZE, -ENOMEM: `out` is as it was. */
SUT_MUST_CHECK sut_status record_put_event(sut_buf *out, record_salt salt, const sut_journal_event *e);
/* Checks and decodes; the strings point into `bytes`. */
SUT_MUST_CHECK record_fault record_get_event(record_salt salt, const uint8_t *bytes, size_t len,
                                             sut_journal_event *out);
/* What comes behind the check: for bytes that were checked already. */
SUT_MUST_CHECK record_fault record_decode_event(const uint8_t *bytes, size_t len, sut_journal_event *out);

/* A dead letter: the common head, u64 id at 8, i64 died at 16, u32 flags at 24 (1: redriving; generation << 8), u32
 * length of what describes it at 28 (group, then the attempts: u32 attempt, i64 time, three strings; a string is u16
 * length and bytes), then an event's record without a check of its own. -EINVAL for a string past 65,535 bytes or more
 * than 65,535 attempts. */
SUT_MUST_CHECK sut_status record_put_dead(sut_buf *out, const sut_dead_letter *d);
struct sut_arena;
/* RECORD_OK, or a fault. `a` holds the attempts; strings point into `bytes`. */
SUT_MUST_CHECK record_fault record_get_dead(const uint8_t *bytes, size_t len, struct sut_arena *a,
                                            sut_dead_letter *out);

static inline uint16_t load_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint32_t load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint64_t load_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void store_u16(uint8_t *p, uint16_t v)
{
    memcpy(p, &v, sizeof v);
}
static inline void store_u32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}
static inline void store_u64(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}
/* Keys are big-endian: their bytes sort as the numbers do. */
static inline void store_key(uint8_t *p, uint64_t v)
{
    store_u64(p, __builtin_bswap64(v));
}
static inline uint64_t load_key(const void *p)
{
    return __builtin_bswap64(load_u64(p));
}

#endif
