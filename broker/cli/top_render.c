/* The page of `sut top`. */
#include "ask.h"
#include "table.h"
#include "times.h"
#include "top.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define HEAD_LINES 4 /* three of text and a blank one */
#define PART_LINES 2 /* a part's column heads and the blank line behind it */

typedef struct row {
    const json_t *json;
    const cli_top_subject *subject;
    const char *name;
    double rate, latency, queue, errors;
} row;

static cli_top_sort sort_by; /* qsort has no argument to carry it */

static int compare(const void *a, const void *b)
{
    const row *x = a, *y = b;
    double left = sort_by == TOP_BY_RATE ? x->rate : sort_by == TOP_BY_LATENCY ? x->latency : x->queue;
    double right = sort_by == TOP_BY_RATE ? y->rate : sort_by == TOP_BY_LATENCY ? y->latency : y->queue;
    if (sort_by != TOP_BY_NAME && left != right)
        return left < right ? 1 : -1;
    return strcmp(x->name, y->name);
}

static void sort(row *rows, size_t count, cli_top_sort by)
{
    sort_by = by;
    qsort(rows, count, sizeof *rows, compare);
}

static double between(const cli_top_look *now, const cli_top_look *before, double is, double was)
{
    double seconds = before ? (double)(now->at_ns - before->at_ns) / (double)SUT_NS_PER_S : 0;
    return seconds > 0 && is > was ? (is - was) / seconds : 0;
}

static void head(const cli_top_look *now, const cli_top_look *before, FILE *out)
{
    char a[UNIT_MAX], b[UNIT_MAX], c[UNIT_MAX], clock[CLI_CLOCK_SIZE];
    const json_t *s = now->status, *memory = json_object_get(s, "memory"), *counters = json_object_get(s, "counters");
    const json_t *j = now->journal, *j_before = before ? before->journal : NULL;
    fprintf(out, "%.8s  %s  up %s  memory %s%s\n", cli_clock(now->wall_us, now->wall_us, clock), cli_txt(s, "version"),
            cli_duration(cli_num(s, "uptime_ms"), a), cli_bytes(cli_num(memory, "resident_bytes"), b),
            json_is_true(json_object_get(s, "draining")) ? "  draining" : "");
    fprintf(out, "calls    %s, %.0f pending, %.0f errors\n", cli_rate(cli_num(s, "calls_per_second"), a),
            cli_num(s, "calls_pending"), cli_num(counters, "errors_total"));
    if (!j) {
        fputs("journal  cannot be looked at\n\n", out);
        return;
    }
    fprintf(out, "journal  %s, %.0f kept, %s of %s, %.0f wait, %.0f delayed, %.0f dead%s\n\n",
            cli_rate(between(now, before, cli_num(j, "events_total"), cli_num(j_before, "events_total")), a),
            cli_num(j, "records"), cli_bytes(cli_num(j, "file_bytes"), b), cli_bytes(cli_num(j, "map_bytes"), c),
            cli_num(j, "queued_events"), cli_num(j, "delayed"), cli_num(j, "dead"),
            json_is_false(json_object_get(j, "writable")) ? ", NOT WRITABLE" : "");
}

static bool print_part(cli_table *t, FILE *out)
{
    bool printed = cli_table_print(t, out);
    cli_table_deinit(t);
    fputc('\n', out);
    return printed;
}

static row *json_rows(const json_t *list, size_t *count)
{
    row *rows = calloc(json_array_size(list) + 1, sizeof *rows);
    const json_t *v;
    size_t i;
    *count = 0;
    if (!rows)
        return NULL;
    json_array_foreach(list, i, v)
    {
        rows[(*count)++] = (row){.json = v, .name = cli_txt(v, "name")};
    }
    return rows;
}

static bool services(const cli_top_look *now, cli_top_sort by, size_t max, FILE *out)
{
    static const cli_column columns[] = {{"SERVICE", false}, {"INSTANCES", true}, {"RATE", true},   {"P50", true},
                                         {"P99", true},      {"BUSY", true},      {"QUEUED", true}, {"ERRORS", true}};
    char unit[UNIT_MAX];
    size_t count;
    cli_table t;
    row *rows = json_rows(json_object_get(now->status, "services"), &count);
    if (!rows)
        return false;
    for (size_t i = 0; i < count; i++) {
        rows[i].rate = cli_num(rows[i].json, "calls_per_second");
        rows[i].latency = cli_num(rows[i].json, "p99_us");
        rows[i].queue = cli_num(rows[i].json, "queued");
    }
    sort(rows, count, by);
    cli_table_init(&t, columns, SUT_ARRAY_LEN(columns));
    for (size_t i = 0; i < count && i < max; i++) {
        const json_t *s = rows[i].json;
        cli_table_cell(&t, "%.24s", rows[i].name);
        cli_table_cell(&t, "%.0f", cli_num(s, "instances"));
        cli_table_cell(&t, "%s", cli_rate(rows[i].rate, unit));
        cli_table_cell(&t, "%s", cli_micros(cli_num(s, "p50_us"), unit));
        cli_table_cell(&t, "%s", cli_micros(rows[i].latency, unit));
        cli_table_cell(&t, "%.0f", cli_num(s, "in_flight"));
        cli_table_cell(&t, "%.0f", rows[i].queue);
        cli_table_cell(&t, "%.0f", cli_num(s, "errors_total"));
    }
    free(rows);
    return print_part(&t, out);
}

static const json_t *group_before(const cli_top_look *before, const char *name)
{
    const json_t *g;
    size_t i;
    json_array_foreach(json_object_get(before ? before->groups : NULL, "groups"), i, g)
    {
        if (strcmp(cli_txt(g, "name"), name) == 0)
            return g;
    }
    return NULL;
}

