/* accept(2) of our own, for civetweb's accepting thread only: the one place where a connection can be refused before it
 * has a worker thread. Everybody else's accept goes straight to the kernel. */
#include "connections.h"

#include "base/clock.h"
#include "base/metrics.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define CROWDED_WAIT_NS SUT_NS_PER_S
#define FULL_WAIT_NS    (100 * SUT_NS_PER_MS)

#define REFUSAL_BODY                                                                                                   \
    "{\"type\":\"urn:shareuptime:problem:overloaded\",\"title\":\"Too many connections.\",\"status\":503,"             \
    "\"code\":\"overloaded\"}"
#define REFUSAL_LENGTH "110"
_Static_assert(sizeof(REFUSAL_BODY) - 1 == 110, "REFUSAL_LENGTH is the length of REFUSAL_BODY");

static const char refusal[] = "HTTP/1.1 503 Service Unavailable\r\n"
                              "Content-Type: application/problem+json\r\n"
                              "Content-Length: " REFUSAL_LENGTH "\r\n"
                              "Retry-After: 1\r\n"
                              "Connection: close\r\n"
                              "\r\n" REFUSAL_BODY;

static sut_metric s_open = {.name = "sut_edge_connections", .help = "Open HTTP connections.", .kind = SUT_GAUGE};
static sut_metric s_refused = {
    .name = "sut_edge_connections_refused_total", .help = "Connections refused over a cap.", .kind = SUT_COUNTER};
static sut_metric s_ended = {.name = "sut_edge_connections_ended_total",
                             .help = "Idle or slow connections ended to make room.",
                             .kind = SUT_COUNTER};
static pthread_once_t s_once = PTHREAD_ONCE_INIT;

static _Thread_local sut_connections *t_accepting;

static void register_metrics(void)
{
    sut_metric_register(&s_open);
    sut_metric_register(&s_refused);
    sut_metric_register(&s_ended);
}

void sut_connections_accept_here(sut_connections *c)
{
    (void)pthread_once(&s_once, register_metrics);
    t_accepting = c;
}

static bool is_exempt(const sut_connections *c, in_addr_t peer)
{
    for (size_t i = 0; i < c->exempt_count; i++) {
        if (c->exempt[i] == peer)
            return true;
    }
    return false;
}

static size_t of_address(const sut_connections *c, in_addr_t peer)
{
    size_t n = 0;
    for (size_t i = 0; i < c->top; i++)
        n += c->slots[i].fd >= 0 && c->slots[i].capped && c->slots[i].peer == peer ? 1u : 0u;
    return n;
}

static void add(sut_connections *c, int fd, const struct sockaddr_in *peer, bool capped)
{
    size_t i = 0;
    while (i < c->top && c->slots[i].fd >= 0)
        i++;
    sut_connection *slot = &c->slots[i];
    slot->fd = fd;
    slot->peer = peer->sin_addr.s_addr;
    slot->peer_port = ntohs(peer->sin_port);
    slot->capped = capped;
    atomic_store_explicit(&slot->waiting_since_ns, sut_now_ns(), memory_order_relaxed);
    c->count++;
    if (i == c->top)
        c->top++;
}

static bool admit(sut_connections *c, int fd, const struct sockaddr_in *peer)
{
    bool capped = !is_exempt(c, peer->sin_addr.s_addr);
    (void)pthread_mutex_lock(&c->lock);
    bool room = !c->closed && c->count < c->max && c->count < SUT_CONNECTIONS_MAX &&
                (!capped || of_address(c, peer->sin_addr.s_addr) < c->per_address);
    if (room)
        add(c, fd, peer, capped);
    (void)pthread_mutex_unlock(&c->lock);
    return room;
}

/* What has come in already is taken first: closing over unread input resets the connection and loses the answer. */
static void refuse(int fd)
{
    char scrap[4096];
    (void)recv(fd, scrap, sizeof(scrap), MSG_DONTWAIT);
    (void)send(fd, refusal, sizeof(refusal) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_RDWR);
    (void)close(fd);
    sut_metric_add(&s_refused, 1);
}

int accept(int listener, __SOCKADDR_ARG address, socklen_t *restrict len)
{
    int fd = accept4(listener, address, len, 0);
    if (fd < 0 || !t_accepting)
        return fd;
    struct sockaddr_in peer = {0};
    socklen_t peer_len = sizeof(peer);
    bool known = getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 && peer.sin_family == AF_INET;
    if (known && admit(t_accepting, fd, &peer)) {
        sut_metric_add(&s_open, 1);
        return fd;
    }
    refuse(fd);
    errno = ECONNABORTED;
    return -1;
}

static sut_connection *find(sut_connections *c, in_addr_t peer, uint16_t peer_port)
{
    for (size_t i = 0; i < c->top; i++) {
        sut_connection *slot = &c->slots[i];
        if (slot->fd >= 0 && slot->peer == peer && slot->peer_port == peer_port)
            return slot;
    }
    return NULL;
}

sut_connection *sut_connections_find(sut_connections *c, in_addr_t peer, uint16_t peer_port)
{
    (void)pthread_mutex_lock(&c->lock);
    sut_connection *found = find(c, peer, peer_port);
    (void)pthread_mutex_unlock(&c->lock);
    return found;
}

void sut_connections_remove(sut_connections *c, in_addr_t peer, uint16_t peer_port)
{
    (void)pthread_mutex_lock(&c->lock);
    sut_connection *found = find(c, peer, peer_port);
    if (found) {
        found->fd = -1;
        c->count--;
        while (c->top > 0 && c->slots[c->top - 1].fd < 0)
            c->top--;
        sut_metric_add(&s_open, -1);
    }
    (void)pthread_mutex_unlock(&c->lock);
}

void sut_connections_make_room(sut_connections *c, uint64_t now_ns)
{
    (void)pthread_mutex_lock(&c->lock); /* a connection leaves the table before its descriptor is closed */
    bool crowded = c->count * 4 > c->max * 3;
    uint64_t patience_ns = c->count < c->max ? CROWDED_WAIT_NS : FULL_WAIT_NS;
    for (size_t i = 0; crowded && i < c->top; i++) {
        sut_connection *slot = &c->slots[i];
        uint64_t since = atomic_load_explicit(&slot->waiting_since_ns, memory_order_relaxed);
        if (slot->fd < 0 || since == 0 || now_ns < since + patience_ns)
            continue;
        /* first the word, so that whoever wakes by the shutdown knows why; and nobody who is at work by now */
        if (!atomic_compare_exchange_strong(&slot->waiting_since_ns, &since, 0))
            continue;
        (void)shutdown(slot->fd, SHUT_RD);
        sut_metric_add(&s_ended, 1);
    }
    (void)pthread_mutex_unlock(&c->lock);
}

void sut_connections_end_reads(sut_connections *c)
{
    (void)pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->top; i++) {
        if (c->slots[i].fd >= 0)
            (void)shutdown(c->slots[i].fd, SHUT_RD);
    }
    (void)pthread_mutex_unlock(&c->lock);
}

void sut_connections_close(sut_connections *c)
{
    (void)pthread_mutex_lock(&c->lock);
    c->closed = true;
    (void)pthread_mutex_unlock(&c->lock);
}
