/* Lines to events. */
#include "event_input.h"

#include <stdlib.h>
#include <string.h>

bool cli_event_id_parse(const char *hex, uint8_t out[SUT_EVENT_ID_LEN])
{
    if (sut_unhex(sut_str_from(hex), out, SUT_EVENT_ID_LEN))
        return true;
    cli_complain("event id '%.60s': must be %d hex digits", hex, 2 * SUT_EVENT_ID_LEN);
    return false;
}

static bool text(const char *where, const json_t *line, const char *name, sut_str *out)
{
    const json_t *v = json_object_get(line, name);
    if (v && !json_is_string(v) && !json_is_null(v)) {
        cli_complain("%s: %s must be a string", where, name);
        return false;
    }
    *out = json_is_string(v) ? (sut_str){json_string_value(v), json_string_length(v)} : SUT_STR_NONE;
    return true;
}

static bool identity(const char *where, const json_t *line, sut_arena *arena, sut_publish *out)
{
    sut_str id, not_before;
    if (!text(where, line, "event_id", &id) || !text(where, line, "not_before", &not_before))
        return false;
    if (not_before.ptr && !sut_rfc3339_parse(not_before, &out->not_before_us)) {
        cli_complain("%s: not_before must be a time like 2026-01-02T03:04:05Z", where);
        return false;
    }
    if (!id.ptr)
        return true;
    uint8_t *bytes = sut_arena_alloc(arena, SUT_EVENT_ID_LEN);
    out->event_id = bytes;
    return bytes && cli_event_id_parse(id.ptr, bytes);
}

static int encode_body(const char *where, const json_t *line, bool raw, sut_arena *arena, sut_publish *out)
{
    const json_t *body = json_object_get(line, "body");
    if (!json_is_object(body)) {
        cli_complain("%s: body must be an object", where);
        return CLI_EXIT_DATA;
    }
    char *json = json_dumps(body, JSON_COMPACT);
    sut_buf buf;
    sut_buf_init(&buf, SUT_ENVELOPE_MAX);
    int code = json ? cli_encode_event(out->subject.ptr, raw, sut_str_from(json), arena, &buf) : SUT_EXIT_SOFTWARE;
    free(json);
    if (code == 0)
        out->body = sut_arena_str(arena, (sut_str){(const char *)buf.data, buf.len});
    sut_buf_deinit(&buf);
    if (code != 0)
        fprintf(stderr, "  %s\n", where);
    return code == 0 && !out->body.ptr ? SUT_EXIT_SOFTWARE : code;
}

int cli_event_from_line(const char *where, const json_t *line, bool raw, sut_arena *arena, sut_publish *out)
{
    *out = (sut_publish){.replayed = false};
    if (!text(where, line, "subject", &out->subject) || !text(where, line, "key", &out->key) ||
        !text(where, line, "traceparent", &out->traceparent))
        return CLI_EXIT_DATA;
    if (!out->subject.ptr) {
        cli_complain("%s: has no subject", where);
        return CLI_EXIT_DATA;
    }
    if (!identity(where, line, arena, out))
        return CLI_EXIT_DATA;
    return encode_body(where, line, raw, arena, out);
}
