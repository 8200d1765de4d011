/* sut call METHOD: JSON in, JSON out, by the schema (or --raw). */
#include "input.h"

#include "wire/schema.h"

#include <string.h>

#define ARENA_MAX (16u << 20)

/* `--as 42` or `--as 42:3`. */
static bool parse_principal(const char *text, sut_principal *out)
{
    const char *colon = strchr(text, ':');
    int64_t user, level = 1;
    sut_str id = {text, colon ? (size_t)(colon - text) : strlen(text)};
    bool good = sut_parse_i64(id, 1, (INT64_C(1) << 53) - 1, &user) &&
                (!colon || (sut_parse_i64(sut_str_from(colon + 1), 0, 3, &level) && level != 2));
    if (!good) {
        cli_complain("--as '%.40s': must be a user's id, or ID:LEVEL with level 0, 1 or 3", text);
        return false;
    }
    *out = (sut_principal){.user_id = user, .level = (int32_t)level};
    return true;
}

static int show(const sut_method *m, sut_str body, const cli_args *a, FILE *out)
{
    sut_buf json;
    sut_str text;
    sut_buf_init(&json, 8u << 20);
    sut_status st = m ? sut_body_to_json(m->out, body, &json) : sut_msgpack_to_json(body, &json);
    int code = SUT_EXIT_SOFTWARE;
    if (st == 0 && sut_buf_str(&json, &text) == 0)
        code = cli_print_json(text, a->json, out);
    else
        cli_complain("the reply is not what the schema declares; --raw shows it as it is");
    sut_buf_deinit(&json);
    return code;
}

static int send(const cli_args *a, const sut_method *m, const sut_buf *body, FILE *out)
{
    sut_principal who;
    sut_answer answer;
    uint32_t timeout_ms;
    if (a->as && !parse_principal(a->as, &who))
        return SUT_EXIT_USAGE;
    if (!cli_timeout(a, &timeout_ms))
        return SUT_EXIT_USAGE;
    if (!a->timeout && m)
        timeout_ms = m->timeout_ms;
    sut_call call = {.subject = sut_str_from(a->position[0]),
                     .key = sut_str_from(a->key),
                     .body = {(const char *)body->data, body->len},
                     .timeout_ms = timeout_ms,
                     .principal = a->as ? &who : NULL,
                     .idempotency_key = sut_str_from(a->idempotency_key),
                     .instance = sut_str_from(a->instance),
                     .idempotent = m && m->idempotent};
    int code = cli_call(a, &call, &answer, out);
    if (code != 0)
        return code;
    code = show(m, answer.result.body, a, out);
    sut_answer_deinit(&answer);
    return code;
}

static int encode_and_send(const cli_args *a, const sut_method *m, sut_str json, FILE *out)
{
    sut_arena *arena;
    sut_buf body;
    if (sut_arena_new(&arena, ARENA_MAX) != 0)
        return SUT_EXIT_SOFTWARE;
    sut_buf_init(&body, SUT_ENVELOPE_MAX);
    int code =
        m ? cli_encode_by_schema(m->name, m->in, json, arena, &body) : cli_encode_raw(a->position[0], json, &body);
    if (code == 0)
        code = send(a, m, &body, out);
    sut_buf_deinit(&body);
    sut_arena_free(arena);
    return code;
}

int cli_run_call(const cli_args *a, FILE *out)
{
    const char *name = a->position[0];
    bool raw = a->raw || strncmp(name, "broker.", 7) == 0;
    const sut_method *m = raw ? NULL : sut_method_find(sut_str_from(name));
    if (!sut_subject_valid(sut_str_from(name))) {
        cli_complain("'%.60s' is no method's name: it looks like user.profile_get", name);
        return SUT_EXIT_USAGE;
    }
    if (!m && !raw) {
        cli_complain("the schemas know no method '%s'; sut methods lists them, --raw calls it all the same", name);
        return SUT_EXIT_USAGE;
    }
    sut_buf json;
    sut_str text;
    sut_buf_init(&json, SUT_ENVELOPE_MAX);
    int code = cli_read_input(a->position_count > 1 ? a->position[1] : "{}", &json);
    if (code == 0)
        code = sut_buf_str(&json, &text) == 0 ? encode_and_send(a, m, text, out) : SUT_EXIT_SOFTWARE;
    sut_buf_deinit(&json);
    return code;
}
