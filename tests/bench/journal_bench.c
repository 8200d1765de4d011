/* What the journal costs by itself, without a bus: appends one at a time and in batches, each call synced; publishes
 * through the service from a loop, one at a time and pipelined; replay; opening. The folder is the argument, or a new
 * one under /tmp. Usage: journal_bench [FOLDER [EVENTS]] */
#include "base/clock.h"
#include "journal/lmdb.h"
#include "journal/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BODY_BYTES 200
#define WINDOW     8192

static sut_journal_event s_events[1000];
static sut_append_result s_results[1000];
static sut_append_group s_groups[1000];
static char s_body[BODY_BYTES];
static uint64_t s_number;

static void die(const char *what, sut_status status)
{
    fprintf(stderr, "journal_bench: %s: %s\n", what, strerrordesc_np(-status));
    exit(SUT_EXIT_SOFTWARE);
}

static sut_journal *open_journal(const char *path)
{
    sut_journal *j = NULL;
    char error[256];
    sut_lmdb_options opt = {.path = path, .map_bytes = UINT64_C(32) << 30};
    sut_status status = sut_journal_open_lmdb(&j, &opt, error, sizeof error);
    if (status)
        die(error, status);
    return j;
}

static sut_journal_event next_event(void)
{
    sut_journal_event ev = {.subject = SUT_STR("post.created"),
                            .key = SUT_STR("post-1234567"),
                            .principal = {.user_id = 42, .level = 1},
                            .traceparent = SUT_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                            .publisher = SUT_STR("post-1"),
                            .body = {s_body, sizeof s_body}};
    sut_random(ev.id, sizeof ev.id);
    s_number++;
    return ev;
}

static double seconds_since(uint64_t start)
{
    return (double)(sut_now_ns() - start) / 1e9;
}

static void append(sut_journal *j, size_t batch, double for_seconds)
{
    uint64_t count = 0, start = sut_now_ns();
    while (seconds_since(start) < for_seconds) {
        for (size_t i = 0; i < batch; i++) {
            s_events[i] = next_event();
            s_groups[i] = (sut_append_group){.events = &s_events[i], .results = &s_results[i], .count = 1};
        }
        sut_status status = sut_journal_append(j, sut_wall_us(), s_groups, batch);
        if (status)
            die("append", status);
        count += batch;
    }
    double took = seconds_since(start);
    printf("append, %4zu a call          %10.0f events/s  %8.1f us a call\n", batch, (double)count / took,
           took * 1e6 * (double)batch / (double)count);
}

/* ---- through the service ---- */

typedef struct client {
    sut_loop *loop;
    sut_journal_service *s;
    uint64_t sent, done, appended;
} client;

static void on_published(void *app, uint64_t tag, const sut_append_result *results, size_t count,
                         const sut_publish_fault *fault)
{
    client *c = app;
    (void)tag;
    (void)results;
    if (fault)
        die("publish", -1);
    c->done += count;
}

static void on_appended(void *app, sut_journal_batch *b)
{
    ((client *)app)->appended += b->count;
}

static void on_changed(void *app, uint64_t oldest, sut_status writable)
{
    (void)app;
    (void)oldest;
    if (writable)
        die("the journal", writable);
}

static void publish(client *c, size_t window, double for_seconds)
{
    uint64_t start = sut_now_ns(), first = c->done;
    while (seconds_since(start) < for_seconds || c->done < c->sent) {
        while (c->sent - c->done < window && seconds_since(start) < for_seconds) {
            sut_journal_event ev = next_event();
            sut_status status = sut_journal_service_publish(c->s, c->sent, &ev, 1);
            if (status)
                die("publish", status);
            c->sent++;
            if (c->sent % 64 == 0) /* a loop that reads sockets too */
                (void)!sut_loop_turn(c->loop, 0);
        }
        (void)!sut_loop_turn(c->loop, 100);
    }
    double took = seconds_since(start);
    printf("publish, %5zu outstanding    %10.0f events/s  %8.1f us each\n", window, (double)(c->done - first) / took,
           took * 1e6 * (double)window / (double)(c->done - first));
}

static void through_service(const char *path)
{
    static const sut_journal_service_ops ops = {
        .published = on_published, .appended = on_appended, .changed = on_changed};
    client c = {0};
    if (sut_loop_new(&c.loop) ||
        sut_journal_service_new(&c.s, open_journal(path), c.loop, &ops, &c, NULL, &(sut_journal_service_options){0}))
        die("service", -1);
    publish(&c, 1, 2);
    publish(&c, 64, 2);
    publish(&c, WINDOW, 3);
    c.s = sut_journal_service_free(c.s);
    c.loop = sut_loop_free(c.loop);
}

/* ---- reading ---- */

static void replay(sut_journal *j)
{
    uint64_t from = 1, count = 0, start = sut_now_ns();
    for (;;) {
        sut_journal_batch *b = NULL;
        sut_status status = sut_journal_read(j, &(sut_journal_query){.from = from}, &b);
        if (status)
            die(sut_journal_last_error(j), status);
        from = b->next;
        size_t got = b->count;
        (void)sut_journal_batch_unref(b);
        if (got == 0)
            break;
        count += got;
    }
    printf("replay                       %10.0f events/s  (%llu events)\n", (double)count / seconds_since(start),
           (unsigned long long)count);
}

static void opening(const char *path)
{
    uint64_t start = sut_now_ns();
    sut_journal *j = open_journal(path);
    double took = seconds_since(start);
    sut_journal_stats st;
    if (sut_journal_get_stats(j, &st))
        die("stats", -1);
    printf("open                         %10.0f ms        (%.2f GB, %llu events, %llu ids)\n", took * 1e3,
           (double)st.file_bytes / 1e9, (unsigned long long)st.records, (unsigned long long)st.dedup_ids);
    (void)sut_journal_close(j);
}

static void fill(sut_journal *j, uint64_t events)
{
    while (s_number < events) {
        size_t batch = SUT_ARRAY_LEN(s_events);
        for (size_t i = 0; i < batch; i++) {
            s_events[i] = next_event();
            s_groups[i] = (sut_append_group){.events = &s_events[i], .results = &s_results[i], .count = 1};
        }
        sut_status status = sut_journal_append(j, sut_wall_us(), s_groups, batch);
        if (status)
            die("append", status);
    }
}

int main(int argc, char **argv)
{
    static const size_t batches[] = {1, 16, 128, 1000};
    char made[] = "/tmp/journal-bench-XXXXXX";
    const char *path = argc > 1 ? argv[1] : mkdtemp(made);
    if (!path)
        die("mkdtemp", -1);
    sut_journal *j = open_journal(path);
    for (size_t i = 0; i < SUT_ARRAY_LEN(batches); i++)
        append(j, batches[i], 2);
    if (argc > 2)
        fill(j, strtoull(argv[2], NULL, 10));
    j = sut_journal_close(j);
    through_service(path);
    j = open_journal(path);
    replay(j);
    j = sut_journal_close(j);
    opening(path);
    if (argc < 2)
        printf("left in %s\n", path);
    return 0;
}
