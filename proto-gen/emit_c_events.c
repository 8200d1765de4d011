/* Emits events and consumers in C: what a domain's header names, and the tables. */
#include "emit.h"

void pg_c_event_names(const pg_domain *d, sut_buf *b)
{
    for (size_t i = 0; i < d->event_count; i++)
        pg_put(b, "extern const sut_event %s_%s_event;\n", d->name, d->events[i].name);
    for (size_t i = 0; i < d->consumer_count; i++)
        pg_put(b, "extern const sut_consumer %s_%s_consumer;\n", d->name, d->consumers[i].name);
}

/* Headers of other domains whose events this one consumes, each once. */
void pg_c_event_includes(const pg_domain *d, sut_buf *b)
{
    for (size_t i = 0; i < d->consumer_count; i++) {
        const pg_domain *from = d->consumers[i].event->domain;
        bool seen = from == d;
        for (size_t j = 0; j < i && !seen; j++)
            seen = d->consumers[j].event->domain == from;
        if (!seen)
            pg_put(b, "#include \"%s_schema.h\"\n", from->name);
    }
}

static void put_event(const pg_event *e, sut_buf *b)
{
    const char *domain = e->domain->name;
    pg_put(b, "const sut_event %s_%s_event = {\n    .subject = \"%s\",\n    .service = \"%s\",\n    .open = %s,\n",
           domain, e->name, e->subject, domain, e->open ? "true" : "false");
    pg_put(b, "    .body = &%s_%s_record,\n", domain, e->name);
    if (e->key)
        pg_put(b, "    .key = &%s_%s_fields[%zu],\n", domain, e->name, (size_t)(e->key - e->body->fields));
    pg_put(b, "    .since = \"%s\",\n    .doc = ", e->since);
    pg_put_c_string(b, e->doc);
    pg_put(b, "};\n\n");
}

static void put_consumer(const pg_consumer *u, sut_buf *b)
{
    const char *domain = u->domain->name;
    pg_put(b, "const sut_consumer %s_%s_consumer = {\n    .name = \"%s.%s\",\n    .service = \"%s\",\n", domain,
           u->name, domain, u->name, domain);
    pg_put(b, "    .group = \"%s\",\n    .event = &%s_%s_event,\n    .ack_wait_ms = %u,\n    .doc = ", u->group,
           u->event->domain->name, u->event->name, u->ack_wait_ms);
    pg_put_c_string(b, u->doc);
    pg_put(b, "};\n\n");
}

void pg_c_events(const pg_domain *d, sut_buf *b)
{
    for (size_t i = 0; i < d->event_count; i++)
        put_event(&d->events[i], b);
    for (size_t i = 0; i < d->consumer_count; i++)
        put_consumer(&d->consumers[i], b);
    if (d->event_count)
        pg_put(b, "static const sut_event *const %s_events[] = {\n", d->name);
    for (size_t i = 0; i < d->event_count; i++)
        pg_put(b, "    &%s_%s_event,\n", d->name, d->events[i].name);
    if (d->event_count)
        pg_put(b, "};\n");
    if (d->consumer_count)
        pg_put(b, "static const sut_consumer *const %s_consumers[] = {\n", d->name);
    for (size_t i = 0; i < d->consumer_count; i++)
        pg_put(b, "    &%s_%s_consumer,\n", d->name, d->consumers[i].name);
    if (d->consumer_count)
        pg_put(b, "};\n");
}
