/* Events as records: the common head, what the envelope lacks, and a publish envelope. */
#include "record.h"

#include "base/crc32c.h"

#include <errno.h>

const char *record_fault_text(record_fault f)
{
    static const char *const texts[] = {
        [RECORD_OK] = "is sound",
        [RECORD_SHORT] = "is shorter than its kind can be",
        [RECORD_CRC] = "has a wrong checksum",
        [RECORD_VERSION] = "is of a format version that this build does not know",
        [RECORD_CONTENT] = "has a right checksum and contents that cannot be",
    };
    return texts[f];
}

static uint32_t checksum(record_salt salt, const uint8_t *bytes, size_t len)
{
    uint8_t first = (uint8_t)salt;
    return crc32c(crc32c(0, &first, 1), bytes + 4, len - 4);
}

void record_seal(record_salt salt, uint16_t own, uint8_t *bytes, size_t len)
{
    bytes[4] = RECORD_FORMAT;
    bytes[5] = 0;
    store_u16(bytes + 6, own);
    store_u32(bytes, checksum(salt, bytes, len));
}

record_fault record_check(record_salt salt, const uint8_t *bytes, size_t len)
{
    if (len < RECORD_HEAD)
        return RECORD_SHORT;
    if (load_u32(bytes) != checksum(salt, bytes, len))
        return RECORD_CRC;
    return bytes[4] == RECORD_FORMAT ? RECORD_OK : RECORD_VERSION;
}

static sut_envelope to_envelope(const sut_journal_event *e)
{
    return (sut_envelope){.version = SUT_PROTOCOL_VERSION,
                          .kind = SUT_PUBLISH,
                          .subject = e->subject,
                          .key = e->key,
                          .principal = e->principal,
                          .traceparent = e->traceparent,
                          .opt = {.event_id = {(const char *)e->id, SUT_EVENT_ID_LEN},
                                  .source = e->source,
                                  .number = e->number,
                                  .epoch = e->epoch,
                                  .not_before = e->not_before_us,
                                  .replayed = e->replayed},
                          .body = e->body};
}

sut_status record_put_event(sut_buf *out, record_salt salt, const sut_journal_event *e)
{
    if (e->subject.len == 0 || e->publisher.len > PUBLISHER_MAX || e->time_us < 0)
        return -EINVAL;
    size_t start = out->len;
    sut_envelope env = to_envelope(e);
    sut_status status = sut_buf_reserve(out, RECORD_EVENT + e->publisher.len + sut_envelope_size_bound(&env));
    if (status)
        return status;
    uint8_t *head = out->data + start;
    store_u64(head + 8, (uint64_t)e->time_us);
    store_u64(head + 16, e->sequence);
    if (e->publisher.len)
        memcpy(head + RECORD_EVENT, e->publisher.ptr, e->publisher.len);
    out->len += RECORD_EVENT + e->publisher.len;
    status = sut_envelope_encode(out, &env);
    if (status) {
        out->len = start;
        return status;
    }
    record_seal(salt, (uint16_t)e->publisher.len, out->data + start, out->len - start);
    return 0;
}

record_fault record_decode_event(const uint8_t *bytes, size_t len, sut_journal_event *out)
{
    if (len < RECORD_EVENT)
        return RECORD_SHORT;
    size_t publisher = load_u16(bytes + 6), used = 0, at = RECORD_EVENT + publisher;
    sut_envelope env;
    if (publisher > PUBLISHER_MAX || at > len)
        return RECORD_CONTENT;
    if (sut_envelope_decode(bytes + at, len - at, &env, &used) || used != len - at || env.kind != SUT_PUBLISH ||
        env.opt.event_id.len != SUT_EVENT_ID_LEN || env.subject.len == 0)
        return RECORD_CONTENT;
    *out = (sut_journal_event){.sequence = load_u64(bytes + 16),
                               .time_us = (int64_t)load_u64(bytes + 8),
                               .subject = env.subject,
                               .key = env.key,
                               .principal = env.principal,
                               .traceparent = env.traceparent,
                               .source = env.opt.source,
                               .number = env.opt.number,
                               .epoch = env.opt.epoch,
                               .not_before_us = env.opt.not_before,
                               .replayed = env.opt.replayed != 0,
                               .body = env.body};
    if (publisher)
        out->publisher = (sut_str){(const char *)bytes + RECORD_EVENT, publisher};
    memcpy(out->id, env.opt.event_id.ptr, SUT_EVENT_ID_LEN);
    return RECORD_OK;
}

record_fault record_get_event(record_salt salt, const uint8_t *bytes, size_t len, sut_journal_event *out)
{
    record_fault fault = record_check(salt, bytes, len);
    return fault ? fault : record_decode_event(bytes, len, out);
}
