/* Reads the sections of schema files into the model (load.h). */
#include "load.h"

#include "keys.h"

#include <stdlib.h>

typedef struct sections {
    pg_node *domain, *enums, *types, *records, *errors, *methods, *events, *consumes, *rate_classes;
    const char *doc, *since;
} sections;

#define SECTION(name)                                                                                                  \
    {                                                                                                                  \
#name, PG_KEY_IS_NODE, offsetof(sections, name)                                                                \
    }

static const pg_key s_sections[] = {
    SECTION(domain),
    {"doc", PG_KEY_IS_LINE, offsetof(sections, doc)},
    {"since", PG_KEY_IS_LINE, offsetof(sections, since)},
    SECTION(enums),
    SECTION(types),
    SECTION(records),
    SECTION(errors),
    SECTION(methods),
    SECTION(rate_classes),
    SECTION(events),
    SECTION(consumes),
};

const pg_node *pg_entries(pg_context *c, const pg_node *node, const char *name)
{
    if (!node)
        return NULL;
    if (node->kind == PG_MAPPING)
        return node->first;
    pg_error(c, node->pos, "\"%s\" must be a mapping of names, not %s", name, pg_kind_text(c, node));
    return NULL;
}

size_t pg_entry_count(const pg_node *node)
{
    return node && node->kind == PG_MAPPING ? node->count : 0;
}

static void load_enum_value(pg_context *c, const pg_node *key, pg_enum_value *out)
{
    static const pg_key keys[] = {
        {"doc", PG_KEY_IS_LINE, offsetof(pg_enum_value, doc)},
        {"value", PG_KEY_IS_NODE, offsetof(pg_enum_value, value_node)},
    };
    out->name = key->text;
    out->pos = key->pos;
    const char *what = pg_printf(c, "enum value \"%s\"", key->text);
    (void)pg_check_name(c, key, "an enum value");
    if (key->value->kind == PG_SCALAR && !pg_is_null(key->value)) /* `name: doc` */
        out->doc = key->value->text;
    else if (key->value->kind == PG_MAPPING)
        (void)pg_read_keys(c, key->value, what, keys, SUT_ARRAY_LEN(keys), out);
    pg_need_doc(c, out->doc, key->pos, what);
}

static void load_enums(pg_context *c, const pg_node *node, pg_domain *d)
{
    typedef struct given {
        const char *doc;
        pg_node *values;
    } given;
    static const pg_key keys[] = {
        {"doc", PG_KEY_IS_LINE, offsetof(given, doc)},
        {"values", PG_KEY_IS_NODE, offsetof(given, values)},
    };
    d->enums = PG_ARRAY(c, pg_entry_count(node), pg_enum);
    for (const pg_node *key = pg_entries(c, node, "enums"); key; key = key->next) {
        if (!pg_check_name(c, key, "an enum"))
            continue;
        const char *what = pg_printf(c, "enum \"%s\"", key->text);
        given g = {NULL, NULL};
        (void)pg_read_keys(c, key->value, what, keys, SUT_ARRAY_LEN(keys), &g);
        pg_need_doc(c, g.doc, key->pos, what);
        pg_enum *e = &d->enums[d->enum_count++];
        *e = (pg_enum){.name = key->text, .doc = g.doc, .pos = key->pos, .domain = d};
        e->values = PG_ARRAY(c, pg_entry_count(g.values), pg_enum_value);
        for (const pg_node *v = pg_entries(c, g.values, "values"); v; v = v->next)
            load_enum_value(c, v, &e->values[e->count++]);
        if (!e->count)
            pg_error(c, key->pos, "%s has no values; list them under \"values\" as `name: what it means`", what);
    }
}

static void load_types(pg_context *c, const pg_node *node, pg_domain *d)
{
    d->types = PG_ARRAY(c, pg_entry_count(node), pg_named_type);
    for (const pg_node *key = pg_entries(c, node, "types"); key; key = key->next) {
        if (!pg_check_name(c, key, "a type"))
            continue;
        pg_named_type *t = &d->types[d->type_count++];
        *t = (pg_named_type){.name = key->text, .domain = d};
        pg_load_field(c, key, key->value, &t->field);
    }
}

void pg_load_fields(pg_context *c, const pg_node *node, pg_record *r)
{
    r->fields = PG_ARRAY(c, pg_entry_count(node), pg_field);
    for (const pg_node *key = pg_entries(c, node, "fields"); key; key = key->next)
        if (pg_check_name(c, key, "a field"))
            pg_load_field(c, key, key->value, &r->fields[r->count++]);
}

