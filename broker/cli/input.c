/* Arguments that are texts, numbers, lists, questions. */
#include "input.h"

#include "wire/schema.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define ERRORS_MAX 32

static bool append_file(FILE *f, sut_buf *to)
{
    char chunk[65536];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        if (sut_buf_append(to, chunk, n) != 0)
            return false;
    return !ferror(f);
}

int cli_read_input(const char *arg, sut_buf *json)
{
    bool from_stdin = strcmp(arg, "-") == 0;
    if (arg[0] != '@' && !from_stdin)
        return sut_buf_puts(json, arg) == 0 ? 0 : CLI_EXIT_DATA;
    FILE *f = from_stdin ? stdin : fopen(arg + 1, "re");
    if (!f) {
        cli_complain("%s: %s", arg + 1, strerror(errno));
        return CLI_EXIT_NOINPUT;
    }
    bool read_all = append_file(f, json);
    if (!from_stdin)
        fclose(f);
    if (read_all)
        return 0;
    cli_complain("%s: cannot be read, or is over %zu bytes", from_stdin ? "standard input" : arg + 1, json->limit);
    return CLI_EXIT_NOINPUT;
}

int cli_encode_by_schema(const char *what, const sut_record *record, sut_str json, sut_arena *arena, sut_buf *body)
{
    sut_field_errors errors;
    sut_field_errors_init(&errors, arena, ERRORS_MAX);
    sut_status st = sut_json_to_body(record, json, SUT_ENVELOPE_MAX, SUT_UNKNOWN_REFUSE, arena, body, &errors);
    if (st == 0)
        return 0;
    if (st < 0) {
        cli_complain("%s: %s", what, strerror(-st));
        return SUT_EXIT_SOFTWARE;
    }
    cli_complain("%s: the input breaks its declaration", what);
    for (size_t i = 0; i < errors.count; i++) {
        sut_str where = errors.items[i].pointer.len ? errors.items[i].pointer : SUT_STR("(input)");
        fprintf(stderr, "  %.*s: %.*s\n", SUT_STR_FMT(where), SUT_STR_FMT(errors.items[i].message));
    }
    fprintf(stderr, "  sut methods %s shows the fields\n", what);
    return CLI_EXIT_DATA;
}

int cli_encode_raw(const char *what, sut_str json, sut_buf *body)
{
    char error[256];
    if (cli_json_to_msgpack(json, body, error, sizeof error) == 0)
        return 0;
    cli_complain("%s: input: %s", what, error);
    return CLI_EXIT_DATA;
}

int cli_encode_event(const char *subject, bool raw, sut_str json, sut_arena *arena, sut_buf *body)
{
    const sut_event *event = raw ? NULL : sut_event_find(sut_str_from(subject));
    if (!sut_subject_valid(sut_str_from(subject))) {
        cli_complain("'%.60s' is no event's name: it looks like user.registered", subject);
        return SUT_EXIT_USAGE;
    }
    if (event)
        return cli_encode_by_schema(subject, event->body, json, arena, body);
    if (raw)
        return cli_encode_raw(subject, json, body);
    cli_complain("the schemas know no event '%s'; sut methods --events lists them, --raw sends it all the same",
                 subject);
    return SUT_EXIT_USAGE;
}

bool cli_number(const char *option, const char *text, int64_t min, int64_t max, int64_t *out)
{
    if (!text || sut_parse_i64(sut_str_from(text), min, max, out))
        return true;
    cli_complain("%s '%.40s': must be a number from %lld to %lld", option, text, (long long)min, (long long)max);
    return false;
}

static bool token_valid(sut_str token, bool last)
{
    if (sut_str_is(token, "*"))
        return true;
    return (last && sut_str_is(token, ">")) || sut_subject_valid(token);
}

bool cli_patterns_valid(const char *const *patterns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *at = patterns[i];
        bool good = strlen(at) <= SUT_SUBJECT_MAX;
        for (const char *dot; good; at = dot + 1) {
            dot = strchr(at, '.');
            good = token_valid((sut_str){at, dot ? (size_t)(dot - at) : strlen(at)}, !dot);
            if (!dot)
                break;
        }
        if (!good) {
            cli_complain("'%.60s' is no pattern of subjects: it looks like user.registered, user.* or user.>",
                         patterns[i]);
            return false;
        }
    }
    return true;
}

json_t *cli_list(const char *text)
{
    if (!text)
        return NULL;
    json_t *all = json_array();
    for (const char *at = text;;) {
        size_t len = strcspn(at, ",");
        if (len)
            json_array_append_new(all, json_stringn(at, len));
        if (!at[len])
            return all;
        at += len + 1;
    }
}

bool cli_confirm(const cli_args *a, const char *fmt, ...)
{
    char answer[16], question[512];
    va_list args;
    if (a->yes)
        return true;
    va_start(args, fmt);
    (void)vsnprintf(question, sizeof question, fmt, args);
    va_end(args);
    if (!isatty(STDIN_FILENO)) {
        cli_complain("%s: nobody is there to ask; --yes says yes", question);
        return false;
    }
    fprintf(stderr, "%s? [y/N] ", question);
    if (!fgets(answer, sizeof answer, stdin))
        return false;
    answer[strcspn(answer, "\n")] = '\0';
    return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
}
