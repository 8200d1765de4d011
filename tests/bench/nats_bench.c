/* NATS request/reply, the peer that the bus is measured against: same process layout (a responder process, a requester
 * process, the server between them), same payload, same number outstanding.
 *
 *   nats_bench serve URL OUTSTANDING            answers on `bench.echo` until killed
 *   nats_bench call URL COUNT OUTSTANDING BYTES prints `calls_per_s p50_us p99_us`  */
#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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
    fprintf(stderr, "nats_bench: %s: %s\n", what, natsStatus_GetText(s));
    exit(1);
}

/* One outstanding: nothing to gather, so libnats is told to send at once; its default waits for more. */
static natsConnection *open_connection(const char *url, int at_once)
{
    natsOptions *opt = NULL;
    natsConnection *nc = NULL;
    check(natsOptions_Create(&opt), "options");
    check(natsOptions_SetURL(opt, url), "url");
    check(natsOptions_SetSendAsap(opt, at_once), "send asap");
    check(natsConnection_Connect(&nc, opt), "connect");
    natsOptions_Destroy(opt);
    return nc;
}

static void on_request(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
    (void)sub;
    (void)arg;
    natsConnection_Publish(nc, natsMsg_GetReply(msg), natsMsg_GetData(msg), natsMsg_GetDataLength(msg));
    natsMsg_Destroy(msg);
}

_Noreturn static void serve(const char *url, int at_once)
{
    natsConnection *nc = open_connection(url, at_once);
    natsSubscription *sub = NULL;
    check(natsConnection_Subscribe(&sub, nc, "bench.echo", on_request, NULL), "subscribe");
    check(natsConnection_Flush(nc), "flush");
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int call_one_by_one(natsConnection *nc, long count, const char *payload, int bytes)
{
    double *took = calloc((size_t)count, sizeof *took);
    if (!took)
        return 1;
    double start = now_us();
    for (long i = 0; i < count; i++) {
        natsMsg *reply = NULL;
        double t = now_us();
        check(natsConnection_Request(&reply, nc, "bench.echo", payload, bytes, 5000), "request");
        took[i] = now_us() - t;
        natsMsg_Destroy(reply);
    }
    double seconds = (now_us() - start) / 1e6;
    qsort(took, (size_t)count, sizeof *took, by_size);
    printf("%.0f %.1f %.1f\n", (double)count / seconds, took[count / 2], took[count * 99 / 100]);
    free(took);
    return 0;
}

/* Many outstanding: one inbox subscription, a window of publishes, as a pipelining client does it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t room = PTHREAD_COND_INITIALIZER;
static long answered;

static void on_reply(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg)
{
    (void)nc;
    (void)sub;
    long outstanding = *(long *)arg;
    natsMsg_Destroy(msg);
    pthread_mutex_lock(&lock);
    answered++;
    if (answered % (outstanding / 4 + 1) == 0)
        pthread_cond_signal(&room);
    pthread_mutex_unlock(&lock);
}

static int call_pipelined(natsConnection *nc, long count, long outstanding, const char *payload, int bytes)
{
    natsSubscription *sub = NULL;
    natsInbox *inbox = NULL;
    check(natsInbox_Create(&inbox), "inbox");
    check(natsConnection_Subscribe(&sub, nc, inbox, on_reply, &outstanding), "subscribe");
    double start = now_us();
    long sent = 0;
    while (sent < count) {
        pthread_mutex_lock(&lock);
        while (sent - answered >= outstanding) {
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += 2000000;
            if (until.tv_nsec >= 1000000000) {
                until.tv_nsec -= 1000000000;
                until.tv_sec++;
            }
            pthread_cond_timedwait(&room, &lock, &until);
        }
        long window = outstanding - (sent - answered);
        pthread_mutex_unlock(&lock);
        for (long i = 0; i < window && sent < count; i++, sent++)
            check(natsConnection_PublishRequest(nc, "bench.echo", inbox, payload, bytes), "publish");
    }
    check(natsConnection_Flush(nc), "flush");
    for (;;) {
        pthread_mutex_lock(&lock);
        long done = answered;
        pthread_mutex_unlock(&lock);
        if (done >= count)
            break;
        usleep(200);
    }
    printf("%.0f 0 0\n", (double)count / ((now_us() - start) / 1e6));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "serve") == 0)
        serve(argv[2], atoi(argv[3]) == 1);
    if (argc != 6 || strcmp(argv[1], "call") != 0) {
        fprintf(stderr, "usage: nats_bench serve URL OUTSTANDING | call URL COUNT OUTSTANDING BYTES\n");
        return 64;
    }
    long count = atol(argv[3]), outstanding = atol(argv[4]);
    int bytes = atoi(argv[5]);
    char *payload = calloc(1, (size_t)bytes + 1);
    natsConnection *nc = open_connection(argv[2], outstanding == 1);
    return outstanding > 1 ? call_pipelined(nc, count, outstanding, payload, bytes)
                           : call_one_by_one(nc, count, payload, bytes);
}
