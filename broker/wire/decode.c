/* msgpack → struct: reads a scanned body field by field, with defaults, trimming and every check. */
#include "prose.h"
#include "runtime.h"

#include <errno.h>
#include <stdio.h>

#define NAME_SHOWN_MAX  64  /* of a field that is not declared */
#define NAMES_SHOWN_MAX 240 /* of the declared ones, in the same message */

typedef struct decoder {
    sut_mp_in in;
    sut_arena *arena;
    sut_field_errors *errs;
    sut_unknown_policy policy;
    sut_words words;
} decoder;

static sut_status decode_value(decoder *d, const sut_field *f, const sut_path *path, void *to);

static sut_status skip(decoder *d)
{
    return sut_mp_skip(&d->in, SUT_MSGPACK_DEPTH_MAX) ? -EBADMSG : 0;
}

static const char *type_words(const decoder *d, const sut_field *f)
{
    bool json = d->words == SUT_WORDS_JSON;
    switch ((sut_type)f->type) {
    case SUT_T_BOOL: return "must be true or false";
    case SUT_T_I32:
    case SUT_T_I64: return json ? "must be an integer, without fraction or exponent" : "must be an integer";
    case SUT_T_F64: return "must be a number";
    case SUT_T_STRING: return "must be a string";
    case SUT_T_BYTES: return json ? "must be a base64 string (RFC 4648, section 4)" : "must be bin";
    case SUT_T_TIMESTAMP:
        return json ? "must be a time such as 2026-01-02T03:04:05Z (RFC 3339)"
                    : "must be an integer: microseconds since 1970-01-01 UTC";
    case SUT_T_DATE: return "must be a date such as 2026-01-02";
    case SUT_T_ENUM: return "must be a string: the name of one of the values";
    case SUT_T_RECORD: return json ? "must be an object" : "must be a map";
    case SUT_T_LIST: return "must be an array";
    case SUT_T_MAP: return json ? "must be an object" : "must be a map with string keys";
    }
    return "has an unknown type";
}

