/* sut dlq: dead letters, looked at, delivered again or dropped. */
#include "dlq.h"
#include "ask.h"
#include "input.h"
#include "render.h"

#include <string.h>

#define PAGE    500 /* as many as one answer holds */
#define ALL_MAX 1000000

/* ---- picking ---- */

/* The numbers of the command line. NULL: complained. */
static json_t *parse_ids(const cli_args *a)
{
    json_t *ids = json_array();
    for (size_t i = 1; i < a->position_count; i++) {
        int64_t id;
        if (!sut_parse_i64(sut_str_from(a->position[i]), 1, INT64_MAX, &id)) {
            cli_complain("'%.40s' is no dead letter's number; sut dlq list shows them", a->position[i]);
            json_decref(ids);
            return NULL;
        }
        json_array_append_new(ids, json_integer(id));
    }
    return ids;
}

static json_t *filter(const cli_args *a)
{
    json_t *in = json_object();
    cli_set(in, "group", a->group ? json_string(a->group) : NULL);
    cli_set(in, "subjects", cli_list(a->subject));
    cli_set(in, "key", a->key ? json_string(a->key) : NULL);
    return in;
}

static bool filter_said(const cli_args *a)
{
    return a->group || a->subject || a->key;
}

/* Which letters a change is for: numbers, or a filter; all of all groups only when that is said. */
static bool picked(const cli_args *a)
{
    const char *wrong = NULL;
    bool ids = a->position_count > 1;
    if (ids && (filter_said(a) || a->all))
        wrong = "numbers, or --group, --subject, --key, --all: not both";
    else if (!ids && !filter_said(a) && !a->all)
        wrong = "which ones? numbers, or --group, --subject, --key; --all is all of all groups";
    else if ((a->edit || a->body) && (a->position_count != 2 || strcmp(a->position[0], "drop") == 0))
        wrong = "--edit and --body redrive one dead letter: name its number";
    else if (a->edit && a->body)
        wrong = "--edit or --body, not both";
    if (wrong)
        cli_complain("sut dlq %s: %s", a->position[0], wrong);
    return !wrong;
}

/* ---- list and show ---- */

static int fetch_all(const cli_args *a, sut_client *client, int64_t limit, json_t *all, FILE *out)
{
    int64_t after = 0;
    if (!cli_number("--limit", a->limit, 1, 1000000, &limit))
        return SUT_EXIT_USAGE;
    while ((int64_t)json_array_size(all) < limit) {
        int64_t left = limit - (int64_t)json_array_size(all);
        json_t *in = filter(a), *reply;
        cli_set(in, "limit", json_integer(left < PAGE ? left : PAGE));
        cli_set(in, "after", json_integer(after));
        int code = cli_ask(a, client, "broker.dead_letters", in, &reply, out);
        json_decref(in);
        if (code != 0)
            return code;
        json_array_extend(all, json_object_get(reply, "items"));
        after = (int64_t)cli_num(reply, "after");
        json_decref(reply);
        if (!after)
            break;
    }
    return 0;
}

static int list(const cli_args *a, sut_client *client, FILE *out)
{
    json_t *all = json_array(), *v;
    size_t i;
    int code = fetch_all(a, client, 100, all, out);
    if (code == 0 && a->json) {
        json_array_foreach(all, i, v)
        {
            cli_dump(v, out);
        }
    } else if (code == 0) {
        code = cli_render_dead_letters(all, out) ? SUT_EXIT_OK : SUT_EXIT_SOFTWARE;
    }
    json_decref(all);
    return code;
}

static int show(const cli_args *a, sut_client *client, FILE *out)
{
    json_t *letter;
    if (a->position_count != 2) {
        cli_complain("sut dlq show ID shows one dead letter");
        return SUT_EXIT_USAGE;
    }
    int code = cli_dead_letter(a, client, a->personal, &letter, out);
    if (code == 0 && a->json)
        code = cli_dump(letter, out);
    else if (code == 0)
        code = cli_render_dead_letter(letter, out) ? SUT_EXIT_OK : SUT_EXIT_SOFTWARE;
    json_decref(letter);
    return code;
}

/* ---- redrive and drop ---- */

typedef struct change {
    const char *subject, *done; /* the method, and its reply's list of those that it was done to */
    size_t count, failed;
} change;

static void note(const cli_args *a, const json_t *reply, change *c, FILE *out)
{
    const json_t *failed = json_object_get(reply, "failed"), *v;
    size_t i;
    c->count += json_array_size(json_object_get(reply, c->done));
    c->failed += json_array_size(failed);
    if (a->json)
        cli_dump(reply, out);
    json_array_foreach(failed, i, v)
    {
        cli_complain("%.0f: %s: %s", cli_num(v, "id"), cli_txt(v, "code"), cli_txt(v, "message"));
    }
}

