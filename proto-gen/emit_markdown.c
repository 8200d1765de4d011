/* Emits reference.md: every call, record, enum and error for people, those of the bus alone included. */
#include "check.h"
#include "emit.h"
#include "example.h"

#include <inttypes.h>

/* Text inside a table's cell. */
static void put_cell(sut_buf *b, const char *text)
{
    for (; *text; text++)
        pg_put(b, *text == '|' ? "\\|" : "%c", *text);
}

static void put_record_link(sut_buf *b, const pg_record *r)
{
    pg_put(b, "[%s.%s](#record-%s-%s)", r->domain->name, r->name, r->domain->name, r->name);
}

static void put_type(sut_buf *b, const pg_field *f)
{
    if (f->type == SUT_T_ENUM)
        pg_put(b, "[%s.%s](#enum-%s-%s)", f->enumeration->domain->name, f->enumeration->name,
               f->enumeration->domain->name, f->enumeration->name);
    else if (f->type == SUT_T_RECORD)
        put_record_link(b, f->record);
    else
        pg_put(b, "%s", pg_type_name(f->type));
    if (f->element) {
        pg_put(b, " of ");
        put_type(b, f->element);
    }
}

static void put_limit(sut_buf *b, const pg_field *f, const char *word, pg_scalar value)
{
    char date[11];
    pg_put(b, ", %s ", word);
    if (f->type == SUT_T_F64) {
        pg_put(b, "%.15g", value.f);
    } else if (f->type == SUT_T_DATE) {
        sut_date_format((int32_t)value.i, date);
        pg_put(b, "%s", date);
    } else {
        pg_put(b, "%" PRId64, value.i);
    }
}

static void put_count(sut_buf *b, uint32_t min, uint32_t max, const char *unit)
{
    if (min && max)
        pg_put(b, ", %u to %u %s", min, max, unit);
    else if (max)
        pg_put(b, ", at most %u %.*s", max, (int)strlen(unit) - (max == 1), unit);
    else if (min)
        pg_put(b, ", at least %u %.*s", min, (int)strlen(unit) - (min == 1), unit);
}

static void put_rules(sut_buf *b, const pg_field *f)
{
    if (f->min_node)
        put_limit(b, f, "from", f->min);
    if (f->max_node)
        put_limit(b, f, "to", f->max);
    put_count(b, f->min_chars, f->max_chars, "characters");
    put_count(b, f->min_bytes, f->max_bytes, "bytes");
    put_count(b, f->min_items, f->max_items, "items");
    if (f->format != SUT_FMT_NONE)
        pg_put(b, ", format %s", pg_format_name(f->format));
    if (f->pattern) {
        pg_put(b, ", matching `");
        put_cell(b, f->pattern);
        pg_put(b, "`");
    }
    const struct {
        bool on;
        const char *text;
    } flags[] = {{f->nullable, "or null"},
                 {f->text == SUT_TEXT_LINE, "text of one line"},
                 {f->text == SUT_TEXT_BLOCK, "text of lines"},
                 {f->trim, "trimmed"},
                 {f->lower, "lowered"},
                 {f->secret, "**secret**"},
                 {f->personal, "*personal*"}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(flags); i++)
        if (flags[i].on)
            pg_put(b, ", %s", flags[i].text);
    if (f->default_node) {
        pg_put(b, ", `");
        put_cell(b, f->default_node->text);
        pg_put(b, "` unless said");
    }
}

static void put_fields(sut_buf *b, const pg_record *r, const pg_method *m)
{
    static const char *const places[] = {
        [SUT_FROM_BODY] = "body",     [SUT_FROM_PATH] = "path",       [SUT_FROM_QUERY] = "query",
        [SUT_FROM_HEADER] = "header", [SUT_FROM_CLIENT] = "the edge", [SUT_FROM_NOWHERE] = "bus only"};
    bool from = m && m->verb;
    pg_put(b, "| field |%s type | | what it is |\n|---|%s---|---|---|\n", from ? " from |" : "", from ? "---|" : "");
    for (size_t i = 0; i < r->count; i++) {
        const pg_field *f = &r->fields[i];
        pg_put(b, "| `%s` | ", f->name);
        if (from) {
            pg_put(b, "%s", places[m->sources[i].from]);
            if (strcmp(m->sources[i].name, f->name) != 0)
                pg_put(b, " `%s`", m->sources[i].name);
            pg_put(b, " | ");
        }
        put_type(b, f);
        put_rules(b, f);
        pg_put(b, " | %s | ", f->required ? "required" : "");
        put_cell(b, f->doc);
        pg_put(b, " |\n");
    }
    pg_put(b, "\n");
}

