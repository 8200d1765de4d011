/* Times, places, progress, differences: what people type and read around events. */
#include "diff.h"
#include "input.h"
#include "progress.h"
#include "replay.h"
#include "times.h"

#include "wire/schema.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(events, .timeout = 20);

#define SECOND INT64_C(1000000)

Test(events, spans)
{
    static const struct {
        const char *text;
        int64_t us; /* -1: refused */
    } cases[] = {{"500ms", 500000},
                 {"30s", 30 * SECOND},
                 {"90", 90 * SECOND},
                 {"5m", 300 * SECOND},
                 {"2h", 7200 * SECOND},
                 {"0s", 0},
                 {"7d", 604800 * SECOND},
                 {"", -1},
                 {"m", -1},
                 {"-5m", -1},
                 {"5 m", -1},
                 {"5w", -1},
                 {"1.5h", -1},
                 {"99999999999999d", -1},
                 {"4000d", -1},
                 {"5mm", -1}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        int64_t us = -1;
        bool good = cli_span_parse(cases[i].text, &us);
        cr_assert_eq(good, cases[i].us >= 0, "%s", cases[i].text);
        cr_assert_eq(us, cases[i].us, "%s", cases[i].text);
    }
}

Test(events, moments)
{
    int64_t now = INT64_C(1767323045) * SECOND, us; /* 2026-01-02T03:04:05Z */
    setenv("TZ", "UTC-2", 1);                       /* two hours east */
    static const struct {
        const char *text;
        int64_t offset_s; /* from now */
    } good[] = {{"now", 0},
                {"10m", -600},
                {"-10m", -600},
                {"10m ago", -600},
                {"+5m", 300},
                {"2026-01-02T03:00:05Z", -240},
                {"05:04", -5},
                {"05:04:06", 1},
                {"2026-01-02 05:04", -5},
                {"2026-01-02", -5 * 3600 - 245}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(good); i++) {
        cr_assert(cli_time_parse(good[i].text, now, &us), "%s", good[i].text);
        cr_assert_eq(us - now, good[i].offset_s * SECOND, "%s: %lld", good[i].text, (long long)(us - now));
    }
    static const char *const bad[] = {"", "yesterday", "10", "25:00", "2026-13-01", "10m later", "+", "5:04", "--10m"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(bad); i++)
        cr_assert_not(cli_time_parse(bad[i], now, &us), "%s", bad[i]);
}

Test(events, places)
{
    cli_place p;
    cr_assert(cli_place_option("--from", "4711", false, &p));
    cr_assert_eq(p.kind, CLI_PLACE_SEQUENCE);
    cr_assert_eq(p.sequence, 4711);
    cr_assert(cli_place_option("--from", "10m", false, &p));
    cr_assert_eq(p.kind, CLI_PLACE_TIME);
    cr_assert(cli_place_option("--start", "beginning", true, &p));
    cr_assert_eq(p.kind, CLI_PLACE_BEGINNING);
    cr_assert(cli_place_option("--start", NULL, true, &p));
    cr_assert_eq(p.kind, CLI_PLACE_NONE);
    cr_assert_not(cli_place_option("--from", "beginning", false, &p));
    cr_assert_not(cli_place_option("--from", "0", false, &p));
}

Test(events, clocks)
{
    char out[CLI_CLOCK_SIZE];
    int64_t now = INT64_C(1767323045) * SECOND;
    setenv("TZ", "UTC", 1);
    cr_assert_str_eq(cli_clock(now - 1500000, now, out), "03:04:03.500");
    cr_assert_str_eq(cli_clock(now - 86400 * SECOND, now, out), "2026-01-01 03:04:05.000");
    cr_assert_str_eq(cli_clock(-1, now, out), "?");
}

Test(events, speeds)
{
    double speed;
    cr_assert(cli_speed_parse("10x", &speed) && speed == 10);
    cr_assert(cli_speed_parse("0.5x", &speed) && speed == 0.5);
    cr_assert(cli_speed_parse("max", &speed) && speed == 0);
    cr_assert(cli_speed_parse(NULL, &speed) && speed == 0);
    static const char *const bad[] = {"", "x", "fast", "-1x", "0x", "10y", "inf", "nan", "1e9x"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(bad); i++)
        cr_assert_not(cli_speed_parse(bad[i], &speed), "%s", bad[i]);
}

Test(events, patterns)
{
    static const char *const good[] = {"user.registered", "user.*", "*", ">", "user.>", "*.registered"};
    static const char *const bad[] = {"", "User.x", "user.", ".x", "user.>.x", "a b", "user..x", "us*"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(good); i++)
        cr_assert(cli_patterns_valid(&good[i], 1), "%s", good[i]);
    for (size_t i = 0; i < SUT_ARRAY_LEN(bad); i++)
        cr_assert_not(cli_patterns_valid(&bad[i], 1), "%s", bad[i]);
}

