/* Checks one field: its type, which keys go with it, and that its limits make sense (check.h). */
#include "check.h"
#include "load.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define T(type)      (1u << (type))
#define T_INTS       (T(SUT_T_I32) | T(SUT_T_I64) | T(SUT_T_TIMESTAMP) | T(SUT_T_DATE))
#define T_TEXT       (T(SUT_T_STRING) | T(SUT_T_BYTES))
#define T_COLLECTION (T(SUT_T_LIST) | T(SUT_T_MAP))
#define T_SIMPLE     (T(SUT_T_BOOL) | T_INTS | T(SUT_T_F64) | T(SUT_T_STRING) | T(SUT_T_ENUM))

/* Keys that go with some types only, and how to name those types in a message. */
static const struct {
    uint32_t key;
    const char *name;
    uint32_t types;
    const char *types_text;
} s_fits[] = {
    {PG_KEY_OF, "of", T_COLLECTION, "list and map"},
    {PG_KEY_DEFAULT, "default", T_SIMPLE, "bool, numbers, string, timestamp, date and enum"},
    {PG_KEY_TRIM, "trim", T(SUT_T_STRING), "string"},
    {PG_KEY_LOWER, "lower", T(SUT_T_STRING), "string"},
    {PG_KEY_TEXT, "text", T(SUT_T_STRING), "string"},
    {PG_KEY_MIN, "min", T_INTS | T(SUT_T_F64), "i32, i64, f64, timestamp and date"},
    {PG_KEY_MAX, "max", T_INTS | T(SUT_T_F64), "i32, i64, f64, timestamp and date"},
    {PG_KEY_MIN_BYTES, "min_bytes", T_TEXT, "string and bytes"},
    {PG_KEY_MAX_BYTES, "max_bytes", T_TEXT, "string and bytes"},
    {PG_KEY_MIN_CHARS, "min_chars", T(SUT_T_STRING), "string"},
    {PG_KEY_MAX_CHARS, "max_chars", T(SUT_T_STRING), "string"},
    {PG_KEY_MIN_ITEMS, "min_items", T_COLLECTION, "list and map"},
    {PG_KEY_MAX_ITEMS, "max_items", T_COLLECTION, "list and map"},
    {PG_KEY_PATTERN, "pattern", T(SUT_T_STRING), "string"},
    {PG_KEY_FORMAT, "format", T(SUT_T_STRING) | T(SUT_T_DATE), "string and date"},
};

static void inherit(pg_field *f, const pg_field *base)
{
#define INHERIT(key, member)                                                                                           \
    if (!(f->said & PG_SAID(key)))                                                                                     \
    f->member = base->member
    INHERIT(PG_KEY_DOC, doc);
    INHERIT(PG_KEY_OF, of_node);
    INHERIT(PG_KEY_NULLABLE, nullable);
    INHERIT(PG_KEY_SECRET, secret);
    INHERIT(PG_KEY_PERSONAL, personal);
    INHERIT(PG_KEY_TRIM, trim);
    INHERIT(PG_KEY_LOWER, lower);
    INHERIT(PG_KEY_VOLATILE, is_volatile);
    INHERIT(PG_KEY_MIN, min_node);
    INHERIT(PG_KEY_MAX, max_node);
    INHERIT(PG_KEY_MIN_BYTES, min_bytes);
    INHERIT(PG_KEY_MAX_BYTES, max_bytes);
    INHERIT(PG_KEY_MIN_CHARS, min_chars);
    INHERIT(PG_KEY_MAX_CHARS, max_chars);
    INHERIT(PG_KEY_MIN_ITEMS, min_items);
    INHERIT(PG_KEY_MAX_ITEMS, max_items);
    INHERIT(PG_KEY_PATTERN, pattern_node);
    INHERIT(PG_KEY_FORMAT, format_node);
    INHERIT(PG_KEY_TEXT, text_node);
    INHERIT(PG_KEY_EXAMPLE, example_node);
#undef INHERIT
    f->said |= base->said;
    f->type = base->type;
    f->enumeration = base->enumeration;
    f->record = base->record;
    f->element = base->element;
}

