/* Examples and defaults must be what the runtime itself accepts; and every field must have a value to show (check.h).
 */
#include "bind.h"
#include "check.h"
#include "example.h"

/* What the runtime says of the value as the field's only one; NULL if it is right. */
static const char *judge(pg_checker *k, const pg_field *f, const char *json)
{
    const char *name = *f->name ? f->name : "element";
    pg_field named = *f;
    named.name = name;
    return pg_pack(k->c, pg_bind_field(k->c, &named), pg_printf(k->c, "{\"%s\": %s}", name, json), NULL);
}

static const char *check_given(pg_checker *k, const pg_field *f, const pg_node *n, const char *which)
{
    const char *what = pg_printf(k->c, "the %s of field \"%s\"", which, f->name);
    const char *json = pg_value_json(k, f, n, what);
    const char *wrong = json ? judge(k, f, json) : NULL;
    if (wrong)
        pg_error(k->c, n->pos, "%s %s", what, wrong);
    return wrong ? NULL : json;
}

static void check_one(pg_checker *k, pg_field *f)
{
    if (!pg_bindable(f))
        return; /* noted already */
    if (f->default_node)
        (void)check_given(k, f, f->default_node, "default");
    if (f->example_node)
        f->example_json = check_given(k, f, f->example_node, "example");
    if (f->element && f->element->example_node)
        f->element->example_json = check_given(k, f->element, f->element->example_node, "example");
}

static void check_domain(pg_checker *k, const pg_domain *d)
{
    for (size_t i = 0; i < d->type_count; i++)
        check_one(k, &d->types[i].field);
    for (size_t i = 0; i < d->record_count; i++)
        for (size_t j = 0; j < d->records[i].count; j++)
            check_one(k, &d->records[i].fields[j]);
}

enum { DEPTH_MAX = 16 };

/* Must every value of `from` hold one of `to`? */
static bool must_hold(const pg_record *from, const pg_record *to, int depth)
{
    for (size_t i = 0; depth < DEPTH_MAX && i < from->count; i++) {
        const pg_field *f = &from->fields[i];
        const pg_record *inner = f->element && f->min_items ? f->element->record : f->record;
        if (inner && f->required && !f->nullable && (inner == to || must_hold(inner, to, depth + 1)))
            return true;
    }
    return false;
}

/* Values that are made up, for documents and seeds, must fit too: where they do not, the schema has to give one. */
static void check_made_up(pg_checker *k, const pg_domain *d)
{
    for (size_t i = 0; i < d->record_count; i++) {
        for (size_t j = 0; j < d->records[i].count; j++) {
            const pg_field *f = &d->records[i].fields[j];
            const char *json = pg_example(k->c, f, 0), *wrong = judge(k, f, json);
            if (wrong)
                pg_error(k->c, f->pos, "field \"%s\" needs an example; %s would be one, but it %s", f->name, json,
                         wrong);
        }
    }
}

void pg_check_examples(pg_checker *k)
{
    bool endless = false;
    for (size_t i = 0; i < k->m->count; i++)
        check_domain(k, k->m->domains[i]);
    for (size_t i = 0; i < k->m->count; i++) {
        const pg_domain *d = k->m->domains[i];
        for (size_t r = 0; r < d->record_count; r++) {
            if (must_hold(&d->records[r], &d->records[r], 0)) {
                pg_error(k->c, d->records[r].pos, "record \"%s\" must hold itself without end; make a field optional",
                         d->records[r].name);
                endless = true;
            }
        }
    }
    for (size_t i = 0; !endless && k->c->error_count == 0 && i < k->m->count; i++)
        check_made_up(k, k->m->domains[i]);
}
