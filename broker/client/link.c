/* DEALER and monitor of one session. PITFALLS of libzmq 4.3.4 that shape it: a DEALER that reconnects by itself carries
 * frames of an old session to a new broker, so RECONNECT_IVL is -1 and each session has a socket of its own; ZMQ_FD is
 * edge-triggered and any call on the socket may eat the edge, so `look` is set after each; LINGER's default waits for
 * ever. */
#include "link.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <zmq.h>

#define HWM_FRAMES     64
#define FRAME_MAX_SIZE ((int64_t)(SUT_ENVELOPE_MAX + SUT_FRAME_MAX))
#define HANDSHAKE_MS   2000
#define HEARTBEAT_MS   1000 /* only reaps dead connections; our own pings decide on liveness */
#define HEARTBEAT_DEAD 3000

_Static_assert(sizeof(zmq_msg_t) <= sizeof(((client_frame *)0)->hold), "client_frame must hold a zmq_msg_t");

static zmq_msg_t *msg_of(client_frame *f)
{
    return (zmq_msg_t *)(void *)f->hold;
}

sut_status client_link_init(client_link *k)
{
    *k = (client_link){0};
    k->ctx = zmq_ctx_new();
    if (!k->ctx)
        return SUT_TRACE(-errno, "client.zmq_ctx");
    return 0;
}

void client_link_deinit(client_link *k)
{
    client_link_close(k, 0);
    while (k->ctx && zmq_ctx_term(k->ctx) != 0 && errno == EINTR)
        continue;
    k->ctx = NULL;
}

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_options(void *s)
{
    int64_t max_size = FRAME_MAX_SIZE;
    return set_int(s, ZMQ_RECONNECT_IVL, -1) && set_int(s, ZMQ_LINGER, 0) && set_int(s, ZMQ_SNDHWM, HWM_FRAMES) &&
           set_int(s, ZMQ_RCVHWM, HWM_FRAMES) && set_int(s, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
           set_int(s, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) && set_int(s, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_DEAD) &&
           zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &max_size, sizeof max_size) == 0;
}

static bool set_mechanism(void *s, const client_config *cfg, const client_secret *secret)
{
    if (!cfg->tcp)
        return zmq_setsockopt(s, ZMQ_PLAIN_USERNAME, cfg->name, strlen(cfg->name)) == 0 &&
               zmq_setsockopt(s, ZMQ_PLAIN_PASSWORD, secret->password, strlen(secret->password)) == 0;
    return zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, cfg->server_key, CURVE_KEY_TEXT + 1) == 0 &&
           zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, secret->public_key, CURVE_KEY_TEXT + 1) == 0 &&
           zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, secret->secret_key, CURVE_KEY_TEXT + 1) == 0;
}

static void on_dealer(sut_watch *w, unsigned events, void *arg)
{
    (void)w;
    (void)events;
    ((client_link *)arg)->look = true;
}

static void on_monitor(sut_watch *w, unsigned events, void *arg)
{
    (void)w;
    (void)events;
    ((client_link *)arg)->look_monitor = true;
}

static sut_status watch(sut_loop *loop, sut_watch *w, void *socket, sut_watch_fn fn, client_link *k)
{
    int fd = -1;
    size_t size = sizeof fd;
    if (zmq_getsockopt(socket, ZMQ_FD, &fd, &size) != 0)
        return -errno;
    return sut_watch_start(loop, w, fd, EPOLLIN, fn, k);
}

static sut_status open_monitor(client_link *k)
{
    char name[64];
    snprintf(name, sizeof name, "inproc://client-monitor-%llu", (unsigned long long)++k->opened);
    int events = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    if (zmq_socket_monitor(k->dealer, name, events) != 0)
        return -errno;
    k->monitor = zmq_socket(k->ctx, ZMQ_PAIR);
    if (!k->monitor || !set_int(k->monitor, ZMQ_LINGER, 0) || zmq_connect(k->monitor, name) != 0)
        return -errno;
    return 0;
}

static sut_status open_sockets(client_link *k, sut_loop *loop, const client_config *cfg, const client_secret *secret)
{
    k->dealer = zmq_socket(k->ctx, ZMQ_DEALER);
    if (!k->dealer || !set_options(k->dealer) || !set_mechanism(k->dealer, cfg, secret))
        return -errno;
    sut_status st = open_monitor(k);
    if (st == 0 && zmq_connect(k->dealer, cfg->endpoint) != 0)
        st = -errno;
    if (st == 0)
        st = watch(loop, &k->dealer_watch, k->dealer, on_dealer, k);
    if (st == 0)
        st = watch(loop, &k->monitor_watch, k->monitor, on_monitor, k);
    return st;
}

