/* sut status, services, peers, ping: calls of the broker's own control methods. */
#include "cli.h"
#include "render.h"
#include "table.h"

#include "base/clock.h"
#include "wire/record.h"

#include <stdlib.h>

#define JSON_MAX (16u << 20)

/* Calls broker.NAME and hands its reply's JSON over. 0, or an exit code with the reason printed. */
static int ask(const cli_args *a, const char *subject, sut_buf *json, FILE *out)
{
    sut_answer answer;
    uint32_t timeout_ms;
    if (!cli_timeout(a, &timeout_ms))
        return SUT_EXIT_USAGE;
    sut_call call = {.subject = sut_str_from(subject), .timeout_ms = timeout_ms, .idempotent = true};
    int code = cli_call(a, &call, &answer, out);
    if (code != 0)
        return code;
    sut_status st = sut_msgpack_to_json(answer.result.body, json);
    sut_answer_deinit(&answer);
    if (st == 0)
        return 0;
    cli_complain("%s: the broker's answer cannot be read", subject);
    return SUT_EXIT_SOFTWARE;
}

static int show(const cli_args *a, const char *subject, bool (*render)(const json_t *v, FILE *out), FILE *out)
{
    sut_buf json;
    sut_str text;
    sut_buf_init(&json, JSON_MAX);
    int code = ask(a, subject, &json, out);
    if (code == 0 && sut_buf_str(&json, &text) != 0)
        code = SUT_EXIT_SOFTWARE;
    if (code == 0 && a->json) {
        code = cli_print_json(text, true, out);
    } else if (code == 0) {
        json_error_t e;
        json_t *v = json_loadb(text.ptr, text.len, 0, &e);
        code = v && render(v, out) ? SUT_EXIT_OK : SUT_EXIT_SOFTWARE;
        json_decref(v);
    }
    sut_buf_deinit(&json);
    return code;
}

int cli_run_status(const cli_args *a, FILE *out)
{
    return show(a, "broker.status", cli_render_status, out);
}

int cli_run_services(const cli_args *a, FILE *out)
{
    return show(a, "broker.services", cli_render_services, out);
}

int cli_run_peers(const cli_args *a, FILE *out)
{
    return show(a, "broker.peers", cli_render_peers, out);
}

/* Measures the second call: the first one pays for connecting and hello. */
static int measure(const cli_args *a, sut_client *client, uint64_t *took_ns, sut_answer *answer, FILE *out)
{
    uint32_t timeout_ms;
    if (!cli_timeout(a, &timeout_ms))
        return SUT_EXIT_USAGE;
    sut_call call = {.subject = SUT_STR("broker.ping"), .timeout_ms = timeout_ms, .idempotent = true};
    for (int i = 0; i < 2; i++) {
        if (i > 0)
            sut_answer_deinit(answer);
        uint64_t began = sut_now_ns();
        if (sut_call_wait(client, &call, answer) != 0)
            return SUT_EXIT_SOFTWARE;
        *took_ns = sut_now_ns() - began;
        if (answer->result.err)
            return cli_complain_result(a, "broker.ping", &answer->result, out);
    }
    return 0;
}

static int print_pong(const cli_args *a, sut_str body, uint64_t took_ns, FILE *out)
{
    char took[UNIT_MAX], up[UNIT_MAX];
    sut_buf json;
    sut_str text;
    json_error_t e;
    sut_buf_init(&json, JSON_MAX);
    json_t *v = NULL;
    if (sut_msgpack_to_json(body, &json) == 0 && sut_buf_str(&json, &text) == 0)
        v = json_loadb(text.ptr, text.len, 0, &e);
    sut_buf_deinit(&json);
    if (!v)
        return SUT_EXIT_SOFTWARE;
    double us = (double)took_ns / 1000.0;
    if (a->json) {
        json_object_set_new(v, "round_trip_us", json_real(us));
        json_dumpf(v, out, JSON_COMPACT);
        fputc('\n', out);
    } else {
        fprintf(out, "%s: sut-broker %s, up %s, answered in %s\n", getenv("SUT_BROKER"),
                json_string_value(json_object_get(v, "version")),
                cli_duration(json_number_value(json_object_get(v, "uptime_ms")), up), cli_micros(us, took));
    }
    json_decref(v);
    return SUT_EXIT_OK;
}

int cli_run_ping(const cli_args *a, FILE *out)
{
    sut_client *client;
    sut_answer answer = {.memory = NULL};
    uint64_t took_ns = 0;
    int code = cli_connect(a, &client);
    if (code != 0)
        return code;
    code = measure(a, client, &took_ns, &answer, out);
    if (code == 0)
        code = print_pong(a, answer.result.body, took_ns, out);
    sut_answer_deinit(&answer);
    sut_client_free(client);
    return code;
}
