/* Checks values of C structs against their declarations, and says of each wrong one what would be right. */
#include "prose.h"
#include "runtime.h"

#include "base/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define PAST_DATE_MIN  (-25567) /* 1900-01-01 */
#define ENUM_NAMES_MAX 300

size_t sut_type_size(uint8_t type)
{
    switch ((sut_type)type) {
    case SUT_T_BOOL: return sizeof(bool);
    case SUT_T_I32:
    case SUT_T_DATE:
    case SUT_T_ENUM: return sizeof(int32_t);
    case SUT_T_I64:
    case SUT_T_TIMESTAMP: return sizeof(int64_t);
    case SUT_T_F64: return sizeof(double);
    case SUT_T_STRING:
    case SUT_T_BYTES: return sizeof(sut_str);
    case SUT_T_RECORD: return sizeof(const void *);
    case SUT_T_LIST: return sizeof(sut_list);
    case SUT_T_MAP: return sizeof(sut_map);
    }
    return 0;
}

bool sut_value_is_null(const sut_field *f, const void *value)
{
    if (!(f->flags & SUT_F_NULLABLE) || f->has_offset != UINT16_MAX)
        return false;
    switch ((sut_type)f->type) {
    case SUT_T_STRING:
    case SUT_T_BYTES: return !((const sut_str *)value)->ptr;
    case SUT_T_RECORD: return !*(const void *const *)value;
    case SUT_T_LIST: return !((const sut_list *)value)->items && ((const sut_list *)value)->count == 0;
    case SUT_T_MAP: return !((const sut_map *)value)->keys && ((const sut_map *)value)->count == 0;
    default: return false;
    }
}

/* What a value is may be shown to whoever sent it, unless it is secret or personal: errors end up in logs. */
static bool may_show(const sut_field *f)
{
    return !(f->flags & (SUT_F_SECRET | SUT_F_PERSONAL));
}

#define INT_TEXT_SIZE 32
static const char *int_text(const sut_field *f, int64_t v, char out[INT_TEXT_SIZE])
{
    if (f->type == SUT_T_DATE)
        sut_date_format(v < SUT_DATE_MIN ? SUT_DATE_MIN : v > SUT_DATE_MAX ? SUT_DATE_MAX : (int32_t)v, out);
    else if (f->type == SUT_T_TIMESTAMP)
        sut_rfc3339(v, out);
    else
        (void)snprintf(out, INT_TEXT_SIZE, "%" PRId64, v);
    return out;
}

static void check_int(const sut_field *f, int64_t v, const sut_path *path, sut_field_errors *e)
{
    char limit[INT_TEXT_SIZE], value[INT_TEXT_SIZE];
    bool low = f->has_min && v < f->min_i, high = f->has_max && v > f->max_i;
    if (!low && !high)
        return;
    const char *words = low ? "must be at least" : "must be at most";
    (void)int_text(f, low ? f->min_i : f->max_i, limit);
    if (may_show(f))
        sut_path_error(e, path, "range", "%s %s; is %s", words, limit, int_text(f, v, value));
    else
        sut_path_error(e, path, "range", "%s %s", words, limit);
}

static void check_timestamp(const sut_field *f, int64_t us, const sut_path *path, sut_field_errors *e)
{
    if (us < SUT_DATE_MIN * SUT_DAY_US || us >= (SUT_DATE_MAX + INT64_C(1)) * SUT_DAY_US)
        sut_path_error(e, path, "range", "must be in the years from 1 to 9999");
    else
        check_int(f, us, path, e);
}

static void check_date(const sut_field *f, int32_t days, const sut_path *path, sut_field_errors *e)
{
    if (days < SUT_DATE_MIN || days > SUT_DATE_MAX) {
        sut_path_error(e, path, "range", "must be between 0001-01-01 and 9999-12-31");
        return;
    }
    if (f->format == SUT_FMT_PAST_DATE) {
        int64_t today = sut_wall_us() / SUT_DAY_US;
        if (days < PAST_DATE_MIN || days > today) {
            sut_path_error(e, path, "format", "must be a date from 1900-01-01 to today");
            return;
        }
    }
    check_int(f, days, path, e);
}

static void check_f64(const sut_field *f, double v, const sut_path *path, sut_field_errors *e)
{
    if (!isfinite(v)) {
        sut_path_error(e, path, "range", "must be a finite number");
        return;
    }
    bool low = f->has_min && v < f->min_f, high = f->has_max && v > f->max_f;
    if (!low && !high)
        return;
    const char *words = low ? "must be at least" : "must be at most";
    double limit = low ? f->min_f : f->max_f;
    if (may_show(f))
        sut_path_error(e, path, "range", "%s %.15g; is %.15g", words, limit, v);
    else
        sut_path_error(e, path, "range", "%s %.15g", words, limit);
}

