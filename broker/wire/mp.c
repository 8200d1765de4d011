/* msgpack items: reading with every length checked, stepping over values, and appending to buffers. */
#include "mp.h"

#include <errno.h>

/* Length of what follows each lead byte from 0xc0 to 0xdf: bytes of a number or of a length field. */
static const uint8_t s_tail[32] = {
    [0x04] = 1, [0x05] = 2, [0x06] = 4,             /* bin */
    [0x0a] = 4, [0x0b] = 8,                         /* float */
    [0x0c] = 1, [0x0d] = 2, [0x0e] = 4, [0x0f] = 8, /* uint */
    [0x10] = 1, [0x11] = 2, [0x12] = 4, [0x13] = 8, /* int */
    [0x19] = 1, [0x1a] = 2, [0x1b] = 4,             /* str */
    [0x1c] = 2, [0x1d] = 4,                         /* array */
    [0x1e] = 2, [0x1f] = 4,                         /* map */
};

static uint64_t load_be(const uint8_t *p, unsigned bytes)
{
    switch (bytes) {
    case 1: return p[0];
    case 2: return sut_mp_be16(p);
    case 4: return sut_mp_be32(p);
    case 8: return sut_mp_be64(p);
    default: return 0;
    }
}

static sut_envelope_fault take_bytes(sut_mp_in *in, const uint8_t *p, uint64_t len, sut_mp_type type, sut_mp_item *out)
{
    if (len > (uint64_t)(in->end - p))
        return SUT_ENV_TRUNCATED;
    out->type = type;
    out->v.s = (sut_str){(const char *)p, (size_t)len};
    in->at = p + len;
    return SUT_ENV_OK;
}

/* Every element takes one byte at least, every pair two: so a count that cannot be true is refused here. */
static sut_envelope_fault take_count(sut_mp_in *in, const uint8_t *p, uint64_t count, sut_mp_type type,
                                     sut_mp_item *out)
{
    uint64_t least = type == SUT_MP_MAP ? count * 2 : count;
    if (least > (uint64_t)(in->end - p))
        return SUT_ENV_TRUNCATED;
    out->type = type;
    out->v.count = (uint32_t)count;
    in->at = p;
    return SUT_ENV_OK;
}

static sut_envelope_fault take_int(sut_mp_in *in, const uint8_t *p, int64_t v, sut_mp_item *out)
{
    if (v < 0) {
        out->type = SUT_MP_INT;
        out->v.i = v;
    } else {
        out->type = SUT_MP_UINT;
        out->v.u = (uint64_t)v;
    }
    in->at = p;
    return SUT_ENV_OK;
}

static sut_envelope_fault take_float(sut_mp_in *in, const uint8_t *p, uint64_t bits, bool wide, sut_mp_item *out)
{
    out->type = SUT_MP_F64;
    if (wide) {
        memcpy(&out->v.f, &bits, sizeof out->v.f);
    } else {
        uint32_t narrow = (uint32_t)bits;
        float f;
        memcpy(&f, &narrow, sizeof f);
        out->v.f = (double)f;
    }
    in->at = p;
    return SUT_ENV_OK;
}

static sut_envelope_fault next_long(sut_mp_in *in, uint8_t lead, sut_mp_item *out)
{
    const uint8_t *p = in->at + 1;
    unsigned tail = s_tail[lead - 0xc0];
    if ((size_t)(in->end - p) < tail)
        return SUT_ENV_TRUNCATED;
    uint64_t raw = load_be(p, tail);
    p += tail;
    switch (lead) {
    case 0xc0:
        out->type = SUT_MP_NIL;
        in->at = p;
        return SUT_ENV_OK;
    case 0xc2:
    case 0xc3:
        out->type = SUT_MP_BOOL;
        out->v.b = lead == 0xc3;
        in->at = p;
        return SUT_ENV_OK;
    case 0xc4:
    case 0xc5:
    case 0xc6: return take_bytes(in, p, raw, SUT_MP_BIN, out);
    case 0xca:
    case 0xcb: return take_float(in, p, raw, lead == 0xcb, out);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        out->type = SUT_MP_UINT;
        out->v.u = raw;
        in->at = p;
        return SUT_ENV_OK;
    case 0xd0: return take_int(in, p, (int8_t)raw, out);
    case 0xd1: return take_int(in, p, (int16_t)raw, out);
    case 0xd2: return take_int(in, p, (int32_t)raw, out);
    case 0xd3: return take_int(in, p, (int64_t)raw, out);
    case 0xd9:
    case 0xda:
    case 0xdb: return take_bytes(in, p, raw, SUT_MP_STR, out);
    case 0xdc:
    case 0xdd: return take_count(in, p, raw, SUT_MP_ARRAY, out);
    case 0xde:
    case 0xdf: return take_count(in, p, raw, SUT_MP_MAP, out);
    default: return SUT_ENV_TYPE; /* 0xc1 is never used; the others are ext */
    }
}

