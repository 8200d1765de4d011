/* struct → msgpack, in declaration order and the shortest form: equal structs give equal bytes. */
#include "runtime.h"

#include "base/log.h"

#include <errno.h>

static sut_status encode_record(const sut_record *desc, const void *in, unsigned depth, sut_buf *out);
static sut_status encode_value(const sut_field *f, const void *value, unsigned depth, sut_buf *out);

static sut_status encode_date(int32_t days, sut_buf *out)
{
    char text[11];
    if (days < SUT_DATE_MIN || days > SUT_DATE_MAX)
        return -EINVAL;
    sut_date_format(days, text);
    return sut_mp_add_str(out, (sut_str){text, 10});
}

static sut_status encode_enum(const sut_enum_desc *e, int32_t v, sut_buf *out)
{
    for (size_t i = 0; i < e->count; i++)
        if (e->values[i].value == v)
            return sut_mp_add_str(out, sut_str_from(e->values[i].name));
    return -EINVAL;
}

static sut_status encode_list(const sut_field *f, const sut_list *list, unsigned depth, sut_buf *out)
{
    size_t size = sut_type_size(f->element->type);
    sut_status status = sut_mp_add_array(out, list->count);
    for (size_t i = 0; i < list->count && !status; i++)
        status = encode_value(f->element, (const char *)list->items + i * size, depth + 1, out);
    return status;
}

static sut_status encode_map(const sut_field *f, const sut_map *map, unsigned depth, sut_buf *out)
{
    size_t size = sut_type_size(f->element->type);
    sut_status status = sut_mp_add_map(out, map->count);
    for (size_t i = 0; i < map->count && !status; i++) {
        status = sut_mp_add_str(out, map->keys[i]);
        if (!status)
            status = encode_value(f->element, (const char *)map->values + i * size, depth + 1, out);
    }
    return status;
}

static sut_status encode_value(const sut_field *f, const void *value, unsigned depth, sut_buf *out)
{
    const sut_str *s = value;
    if (depth > SUT_MSGPACK_DEPTH_MAX)
        return -EINVAL;
    switch ((sut_type)f->type) {
    case SUT_T_BOOL: return sut_mp_add_bool(out, *(const bool *)value);
    case SUT_T_I32: return sut_mp_add_int(out, *(const int32_t *)value);
    case SUT_T_I64:
    case SUT_T_TIMESTAMP: return sut_mp_add_int(out, *(const int64_t *)value);
    case SUT_T_F64: return sut_mp_add_f64(out, *(const double *)value);
    case SUT_T_STRING: return s->ptr ? sut_mp_add_str(out, *s) : -EINVAL;
    case SUT_T_BYTES: return s->ptr ? sut_mp_add_bin(out, *s) : -EINVAL;
    case SUT_T_DATE: return encode_date(*(const int32_t *)value, out);
    case SUT_T_ENUM: return encode_enum(f->enumeration, *(const int32_t *)value, out);
    case SUT_T_RECORD: {
        const void *record = *(const void *const *)value;
        return record ? encode_record(f->record, record, depth + 1, out) : -EINVAL;
    }
    case SUT_T_LIST: return encode_list(f, value, depth, out);
    case SUT_T_MAP: return encode_map(f, value, depth, out);
    }
    return -EINVAL;
}

static sut_status encode_record(const sut_record *desc, const void *in, unsigned depth, sut_buf *out)
{
    size_t present = 0;
    for (size_t i = 0; i < desc->count; i++)
        present += sut_field_presence(&desc->fields[i], in) != SUT_ABSENT;
    sut_status status = sut_mp_add_map(out, present);
    for (size_t i = 0; i < desc->count && !status; i++) {
        const sut_field *f = &desc->fields[i];
        const void *value = sut_field_at(f, in);
        uint8_t presence = sut_field_presence(f, in);
        if (presence == SUT_ABSENT)
            continue;
        status = sut_mp_add_str(out, (sut_str){f->name, f->name_len});
        if (status)
            break;
        status = presence == SUT_NULL || sut_value_is_null(f, value) ? sut_mp_add_nil(out)
                                                                     : encode_value(f, value, depth, out);
        if (status == -EINVAL)
            sut_log(SUT_ERROR, "wire", "record.unencodable", SUT_KV("record", desc->name), SUT_KV("field", f->name));
    }
    return status;
}

sut_status sut_record_encode(const sut_record *desc, const void *in, sut_buf *out)
{
    size_t start = out->len;
    sut_status status = encode_record(desc, in, 1, out);
    if (status)
        out->len = start;
    return status;
}