static void load_records(pg_context *c, const pg_node *node, pg_domain *d)
{
    typedef struct given {
        const char *doc;
        pg_node *fields;
    } given;
    static const pg_key keys[] = {
        {"doc", PG_KEY_IS_LINE, offsetof(given, doc)},
        {"fields", PG_KEY_IS_NODE, offsetof(given, fields)},
    };
    for (const pg_node *key = pg_entries(c, node, "records"); key; key = key->next) {
        if (!pg_check_name(c, key, "a record"))
            continue;
        const char *what = pg_printf(c, "record \"%s\"", key->text);
        given g = {NULL, NULL};
        (void)pg_read_keys(c, key->value, what, keys, SUT_ARRAY_LEN(keys), &g);
        pg_need_doc(c, g.doc, key->pos, what);
        if (pg_entry_count(g.fields) == 0 && key->value->kind == PG_MAPPING)
            pg_error(c, key->pos, "%s has no fields", what);
        pg_record *r = &d->records[d->record_count++];
        *r = (pg_record){.name = key->text, .doc = g.doc, .pos = key->pos, .domain = d};
        pg_load_fields(c, g.fields, r);
    }
}

static void load_errors(pg_context *c, const pg_node *node, pg_domain *d)
{
    static const pg_key keys[] = {
        {"doc", PG_KEY_IS_LINE, offsetof(pg_domain_error, doc)},
        {"status", PG_KEY_IS_NUMBER, offsetof(pg_domain_error, http_status)},
    };
    d->errors = PG_ARRAY(c, pg_entry_count(node), pg_domain_error);
    for (const pg_node *key = pg_entries(c, node, "errors"); key; key = key->next) {
        if (!pg_check_name(c, key, "an error"))
            continue;
        const char *what = pg_printf(c, "error \"%s\"", key->text);
        pg_domain_error *e = &d->errors[d->error_count];
        *e = (pg_domain_error){.name = key->text, .pos = key->pos, .domain = d};
        e->number = (int)(SUT_ERR_DOMAIN_FIRST + d->error_count++);
        uint32_t said = pg_read_keys(c, key->value, what, keys, SUT_ARRAY_LEN(keys), e);
        pg_need_doc(c, e->doc, key->pos, what);
        if (!(said & 2))
            pg_error(c, key->pos, "%s has no \"status\"; give its HTTP status, 400 to 599", what);
    }
}

static void load_rate_classes(pg_context *c, const pg_node *node, pg_domain *d)
{
    d->rate_classes = PG_ARRAY(c, pg_entry_count(node), pg_rate_class);
    for (const pg_node *key = pg_entries(c, node, "rate_classes"); key; key = key->next) {
        if (!pg_check_name(c, key, "a rate class"))
            continue;
        pg_rate_class *r = &d->rate_classes[d->rate_class_count++];
        *r = (pg_rate_class){.name = key->text, .pos = key->pos};
        if (key->value->kind == PG_SCALAR && !pg_is_null(key->value))
            r->doc = key->value->text;
        pg_need_doc(c, r->doc, key->pos, pg_printf(c, "rate class \"%s\"", key->text));
    }
}

/* `in` and `out` given as a mapping of fields become a record named after the method. */
static void load_inline(pg_context *c, pg_node *node, const pg_method *m, const char *suffix, const char *doc)
{
    if (node && node->kind == PG_SCALAR && !pg_is_null(node))
        return; /* names a record */
    pg_domain *d = m->domain;
    pg_record *r = &d->records[d->record_count++];
    *r = (pg_record){.name = pg_printf(c, "%s_%s", m->name, suffix),
                     .doc = pg_printf(c, "%s of %s.%s.", doc, d->name, m->name),
                     .pos = m->pos,
                     .domain = d,
                     .method = m};
    if (!node || pg_is_null(node))
        return;
    if (node->kind == PG_MAPPING)
        pg_load_fields(c, node, r);
    else
        pg_error(c, node->pos, "\"%s\" must be a record's name or a mapping of fields, not %s", suffix,
                 pg_kind_text(c, node));
}

