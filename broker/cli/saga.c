/* sut saga: what sagas of an actor are under way or stuck; each service that has some answers SERVICE.saga_list, _show
 * and _retry. */
#include "ask.h"
#include "input.h"
#include "table.h"

#include "wire/schema.h"

#include <string.h>

#define ITEMS_PAGE 100

static bool subject_of(const char *service, const char *verb, char out[SUT_SUBJECT_MAX + 1])
{
    int n = snprintf(out, SUT_SUBJECT_MAX + 1, "%s.saga_%s", service, verb);
    if (n > 0 && n <= SUT_SUBJECT_MAX && sut_method_find(sut_str_from(out)))
        return true;
    cli_complain("the schemas know no sagas of '%.40s'", service);
    return false;
}

static void add_rows(cli_table *t, const char *service, const json_t *reply)
{
    const json_t *v;
    size_t i;
    json_array_foreach(json_object_get(reply, "items"), i, v)
    {
        cli_table_cell(t, "%s", service);
        cli_table_cell(t, "%.0f", cli_num(v, "id"));
        cli_table_cell(t, "%s", cli_txt(v, "name"));
        cli_table_cell(t, "%s", cli_txt(v, "state"));
        cli_table_cell(t, "%s", cli_txt(v, "step"));
        cli_table_cell(t, "%.0f", cli_num(v, "attempts"));
        cli_table_cell(t, "%.19s", cli_txt(v, "updated_at"));
        cli_table_cell(t, "%s", cli_txt(v, "error"));
    }
}

static int list_one(const cli_args *a, sut_client *client, const char *service, cli_table *t, FILE *out)
{
    char subject[SUT_SUBJECT_MAX + 1];
    int64_t limit = ITEMS_PAGE;
    json_t *reply;
    if (!subject_of(service, "list", subject) || !cli_number("--limit", a->limit, 1, 1000, &limit))
        return SUT_EXIT_USAGE;
    json_t *in = json_pack("{s:I}", "limit", (json_int_t)limit);
    int code = cli_ask(a, client, subject, in, &reply, out);
    json_decref(in);
    if (code == 0 && a->json)
        cli_dump(reply, out);
    else if (code == 0)
        add_rows(t, service, reply);
    json_decref(reply);
    return code;
}

/* Of one service, or of all that have some; one that is down is said and the others are shown. */
static int list(const cli_args *a, sut_client *client, FILE *out)
{
    static const cli_column columns[] = {{"SERVICE", false}, {"ID", true},       {"SAGA", false},    {"STATE", false},
                                         {"STEP", false},    {"ATTEMPTS", true}, {"CHANGED", false}, {"ERROR", false}};
    int code = 0;
    cli_table t;
    cli_table_init(&t, columns, SUT_ARRAY_LEN(columns));
    if (a->position_count > 1)
        code = list_one(a, client, a->position[1], &t, out);
    for (size_t i = 0; a->position_count < 2 && i < sut_method_count; i++) {
        const char *dot = strchr(sut_methods[i]->name, '.');
        if (!dot || strcmp(dot, ".saga_list") != 0)
            continue;
        int failed = list_one(a, client, sut_methods[i]->service, &t, out);
        code = failed ? failed : code;
    }
    bool printed = a->json || (code != 0 && t.cell_count == 0) || cli_table_print(&t, out);
    cli_table_deinit(&t);
    return printed ? code : SUT_EXIT_SOFTWARE;
}

static int one(const cli_args *a, sut_client *client, const char *verb, FILE *out)
{
    char subject[SUT_SUBJECT_MAX + 1];
    json_t *reply;
    int64_t id;
    if (!subject_of(a->position[1], verb, subject))
        return SUT_EXIT_USAGE;
    if (!sut_parse_i64(sut_str_from(a->position[2]), 1, INT64_MAX, &id)) {
        cli_complain("'%.40s' is no saga's number; sut saga list shows them", a->position[2]);
        return SUT_EXIT_USAGE;
    }
    json_t *in = json_pack("{s:I}", "id", (json_int_t)id);
    int code = cli_ask(a, client, subject, in, &reply, out);
    json_decref(in);
    if (code == 0 && a->json)
        code = cli_dump(reply, out);
    else if (code == 0 && json_dumpf(reply, out, JSON_INDENT(2)) == 0)
        fputc('\n', out);
    json_decref(reply);
    return code;
}

int cli_run_saga(const cli_args *a, FILE *out)
{
    sut_client *client;
    const char *verb = a->position[0];
    bool lists = strcmp(verb, "list") == 0, retries = strcmp(verb, "retry") == 0;
    if (!lists && !retries && strcmp(verb, "show") != 0) {
        cli_complain("sut saga '%.40s': must be list, show or retry", verb);
        return SUT_EXIT_USAGE;
    }
    if (lists ? a->position_count > 2 : a->position_count != 3) {
        cli_complain(lists ? "sut saga list takes at most a service" : "sut saga %s SERVICE ID", verb);
        return SUT_EXIT_USAGE;
    }
    if (retries && !cli_confirm(a, "let saga %s of %s go on from where it is stuck", a->position[2], a->position[1]))
        return SUT_EXIT_USAGE;
    int code = cli_connect(a, &client);
    if (code != 0)
        return code;
    code = lists ? list(a, client, out) : one(a, client, verb, out);
    sut_client_free(client);
    return code;
}
