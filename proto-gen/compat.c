/* Compares domains, enums, errors and methods of two models (compat.h). */
#include "compat.h"

#define BREAKS "breaks users of the schemas before: "

static void compare_enums(pg_context *c, const pg_domain *was, const pg_domain *is)
{
    for (size_t i = 0; i < was->enum_count; i++) {
        const pg_enum *old = &was->enums[i], *now = pg_find_enum(is, old->name);
        if (!now) {
            pg_error(c, is->pos, BREAKS "enum \"%s\" was removed (%s:%d)", old->name, old->pos.file, old->pos.line);
            continue;
        }
        for (size_t v = 0; v < old->count; v++) {
            bool found = false;
            for (size_t n = 0; n < now->count; n++)
                found = found || strcmp(now->values[n].name, old->values[v].name) == 0;
            if (!found)
                pg_error(c, now->pos, BREAKS "enum \"%s\" lost its value \"%s\" (%s:%d)", old->name,
                         old->values[v].name, old->values[v].pos.file, old->values[v].pos.line);
        }
    }
}

static void compare_errors(pg_context *c, const pg_domain *was, const pg_domain *is)
{
    for (size_t i = 0; i < was->error_count; i++) {
        const pg_domain_error *old = &was->errors[i], *now = NULL;
        for (size_t n = 0; n < is->error_count; n++)
            if (strcmp(is->errors[n].name, old->name) == 0)
                now = &is->errors[n];
        if (!now)
            pg_error(c, is->pos, BREAKS "error \"%s\" was removed (%s:%d)", old->name, old->pos.file, old->pos.line);
        else if (now->http_status != old->http_status)
            pg_error(c, now->pos, BREAKS "error \"%s\" had status %u, not %u", old->name, old->http_status,
                     now->http_status);
    }
}

static const char *name_of(const pg_field *f)
{
    return f ? f->name : "none";
}

static bool same_name(const pg_field *a, const pg_field *b)
{
    return strcmp(name_of(a), name_of(b)) == 0;
}

static void compare_http(pg_context *c, const pg_method *was, const pg_method *is)
{
    static const char *const places[] = {"body", "path", "query", "header", "client", "nowhere"};
    if (!was->verb)
        return;
    if (!is->verb) {
        pg_error(c, is->pos, BREAKS "method \"%s\" could be reached by %s %s", is->name, was->verb, was->path);
        return;
    }
    if (strcmp(was->verb, is->verb) != 0)
        pg_error(c, is->verb_node->pos, BREAKS "the verb of method \"%s\" was %s", is->name, was->verb);
    if (strcmp(was->path, is->path) != 0)
        pg_error(c, is->path_node->pos, BREAKS "the path of method \"%s\" was %s", is->name, was->path);
    if (was->success_status != is->success_status)
        pg_error(c, is->status_node ? is->status_node->pos : is->pos, BREAKS "the status of method \"%s\" was %u",
                 is->name, was->success_status);
    for (size_t i = 0; i < was->in->count; i++) {
        const pg_field *now = pg_find_field(is->in, was->in->fields[i].name);
        const pg_source *old = &was->sources[i], *source = now ? &is->sources[now - is->in->fields] : NULL;
        if (source && (source->from != old->from || strcmp(source->name, old->name) != 0))
            pg_error(c, now->pos, BREAKS "field \"%s\" came from the %s as \"%s\"", now->name, places[old->from],
                     old->name);
    }
}

/* One declared record, which is compared with the records of its domain? */
static bool same_declared(const pg_record *was, const pg_record *is)
{
    return !was->method && !is->method && strcmp(was->domain->name, is->domain->name) == 0 &&
           strcmp(was->name, is->name) == 0;
}

