/* Pages of `sut dlq`. */
#include "ask.h"
#include "render.h"
#include "table.h"
#include "tty.h"

bool cli_render_dead_letters(const json_t *items, FILE *out)
{
    static const cli_column columns[] = {{"ID", true},    {"GROUP", false},   {"SUBJECT", false},
                                         {"KEY", false},  {"SEQUENCE", true}, {"DIED", false},
                                         {"TRIES", true}, {"STATE", false},   {"LAST ERROR", false}};
    const json_t *d;
    size_t i;
    cli_table t;
    cli_table_init(&t, columns, SUT_ARRAY_LEN(columns));
    json_array_foreach(items, i, d)
    {
        cli_table_cell(&t, "%.0f", cli_num(d, "id"));
        cli_table_cell(&t, "%s", cli_txt(d, "group"));
        cli_table_cell(&t, "%s", cli_txt(d, "subject"));
        cli_table_cell(&t, "%s", cli_txt(d, "key"));
        cli_table_cell(&t, "%.0f", cli_num(d, "sequence"));
        cli_table_cell(&t, "%.19s", cli_txt(d, "died_at"));
        cli_table_cell(&t, "%.0f", cli_num(d, "attempts"));
        cli_table_cell(&t, "%s", json_is_true(json_object_get(d, "redriving")) ? "redriving" : "dead");
        cli_table_cell(&t, "%s: %s", cli_txt(d, "code"), cli_txt(d, "message"));
    }
    bool printed = cli_table_print(&t, out);
    cli_table_deinit(&t);
    return printed;
}

static bool print_attempts(const json_t *attempts, FILE *out)
{
    static const cli_column columns[] = {
        {"TRY", true}, {"AT", false}, {"CONSUMER", false}, {"CODE", false}, {"MESSAGE", false}};
    const json_t *v;
    size_t i;
    cli_table t;
    cli_table_init(&t, columns, SUT_ARRAY_LEN(columns));
    json_array_foreach(attempts, i, v)
    {
        cli_table_cell(&t, "%.0f", cli_num(v, "attempt"));
        cli_table_cell(&t, "%s", cli_txt(v, "at"));
        cli_table_cell(&t, "%s", cli_txt(v, "consumer"));
        cli_table_cell(&t, "%s", cli_txt(v, "code"));
        cli_table_cell(&t, "%s", cli_txt(v, "message"));
    }
    bool printed = cli_table_print(&t, out);
    cli_table_deinit(&t);
    return printed;
}

static void line(FILE *out, const char *label, const char *text)
{
    if (!*text)
        return;
    cli_print_clean(out, label, text);
    fputc('\n', out);
}

bool cli_render_dead_letter(const json_t *letter, FILE *out)
{
    const json_t *head = json_object_get(letter, "letter");
    fprintf(out, "dead letter %.0f of group %s%s\n", cli_num(head, "id"), cli_txt(head, "group"),
            json_is_true(json_object_get(head, "redriving")) ? ", given to it again" : "");
    line(out, "event       ", cli_txt(head, "subject"));
    line(out, "key         ", cli_txt(head, "key"));
    fprintf(out, "sequence    %.0f\n", cli_num(head, "sequence"));
    line(out, "event id    ", cli_txt(head, "event_id"));
    line(out, "published   ", cli_txt(head, "published_at"));
    line(out, "by          ", cli_txt(letter, "publisher"));
    if (json_object_get(letter, "user_id"))
        fprintf(out, "for user    %.0f\n", cli_num(letter, "user_id"));
    line(out, "trace       ", cli_txt(letter, "traceparent"));
    line(out, "died        ", cli_txt(head, "died_at"));
    fputs("\nbody        ", out);
    if (json_dumpf(json_object_get(letter, "body"), out, JSON_INDENT(2)) != 0)
        return false;
    fputs("\n\n", out);
    return print_attempts(json_object_get(letter, "attempt_list"), out);
}