static void unknown_type(pg_checker *k, const pg_domain *d, const pg_node *n, const char *what)
{
    if (strcmp(n->text, "enum") == 0 || strcmp(n->text, "record") == 0) {
        pg_error(k->c, n->pos, "%s: write the name of the %s itself as the type", what, n->text);
        return;
    }
    size_t builtin, count = 0;
    const char *const *types = pg_type_names(&builtin);
    const pg_domain *places[] = {d, k->common == d ? NULL : k->common};
    size_t most = builtin;
    for (size_t i = 0; i < SUT_ARRAY_LEN(places); i++)
        most += places[i] ? places[i]->type_count + places[i]->enum_count + places[i]->record_count : 0;
    const char **names = PG_ARRAY(k->c, most, const char *);
    for (size_t i = 0; i < builtin; i++)
        if (i != SUT_T_ENUM && i != SUT_T_RECORD)
            names[count++] = types[i];
    for (size_t p = 0; p < SUT_ARRAY_LEN(places); p++) {
        const pg_domain *place = places[p];
        for (size_t i = 0; place && i < place->type_count; i++)
            names[count++] = place->types[i].name;
        for (size_t i = 0; place && i < place->enum_count; i++)
            names[count++] = place->enums[i].name;
        for (size_t i = 0; place && i < place->record_count; i++)
            if (!place->records[i].method)
                names[count++] = place->records[i].name;
    }
    const char *hint = pg_did_you_mean(k->c, n->text, names, count);
    if (!*hint)
        hint = "; use bool, i32, i64, f64, string, bytes, timestamp, date, list, map, or a name declared in this file "
               "or in " PG_COMMON ".yaml";
    pg_error(k->c, n->pos, "%s: there is no type \"%s\"%s", what, n->text, hint);
}

/* Looks `name` up in one domain. */
static bool resolve_in(pg_checker *k, const pg_domain *d, const char *name, pg_field *f)
{
    pg_named_type *t = pg_find_type(d, name);
    if (t) {
        pg_check_field(k, t->domain, &t->field, pg_printf(k->c, "type \"%s\"", name));
        inherit(f, &t->field);
        return true;
    }
    const pg_enum *e = pg_find_enum(d, name);
    const pg_record *r = e ? NULL : pg_find_record(d, name);
    if (!e && (!r || r->method))
        return false;
    f->type = e ? SUT_T_ENUM : SUT_T_RECORD;
    f->enumeration = e;
    f->record = r;
    if (!f->doc)
        f->doc = e ? e->doc : r->doc;
    return true;
}

static bool resolve_type(pg_checker *k, const pg_domain *d, pg_field *f, const char *what)
{
    const pg_node *n = f->type_node;
    if (!n)
        return false; /* noted by the loader */
    if (n->kind != PG_SCALAR || pg_is_null(n)) {
        pg_error(k->c, n->pos, "%s: \"type\" must be the name of a type, not %s", what, pg_kind_text(k->c, n));
        return false;
    }
    const char *name = n->text, *dot = strchr(name, '.');
    if (dot) {
        size_t len = (size_t)(dot - name);
        if (len != strlen(PG_COMMON) || memcmp(name, PG_COMMON, len) != 0) {
            pg_error(k->c, n->pos,
                     "%s: \"%s\" belongs to another domain; what domains share is declared in " PG_COMMON ".yaml", what,
                     name);
            return false;
        }
        if (k->common && resolve_in(k, k->common, dot + 1, f))
            return true;
    } else if (pg_type_parse(name, &f->type) && f->type != SUT_T_ENUM && f->type != SUT_T_RECORD) {
        return true;
    } else if (resolve_in(k, d, name, f) || (k->common && resolve_in(k, k->common, name, f))) {
        return true;
    }
    unknown_type(k, d, n, what);
    return false;
}

static void check_fits(pg_checker *k, const pg_field *f, const char *what)
{
    for (size_t i = 0; i < SUT_ARRAY_LEN(s_fits); i++) {
        if ((f->said & PG_SAID(s_fits[i].key)) && !(s_fits[i].types & T(f->type)))
            pg_error(k->c, pg_key_pos(f, s_fits[i].name), "%s: \"%s\" goes with %s, not with %s", what, s_fits[i].name,
                     s_fits[i].types_text, pg_type_name(f->type));
    }
    if (f->required && (f->said & PG_SAID(PG_KEY_DEFAULT)))
        pg_error(k->c, f->default_node->pos,
                 "%s is required, so its default would never be used; remove one of the two", what);
}