static void compare_method(pg_context *c, const pg_method *was, const pg_method *is)
{
    pg_pos level = is->level_node ? is->level_node->pos : is->pos;
    if (is->service_only && !was->service_only)
        pg_error(c, is->pos, BREAKS "method \"%s\" was not for services only", is->name);
    else if (was->service_only && !is->service_only && is->level > SUT_LEVEL_PUBLIC)
        pg_error(c, level, BREAKS "method \"%s\" needed no principal", is->name);
    else if (is->level > was->level)
        pg_error(c, level, BREAKS "the level of method \"%s\" was %s", is->name, pg_level_name(was->level));
    if (is->self && !same_name(was->self, is->self))
        pg_error(c, is->self_node->pos, BREAKS "\"self\" of method \"%s\" was %s", is->name, name_of(was->self));
    if (is->owner && was->level == SUT_LEVEL_FRIEND && !same_name(was->owner, is->owner))
        pg_error(c, is->owner_node->pos, BREAKS "\"owner\" of method \"%s\" was %s", is->name, name_of(was->owner));
    if (was->idempotent && !is->idempotent)
        pg_error(c, is->pos, BREAKS "method \"%s\" was idempotent; callers repeat it", is->name);
    if (strcmp(was->since, is->since) != 0)
        pg_error(c, is->pos, BREAKS "method \"%s\" is there since %s, which cannot change", is->name, was->since);
    compare_http(c, was, is);
    if (!same_declared(was->in, is->in))
        pg_compare_record(c, was->in, is->in, PG_USED_IN);
    if (!same_declared(was->out, is->out))
        pg_compare_record(c, was->out, is->out, PG_USED_OUT);
}

/* Who subscribes reads an event as who calls reads an answer. */
static void compare_events(pg_context *c, const pg_model *new_model, const pg_domain *was, const pg_domain *is)
{
    for (size_t i = 0; i < was->event_count; i++) {
        const pg_event *old = &was->events[i], *now = pg_find_event(new_model, old->subject);
        if (!now || now->domain != is) {
            pg_error(c, now ? now->pos : is->pos, BREAKS "event \"%s\" was %s (%s:%d)", old->subject,
                     now ? "another domain's" : "removed", old->pos.file, old->pos.line);
            continue;
        }
        if (old->key ? !now->key || strcmp(old->key->name, now->key->name) != 0 : now->key != NULL)
            pg_error(c, now->key_node ? now->key_node->pos : now->pos, BREAKS "the key of event \"%s\" was %s",
                     now->subject, name_of(old->key));
        if (old->open && !now->open)
            pg_error(c, now->pos, BREAKS "event \"%s\" was open; tools publish it", now->subject);
        if (strcmp(old->since, now->since) != 0)
            pg_error(c, now->pos, BREAKS "event \"%s\" is there since %s, which cannot change", now->subject,
                     old->since);
        pg_compare_record(c, old->body, now->body, now->open ? PG_USED_IN | PG_USED_OUT : PG_USED_OUT);
    }
}

static void compare_domain(pg_context *c, const pg_model *old_model, const pg_model *new_model, const pg_domain *was,
                           const pg_domain *is)
{
    compare_enums(c, was, is);
    compare_errors(c, was, is);
    for (size_t i = 0; i < was->record_count; i++) {
        const pg_record *old = &was->records[i], *now = pg_find_record(is, old->name);
        if (old->method || old->event)
            continue; /* with its method or event */
        if (now && !now->method && !now->event)
            pg_compare_record(c, old, now, pg_record_use(old_model, old) | pg_record_use(new_model, now));
        else
            pg_error(c, is->pos, BREAKS "record \"%s\" was removed (%s:%d)", old->name, old->pos.file, old->pos.line);
    }
    for (size_t i = 0; i < was->method_count; i++) {
        const pg_method *old = &was->methods[i], *now = pg_find_method(is, old->name);
        if (now)
            compare_method(c, old, now);
        else
            pg_error(c, is->pos, BREAKS "method \"%s\" was removed (%s:%d)", old->subject, old->pos.file,
                     old->pos.line);
    }
    compare_events(c, new_model, was, is);
}

void pg_compare(pg_context *c, const pg_model *old_model, const pg_model *new_model)
{
    for (size_t i = 0; i < old_model->count; i++) {
        const pg_domain *was = old_model->domains[i], *is = pg_find_domain(new_model, was->name);
        if (is)
            compare_domain(c, old_model, new_model, was, is);
        else
            pg_error(c, was->pos, BREAKS "domain \"%s\" was removed", was->name);
    }
}