sut_envelope_fault sut_mp_next_any(sut_mp_in *in, sut_mp_item *out)
{
    if (in->at >= in->end)
        return SUT_ENV_TRUNCATED;
    uint8_t lead = *in->at;
    if (lead < 0x80 || lead >= 0xe0)
        return take_int(in, in->at + 1, (int8_t)lead, out);
    if (lead >= 0xc0)
        return next_long(in, lead, out);
    if (lead >= 0xa0)
        return take_bytes(in, in->at + 1, lead & 0x1f, SUT_MP_STR, out);
    return take_count(in, in->at + 1, lead & 0x0f, lead >= 0x90 ? SUT_MP_ARRAY : SUT_MP_MAP, out);
}

sut_envelope_fault sut_mp_skip(sut_mp_in *in, unsigned depth)
{
    uint64_t left[SUT_MSGPACK_DEPTH_MAX + 1];
    unsigned level = 0;
    if (depth > SUT_MSGPACK_DEPTH_MAX)
        depth = SUT_MSGPACK_DEPTH_MAX;
    left[0] = 1;
    for (;;) {
        while (left[level] == 0) {
            if (level == 0)
                return SUT_ENV_OK;
            level--;
        }
        left[level]--;
        sut_mp_item item;
        sut_envelope_fault fault = sut_mp_next(in, &item);
        if (fault)
            return fault;
        if (item.type != SUT_MP_ARRAY && item.type != SUT_MP_MAP)
            continue;
        if (level == depth)
            return SUT_ENV_DEPTH;
        left[++level] = item.type == SUT_MP_MAP ? (uint64_t)item.v.count * 2 : item.v.count;
    }
}

/* Reserves `bytes`, and gives where they go; NULL with the reason in `*status`. */
static uint8_t *room(sut_buf *b, size_t bytes, sut_status *status)
{
    *status = sut_buf_reserve(b, bytes);
    return *status ? NULL : b->data + b->len;
}

static sut_status add_scalar(sut_buf *b, const uint8_t *bytes, const uint8_t *end)
{
    return sut_buf_append(b, bytes, (size_t)(end - bytes));
}

sut_status sut_mp_add_nil(sut_buf *b)
{
    return sut_buf_append(b, "\xc0", 1);
}

sut_status sut_mp_add_bool(sut_buf *b, bool v)
{
    return sut_buf_append(b, v ? "\xc3" : "\xc2", 1);
}

sut_status sut_mp_add_int(sut_buf *b, int64_t v)
{
    uint8_t tmp[SUT_MP_NUM_MAX];
    return add_scalar(b, tmp, sut_mp_put_int(tmp, v));
}

sut_status sut_mp_add_uint(sut_buf *b, uint64_t v)
{
    uint8_t tmp[SUT_MP_NUM_MAX];
    return add_scalar(b, tmp, sut_mp_put_uint(tmp, v));
}

sut_status sut_mp_add_f64(sut_buf *b, double v)
{
    uint8_t tmp[SUT_MP_NUM_MAX];
    return add_scalar(b, tmp, sut_mp_put_f64(tmp, v));
}

static sut_status add_bytes(sut_buf *b, const uint8_t *head, const uint8_t *head_end, sut_str s)
{
    size_t head_len = (size_t)(head_end - head);
    sut_status status;
    uint8_t *p = s.len > UINT32_MAX ? NULL : room(b, head_len + s.len, &status);
    if (!p)
        return s.len > UINT32_MAX ? -EMSGSIZE : status;
    memcpy(p, head, head_len);
    sut_mp_put_bytes(p + head_len, s);
    b->len += head_len + s.len;
    return 0;
}

sut_status sut_mp_add_str(sut_buf *b, sut_str s)
{
    uint8_t head[SUT_MP_HEAD_MAX] = {0};
    return add_bytes(b, head, sut_mp_put_str_head(head, s.len), s);
}

sut_status sut_mp_add_bin(sut_buf *b, sut_str s)
{
    uint8_t head[SUT_MP_HEAD_MAX] = {0};
    return add_bytes(b, head, sut_mp_put_bin_head(head, s.len), s);
}

sut_status sut_mp_add_array(sut_buf *b, size_t count)
{
    uint8_t head[SUT_MP_HEAD_MAX] = {0};
    if (count > UINT32_MAX)
        return -EMSGSIZE;
    return add_scalar(b, head, sut_mp_put_array_head(head, count));
}

sut_status sut_mp_add_map(sut_buf *b, size_t pairs)
{
    uint8_t head[SUT_MP_HEAD_MAX] = {0};
    if (pairs > UINT32_MAX)
        return -EMSGSIZE;
    return add_scalar(b, head, sut_mp_put_map_head(head, pairs));
}