Test(events, lists)
{
    json_t *v = cli_list("user.*,,post.>");
    cr_assert_eq(json_array_size(v), 2);
    cr_assert_str_eq(json_string_value(json_array_get(v, 1)), "post.>");
    json_decref(v);
    cr_assert_null(cli_list(NULL));
}

Test(events, progress_lines)
{
    char out[PROGRESS_SIZE];
    cr_assert_str_eq(cli_progress_line("replayed", 4000, 10000, 4, 0, out),
                     "[########............]  40 %  4000 of 10000 replayed  1.0 k/s  6 s left");
    cr_assert_str_eq(cli_progress_line("exported", 300, 0, 2, 0, out), "300 exported  150/s");
    cr_assert_str_eq(cli_progress_line("replayed", 0, 10, 1, 0, out),
                     "[....................]   0 %  0 of 10 replayed  0/s  ? left");
    cr_assert_str_eq(cli_progress_line("replayed", 12, 10, 1, 29, out), "[####################] 100 % ");
}

/* ---- differences ---- */

static void note(void *arg, const char *path, const json_t *was, const json_t *is)
{
    char *a = was ? json_dumps(was, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    char *b = is ? json_dumps(is, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    fprintf(arg, "%s %s %s\n", path, a ? a : "-", b ? b : "-");
    free(a);
    free(b);
}

static void expect_diff(const sut_record *record, const char *was, const char *is, const char *golden)
{
    json_error_t e;
    json_t *a = json_loads(was, 0, &e), *b = json_loads(is, 0, &e);
    char *text = NULL;
    size_t size, lines = 0;
    FILE *out = open_memstream(&text, &size);
    size_t count = cli_diff(record, a, b, note, out);
    fclose(out);
    for (const char *p = text; *p; p++)
        lines += *p == '\n';
    cr_assert_str_eq(text, golden);
    cr_assert_eq(count, lines);
    free(text);
    json_decref(a);
    json_decref(b);
}

Test(events, differences_by_field)
{
    expect_diff(NULL, "{\"a\":1,\"b\":{\"c\":[1,2]}}", "{\"b\":{\"c\":[1,2]},\"a\":1}", "");
    expect_diff(NULL, "{\"a\":1,\"gone\":true}", "{\"a\":2,\"new\":null}", "/a 1 2\n/gone true -\n/new - null\n");
    expect_diff(NULL, "{\"l\":[{\"x\":1},{\"x\":2}]}", "{\"l\":[{\"x\":1},{\"x\":3},{}]}", "/l/1/x 2 3\n/l/2 - {}\n");
    expect_diff(NULL, "{\"a\":{}}", "{\"a\":[]}", "/a {} []\n");
}

Test(events, volatile_fields_do_not_differ)
{
    static const sut_field inner_fields[] = {
        {.name = "at", .name_len = 2, .type = SUT_T_TIMESTAMP, .flags = SUT_F_VOLATILE},
        {.name = "n", .name_len = 1, .type = SUT_T_I64}};
    static const sut_record inner = {.name = "inner", .fields = inner_fields, .count = 2};
    static const sut_field element = {.type = SUT_T_RECORD, .record = &inner};
    static const sut_field fields[] = {{.name = "one", .name_len = 3, .type = SUT_T_RECORD, .record = &inner},
                                       {.name = "many", .name_len = 4, .type = SUT_T_LIST, .element = &element}};
    static const sut_record outer = {.name = "outer", .fields = fields, .count = 2};
    expect_diff(&outer, "{\"one\":{\"at\":1,\"n\":1},\"many\":[{\"at\":1,\"n\":1}]}",
                "{\"one\":{\"at\":2,\"n\":1},\"many\":[{\"at\":2,\"n\":2}]}", "/many/0/n 1 2\n");
}

Test(events, what_was_not_shown_does_not_differ)
{
    static const sut_field fields[] = {{.name = "token", .name_len = 5, .type = SUT_T_STRING, .flags = SUT_F_SECRET},
                                       {.name = "mail", .name_len = 4, .type = SUT_T_STRING, .flags = SUT_F_PERSONAL}};
    static const sut_record record = {.name = "r", .fields = fields, .count = 2};
    expect_diff(&record, "{\"token\":\"<redacted>\",\"mail\":\"<redacted>\"}", "{\"token\":\"t\",\"mail\":\"m\"}", "");
    expect_diff(&record, "{\"token\":\"s\",\"mail\":\"a\"}", "{\"token\":\"t\",\"mail\":\"m\"}", "/mail \"a\" \"m\"\n");
}

Test(events, the_schemas_mark_what_is_volatile)
{
    const sut_method *m = sut_method_find(SUT_STR("auth.verify"));
    cr_assert(sut_record_field(m->out, SUT_STR("expires_at"))->flags & SUT_F_VOLATILE);
    cr_assert_not(sut_record_field(m->out, SUT_STR("user_id"))->flags & SUT_F_VOLATILE);
}
