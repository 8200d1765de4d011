/* ROUTER sockets: options, binding, receiving and sending. The monitor's half is in connections.c. */
#include "listener.h"
#include "connections.h"

#include "base/clock.h"
#include "wire/envelope.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

/* libzmq closes a connection whose part is larger than this without a word; a little above our own limit, so that a
 * peer that only just exceeds it gets `payload_too_large` first. */
#define PART_MAX   ((int64_t)SUT_ENVELOPE_MAX + (int64_t)SUT_FRAME_MAX)
#define ROUTE_SIZE 5 /* a zero byte and 32 bits: the form of an id that a ROUTER assigns */

typedef struct int_option {
    int option, value;
} int_option;

static sut_status set_ints(void *socket, const int_option *options, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (zmq_setsockopt(socket, options[i].option, &options[i].value, sizeof options[i].value) != 0)
            return SUT_TRACE(-errno, "zmq_setsockopt");
    return 0;
}

static sut_status set_string(void *socket, int option, const char *value)
{
    return zmq_setsockopt(socket, option, value, strlen(value)) == 0 ? 0 : SUT_TRACE(-errno, "zmq_setsockopt");
}

static sut_status set_common(sut_listener *l)
{
    const int64_t part_max = PART_MAX;
    const int_option options[] = {
        {ZMQ_ROUTER_MANDATORY, 1}, /* without it sends to full or lost peers vanish */
        {ZMQ_SNDHWM, l->opt.hwm},
        {ZMQ_RCVHWM, l->opt.hwm},
        {ZMQ_LINGER, 0},
        {ZMQ_IPV6, 1},
        {ZMQ_BACKLOG, 1024},
        {ZMQ_HANDSHAKE_IVL, l->opt.handshake_ms},
        /* Only reaps connections whose machine is gone: our own pings decide who is dead. */
        {ZMQ_HEARTBEAT_IVL, 1000},
        {ZMQ_HEARTBEAT_TIMEOUT, 3000},
        {ZMQ_HEARTBEAT_TTL, 3000},
    };

    if (zmq_setsockopt(l->router, ZMQ_MAXMSGSIZE, &part_max, sizeof part_max) != 0)
        return SUT_TRACE(-errno, "ZMQ_MAXMSGSIZE");
    return set_ints(l->router, options, SUT_ARRAY_LEN(options));
}

/* A socket has one mechanism; the ZAP domain tells the handler which one it must be. */
static sut_status set_mechanism(sut_listener *l)
{
    const int on = 1;
    sut_status r;

    if (l->opt.kind == SUT_LISTEN_IPC) {
        r = set_string(l->router, ZMQ_ZAP_DOMAIN, "ipc");
        if (r == 0 && zmq_setsockopt(l->router, ZMQ_PLAIN_SERVER, &on, sizeof on) != 0)
            r = SUT_TRACE(-errno, "ZMQ_PLAIN_SERVER");
        return r;
    }
    r = set_string(l->router, ZMQ_ZAP_DOMAIN, "tcp");
    if (r == 0 && zmq_setsockopt(l->router, ZMQ_CURVE_SERVER, &on, sizeof on) != 0)
        r = SUT_TRACE(-errno, "ZMQ_CURVE_SERVER");
    if (r == 0 && zmq_setsockopt(l->router, ZMQ_CURVE_SECRETKEY, l->opt.curve_secret, 32) != 0)
        r = SUT_TRACE(-errno, "ZMQ_CURVE_SECRETKEY");
    return r;
}

static sut_status open_monitor(sut_listener *l, void *zmq)
{
    const int linger = 0;
    char address[64];
    const int events = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_ACCEPT_FAILED |
                       ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                       ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

    snprintf(address, sizeof address, "inproc://sut-monitor-%d", (int)l->opt.kind);
    if (zmq_socket_monitor(l->router, address, events) != 0)
        return SUT_TRACE(-errno, "zmq_socket_monitor");
    l->monitor = zmq_socket(zmq, ZMQ_PAIR);
    if (!l->monitor || zmq_setsockopt(l->monitor, ZMQ_LINGER, &linger, sizeof linger) != 0 ||
        zmq_connect(l->monitor, address) != 0)
        return SUT_TRACE(-errno, "monitor socket");
    return 0;
}

sut_status sut_listener_init(sut_listener *l, void *zmq, const sut_listener_options *opt)
{
    sut_status r;

    memset(l, 0, sizeof *l);
    l->opt = *opt;
    sut_list_init(&l->silent);
    l->router = zmq_socket(zmq, ZMQ_ROUTER);
    if (!l->router)
        return SUT_TRACE(-errno, "zmq_socket");
    r = sut_u64map_new(&l->connections);
    if (r == 0)
        r = set_common(l);
    if (r == 0)
        r = set_mechanism(l);
    if (r == 0)
        r = open_monitor(l, zmq);
    if (r < 0)
        sut_listener_deinit(l, 0);
    return r;
}

