/* msgpack → JSON text in one pass, with a record's declaration or without. No tree: items go straight from the body's
 * bytes into the buffer. Strings are checked while they are copied, so that a body needs no scan before. */
#include "runtime.h"

#include "base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define INT_TEXT_MAX 20
#define F64_TEXT_MAX 32

/* The output: `at` runs ahead of the buffer's len, which is set at the end. */
typedef struct writer {
    sut_buf *out;
    uint8_t *at, *end;
    bool unordered; /* some record's fields were not in order: no longer hope that the others' are */
} writer;

static sut_status write_value(writer *w, const sut_field *f, sut_mp_in *in, unsigned depth);

static sut_status more_room(writer *w, size_t bytes)
{
    w->out->len = (size_t)(w->at - w->out->data);
    sut_status status = sut_buf_reserve(w->out, bytes);
    if (status)
        return status;
    w->at = w->out->data + w->out->len;
    w->end = w->out->data + w->out->cap;
    return 0;
}

static inline sut_status need(writer *w, size_t bytes)
{
    return (size_t)(w->end - w->at) >= bytes ? 0 : more_room(w, bytes);
}

static inline sut_status put_char(writer *w, char c)
{
    sut_status status = need(w, 1);
    if (!status)
        *w->at++ = (uint8_t)c;
    return status;
}

static inline sut_status put_text(writer *w, const char *text, size_t len)
{
    sut_status status = need(w, len);
    if (!status) {
        memcpy(w->at, text, len);
        w->at += len;
    }
    return status;
}

/* ---- strings ---- */

/* Bytes that end a plain run: control characters, '"', '\\'. UTF-8 was checked before. */
static size_t plain_run(const uint8_t *p, size_t len)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);
    size_t i = 0;
    for (; i + 8 <= len; i += 8) { /* exact for ASCII; a byte above 127 never makes it stop too late */
        uint64_t w, quote, slash;
        memcpy(&w, p + i, 8);
        quote = w ^ (ones * '"');
        slash = w ^ (ones * '\\');
        uint64_t hit = (w - ones * 0x20) | (quote - ones) | (slash - ones);
        if (hit & ~w & highs)
            break;
    }
    while (i < len && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
        i++;
    return i;
}

static uint8_t *put_escape(uint8_t *p, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorts[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};
    *p++ = '\\';
    if (c < sizeof shorts && shorts[c]) {
        *p++ = (uint8_t)shorts[c];
        return p;
    }
    *p++ = 'u';
    *p++ = '0';
    *p++ = '0';
    *p++ = (uint8_t)hex[c >> 4];
    *p++ = (uint8_t)hex[c & 15];
    return p;
}

static sut_status write_string(writer *w, sut_str s)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    size_t left = s.len;
    if (!sut_mp_utf8(s.ptr, s.len))
        return -EBADMSG;
    sut_status status = need(w, left + 2);
    if (status)
        return status;
    *w->at++ = '"';
    for (;;) {
        size_t run = plain_run(p, left);
        memcpy(w->at, p, run);
        w->at += run;
        p += run;
        left -= run;
        if (left == 0)
            break;
        status = need(w, 6 + left);
        if (status)
            return status;
        w->at = put_escape(w->at, *p++);
        left--;
    }
    return put_char(w, '"');
}

static sut_status write_base64(writer *w, sut_str bytes)
{
    sut_status status = need(w, sut_base64_size(bytes.len) + 2);
    if (status)
        return status;
    *w->at++ = '"';
    w->at = sut_base64_encode(bytes.ptr, bytes.len, w->at);
    *w->at++ = '"';
    return 0;
}

/* ---- numbers and times ---- */

