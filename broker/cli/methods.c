/* sut methods: what can be called and published, from the schemas that this build knows. No broker is needed. */
#include "methods.h"
#include "ask.h"

#include <stdlib.h>
#include <string.h>

static const char *level_name(const sut_method *m)
{
    static const char *const names[] = {"public", "user", "friend", "admin"};
    if (m->service_only)
        return "service";
    return m->level < SUT_ARRAY_LEN(names) ? names[m->level] : "?";
}

static void each_method(void (*fn)(const sut_method *m, void *arg), void *arg)
{
    for (size_t d = 0; d < sut_domain_count; d++)
        for (size_t i = 0; i < sut_domains[d]->method_count; i++)
            fn(sut_domains[d]->methods[i], arg);
}

/* ---- the list ---- */

static void add_row(const sut_method *m, void *arg)
{
    cli_table *t = arg;
    cli_table_cell(t, "%s", m->name);
    cli_table_cell(t, "%s", level_name(m));
    cli_table_cell(t, "%s", m->idempotent ? "yes" : "no");
    cli_table_cell(t, "%u ms", m->timeout_ms);
    cli_table_cell(t, "%s%s%s", m->http ? m->http->verb : "-", m->http ? " " : "", m->http ? m->http->path : "");
    cli_table_cell(t, "%s", m->doc ? m->doc : "");
}

static int list(FILE *out)
{
    static const cli_column columns[] = {{"METHOD", false}, {"LEVEL", false}, {"IDEMPOTENT", false},
                                         {"TIMEOUT", true}, {"HTTP", false},  {"WHAT IT DOES", false}};
    cli_table t;
    cli_table_init(&t, columns, SUT_ARRAY_LEN(columns));
    each_method(add_row, &t);
    bool printed = cli_table_print(&t, out);
    cli_table_deinit(&t);
    return printed ? SUT_EXIT_OK : SUT_EXIT_SOFTWARE;
}

static void print_name(const sut_method *m, void *arg)
{
    fprintf(arg, "%s\n", m->name);
}

/* ---- one method ---- */

const cli_column cli_field_columns[CLI_FIELD_COLUMNS] = {
    {"FIELD", false}, {"TYPE", false}, {"", false}, {"EXAMPLE", false}, {"MEANING", false}};

static const char *type_name(const sut_field *f, char *out, size_t size)
{
    static const char *const names[] = {"bool", "i32", "i64", "f64", "string", "bytes", "timestamp", "date"};
    char element[64];
    if (f->type < SUT_ARRAY_LEN(names))
        snprintf(out, size, "%s", names[f->type]);
    else if (f->type == SUT_T_ENUM)
        snprintf(out, size, "%s", f->enumeration->name);
    else if (f->type == SUT_T_RECORD)
        snprintf(out, size, "%s", f->record->name);
    else
        snprintf(out, size, "%s of %s", f->type == SUT_T_LIST ? "list" : "map",
                 type_name(f->element, element, sizeof element));
    return out;
}

static void add_field(cli_table *t, const sut_field *f)
{
    char type[80];
    cli_table_cell(t, "  %s", f->name);
    cli_table_cell(t, "%s", type_name(f, type, sizeof type));
    cli_table_cell(t, "%s%s%s", f->flags & SUT_F_REQUIRED ? "required" : "optional",
                   f->flags & SUT_F_NULLABLE ? ", or null" : "", f->flags & SUT_F_SECRET ? ", secret" : "");
    cli_table_cell(t, "%s", f->example ? f->example : "");
    cli_table_cell(t, "%s", f->doc ? f->doc : "");
}

void cli_add_record(cli_table *t, const char *what, const sut_record *r)
{
    cli_table_cell(t, "%s", what);
    for (int i = 0; i < 4; i++)
        cli_table_cell(t, "%s", "");
    for (size_t i = 0; r && i < r->count; i++)
        add_field(t, &r->fields[i]);
}

