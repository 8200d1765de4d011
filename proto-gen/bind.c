/* Builds runtime tables from the model (bind.h). The C structs that proto-gen emits do not exist in proto-gen itself,
 * so every field gets a slot that any value fits. */
#include "bind.h"

#include "base/config.h"

typedef struct bound { /* records bound so far: records may refer to each other in circles */
    const pg_record *record;
    sut_record *desc;
    struct bound *next;
} bound;

typedef struct slot {
    union {
        int64_t i;
        double f;
        sut_str s;
        sut_list list;
        sut_map map;
        const void *record;
    } value;
    uint8_t has;
} slot;

static const sut_record *bind_record(pg_context *c, const pg_record *r, bound **all);

static const sut_enum_desc *bind_enum(pg_context *c, const pg_enum *e)
{
    sut_enum_value *values = PG_ARRAY(c, e->count, sut_enum_value);
    for (size_t i = 0; i < e->count; i++)
        values[i] = (sut_enum_value){e->values[i].name, e->values[i].value, e->values[i].doc};
    sut_enum_desc *desc = PG_NEW(c, sut_enum_desc);
    *desc = (sut_enum_desc){e->name, values, e->count};
    return desc;
}

static uint16_t flags_of(const pg_field *f)
{
    return (uint16_t)((f->required ? SUT_F_REQUIRED : 0) | (f->nullable ? SUT_F_NULLABLE : 0) |
                      (f->secret ? SUT_F_SECRET : 0) | (f->personal ? SUT_F_PERSONAL : 0) | (f->trim ? SUT_F_TRIM : 0) |
                      (f->lower ? SUT_F_LOWER : 0) | (f->is_volatile ? SUT_F_VOLATILE : 0));
}

/* A default is left out: whoever is judged here says everything itself. */
static void bind_field(pg_context *c, const pg_field *f, size_t index, bound **all, sut_field *out)
{
    *out = (sut_field){
        .name = f->name,
        .name_len = (uint16_t)strlen(f->name),
        .type = (uint8_t)f->type,
        .format = (uint8_t)f->format,
        .text = (uint8_t)f->text,
        .flags = flags_of(f),
        .offset = (uint16_t)(index * sizeof(slot)),
        .has_offset = pg_has_presence(f) ? (uint16_t)(index * sizeof(slot) + offsetof(slot, has)) : UINT16_MAX,
        .has_min = f->min_node != NULL,
        .has_max = f->max_node != NULL,
        .min_bytes = f->min_bytes,
        .max_bytes = f->max_bytes,
        .min_chars = f->min_chars,
        .max_chars = f->max_chars,
        .min_items = f->min_items,
        .max_items = f->max_items,
        .pattern = f->pattern,
        .doc = f->doc,
    };
    if (f->type == SUT_T_F64) {
        out->min_f = f->min.f;
        out->max_f = f->max.f;
    } else {
        out->min_i = f->min.i;
        out->max_i = f->max.i;
    }
    if (f->enumeration)
        out->enumeration = bind_enum(c, f->enumeration);
    if (f->record)
        out->record = bind_record(c, f->record, all);
    if (f->element) {
        sut_field *element = PG_NEW(c, sut_field);
        bind_field(c, f->element, 0, all, element);
        element->has_offset = UINT16_MAX;
        out->element = element;
    }
}

static const sut_record *bind_fields(pg_context *c, const char *name, const pg_field *fields, size_t count,
                                     sut_record *desc, bound **all)
{
    sut_field *bound_fields = PG_ARRAY(c, count, sut_field);
    *desc =
        (sut_record){.name = name, .fields = bound_fields, .count = count, .size = (count ? count : 1) * sizeof(slot)};
    for (size_t i = 0; i < count; i++)
        bind_field(c, &fields[i], i, all, &bound_fields[i]);
    return desc;
}

static const sut_record *bind_record(pg_context *c, const pg_record *r, bound **all)
{
    for (const bound *b = *all; b; b = b->next)
        if (b->record == r)
            return b->desc;
    bound *b = PG_NEW(c, bound);
    *b = (bound){r, PG_NEW(c, sut_record), *all};
    *all = b;
    return bind_fields(c, r->name, r->fields, r->count, b->desc, all);
}

const sut_record *pg_bind_record(pg_context *c, const pg_record *r)
{
    bound *all = NULL;
    return bind_record(c, r, &all);
}

const sut_record *pg_bind_field(pg_context *c, const pg_field *f)
{
    bound *all = NULL;
    pg_field *alone = PG_NEW(c, pg_field);
    *alone = *f;
    alone->required = false;
    return bind_fields(c, "example", alone, 1, PG_NEW(c, sut_record), &all);
}

enum { DEPTH_MAX = 16 };

static bool bindable(const pg_field *f, int depth)
{
    if (!f->resolved || depth > DEPTH_MAX)
        return f->resolved;
    if ((f->type == SUT_T_LIST || f->type == SUT_T_MAP) && !(f->element && bindable(f->element, depth + 1)))
        return false;
    for (size_t i = 0; f->record && i < f->record->count; i++)
        if (!bindable(&f->record->fields[i], depth + 1))
            return false;
    return true;
}

bool pg_bindable(const pg_field *f)
{
    return bindable(f, 0);
}

const char *pg_pack(pg_context *c, const sut_record *desc, const char *json, sut_str *body)
{
    sut_field_errors errors;
    sut_field_errors_init(&errors, c->arena, 1);
    sut_buf packed;
    sut_buf_init(&packed, 0);
    sut_status status =
        sut_json_to_body(desc, sut_str_from(json), SUT_ENVELOPE_MAX, SUT_UNKNOWN_REFUSE, c->arena, &packed, &errors);
    if (status < 0)
        sut_program_die(SUT_EXIT_SOFTWARE, "the record runtime failed: %s", strerror(-status));
    if (body)
        *body = (sut_str){pg_strdup(c, packed.len ? (const char *)packed.data : "", packed.len), packed.len};
    sut_buf_deinit(&packed);
    if (status == 0)
        return NULL;
    if (errors.count == 0)
        return "is wrong";
    const sut_field_error *e = &errors.items[0];
    const char *rest = memchr(e->pointer.ptr + 1, '/', e->pointer.len ? e->pointer.len - 1 : 0);
    return rest ? pg_printf(c, "at %s %.*s", rest, SUT_STR_FMT(e->message))
                : pg_printf(c, "%.*s", SUT_STR_FMT(e->message));
}