static void load_method(pg_context *c, const pg_node *key, pg_method *m)
{
    static const pg_key keys[] = {
        {"doc", PG_KEY_IS_LINE, offsetof(pg_method, doc)},
        {"http", PG_KEY_IS_NODE, offsetof(pg_method, http_node)},
        {"level", PG_KEY_IS_NODE, offsetof(pg_method, level_node)},
        {"self", PG_KEY_IS_NODE, offsetof(pg_method, self_node)},
        {"owner", PG_KEY_IS_NODE, offsetof(pg_method, owner_node)},
        {"service", PG_KEY_IS_FLAG, offsetof(pg_method, service_only)},
        {"timeout_ms", PG_KEY_IS_NODE, offsetof(pg_method, timeout_node)},
        {"idempotent", PG_KEY_IS_FLAG, offsetof(pg_method, idempotent)},
        {"rate", PG_KEY_IS_NODE, offsetof(pg_method, rate_node)},
        {"since", PG_KEY_IS_LINE, offsetof(pg_method, since)},
        {"errors", PG_KEY_IS_NODE, offsetof(pg_method, errors_node)},
        {"in", PG_KEY_IS_NODE, offsetof(pg_method, in_node)},
        {"out", PG_KEY_IS_NODE, offsetof(pg_method, out_node)},
    };
    static const pg_key http_keys[] = {
        {"verb", PG_KEY_IS_NODE, offsetof(pg_method, verb_node)},
        {"path", PG_KEY_IS_NODE, offsetof(pg_method, path_node)},
        {"status", PG_KEY_IS_NODE, offsetof(pg_method, status_node)},
    };
    const char *what = pg_printf(c, "method \"%s\"", m->name);
    (void)pg_read_keys(c, key->value, what, keys, SUT_ARRAY_LEN(keys), m);
    pg_need_doc(c, m->doc, m->pos, what);
    if (m->http_node)
        (void)pg_read_keys(c, m->http_node, pg_printf(c, "\"http\" of method \"%s\"", m->name), http_keys,
                           SUT_ARRAY_LEN(http_keys), m);
}

static int compare_methods(const void *a, const void *b)
{
    return strcmp(((const pg_method *)a)->name, ((const pg_method *)b)->name);
}

static int compare_records(const void *a, const void *b)
{
    return strcmp(((const pg_record *)a)->name, ((const pg_record *)b)->name);
}

static void load_methods(pg_context *c, const pg_node *node, pg_domain *d)
{
    d->methods = PG_ARRAY(c, pg_entry_count(node), pg_method);
    for (const pg_node *key = pg_entries(c, node, "methods"); key; key = key->next) {
        if (!pg_check_name(c, key, "a method"))
            continue;
        pg_method *m = &d->methods[d->method_count++];
        *m = (pg_method){.name = key->text, .pos = key->pos, .domain = d, .since = d->since};
        m->subject = pg_printf(c, "%s.%s", d->name, m->name);
        load_method(c, key, m);
    }
    qsort(d->methods, d->method_count, sizeof(*d->methods), compare_methods);
    for (size_t i = 0; i < d->method_count; i++) {
        load_inline(c, d->methods[i].in_node, &d->methods[i], "in", "What is asked");
        load_inline(c, d->methods[i].out_node, &d->methods[i], "out", "What is answered");
    }
}

static pg_domain *load_file(pg_context *c, const char *path)
{
    const pg_node *root = pg_tree_read(c, path);
    if (!root)
        return NULL;
    sections s = {.domain = NULL};
    (void)pg_read_keys(c, root, "a schema", s_sections, SUT_ARRAY_LEN(s_sections), &s);
    if (root->kind != PG_MAPPING)
        return NULL;
    pg_domain *d = PG_NEW(c, pg_domain);
    const char *slash = strrchr(root->pos.file, '/');
    *d = (pg_domain){.doc = s.doc, .since = s.since, .domain_node = s.domain, .pos = root->pos};
    d->file = slash ? slash + 1 : root->pos.file;
    if (!s.domain || s.domain->kind != PG_SCALAR) {
        pg_error(c, s.domain ? s.domain->pos : root->pos, "a schema starts with `domain: NAME`");
        return NULL;
    }
    d->name = s.domain->text;
    if (!pg_check_name(c, s.domain, "a domain"))
        return NULL;
    pg_need_doc(c, d->doc, s.domain->pos, pg_printf(c, "domain \"%s\"", d->name));
    d->records =
        PG_ARRAY(c, pg_entry_count(s.records) + 2 * pg_entry_count(s.methods) + pg_entry_count(s.events), pg_record);
    load_enums(c, s.enums, d);
    load_types(c, s.types, d);
    load_records(c, s.records, d);
    load_errors(c, s.errors, d);
    load_rate_classes(c, s.rate_classes, d);
    load_methods(c, s.methods, d);
    pg_load_events(c, s.events, d);
    pg_load_consumers(c, s.consumes, d);
    qsort(d->records, d->record_count, sizeof(*d->records), compare_records);
    return d;
}

static int compare_domains(const void *a, const void *b)
{
    return strcmp((*(pg_domain *const *)a)->name, (*(pg_domain *const *)b)->name);
}

pg_model *pg_load(pg_context *c, char *const *paths, size_t count)
{
    pg_model *m = PG_NEW(c, pg_model);
    m->domains = PG_ARRAY(c, count, pg_domain *);
    for (size_t i = 0; i < count; i++) {
        pg_domain *d = load_file(c, paths[i]), *other = d ? pg_find_domain(m, d->name) : NULL;
        if (other)
            pg_error(c, d->domain_node->pos, "domain \"%s\" is already declared in %s", d->name, other->pos.file);
        else if (d)
            m->domains[m->count++] = d;
    }
    qsort(m->domains, m->count, sizeof(pg_domain *), compare_domains);
    return m;
}
