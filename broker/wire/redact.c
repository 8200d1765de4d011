/* body → body without what may not be shown. Whatever is not certainly showable is withheld: undeclared fields, and
 * values whose type is not the declared one. */
#include "runtime.h"

#include <errno.h>

typedef struct redactor {
    sut_mp_in in;
    bool personal;
    bool left_out; /* something that no schema declares */
    sut_buf *out;
    size_t withheld;
} redactor;

static sut_status redact_value(redactor *r, const sut_field *f);

static sut_status skip(redactor *r)
{
    return sut_mp_skip(&r->in, SUT_MSGPACK_DEPTH_MAX) ? -EBADMSG : 0;
}

static sut_status withhold(redactor *r)
{
    sut_status status = skip(r);
    r->withheld++;
    return status ? status : sut_mp_add_str(r->out, SUT_STR("<redacted>"));
}

static sut_status copy_value(redactor *r)
{
    const uint8_t *start = r->in.at;
    sut_status status = skip(r);
    return status ? status : sut_buf_append(r->out, start, (size_t)(r->in.at - start));
}

static bool hides(const redactor *r, const sut_field *f)
{
    return f->flags & SUT_F_SECRET || (r->personal && f->flags & SUT_F_PERSONAL);
}

/* Has the value that comes next the type that its field declares? */
static bool has_type(const sut_field *f, const sut_mp_item *item)
{
    switch ((sut_type)f->type) {
    case SUT_T_BOOL: return item->type == SUT_MP_BOOL;
    case SUT_T_I32:
    case SUT_T_I64:
    case SUT_T_TIMESTAMP: return item->type == SUT_MP_INT || item->type == SUT_MP_UINT;
    case SUT_T_F64: return item->type == SUT_MP_F64 || item->type == SUT_MP_INT || item->type == SUT_MP_UINT;
    case SUT_T_STRING:
    case SUT_T_DATE:
    case SUT_T_ENUM: return item->type == SUT_MP_STR;
    case SUT_T_BYTES: return item->type == SUT_MP_BIN;
    case SUT_T_RECORD:
    case SUT_T_MAP: return item->type == SUT_MP_MAP;
    case SUT_T_LIST: return item->type == SUT_MP_ARRAY;
    }
    return false;
}

/* The count of what is kept is known only behind it: so the head has a fixed form, which is filled in then. */
static sut_status redact_record(redactor *r, const sut_record *desc, uint32_t count)
{
    size_t head = r->out->len;
    uint16_t kept = 0;
    sut_status status = sut_buf_append(r->out, "\xde\0\0", 3);
    for (uint32_t i = 0; i < count && !status; i++) {
        sut_mp_item key;
        if (sut_mp_next(&r->in, &key) || key.type != SUT_MP_STR)
            return -EBADMSG;
        const sut_field *f = sut_record_field(desc, key.v.s);
        if (!f) {
            r->left_out = true;
            status = skip(r);
            continue;
        }
        kept++;
        status = sut_mp_add_str(r->out, key.v.s);
        if (!status)
            status = redact_value(r, f);
    }
    if (!status)
        (void)sut_mp_put16(r->out->data + head, 0xde, kept);
    return status;
}

static sut_status redact_list(redactor *r, const sut_field *f, uint32_t count)
{
    sut_status status = sut_mp_add_array(r->out, count);
    for (uint32_t i = 0; i < count && !status; i++)
        status = redact_value(r, f->element);
    return status;
}

static sut_status redact_map(redactor *r, const sut_field *f, uint32_t count)
{
    sut_status status = sut_mp_add_map(r->out, count);
    for (uint32_t i = 0; i < count && !status; i++) {
        status = copy_value(r);
        if (!status)
            status = redact_value(r, f->element);
    }
    return status;
}

static sut_status redact_value(redactor *r, const sut_field *f)
{
    const uint8_t *start = r->in.at;
    sut_mp_item item;
    if (hides(r, f))
        return withhold(r);
    if (sut_mp_next(&r->in, &item))
        return -EBADMSG;
    if (has_type(f, &item)) {
        if (f->type == SUT_T_RECORD)
            return redact_record(r, f->record, item.v.count);
        if (f->type == SUT_T_LIST)
            return redact_list(r, f, item.v.count);
        if (f->type == SUT_T_MAP)
            return redact_map(r, f, item.v.count);
    }
    r->in.at = start;
    return has_type(f, &item) || item.type == SUT_MP_NIL ? copy_value(r) : withhold(r);
}

static sut_status redact_body(redactor *r, const sut_record *desc)
{
    sut_mp_item map;
    if (sut_mp_next(&r->in, &map))
        return -EBADMSG;
    return redact_record(r, desc, map.v.count);
}

/* `*r` says afterwards what could not be shown. */
static sut_status redact(redactor *r, const sut_record *desc, sut_str body, bool personal, sut_buf *out)
{
    *r = (redactor){.in = sut_mp_in_of(body), .personal = personal, .out = out};
    if (sut_body_scan(body))
        return -EBADMSG;
    if (!desc || body.len == 0) {
        r->left_out = body.len > 0;
        r->withheld = body.len > 1; /* an empty map is one byte */
        return sut_mp_add_map(out, 0);
    }
    size_t start = out->len;
    sut_status status = redact_body(r, desc);
    if (status)
        out->len = start;
    return status;
}

sut_status sut_record_redact_told(const sut_record *desc, sut_str body, bool personal, sut_buf *out, bool *left_out)
{
    redactor r;
    sut_status status = redact(&r, desc, body, personal, out);
    *left_out = r.left_out;
    return status;
}

sut_status sut_record_redact_counted(const sut_record *desc, sut_str body, bool personal, sut_buf *out,
                                     size_t *withheld)
{
    redactor r;
    sut_status status = redact(&r, desc, body, personal, out);
    *withheld = r.withheld;
    return status;
}

sut_status sut_record_redact(const sut_record *desc, sut_str body, bool personal, sut_buf *out)
{
    redactor r;
    return redact(&r, desc, body, personal, out);
}
