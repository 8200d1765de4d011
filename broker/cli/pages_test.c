/* Pages about events on fixed data: groups, dead letters, taps, traces, top. */
#include "page.h"
#include "render.h"
#include "tap_feed.h"
#include "top.h"
#include "why.h"

#include <string.h>

TestSuite(pages, .timeout = 20);

#define GROUP                                                                                                          \
    "{\"name\":\"user-profile\",\"subjects\":[\"user.*\",\"session.>\"],\"state\":\"active\",\"members\":2,"           \
    "\"credits_free\":60,\"cursor\":4711,\"next\":4720,\"lag\":8,\"window\":4,\"window_max\":65536,\"in_flight\":3,"   \
    "\"waiting\":1,\"window_bytes\":960,\"oldest_ms\":1200,\"oldest_key\":\"42\",\"generation\":1,"                    \
    "\"delivered_total\":10,\"acked_total\":6,\"nacked_total\":2,\"expired_total\":1,\"lost_total\":0,"                \
    "\"dead_total\":1,\"stale_total\":0}"

Test(pages, groups)
{
    json_t *v = page_json("{\"groups_total\":1,\"groups\":[" GROUP "]}");
    EXPECT_PAGE(cli_render_groups(v, out),
                "GROUP         SUBJECTS          STATE   MEMBERS  CURSOR  LAG  OUT  WAITING  OLDEST  KEY  DEAD\n"
                "user-profile  user.*,session.>  active        2    4711    8    3        1     1 s  42      1\n");
    EXPECT_PAGE(cli_render_group(json_array_get(json_object_get(v, "groups"), 0), out),
                "group     user-profile: active, 2 members, credits for 60 more, generation 1\n"
                "subjects  user.*, session.>\n"
                "place     4711 of 4719: 8 behind\n"
                "window    4 of 65536 events, 960 B; 3 out, 1 waiting\n"
                "held by   key 42, unacknowledged for 1 s\n"
                "so far    10 delivered, 6 acknowledged, 2 refused, 1 expired, 0 lost, 1 dead, 0 stale\n");
    json_decref(v);
}

Test(pages, journal_that_cannot_be_written)
{
    json_t *v = page_json("{\"creation_id\":\"00ff\",\"format\":1,\"writable\":false,\"fault\":\"No space left on "
                          "device\",\"records\":3,\"first\":2,\"next\":5,\"record_bytes\":700,\"file_bytes\":2097152,"
                          "\"map_bytes\":17179869184,\"delayed\":1,\"dead\":2,\"sources\":0,\"dedup_ids\":3}");
    EXPECT_PAGE(cli_render_journal(v, out), "journal   00ff, format 1, NOT WRITABLE: No space left on device\n"
                                            "events    3, from 2 to 4\n"
                                            "size      700 B in events, file 2.0 MiB of at most 16.0 GiB\n"
                                            "beside    1 delayed, 2 dead letters, 0 sources, 3 ids remembered\n");
    json_decref(v);
}

Test(pages, dead_letters)
{
    json_t *head =
        page_json("{\"id\":3,\"group\":\"mailer\",\"subject\":\"user.registered\",\"key\":\"42\",\"sequence\":"
                  "4711,\"event_id\":\"00ff\",\"published_at\":\"2026-01-02T03:04:05Z\",\"died_at\":"
                  "\"2026-01-02T03:04:35.5Z\",\"attempts\":8,\"code\":\"internal\",\"message\":\"down\\u001b[2J"
                  "\",\"redriving\":false}");
    json_t *list = json_pack("[O]", head);
    EXPECT_PAGE(cli_render_dead_letters(list, out),
                "ID  GROUP   SUBJECT          KEY  SEQUENCE  DIED                 TRIES  STATE  LAST ERROR\n"
                " 3  mailer  user.registered  42       4711  2026-01-02T03:04:35      8  dead   internal: down?[2J\n");
    json_decref(list);
    json_t *letter =
        page_json("{\"publisher\":\"auth\",\"user_id\":7,\"body\":{\"user_id\":42},\"attempt_list\":["
                  "{\"attempt\":1,\"at\":\"T\",\"consumer\":\"m-1\",\"code\":\"lost\",\"message\":\"\"}]}");
    json_object_set_new(letter, "letter", head);
    EXPECT_PAGE(cli_render_dead_letter(letter, out), "dead letter 3 of group mailer\n"
                                                     "event       user.registered\n"
                                                     "key         42\n"
                                                     "sequence    4711\n"
                                                     "event id    00ff\n"
                                                     "published   2026-01-02T03:04:05Z\n"
                                                     "by          auth\n"
                                                     "for user    7\n"
                                                     "died        2026-01-02T03:04:35.5Z\n"
                                                     "\nbody        {\n  \"user_id\": 42\n}\n\n"
                                                     "TRY  AT  CONSUMER  CODE  MESSAGE\n"
                                                     "  1  T   m-1       lost\n");
    json_decref(letter);
}

