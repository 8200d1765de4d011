/* Events and who consumes them, from the schemas that this build knows. */
#include "ask.h"
#include "methods.h"

#include <string.h>

/* The groups that take an event, parted by commas. */
static const char *groups_of(const sut_event *e, char *out, size_t size)
{
    size_t len = 0;
    *out = '\0';
    for (size_t i = 0; i < sut_consumer_count && len < size; i++)
        if (sut_consumers[i]->event == e)
            len += (size_t)snprintf(out + len, size - len, "%s%s", len ? ", " : "", sut_consumers[i]->group);
    return *out ? out : "-";
}

static json_t *event_json(const sut_event *e)
{
    char groups[512];
    return json_pack("{s:s, s:s, s:b, s:s*, s:s, s:s*, s:s*}", "subject", e->subject, "service", e->service, "open",
                     e->open, "key", e->key ? e->key->name : NULL, "groups", groups_of(e, groups, sizeof groups),
                     "since", e->since, "doc", e->doc);
}

static int list_json(FILE *out)
{
    json_t *all = json_array();
    for (size_t i = 0; i < sut_event_count; i++)
        json_array_append_new(all, event_json(sut_events[i]));
    int code = cli_dump(all, out);
    json_decref(all);
    return code;
}

int cli_list_events(const cli_args *a, FILE *out)
{
    static const cli_column columns[] = {
        {"EVENT", false}, {"KEY", false}, {"PUBLISHED BY", false}, {"CONSUMED BY", false}, {"WHAT IT SAYS", false}};
    char groups[512];
    cli_table t;
    if (a->json)
        return list_json(out);
    if (a->names) {
        for (size_t i = 0; i < sut_event_count; i++)
            fprintf(out, "%s\n", sut_events[i]->subject);
        return SUT_EXIT_OK;
    }
    cli_table_init(&t, columns, SUT_ARRAY_LEN(columns));
    for (size_t i = 0; i < sut_event_count; i++) {
        const sut_event *e = sut_events[i];
        cli_table_cell(&t, "%s", e->subject);
        cli_table_cell(&t, "%s", e->key ? e->key->name : "-");
        cli_table_cell(&t, "%s", e->open ? "anybody allowed" : e->service);
        cli_table_cell(&t, "%s", groups_of(e, groups, sizeof groups));
        cli_table_cell(&t, "%s", e->doc ? e->doc : "");
    }
    bool printed = cli_table_print(&t, out);
    cli_table_deinit(&t);
    return printed ? SUT_EXIT_OK : SUT_EXIT_SOFTWARE;
}

int cli_show_event(const cli_args *a, const sut_event *e, FILE *out)
{
    char groups[512];
    cli_table t;
    if (a->json) {
        json_t *o = event_json(e);
        json_object_set_new(o, "body", cli_fields_json(e->body));
        int code = cli_dump(o, out);
        json_decref(o);
        return code;
    }
    fprintf(out, "%s: %s\n", e->subject, e->doc ? e->doc : "");
    fprintf(out, "an event, ordered by %s, published by %s, consumed by %s, since %s\n\n",
            e->key ? e->key->name : "nothing", e->open ? "anybody allowed" : e->service,
            groups_of(e, groups, sizeof groups), e->since ? e->since : "?");
    cli_table_init(&t, cli_field_columns, CLI_FIELD_COLUMNS);
    cli_add_record(&t, "body", e->body);
    bool printed = cli_table_print(&t, out);
    cli_table_deinit(&t);
    return printed ? SUT_EXIT_OK : SUT_EXIT_SOFTWARE;
}
