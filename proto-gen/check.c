/* Checks a whole model: each domain's parts, then what holds between them (check.h). */
#include "check.h"
#include "compat.h"

#include "base/config.h"
#include "base/map.h"

#include <ctype.h>

static const char *const s_c_words[] = {
    "auto",   "break",    "case",     "char",     "const", "continue", "default", "do",     "double",
    "else",   "enum",     "extern",   "float",    "for",   "goto",     "if",      "inline", "int",
    "long",   "register", "restrict", "return",   "short", "signed",   "sizeof",  "static", "struct",
    "switch", "typedef",  "union",    "unsigned", "void",  "volatile", "while",   "bool",   "true",
    "false",  "asm",      "typeof",   "unix",     "linux", "errno",    "stdin",   "stdout", "stderr"};

/* Names that C code will see must be one a thing: `key` is the C identifier. */
static void claim(pg_checker *k, sut_strmap *names, const char *key, pg_pos pos, const char *what)
{
    const char *other = sut_strmap_get(names, sut_str_from(key));
    if (other) {
        pg_error(k->c, pos, "%s and %s would both be \"%s\" in C; rename one", what, other, key);
        return;
    }
    if (sut_strmap_put(names, sut_str_from(key), (void *)(uintptr_t)what) < 0)
        sut_program_die(SUT_EXIT_SOFTWARE, "out of memory");
}

static void claim_names(pg_checker *k, sut_strmap *names, const pg_domain *d)
{
    pg_context *c = k->c;
    const char *where = d->name;
    for (size_t i = 0; i < d->enum_count; i++)
        claim(k, names, pg_printf(c, "%s_%s", where, d->enums[i].name), d->enums[i].pos,
              pg_printf(c, "enum %s.%s", where, d->enums[i].name));
    for (size_t i = 0; i < d->type_count; i++)
        claim(k, names, pg_printf(c, "%s_%s", where, d->types[i].name), d->types[i].field.pos,
              pg_printf(c, "type %s.%s", where, d->types[i].name));
    for (size_t i = 0; i < d->record_count; i++) {
        const pg_record *r = &d->records[i];
        const char *what = r->method
                               ? pg_printf(c, "the %s of method %s", strrchr(r->name, '_') + 1, r->method->subject)
                           : r->event ? pg_printf(c, "event %s", r->event->subject)
                                      : pg_printf(c, "record %s.%s", where, r->name);
        claim(k, names, pg_printf(c, "%s_%s", where, r->name), r->pos, what);
    }
    for (size_t i = 0; i < d->method_count; i++)
        claim(k, names, pg_printf(c, "%s_%s", where, d->methods[i].name), d->methods[i].pos,
              pg_printf(c, "method %s", d->methods[i].subject));
    for (size_t i = 0; i < d->consumer_count; i++)
        claim(k, names, pg_printf(c, "%s_on_%s", where, d->consumers[i].name), d->consumers[i].pos,
              pg_printf(c, "consumer %s.%s", where, d->consumers[i].name));
}

static void check_names(pg_checker *k)
{
    sut_strmap *names = NULL;
    if (sut_strmap_new(&names) < 0)
        sut_program_die(SUT_EXIT_SOFTWARE, "out of memory");
    for (size_t i = 0; i < k->m->count; i++)
        claim_names(k, names, k->m->domains[i]);
    (void)sut_strmap_free(names);
}

static void check_field_names(pg_checker *k, const pg_record *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const pg_field *f = &r->fields[i];
        for (size_t w = 0; w < SUT_ARRAY_LEN(s_c_words); w++)
            if (strcmp(f->name, s_c_words[w]) == 0)
                pg_error(k->c, f->pos, "\"%s\" is a word of the C language; name the field otherwise", f->name);
        const pg_field *other = strncmp(f->name, "has_", 4) == 0 ? pg_find_field(r, f->name + 4) : NULL;
        if (other && pg_has_presence(other))
            pg_error(k->c, f->pos, "\"%s\" is what tells in C whether \"%s\" is there; name the field otherwise",
                     f->name, other->name);
    }
}

