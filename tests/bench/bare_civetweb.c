/* The peer of the /health row: civetweb alone, answering a body of the same size from memory in a request handler.
 * usage: bare_civetweb PORT [BYTES] */
#include <civetweb.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_BYTES 512

static char s_answer[8192];
static size_t s_length;

static int answer(struct mg_connection *conn, void *arg)
{
    (void)arg;
    (void)mg_write(conn, s_answer, s_length);
    return 200;
}

int main(int argc, char **argv)
{
    size_t bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : BODY_BYTES;
    if (argc < 2 || bytes > 4096) {
        (void)fprintf(stderr, "usage: bare_civetweb PORT [BYTES up to 4096]\n");
        return 64;
    }
    int head = snprintf(s_answer, sizeof(s_answer),
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", bytes);
    memset(s_answer + head, ' ', bytes);
    memcpy(s_answer + head, "{}", bytes < 2 ? bytes : 2);
    s_length = (size_t)head + bytes;
    sigset_t set;
    int signo;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    const char *options[] = {
        "listening_ports", argv[1],       "num_threads", "256", "enable_keep_alive", "yes", "keep_alive_timeout_ms",
        "15000",           "tcp_nodelay", "1",           NULL};
    const struct mg_callbacks none = {.begin_request = NULL};
    struct mg_context *ctx = mg_start(&none, NULL, options);
    if (!ctx) {
        (void)fprintf(stderr, "bare_civetweb: cannot listen on %s\n", argv[1]);
        return 69;
    }
    mg_set_request_handler(ctx, "/", answer, NULL);
    (void)puts("ready");
    (void)fflush(stdout);
    (void)sigwait(&set, &signo);
    mg_stop(ctx);
    return 0;
}
