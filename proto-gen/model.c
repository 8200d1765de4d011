/* Names of the model's enumerations and look-ups in it (model.h). */
#include "model.h"

#include <stdlib.h>

static const char *const s_types[] = {"bool",      "i32",  "i64",  "f64",    "string", "bytes",
                                      "timestamp", "date", "enum", "record", "list",   "map"};
static const char *const s_formats[] = {NULL,  "email",     "uri",    "http_uri", "username", "uuid",
                                        "hex", "base64url", "locale", "timezone", "past_date"};
static const char *const s_levels[] = {"PUBLIC", "USER", "FRIEND", "ADMIN"};

const char *pg_type_name(sut_type t)
{
    return s_types[t];
}

bool pg_type_parse(const char *name, sut_type *out)
{
    for (size_t i = 0; i < SUT_ARRAY_LEN(s_types); i++) {
        if (strcmp(name, s_types[i]) == 0) {
            *out = (sut_type)i;
            return true;
        }
    }
    return false;
}

const char *const *pg_type_names(size_t *count)
{
    *count = SUT_ARRAY_LEN(s_types);
    return s_types;
}

const char *pg_format_name(sut_format f)
{
    return s_formats[f];
}

bool pg_format_parse(const char *name, sut_format *out)
{
    for (size_t i = 1; i < SUT_ARRAY_LEN(s_formats); i++) {
        if (strcmp(name, s_formats[i]) == 0) {
            *out = (sut_format)i;
            return true;
        }
    }
    return false;
}

const char *const *pg_format_names(size_t *count)
{
    *count = SUT_ARRAY_LEN(s_formats) - 1;
    return s_formats + 1;
}

const char *pg_level_name(sut_level l)
{
    return s_levels[l];
}

pg_domain *pg_find_domain(const pg_model *m, const char *name)
{
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->domains[i]->name, name) == 0)
            return m->domains[i];
    return NULL;
}

pg_record *pg_find_record(const pg_domain *d, const char *name)
{
    for (size_t i = 0; d && i < d->record_count; i++)
        if (strcmp(d->records[i].name, name) == 0)
            return &d->records[i];
    return NULL;
}

pg_enum *pg_find_enum(const pg_domain *d, const char *name)
{
    for (size_t i = 0; d && i < d->enum_count; i++)
        if (strcmp(d->enums[i].name, name) == 0)
            return &d->enums[i];
    return NULL;
}

pg_named_type *pg_find_type(const pg_domain *d, const char *name)
{
    for (size_t i = 0; d && i < d->type_count; i++)
        if (strcmp(d->types[i].name, name) == 0)
            return &d->types[i];
    return NULL;
}

const pg_field *pg_find_field(const pg_record *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->fields[i].name, name) == 0)
            return &r->fields[i];
    return NULL;
}

const pg_method *pg_find_method(const pg_domain *d, const char *name)
{
    for (size_t i = 0; i < d->method_count; i++)
        if (strcmp(d->methods[i].name, name) == 0)
            return &d->methods[i];
    return NULL;
}

const pg_event *pg_find_event(const pg_model *m, const char *subject)
{
    for (size_t i = 0; i < m->count; i++)
        for (size_t j = 0; j < m->domains[i]->event_count; j++)
            if (strcmp(m->domains[i]->events[j].subject, subject) == 0)
                return &m->domains[i]->events[j];
    return NULL;
}

static int compare_events(const void *a, const void *b)
{
    return strcmp((*(const pg_event *const *)a)->subject, (*(const pg_event *const *)b)->subject);
}

const pg_event **pg_all_events(pg_context *c, const pg_model *m, size_t *count)
{
    size_t most = 0;
    for (size_t i = 0; i < m->count; i++)
        most += m->domains[i]->event_count;
    const pg_event **all = PG_ARRAY(c, most + 1, const pg_event *);
    *count = 0;
    for (size_t i = 0; i < m->count; i++)
        for (size_t j = 0; j < m->domains[i]->event_count; j++)
            all[(*count)++] = &m->domains[i]->events[j];
    qsort(all, *count, sizeof(const pg_event *), compare_events);
    return all;
}

static int compare_consumers(const void *a, const void *b)
{
    const pg_consumer *x = *(const pg_consumer *const *)a, *y = *(const pg_consumer *const *)b;
    const int group = strcmp(x->group, y->group);
    return group ? group : strcmp(x->event->subject, y->event->subject);
}

const pg_consumer **pg_all_consumers(pg_context *c, const pg_model *m, size_t *count)
{
    size_t most = 0;
    for (size_t i = 0; i < m->count; i++)
        most += m->domains[i]->consumer_count;
    const pg_consumer **all = PG_ARRAY(c, most + 1, const pg_consumer *);
    *count = 0;
    for (size_t i = 0; i < m->count; i++)
        for (size_t j = 0; j < m->domains[i]->consumer_count; j++)
            all[(*count)++] = &m->domains[i]->consumers[j];
    qsort(all, *count, sizeof(const pg_consumer *), compare_consumers);
    return all;
}

pg_pos pg_key_pos(const pg_field *f, const char *key)
{
    for (const pg_node *k = f->decl && f->decl->kind == PG_MAPPING ? f->decl->first : NULL; k; k = k->next)
        if (strcmp(k->text, key) == 0)
            return k->pos;
    return f->pos;
}

bool pg_has_presence(const pg_field *f)
{
    return !f->required;
}