static bool groups(const cli_top_look *now, const cli_top_look *before, cli_top_sort by, size_t max, FILE *out)
{
    static const cli_column columns[] = {{"GROUP", false}, {"STATE", false}, {"MEMBERS", true}, {"RATE", true},
                                         {"LAG", true},    {"OUT", true},    {"OLDEST", true},  {"DEAD", true}};
    char unit[UNIT_MAX];
    size_t count;
    cli_table t;
    row *rows = json_rows(json_object_get(now->groups, "groups"), &count);
    if (!rows)
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *was = group_before(before, rows[i].name);
        if (was)
            rows[i].rate = between(now, before, cli_num(rows[i].json, "acked_total"), cli_num(was, "acked_total"));
        rows[i].latency = cli_num(rows[i].json, "oldest_ms");
        rows[i].queue = cli_num(rows[i].json, "lag");
    }
    sort(rows, count, by);
    cli_table_init(&t, columns, SUT_ARRAY_LEN(columns));
    for (size_t i = 0; i < count && i < max; i++) {
        cli_table_cell(&t, "%.24s", rows[i].name);
        cli_table_cell(&t, "%s", cli_txt(rows[i].json, "state"));
        cli_table_cell(&t, "%.0f", cli_num(rows[i].json, "members"));
        cli_table_cell(&t, "%s", cli_rate(rows[i].rate, unit));
        cli_table_cell(&t, "%.0f", rows[i].queue);
        cli_table_cell(&t, "%.0f", cli_num(rows[i].json, "in_flight"));
        cli_table_cell(&t, "%s", rows[i].latency > 0 ? cli_duration(rows[i].latency, unit) : "-");
        cli_table_cell(&t, "%.0f", cli_num(rows[i].json, "dead_total"));
    }
    free(rows);
    return print_part(&t, out);
}

static const cli_top_subject *subject_before(const cli_top_look *before, const char *name)
{
    for (size_t i = 0; before && i < before->subject_count; i++)
        if (strcmp(before->subjects[i].subject, name) == 0)
            return &before->subjects[i];
    return NULL;
}

static void subject_row(row *r, const cli_top_look *now, const cli_top_look *before, const cli_top_subject *s)
{
    const cli_top_subject *was = subject_before(before, s->subject);
    static const cli_top_subject none;
    was = was ? was : &none;
    uint64_t took = s->took_count - was->took_count;
    *r = (row){.subject = s, .name = s->subject};
    r->rate = between(now, before, (double)s->count, (double)was->count);
    r->errors = between(now, before, (double)s->errors, (double)was->errors);
    r->latency = took ? (double)(s->took_us_total - was->took_us_total) / (double)took : 0;
}

static bool subjects(const cli_top_look *now, const cli_top_look *before, cli_top_sort by, size_t max, FILE *out)
{
    static const cli_column columns[] = {
        {"SUBJECT", false}, {"RATE", true}, {"ERRORS", true}, {"MEAN", true}, {"LONGEST", true}};
    char unit[UNIT_MAX];
    cli_table t;
    row *rows = calloc(now->subject_count + 1, sizeof *rows);
    if (!rows)
        return false;
    for (size_t i = 0; i < now->subject_count; i++)
        subject_row(&rows[i], now, before, &now->subjects[i]);
    sort(rows, now->subject_count, by);
    cli_table_init(&t, columns, SUT_ARRAY_LEN(columns));
    for (size_t i = 0; i < now->subject_count && i < max; i++) {
        cli_table_cell(&t, "%.40s", rows[i].name);
        cli_table_cell(&t, "%s", cli_rate(rows[i].rate, unit));
        cli_table_cell(&t, "%s", cli_rate(rows[i].errors, unit));
        cli_table_cell(&t, "%s", rows[i].latency > 0 ? cli_micros(rows[i].latency, unit) : "-");
        double longest = (double)rows[i].subject->took_us_max;
        cli_table_cell(&t, "%s", longest > 0 ? cli_micros(longest, unit) : "-");
    }
    free(rows);
    bool printed = cli_table_print(&t, out);
    cli_table_deinit(&t);
    if (before && now->unseen > before->unseen)
        fputs("(more passes than this sample shows)\n", out);
    return printed;
}

static bool page(const cli_top_look *now, const cli_top_look *before, cli_top_sort by, int height, FILE *out)
{
    size_t rows = 1000, parts = now->tapped ? 3 : 2;
    if (height > 0) {
        int left = height - HEAD_LINES - (int)parts * PART_LINES;
        rows = left > (int)parts ? (size_t)left / parts : 1;
    }
    head(now, before, out);
    return services(now, by, rows, out) && groups(now, before, by, rows, out) &&
           (!now->tapped || subjects(now, before, by, rows, out));
}

/* Lines cut to the width, between characters. */
static void cut(const char *text, int width, int height, FILE *out)
{
    for (int lines = 0; *text && (height <= 0 || lines < height); lines++) {
        int column = 0;
        for (; *text && *text != '\n'; text++) {
            column += ((unsigned char)*text & 0xc0) != 0x80;
            if (width <= 0 || column <= width)
                fputc(*text, out);
        }
        fputc('\n', out);
        text += *text == '\n';
    }
}

bool cli_top_render(const cli_top_look *now, const cli_top_look *before, cli_top_sort by, int width, int height,
                    FILE *out)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (!memory)
        return false;
    bool made = page(now, before, by, height, memory);
    made = fclose(memory) == 0 && made;
    if (made)
        cut(text, width, height, out);
    free(text);
    return made;
}

void cli_top_look_deinit(cli_top_look *look)
{
    json_decref(look->status);
    json_decref(look->groups);
    json_decref(look->journal);
    *look = (cli_top_look){.status = NULL};
}