/* False, with an error, if `have` of a unit is outside of min..max (max 0: no maximum). */
static bool check_length(const sut_field *f, size_t have, uint32_t min, uint32_t max, const char *unit,
                         const sut_path *path, sut_field_errors *e)
{
    bool low = have<min, high = max> 0 && have > max;
    if (!low && !high)
        return true;
    const char *words = low ? "must be at least" : "must be at most";
    uint32_t limit = low ? min : max;
    const char *plural = limit == 1 ? "" : "s";
    if (f->flags & SUT_F_SECRET)
        sut_path_error(e, path, "length", "%s %" PRIu32 " %s%s", words, limit, unit, plural);
    else
        sut_path_error(e, path, "length", "%s %" PRIu32 " %s%s; has %zu", words, limit, unit, plural, have);
    return false;
}

static sut_status check_string(const sut_field *f, sut_str s, const sut_path *path, sut_field_errors *e)
{
    size_t chars;
    if (!s.ptr) {
        sut_path_error(e, path, "required", "is required");
        return 0;
    }
    if (!sut_utf8_valid(s, &chars)) {
        sut_path_error(e, path, "format", "must be UTF-8");
        return 0;
    }
    if (memchr(s.ptr, '\0', s.len)) {
        sut_path_error(e, path, "format", "must not contain the character U+0000");
        return 0;
    }
    if (!check_length(f, chars, f->min_chars, f->max_chars, "character", path, e) ||
        !check_length(f, s.len, f->min_bytes, f->max_bytes, "byte", path, e))
        return 0;
    const char *fault = sut_format_fault(f->format, s);
    char words[SUT_PROSE_WORDS_SIZE];
    if (fault && f->format == SUT_FMT_USERNAME) {
        const char *character = sut_username_character(s, words);
        fault = character ? character : fault;
    }
    if (fault) {
        sut_path_error(e, path, "format", "%s", fault);
        return 0;
    }
    if (!f->pattern)
        return 0;
    sut_status match = sut_pattern_match(f->pattern, s);
    if (match == 0)
        sut_path_error(e, path, "pattern", "must match the pattern %s", f->pattern);
    return match < 0 ? match : 0;
}

static void check_bytes(const sut_field *f, sut_str s, const sut_path *path, sut_field_errors *e)
{
    if (!s.ptr)
        sut_path_error(e, path, "required", "is required");
    else
        (void)check_length(f, s.len, f->min_bytes, f->max_bytes, "byte", path, e);
}

/* "a, b, c": as many names as fit. */
static void enum_names(const sut_enum_desc *d, char out[ENUM_NAMES_MAX])
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < d->count; i++) {
        int n = snprintf(out + len, ENUM_NAMES_MAX - len, "%s%s", i ? ", " : "", d->values[i].name);
        if (n < 0 || (size_t)n >= ENUM_NAMES_MAX - len) {
            out[len] = '\0';
            return;
        }
        len += (size_t)n;
    }
}

static void check_enum(const sut_field *f, int32_t v, const sut_path *path, sut_field_errors *e)
{
    char names[ENUM_NAMES_MAX];
    for (size_t i = 0; i < f->enumeration->count; i++)
        if (f->enumeration->values[i].value == v)
            return;
    enum_names(f->enumeration, names);
    sut_path_error(e, path, "enum", "must be one of %s", names);
}

sut_status sut_check_scalar(const sut_field *f, const void *value, const sut_path *path, sut_field_errors *e)
{
    switch ((sut_type)f->type) {
    case SUT_T_BOOL: break;
    case SUT_T_I32: check_int(f, *(const int32_t *)value, path, e); break;
    case SUT_T_I64: check_int(f, *(const int64_t *)value, path, e); break;
    case SUT_T_TIMESTAMP: check_timestamp(f, *(const int64_t *)value, path, e); break;
    case SUT_T_DATE: check_date(f, *(const int32_t *)value, path, e); break;
    case SUT_T_F64: check_f64(f, *(const double *)value, path, e); break;
    case SUT_T_STRING: return check_string(f, *(const sut_str *)value, path, e);
    case SUT_T_BYTES: check_bytes(f, *(const sut_str *)value, path, e); break;
    case SUT_T_ENUM: check_enum(f, *(const int32_t *)value, path, e); break;
    case SUT_T_RECORD:
    case SUT_T_LIST:
    case SUT_T_MAP: break; /* their parts are checked, each by itself */
    }
    return 0;
}

