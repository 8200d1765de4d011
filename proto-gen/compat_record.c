/* Compares two versions of a record (compat.h). Whoever sends it must still be allowed to send what was right before;
 * whoever receives it must not get what could not be before. */
#include "compat.h"

#define BREAKS "breaks users of the schemas before: "

typedef struct change {
    pg_context *c;
    const pg_field *was, *is;
    const char *name; /* for messages */
} change;

static void breaks(const change *g, const char *what)
{
    pg_error(g->c, g->is->pos, BREAKS "%s %s", g->name, what);
}

static const char *type_text(pg_context *c, const pg_field *f)
{
    if (f->type == SUT_T_ENUM)
        return pg_printf(c, "%s.%s", f->enumeration->domain->name, f->enumeration->name);
    if (f->type == SUT_T_RECORD)
        return pg_printf(c, "%s.%s", f->record->domain->name, f->record->name);
    if (f->element)
        return pg_printf(c, "%s of %s", pg_type_name(f->type), type_text(c, f->element));
    return pg_type_name(f->type);
}

/* What may be sent may not shrink. (What is answered may grow: readers do not check limits.) */
static void compare_range(const change *g)
{
    const pg_field *was = g->was, *is = g->is;
    bool real = is->type == SUT_T_F64;
    if (is->min_node && (!was->min_node || (real ? is->min.f > was->min.f : is->min.i > was->min.i)))
        breaks(g, was->min_node ? "had a smaller \"min\"" : "had no \"min\"");
    if (is->max_node && (!was->max_node || (real ? is->max.f < was->max.f : is->max.i < was->max.i)))
        breaks(g, was->max_node ? "had a greater \"max\"" : "had no \"max\"");
}

