/* sut admin: who is an administrator. Only here is it said, by whoever may call auth on this machine. */
#include "ask.h"
#include "table.h"

#include <string.h>

static const struct verb {
    const char *name, *subject;
    const char *done, *already; /* what is said of the account then */
} s_changes[] = {
    {"grant", "auth.admin_grant", "is an administrator now, from the next login on", "is an administrator already"},
    {"revoke", "auth.admin_revoke", "is no administrator any more", "is no administrator"},
};

static int change(const cli_args *a, sut_client *client, const struct verb *verb, FILE *out)
{
    json_t *in = json_pack("{s:s}", "email", a->position[1]), *reply;
    int code = cli_ask(a, client, verb->subject, in, &reply, out);
    json_decref(in);
    if (code != 0)
        return code;
    bool changed = json_is_true(json_object_get(reply, "changed"));
    if (a->json)
        code = cli_dump(reply, out);
    else
        fprintf(out, "%s (user %.0f) %s\n", a->position[1], cli_num(reply, "user_id"),
                changed ? verb->done : verb->already);
    json_decref(reply);
    return code;
}

/* ---- list ---- */

/* The last one's id. */
static double add_rows(cli_table *t, const json_t *reply, double last)
{
    const json_t *v;
    size_t i;
    json_array_foreach(json_object_get(reply, "items"), i, v)
    {
        last = cli_num(v, "user_id");
        cli_table_cell(t, "%.0f", last);
        cli_table_cell(t, "%s", cli_txt(v, "email"));
        cli_table_cell(t, "%s", cli_txt(v, "username"));
        cli_table_cell(t, "%s", cli_txt(v, "state"));
    }
    return last;
}

static int list_rows(const cli_args *a, sut_client *client, cli_table *t, FILE *out)
{
    json_int_t after = 0;
    bool more = true;
    int code = 0;
    while (code == 0 && more) {
        json_t *in = json_pack("{s:I}", "after", after), *reply;
        code = cli_ask(a, client, "auth.admin_list", in, &reply, out);
        json_decref(in);
        if (code == 0 && a->json)
            code = cli_dump(reply, out); /* a line a page */
        json_int_t last = (json_int_t)add_rows(t, reply, (double)after);
        more = last > after && json_is_true(json_object_get(reply, "more"));
        after = last;
        json_decref(reply);
    }
    return code;
}

static int list(const cli_args *a, sut_client *client, FILE *out)
{
    static const cli_column columns[] = {{"USER", true}, {"EMAIL", false}, {"NAME", false}, {"STATE", false}};
    cli_table t;
    cli_table_init(&t, columns, SUT_ARRAY_LEN(columns));
    int code = list_rows(a, client, &t, out);
    bool printed = a->json || code != 0 || cli_table_print(&t, out);
    if (code == 0 && t.cell_count == 0)
        fputs("there is no administrator; sut admin grant EMAIL makes one\n", stderr);
    cli_table_deinit(&t);
    return printed ? code : SUT_EXIT_SOFTWARE;
}

/* NULL: the words are wrong, and it was said how. */
static const struct verb *verb_of(const cli_args *a, bool *lists)
{
    *lists = strcmp(a->position[0], "list") == 0;
    for (size_t i = 0; i < SUT_ARRAY_LEN(s_changes); i++) {
        if (strcmp(a->position[0], s_changes[i].name) != 0)
            continue;
        if (a->position_count == 2)
            return &s_changes[i];
        cli_complain("sut admin %s EMAIL: the account's address is missing", s_changes[i].name);
        return NULL;
    }
    if (!*lists)
        cli_complain("sut admin '%.40s': must be grant, revoke or list", a->position[0]);
    else if (a->position_count > 1)
        cli_complain("sut admin list takes nothing more");
    else
        return &s_changes[0]; /* any */
    return NULL;
}

int cli_run_admin(const cli_args *a, FILE *out)
{
    sut_client *client;
    bool lists;
    const struct verb *verb = verb_of(a, &lists);
    if (!verb)
        return SUT_EXIT_USAGE;
    int code = cli_connect(a, &client);
    if (code != 0)
        return code;
    code = lists ? list(a, client, out) : change(a, client, verb, out);
    sut_client_free(client);
    return code;
}
