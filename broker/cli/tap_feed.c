/* Taps: the request, the records, the end. */
#include "tap_feed.h"
#include "input.h"
#include "lines.h"
#include "times.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MAX 65536 /* records that were not printed yet; past it they are counted as lost */

/* ---- the request ---- */

static json_t *kinds(const cli_args *a)
{
    static const char *const known[] = {"call", "reply", "error", "event"};
    json_t *list = cli_list(a->kind), *v;
    size_t i, k;
    json_array_foreach(list, i, v)
    {
        for (k = 0; k < SUT_ARRAY_LEN(known); k++)
            if (strcmp(json_string_value(v), known[k]) == 0)
                break;
        if (k < SUT_ARRAY_LEN(known))
            continue;
        cli_complain("--kind '%.40s': must be of call, reply, event, error", json_string_value(v));
        json_decref(list);
        return NULL;
    }
    return list;
}

static bool trace_valid(const char *trace)
{
    uint8_t id[16];
    if (!trace || sut_unhex(sut_str_from(trace), id, sizeof id))
        return true;
    cli_complain("--trace '%.60s': must be 32 hex digits", trace);
    return false;
}

static json_t *subjects(const cli_args *a, size_t first)
{
    json_t *list = json_array();
    for (size_t i = first; i < a->position_count; i++)
        json_array_append_new(list, json_string(a->position[i]));
    return list;
}

json_t *cli_tap_request(const cli_args *a, size_t first)
{
    int64_t since = 0, until = 0, user = 0;
    json_t *kind = NULL;
    if (!cli_patterns_valid(a->position + first, a->position_count - first) || !trace_valid(a->trace) ||
        !cli_time_option("--since", a->since, &since) || !cli_time_option("--until", a->until, &until) ||
        !cli_number("--user", a->user, 1, (INT64_C(1) << 53) - 1, &user) || (a->kind && !(kind = kinds(a))))
        return NULL;
    if (a->personal && !a->reason) {
        cli_complain("--personal: say why with --reason; it is written to the journal");
        json_decref(kind);
        return NULL;
    }
    json_t *o = json_object();
    if (a->position_count > first)
        json_object_set_new(o, "subjects", subjects(a, first));
    if (kind)
        json_object_set_new(o, "kinds", kind);
    if (user)
        json_object_set_new(o, "user_id", json_integer(user));
    if (a->trace)
        json_object_set_new(o, "trace", json_string(a->trace));
    if (a->key)
        json_object_set_new(o, "key", json_string(a->key));
    if (since)
        json_object_set_new(o, "since", json_integer(since));
    if (until)
        json_object_set_new(o, "until", json_integer(until));
    if (since || until)
        json_object_set_new(o, "follow", json_boolean(a->follow));
    if (a->personal) {
        json_object_set_new(o, "personal", json_true());
        json_object_set_new(o, "reason", json_string(a->reason));
    }
    return o;
}

/* ---- records ---- */

cli_tapped *cli_tapped_free(cli_tapped *t)
{
    if (t)
        json_decref(t->line);
    free(t);
    return NULL;
}

static void free_item(void *item)
{
    cli_tapped_free(item);
}

static void hand_over(cli_tap_feed *f, cli_tapped *t)
{
    if (t && cli_inbox_put(f->inbox, t) != 0)
        cli_tapped_free(t);
}

static void on_record(void *arg, const sut_envelope *env)
{
    cli_tap_feed *f = arg;
    cli_tapped *t = calloc(1, sizeof *t);
    if (t && !(t->line = cli_tap_line(env, f->raw)))
        t = cli_tapped_free(t);
    hand_over(f, t);
}

static void on_end(void *arg, int err, sut_str code, sut_str message)
{
    cli_tapped *t = calloc(1, sizeof *t);
    if (t) {
        t->err = err;
        snprintf(t->code, sizeof t->code, "%.*s", SUT_STR_FMT(code));
        snprintf(t->text, sizeof t->text, "%.*s", SUT_STR_FMT(message));
    }
    hand_over(arg, t);
}

int cli_tap_open(cli_tap_feed *f, sut_client *client, const json_t *request, bool raw)
{
    sut_buf body;
    *f = (cli_tap_feed){.raw = raw};
    if (cli_inbox_new(&f->inbox, WAITING_MAX, free_item) != 0)
        return SUT_EXIT_SOFTWARE;
    sut_buf_init(&body, SUT_ENVELOPE_MAX);
    sut_status st = cli_value_to_msgpack(request, &body);
    if (st == 0) {
        sut_tap_options opt = {
            .request = {(const char *)body.data, body.len}, .on_record = on_record, .on_end = on_end, .arg = f};
        st = sut_tap_start(client, &opt, &f->tap);
    }
    sut_buf_deinit(&body);
    if (st == 0)
        return 0;
    f->inbox = cli_inbox_free(f->inbox);
    cli_complain("tap: %s", strerror(-st));
    return SUT_EXIT_SOFTWARE;
}

cli_got cli_tap_take(cli_tap_feed *f, int ms, cli_tapped **t)
{
    void *item = NULL;
    cli_got got = cli_inbox_take(f->inbox, ms, &item);
    *t = item;
    return got;
}

uint64_t cli_tap_lost(cli_tap_feed *f)
{
    return cli_inbox_lost(f->inbox);
}

void cli_tap_close(cli_tap_feed *f)
{
    if (f->tap)
        f->tap = sut_tap_end(f->tap);
    f->inbox = cli_inbox_free(f->inbox);
}

int cli_tap_ended(const cli_args *a, const cli_tapped *t, FILE *out)
{
    if (t->err == 0)
        return 0;
    const sut_error_desc *e = sut_platform_error(t->err);
    sut_result r = {.err = t->err,
                    .code = sut_str_from(t->code),
                    .message = sut_str_from(t->text),
                    .http_status = e ? (uint32_t)e->http_status : 0};
    return cli_complain_result(a, "tap", &r, out);
}