static void put_body(sut_buf *b, const char *title, const pg_record *r, const pg_method *m)
{
    if (!r->count) {
        pg_put(b, "%s: nothing.\n\n", title);
        return;
    }
    pg_put(b, "%s", title);
    if (!r->method) {
        pg_put(b, ": ");
        put_record_link(b, r);
    }
    pg_put(b, "\n\n");
    if (r->method || m)
        put_fields(b, r, m);
}

static void put_example(pg_context *c, sut_buf *b, const pg_method *m)
{
    pg_put(b, "```\nsut call %s '%s'\n%s\n```\n\n", m->subject, pg_example_record(c, m->in, false, NULL, NULL, 0),
           pg_example_record(c, m->out, false, NULL, NULL, 0));
}

static void put_errors(sut_buf *b, const pg_method *m)
{
    pg_put(b, "Errors:");
    const char *before = " ";
    for (size_t i = 0; i < m->error_count; i++) {
        if (m->errors[i].edge_only)
            continue;
        pg_put(b, "%s%u `%s`", before, m->errors[i].http_status, m->errors[i].code);
        before = ", ";
    }
    pg_put(b, ".\n\n");
}

static void put_method(pg_context *c, sut_buf *b, const pg_method *m)
{
    pg_put(b, "### %s\n\n%s\n\n", m->subject, m->doc);
    if (m->verb)
        pg_put(b, "`%s %s` answers %u. ", m->verb, m->path, m->success_status);
    else
        pg_put(b, "On the bus only. ");
    if (m->service_only)
        pg_put(b, "For services, without a principal. ");
    else
        pg_put(b, "Level %s. ", pg_level_name(m->level));
    if (m->self)
        pg_put(b, "`%s` must be the caller. ", m->self->name);
    if (m->owner)
        pg_put(b, "The caller must be a friend of `%s`. ", m->owner->name);
    pg_put(b, "%s. %u ms", m->idempotent ? "Idempotent" : "Not idempotent", m->timeout_ms);
    if (m->verb)
        pg_put(b, ", rate class %s", m->rate_class);
    pg_put(b, ", since %s.\n\n", m->since);
    put_body(b, "Asks", m->in, m->verb ? m : NULL);
    put_body(b, "Answers", m->out, NULL);
    put_errors(b, m);
    put_example(c, b, m);
}

static void put_event(pg_context *c, sut_buf *b, const pg_event *e)
{
    pg_put(b, "### Event %s\n\n%s\n\nPublished by %s%s. ", e->subject, e->doc, e->domain->name,
           e->open ? ", and by whoever the access list lets" : "");
    if (e->key)
        pg_put(b, "In order for each `%s`. ", e->key->name);
    else
        pg_put(b, "In no order. ");
    pg_put(b, "Since %s.\n\n", e->since);
    put_fields(b, e->body, NULL);
    pg_put(b, "```\nsut publish %s '%s'\n```\n\n", e->subject, pg_example_record(c, e->body, false, NULL, NULL, 0));
}

static void put_consumers(sut_buf *b, const pg_domain *d)
{
    if (!d->consumer_count)
        return;
    pg_put(b, "### Consumers of %s\n\n| event | group | ack wait | |\n|---|---|---|---|\n", d->name);
    for (size_t i = 0; i < d->consumer_count; i++) {
        const pg_consumer *u = &d->consumers[i];
        pg_put(b, "| `%s` | `%s` | %u ms | ", u->event->subject, u->group, u->ack_wait_ms);
        put_cell(b, u->doc);
        pg_put(b, " |\n");
    }
    pg_put(b, "\n");
}

