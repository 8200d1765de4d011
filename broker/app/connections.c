/* Accepted descriptors: from monitor events, which libzmq's I/O thread sends before it uses a descriptor and before it
 * closes one. So a descriptor found here after the monitor was read is open, or is being closed this very moment, which
 * the inode of the socket then tells. */
#include "connections.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static bool socket_inode(int fd, ino_t *inode)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    *inode = st.st_ino;
    return true;
}

/* False if it has ended already. */
static bool cut(const sut_connection *c)
{
    ino_t inode;

    return socket_inode(c->fd, &inode) && inode == c->inode && shutdown(c->fd, SHUT_RDWR) == 0;
}

static void forget(sut_listener *l, int fd)
{
    sut_connection *c = sut_u64map_take(l->connections, (uint64_t)fd);

    if (!c)
        return;
    sut_node_unlink(&c->silent);
    if (!c->peer)
        l->unspoken_total++;
    else if (l->on_gone)
        l->on_gone(l->arg, c->peer);
    free(c);
}

static void arm_reaper(sut_listener *l);

/* Cuts connections that passed authentication, or not even that, and then said nothing. */
static void reap(sut_timer *t, void *arg)
{
    sut_listener *l = arg;
    const uint64_t now = sut_now_ns();

    (void)t;
    sut_connections_read_monitor(l);
    while (!sut_list_empty(&l->silent)) {
        sut_connection *c = SUT_CONTAINER(l->silent.next, sut_connection, silent);

        if (c->since_ns + l->opt.silent_ns > now)
            break;
        sut_node_unlink(&c->silent);
        if (cut(c))
            l->reaped_total++;
        else
            forget(l, c->fd); /* libzmq does not tell of every end before the handshake's */
    }
    arm_reaper(l);
}

static void arm_reaper(sut_listener *l)
{
    const sut_connection *c;

    if (sut_list_empty(&l->silent) || l->reap.loop || !l->monitor_watch.loop)
        return;
    c = SUT_CONTAINER(l->silent.next, sut_connection, silent);
    if (sut_timer_start_at(l->monitor_watch.loop, &l->reap, c->since_ns + l->opt.silent_ns, reap, l) < 0)
        sut_log(SUT_ERROR, "broker", "reaper.no_memory");
}

/* A connection that we have no memory or no room for is cut at once: nothing would watch over it. */
static void accepted(sut_listener *l, int fd)
{
    sut_connection *c;

    l->accepted_total++;
    forget(l, fd); /* its end was announced by no event */
    c = calloc(1, sizeof *c);
    if (!c || !socket_inode(fd, &c->inode) || sut_u64map_put(l->connections, (uint64_t)fd, c) < 0) {
        if (c)
            (void)cut(c);
        free(c);
        return;
    }
    c->listener = l;
    c->fd = fd;
    c->since_ns = sut_now_ns();
    sut_list_push_back(&l->silent, &c->silent);
    if (sut_u64map_count(l->connections) > l->opt.max_connections) {
        l->reaped_total++;
        (void)cut(c);
    }
    arm_reaper(l);
}

/* One event: a frame with number and value, and a frame with the address. */
static bool read_event(void *monitor, uint16_t *event, int32_t *value)
{
    zmq_msg_t msg;
    bool ok = false, more = true;

    for (int part = 0; more; part++) {
        zmq_msg_init(&msg);
        if (zmq_msg_recv(&msg, monitor, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&msg);
            return ok;
        }
        if (part == 0 && zmq_msg_size(&msg) == sizeof *event + sizeof *value) {
            const char *bytes = zmq_msg_data(&msg);

            memcpy(event, bytes, sizeof *event);
            memcpy(value, bytes + sizeof *event, sizeof *value);
            ok = true;
        }
        more = zmq_msg_more(&msg);
        zmq_msg_close(&msg);
    }
    return ok;
}

void sut_connections_read_monitor(sut_listener *l)
{
    uint16_t event = 0;
    int32_t value = 0;

    if (!l->monitor)
        return;
    while (read_event(l->monitor, &event, &value)) {
        switch (event) {
        case ZMQ_EVENT_ACCEPTED: accepted(l, value); break;
        case ZMQ_EVENT_DISCONNECTED: forget(l, value); break;
        case ZMQ_EVENT_ACCEPT_FAILED:
            sut_log(SUT_ERROR, "broker", "accept.failed", SUT_KV("error", zmq_strerror(value)));
            break;
        default:
            l->handshake_failed_total++;
            sut_log(SUT_DEBUG, "broker", "handshake.failed", SUT_KV_I("event", event), SUT_KV_I("value", value));
            break;
        }
    }
}

void sut_connections_free(sut_listener *l)
{
    size_t pos = 0;
    uint64_t fd;
    void *c;

    if (!l->connections)
        return;
    while (sut_u64map_next(l->connections, &pos, &fd, &c))
        free(c);
    l->connections = sut_u64map_free(l->connections);
    sut_list_init(&l->silent);
}

sut_connection *sut_listener_connection(sut_listener *l, zmq_msg_t *msg)
{
    const int fd = zmq_msg_get(msg, ZMQ_SRCFD);
    sut_connection *c;

    sut_connections_read_monitor(l);
    c = fd < 0 ? NULL : sut_u64map_get(l->connections, (uint64_t)fd);
    return c && !c->peer ? c : NULL;
}

void sut_connection_claim(sut_connection *c, void *peer)
{
    c->peer = peer;
    sut_node_unlink(&c->silent);
}

void sut_listener_cut(sut_listener *l, int fd, const void *peer)
{
    const sut_connection *c;

    if (fd < 0)
        return;
    sut_connections_read_monitor(l);
    c = sut_u64map_get(l->connections, (uint64_t)fd);
    if (c && c->peer == peer)
        (void)cut(c);
}