static int show(const sut_method *m, FILE *out)
{
    cli_table t;
    fprintf(out, "%s: %s\n", m->name, m->doc ? m->doc : "");
    fprintf(out, "level %s, %s, %u ms, since %s\n", level_name(m), m->idempotent ? "idempotent" : "not idempotent",
            m->timeout_ms, m->since ? m->since : "?");
    if (m->http)
        fprintf(out, "%s %s answers %d\n", m->http->verb, m->http->path, m->http->success_status);
    fputc('\n', out);
    cli_table_init(&t, cli_field_columns, CLI_FIELD_COLUMNS);
    cli_add_record(&t, "request", m->in);
    cli_add_record(&t, "reply", m->out);
    bool printed = cli_table_print(&t, out);
    cli_table_deinit(&t);
    if (m->error_count)
        fputs("\nerrors\n", out);
    for (size_t i = 0; i < m->error_count; i++)
        fprintf(out, "  %-22s %d  %s\n", m->errors[i]->code, m->errors[i]->http_status, m->errors[i]->doc);
    return printed ? SUT_EXIT_OK : SUT_EXIT_SOFTWARE;
}

/* ---- for programs ---- */

json_t *cli_fields_json(const sut_record *r)
{
    json_t *all = json_array();
    for (size_t i = 0; r && i < r->count; i++) {
        char type[80];
        const sut_field *f = &r->fields[i];
        json_array_append_new(all, json_pack("{s:s, s:s, s:b, s:b, s:b, s:s*}", "name", f->name, "type",
                                             type_name(f, type, sizeof type), "required", f->flags & SUT_F_REQUIRED,
                                             "nullable", f->flags & SUT_F_NULLABLE, "secret", f->flags & SUT_F_SECRET,
                                             "doc", f->doc));
    }
    return all;
}

static json_t *method_json(const sut_method *m)
{
    json_t *o = json_pack("{s:s, s:s, s:i, s:b, s:b, s:i, s:s*, s:s*}", "name", m->name, "service", m->service, "level",
                          m->level, "idempotent", m->idempotent, "service_only", m->service_only, "timeout_ms",
                          (int)m->timeout_ms, "since", m->since, "doc", m->doc);
    if (m->http)
        json_object_set_new(o, "http",
                            json_pack("{s:s, s:s, s:i}", "verb", m->http->verb, "path", m->http->path, "status",
                                      m->http->success_status));
    return o;
}

static void append_json(const sut_method *m, void *arg)
{
    json_array_append_new(arg, method_json(m));
}

static int print_json(json_t *v, FILE *out)
{
    int code = cli_dump(v, out);
    json_decref(v);
    return code;
}

static int one(const cli_args *a, const char *name, FILE *out)
{
    const sut_method *m = sut_method_find(sut_str_from(name));
    if (!m) {
        cli_complain("the schemas know no method or event '%.60s'; sut methods and sut methods --events list them",
                     name);
        return SUT_EXIT_USAGE;
    }
    if (!a->json)
        return show(m, out);
    json_t *o = method_json(m);
    json_object_set_new(o, "request", cli_fields_json(m->in));
    json_object_set_new(o, "reply", cli_fields_json(m->out));
    json_t *errors = json_array();
    for (size_t i = 0; i < m->error_count; i++)
        json_array_append_new(errors, json_string(m->errors[i]->code));
    json_object_set_new(o, "errors", errors);
    return print_json(o, out);
}

int cli_run_methods(const cli_args *a, FILE *out)
{
    if (a->position_count && sut_event_find(sut_str_from(a->position[0])))
        return cli_show_event(a, sut_event_find(sut_str_from(a->position[0])), out);
    if (a->position_count)
        return one(a, a->position[0], out);
    if (a->events)
        return cli_list_events(a, out);
    if (a->names) {
        each_method(print_name, out);
        return SUT_EXIT_OK;
    }
    if (!a->json)
        return list(out);
    json_t *all = json_array();
    each_method(append_json, all);
    return print_json(all, out);
}