static void put_domain(pg_context *c, sut_buf *b, const pg_domain *d)
{
    pg_put(b, "## %s\n\n%s\n\n", d->name, d->doc);
    for (size_t i = 0; i < d->method_count; i++)
        put_method(c, b, &d->methods[i]);
    for (size_t i = 0; i < d->event_count; i++)
        put_event(c, b, &d->events[i]);
    put_consumers(b, d);
    for (size_t i = 0; i < d->record_count; i++) {
        const pg_record *r = &d->records[i];
        if (r->method || r->event)
            continue;
        pg_put(b, "<a id=\"record-%s-%s\"></a>\n\n### Record %s.%s\n\n%s\n\n", d->name, r->name, d->name, r->name,
               r->doc);
        put_fields(b, r, NULL);
    }
    for (size_t i = 0; i < d->enum_count; i++) {
        const pg_enum *e = &d->enums[i];
        pg_put(b, "<a id=\"enum-%s-%s\"></a>\n\n### Enum %s.%s\n\n%s\n\n| value | |\n|---|---|\n", d->name, e->name,
               d->name, e->name, e->doc);
        for (size_t v = 0; v < e->count; v++) {
            pg_put(b, "| `%s` | ", e->values[v].name);
            put_cell(b, e->values[v].doc);
            pg_put(b, " |\n");
        }
        pg_put(b, "\n");
    }
    if (!d->error_count)
        return;
    pg_put(b, "### Errors of %s\n\n| code | status | |\n|---|---|---|\n", d->name);
    for (size_t i = 0; i < d->error_count; i++) {
        pg_put(b, "| `%s` | %u | ", d->errors[i].name, d->errors[i].http_status);
        put_cell(b, d->errors[i].doc);
        pg_put(b, " |\n");
    }
    pg_put(b, "\n");
}

static void put_overview(sut_buf *b, const pg_model *m)
{
    pg_put(b, "| call | HTTP | level | |\n|---|---|---|---|\n");
    for (size_t i = 0; i < m->count; i++) {
        for (size_t j = 0; j < m->domains[i]->method_count; j++) {
            const pg_method *method = &m->domains[i]->methods[j];
            char anchor[128];
            size_t n = 0;
            for (const char *s = method->subject; *s && n + 1 < sizeof(anchor); s++)
                if (*s != '.')
                    anchor[n++] = *s;
            anchor[n] = 0;
            pg_put(b, "| [%s](#%s) | ", method->subject, anchor);
            if (method->verb)
                pg_put(b, "`%s %s`", method->verb, method->path);
            pg_put(b, " | %s | ", method->service_only ? "services" : pg_level_name(method->level));
            put_cell(b, method->doc);
            pg_put(b, " |\n");
        }
    }
    pg_put(b, "\n");
}

static void put_event_overview(pg_context *c, sut_buf *b, const pg_model *m)
{
    size_t count;
    const pg_event **all = pg_all_events(c, m, &count);
    if (!count)
        return;
    pg_put(b, "| event | published by | key | |\n|---|---|---|---|\n");
    for (size_t i = 0; i < count; i++) {
        pg_put(b, "| `%s` | %s%s | %s | ", all[i]->subject, all[i]->domain->name, all[i]->open ? ", tools" : "",
               all[i]->key ? all[i]->key->name : "");
        put_cell(b, all[i]->doc);
        pg_put(b, " |\n");
    }
    pg_put(b, "\n");
}

static void put_platform_errors(sut_buf *b)
{
    pg_put(b, "## Errors of every call\n\n| code | status | |\n|---|---|---|\n");
    for (int err = 1; err < SUT_ERR_PLATFORM_COUNT; err++) {
        const sut_error_desc *e = sut_platform_error(err);
        pg_put(b, "| `%s` | %d | ", e->code, e->http_status);
        put_cell(b, e->doc);
        pg_put(b, " |\n");
    }
}

void pg_emit_markdown(pg_context *c, const pg_model *m, pg_outputs *o)
{
    sut_buf *b = pg_output_new(c, o, "reference.md");
    pg_put(b, "<!-- Generated by proto-gen from the schemas: do not edit. -->\n\n# Reference\n\n"
              "Every call and every event of ShareUpTime: by HTTP as JSON where a path is given, and on the bus as "
              "msgpack under the name "
              "(docs/protocol.md). `openapi.json` beside this file says the same of HTTP for programs.\n\n");
    put_overview(b, m);
    put_event_overview(c, b, m);
    for (size_t i = 0; i < m->count; i++)
        if (m->domains[i]->method_count || m->domains[i]->event_count || m->domains[i]->record_count ||
            m->domains[i]->enum_count)
            put_domain(c, b, m->domains[i]);
    put_platform_errors(b);
}