static void check_enum(pg_checker *k, pg_enum *e)
{
    int32_t next = 0;
    for (size_t i = 0; i < e->count; i++) {
        pg_enum_value *v = &e->values[i];
        int64_t number;
        v->value = next;
        if (v->value_node) {
            if (v->value_node->kind == PG_SCALAR && v->value_node->plain &&
                sut_parse_i64(sut_str_from(v->value_node->text), 0, INT32_MAX - 1, &number))
                v->value = (int32_t)number;
            else
                pg_error(k->c, v->value_node->pos, "\"value\" must be a whole number from 0");
        }
        next = v->value + 1;
        for (size_t j = 0; j < i; j++)
            if (e->values[j].value == v->value)
                pg_error(k->c, v->pos, "enum value \"%s\" has the number %d, as \"%s\" has", v->name, v->value,
                         e->values[j].name);
    }
}

static void check_domain_errors(pg_checker *k, const pg_domain *d)
{
    if (d == k->common && d->error_count)
        pg_error(k->c, d->errors[0].pos,
                 "what every method may answer is in wire/errors.h; a domain declares its own "
                 "errors in its own file");
    for (size_t i = 0; i < d->error_count; i++) {
        const pg_domain_error *e = &d->errors[i];
        if (e->http_status && (e->http_status < 400 || e->http_status > 599))
            pg_error(k->c, e->pos, "error \"%s\": \"status\" must be 400 to 599, not %u", e->name, e->http_status);
        if (sut_platform_error_by_code(sut_str_from(e->name)))
            pg_error(k->c, e->pos, "error \"%s\" is one that every domain has already; just list it", e->name);
    }
}

static void check_records(pg_checker *k, const pg_domain *d)
{
    for (size_t i = 0; i < d->type_count; i++) {
        pg_field *f = &d->types[i].field;
        pg_check_field(k, d, f, pg_printf(k->c, "type \"%s\"", d->types[i].name));
        if (f->said &
            (PG_SAID(PG_KEY_REQUIRED) | PG_SAID(PG_KEY_DEFAULT) | PG_SAID(PG_KEY_FROM) | PG_SAID(PG_KEY_SINCE)))
            pg_error(k->c, f->pos, "type \"%s\": required, default, from and since belong to the fields that use it",
                     d->types[i].name);
    }
    for (size_t i = 0; i < d->record_count; i++) {
        const pg_record *r = &d->records[i];
        check_field_names(k, r);
        for (size_t j = 0; j < r->count; j++) {
            pg_field *f = &r->fields[j];
            pg_check_field(k, d, f, pg_printf(k->c, "field \"%s\"", f->name));
            if (f->from_node && !(r->method && strcmp(strrchr(r->name, '_'), "_in") == 0))
                pg_error(k->c, f->from_node->pos, "\"from\" is for the fields of a method's own \"in\"");
        }
    }
}

void pg_check(pg_context *c, pg_model *m)
{
    pg_checker k = {.c = c, .m = m, .common = pg_find_domain(m, PG_COMMON)};
    for (size_t i = 0; i < m->count; i++) {
        pg_domain *d = m->domains[i];
        if (d == k.common && d->method_count)
            pg_error(c, d->methods[0].pos, "the domain " PG_COMMON " is served by nobody, so it has no methods");
        if (d != k.common && d->rate_class_count)
            pg_error(c, d->rate_classes[0].pos, "rate classes are declared in " PG_COMMON ".yaml, once for all");
        for (size_t j = 0; j < d->enum_count; j++)
            check_enum(&k, &d->enums[j]);
        check_domain_errors(&k, d);
        check_records(&k, d);
    }
    pg_check_examples(&k);
    for (size_t i = 0; i < m->count; i++)
        for (size_t j = 0; j < m->domains[i]->method_count; j++)
            pg_check_method(&k, &m->domains[i]->methods[j]);
    for (size_t i = 0; i < m->count; i++)
        for (size_t j = 0; j < m->domains[i]->event_count; j++)
            pg_check_event(&k, &m->domains[i]->events[j]);
    for (size_t i = 0; i < m->count; i++)
        for (size_t j = 0; j < m->domains[i]->consumer_count; j++)
            pg_check_consumer(&k, &m->domains[i]->consumers[j]);
    for (size_t i = 0; c->error_count == 0 && i < m->count; i++)
        for (size_t j = 0; j < m->domains[i]->record_count; j++)
            m->domains[i]->records[j].is_input = pg_record_use(m, &m->domains[i]->records[j]) & PG_USED_IN;
    pg_check_routes(&k);
    check_names(&k);
}