static bool record(const char *json, FILE *out)
{
    json_t *v = page_json(json);
    cli_render_record(v, INT64_C(1767323045000000), out);
    json_decref(v);
    return true;
}

Test(pages, tapped_records)
{
    setenv("TZ", "UTC", 1);
    EXPECT_PAGE(
        record("{\"at\":\"2026-01-02T03:04:05.5Z\",\"kind\":\"call\",\"from\":\"edge\",\"to\":\"user\",\"subject\":"
               "\"user.profile_get\",\"key\":\"42\",\"user_id\":42,\"body\":{\"user_id\":42}}",
               out),
        "03:04:05.500 call   edge → user  user.profile_get  key=42  user=42  {\"user_id\":42}\n");
    EXPECT_PAGE(
        record("{\"at\":\"2026-01-02T03:04:05Z\",\"kind\":\"error\",\"from\":\"user\",\"to\":\"edge\",\"subject\":"
               "\"user.profile_get\",\"code\":\"not_found\",\"took_us\":1200,\"withheld\":true}",
               out),
        "03:04:05.000 error  user → edge  user.profile_get  not_found  1.2 ms  (more was withheld)\n");
    EXPECT_PAGE(record("{\"at\":\"2025-01-02T03:04:05Z\",\"kind\":\"event\",\"from\":\"a\\u0007b\",\"subject\":\"x.y\","
                       "\"sequence\":7,\"replayed\":true,\"body\":{}}",
                       out),
                "2025-01-02 03:04:05.000 event  a?b → -  x.y  #7  replayed  {}\n");
}

static bool trace(const char *json, FILE *out)
{
    json_t *v = page_json(json);
    bool made = cli_render_trace(v, out);
    json_decref(v);
    return made;
}

Test(pages, a_trace_is_a_tree)
{
    setenv("TZ", "UTC", 1);
    EXPECT_PAGE(
        trace(
            "[{\"kind\":\"delivery\",\"subject\":\"user.updated\",\"group\":\"mailer\",\"to\":\"m-1\",\"attempt\":2,"
            "\"at\":1767323045005000,\"took_us\":1100,\"code\":\"internal\",\"span_id\":\"d\",\"parent_id\":\"c\"},"
            "{\"kind\":\"call\",\"subject\":\"user.profile_update\",\"from\":\"edge\",\"to\":\"user\",\"user_id\":42,"
            "\"at\":1767323045000000,\"took_us\":4200,\"span_id\":\"a\"},"
            "{\"kind\":\"event\",\"subject\":\"user.updated\",\"from\":\"user\",\"sequence\":4711,\"key\":\"42\","
            "\"at\":1767323045004000,\"span_id\":\"c\",\"parent_id\":\"a\"},"
            "{\"kind\":\"call\",\"subject\":\"auth.verify\",\"from\":\"user\",\"to\":\"auth\",\"at\":1767323045001000,"
            "\"span_id\":\"b\",\"parent_id\":\"a\"}]",
            out),
        "2026-01-02 03:04:05.000  user.profile_update  edge → user  user=42  4.2 ms\n"
        "├─ +1.0 ms  auth.verify  user → auth  not answered\n"
        "└─ +4.0 ms  event user.updated #4711  user  key=42\n"
        "   └─ +5.0 ms  → group mailer at m-1  attempt 2  1.1 ms  internal\n");
}

