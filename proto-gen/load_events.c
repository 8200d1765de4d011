/* Reads `events:` and `consumes:` (load.h). */
#include "keys.h"
#include "load.h"

#include <stdlib.h>

enum { GROUP_MAX_BYTES = 64 };

/* Tokens of [a-z0-9_] parted by single dots, two at least. */
static bool check_subject(pg_context *c, const pg_node *key)
{
    if (sut_subject_valid(sut_str_from(key->text)) && strchr(key->text, '.')) {
        if (strncmp(key->text, "broker.", 7) != 0)
            return true;
        pg_error(c, key->pos, "\"%s\": subjects that begin with broker. are the broker's own", key->text);
        return false;
    }
    pg_error(c, key->pos,
             "\"%s\" is not a subject for an event: use tokens of a-z, 0-9 and _ parted by single dots, two "
             "at least, such as user.registered",
             key->text);
    return false;
}

static const char *name_of(pg_context *c, const char *subject)
{
    char *name = pg_strdup(c, subject, strlen(subject));
    for (char *s = name; *s; s++)
        if (*s == '.')
            *s = '_';
    return name;
}

static void load_event(pg_context *c, const pg_node *key, pg_event *e)
{
    static const pg_key keys[] = {
        {"doc", PG_KEY_IS_LINE, offsetof(pg_event, doc)},
        {"key", PG_KEY_IS_NODE, offsetof(pg_event, key_node)},
        {"open", PG_KEY_IS_FLAG, offsetof(pg_event, open)},
        {"since", PG_KEY_IS_LINE, offsetof(pg_event, since)},
        {"fields", PG_KEY_IS_NODE, offsetof(pg_event, fields_node)},
    };
    const char *what = pg_printf(c, "event \"%s\"", e->subject);
    (void)pg_read_keys(c, key->value, what, keys, SUT_ARRAY_LEN(keys), e);
    pg_need_doc(c, e->doc, e->pos, what);
    if (pg_entry_count(e->fields_node) == 0 && key->value->kind == PG_MAPPING)
        pg_error(c, e->pos, "%s has no fields", what);
}

static int compare_events(const void *a, const void *b)
{
    return strcmp(((const pg_event *)a)->subject, ((const pg_event *)b)->subject);
}

void pg_load_events(pg_context *c, const pg_node *node, pg_domain *d)
{
    d->events = PG_ARRAY(c, pg_entry_count(node), pg_event);
    for (const pg_node *key = pg_entries(c, node, "events"); key; key = key->next) {
        if (!check_subject(c, key))
            continue;
        pg_event *e = &d->events[d->event_count++];
        *e = (pg_event){.subject = key->text, .pos = key->pos, .domain = d, .since = d->since};
        e->name = name_of(c, e->subject);
        load_event(c, key, e);
    }
    qsort(d->events, d->event_count, sizeof(*d->events), compare_events);
    for (size_t i = 0; i < d->event_count; i++) {
        const pg_event *e = &d->events[i];
        pg_record *r = &d->records[d->record_count++];
        *r = (pg_record){.name = e->name, .doc = e->doc ? e->doc : "", .pos = e->pos, .domain = d, .event = e};
        pg_load_fields(c, e->fields_node, r);
    }
}

/* "DOMAIN-…" of a-z, 0-9 and -. */
static void read_group(pg_context *c, pg_consumer *u)
{
    const pg_node *n = u->group_node;
    const size_t prefix = strlen(u->domain->name);
    if (!n) {
        pg_error(c, u->pos, "consumer \"%s\" has no \"group\"; name the durable group, %s-…", u->name, u->domain->name);
        return;
    }
    const char *text = n->kind == PG_SCALAR ? n->text : "";
    const size_t len = strlen(text);
    if (len > prefix + 1 && len <= GROUP_MAX_BYTES && strncmp(text, u->domain->name, prefix) == 0 &&
        text[prefix] == '-' && strspn(text + prefix, "abcdefghijklmnopqrstuvwxyz0123456789-") == len - prefix)
        u->group = text;
    else
        pg_error(c, n->pos, "a group of this domain is named \"%s-…\", of a-z, 0-9 and -, at most %d bytes",
                 u->domain->name, (int)GROUP_MAX_BYTES);
}

static void load_consumer(pg_context *c, const pg_node *key, pg_consumer *u)
{
    static const pg_key keys[] = {
        {"doc", PG_KEY_IS_LINE, offsetof(pg_consumer, doc)},
        {"event", PG_KEY_IS_NODE, offsetof(pg_consumer, event_node)},
        {"group", PG_KEY_IS_NODE, offsetof(pg_consumer, group_node)},
        {"ack_wait_ms", PG_KEY_IS_NODE, offsetof(pg_consumer, ack_wait_node)},
    };
    const char *what = pg_printf(c, "consumer \"%s\"", u->name);
    (void)pg_read_keys(c, key->value, what, keys, SUT_ARRAY_LEN(keys), u);
    pg_need_doc(c, u->doc, u->pos, what);
    read_group(c, u);
}

static int compare_consumers(const void *a, const void *b)
{
    return strcmp(((const pg_consumer *)a)->name, ((const pg_consumer *)b)->name);
}

void pg_load_consumers(pg_context *c, const pg_node *node, pg_domain *d)
{
    d->consumers = PG_ARRAY(c, pg_entry_count(node), pg_consumer);
    for (const pg_node *key = pg_entries(c, node, "consumes"); key; key = key->next) {
        if (!pg_check_name(c, key, "a consumer"))
            continue;
        pg_consumer *u = &d->consumers[d->consumer_count++];
        *u = (pg_consumer){.name = key->text, .pos = key->pos, .domain = d};
        load_consumer(c, key, u);
    }
    qsort(d->consumers, d->consumer_count, sizeof(*d->consumers), compare_consumers);
}
