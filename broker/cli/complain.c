/* What went wrong, in words, with what to do about it; and the exit code for it. */
#include "cli.h"

#include "base/arena.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ERROR_ARENA_MAX (4u << 20)

void cli_complain(const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    fprintf(stderr, "sut: error: %s\n", text);
}

static const struct {
    int err, exit_code;
    const char *hint;
} advice[] = {
    {SUT_ERR_INVALID, CLI_EXIT_DATA, "sut methods METHOD shows what each field may be"},
    {SUT_ERR_BAD_REQUEST, CLI_EXIT_DATA, "sut methods METHOD shows what each field may be"},
    {SUT_ERR_BAD_ENVELOPE, SUT_EXIT_SOFTWARE, "sut and sut-broker are of different ages, or one has a fault"},
    {SUT_ERR_HELLO_REQUIRED, SUT_EXIT_SOFTWARE, NULL},
    {SUT_ERR_VERSION, SUT_EXIT_SOFTWARE, "sut and sut-broker speak different versions of the protocol"},
    {SUT_ERR_UNAUTHENTICATED, SUT_EXIT_NOPERM, "the method needs a user; see --as, or go through the REST API"},
    {SUT_ERR_FORBIDDEN, SUT_EXIT_NOPERM, "sut key list shows what this peer may do"},
    {SUT_ERR_PAYLOAD_TOO_LARGE, CLI_EXIT_DATA, NULL},
    {SUT_ERR_RATE_LIMITED, CLI_EXIT_TEMPFAIL, "wait and try again"},
    {SUT_ERR_OVERLOADED, CLI_EXIT_TEMPFAIL, "wait and try again; sut services shows the queues"},
    {SUT_ERR_NO_SUCH_SERVICE, SUT_EXIT_UNAVAILABLE, "is the actor up? sut services shows who serves"},
    {SUT_ERR_NO_SUCH_METHOD, SUT_EXIT_USAGE, "sut methods lists what can be called"},
    {SUT_ERR_UNAVAILABLE, SUT_EXIT_UNAVAILABLE, "it was not executed; try again"},
    {SUT_ERR_OUTCOME_UNKNOWN, SUT_EXIT_UNAVAILABLE, "it may have been executed; repeat it only with --idempotency-key"},
    {SUT_ERR_DEADLINE_EXCEEDED, CLI_EXIT_TEMPFAIL, "give it more time with --timeout, or see sut services"},
    {SUT_ERR_CANCELLED, CLI_EXIT_TEMPFAIL, NULL},
    {SUT_ERR_NO_SUCH_EVENT, SUT_EXIT_USAGE, "sut methods --events lists what can be published"},
    {SUT_ERR_FENCED, SUT_EXIT_UNAVAILABLE, NULL},
    {SUT_ERR_SOURCE_GAP, SUT_EXIT_UNAVAILABLE, NULL},
    {SUT_ERR_POSITION_GONE, CLI_EXIT_DATA, "sut journal stats shows what is still there"},
    {SUT_ERR_STORAGE_FULL, CLI_EXIT_TEMPFAIL, "nothing was published; sut journal stats shows the space"},
    {SUT_ERR_INTERNAL, SUT_EXIT_SOFTWARE, "the logs of the service say more"},
};

int cli_exit_code(int err)
{
    for (size_t i = 0; i < SUT_ARRAY_LEN(advice); i++)
        if (advice[i].err == err)
            return advice[i].exit_code;
    return CLI_EXIT_ANSWER;
}

const char *cli_hint(sut_str code)
{
    const sut_error_desc *desc = sut_platform_error_by_code(code);
    for (size_t i = 0; desc && i < SUT_ARRAY_LEN(advice); i++)
        if (advice[i].err == desc->err)
            return advice[i].hint;
    return NULL;
}

static json_t *json_text(sut_str s)
{
    json_t *v = json_stringn(s.ptr ? s.ptr : "", s.len);
    return v ? v : json_string("(not UTF-8)");
}

static void print_json(const sut_result *r, const sut_error_body *body, FILE *out)
{
    json_t *e = json_object(), *fields = json_array();
    json_object_set_new(e, "code", json_text(r->code));
    json_object_set_new(e, "message", json_text(r->message));
    json_object_set_new(e, "http_status", json_integer(r->http_status));
    if (r->retry_after_ms)
        json_object_set_new(e, "retry_after_ms", json_integer(r->retry_after_ms));
    for (size_t i = 0; i < body->error_count; i++) {
        json_t *f = json_object();
        json_object_set_new(f, "pointer", json_text(body->errors[i].pointer));
        json_object_set_new(f, "code", json_text(body->errors[i].code));
        json_object_set_new(f, "message", json_text(body->errors[i].message));
        json_array_append_new(fields, f);
    }
    if (body->error_count)
        json_object_set(e, "errors", fields);
    json_decref(fields);
    json_t *all = json_object();
    json_object_set_new(all, "error", e);
    json_dumpf(all, out, JSON_COMPACT);
    fputc('\n', out);
    json_decref(all);
}

static void print_words(const char *subject, const sut_result *r, const sut_error_body *body)
{
    cli_complain("%s: %.*s: %.*s", subject, SUT_STR_FMT(r->code), SUT_STR_FMT(r->message));
    for (size_t i = 0; i < body->error_count; i++)
        fprintf(stderr, "  %.*s: %.*s\n", SUT_STR_FMT(body->errors[i].pointer), SUT_STR_FMT(body->errors[i].message));
    if (r->retry_after_ms)
        fprintf(stderr, "  try again in %u ms\n", r->retry_after_ms);
    const char *hint = cli_hint(r->code);
    if (hint)
        fprintf(stderr, "  %s\n", hint);
}

int cli_complain_result(const cli_args *a, const char *subject, const sut_result *r, FILE *out)
{
    sut_arena *arena = NULL;
    sut_error_body body = {.error_count = 0};
    if (sut_arena_new(&arena, ERROR_ARENA_MAX) == 0 && sut_error_body_decode(arena, r->body, &body) != 0)
        body = (sut_error_body){.error_count = 0};
    if (a->json)
        print_json(r, &body, out);
    else
        print_words(subject, r, &body);
    sut_arena_free(arena);
    return cli_exit_code(r->err);
}