Test(pages, a_trace_with_circles_and_orphans_ends)
{
    setenv("TZ", "UTC", 1);
    EXPECT_PAGE(
        trace("[{\"kind\":\"call\",\"subject\":\"a.a\",\"at\":1000,\"took_us\":1,\"span_id\":\"1\",\"parent_id\":"
              "\"2\"},{\"kind\":\"call\",\"subject\":\"b.b\",\"at\":1000,\"took_us\":1,\"span_id\":\"2\","
              "\"parent_id\":\"1\"},{\"kind\":\"call\",\"subject\":\"c.c\",\"at\":2000,\"took_us\":1,"
              "\"parent_id\":\"gone\"}]",
              out),
        "1970-01-01 00:00:00.001  b.b  1 us\n"
        "└─ +0 us  a.a  1 us\n"
        "1970-01-01 00:00:00.002  c.c  1 us\n");
}

/* ---- top ---- */

static void look(cli_top_look *l, const char *status, const char *groups, const char *journal, uint64_t at_ns)
{
    *l = (cli_top_look){.status = page_json(status), .at_ns = at_ns, .wall_us = INT64_C(1767323045000000)};
    l->groups = page_json(groups);
    l->journal = page_json(journal);
}

#define SERVICES                                                                                                       \
    "{\"version\":\"sut-broker/0.1.0\",\"uptime_ms\":61000,\"calls_per_second\":120,\"calls_pending\":4,\"memory\":{"  \
    "\"resident_bytes\":1048576},\"counters\":{\"errors_total\":17},\"services\":["                                    \
    "{\"name\":\"auth\",\"instances\":1,\"calls_per_second\":20,\"p50_us\":100,\"p99_us\":9000,\"queued\":0},"         \
    "{\"name\":\"user\",\"instances\":2,\"calls_per_second\":100,\"p50_us\":100,\"p99_us\":200,\"queued\":5}]}"

Test(pages, top_sorts_and_computes_rates)
{
    cli_top_look was, now;
    setenv("TZ", "UTC", 1);
    look(&was, SERVICES, "{\"groups\":[{\"name\":\"g\",\"acked_total\":10}]}", "{\"events_total\":100}", 1);
    look(&now, SERVICES,
         "{\"groups\":[{\"name\":\"g\",\"state\":\"active\",\"members\":1,\"acked_total\":30,\"lag\":7}]}",
         "{\"events_total\":300,\"records\":5,\"file_bytes\":1024,\"map_bytes\":2048,\"writable\":true}",
         2 * UINT64_C(1000000000) + 1);
    cli_top_count(now.subjects, &now.subject_count, SUT_STR("user.profile_get"), false, 100);
    cli_top_count(now.subjects, &now.subject_count, SUT_STR("user.profile_get"), true, 300);
    now.tapped = true;
    EXPECT_PAGE(cli_top_render(&now, &was, TOP_BY_RATE, 0, 0, out),
                "03:04:05  sut-broker/0.1.0  up 1 m 01 s  memory 1.0 MiB\n"
                "calls    120/s, 4 pending, 17 errors\n"
                "journal  100/s, 5 kept, 1.0 KiB of 2.0 KiB, 0 wait, 0 delayed, 0 dead\n\n"
                "SERVICE  INSTANCES   RATE     P50     P99  BUSY  QUEUED  ERRORS\n"
                "user             2  100/s  100 us  200 us     0       5       0\n"
                "auth             1   20/s  100 us  9.0 ms     0       0       0\n\n"
                "GROUP  STATE   MEMBERS  RATE  LAG  OUT  OLDEST  DEAD\n"
                "g      active        1  10/s    7    0       -     0\n\n"
                "SUBJECT            RATE  ERRORS    MEAN  LONGEST\n"
                "user.profile_get  1.0/s   0.5/s  200 us   300 us\n");
    char *text = NULL;
    size_t size, lines = 0;
    FILE *out = open_memstream(&text, &size);
    cr_assert(cli_top_render(&now, &was, TOP_BY_LATENCY, 30, 12, out));
    fclose(out);
    cr_assert(strstr(text, "auth") && !strstr(text, "\nuser  "), "%s", text); /* one row a part: the slowest */
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++)
        cr_assert_leq(strlen(line), 30, "%s", line);
    cr_assert_leq(lines, 12);
    free(text);
    cli_top_look_deinit(&was);
    cli_top_look_deinit(&now);
}

Test(pages, top_without_journal_or_rights)
{
    cli_top_look now = {.status = page_json("{}")};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    cr_assert(cli_top_render(&now, NULL, TOP_BY_NAME, 80, 24, out));
    fclose(out);
    cr_assert(strstr(text, "journal  cannot be looked at"));
    cr_assert(strstr(text, "(none)"));
    free(text);
    cli_top_look_deinit(&now);
}
