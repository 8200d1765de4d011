/* Checks events and consumers (check.h). */
#include "check.h"

#include "keys.h"

enum { ACK_WAIT_DEFAULT_MS = 5000, ACK_WAIT_MIN_MS = 100, ACK_WAIT_MAX_MS = 600000, SECRET_DEPTH_MAX = 16 };

/* The journal keeps events and every subscriber reads them. */
static void refuse_secrets(pg_checker *k, const pg_event *e, const pg_record *r, int depth)
{
    for (size_t i = 0; i < r->count && depth < SECRET_DEPTH_MAX; i++) {
        const pg_field *f = &r->fields[i];
        if (f->secret || (f->element && f->element->secret))
            pg_error(k->c, f->pos, "event \"%s\" may hold no secret: field \"%s\" is one; send an id instead",
                     e->subject, f->name);
        const pg_record *inner = f->record ? f->record : f->element ? f->element->record : NULL;
        if (inner)
            refuse_secrets(k, e, inner, depth + 1);
    }
}

static void check_key(pg_checker *k, pg_event *e)
{
    const pg_node *n = e->key_node;
    if (!n)
        return;
    if (n->kind != PG_SCALAR) {
        pg_error(k->c, n->pos, "\"key\" must be the name of a field, not %s", pg_kind_text(k->c, n));
        return;
    }
    e->key = pg_find_field(e->body, n->text);
    if (!e->key) {
        const char **names = PG_ARRAY(k->c, e->body->count + 1, const char *);
        for (size_t i = 0; i < e->body->count; i++)
            names[i] = e->body->fields[i].name;
        pg_error(k->c, n->pos, "\"key\": event \"%s\" has no field \"%s\"%s", e->subject, n->text,
                 pg_did_you_mean(k->c, n->text, names, e->body->count));
    } else if (e->key->resolved &&
               ((e->key->type != SUT_T_I64 && e->key->type != SUT_T_STRING) || !e->key->required || e->key->nullable)) {
        pg_error(k->c, n->pos, "\"key\": field \"%s\" must be a required i64 or string", e->key->name);
    }
}

void pg_check_event(pg_checker *k, pg_event *e)
{
    const pg_event *first = pg_find_event(k->m, e->subject);
    e->body = pg_find_record(e->domain, e->name);
    if (first != e)
        pg_error(k->c, e->pos, "event \"%s\" is already declared in %s", e->subject, first->pos.file);
    if (e->domain == k->common)
        pg_error(k->c, e->pos, "the domain " PG_COMMON " is served by nobody, so it publishes nothing");
    for (size_t i = 0; i < k->m->count; i++)
        for (size_t j = 0; j < k->m->domains[i]->method_count; j++)
            if (strcmp(k->m->domains[i]->methods[j].subject, e->subject) == 0)
                pg_error(k->c, e->pos, "\"%s\" is a method; name the event otherwise", e->subject);
    pg_check_since(k, e->since, e->pos, pg_printf(k->c, "event \"%s\"", e->subject));
    check_key(k, e);
    refuse_secrets(k, e, e->body, 0);
}

static void find_event(pg_checker *k, pg_consumer *u)
{
    const pg_node *n = u->event_node;
    const char *subject = n && n->kind == PG_SCALAR ? n->text : "";
    size_t count;
    if (!n) {
        pg_error(k->c, u->pos, "consumer \"%s\" has no \"event\"; say which subject it takes", u->name);
        return;
    }
    u->event = pg_find_event(k->m, subject);
    if (u->event)
        return;
    const pg_event **all = pg_all_events(k->c, k->m, &count);
    const char **names = PG_ARRAY(k->c, count + 1, const char *);
    for (size_t i = 0; i < count; i++)
        names[i] = all[i]->subject;
    const char *hint = pg_did_you_mean(k->c, subject, names, count);
    pg_error(k->c, n->pos, "no schema declares an event \"%s\"%s", subject, hint);
}

void pg_check_consumer(pg_checker *k, pg_consumer *u)
{
    int64_t wait = ACK_WAIT_DEFAULT_MS;
    if (u->ack_wait_node)
        (void)pg_read_number(k->c, u->ack_wait_node, "\"ack_wait_ms\"", ACK_WAIT_MIN_MS, ACK_WAIT_MAX_MS, &wait);
    u->ack_wait_ms = (uint32_t)wait;
    find_event(k, u);
    for (const pg_consumer *other = u->domain->consumers; other < u; other++)
        if (u->event && other->event == u->event && u->group && other->group && strcmp(u->group, other->group) == 0)
            pg_error(k->c, u->pos, "consumer \"%s\" takes \"%s\" in group \"%s\", as \"%s\" does", u->name,
                     u->event->subject, u->group, other->name);
}
