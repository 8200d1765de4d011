/* A tapped record as a line:
 *   18:30:05.123 call  edge → user  user.profile_get  key=42 user=42  {"user_id":42} */
#include "ask.h"
#include "table.h"
#include "tap_feed.h"
#include "times.h"
#include "tty.h"

#include "wire/record.h"

#include <stdlib.h>
#include <string.h>

static const char *kind_colour(const char *kind, FILE *out)
{
    return strcmp(kind, "error") == 0   ? cli_red(out)
           : strcmp(kind, "reply") == 0 ? cli_green(out)
           : strcmp(kind, "event") == 0 ? cli_cyan(out)
                                        : "";
}

static void print_body(const json_t *line, FILE *out)
{
    const json_t *body = json_object_get(line, "body");
    char *text = body ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    if (text)
        fprintf(out, "  %s", text);
    if (json_is_true(json_object_get(line, "withheld")))
        fprintf(out, "  %s(more was withheld)%s", cli_dim(out), cli_plain(out));
    free(text);
}

static void print_details(const json_t *line, FILE *out)
{
    char unit[UNIT_MAX];
    if (*cli_txt(line, "code"))
        cli_print_clean(out, "  ", cli_txt(line, "code"));
    if (json_object_get(line, "took_us"))
        fprintf(out, "  %s", cli_micros(cli_num(line, "took_us"), unit));
    if (json_object_get(line, "sequence"))
        fprintf(out, "  #%.0f", cli_num(line, "sequence"));
    if (*cli_txt(line, "key"))
        cli_print_clean(out, "  key=", cli_txt(line, "key"));
    if (json_object_get(line, "user_id"))
        fprintf(out, "  user=%.0f", cli_num(line, "user_id"));
    if (json_is_true(json_object_get(line, "replayed")) || cli_num(line, "replayed") > 0)
        fputs("  replayed", out);
}

void cli_render_record(const json_t *line, int64_t now_us, FILE *out)
{
    char clock[CLI_CLOCK_SIZE];
    int64_t at = 0;
    const char *kind = cli_txt(line, "kind"), *from = cli_txt(line, "from"), *to = cli_txt(line, "to");
    if (!sut_rfc3339_parse(sut_str_from(cli_txt(line, "at")), &at))
        at = -1;
    fprintf(out, "%s%s%s %s%-5s%s", cli_dim(out), cli_clock(at, now_us, clock), cli_plain(out), kind_colour(kind, out),
            kind, cli_plain(out));
    cli_print_clean(out, "  ", *from ? from : "-");
    cli_print_clean(out, " → ", *to ? to : "-");
    fprintf(out, "  %s%s%s", cli_bold(out), cli_txt(line, "subject"), cli_plain(out));
    print_details(line, out);
    print_body(line, out);
    fputc('\n', out);
}