sut_status client_link_open(client_link *k, sut_loop *loop, const client_config *cfg, char *error, size_t error_size)
{
    client_secret secret;
    if (client_secret_read(cfg, &secret, error, error_size) != 0)
        return -EACCES;
    sut_status st = open_sockets(k, loop, cfg, &secret);
    client_secret_wipe(&secret);
    if (st != 0) {
        snprintf(error, error_size, "cannot open a socket to %s: %s", cfg->endpoint, zmq_strerror(-st));
        client_link_close(k, 0);
        return st;
    }
    k->look = k->look_monitor = true;
    k->blocked = false;
    return 0;
}

void client_link_close(client_link *k, int linger_ms)
{
    sut_watch_stop(&k->dealer_watch);
    sut_watch_stop(&k->monitor_watch);
    if (k->dealer) {
        (void)zmq_socket_monitor(k->dealer, NULL, 0);
        (void)set_int(k->dealer, ZMQ_LINGER, linger_ms);
        (void)zmq_close(k->dealer);
    }
    if (k->monitor)
        (void)zmq_close(k->monitor);
    k->dealer = k->monitor = NULL;
    k->look = k->look_monitor = k->blocked = false;
}

/* A monitor's message: a part with a 16-bit event and a 32-bit value, then a part with the endpoint. */
static bool monitor_read(void *monitor, uint16_t *event)
{
    uint8_t head[6];
    int n = zmq_recv(monitor, head, sizeof head, ZMQ_DONTWAIT);
    if (n < 0)
        return false;
    memcpy(event, head, sizeof *event);
    int more = 0;
    size_t size = sizeof more;
    while (zmq_getsockopt(monitor, ZMQ_RCVMORE, &more, &size) == 0 && more) {
        char endpoint[256];
        if (zmq_recv(monitor, endpoint, sizeof endpoint, ZMQ_DONTWAIT) < 0)
            break;
    }
    return true;
}

client_link_event client_link_next_event(client_link *k)
{
    uint16_t event;
    if (!k->look_monitor || !k->monitor)
        return LINK_NOTHING;
    if (!monitor_read(k->monitor, &event)) {
        k->look_monitor = false;
        return LINK_NOTHING;
    }
    return event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ? LINK_REFUSED : LINK_LOST;
}

sut_status client_link_receive(client_link *k, client_frame *out)
{
    if (!k->dealer || !k->look)
        return -EAGAIN;
    zmq_msg_t *msg = msg_of(out);
    zmq_msg_init(msg);
    if (zmq_msg_recv(msg, k->dealer, ZMQ_DONTWAIT) < 0) {
        int err = errno;
        zmq_msg_close(msg);
        if (err == EAGAIN)
            k->look = false;
        return err == EINTR ? -EAGAIN : -err;
    }
    if (zmq_msg_more(msg)) {
        zmq_msg_close(msg);
        return -EBADMSG;
    }
    out->bytes = zmq_msg_data(msg);
    out->len = zmq_msg_size(msg);
    return 0;
}

void client_frame_done(client_frame *f)
{
    zmq_msg_close(msg_of(f));
}

sut_status client_frame_new(client_frame *out, size_t len)
{
    if (zmq_msg_init_size(msg_of(out), len) != 0)
        return SUT_TRACE(-ENOMEM, "client.frame");
    out->bytes = zmq_msg_data(msg_of(out));
    out->len = len;
    return 0;
}

sut_status client_link_send(client_link *k, client_frame *f)
{
    int rc = zmq_msg_send(msg_of(f), k->dealer, ZMQ_DONTWAIT);
    k->look = true;
    if (rc >= 0)
        return 0;
    int err = errno;
    if (err == EAGAIN || err == EINTR) {
        k->blocked = err == EAGAIN;
        return -EAGAIN;
    }
    return -err;
}

bool client_link_writable(client_link *k)
{
    if (!k->blocked)
        return k->dealer != NULL;
    int events = 0;
    size_t size = sizeof events;
    if (!k->dealer || zmq_getsockopt(k->dealer, ZMQ_EVENTS, &events, &size) != 0)
        return false;
    if (events & ZMQ_POLLIN)
        k->look = true;
    k->blocked = !(events & ZMQ_POLLOUT);
    return !k->blocked;
}
