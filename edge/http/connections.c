/* Counts connections, in all and by address, and refuses those over a cap at once, so that idle ones cannot take all
 * worker threads. civetweb has no such limit. */
#include "worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "socket.h"

#include <arpa/inet.h>
#include <sys/socket.h>

static const char refusal[] = "HTTP/1.1 503 Service Unavailable\r\n"
                              "Content-Type: application/problem+json\r\n"
                              "Content-Length: 98\r\n"
                              "Retry-After: 1\r\n"
                              "Connection: close\r\n"
                              "\r\n"
                              "{\"type\":\"about:blank\",\"title\":\"too many connections\",\"status\":503,\"code\":"
                              "\"overloaded\"           }\n";
_Static_assert(sizeof("{\"type\":\"about:blank\",\"title\":\"too many connections\",\"status\":503,\"code\":"
                      "\"overloaded\"           }\n") -
                       1 ==
                   98,
               "Content-Length of the refusal");

static sut_metric s_open = {.name = "sut_edge_connections", .help = "Open HTTP connections.", .kind = SUT_GAUGE};
static sut_metric s_refused = {
    .name = "sut_edge_connections_refused_total", .help = "Connections refused over a cap.", .kind = SUT_COUNTER};
static pthread_once_t s_once = PTHREAD_ONCE_INIT;

static void register_metrics(void)
{
    sut_metric_register(&s_open);
    sut_metric_register(&s_refused);
}

static bool is_proxy(const sut_server *s, in_addr_t address)
{
    for (size_t i = 0; i < s->proxy_count; i++) {
        if (s->proxies[i] == address)
            return true;
    }
    return false;
}

/* Map values are counts in the clothes of pointers; never 0. */
static uintptr_t take_count(sut_server *s, in_addr_t address)
{
    return (uintptr_t)sut_u64map_take(s->addresses, (uint64_t)address + 1);
}

static bool put_count(sut_server *s, in_addr_t address, uintptr_t count)
{
    return count == 0 || sut_u64map_put(s->addresses, (uint64_t)address + 1, (void *)count) == 0;
}

/* Counts it, unless a cap or memory forbids. */
static bool admit(sut_server *s, sut_worker *w)
{
    const unsigned cap = s->opt.threads - SUT_THREADS_SPARE;
    if (s->connections >= cap)
        return false;
    if (!w->trusted_proxy) {
        uintptr_t count = take_count(s, w->peer);
        bool room = count < s->opt.per_address;
        if (!put_count(s, w->peer, count + (room ? 1 : 0)) || !room)
            return false;
    }
    s->connections++;
    return true;
}

static void refuse(sut_worker *w)
{
    int fd = sut_worker_fd(w);
    if (fd < 0)
        return;
    char scrap[4096]; /* unread input would make the kernel reset the connection under our answer */
    (void)recv(fd, scrap, sizeof(scrap), MSG_DONTWAIT);
    (void)send(fd, refusal, sizeof(refusal) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_RDWR);
}

void sut_connection_opened(sut_worker *w, const struct mg_request_info *ri)
{
    sut_server *s = w->server;
    (void)pthread_once(&s_once, register_metrics);
    struct in_addr address = {0};
    (void)inet_pton(AF_INET, ri->remote_addr, &address);
    w->peer = address.s_addr;
    w->trusted_proxy = is_proxy(s, w->peer);
    w->ended = w->must_linger = false;
    w->bytes_read = 0;
    w->idle_since_ns = sut_now_ns();
    (void)pthread_mutex_lock(&s->lock);
    w->counted = !atomic_load(&s->draining) && admit(s, w);
    (void)pthread_mutex_unlock(&s->lock);
    if (w->counted) {
        sut_metric_add(&s_open, 1);
        return;
    }
    sut_metric_add(&s_refused, 1);
    sut_log(SUT_DEBUG, "edge", "connection.refused");
    w->ended = true;
    refuse(w);
}

void sut_connection_closed(sut_worker *w)
{
    if (!w->counted)
        return;
    sut_server *s = w->server;
    (void)pthread_mutex_lock(&s->lock);
    s->connections--;
    if (!w->trusted_proxy)
        (void)put_count(s, w->peer, take_count(s, w->peer) - 1);
    (void)pthread_mutex_unlock(&s->lock);
    w->counted = false;
    sut_metric_add(&s_open, -1);
}

int sut_worker_fd(const sut_worker *w)
{
    const struct mg_request_info *ri = mg_get_request_info(w->conn);
    return ri ? sut_socket_find(w->peer, (uint16_t)ri->remote_port, w->server->port) : -1;
}