static bool read_i64(const sut_mp_item *item, int64_t *out)
{
    if (item->type == SUT_MP_INT)
        *out = item->v.i;
    else if (item->type == SUT_MP_UINT && item->v.u <= INT64_MAX)
        *out = (int64_t)item->v.u;
    else
        return false;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Results of reading one scalar: 0, negative, or one of these, for which nothing was stored. */
enum { WRONG_TYPE = 1, REFUSED = 2 };

/* Judges a text and brings it to its normal form. One that is too long whatever its form (four characters at most
 * compose to one) is left to the check of its length, so that work and memory are bounded by the limit. */
static sut_status normalise_text(decoder *d, const sut_field *f, const sut_path *path, sut_str *s)
{
    enum { COMPOSED_MAX = 4, UTF8_BYTES_MAX = 4 };
    char words[SUT_PROSE_WORDS_SIZE];
    size_t most =
        f->max_chars ? (size_t)f->max_chars * COMPOSED_MAX * UTF8_BYTES_MAX : (size_t)f->max_bytes * COMPOSED_MAX;
    if (most && s->len > most)
        return 0;
    const char *raw = s->ptr, *fault = sut_prose_fault(f->text, *s, words);
    if (!fault) {
        sut_status status = sut_prose_normal(*s, d->arena, s);
        if (status)
            return status;
        /* one mark may become two: what is taken must be taken again when it is passed on */
        fault = s->ptr != raw ? sut_prose_fault(f->text, *s, words) : NULL;
    }
    if (!fault)
        return 0;
    sut_path_error(d->errs, path, "format", "%s", fault);
    return REFUSED;
}

/* Copies a string with a NUL behind it, trimmed, normalised and lowered as declared. */
static sut_status copy_string(decoder *d, const sut_field *f, sut_str s, const sut_path *path, sut_str *out)
{
    if (f->flags & SUT_F_TRIM) {
        while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
            s.len--;
        while (s.len > 0 && is_blank(*s.ptr)) {
            s.ptr++;
            s.len--;
        }
    }
    sut_status status = f->text && s.len ? normalise_text(d, f, path, &s) : 0;
    if (status)
        return status;
    char *copy = sut_arena_alloc(d->arena, s.len + 1);
    if (!copy)
        return -ENOMEM;
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    for (size_t i = 0; f->flags & SUT_F_LOWER && i < s.len; i++)
        copy[i] = copy[i] >= 'A' && copy[i] <= 'Z' ? (char)(copy[i] | 0x20) : copy[i];
    *out = (sut_str){copy, s.len};
    return 0;
}

static sut_status decode_int(decoder *d, const sut_field *f, const sut_mp_item *item, const sut_path *path, void *to)
{
    int64_t v;
    bool is_int = item->type == SUT_MP_INT || item->type == SUT_MP_UINT;
    if (!is_int)
        return WRONG_TYPE;
    bool fits = read_i64(item, &v);
    if (f->type == SUT_T_I32) {
        if (fits && v >= INT32_MIN && v <= INT32_MAX) {
            *(int32_t *)to = (int32_t)v;
            return 0;
        }
        sut_path_error(d->errs, path, "range", "must fit 32 bits, from -2147483648 to 2147483647");
        return REFUSED;
    }
    if (!fits) {
        sut_path_error(d->errs, path, "range", "must fit 64 bits, at most 9223372036854775807");
        return REFUSED;
    }
    *(int64_t *)to = v;
    return 0;
}

static sut_status decode_f64(const sut_mp_item *item, double *to)
{
    if (item->type == SUT_MP_F64)
        *to = item->v.f;
    else if (item->type == SUT_MP_UINT)
        *to = (double)item->v.u;
    else if (item->type == SUT_MP_INT)
        *to = (double)item->v.i;
    else
        return WRONG_TYPE;
    return 0;
}

static sut_status decode_date(decoder *d, const sut_mp_item *item, const sut_path *path, int32_t *to)
{
    if (item->type != SUT_MP_STR)
        return WRONG_TYPE;
    if (sut_date_parse(item->v.s, to))
        return 0;
    sut_path_error(d->errs, path, "format", "must be a date such as 2026-01-02");
    return REFUSED;
}

static sut_status decode_enum(const sut_field *f, const sut_mp_item *item, int32_t *to)
{
    if (item->type != SUT_MP_STR)
        return WRONG_TYPE;
    const sut_enum_desc *e = f->enumeration;
    int32_t unused = 0; /* a number that is no value, for which the check will name those that are */
    for (size_t i = 0; i < e->count; i++) {
        if (sut_str_is(item->v.s, e->values[i].name)) {
            *to = e->values[i].value;
            return 0;
        }
        if (e->values[i].value >= unused)
            unused = e->values[i].value == INT32_MAX ? INT32_MIN : e->values[i].value + 1;
    }
    *to = unused;
    return 0;
}

static sut_status decode_scalar(decoder *d, const sut_field *f, const sut_mp_item *item, const sut_path *path, void *to)
{
    switch ((sut_type)f->type) {
    case SUT_T_BOOL:
        if (item->type != SUT_MP_BOOL)
            return WRONG_TYPE;
        *(bool *)to = item->v.b;
        return 0;
    case SUT_T_I32:
    case SUT_T_I64:
    case SUT_T_TIMESTAMP: return decode_int(d, f, item, path, to);
    case SUT_T_F64: return decode_f64(item, to);
    case SUT_T_STRING: return item->type == SUT_MP_STR ? copy_string(d, f, item->v.s, path, to) : WRONG_TYPE;
    case SUT_T_BYTES:
        if (item->type != SUT_MP_BIN)
            return WRONG_TYPE;
        *(sut_str *)to = sut_arena_str(d->arena, item->v.s);
        return ((sut_str *)to)->ptr ? 0 : -ENOMEM;
    case SUT_T_DATE: return decode_date(d, item, path, to);
    case SUT_T_ENUM: return decode_enum(f, item, to);
    case SUT_T_RECORD:
    case SUT_T_LIST:
    case SUT_T_MAP: break;
    }
    return WRONG_TYPE;
}

static void wrong_type(decoder *d, const sut_field *f, const sut_mp_item *item, const sut_path *path)
{
    bool text = d->words == SUT_WORDS_JSON && item->type == SUT_MP_STR &&
                (f->type == SUT_T_BYTES || f->type == SUT_T_TIMESTAMP);
    if (item->type == SUT_MP_NIL)
        sut_path_error(d->errs, path, "type", "must not be null");
    else
        sut_path_error(d->errs, path, text ? "format" : "type", "%s", type_words(d, f));
}

static sut_status decode_list(decoder *d, const sut_field *f, uint32_t count, const sut_path *path, sut_list *to)
{
    size_t size = sut_type_size(f->element->type);
    to->items = sut_arena_array(d->arena, count ? count : 1, size);
    if (!to->items)
        return -ENOMEM;
    to->count = count;
    for (uint32_t i = 0; i < count; i++) {
        sut_path step = {.up = path, .index = i};
        sut_status status = decode_value(d, f->element, &step, (char *)to->items + i * size);
        if (status)
            return status;
    }
    return 0;
}

static sut_status decode_map(decoder *d, const sut_field *f, uint32_t count, const sut_path *path, sut_map *to)
{
    size_t size = sut_type_size(f->element->type);
    to->keys = sut_arena_array(d->arena, count ? count : 1, sizeof *to->keys);
    to->values = sut_arena_array(d->arena, count ? count : 1, size);
    if (!to->keys || !to->values)
        return -ENOMEM;
    to->count = count;
    for (uint32_t i = 0; i < count; i++) {
        sut_mp_item key;
        if (sut_mp_next(&d->in, &key) || key.type != SUT_MP_STR)
            return -EBADMSG;
        sut_path step = {.up = path, .name = key.v.s};
        to->keys[i] = sut_arena_str(d->arena, key.v.s);
        if (!to->keys[i].ptr)
            return -ENOMEM;
        if (memchr(to->keys[i].ptr, '\0', to->keys[i].len))
            sut_path_error(d->errs, path, "format", "must not have the character U+0000 in a key");
        sut_status status = decode_value(d, f->element, &step, (char *)to->values + i * size);
        if (status)
            return status;
    }
    return 0;
}

static void unknown_field(decoder *d, const sut_record *desc, sut_str name, const sut_path *path)
{
    char known[NAMES_SHOWN_MAX];
    size_t len = 0;
    known[0] = '\0';
    for (size_t i = 0; i < desc->count && len < sizeof known; i++)
        len += (size_t)snprintf(known + len, sizeof known - len, "%s%s", i ? ", " : "", desc->fields[i].name);
    bool all = len < sizeof known;
    if (name.len > NAME_SHOWN_MAX) {
        sut_path_error(d->errs, path, "unknown_field", "has a field with a name of %zu bytes; none is so long",
                       name.len);
        return;
    }
    sut_path step = {.up = path, .name = name};
    if (desc->count == 0)
        sut_path_error(d->errs, &step, "unknown_field", "is not known here; no fields are");
    else
        sut_path_error(d->errs, &step, "unknown_field", all ? "is not known here; known are %s" : "is not known here",
                       known);
}

/* Which field a key names. Peers mostly send fields in the order of their declaration, so that is tried first. */
static const sut_field *field_of(const sut_record *desc, sut_str name, size_t *next)
{
    if (*next < desc->count) {
        const sut_field *f = &desc->fields[*next];
        if (f->name_len == name.len && memcmp(f->name, name.ptr, name.len) == 0) {
            (*next)++;
            return f;
        }
    }
    const sut_field *f = sut_record_field(desc, name);
    if (f)
        *next = (size_t)(f - desc->fields) + 1;
    return f;
}

static void set_presence(const sut_field *f, void *record, sut_presence presence)
{
    if (f->has_offset != UINT16_MAX)
        *((uint8_t *)record + f->has_offset) = (uint8_t)presence;
}

static void set_default(const sut_field *f, void *record)
{
    void *to = (char *)record + f->offset;
    switch ((sut_type)f->type) {
    case SUT_T_BOOL: *(bool *)to = f->def.b; break;
    case SUT_T_I32:
    case SUT_T_DATE:
    case SUT_T_ENUM: *(int32_t *)to = (int32_t)f->def.i; break;
    case SUT_T_I64:
    case SUT_T_TIMESTAMP: *(int64_t *)to = f->def.i; break;
    case SUT_T_F64: *(double *)to = f->def.f; break;
    case SUT_T_STRING:
    case SUT_T_BYTES: *(sut_str *)to = f->def.s; break;
    case SUT_T_RECORD:
    case SUT_T_LIST:
    case SUT_T_MAP: return; /* these have no defaults */
    }
    set_presence(f, record, SUT_PRESENT);
}

static void finish_absent(decoder *d, const sut_record *desc, const uint64_t *seen, const sut_path *path, void *out)
{
    for (size_t i = 0; i < desc->count; i++) {
        const sut_field *f = &desc->fields[i];
        if (seen[i / 64] >> (i % 64) & 1)
            continue;
        if (f->flags & SUT_F_REQUIRED) {
            sut_path step = {.up = path, .name = {f->name, f->name_len}};
            sut_path_error(d->errs, &step, "required", "is required");
        } else if (f->flags & SUT_F_DEFAULT) {
            set_default(f, out);
        }
    }
}

static sut_status decode_field(decoder *d, const sut_field *f, const sut_path *path, void *out)
{
    sut_path step = {.up = path, .name = {f->name, f->name_len}};
    if (d->in.at < d->in.end && *d->in.at == 0xc0 && f->flags & SUT_F_NULLABLE) {
        d->in.at++;
        set_presence(f, out, SUT_NULL);
        return 0;
    }
    set_presence(f, out, SUT_PRESENT);
    return decode_value(d, f, &step, (char *)out + f->offset);
}

static sut_status decode_record(decoder *d, const sut_record *desc, uint32_t pairs, const sut_path *path, void *out)
{
    uint64_t seen[SUT_RECORD_FIELDS_MAX / 64] = {0};
    size_t next = 0;
    if (desc->count > SUT_RECORD_FIELDS_MAX)
        return SUT_TRACE(-EINVAL, "a record declares more than 256 fields");
    for (uint32_t i = 0; i < pairs; i++) {
        sut_mp_item key;
        if (sut_mp_next(&d->in, &key) || key.type != SUT_MP_STR)
            return -EBADMSG;
        const sut_field *f = field_of(desc, key.v.s, &next);
        sut_status status;
        if (f) {
            size_t index = (size_t)(f - desc->fields);
            seen[index / 64] |= UINT64_C(1) << (index % 64);
            status = decode_field(d, f, path, out);
        } else {
            if (d->policy == SUT_UNKNOWN_REFUSE)
                unknown_field(d, desc, key.v.s, path);
            status = skip(d);
        }
        if (status)
            return status;
    }
    finish_absent(d, desc, seen, path, out);
    return 0;
}

static sut_status decode_nested(decoder *d, const sut_field *f, uint32_t pairs, const sut_path *path, const void **to)
{
    void *record = sut_arena_alloc(d->arena, f->record->size);
    if (!record)
        return -ENOMEM;
    *to = record;
    return decode_record(d, f->record, pairs, path, record);
}

static sut_status decode_container(decoder *d, const sut_field *f, uint32_t count, const sut_path *path, void *to)
{
    if (f->type == SUT_T_RECORD)
        return decode_nested(d, f, count, path, to);
    return f->type == SUT_T_LIST ? decode_list(d, f, count, path, to) : decode_map(d, f, count, path, to);
}

static sut_status decode_value(decoder *d, const sut_field *f, const sut_path *path, void *to)
{
    const uint8_t *start = d->in.at;
    sut_mp_item item;
    if (sut_mp_next(&d->in, &item))
        return -EBADMSG;
    bool container = f->type == SUT_T_RECORD || f->type == SUT_T_LIST || f->type == SUT_T_MAP;
    if (container && item.type == (f->type == SUT_T_LIST ? SUT_MP_ARRAY : SUT_MP_MAP)) {
        if (f->type == SUT_T_RECORD || sut_check_count(f, item.v.count, path, d->errs))
            return decode_container(d, f, item.v.count, path, to);
        d->in.at = start;
        return skip(d);
    }
    sut_status status = container ? WRONG_TYPE : decode_scalar(d, f, &item, path, to);
    if (status == 0)
        return sut_check_scalar(f, to, path, d->errs);
    if (status == WRONG_TYPE) {
        wrong_type(d, f, &item, path);
        d->in.at = start;
        return skip(d);
    }
    return status == REFUSED ? 0 : status;
}

static void scan_error(sut_field_errors *e, sut_envelope_fault fault)
{
    if (fault == SUT_ENV_RANGE)
        sut_field_errors_add(e, SUT_STR(""), "range",
                             "must have at most 256 members in an object, and 512 in objects "
                             "inside each other");
    else if (fault == SUT_ENV_DEPTH)
        sut_field_errors_add(e, SUT_STR(""), "range", "must not be nested deeper than %d levels",
                             SUT_MSGPACK_DEPTH_MAX);
    else
        sut_field_errors_add(e, SUT_STR(""), "msgpack", "the body %s", sut_envelope_fault_text(fault));
}

sut_status sut_record_decode_as(const sut_record *desc, sut_str body, sut_unknown_policy policy, sut_words words,
                                sut_arena *a, void *out, sut_field_errors *errs)
{
    memset(out, 0, desc->size);
    sut_envelope_fault fault = sut_body_scan(body);
    if (fault) {
        scan_error(errs, fault);
        return SUT_RECORD_INVALID;
    }
    size_t before = sut_field_errors_total(errs);
    decoder d = {.in = sut_mp_in_of(body), .arena = a, .errs = errs, .policy = policy, .words = words};
    sut_mp_item map = {.type = SUT_MP_MAP, .v.count = 0};
    if (body.len > 0 && sut_mp_next(&d.in, &map))
        return -EBADMSG;
    sut_status status = decode_record(&d, desc, map.v.count, NULL, out);
    if (status)
        return status;
    return sut_field_errors_total(errs) > before ? SUT_RECORD_INVALID : 0;
}

sut_status sut_record_decode(const sut_record *desc, sut_str body, sut_unknown_policy policy, sut_arena *a, void *out,
                             sut_field_errors *errs)
{
    return sut_record_decode_as(desc, body, policy, SUT_WORDS_MSGPACK, a, out, errs);
}

sut_status sut_value_check(const sut_field *f, sut_str value, sut_words words, sut_arena *a, sut_field_errors *errs)
{
    size_t before = sut_field_errors_total(errs);
    sut_path step = {.name = {f->name, f->name_len}};
    decoder d = {.in = sut_mp_in_of(value), .arena = a, .errs = errs, .words = words};
    void *scratch = sut_arena_alloc(a, sut_type_size(f->type));
    if (!scratch)
        return -ENOMEM;
    sut_status status = decode_value(&d, f, &step, scratch);
    if (status)
        return status;
    return sut_field_errors_total(errs) > before ? SUT_RECORD_INVALID : 0;
}