bool sut_check_count(const sut_field *f, size_t count, const sut_path *path, sut_field_errors *e)
{
    uint32_t most = f->type == SUT_T_MAP ? SUT_KEYS_MAX : SUT_ITEMS_MAX;
    uint32_t max = f->max_items && f->max_items < most ? f->max_items : most;
    return check_length(f, count, f->min_items, max, f->type == SUT_T_MAP ? "member" : "item", path, e);
}

/* ---- whole structs ---- */

static sut_status validate_record(const sut_record *desc, const void *in, unsigned depth, const sut_path *path,
                                  sut_field_errors *e);
static sut_status validate_value(const sut_field *f, const void *value, unsigned depth, const sut_path *path,
                                 sut_field_errors *e);

static sut_status validate_list(const sut_field *f, const sut_list *list, unsigned depth, const sut_path *path,
                                sut_field_errors *e)
{
    if (!sut_check_count(f, list->count, path, e))
        return 0;
    size_t size = sut_type_size(f->element->type);
    for (size_t i = 0; i < list->count; i++) {
        sut_path step = {.up = path, .index = i};
        sut_status status = validate_value(f->element, (const char *)list->items + i * size, depth + 1, &step, e);
        if (status)
            return status;
    }
    return 0;
}

static sut_status validate_map(const sut_field *f, const sut_map *map, unsigned depth, const sut_path *path,
                               sut_field_errors *e)
{
    if (!sut_check_count(f, map->count, path, e))
        return 0;
    size_t size = sut_type_size(f->element->type);
    for (size_t i = 0; i < map->count; i++) {
        sut_path step = {.up = path, .name = map->keys[i]};
        if (!map->keys[i].ptr || !sut_mp_utf8(map->keys[i].ptr, map->keys[i].len)) {
            sut_path_error(e, path, "format", "must have keys that are UTF-8 strings");
            continue;
        }
        for (size_t j = 0; j < i; j++)
            if (map->keys[j].ptr && sut_str_eq(map->keys[j], map->keys[i]))
                sut_path_error(e, &step, "duplicate", "must be there only once");
        sut_status status = validate_value(f->element, (const char *)map->values + i * size, depth + 1, &step, e);
        if (status)
            return status;
    }
    return 0;
}

static sut_status validate_value(const sut_field *f, const void *value, unsigned depth, const sut_path *path,
                                 sut_field_errors *e)
{
    if (depth > SUT_MSGPACK_DEPTH_MAX) {
        sut_path_error(e, path, "range", "must not be nested deeper than %d levels", SUT_MSGPACK_DEPTH_MAX);
        return 0;
    }
    if (f->type == SUT_T_LIST)
        return validate_list(f, value, depth, path, e);
    if (f->type == SUT_T_MAP)
        return validate_map(f, value, depth, path, e);
    if (f->type != SUT_T_RECORD)
        return sut_check_scalar(f, value, path, e);
    const void *record = *(const void *const *)value;
    if (record)
        return validate_record(f->record, record, depth + 1, path, e);
    sut_path_error(e, path, "required", "is required");
    return 0;
}

static sut_status validate_record(const sut_record *desc, const void *in, unsigned depth, const sut_path *path,
                                  sut_field_errors *e)
{
    for (size_t i = 0; i < desc->count; i++) {
        const sut_field *f = &desc->fields[i];
        const void *value = sut_field_at(f, in);
        sut_path step = {.up = path, .name = {f->name, f->name_len}};
        uint8_t presence = sut_field_presence(f, in);
        if (presence == SUT_ABSENT || sut_value_is_null(f, value))
            continue;
        if (presence == SUT_NULL) {
            if (!(f->flags & SUT_F_NULLABLE))
                sut_path_error(e, &step, "type", "must not be null");
            continue;
        }
        sut_status status = validate_value(f, value, depth, &step, e);
        if (status)
            return status;
    }
    return 0;
}

sut_status sut_record_validate(const sut_record *desc, const void *in, sut_field_errors *errs)
{
    size_t before = sut_field_errors_total(errs);
    sut_status status = validate_record(desc, in, 1, NULL, errs);
    if (status)
        return status;
    return sut_field_errors_total(errs) > before ? SUT_RECORD_INVALID : 0;
}

const sut_field *sut_record_field(const sut_record *desc, sut_str name)
{
    for (size_t i = 0; i < desc->count; i++)
        if (desc->fields[i].name_len == name.len && memcmp(desc->fields[i].name, name.ptr, name.len) == 0)
            return &desc->fields[i];
    return NULL;
}
