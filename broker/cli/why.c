/* sut why: one request by its trace id, or the requests of a user. */
#include "why.h"
#include "ask.h"
#include "inbox.h"
#include "input.h"
#include "times.h"

#include "base/clock.h"

#include <string.h>

#define TRACES_MAX 1000
#define PAGE       500

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

typedef struct asked { /* what captured calls are looked at */
    int64_t user, since_us, until_us, limit;
} asked;

static json_t *page_request(const asked *q, int64_t after)
{
    char since[SUT_RFC3339_SIZE], until[SUT_RFC3339_SIZE];
    sut_rfc3339(q->since_us, since);
    sut_rfc3339(q->until_us, until);
    return json_pack("{s:I, s:s, s:s, s:b, s:I, s:i}", "user_id", (json_int_t)q->user, "since", since, "until", until,
                     "heads_only", 1, "after", (json_int_t)after, "limit", PAGE);
}

/* Trace ids in the order in which their first calls ended. */
static void note_page(const asked *q, const json_t *page, json_t *seen, json_t *ids)
{
    const json_t *call;
    size_t i;
    json_array_foreach(json_object_get(page, "items"), i, call)
    {
        const char *id = cli_txt(call, "trace_id");
        if (json_object_get(seen, id) || (int64_t)json_array_size(ids) >= q->limit)
            continue;
        json_object_set_new(seen, id, json_true());
        json_array_append_new(ids, json_string(id));
    }
}

static int collect(const cli_args *a, sut_client *client, const asked *q, json_t *ids, FILE *out)
{
    json_t *seen = json_object();
    json_int_t after = 0;
    int code = 0;
    do {
        json_t *in = page_request(q, after), *page;
        code = cli_ask(a, client, "broker.captured_calls", in, &page, out);
        json_decref(in);
        if (code != 0)
            break;
        note_page(q, page, seen, ids);
        after = json_integer_value(json_object_get(page, "after"));
        json_decref(page);
    } while (after && (int64_t)json_array_size(ids) < q->limit && !cli_stop_asked());
    json_decref(seen);
    return code;
}

static bool read_options(const cli_args *a, asked *q)
{
    q->limit = 20;
    q->since_us = sut_wall_us() - 5 * INT64_C(60000000);
    q->until_us = sut_wall_us();
    return cli_number("--limit", a->limit, 1, TRACES_MAX, &q->limit) &&
           cli_number("--user", a->user, 1, (INT64_C(1) << 53) - 1, &q->user) &&
           cli_time_option("--since", a->since, &q->since_us) && cli_time_option("--until", a->until, &q->until_us);
}

static int show_user(const cli_args *a, sut_client *client, const asked *q, FILE *out)
{
    const json_t *id;
    size_t i;
    json_t *ids = json_array();
    int code = collect(a, client, q, ids, out);
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
    asked q = {0};
    char id[33];
    if ((a->position_count == 1) == (a->user != NULL)) {
        cli_complain("sut why TRACE, or sut why --user ID --since 5m");
        return SUT_EXIT_USAGE;
    }
    if (a->position_count && !trace_id(a->position[0], id))
        return SUT_EXIT_USAGE;
    if (a->user && !read_options(a, &q))
        return SUT_EXIT_USAGE;
    int code = cli_stop_begin();
    if (code == 0)
        code = cli_connect(a, &client);
    if (code != 0)
        return code;
    code = a->user ? show_user(a, client, &q, out) : show(a, client, id, out);
    sut_client_free(client);
    return code;
}