static sut_status write_uint(writer *w, uint64_t v, bool negative)
{
    char text[INT_TEXT_MAX + 1];
    char *p = text + sizeof text;
    do {
        *--p = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    if (negative)
        *--p = '-';
    return put_text(w, p, (size_t)(text + sizeof text - p));
}

static sut_status write_int(writer *w, int64_t v)
{
    return v < 0 ? write_uint(w, -(uint64_t)v, true) : write_uint(w, (uint64_t)v, false);
}

/* The shortest text that reads back as the same number, marked as a real one. */
static sut_status write_f64(writer *w, double v)
{
    char text[F64_TEXT_MAX];
    if (!isfinite(v))
        return -EBADMSG;
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    sut_status status = put_text(w, text, strlen(text));
    return status || strpbrk(text, ".e") ? status : put_text(w, ".0", 2);
}

static sut_status write_timestamp(writer *w, int64_t us)
{
    char text[SUT_RFC3339_SIZE + 2] = "\"";
    if (us < SUT_DATE_MIN * SUT_DAY_US || us >= (SUT_DATE_MAX + INT64_C(1)) * SUT_DAY_US)
        return -EBADMSG;
    sut_rfc3339(us, text + 1);
    text[SUT_RFC3339_SIZE] = '"';
    return put_text(w, text, SUT_RFC3339_SIZE + 1);
}

static bool item_i64(const sut_mp_item *item, int64_t *out)
{
    if (item->type == SUT_MP_INT)
        *out = item->v.i;
    else if (item->type == SUT_MP_UINT && item->v.u <= INT64_MAX)
        *out = (int64_t)item->v.u;
    else
        return false;
    return true;
}

/* ---- containers ---- */

static sut_status write_list(writer *w, const sut_field *element, uint32_t count, sut_mp_in *in, unsigned depth)
{
    sut_status status = put_char(w, '[');
    for (uint32_t i = 0; i < count && !status; i++) {
        if (i > 0)
            status = put_char(w, ',');
        if (!status)
            status = write_value(w, element, in, depth + 1);
    }
    return status ? status : put_char(w, ']');
}

static sut_status write_map(writer *w, const sut_field *element, uint32_t count, sut_mp_in *in, unsigned depth)
{
    sut_status status = put_char(w, '{');
    for (uint32_t i = 0; i < count && !status; i++) {
        sut_mp_item key;
        if (sut_mp_next(in, &key) || key.type != SUT_MP_STR)
            return -EBADMSG;
        if (i > 0)
            status = put_char(w, ',');
        if (!status)
            status = write_string(w, key.v.s);
        if (!status)
            status = put_char(w, ':');
        if (!status)
            status = write_value(w, element, in, depth + 1);
    }
    return status ? status : put_char(w, '}');
}

/* ,"name":value — names of fields need no escapes. */
static sut_status write_member(writer *w, const sut_field *f, bool first, sut_mp_in *in, unsigned depth)
{
    sut_status status = need(w, (size_t)f->name_len + 4);
    if (status)
        return status;
    uint8_t *p = w->at;
    if (!first)
        *p++ = ',';
    *p++ = '"';
    memcpy(p, f->name, f->name_len);
    p += f->name_len;
    *p++ = '"';
    *p++ = ':';
    w->at = p;
    return write_value(w, f, in, depth + 1);
}

/* The fields of a body whose keys are not in the order of declaration: one walk to find them, then in order. */
static sut_status write_sorted(writer *w, const sut_record *desc, uint32_t count, sut_mp_in *in, unsigned depth)
{
    const uint8_t *base = in->at;
    uint32_t values[SUT_RECORD_FIELDS_MAX] = {0}; /* behind `base`; 0: absent, since a key comes first */
    for (uint32_t i = 0; i < count; i++) {
        sut_mp_item key;
        if (sut_mp_next(in, &key) || key.type != SUT_MP_STR)
            return -EBADMSG;
        const sut_field *f = sut_record_field(desc, key.v.s);
        if (f && values[f - desc->fields])
            return -EBADMSG; /* twice */
        if (f)
            values[f - desc->fields] = (uint32_t)(in->at - base);
        if (sut_mp_skip(in, SUT_MSGPACK_DEPTH_MAX))
            return -EBADMSG;
    }
    sut_status status = put_char(w, '{');
    bool first = true;
    for (size_t i = 0; i < desc->count && !status; i++) {
        if (!values[i])
            continue;
        sut_mp_in value = {base + values[i], in->end};
        status = write_member(w, &desc->fields[i], first, &value, depth);
        first = false;
    }
    return status ? status : put_char(w, '}');
}

static bool key_is(const sut_mp_item *key, const sut_field *f)
{
    return f->name_len == key->v.s.len && memcmp(f->name, key->v.s.ptr, f->name_len) == 0;
}

/* Bodies mostly come in the order of declaration, each field at most once: then one walk does it. As soon as a key is
 * behind its place, what was written of this record is thrown away and write_sorted begins anew; from then on it does
 * all records, so that records inside each other cannot double the work at each level. */
static sut_status write_record(writer *w, const sut_record *desc, uint32_t count, sut_mp_in *in, unsigned depth)
{
    const sut_mp_in start = *in;
    size_t mark = (size_t)(w->at - w->out->data);
    size_t next = 0;
    if (desc->count > SUT_RECORD_FIELDS_MAX)
        return SUT_TRACE(-EINVAL, "a record declares more than 256 fields");
    if (w->unordered)
        return write_sorted(w, desc, count, in, depth);
    sut_status status = put_char(w, '{');
    bool first = true;
    for (uint32_t i = 0; i < count && !status; i++) {
        sut_mp_item key;
        if (sut_mp_next(in, &key) || key.type != SUT_MP_STR)
            return -EBADMSG;
        size_t found = next;
        while (found < desc->count && !key_is(&key, &desc->fields[found]))
            found++;
        if (found < desc->count) {
            status = write_member(w, &desc->fields[found], first, in, depth);
            first = false;
            next = found + 1;
        } else if (sut_record_field(desc, key.v.s)) {
            *in = start;
            w->at = w->out->data + mark;
            w->unordered = true;
            return write_sorted(w, desc, count, in, depth);
        } else if (sut_mp_skip(in, SUT_MSGPACK_DEPTH_MAX)) {
            return -EBADMSG;
        }
    }
    return status ? status : put_char(w, '}');
}

/* ---- values ---- */

static sut_status write_plain(writer *w, const sut_mp_item *item, sut_mp_in *in, unsigned depth)
{
    switch (item->type) {
    case SUT_MP_NIL: return put_text(w, "null", 4);
    case SUT_MP_BOOL: return item->v.b ? put_text(w, "true", 4) : put_text(w, "false", 5);
    case SUT_MP_UINT: return write_uint(w, item->v.u, false);
    case SUT_MP_INT: return write_int(w, item->v.i);
    case SUT_MP_F64: return write_f64(w, item->v.f);
    case SUT_MP_STR: return write_string(w, item->v.s);
    case SUT_MP_BIN: return write_base64(w, item->v.s);
    case SUT_MP_ARRAY: return write_list(w, NULL, item->v.count, in, depth);
    case SUT_MP_MAP: return write_map(w, NULL, item->v.count, in, depth);
    }
    return -EBADMSG;
}

static sut_status write_declared(writer *w, const sut_field *f, const sut_mp_item *item, sut_mp_in *in, unsigned depth)
{
    int64_t i;
    switch ((sut_type)f->type) {
    case SUT_T_STRING:
    case SUT_T_DATE:
    case SUT_T_ENUM: return item->type == SUT_MP_STR ? write_string(w, item->v.s) : -EBADMSG;
    case SUT_T_I32:
    case SUT_T_I64: return item_i64(item, &i) ? write_int(w, i) : -EBADMSG;
    case SUT_T_TIMESTAMP: return item_i64(item, &i) ? write_timestamp(w, i) : -EBADMSG;
    case SUT_T_BOOL: return item->type == SUT_MP_BOOL ? write_plain(w, item, in, depth) : -EBADMSG;
    case SUT_T_F64:
        if (item->type == SUT_MP_F64)
            return write_f64(w, item->v.f);
        return item_i64(item, &i) ? write_int(w, i) : -EBADMSG;
    case SUT_T_BYTES: return item->type == SUT_MP_BIN ? write_base64(w, item->v.s) : -EBADMSG;
    case SUT_T_RECORD:
        return item->type == SUT_MP_MAP ? write_record(w, f->record, item->v.count, in, depth) : -EBADMSG;
    case SUT_T_LIST: return item->type == SUT_MP_ARRAY ? write_list(w, f->element, item->v.count, in, depth) : -EBADMSG;
    case SUT_T_MAP: return item->type == SUT_MP_MAP ? write_map(w, f->element, item->v.count, in, depth) : -EBADMSG;
    }
    return -EBADMSG;
}

/* `f` NULL: undeclared, written as it is. `depth` is how many containers the value is inside of. */
static sut_status write_value(writer *w, const sut_field *f, sut_mp_in *in, unsigned depth)
{
    sut_mp_item item;
    if (sut_mp_next(in, &item))
        return -EBADMSG;
    if (depth >= SUT_MSGPACK_DEPTH_MAX && (item.type == SUT_MP_ARRAY || item.type == SUT_MP_MAP))
        return -EBADMSG;
    if (!f || item.type == SUT_MP_NIL)
        return write_plain(w, &item, in, depth);
    return write_declared(w, f, &item, in, depth);
}

static sut_status write_body(const sut_record *desc, sut_str body, sut_buf *out)
{
    if (body.len == 0)
        return sut_buf_append(out, "{}", 2);
    size_t start = out->len;
    sut_status status = sut_buf_reserve(out, body.len + 64);
    if (status == -EMSGSIZE) /* the text may still be shorter than that */
        status = sut_buf_reserve(out, 2);
    if (status)
        return status;
    writer w = {.out = out, .at = out->data + out->len, .end = out->data + out->cap};
    sut_mp_in in = sut_mp_in_of(body);
    sut_mp_item map;
    if (sut_mp_next(&in, &map) || map.type != SUT_MP_MAP)
        return -EBADMSG;
    status = desc ? write_record(&w, desc, map.v.count, &in, 0) : write_map(&w, NULL, map.v.count, &in, 0);
    if (!status && in.at != in.end)
        status = -EBADMSG;
    out->len = status ? start : (size_t)(w.at - out->data);
    return status;
}

sut_status sut_body_to_json(const sut_record *desc, sut_str body, sut_buf *out)
{
    return write_body(desc, body, out);
}

sut_status sut_msgpack_to_json(sut_str body, sut_buf *out)
{
    if (sut_body_scan(body)) /* with no declaration, nothing else would see a key that is there twice */
        return -EBADMSG;
    return write_body(NULL, body, out);
}
