/* The bus under the same load as nats_bench.c gives NATS: an echo instance process, a caller process, the broker
 * between.
 *
 *   bus_bench serve                         serves `bench.echo` with the peer of $SUT_NAME until killed
 *   bus_bench call COUNT OUTSTANDING BYTES  prints `calls_per_s p50_us p99_us`
 *
 * $BENCH_METHOD is called instead of `bench.echo`, and its service served; $BENCH_BODY names a file with the body,
 * instead of BYTES of nothing. $SUT_BROKER, $SUT_NAME and $SUT_SECRET_FILE say who and where, as for every client. */
#include "base/clock.h"
#include "base/loop.h"
#include "sut.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *method(void)
{
    const char *named = getenv("BENCH_METHOD");
    return named ? named : "bench.echo";
}

static void echo(void *arg, sut_incoming *in)
{
    (void)arg;
    sut_reply(in, sut_incoming_envelope(in)->body);
}

static sut_client *open_client(sut_loop *loop)
{
    char error[256];
    sut_client *c = NULL;
    sut_client_options opt = {.endpoint = getenv("SUT_BROKER"),
                              .name = getenv("SUT_NAME"),
                              .secret_file = getenv("SUT_SECRET_FILE"),
                              .loop = loop};
    if (sut_client_new(&c, &opt, error, sizeof error) != 0) {
        fprintf(stderr, "bus_bench: %s\n", error);
        exit(1);
    }
    return c;
}

static int serve(void)
{
    sut_loop *loop = NULL;
    if (sut_loop_new(&loop) != 0)
        return 1;
    char service[128];
    snprintf(service, sizeof service, "%.*s", (int)strcspn(method(), "."), method());
    sut_client *c = open_client(loop);
    if (sut_serve(c, service, 4096, echo, NULL) != 0)
        return 1;
    puts("ready");
    fflush(stdout);
    return sut_loop_run(loop) != 0;
}

typedef struct run {
    sut_client *client;
    sut_loop *loop;
    sut_str body;
    long count, sent, done, failed;
    uint64_t *sent_at; /* ring of the outstanding ones is not needed: one slot a call */
    uint64_t *took;
} run;

typedef struct one {
    run *r;
    long index;
} one;

static one *slots;

static void submit(run *r, one *slot);

static void on_result(void *arg, const sut_result *result)
{
    one *slot = arg;
    run *r = slot->r;
    r->took[slot->index] = sut_now_ns() - r->sent_at[slot->index];
    r->failed += result->err != 0;
    if (++r->done == r->count)
        sut_loop_stop(r->loop);
    else if (r->sent < r->count)
        submit(r, slot);
}

static void submit(run *r, one *slot)
{
    sut_call call = {.subject = sut_str_from(method()), .body = r->body, .timeout_ms = 10000};
    slot->index = r->sent++;
    r->sent_at[slot->index] = sut_now_ns();
    if (sut_call_start(r->client, &call, on_result, slot, NULL) != 0) {
        fprintf(stderr, "bus_bench: a call was refused\n");
        exit(1);
    }
}

/* The body of every call: from a file, or a map {"p": bin of BYTES}. */
static sut_str make_body(long bytes)
{
    const char *name = getenv("BENCH_BODY");
    uint8_t *body = calloc(1, 65536 + 16);
    if (!body)
        exit(1);
    if (name) {
        FILE *f = fopen(name, "re");
        const size_t len = f ? fread(body, 1, 65536, f) : 0;
        if (!f || ferror(f) || fclose(f) != 0) {
            fprintf(stderr, "bus_bench: %s: %s\n", name, strerror(errno));
            exit(1);
        }
        return (sut_str){(char *)body, len};
    }
    body[0] = 0x81, body[1] = 0xa1, body[2] = 'p', body[3] = 0xc5;
    body[4] = (uint8_t)(bytes >> 8), body[5] = (uint8_t)bytes;
    return (sut_str){(char *)body, (size_t)bytes + 6};
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int call(long count, long outstanding, long bytes)
{
    run r = {.count = count};
    if (sut_loop_new(&r.loop) != 0)
        return 1;
    r.client = open_client(r.loop);
    for (int i = 0; i < 5000 && sut_client_state(r.client) != SUT_SESSION_UP; i++)
        if (sut_loop_turn(r.loop, 1) != 0)
            return 1;
    r.body = make_body(bytes);
    slots = calloc((size_t)outstanding, sizeof *slots);
    r.sent_at = calloc((size_t)count, sizeof *r.sent_at);
    r.took = calloc((size_t)count, sizeof *r.took);
    if (!slots || !r.sent_at || !r.took)
        return 1;
    uint64_t start = sut_now_ns();
    for (long i = 0; i < outstanding && i < count; i++) {
        slots[i].r = &r;
        submit(&r, &slots[i]);
    }
    if (sut_loop_run(r.loop) != 0)
        return 1;
    double seconds = (double)(sut_now_ns() - start) / 1e9;
    qsort(r.took, (size_t)count, sizeof *r.took, by_size);
    printf("%.0f %.1f %.1f\n", (double)count / seconds, (double)r.took[count / 2] / 1e3,
           (double)r.took[count * 99 / 100] / 1e3);
    if (r.failed)
        fprintf(stderr, "bus_bench: %ld calls failed\n", r.failed);
    sut_client_free(r.client);
    sut_loop_free(r.loop);
    free((char *)r.body.ptr);
    free(slots);
    free(r.sent_at);
    free(r.took);
    return r.failed != 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        return serve();
    if (argc == 5 && strcmp(argv[1], "call") == 0 && atol(argv[2]) > 0 && atol(argv[3]) > 0 && atol(argv[4]) < 65536)
        return call(atol(argv[2]), atol(argv[3]), atol(argv[4]));
    fprintf(stderr, "usage: bus_bench serve | call COUNT OUTSTANDING BYTES\n");
    return 64;
}
