/* sut why: one request by its trace id, or the requests of a user. */
#include "why.h"
#include "ask.h"
#include "inbox.h"
#include "input.h"
#include "tap_feed.h"

#include <string.h>

#define TRACES_MAX 1000

/* A trace id, or a whole traceparent as logs have it. False: complained. */
static bool trace_id(const char *text, char out[33])
{
    uint8_t bytes[16];
    if (strlen(text) == SUT_TRACEPARENT_LEN && sut_traceparent_valid(sut_str_from(text)))
        snprintf(out, 33, "%.32s", text + 3);
    else
        snprintf(out, 33, "%s", strlen(text) == 32 ? text : "");
    if (sut_unhex(sut_str_from(out), bytes, sizeof bytes)) {
        sut_hex(bytes, sizeof bytes, out); /* lower case */
        return true;
    }
    cli_complain("'%.60s' is no trace id: 32 hex digits, as logs, errors and sut tap --json show them", text);
    return false;
}

static int show(const cli_args *a, sut_client *client, const char *id, FILE *out)
{
    json_t *in = json_pack("{s:s}", "trace_id", id), *reply;
    int code = cli_ask(a, client, "broker.trace", in, &reply, out);
    json_decref(in);
    if (code != 0)
        return code;
    const json_t *spans = json_object_get(reply, "spans");
    if (a->json) {
        code = cli_dump(reply, out);
    } else if (json_array_size(spans) == 0) {
        cli_complain("nothing is known of trace %s: it is too old, or was not sampled", id);
        code = CLI_EXIT_ANSWER;
    } else {
        code = cli_render_trace(spans, out) ? SUT_EXIT_OK : SUT_EXIT_SOFTWARE;
    }
    json_decref(reply);
    return code;
}

/* ---- of a user ---- */

/* Trace ids in the order in which they began, from what was captured. */
static int collect(const cli_args *a, sut_client *client, json_t *ids, int64_t limit, FILE *out)
{
    cli_args asked = *a;
    cli_tap_feed feed;
    cli_tapped *t;
    asked.since = a->since ? a->since : "5m";
    asked.until = a->until ? a->until : "now";
    json_t *request = cli_tap_request(&asked, 0), *seen = json_object();
    int code = request ? cli_tap_open(&feed, client, request, true) : SUT_EXIT_USAGE;
    json_decref(request);
    bool over = code != 0;
    while (!over) {
        cli_got got = cli_tap_take(&feed, -1, &t);
        over = got == CLI_GOT_STOP;
        if (got != CLI_GOT_ITEM)
            continue;
        const char *id = t->line ? cli_txt(t->line, "trace_id") : "";
        if (!t->line) {
            code = cli_tap_ended(a, t, out);
            over = true;
        } else if (*id && !json_object_get(seen, id) && (int64_t)json_array_size(ids) < limit) {
            json_object_set_new(seen, id, json_true());
            json_array_append_new(ids, json_string(id));
        }
        cli_tapped_free(t);
    }
    if (request && feed.inbox)
        cli_tap_close(&feed);
    json_decref(seen);
    return code;
}

static int show_user(const cli_args *a, sut_client *client, FILE *out)
{
    int64_t limit = 20;
    const json_t *id;
    size_t i;
    if (!cli_number("--limit", a->limit, 1, TRACES_MAX, &limit))
        return SUT_EXIT_USAGE;
    json_t *ids = json_array();
    int code = collect(a, client, ids, limit, out);
    if (code == 0 && json_array_size(ids) == 0) {
        cli_complain("nothing was captured of user %s in that time", a->user);
        code = CLI_EXIT_ANSWER;
    }
    json_array_foreach(ids, i, id)
    {
        if (code != 0)
            break;
        if (!a->json)
            fprintf(out, "%s%s\n", i ? "\n" : "", json_string_value(id));
        code = show(a, client, json_string_value(id), out);
    }
    json_decref(ids);
    return code;
}

int cli_run_why(const cli_args *a, FILE *out)
{
    sut_client *client;
    char id[33];
    if ((a->position_count == 1) == (a->user != NULL)) {
        cli_complain("sut why TRACE, or sut why --user ID --since 5m");
        return SUT_EXIT_USAGE;
    }
    if (a->position_count && !trace_id(a->position[0], id))
        return SUT_EXIT_USAGE;
    int code = cli_stop_begin();
    if (code == 0)
        code = cli_connect(a, &client);
    if (code != 0)
        return code;
    code = a->user ? show_user(a, client, out) : show(a, client, id, out);
    sut_client_free(client);
    return code;
}
