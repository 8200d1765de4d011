/* Dead letters as records: who gave up on the event and why, then the event itself. */
#include "base/arena.h"
#include "record.h"

#include <errno.h>

#define DEAD_HEAD      32
#define FLAG_REDRIVING 1u
#define GENERATION_BIT 8

static sut_status put_text(sut_buf *out, sut_str s)
{
    uint8_t len[2];
    if (s.len > UINT16_MAX)
        return -EINVAL;
    store_u16(len, (uint16_t)s.len);
    sut_status status = sut_buf_append(out, len, sizeof len);
    return status ? status : sut_buf_append(out, s.ptr, s.len);
}

static sut_status put_attempt(sut_buf *out, const sut_dead_attempt *a)
{
    uint8_t head[12];
    store_u32(head, a->attempt);
    store_u64(head + 4, (uint64_t)a->time_us);
    sut_status status = sut_buf_append(out, head, sizeof head);
    if (!status)
        status = put_text(out, a->consumer);
    if (!status)
        status = put_text(out, a->code);
    return status ? status : put_text(out, a->message);
}

static sut_status put_body(sut_buf *out, size_t start, const sut_dead_letter *d)
{
    uint8_t head[DEAD_HEAD] = {0};
    store_u64(head + 8, d->id);
    store_u64(head + 16, (uint64_t)d->died_us);
    store_u32(head + 24, (d->redriving ? FLAG_REDRIVING : 0) | d->generation << GENERATION_BIT);
    sut_status status = sut_buf_append(out, head, sizeof head);
    if (!status)
        status = put_text(out, d->group);
    for (size_t i = 0; i < d->attempt_count && !status; i++)
        status = put_attempt(out, &d->attempts[i]);
    if (!status)
        store_u32(out->data + start + 28, (uint32_t)(out->len - start - DEAD_HEAD));
    return status ? status : record_put_event(out, SALT_DEAD, &d->event);
}

sut_status record_put_dead(sut_buf *out, const sut_dead_letter *d)
{
    size_t start = out->len;
    if (d->attempt_count > UINT16_MAX)
        return -EINVAL;
    sut_status status = put_body(out, start, d);
    if (!status && out->len - start > RECORD_MAX_BYTES)
        status = -EMSGSIZE;
    if (status)
        out->len = start;
    else
        record_seal(SALT_DEAD, (uint16_t)d->attempt_count, out->data + start, out->len - start);
    return status;
}

typedef struct reader {
    const uint8_t *at, *end;
} reader;

static bool take(reader *r, size_t len, const uint8_t **out)
{
    if ((size_t)(r->end - r->at) < len)
        return false;
    *out = r->at;
    r->at += len;
    return true;
}

static bool take_text(reader *r, sut_str *out)
{
    const uint8_t *p;
    if (!take(r, 2, &p))
        return false;
    size_t len = load_u16(p);
    if (!take(r, len, &p))
        return false;
    *out = len ? (sut_str){(const char *)p, len} : SUT_STR_NONE;
    return true;
}

static bool take_attempt(reader *r, sut_dead_attempt *a)
{
    const uint8_t *p;
    if (!take(r, 12, &p))
        return false;
    a->attempt = load_u32(p);
    a->time_us = (int64_t)load_u64(p + 4);
    return take_text(r, &a->consumer) && take_text(r, &a->code) && take_text(r, &a->message);
}

record_fault record_get_dead(const uint8_t *bytes, size_t len, struct sut_arena *a, sut_dead_letter *out)
{
    record_fault fault = len < DEAD_HEAD ? RECORD_SHORT : record_check(SALT_DEAD, bytes, len);
    if (fault)
        return fault;
    size_t count = load_u16(bytes + 6), described = load_u32(bytes + 28);
    if (described > len - DEAD_HEAD)
        return RECORD_CONTENT;
    reader r = {bytes + DEAD_HEAD, bytes + DEAD_HEAD + described};
    *out = (sut_dead_letter){.id = load_u64(bytes + 8),
                             .died_us = (int64_t)load_u64(bytes + 16),
                             .redriving = load_u32(bytes + 24) & FLAG_REDRIVING,
                             .generation = load_u32(bytes + 24) >> GENERATION_BIT,
                             .attempt_count = count};
    sut_dead_attempt *attempts = sut_arena_array(a, count ? count : 1, sizeof *attempts);
    if (!attempts || !take_text(&r, &out->group))
        return RECORD_CONTENT;
    out->attempts = attempts;
    for (size_t i = 0; i < count; i++)
        if (!take_attempt(&r, &attempts[i]))
            return RECORD_CONTENT;
    return r.at != r.end ? RECORD_CONTENT : record_decode_event(r.at, len - DEAD_HEAD - described, &out->event);
}
