/* The work of the generated round-trip tests (roundtrip.h). */
#include "roundtrip.h"

#include <criterion/criterion.h>
#include <jansson.h>

typedef struct run {
    const sut_record *desc;
    const char *what;
    sut_arena *arena;
    sut_field_errors errors;
} run;

static const char *first_error(const run *r)
{
    static char text[256];
    if (r->errors.count == 0)
        return "nothing was said";
    const sut_field_error *e = &r->errors.items[0];
    (void)snprintf(text, sizeof(text), "%.*s %.*s", SUT_STR_FMT(e->pointer), SUT_STR_FMT(e->message));
    return text;
}

static sut_str bytes_of(const sut_buf *b)
{
    return (sut_str){(const char *)b->data, b->len};
}

static void *decode(run *r, const sut_buf *body)
{
    void *value = sut_arena_alloc(r->arena, r->desc->size);
    cr_assert_not_null(value);
    sut_status status = sut_record_decode(r->desc, bytes_of(body), SUT_UNKNOWN_REFUSE, r->arena, value, &r->errors);
    cr_assert_eq(status, 0, "%s, %s: decode: %s", r->desc->name, r->what, first_error(r));
    return value;
}

static void to_body(run *r, sut_str json, sut_buf *out)
{
    sut_buf_init(out, 0);
    sut_status status =
        sut_json_to_body(r->desc, json, SUT_ENVELOPE_MAX, SUT_UNKNOWN_REFUSE, r->arena, out, &r->errors);
    cr_assert_eq(status, 0, "%s, %s: from JSON: %s", r->desc->name, r->what, first_error(r));
}

/* msgpack → struct → msgpack */
static void rebuild(run *r, const sut_buf *body, sut_buf *out)
{
    const void *value = decode(r, body);
    sut_status status = sut_record_validate(r->desc, value, &r->errors);
    cr_assert_eq(status, 0, "%s, %s: validate: %s", r->desc->name, r->what, first_error(r));
    sut_buf_init(out, 0);
    cr_assert_eq(sut_record_encode(r->desc, value, out), 0);
}

static void same(const run *r, const sut_buf *a, const sut_buf *b, const char *step)
{
    cr_assert(sut_str_eq(bytes_of(a), bytes_of(b)), "%s, %s: %s gave other bytes", r->desc->name, r->what, step);
}

static void check_hidden(const run *r, const sut_record *desc, const json_t *object);

static void check_hidden_value(const run *r, const sut_field *f, const json_t *value)
{
    if (f->flags & (SUT_F_SECRET | SUT_F_PERSONAL)) {
        bool hidden = json_is_null(value) || (json_is_string(value) && !strcmp(json_string_value(value), "<redacted>"));
        cr_assert(hidden, "%s, %s: %s is shown after redaction", r->desc->name, r->what, f->name);
        return;
    }
    if (f->record && json_is_object(value))
        check_hidden(r, f->record, value);
    for (size_t i = 0; f->type == SUT_T_LIST && i < json_array_size(value); i++)
        check_hidden_value(r, f->element, json_array_get(value, i));
}

static void check_hidden(const run *r, const sut_record *desc, const json_t *object)
{
    for (size_t i = 0; i < desc->count; i++) {
        const json_t *value = json_object_get(object, desc->fields[i].name);
        if (value)
            check_hidden_value(r, &desc->fields[i], value);
    }
}

static void check_redaction(const run *r, const sut_buf *body)
{
    sut_buf hidden, json;
    sut_buf_init(&hidden, 0);
    sut_buf_init(&json, 0);
    cr_assert_eq(sut_record_redact(r->desc, bytes_of(body), true, &hidden), 0);
    cr_assert_eq(sut_msgpack_to_json(bytes_of(&hidden), &json), 0);
    json_t *tree = json_loadb((const char *)json.data, json.len, 0, NULL);
    cr_assert_not_null(tree);
    check_hidden(r, r->desc, tree);
    json_decref(tree);
    sut_buf_deinit(&hidden);
    sut_buf_deinit(&json);
}

static void check_case(run *r, const roundtrip_case *one)
{
    sut_buf body, built, again, json, from_json, last;
    r->what = one->what;
    to_body(r, sut_str_from(one->json), &body);
    rebuild(r, &body, &built);
    rebuild(r, &built, &again);
    same(r, &built, &again, "struct and back");
    sut_buf_init(&json, 0);
    cr_assert_eq(sut_body_to_json(r->desc, bytes_of(&built), &json), 0);
    to_body(r, bytes_of(&json), &from_json);
    rebuild(r, &from_json, &last);
    same(r, &built, &last, "JSON and back");
    check_redaction(r, &built);
    sut_buf *all[] = {&body, &built, &again, &json, &from_json, &last};
    for (size_t i = 0; i < SUT_ARRAY_LEN(all); i++)
        sut_buf_deinit(all[i]);
}

void roundtrip_check(const sut_record *desc, const roundtrip_case *cases, size_t count)
{
    cr_assert_gt(count, 0);
    for (size_t i = 0; i < count; i++) {
        run r = {.desc = desc};
        cr_assert_eq(sut_arena_new(&r.arena, 0), 0);
        sut_field_errors_init(&r.errors, r.arena, 8);
        check_case(&r, &cases[i]);
        r.arena = sut_arena_free(r.arena);
    }
}