static int send_page(const cli_args *a, sut_client *client, json_t *ids, change *c, FILE *out)
{
    json_t *in = json_pack("{s:O, s:i}", "ids", ids, "limit", PAGE), *reply;
    int code = cli_ask(a, client, c->subject, in, &reply, out);
    json_decref(in);
    if (code == 0)
        note(a, reply, c, out);
    json_decref(reply);
    return code;
}

static int send_all(const cli_args *a, sut_client *client, const json_t *ids, change *c, FILE *out)
{
    int code = 0;
    size_t count = json_array_size(ids);
    for (size_t at = 0; at < count && code == 0; at += PAGE) {
        json_t *page = json_array();
        for (size_t i = at; i < count && i < at + PAGE; i++)
            json_array_append(page, json_array_get(ids, i));
        code = send_page(a, client, page, c, out);
        json_decref(page);
    }
    return code;
}

/* The numbers of those that the filter picks. They are asked for first and then named: a letter that is given again
 * stays on the list until it is acknowledged, so that a filter would pick it for ever. */
static int find_ids(const cli_args *a, sut_client *client, bool redrive, json_t *ids, FILE *out)
{
    json_t *all = json_array(), *v;
    size_t i;
    int code = fetch_all(a, client, ALL_MAX, all, out);
    json_array_foreach(all, i, v)
    {
        if (!redrive || !json_is_true(json_object_get(v, "redriving")))
            json_array_append(ids, json_object_get(v, "id"));
    }
    json_decref(all);
    if (code == 0 && json_array_size(ids) == 0) {
        cli_complain("no dead letter fits; sut dlq list shows those that there are");
        code = CLI_EXIT_ANSWER;
    }
    return code;
}

static int run_change(const cli_args *a, sut_client *client, bool drop, FILE *out)
{
    change c = {.subject = drop ? "broker.dead_drop" : "broker.dead_redrive", .done = drop ? "dropped" : "redriven"};
    json_t *ids = parse_ids(a);
    int code = ids ? 0 : SUT_EXIT_USAGE;
    if (code == 0 && a->position_count == 1)
        code = find_ids(a, client, !drop, ids, out);
    size_t asked = json_array_size(ids);
    if (code == 0)
        code = send_all(a, client, ids, &c, out);
    json_decref(ids);
    if (code != 0)
        return code;
    if (!a->json)
        fprintf(out, drop ? "%zu dropped\n" : "%zu given to their groups again\n", c.count);
    if (c.count == asked)
        return SUT_EXIT_OK;
    if (!c.failed)
        cli_complain("%zu of them are not there; sut dlq list shows those that are", asked - c.count);
    return CLI_EXIT_ANSWER;
}

static bool sure(const cli_args *a)
{
    if (a->position_count == 2)
        return cli_confirm(a, "drop dead letter %s for good", a->position[1]);
    if (a->position_count > 2)
        return cli_confirm(a, "drop these %zu dead letters for good", a->position_count - 1);
    return cli_confirm(a, "drop all dead letters%s%s%s%s%s%s for good", a->group ? " of group " : "",
                       a->group ? a->group : "", a->subject ? " of " : "", a->subject ? a->subject : "",
                       a->key ? " with key " : "", a->key ? a->key : "");
}

static int run(const cli_args *a, sut_client *client, FILE *out)
{
    const char *verb = a->position[0];
    if (strcmp(verb, "list") == 0)
        return list(a, client, out);
    if (strcmp(verb, "show") == 0)
        return show(a, client, out);
    if (a->edit || a->body)
        return cli_dead_redrive_edited(a, client, out);
    return run_change(a, client, strcmp(verb, "drop") == 0, out);
}

int cli_run_dlq(const cli_args *a, FILE *out)
{
    sut_client *client;
    const char *verb = a->position[0];
    bool changes = strcmp(verb, "redrive") == 0 || strcmp(verb, "drop") == 0;
    if (!changes && strcmp(verb, "list") != 0 && strcmp(verb, "show") != 0) {
        cli_complain("sut dlq '%.40s': must be list, show, redrive or drop", verb);
        return SUT_EXIT_USAGE;
    }
    if (strcmp(verb, "list") == 0 && a->position_count > 1) {
        cli_complain("too many arguments: sut dlq show ID shows one");
        return SUT_EXIT_USAGE;
    }
    if (changes && !picked(a))
        return SUT_EXIT_USAGE;
    if (strcmp(verb, "drop") == 0 && !sure(a))
        return SUT_EXIT_USAGE;
    int code = cli_connect(a, &client);
    if (code != 0)
        return code;
    code = run(a, client, out);
    sut_client_free(client);
    return code;
}