/* In C a required field has no companion, so its null is a pointer of NULL. */
static void check_null(pg_checker *k, const pg_field *f, const char *what)
{
    const uint32_t pointers = T_TEXT | T(SUT_T_RECORD);
    if (f->required && f->nullable && !(pointers & T(f->type)))
        pg_error(k->c, f->pos, "%s: a required field that is nullable must be a string, bytes or a record, not %s",
                 what, pg_type_name(f->type));
}

static void check_range(pg_checker *k, pg_field *f, const char *what)
{
    if (!((T_INTS | T(SUT_T_F64)) & T(f->type)))
        return;
    bool min = f->min_node && pg_check_scalar(k, f, f->min_node, pg_printf(k->c, "%s: \"min\"", what), &f->min);
    bool max = f->max_node && pg_check_scalar(k, f, f->max_node, pg_printf(k->c, "%s: \"max\"", what), &f->max);
    if (min && max && (f->type == SUT_T_F64 ? f->min.f > f->max.f : f->min.i > f->max.i))
        pg_error(k->c, f->min_node->pos, "%s: \"min\" is greater than \"max\"", what);
}

static void check_lengths(pg_checker *k, const pg_field *f, const char *what)
{
    const struct {
        uint32_t min, max;
        const char *unit;
        uint32_t key;
    } pairs[] = {{f->min_bytes, f->max_bytes, "bytes", PG_KEY_MAX_BYTES},
                 {f->min_chars, f->max_chars, "chars", PG_KEY_MAX_CHARS},
                 {f->min_items, f->max_items, "items", PG_KEY_MAX_ITEMS}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(pairs); i++) {
        pg_pos max = pg_key_pos(f, pg_printf(k->c, "max_%s", pairs[i].unit));
        bool said = f->said & PG_SAID(pairs[i].key);
        if (said && pairs[i].max == 0)
            pg_error(k->c, max, "%s: \"max_%s\" must be at least 1", what, pairs[i].unit);
        else if (said && pairs[i].min > pairs[i].max)
            pg_error(k->c, max, "%s: \"min_%s\" is greater than \"max_%s\"", what, pairs[i].unit, pairs[i].unit);
        if (pairs[i].max > SUT_ENVELOPE_MAX)
            pg_error(k->c, max, "%s: \"max_%s\" is over the envelope's limit of %u", what, pairs[i].unit,
                     SUT_ENVELOPE_MAX);
    }
    if (f->max_items > 10000)
        pg_error(k->c, pg_key_pos(f, "max_items"), "%s: \"max_items\" must be at most 10000", what);
    if ((T_TEXT & T(f->type)) && !f->max_bytes && !f->max_chars)
        pg_error(k->c, f->pos, "%s has no upper bound; give \"max_chars\" or \"max_bytes\"", what);
}

static void check_pattern(pg_checker *k, pg_field *f, const char *what)
{
    const pg_node *n = f->pattern_node;
    if (!n || f->type != SUT_T_STRING)
        return;
    if (n->kind != PG_SCALAR || !*n->text) {
        pg_error(k->c, n->pos, "%s: \"pattern\" must be a regular expression, not %s", what, pg_kind_text(k->c, n));
        return;
    }
    f->pattern = n->text;
    int code;
    PCRE2_SIZE at;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)n->text, PCRE2_ZERO_TERMINATED,
                                   PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED, &code, &at, NULL);
    if (!re) {
        PCRE2_UCHAR message[128];
        (void)pcre2_get_error_message(code, message, sizeof(message));
        pg_error(k->c, n->pos, "%s: \"pattern\" is not a regular expression: %s at character %zu", what,
                 (const char *)message, (size_t)at + 1);
        f->pattern = NULL;
    }
    pcre2_code_free(re);
    if (!f->example_node)
        pg_error(k->c, n->pos, "%s has a pattern, so it needs an example that matches it", what);
}

