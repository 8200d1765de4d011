/* One dead letter and its body. */
#include "ask.h"
#include "dlq.h"
#include "input.h"
#include "lines.h"

#include "wire/msgpack.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_MAX (16u << 20)

/* Of the reply only these are needed as bytes. */
typedef struct head_bytes {
    sut_str event_id;
    uint8_t has_event_id;
} head_bytes;
typedef struct letter_bytes {
    sut_str body;
    const head_bytes *letter;
    uint8_t has_body, has_letter;
} letter_bytes;

static const sut_field head_fields[] = {{.name = "event_id",
                                         .name_len = 8,
                                         .type = SUT_T_BYTES,
                                         .offset = offsetof(head_bytes, event_id),
                                         .has_offset = offsetof(head_bytes, has_event_id)}};
static const sut_record head_record = {
    .name = "dead_letter_head", .fields = head_fields, .count = 1, .size = sizeof(head_bytes)};
static const sut_field letter_fields[] = {{.name = "body",
                                           .name_len = 4,
                                           .type = SUT_T_BYTES,
                                           .offset = offsetof(letter_bytes, body),
                                           .has_offset = offsetof(letter_bytes, has_body)},
                                          {.name = "letter",
                                           .name_len = 6,
                                           .type = SUT_T_RECORD,
                                           .offset = offsetof(letter_bytes, letter),
                                           .has_offset = offsetof(letter_bytes, has_letter),
                                           .record = &head_record}};
static const sut_record letter_record = {
    .name = "dead_letter", .fields = letter_fields, .count = 2, .size = sizeof(letter_bytes)};

/* Replaces base64 by what people read. */
static bool dress(sut_str reply, sut_arena *arena, json_t *letter)
{
    letter_bytes bytes;
    sut_field_errors errors;
    json_t *head = json_object_get(letter, "letter");
    sut_field_errors_init(&errors, arena, 1);
    if (sut_record_decode(&letter_record, reply, SUT_UNKNOWN_IGNORE, arena, &bytes, &errors) != 0)
        return false;
    json_t *body = cli_body_json(sut_str_from(cli_txt(head, "subject")), CLI_BODY_EVENT, bytes.body, false);
    if (!body)
        return false;
    cli_set(letter, "body", body);
    if (bytes.letter && bytes.letter->event_id.len == SUT_EVENT_ID_LEN) {
        char id[2 * SUT_EVENT_ID_LEN + 1];
        sut_hex(bytes.letter->event_id.ptr, SUT_EVENT_ID_LEN, id);
        cli_set(head, "event_id", json_string(id));
    }
    return true;
}

static int read_letter(sut_str reply, json_t **letter)
{
    sut_arena *arena;
    int code = cli_answer_json("broker.dead_letter", reply, letter);
    if (code != 0)
        return code;
    if (sut_arena_new(&arena, ARENA_MAX) != 0)
        return SUT_EXIT_SOFTWARE;
    if (!dress(reply, arena, *letter)) {
        cli_complain("broker.dead_letter: the answer cannot be read");
        code = SUT_EXIT_SOFTWARE;
    }
    sut_arena_free(arena);
    return code;
}

int cli_dead_letter(const cli_args *a, sut_client *client, bool personal, json_t **letter, FILE *out)
{
    int64_t id = 0;
    sut_answer answer;
    *letter = NULL;
    if (!sut_parse_i64(sut_str_from(a->position[1]), 1, INT64_MAX, &id)) {
        cli_complain("'%.40s' is no dead letter's number; sut dlq list shows them", a->position[1]);
        return SUT_EXIT_USAGE;
    }
    if (personal && !a->reason) {
        cli_complain("--personal: say why with --reason; it is written to the journal");
        return SUT_EXIT_USAGE;
    }
    json_t *in = json_pack("{s:I, s:b, s:s*}", "id", (json_int_t)id, "personal", personal, "reason",
                           personal ? a->reason : NULL);
    int code = cli_ask_answer(a, client, "broker.dead_letter", in, &answer, out);
    json_decref(in);
    if (code != 0)
        return code;
    code = read_letter(answer.result.body, letter);
    sut_answer_deinit(&answer);
    if (code != 0) {
        json_decref(*letter);
        *letter = NULL;
    }
    return code;
}