static sut_status watch(sut_loop *loop, sut_watch *w, void *socket, sut_watch_fn fn, void *arg)
{
    int fd;
    size_t size = sizeof fd;

    if (zmq_getsockopt(socket, ZMQ_FD, &fd, &size) != 0)
        return SUT_TRACE(-errno, "ZMQ_FD");
    return sut_watch_start(loop, w, fd, EPOLLIN, fn, arg);
}

/* The descriptor only ends the loop's sleep: the daemon's hook reads the socket in every turn. */
static void on_router(sut_watch *w, unsigned events, void *arg)
{
    (void)w, (void)events, (void)arg;
}

static void on_monitor(sut_watch *w, unsigned events, void *arg)
{
    (void)w, (void)events;
    sut_listener *l = arg;

    sut_connections_read_monitor(l);
    if (l->on_monitor)
        l->on_monitor(l->arg);
}

sut_status sut_listener_start(sut_listener *l, sut_loop *loop)
{
    sut_status r = watch(loop, &l->router_watch, l->router, on_router, l);

    if (r == 0)
        r = watch(loop, &l->monitor_watch, l->monitor, on_monitor, l);
    if (r == 0 && zmq_bind(l->router, l->opt.endpoint) != 0)
        r = -errno;
    /* ZMQ_FD speaks up only after the socket was once found empty; before that it may stay quiet for ever. */
    if (r == 0)
        sut_connections_read_monitor(l);
    return r;
}

void sut_listener_deinit(sut_listener *l, int linger_ms)
{
    sut_timer_stop(&l->reap);
    sut_watch_stop(&l->router_watch);
    sut_watch_stop(&l->monitor_watch);
    if (l->router) {
        zmq_socket_monitor(l->router, NULL, 0);
        zmq_setsockopt(l->router, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        zmq_close(l->router);
    }
    if (l->monitor)
        zmq_close(l->monitor);
    l->router = l->monitor = NULL;
    sut_connections_free(l);
}

/* Reads and throws away the parts behind the first. */
static void discard_parts(void *socket)
{
    bool more = true;

    while (more) {
        zmq_msg_t part;

        zmq_msg_init(&part);
        more = zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more(&part);
        zmq_msg_close(&part);
    }
}

static void read_route(zmq_msg_t *id, sut_received *out)
{
    const uint8_t *bytes = zmq_msg_data(id);

    out->route_ours = zmq_msg_size(id) == ROUTE_SIZE && bytes[0] == 0;
    if (out->route_ours)
        memcpy(&out->route, bytes + 1, sizeof out->route);
}

sut_status sut_listener_receive(sut_listener *l, sut_received *out)
{
    zmq_msg_t id;
    sut_status r = 0;

    *out = (sut_received){0};
    zmq_msg_init(&id);
    if (zmq_msg_recv(&id, l->router, ZMQ_DONTWAIT) < 0) {
        r = -errno;
        zmq_msg_close(&id);
        return r;
    }
    read_route(&id, out);
    zmq_msg_close(&id);
    zmq_msg_init(&out->body);
    if (zmq_msg_recv(&out->body, l->router, ZMQ_DONTWAIT) < 0) {
        r = -errno;
        zmq_msg_close(&out->body);
        return r;
    }
    out->multipart = zmq_msg_more(&out->body);
    if (out->multipart)
        discard_parts(l->router);
    return 0;
}

sut_status sut_listener_send(sut_listener *l, uint32_t route, sut_flight *flight, uint8_t *bytes, size_t len,
                             bool *taken)
{
    uint8_t id[ROUTE_SIZE] = {0};
    zmq_msg_t msg;

    *taken = false;
    if (len >= SUT_FLIGHT_MIN && !sut_flight_has_room(flight, len))
        return -EAGAIN;
    memcpy(id + 1, &route, sizeof route);
    if (zmq_send(l->router, id, sizeof id, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
        return -errno;
    /* The route is taken: from here on the body goes out, or is dropped by libzmq with the connection. */
    if (len < SUT_FLIGHT_MIN || sut_flight_message(flight, &msg, bytes, len) < 0)
        return zmq_send(l->router, bytes, len, ZMQ_DONTWAIT) < 0 ? -errno : 0;
    *taken = true;
    if (zmq_msg_send(&msg, l->router, ZMQ_DONTWAIT) >= 0)
        return 0;
    zmq_msg_close(&msg);
    return 0;
}