static void check_format(pg_checker *k, pg_field *f, const char *what)
{
    const pg_node *n = f->format_node;
    if (!n)
        return;
    size_t count;
    const char *const *names = pg_format_names(&count);
    if (n->kind != PG_SCALAR || !pg_format_parse(n->text, &f->format)) {
        const char *word = n->kind == PG_SCALAR ? n->text : "";
        const char *hint = pg_did_you_mean(k->c, word, names, count);
        if (!*hint)
            hint = "; use email, uri, http_uri, username, uuid, hex, base64url, locale, timezone or past_date";
        pg_error(k->c, n->pos, "%s: there is no format \"%s\"%s", what, word, hint);
        return;
    }
    if ((f->format == SUT_FMT_PAST_DATE) != (f->type == SUT_T_DATE))
        pg_error(k->c, n->pos, "%s: format %s goes with type %s", what, n->text,
                 f->format == SUT_FMT_PAST_DATE ? "date" : "string");
}

static void check_text(pg_checker *k, pg_field *f, const char *what)
{
    static const char *const names[] = {"line", "block"};
    const pg_node *n = f->text_node;
    if (!n)
        return;
    const char *word = n->kind == PG_SCALAR ? n->text : "";
    f->text = strcmp(word, "line") == 0 ? SUT_TEXT_LINE : strcmp(word, "block") == 0 ? SUT_TEXT_BLOCK : SUT_TEXT_ANY;
    const char *hint = pg_did_you_mean(k->c, word, names, SUT_ARRAY_LEN(names));
    if (f->text == SUT_TEXT_ANY)
        pg_error(k->c, n->pos, "%s: there is no kind of text \"%s\"%s", what, word,
                 *hint ? hint : "; use line or block");
    else if (f->secret || f->format_node || f->pattern_node)
        pg_error(k->c, n->pos, "%s: \"text\" is of what people write, so it goes with no secret, format or pattern",
                 what);
}

static void check_element(pg_checker *k, const pg_domain *d, pg_field *f, const char *what)
{
    if (f->type != SUT_T_LIST && f->type != SUT_T_MAP)
        return;
    if (!f->of_node) {
        if (!f->element)
            pg_error(k->c, f->pos, "%s: a %s needs \"of\", the type of its elements", what, pg_type_name(f->type));
        return;
    }
    f->element = PG_NEW(k->c, pg_field);
    pg_load_field(k->c, NULL, f->of_node, f->element);
    const char *of = pg_printf(k->c, "the element of %s", what);
    const uint32_t refused = PG_SAID(PG_KEY_REQUIRED) | PG_SAID(PG_KEY_DEFAULT) | PG_SAID(PG_KEY_NULLABLE) |
                             PG_SAID(PG_KEY_FROM) | PG_SAID(PG_KEY_SINCE);
    if (f->element->said & refused)
        pg_error(k->c, f->element->pos, "%s may not have required, default, nullable, from or since", of);
    f->element->doc = f->element->doc ? f->element->doc : "An element.";
    f->element->required = true;
    pg_check_field(k, d, f->element, of);
    if (f->element->type == SUT_T_LIST || f->element->type == SUT_T_MAP)
        pg_error(k->c, f->element->pos, "%s may not be a %s itself; wrap it in a record", of,
                 pg_type_name(f->element->type));
}

void pg_check_field(pg_checker *k, const pg_domain *d, pg_field *f, const char *what)
{
    if (f->state == PG_CHECKED)
        return;
    if (f->state == PG_CHECKING) {
        pg_error(k->c, f->pos, "%s is declared by means of itself", what);
        return;
    }
    f->state = PG_CHECKING;
    f->resolved = resolve_type(k, d, f, what);
    if (f->resolved) {
        check_fits(k, f, what);
        check_null(k, f, what);
        check_range(k, f, what);
        check_lengths(k, f, what);
        check_pattern(k, f, what);
        check_format(k, f, what);
        check_text(k, f, what);
        check_element(k, d, f, what);
        if ((f->said & PG_SAID(PG_KEY_DEFAULT)) && (T_SIMPLE & T(f->type)))
            (void)pg_check_scalar(k, f, f->default_node, pg_printf(k->c, "the default of field \"%s\"", f->name),
                                  &f->def);
    }
    if (!f->doc && f->resolved)
        pg_error(k->c, f->pos, "%s has no \"doc\"; say in one line what it is", what);
    f->state = PG_CHECKED;
}
