/* Durable events under the load that jetstream_bench.c gives JetStream. The subject is `probe.sent`; its key is one of
 * LANES, so that a group works on that many events at a time.
 *
 *   event_bench publish COUNT WINDOW BYTES   pipelined publishes, each acknowledged; prints events a second
 *   event_bench publish-lone COUNT BYTES     one outstanding; prints `events_per_s p50_us p99_us`
 *   event_bench replay COUNT GROUP           the journal's first COUNT by one member of a new group, each acknowledged
 *   event_bench deliver COUNT GROUP MEMBERS  the same by that many members with a session and a thread each
 *
 * BYTES is the size of an event's body. $SUT_BROKER, $SUT_NAME and $SUT_SECRET_FILE say who and where, as for every
 * client. */
#include "base/clock.h"
#include "base/loop.h"
#include "sut.h"
#include "wire/msgpack.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SUBJECT    "probe.sent"
#define LANES      1024
#define BODY_HEAD  23 /* bytes of a body without its text */
#define BODY_LEAST 64
#define BODY_MAX   10000
#define UP_MS      5000
#define MEMBERS    64
#define READ_S     300

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "event_bench: %s: %s\n", what, why);
    exit(1);
}

static sut_loop *open_loop(void)
{
    sut_loop *loop = NULL;
    if (sut_loop_new(&loop) != 0)
        fail("loop", "cannot be had");
    return loop;
}

static bool turn_until_up(sut_loop *loop, sut_client *c)
{
    for (int i = 0; i < UP_MS && sut_client_state(c) != SUT_SESSION_UP; i++)
        if (sut_loop_turn(loop, 1) != 0)
            fail("loop", "does not turn");
    return sut_client_state(c) == SUT_SESSION_UP;
}

/* On `loop`, or with NULL on a thread of its own. */
static sut_client *open_client(sut_loop *loop)
{
    char error[256];
    sut_client *c = NULL;
    sut_client_options opt = {.loop = loop};
    if (sut_client_new(&c, &opt, error, sizeof error) != 0)
        fail("client", error);
    if (!(loop ? turn_until_up(loop, c) : sut_client_wait_up(c, UP_MS) == 0))
        fail("session", "there is none; is the broker up, and may this peer in?");
    return c;
}

static double rate(long count, uint64_t since_ns)
{
    return (double)count / ((double)(sut_now_ns() - since_ns) / 1e9);
}

/* ---- publishing ---- */

/* {"lane": "0000", "n": 0, "text": "…"}: the digits and the number are written anew for each event. */
typedef struct event_body {
    sut_buf bytes;
    size_t lane_at, n_at;
} event_body;

static void body_init(event_body *b, size_t size)
{
    char text[BODY_MAX];
    memset(text, 'x', sizeof text);
    size_t fill = size - BODY_HEAD - (size - BODY_HEAD > UINT8_MAX + 2 ? 3 : 2); /* its own length comes before it */
    sut_buf_init(&b->bytes, 0);
    bool bad = sut_mp_add_map(&b->bytes, 3) || sut_mp_add_str(&b->bytes, SUT_STR("lane")) ||
               sut_mp_add_str(&b->bytes, SUT_STR("0000")) || sut_mp_add_str(&b->bytes, SUT_STR("n"));
    b->lane_at = b->bytes.len - 2 - 4;
    b->n_at = b->bytes.len + 1;
    bad = bad || sut_mp_add_uint(&b->bytes, UINT32_MAX) || sut_mp_add_str(&b->bytes, SUT_STR("text")) ||
          sut_mp_add_str(&b->bytes, (sut_str){text, fill});
    if (bad)
        fail("body", "out of memory");
}

static sut_str body_of(event_body *b, long n)
{
    char lane[5];
    snprintf(lane, sizeof lane, "%04u", (unsigned)(n % LANES));
    memcpy(b->bytes.data + b->lane_at, lane, 4);
    for (int i = 0; i < 4; i++)
        b->bytes.data[b->n_at + (size_t)i] = (uint8_t)((unsigned long)n >> (24 - 8 * i));
    return (sut_str){(const char *)b->bytes.data, b->bytes.len};
}

typedef struct publisher {
    sut_loop *loop;
    sut_client *client;
    event_body body;
    long count, sent, done;
    uint64_t *took; /* with one outstanding */
    uint64_t sent_at_ns;
} publisher;

static void publish_next(publisher *p);

static void on_published(void *arg, const sut_published *result)
{
    publisher *p = arg;
    if (result->err != 0) {
        char why[256];
        snprintf(why, sizeof why, "%.*s: %.*s", SUT_STR_FMT(result->code), SUT_STR_FMT(result->message));
        fail("publish", why);
    }
    if (p->took)
        p->took[p->done] = sut_now_ns() - p->sent_at_ns;
    if (++p->done == p->count)
        sut_loop_stop(p->loop);
    else if (p->sent < p->count)
        publish_next(p);
}