static void compare_lengths(const change *g)
{
    const struct {
        const char *unit;
        uint32_t was_min, is_min, was_max, is_max;
    } pairs[] = {{"bytes", g->was->min_bytes, g->is->min_bytes, g->was->max_bytes, g->is->max_bytes},
                 {"chars", g->was->min_chars, g->is->min_chars, g->was->max_chars, g->is->max_chars},
                 {"items", g->was->min_items, g->is->min_items, g->was->max_items, g->is->max_items}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(pairs); i++) {
        if (pairs[i].is_min > pairs[i].was_min)
            breaks(g, pg_printf(g->c, "had a smaller \"min_%s\"", pairs[i].unit));
        if (pairs[i].is_max && (!pairs[i].was_max || pairs[i].is_max < pairs[i].was_max))
            breaks(g, pg_printf(g->c, "had %s \"max_%s\"", pairs[i].was_max ? "a greater" : "no", pairs[i].unit));
    }
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void compare_text(const change *g)
{
    const pg_field *was = g->was, *is = g->is;
    if (is->pattern && !same_text(was->pattern, is->pattern))
        breaks(g, was->pattern ? "had another pattern" : "had no pattern");
    if (is->format != SUT_FMT_NONE && was->format != is->format)
        breaks(g, was->format ? "had another format" : "had no format");
    if (is->text != SUT_TEXT_ANY && was->text == SUT_TEXT_ANY)
        breaks(g, "had no kind of text");
    if (is->text != SUT_TEXT_BLOCK && was->text == SUT_TEXT_BLOCK)
        breaks(g, "was a text of lines");
    if (is->text == SUT_TEXT_ANY && was->text == SUT_TEXT_LINE)
        breaks(g, "was a text of one line");
    if (was->trim && !is->trim)
        breaks(g, "was trimmed");
    if (was->lower && !is->lower)
        breaks(g, "was lowered");
}

static bool same_default(const pg_field *was, const pg_field *is)
{
    switch (was->type) {
    case SUT_T_BOOL: return was->def.b == is->def.b;
    case SUT_T_F64: return was->def.f == is->def.f;
    case SUT_T_STRING: return same_text(was->def.s, is->def.s);
    case SUT_T_ENUM: return strcmp(was->default_node->text, is->default_node->text) == 0;
    default: return was->def.i == is->def.i;
    }
}

static void compare_presence(const change *g, unsigned used)
{
    const pg_field *was = g->was, *is = g->is;
    if ((used & PG_USED_IN) && is->required && !was->required)
        breaks(g, "was not required");
    if ((used & PG_USED_OUT) && was->required && !is->required)
        breaks(g, "was always there; readers rely on it");
    if ((used & PG_USED_IN) && was->nullable && !is->nullable)
        breaks(g, "could be null");
    if ((used & PG_USED_OUT) && !was->nullable && is->nullable)
        breaks(g, "was never null; readers rely on it");
    if ((used & PG_USED_IN) && was->default_node && !is->required && (!is->default_node || !same_default(was, is)))
        breaks(g, is->default_node ? "had another default" : "had a default");
    if (was->secret && !is->secret)
        breaks(g, "was secret");
    if (was->personal && !is->personal && !is->secret)
        breaks(g, "was personal");
}

static void compare_field(const change *g, unsigned used)
{
    if (strcmp(type_text(g->c, g->was), type_text(g->c, g->is)) != 0) {
        breaks(g, pg_printf(g->c, "was of type %s", type_text(g->c, g->was)));
        return;
    }
    compare_presence(g, used);
    if (used & PG_USED_IN) {
        compare_range(g);
        compare_lengths(g);
        compare_text(g);
    }
    if (g->was->element) {
        change inner = {g->c, g->was->element, g->is->element, pg_printf(g->c, "the element of %s", g->name)};
        compare_field(&inner, used);
    }
}

void pg_compare_record(pg_context *c, const pg_record *was, const pg_record *is, unsigned used)
{
    const char *of =
        is->method ? pg_printf(c, "method \"%s\"", is->method->subject) : pg_printf(c, "record \"%s\"", is->name);
    for (size_t i = 0; i < was->count; i++) {
        const pg_field *old = &was->fields[i], *now = pg_find_field(is, old->name);
        change g = {c, old, now, pg_printf(c, "field \"%s\"", old->name)};
        if (now)
            compare_field(&g, used);
        else
            pg_error(c, is->pos, BREAKS "%s no longer has the field \"%s\" (%s:%d)", of, old->name, old->pos.file,
                     old->pos.line);
    }
    for (size_t i = 0; (used & PG_USED_IN) && i < is->count; i++)
        if (is->fields[i].required && !pg_find_field(was, is->fields[i].name))
            pg_error(c, is->fields[i].pos, BREAKS "%s did not ask for the field \"%s\"; a new one cannot be required",
                     of, is->fields[i].name);
}

enum { REACH_DEPTH_MAX = 16 };

static bool reaches(const pg_record *from, const pg_record *to, int depth)
{
    if (from == to)
        return true;
    for (size_t i = 0; depth < REACH_DEPTH_MAX && i < from->count; i++) {
        const pg_field *f = &from->fields[i];
        const pg_record *inner = f->element ? f->element->record : f->record;
        if (inner && reaches(inner, to, depth + 1))
            return true;
    }
    return false;
}

static unsigned record_use(const pg_model *m, const pg_record *r, bool http_only)
{
    unsigned used = 0;
    for (size_t i = 0; i < m->count; i++) {
        for (size_t j = 0; j < m->domains[i]->method_count; j++) {
            const pg_method *method = &m->domains[i]->methods[j];
            if (http_only && !method->verb)
                continue;
            used |= reaches(method->in, r, 0) ? PG_USED_IN : 0;
            used |= reaches(method->out, r, 0) ? PG_USED_OUT : 0;
        }
        for (size_t j = 0; j < m->domains[i]->event_count && !http_only; j++) {
            const pg_event *event = &m->domains[i]->events[j];
            if (reaches(event->body, r, 0))
                used |= event->open ? PG_USED_IN | PG_USED_OUT : PG_USED_OUT;
        }
    }
    return used;
}

unsigned pg_record_http_use(const pg_model *m, const pg_record *r)
{
    return record_use(m, r, true);
}

unsigned pg_record_use(const pg_model *m, const pg_record *r)
{
    unsigned used = record_use(m, r, false);
    return used ? used : PG_USED_IN | PG_USED_OUT;
}
