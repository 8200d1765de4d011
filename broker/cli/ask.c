/* Control methods: JSON there and back. */
#include "ask.h"
#include "input.h"

#include "wire/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_MAX (16u << 20)

int cli_answer_json(const char *subject, sut_str body, json_t **reply)
{
    sut_buf json;
    sut_str text;
    json_error_t e;
    const sut_method *m = sut_method_find(sut_str_from(subject));
    *reply = NULL;
    sut_buf_init(&json, REPLY_MAX);
    sut_status st = m ? sut_body_to_json(m->out, body, &json) : sut_msgpack_to_json(body, &json);
    if (st == 0 && sut_buf_str(&json, &text) == 0)
        *reply = json_loadb(text.ptr, text.len, JSON_ALLOW_NUL, &e);
    sut_buf_deinit(&json);
    if (json_is_object(*reply))
        return 0;
    json_decref(*reply);
    *reply = NULL;
    cli_complain("%s: the answer cannot be read", subject);
    return SUT_EXIT_SOFTWARE;
}

int cli_ask_body(const cli_args *a, sut_client *client, const char *subject, sut_str body, sut_answer *answer,
                 FILE *out)
{
    uint32_t timeout_ms;
    const sut_method *m = sut_method_find(sut_str_from(subject));
    if (!cli_timeout(a, &timeout_ms))
        return SUT_EXIT_USAGE;
    if (!a->timeout && m)
        timeout_ms = m->timeout_ms;
    sut_call call = {
        .subject = sut_str_from(subject), .body = body, .timeout_ms = timeout_ms, .idempotent = m && m->idempotent};
    sut_status st = sut_call_wait(client, &call, answer);
    if (st != 0) {
        cli_complain("%s: %s", subject, strerror(-st));
        return st == -EMSGSIZE ? CLI_EXIT_DATA : SUT_EXIT_SOFTWARE;
    }
    if (answer->result.err == 0)
        return 0;
    int code = cli_complain_result(a, subject, &answer->result, out);
    sut_answer_deinit(answer);
    return code;
}

static int encode(const char *subject, const json_t *in, sut_buf *body)
{
    const sut_method *m = sut_method_find(sut_str_from(subject));
    sut_arena *arena;
    if (!in)
        return 0;
    char *text = json_dumps(in, JSON_COMPACT);
    if (!text || sut_arena_new(&arena, REPLY_MAX) != 0) {
        free(text);
        return SUT_EXIT_SOFTWARE;
    }
    int code = m ? cli_encode_by_schema(subject, m->in, sut_str_from(text), arena, body)
                 : cli_encode_raw(subject, sut_str_from(text), body);
    sut_arena_free(arena);
    free(text);
    return code;
}

int cli_ask_answer(const cli_args *a, sut_client *client, const char *subject, const json_t *in, sut_answer *answer,
                   FILE *out)
{
    sut_buf body;
    sut_buf_init(&body, SUT_ENVELOPE_MAX);
    int code = encode(subject, in, &body);
    if (code == 0)
        code = cli_ask_body(a, client, subject, (sut_str){(const char *)body.data, body.len}, answer, out);
    sut_buf_deinit(&body);
    return code;
}

int cli_ask(const cli_args *a, sut_client *client, const char *subject, const json_t *in, json_t **reply, FILE *out)
{
    sut_answer answer;
    *reply = NULL;
    int code = cli_ask_answer(a, client, subject, in, &answer, out);
    if (code != 0)
        return code;
    code = cli_answer_json(subject, answer.result.body, reply);
    sut_answer_deinit(&answer);
    return code;
}

int cli_ask_once(const cli_args *a, const char *subject, const json_t *in, json_t **reply, FILE *out)
{
    sut_client *client;
    *reply = NULL;
    int code = cli_connect(a, &client);
    if (code != 0)
        return code;
    code = cli_ask(a, client, subject, in, reply, out);
    sut_client_free(client);
    return code;
}

int cli_dump(const json_t *v, FILE *out)
{
    if (!v || json_dumpf(v, out, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
        return SUT_EXIT_SOFTWARE;
    fputc('\n', out);
    return SUT_EXIT_OK;
}

double cli_num(const json_t *o, const char *name)
{
    return json_number_value(json_object_get(o, name));
}

const char *cli_txt(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s ? s : "";
}

bool cli_set(json_t *o, const char *name, json_t *v)
{
    return !v || json_object_set_new(o, name, v) == 0;
}
