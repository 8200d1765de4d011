/* JetStream under the load that event_bench.c gives the bus: the peer that events are measured against. One stream on
 * disk, one replica; whether the server syncs is its configuration (`sync_interval`).
 *
 *   jetstream_bench async URL COUNT WINDOW BYTES   pipelined publishes, acknowledged; prints events a second
 *   jetstream_bench sync URL COUNT BYTES           one outstanding; prints `events_per_s p50_us p99_us`
 *   jetstream_bench ordered URL COUNT              reads that many with an ordered consumer; prints events a second
 *   jetstream_bench pull URL COUNT CONSUMERS       the same by pull consumers of one durable, each event acknowledged
 *
 * Each run of `async` and `sync` begins with an empty stream; `ordered` and `pull` read what the last one left. */
#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STREAM  "BENCH"
#define SUBJECT "bench.event"
#define FETCH   256

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void check(natsStatus s, const char *what)
{
    if (s == NATS_OK)
        return;
    fprintf(stderr, "jetstream_bench: %s: %s\n", what, natsStatus_GetText(s));
    exit(1);
}

typedef struct session {
    natsConnection *nc;
    jsCtx *js;
} session;

static session open_session(const char *url, int at_once, int64_t window)
{
    session s = {0};
    natsOptions *opt = NULL;
    jsOptions jo;
    check(natsOptions_Create(&opt), "options");
    check(natsOptions_SetURL(opt, url), "url");
    check(natsOptions_SetSendAsap(opt, at_once), "send asap");
    check(natsConnection_Connect(&s.nc, opt), "connect");
    check(jsOptions_Init(&jo), "options");
    if (window)
        jo.PublishAsync.MaxPending = window;
    jo.PublishAsync.StallWait = 10000;
    check(natsConnection_JetStream(&s.js, s.nc, &jo), "jetstream");
    natsOptions_Destroy(opt);
    return s;
}

static void make_stream(const session *s)
{
    jsStreamConfig cfg;
    jsErrCode code;
    const char *subjects[] = {SUBJECT};
    js_DeleteStream(s->js, STREAM, NULL, &code);
    check(jsStreamConfig_Init(&cfg), "stream");
    cfg.Name = STREAM;
    cfg.Subjects = subjects;
    cfg.SubjectsLen = 1;
    cfg.Storage = js_FileStorage;
    check(js_AddStream(NULL, s->js, &cfg, NULL, &code), "stream");
}

static int publish_async(const char *url, long count, long window, const char *payload, int bytes)
{
    session s = open_session(url, 0, window);
    make_stream(&s);
    double start = now_us();
    for (long i = 0; i < count; i++)
        check(js_PublishAsync(s.js, SUBJECT, payload, bytes, NULL), "publish");
    check(js_PublishAsyncComplete(s.js, NULL), "complete");
    printf("%.0f\n", (double)count / ((now_us() - start) / 1e6));
    return 0;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int publish_sync(const char *url, long count, const char *payload, int bytes)
{
    session s = open_session(url, 1, 0);
    double *took = calloc((size_t)count, sizeof *took);
    if (!took)
        return 1;
    make_stream(&s);
    double start = now_us();
    for (long i = 0; i < count; i++) {
        double t = now_us();
        check(js_Publish(NULL, s.js, SUBJECT, payload, bytes, NULL, NULL), "publish");
        took[i] = now_us() - t;
    }
    double seconds = (now_us() - start) / 1e6;
    qsort(took, (size_t)count, sizeof *took, by_size);
    printf("%.0f %.1f %.1f\n", (double)count / seconds, took[count / 2], took[count * 99 / 100]);
    free(took);
    return 0;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t done = PTHREAD_COND_INITIALIZER;
static long wanted, seen;

static void count_one(void)
{
    pthread_mutex_lock(&lock);
    if (++seen == wanted)
        pthread_cond_signal(&done);
    pthread_mutex_unlock(&lock);
}

static void on_ordered(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
    (void)nc;
    (void)sub;
    (void)arg;
    natsMsg_Destroy(msg);
    count_one();
}

static int read_ordered(const char *url, long count)
{
    session s = open_session(url, 0, 0);
    natsSubscription *sub = NULL;
    jsSubOptions so;
    wanted = count;
    check(jsSubOptions_Init(&so), "options");
    so.Ordered = true;
    double start = now_us();
    check(js_Subscribe(&sub, s.js, SUBJECT, on_ordered, NULL, NULL, &so, NULL), "subscribe");
    pthread_mutex_lock(&lock);
    while (seen < wanted)
        pthread_cond_wait(&done, &lock);
    pthread_mutex_unlock(&lock);
    printf("%.0f\n", (double)count / ((now_us() - start) / 1e6));
    return 0;
}

static atomic_long acked;

typedef struct puller {
    const char *url;
    long count;
} puller;

static void *pull(void *arg)
{
    const puller *p = arg;
    session s = open_session(p->url, 0, 0);
    natsSubscription *sub = NULL;
    jsSubOptions so;
    check(jsSubOptions_Init(&so), "options");
    so.Config.MaxAckPending = 65536;
    check(js_PullSubscribe(&sub, s.js, SUBJECT, "bench", NULL, &so, NULL), "pull subscribe");
    while (atomic_load(&acked) < p->count) {
        natsMsgList list;
        natsStatus st = natsSubscription_Fetch(&list, sub, FETCH, 200, NULL);
        if (st != NATS_OK && st != NATS_TIMEOUT)
            check(st, "fetch");
        for (int i = 0; st == NATS_OK && i < list.Count; i++)
            check(natsMsg_Ack(list.Msgs[i], NULL), "ack");
        if (st == NATS_OK) {
            atomic_fetch_add(&acked, list.Count);
            natsMsgList_Destroy(&list);
        }
    }
    check(natsConnection_Flush(s.nc), "flush");
    return NULL;
}

static int read_pull(const char *url, long count, long consumers)
{
    pthread_t threads[64];
    puller p = {url, count};
    session s = open_session(url, 0, 0);
    jsErrCode code;
    js_DeleteConsumer(s.js, STREAM, "bench", NULL, &code);
    if (consumers > 64)
        return 64;
    double start = now_us();
    for (long i = 0; i < consumers; i++)
        if (pthread_create(&threads[i], NULL, pull, &p) != 0)
            return 1;
    for (long i = 0; i < consumers; i++)
        pthread_join(threads[i], NULL);
    printf("%.0f\n", (double)count / ((now_us() - start) / 1e6));
    return 0;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    const long count = argc > 3 ? atol(argv[3]) : 0;
    char *payload = calloc(1, 65536);
    if (!payload)
        return 1;
    if (strcmp(mode, "async") == 0 && argc == 6 && atol(argv[5]) < 65536)
        return publish_async(argv[2], count, atol(argv[4]), payload, atoi(argv[5]));
    if (strcmp(mode, "sync") == 0 && argc == 5 && atol(argv[4]) < 65536)
        return publish_sync(argv[2], count, payload, atoi(argv[4]));
    if (strcmp(mode, "ordered") == 0 && argc == 4)
        return read_ordered(argv[2], count);
    if (strcmp(mode, "pull") == 0 && argc == 5)
        return read_pull(argv[2], count, atol(argv[4]));
    fprintf(stderr, "usage: jetstream_bench async URL COUNT WINDOW BYTES | sync URL COUNT BYTES | ordered URL COUNT | "
                    "pull URL COUNT CONSUMERS\n");
    return 64;
}
