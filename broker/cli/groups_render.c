/* Pages of `sut groups` and of the journal. */
#include "ask.h"
#include "render.h"
#include "table.h"

static void subjects_cell(cli_table *t, const json_t *group)
{
    char text[TABLE_CELL_MAX] = "";
    size_t len = 0, i;
    const json_t *v;
    json_array_foreach(json_object_get(group, "subjects"), i, v)
    {
        if (len < sizeof text - 1)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", len ? "," : "", json_string_value(v));
    }
    cli_table_cell(t, "%s", text);
}

bool cli_render_groups(const json_t *reply, FILE *out)
{
    static const cli_column columns[] = {{"GROUP", false}, {"SUBJECTS", false}, {"STATE", false}, {"MEMBERS", true},
                                         {"CURSOR", true}, {"LAG", true},       {"OUT", true},    {"WAITING", true},
                                         {"OLDEST", true}, {"KEY", false},      {"DEAD", true}};
    char unit[UNIT_MAX];
    const json_t *g;
    size_t i;
    cli_table t;
    cli_table_init(&t, columns, SUT_ARRAY_LEN(columns));
    json_array_foreach(json_object_get(reply, "groups"), i, g)
    {
        bool held = cli_num(g, "oldest_ms") > 0;
        cli_table_cell(&t, "%s", cli_txt(g, "name"));
        subjects_cell(&t, g);
        cli_table_cell(&t, "%s", cli_txt(g, "state"));
        cli_table_cell(&t, "%.0f", cli_num(g, "members"));
        cli_table_cell(&t, "%.0f", cli_num(g, "cursor"));
        cli_table_cell(&t, "%.0f", cli_num(g, "lag"));
        cli_table_cell(&t, "%.0f", cli_num(g, "in_flight"));
        cli_table_cell(&t, "%.0f", cli_num(g, "waiting"));
        cli_table_cell(&t, "%s", held ? cli_duration(cli_num(g, "oldest_ms"), unit) : "-");
        cli_table_cell(&t, "%s", held ? cli_txt(g, "oldest_key") : "");
        cli_table_cell(&t, "%.0f", cli_num(g, "dead_total"));
    }
    bool printed = cli_table_print(&t, out);
    cli_table_deinit(&t);
    return printed;
}

static void print_subjects(const json_t *g, FILE *out)
{
    const json_t *v;
    size_t i;
    fputs("subjects  ", out);
    json_array_foreach(json_object_get(g, "subjects"), i, v)
    {
        fprintf(out, "%s%s", i ? ", " : "", json_string_value(v));
    }
    fputc('\n', out);
}

bool cli_render_group(const json_t *g, FILE *out)
{
    char unit[UNIT_MAX], bytes[UNIT_MAX];
    const json_t *replay = json_object_get(g, "replay");
    fprintf(out, "group     %s: %s, %.0f members, credits for %.0f more, generation %.0f\n", cli_txt(g, "name"),
            cli_txt(g, "state"), cli_num(g, "members"), cli_num(g, "credits_free"), cli_num(g, "generation"));
    print_subjects(g, out);
    fprintf(out, "place     %.0f of %.0f: %.0f behind\n", cli_num(g, "cursor"), cli_num(g, "next") - 1,
            cli_num(g, "lag"));
    fprintf(out, "window    %.0f of %.0f events, %s; %.0f out, %.0f waiting\n", cli_num(g, "window"),
            cli_num(g, "window_max"), cli_bytes(cli_num(g, "window_bytes"), bytes), cli_num(g, "in_flight"),
            cli_num(g, "waiting"));
    if (cli_num(g, "damaged") > 0)
        fprintf(out,
                "stands at %.0f, a damaged record: sut journal verify tells more, sut groups skip goes on behind it\n",
                cli_num(g, "damaged"));
    if (cli_num(g, "oldest_ms") > 0)
        fprintf(out, "held by   key %s, unacknowledged for %s\n",
                *cli_txt(g, "oldest_key") ? cli_txt(g, "oldest_key") : "(none)",
                cli_duration(cli_num(g, "oldest_ms"), unit));
    fprintf(out,
            "so far    %.0f delivered, %.0f acknowledged, %.0f refused, %.0f expired, %.0f lost, %.0f dead, %.0f "
            "stale\n",
            cli_num(g, "delivered_total"), cli_num(g, "acked_total"), cli_num(g, "nacked_total"),
            cli_num(g, "expired_total"), cli_num(g, "lost_total"), cli_num(g, "dead_total"), cli_num(g, "stale_total"));
    if (json_is_object(replay))
        fprintf(out, "replay    %.0f to %.0f, at %.0f\n", cli_num(replay, "from"), cli_num(replay, "to"),
                cli_num(replay, "at"));
    return true;
}

bool cli_render_journal(const json_t *j, FILE *out)
{
    char a[UNIT_MAX], b[UNIT_MAX], c[UNIT_MAX];
    double commits = cli_num(j, "commits_total");
    fprintf(out, "journal   %s, format %.0f%s%s\n", cli_txt(j, "creation_id"), cli_num(j, "format"),
            json_is_false(json_object_get(j, "writable")) ? ", NOT WRITABLE: " : "", cli_txt(j, "fault"));
    fprintf(out, "events    %.0f, from %.0f to %.0f\n", cli_num(j, "records"), cli_num(j, "first"),
            cli_num(j, "next") - 1);
    if (json_object_get(j, "first_at"))
        fprintf(out, "times     %s to %s\n", cli_txt(j, "first_at"), cli_txt(j, "last_at"));
    fprintf(out, "size      %s in events, file %s of at most %s\n", cli_bytes(cli_num(j, "record_bytes"), a),
            cli_bytes(cli_num(j, "file_bytes"), b), cli_bytes(cli_num(j, "map_bytes"), c));
    fprintf(out, "beside    %.0f delayed, %.0f dead letters, %.0f sources, %.0f ids remembered\n",
            cli_num(j, "delayed"), cli_num(j, "dead"), cli_num(j, "sources"), cli_num(j, "dedup_ids"));
    if (!json_object_get(j, "commits_total"))
        return true;
    fprintf(out, "writing   %.0f events in %.0f commits (%s each, %s at most), %.0f wait\n", cli_num(j, "events_total"),
            commits, cli_micros(cli_num(j, "commit_us_mean"), a), cli_micros(cli_num(j, "commit_us_max"), b),
            cli_num(j, "queued_events"));
    fprintf(out, "refused   %.0f, %.0f were there before, %.0f commits failed\n", cli_num(j, "refused_total"),
            cli_num(j, "duplicates_total"), cli_num(j, "failures_total"));
    return true;
}
