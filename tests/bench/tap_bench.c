/* A tap on all traffic, at its default budget, that counts.
 *
 *   tap_bench      prints `ready` once it is attached, and when its standard input ends `records lost seconds`, from
 * the first record to the last
 *
 * $SUT_BROKER, $SUT_NAME and $SUT_SECRET_FILE say who and where, as for every client; the peer must be an operator. */
#include "base/clock.h"
#include "base/loop.h"
#include "sut.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

typedef struct counting {
    sut_loop *loop;
    sut_watch input;
    uint64_t records, lost, first_ns, last_ns;
    int failed;
} counting;

/* The record's last member is `lost`. */
static uint64_t lost_of(sut_str body)
{
    static const char name[] = "\xa4lost";
    const char *at = memmem(body.ptr, body.len, name, sizeof name - 1), *end = body.ptr + body.len;
    for (const char *next = at; next; next = memmem(next + 1, (size_t)(end - next - 1), name, sizeof name - 1))
        at = next;
    if (!at)
        return 0;
    const unsigned char *v = (const unsigned char *)at + sizeof name - 1;
    uint64_t value = 0;
    if (*v < 0x80)
        return *v;
    for (int i = 1; i <= 1 << (*v - 0xcc) && (const char *)v + i < end; i++) /* uint 8, 16, 32, 64 */
        value = value << 8 | v[i];
    return value;
}

static void on_record(void *arg, const sut_envelope *env)
{
    counting *c = arg;
    c->last_ns = sut_now_ns();
    c->first_ns = c->first_ns ? c->first_ns : c->last_ns;
    c->records++;
    c->lost += lost_of(env->body);
}

static void on_end(void *arg, int err, sut_str code, sut_str message)
{
    counting *c = arg;
    fprintf(stderr, "tap_bench: the tap ended: %.*s %.*s\n", SUT_STR_FMT(code), SUT_STR_FMT(message));
    c->failed = err ? err : 1;
    sut_loop_stop(c->loop);
}

static void on_input(sut_watch *w, unsigned events, void *arg)
{
    counting *c = arg;
    char byte;
    (void)events;
    if (read(w->fd, &byte, 1) <= 0)
        sut_loop_stop(c->loop);
}

int main(void)
{
    char error[256];
    counting c = {.failed = 0};
    sut_client *client = NULL;
    sut_tap *tap = NULL;
    if (sut_loop_new(&c.loop) != 0)
        return 1;
    const sut_client_options opt = {.endpoint = getenv("SUT_BROKER"),
                                    .name = getenv("SUT_NAME"),
                                    .secret_file = getenv("SUT_SECRET_FILE"),
                                    .loop = c.loop};
    const sut_tap_options tapping = {.request = SUT_STR("\x80"), .on_record = on_record, .on_end = on_end, .arg = &c};
    if (sut_client_new(&client, &opt, error, sizeof error) != 0) {
        fprintf(stderr, "tap_bench: %s\n", error);
        return 1;
    }
    if (sut_tap_start(client, &tapping, &tap) != 0 ||
        sut_watch_start(c.loop, &c.input, STDIN_FILENO, EPOLLIN, on_input, &c) != 0)
        return 1;
    for (int i = 0; i < 5000 && c.records == 0 && !c.failed; i++) /* its own attachment is journalled: the first one */
        if (sut_loop_turn(c.loop, 1) != 0)
            return 1;
    c.records = c.lost = c.first_ns = 0;
    puts("ready");
    fflush(stdout);
    if (!c.failed && sut_loop_run(c.loop) != 0)
        return 1;
    printf("%llu %llu %.3f\n", (unsigned long long)c.records, (unsigned long long)c.lost,
           (double)(c.last_ns - c.first_ns) / 1e9);
    sut_tap_end(tap);
    sut_watch_stop(&c.input);
    sut_client_free(client);
    sut_loop_free(c.loop);
    return c.failed != 0;
}
