/* Pages of `sut status`, `sut services` and `sut peers`. */
#include "render.h"
#include "table.h"

static double number(const json_t *o, const char *name)
{
    return json_number_value(json_object_get(o, name));
}

static const char *text(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s ? s : "";
}

static void count_cell(cli_table *t, const json_t *o, const char *name)
{
    cli_table_cell(t, "%.0f", number(o, name));
}

bool cli_render_services(const json_t *reply, FILE *out)
{
    static const cli_column columns[] = {{"SERVICE", false}, {"INSTANCES", true}, {"FREE", true},   {"IN FLIGHT", true},
                                         {"QUEUED", true},   {"CALLS", true},     {"ERRORS", true}, {"RATE", true},
                                         {"P50", true},      {"P99", true}};
    char unit[UNIT_MAX];
    const json_t *s;
    size_t i;
    cli_table t;
    cli_table_init(&t, columns, SUT_ARRAY_LEN(columns));
    json_array_foreach(json_object_get(reply, "services"), i, s)
    {
        cli_table_cell(&t, "%s", text(s, "name"));
        count_cell(&t, s, "instances");
        count_cell(&t, s, "credits_free");
        count_cell(&t, s, "in_flight");
        count_cell(&t, s, "queued");
        count_cell(&t, s, "calls_total");
        count_cell(&t, s, "errors_total");
        cli_table_cell(&t, "%s", cli_rate(number(s, "calls_per_second"), unit));
        cli_table_cell(&t, "%s", cli_micros(number(s, "p50_us"), unit));
        cli_table_cell(&t, "%s", cli_micros(number(s, "p99_us"), unit));
    }
    bool printed = cli_table_print(&t, out);
    cli_table_deinit(&t);
    return printed;
}

bool cli_render_peers(const json_t *reply, FILE *out)
{
    static const cli_column columns[] = {{"PEER", false},   {"ROLE", false},   {"STATE", false}, {"INSTANCE", false},
                                         {"CALLING", true}, {"SERVING", true}, {"UP", true},     {"SILENT", true}};
    char unit[UNIT_MAX];
    const json_t *s;
    size_t i;
    cli_table t;
    cli_table_init(&t, columns, SUT_ARRAY_LEN(columns));
    json_array_foreach(json_object_get(reply, "sessions"), i, s)
    {
        cli_table_cell(&t, "%s", text(s, "name"));
        cli_table_cell(&t, "%s", text(s, "role"));
        cli_table_cell(&t, "%s", text(s, "state"));
        cli_table_cell(&t, "%s", text(s, "instance"));
        count_cell(&t, s, "calls_pending");
        count_cell(&t, s, "calls_in_hand");
        cli_table_cell(&t, "%s", cli_duration(number(s, "open_ms"), unit));
        cli_table_cell(&t, "%s", cli_duration(number(s, "silent_ms"), unit));
    }
    bool printed = cli_table_print(&t, out);
    cli_table_deinit(&t);
    return printed;
}

/* One line of `name=count` for those that are not zero. */
static void render_counts(const json_t *o, const char *part, const char *label, FILE *out)
{
    const char *name;
    json_t *v;
    bool any = false;
    json_object_foreach(json_object_get(o, part), name, v)
    {
        if (json_number_value(v) == 0)
            continue;
        fprintf(out, "%s%s %.0f", any ? ", " : label, name, json_number_value(v));
        any = true;
    }
    if (any)
        fputc('\n', out);
}

/* Who watches; nothing if nobody does and nothing was ever lost. */
static void render_taps(const json_t *status, FILE *out)
{
    const json_t *all = json_object_get(status, "taps"), *list = json_object_get(all, "taps"), *tap;
    size_t i;
    if (json_array_size(list) == 0 && number(all, "lost_total") <= 0)
        return;
    fprintf(out, "taps      %zu attached, %.0f records shown in all, %.0f lost\n", json_array_size(list),
            number(all, "records_total"), number(all, "lost_total"));
    json_array_foreach(list, i, tap)
    {
        fprintf(out, "          %s: %.0f shown, %.0f lost%s\n", text(tap, "peer"), number(tap, "records_total"),
                number(tap, "lost_total"),
                json_is_true(json_object_get(tap, "personal")) ? ", with personal fields" : "");
    }
}

bool cli_render_status(const json_t *status, FILE *out)
{
    char up[UNIT_MAX], rate[UNIT_MAX], resident[UNIT_MAX], held[UNIT_MAX], bound[UNIT_MAX];
    const json_t *memory = json_object_get(status, "memory"), *counters = json_object_get(status, "counters");
    fprintf(out, "broker    %s, pid %.0f, up %s%s\n", text(status, "version"), number(status, "pid"),
            cli_duration(number(status, "uptime_ms"), up),
            json_is_true(json_object_get(status, "draining")) ? ", draining" : "");
    fprintf(out, "calls     %.0f in all, %.0f pending, %s, %.0f answered with an error\n",
            number(counters, "calls_total"), number(status, "calls_pending"),
            cli_rate(number(status, "calls_per_second"), rate), number(counters, "errors_total"));
    fprintf(out, "memory    %s resident, %s in calls (%s at most so far)\n",
            cli_bytes(number(memory, "resident_bytes"), resident), cli_bytes(number(memory, "core_bytes"), held),
            cli_bytes(number(memory, "core_bytes_max"), bound));
    render_counts(status, "errors", "errors    ", out);
    render_counts(status, "refused", "refused   ", out);
    render_counts(status, "dropped", "dropped   ", out);
    render_taps(status, out);
    fputc('\n', out);
    if (!cli_render_services(status, out))
        return false;
    fputc('\n', out);
    return cli_render_peers(status, out);
}
