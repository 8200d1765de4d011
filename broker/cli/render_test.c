/* What people see, on fixed data: tables, units, pages. Goldens are in this file, as they are short. */
#include "page.h"
#include "render.h"
#include "table.h"

#include "base/str.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(render, .timeout = 20);

Test(render, services)
{
    json_t *v = page_json(
        "{\"services_total\":2,\"services\":["
        "{\"name\":\"auth\",\"instances\":1,\"credits_free\":63,\"in_flight\":1,\"queued\":0,\"calls_total\":120345,"
        "\"errors_total\":17,\"calls_per_second\":3.25,\"p50_us\":58200,\"p99_us\":120000},"
        "{\"name\":\"user\",\"instances\":3,\"credits_free\":190,\"in_flight\":2,\"queued\":14,\"calls_total\":9,"
        "\"errors_total\":0,\"calls_per_second\":18234.5,\"p50_us\":412,\"p99_us\":1250}]}");
    EXPECT_PAGE(cli_render_services(v, out),
                "SERVICE  INSTANCES  FREE  IN FLIGHT  QUEUED   CALLS  ERRORS      RATE      P50     P99\n"
                "auth             1    63          1       0  120345      17     3.2/s  58.2 ms  120 ms\n"
                "user             3   190          2      14       9       0  18.2 k/s   412 us  1.2 ms\n");
    json_decref(v);
}

Test(render, peers)
{
    json_t *v = page_json(
        "{\"sessions\":[{\"session\":1,\"name\":\"edge\",\"role\":\"edge\",\"state\":\"ready\",\"instance\":\"edge-1\","
        "\"calls_pending\":12,\"calls_in_hand\":0,\"open_ms\":90061000,\"silent_ms\":3},"
        "{\"session\":2,\"name\":\"user\\u001b[2J\",\"role\":\"actor\",\"state\":\"draining\",\"instance\":\"ü-2\","
        "\"calls_pending\":0,\"calls_in_hand\":4,\"open_ms\":192000,\"silent_ms\":450}]}");
    EXPECT_PAGE(cli_render_peers(v, out), "PEER      ROLE   STATE     INSTANCE  CALLING  SERVING        UP  SILENT\n"
                                          "edge      edge   ready     edge-1         12        0   1 d 1 h    3 ms\n"
                                          "user?[2J  actor  draining  ü-2             0        4  3 m 12 s  450 ms\n");
    json_decref(v);
}

Test(render, status)
{
    json_t *v = page_json(
        "{\"version\":\"0.1.0\",\"pid\":4711,\"uptime_ms\":3725000,\"draining\":true,\"calls_pending\":3,"
        "\"calls_per_second\":12.34,\"counters\":{\"calls_total\":1000,\"errors_total\":7},"
        "\"errors\":{\"overloaded\":5,\"internal\":0,\"not_found\":2},\"refused\":{},\"dropped\":{\"silent\":1},"
        "\"memory\":{\"resident_bytes\":9961472,\"core_bytes\":2048,\"core_bytes_max\":300000},"
        "\"taps\":{\"records_total\":90,\"lost_total\":12,\"taps\":[{\"peer\":\"ada\",\"records_total\":40,"
        "\"lost_total\":2,\"personal\":true}]},"
        "\"services\":[],\"sessions\":[]}");
    EXPECT_PAGE(cli_render_status(v, out),
                "broker    0.1.0, pid 4711, up 1 h 02 m, draining\n"
                "calls     1000 in all, 3 pending, 12/s, 7 answered with an error\n"
                "memory    9.5 MiB resident, 2.0 KiB in calls (293 KiB at most so far)\n"
                "errors    overloaded 5, not_found 2\n"
                "dropped   silent 1\n"
                "taps      1 attached, 90 records shown in all, 12 lost\n"
                "          ada: 40 shown, 2 lost, with personal fields\n"
                "\n"
                "SERVICE  INSTANCES  FREE  IN FLIGHT  QUEUED  CALLS  ERRORS  RATE  P50  P99\n"
                "(none)\n"
                "\n"
                "PEER  ROLE  STATE  INSTANCE  CALLING  SERVING  UP  SILENT\n"
                "(none)\n");
    json_decref(v);
}

Test(render, a_broker_of_another_age_leaves_gaps_and_nothing_worse)
{
    json_t *v =
        page_json("{\"services\":[{\"name\":7}],\"sessions\":{\"not\":\"a list\"},\"counters\":[],\"memory\":null}");
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    cr_assert(cli_render_status(v, out));
    fclose(out);
    cr_assert_not_null(strstr(text, "SERVICE"));
    free(text);
    json_decref(v);
}

Test(render, long_cells_are_cut_between_characters)
{
    static const cli_column columns[] = {{"A", false}};
    char cell[400];
    for (size_t i = 0; i < sizeof cell - 1; i += 2)
        memcpy(cell + i, "ü", 2);
    cell[398] = '\0';
    cli_table t;
    cli_table_init(&t, columns, 1);
    cli_table_cell(&t, "%s", cell);
    cr_assert(sut_utf8_valid(sut_str_from(t.cells[0]), NULL));
    cr_assert_not_null(strstr(t.cells[0], "…"));
    cli_table_deinit(&t);
}

Test(render, units)
{
    char u[UNIT_MAX];
    static const struct {
        double v;
        const char *text;
    } bytes[] = {{0, "0 B"},        {1023, "1023 B"},       {1024, "1.0 KiB"},
                 {1536, "1.5 KiB"}, {20971520, "20.0 MiB"}, {5e12, "4.5 TiB"}},
      micros[] = {{0, "0 us"}, {999, "999 us"}, {1500, "1.5 ms"}, {2500000, "2.5 s"}, {120000, "120 ms"}},
      durations[] = {{-5, "0 ms"}, {999, "999 ms"}, {12000, "12 s"}, {61000, "1 m 01 s"}, {7260000, "2 h 01 m"}},
      rates[] = {{0, "0/s"}, {0.04, "0.0/s"}, {3.14, "3.1/s"}, {120, "120/s"}, {12345, "12.3 k/s"}, {2e6, "2.0 M/s"}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(bytes); i++)
        cr_assert_str_eq(cli_bytes(bytes[i].v, u), bytes[i].text);
    for (size_t i = 0; i < SUT_ARRAY_LEN(micros); i++)
        cr_assert_str_eq(cli_micros(micros[i].v, u), micros[i].text);
    for (size_t i = 0; i < SUT_ARRAY_LEN(durations); i++)
        cr_assert_str_eq(cli_duration(durations[i].v, u), durations[i].text);
    for (size_t i = 0; i < SUT_ARRAY_LEN(rates); i++)
        cr_assert_str_eq(cli_rate(rates[i].v, u), rates[i].text);
}