/* ---- redrive with another body ---- */

static int redrive(const cli_args *a, sut_client *client, int64_t id, sut_str body, FILE *out)
{
    sut_buf in;
    sut_answer answer;
    json_t *reply;
    sut_buf_init(&in, SUT_ENVELOPE_MAX);
    bool built = sut_mp_add_map(&in, 2) == 0 && sut_mp_add_str(&in, SUT_STR("ids")) == 0 &&
                 sut_mp_add_array(&in, 1) == 0 && sut_mp_add_int(&in, id) == 0 &&
                 sut_mp_add_str(&in, SUT_STR("body")) == 0 && sut_mp_add_bin(&in, body) == 0;
    int code =
        built ? cli_ask_body(a, client, "broker.dead_redrive", (sut_str){(const char *)in.data, in.len}, &answer, out)
              : CLI_EXIT_DATA;
    sut_buf_deinit(&in);
    if (code != 0)
        return code;
    code = cli_answer_json("broker.dead_redrive", answer.result.body, &reply);
    sut_answer_deinit(&answer);
    if (code != 0)
        return code;
    const json_t *failed = json_array_get(json_object_get(reply, "failed"), 0);
    if (a->json)
        cli_dump(reply, out);
    if (failed) {
        cli_complain("%lld: %s: %s", (long long)id, cli_txt(failed, "code"), cli_txt(failed, "message"));
        code = CLI_EXIT_ANSWER;
    } else if (!a->json) {
        fprintf(out, "%lld given to its group again, with another body\n", (long long)id);
    }
    json_decref(reply);
    return code;
}

static int new_body(const cli_args *a, const json_t *letter, char **text)
{
    sut_buf json;
    if (a->edit) {
        char *old = json_dumps(json_object_get(letter, "body"), JSON_INDENT(2));
        int code = old ? cli_edit(old, text) : SUT_EXIT_SOFTWARE;
        free(old);
        return code;
    }
    sut_buf_init(&json, SUT_ENVELOPE_MAX);
    int code = cli_read_input(a->body, &json);
    sut_str read;
    if (code == 0 && sut_buf_str(&json, &read) == 0)
        *text = strndup(read.ptr, read.len);
    sut_buf_deinit(&json);
    return code == 0 && !*text ? SUT_EXIT_SOFTWARE : code;
}

static int encode_and_redrive(const cli_args *a, sut_client *client, const json_t *letter, const char *text, FILE *out)
{
    const json_t *head = json_object_get(letter, "letter");
    sut_arena *arena;
    sut_buf body;
    if (sut_arena_new(&arena, ARENA_MAX) != 0)
        return SUT_EXIT_SOFTWARE;
    sut_buf_init(&body, SUT_ENVELOPE_MAX);
    int code = cli_encode_event(cli_txt(head, "subject"), a->raw, sut_str_from(text), arena, &body);
    if (code == 0)
        code = redrive(a, client, (int64_t)cli_num(head, "id"), (sut_str){(const char *)body.data, body.len}, out);
    sut_buf_deinit(&body);
    sut_arena_free(arena);
    return code;
}

int cli_dead_redrive_edited(const cli_args *a, sut_client *client, FILE *out)
{
    json_t *letter;
    char *text = NULL;
    /* what is redacted cannot be edited: it would be written back as it is shown */
    int code = cli_dead_letter(a, client, a->edit && a->personal, &letter, out);
    if (code == 0)
        code = new_body(a, letter, &text);
    if (code == 0 && a->edit && strstr(text, "\"<redacted>\"")) {
        cli_complain("the body still holds <redacted>: --personal --reason shows what is behind it");
        code = CLI_EXIT_DATA;
    }
    if (code == 0)
        code = encode_and_redrive(a, client, letter, text, out);
    free(text);
    json_decref(letter);
    return code;
}
