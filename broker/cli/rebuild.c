/* sut rebuild: a projection is built anew beside the old one, compared and swapped in by the actor that owns it. */
#include "ask.h"
#include "inbox.h"
#include "input.h"
#include "progress.h"

#include "wire/schema.h"

#include <string.h>

#define LOOK_MS 200

/* The graph is known by its own name. */
static const char *projection_named(const char *name)
{
    return strcmp(name, "social-graph") == 0 ? "user.social-graph" : name;
}

static bool subject_of(const char *projection, const char *verb, char out[SUT_SUBJECT_MAX + 1])
{
    projection = projection_named(projection);
    size_t service = strcspn(projection, ".");
    int n = snprintf(out, SUT_SUBJECT_MAX + 1, "%.*s.rebuild_%s", (int)service, projection, verb);
    if (projection[service] && n > 0 && n <= SUT_SUBJECT_MAX && sut_method_find(sut_str_from(out)))
        return true;
    cli_complain("'%.60s': must be SERVICE.PROJECTION of a service that has projections", projection);
    return false;
}

static json_t *projection_of(const char *text)
{
    text = projection_named(text);
    return json_pack("{s:s}", "projection", strchr(text, '.') + 1);
}

static int ask(const cli_args *a, sut_client *client, const char *verb, json_t **reply, FILE *out)
{
    char subject[SUT_SUBJECT_MAX + 1];
    *reply = NULL;
    if (!subject_of(a->position[0], verb, subject))
        return SUT_EXIT_USAGE;
    json_t *in = projection_of(a->position[0]);
    int code = cli_ask(a, client, subject, in, reply, out);
    json_decref(in);
    return code;
}

static void conclude(const cli_args *a, const json_t *status, FILE *out)
{
    if (a->json) {
        cli_dump(status, out);
        return;
    }
    const json_t *v;
    const char *name;
    fprintf(out, "%s: %s", a->position[0], cli_txt(status, "state"));
    json_object_foreach((json_t *)(uintptr_t)status, name, v)
    {
        if (json_is_integer(v))
            fprintf(out, ", %s %lld", name, (long long)json_integer_value(v));
    }
    fputc('\n', out);
    if (*cli_txt(status, "error"))
        cli_complain("%s: %s", a->position[0], cli_txt(status, "error"));
}

/* Looking on may be left: the actor goes on by itself. */
static int watch(const cli_args *a, sut_client *client, FILE *out)
{
    cli_progress progress;
    int code = 0;
    bool over = false;
    cli_progress_begin(&progress, "rebuilt", 0);
    while (code == 0 && !over && !cli_stop_wait(LOOK_MS)) {
        json_t *status;
        code = ask(a, client, "status", &status, out);
        const char *state = cli_txt(status, "state");
        over = code == 0 && (strcmp(state, "done") == 0 || strcmp(state, "failed") == 0 || strcmp(state, "idle") == 0);
        cli_progress_show(&progress, (uint64_t)cli_num(status, "rows"));
        if (over) {
            cli_progress_end(&progress);
            conclude(a, status, out);
            code = strcmp(state, "failed") == 0 ? CLI_EXIT_ANSWER : SUT_EXIT_OK;
        }
        json_decref(status);
    }
    cli_progress_end(&progress);
    if (code == 0 && !over) {
        fputs("it goes on; the same command looks again\n", stderr);
        return CLI_EXIT_TEMPFAIL;
    }
    return code;
}

int cli_run_rebuild(const cli_args *a, FILE *out)
{
    sut_client *client;
    json_t *begun;
    char subject[SUT_SUBJECT_MAX + 1];
    if (!subject_of(a->position[0], "start", subject))
        return SUT_EXIT_USAGE;
    if (!cli_confirm(a, "build %s anew and swap it in", a->position[0]))
        return SUT_EXIT_USAGE;
    int code = cli_stop_begin();
    if (code == 0)
        code = cli_connect(a, &client);
    if (code != 0)
        return code;
    code = ask(a, client, "start", &begun, out);
    json_decref(begun);
    if (code == 0)
        code = watch(a, client, out);
    sut_client_free(client);
    return code;
}