static void publish_next(publisher *p)
{
    sut_publish event = {.subject = SUT_STR(SUBJECT), .body = body_of(&p->body, p->sent++)};
    sut_publish_options opt = {.timeout_ms = 60000};
    if (p->took)
        p->sent_at_ns = sut_now_ns();
    if (sut_publish_start(p->client, &event, 1, &opt, on_published, p) != 0)
        fail("publish", "not accepted");
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int publish(long count, long window, size_t bytes, bool lone)
{
    publisher p = {.loop = open_loop(), .count = count};
    p.client = open_client(p.loop);
    body_init(&p.body, bytes);
    if (lone && !(p.took = calloc((size_t)count, sizeof *p.took)))
        fail("publish", "out of memory");
    uint64_t start = sut_now_ns();
    for (long i = 0; i < window && i < count; i++)
        publish_next(&p);
    if (sut_loop_run(p.loop) != 0)
        fail("loop", "does not run");
    printf("%.0f", rate(count, start));
    if (lone) {
        qsort(p.took, (size_t)count, sizeof *p.took, by_size);
        printf(" %.1f %.1f", (double)p.took[count / 2] / 1e3, (double)p.took[count * 99 / 100] / 1e3);
    }
    putchar('\n');
    sut_client_free(p.client);
    sut_loop_free(p.loop);
    sut_buf_deinit(&p.body.bytes);
    free(p.took);
    return 0;
}

/* ---- reading ---- */

typedef struct reader {
    long count;
    atomic_long acked;
    sem_t done;
    sut_client *clients[MEMBERS];
    sut_subscription *subscriptions[MEMBERS];
} reader;

static void on_event(void *arg, sut_delivery *d)
{
    reader *r = arg;
    bool first = sut_delivery_envelope(d)->opt.attempt <= 1;
    sut_ack(d);
    if (first && atomic_fetch_add_explicit(&r->acked, 1, memory_order_relaxed) + 1 == r->count)
        sem_post(&r->done);
}

static void on_notice(void *arg, const sut_sub_notice *n)
{
    (void)arg;
    char why[256];
    snprintf(why, sizeof why, "%.*s", SUT_STR_FMT(n->text));
    if (n->news == SUT_SUB_REFUSED || n->news == SUT_SUB_GAP)
        fail("subscribe", why);
}

static void wait_until_read(reader *r)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += READ_S;
    while (sem_timedwait(&r->done, &until) != 0)
        if (errno != EINTR)
            fail("read", "not all events came; are there that many?");
}

static int read_group(long count, const char *group, size_t members)
{
    static const char *const subjects[] = {SUBJECT};
    static reader r;
    r.count = count;
    sem_init(&r.done, 0, 0);
    sut_subscribe opt = {.subjects = subjects,
                         .subject_count = SUT_ARRAY_LEN(subjects),
                         .group = group,
                         .credits = (uint32_t)(LANES / members),
                         .start = SUT_START_BEGINNING,
                         .ack_wait_ms = 60000,
                         .on_event = on_event,
                         .on_notice = on_notice,
                         .arg = &r};
    for (size_t i = 0; i < members; i++)
        r.clients[i] = open_client(NULL);
    uint64_t start = sut_now_ns();
    for (size_t i = 0; i < members; i++)
        if (sut_subscribe_start(r.clients[i], &opt, &r.subscriptions[i]) != 0)
            fail("subscribe", "not accepted");
    wait_until_read(&r);
    printf("%.0f\n", rate(count, start));
    for (size_t i = 0; i < members; i++) {
        sut_subscribe_end(r.subscriptions[i]);
        sut_client_free(r.clients[i]);
    }
    return 0;
}

static bool sized(const char *bytes)
{
    return atol(bytes) >= BODY_LEAST && atol(bytes) <= BODY_MAX;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    const long count = argc > 2 ? atol(argv[2]) : 0;
    if (count > 0 && argc == 5 && strcmp(mode, "publish") == 0 && atol(argv[3]) > 0 && sized(argv[4]))
        return publish(count, atol(argv[3]), (size_t)atol(argv[4]), false);
    if (count > 0 && argc == 4 && strcmp(mode, "publish-lone") == 0 && sized(argv[3]))
        return publish(count, 1, (size_t)atol(argv[3]), true);
    if (count > 0 && argc == 4 && strcmp(mode, "replay") == 0)
        return read_group(count, argv[3], 1);
    if (count > 0 && argc == 5 && strcmp(mode, "deliver") == 0 && atol(argv[4]) > 0 && atol(argv[4]) <= MEMBERS)
        return read_group(count, argv[3], (size_t)atol(argv[4]));
    fprintf(stderr, "usage: event_bench publish COUNT WINDOW BYTES | publish-lone COUNT BYTES | replay COUNT GROUP | "
                    "deliver COUNT GROUP MEMBERS\n");
    return 64;
}
