/* The ZAP handler, on the broker's own loop: PLAIN from ipc peers, CURVE from tcp peers, nothing else. Why not czmq's
 * zauth: docs/decisions/0013-own-zap-handler.md. */
#include "zap.h"

#include "base/log.h"

#include <errno.h>
#include <sys/epoll.h>
#include <zmq.h>

#define PARTS_MAX       9 /* version, id, domain, address, routing id, mechanism, at most three credentials */
#define REQUESTS_A_TURN 64

typedef struct zap_request {
    zmq_msg_t part[PARTS_MAX];
    size_t count; /* parts held */
    bool excess;  /* there were more */
} zap_request;

typedef struct zap_verdict {
    const char *mechanism, *why; /* why: NULL if granted */
    sut_str name;                /* granted: of the peer; else what it claimed */
} zap_verdict;

enum { P_VERSION, P_ID, P_DOMAIN, P_ADDRESS, P_ROUTING_ID, P_MECHANISM, P_CREDENTIAL };

static sut_str part(zap_request *q, size_t i)
{
    if (i >= q->count)
        return SUT_STR("");
    return (sut_str){zmq_msg_data(&q->part[i]), zmq_msg_size(&q->part[i])};
}

static void request_close(zap_request *q)
{
    while (q->count)
        zmq_msg_close(&q->part[--q->count]);
}

/* True if a whole request was read. */
static bool request_read(zap_request *q, void *socket)
{
    bool more = true;

    q->count = 0;
    q->excess = false;
    while (more) {
        zmq_msg_t msg;

        zmq_msg_init(&msg);
        if (zmq_msg_recv(&msg, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&msg);
            request_close(q);
            return false;
        }
        more = zmq_msg_more(&msg);
        if (q->count < PARTS_MAX) {
            q->part[q->count++] = msg;
        } else {
            q->excess = true;
            zmq_msg_close(&msg);
        }
    }
    return true;
}

static void judge_plain(sut_access *a, zap_request *q, zap_verdict *v)
{
    sut_access_verdict r;

    v->mechanism = "plain";
    v->name = part(q, P_CREDENTIAL);
    if (q->count != P_CREDENTIAL + 2) {
        v->why = "malformed";
        return;
    }
    r = sut_access_check_password(a, v->name, part(q, P_CREDENTIAL + 1));
    v->why = r == SUT_ACCESS_GRANTED ? NULL : sut_access_verdict_name(r);
}

static void judge_curve(sut_access *a, zap_request *q, zap_verdict *v)
{
    const sut_str key = part(q, P_CREDENTIAL);
    sut_access_verdict r;

    v->mechanism = "curve";
    if (q->count != P_CREDENTIAL + 1 || key.len != 32) {
        v->why = "malformed";
        return;
    }
    r = sut_access_check_key(a, (const uint8_t *)key.ptr, &v->name);
    v->why = r == SUT_ACCESS_GRANTED ? NULL : sut_access_verdict_name(r);
}

/* The domain is the socket's: ipc sockets take PLAIN only, tcp sockets CURVE only. */
static zap_verdict judge(sut_access *a, zap_request *q)
{
    zap_verdict v = {.mechanism = "other", .why = "mechanism", .name = SUT_STR("")};
    const sut_str domain = part(q, P_DOMAIN), mechanism = part(q, P_MECHANISM);

    if (q->excess || !sut_str_is(part(q, P_VERSION), "1.0"))
        v.why = "malformed";
    else if (sut_str_is(domain, "ipc") && sut_str_is(mechanism, "PLAIN"))
        judge_plain(a, q, &v);
    else if (sut_str_is(domain, "tcp") && sut_str_is(mechanism, "CURVE"))
        judge_curve(a, q, &v);
    return v;
}

static bool send_part(void *socket, sut_str s, bool more)
{
    return zmq_send(socket, s.ptr, s.len, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) >= 0;
}

static void answer(sut_zap *z, zap_request *q, const zap_verdict *v)
{
    const bool ok = !v->why;
    const bool sent = send_part(z->socket, SUT_STR("1.0"), true) && send_part(z->socket, part(q, P_ID), true) &&
                      send_part(z->socket, ok ? SUT_STR("200") : SUT_STR("400"), true) &&
                      send_part(z->socket, ok ? SUT_STR("OK") : SUT_STR("refused"), true) &&
                      send_part(z->socket, ok ? v->name : SUT_STR(""), true) &&
                      send_part(z->socket, SUT_STR(""), false);

    if (!sent) /* the connection waits for its handshake limit and is closed by libzmq */
        sut_log(SUT_ERROR, "broker", "zap.unanswered", SUT_KV("error", zmq_strerror(errno)));
    if (ok)
        z->granted_total++;
    else
        z->refused_total++;
    if (!ok && z->on_refused)
        z->on_refused(z->arg, v->mechanism, v->why, v->name.len <= SUT_PEER_NAME_MAX ? v->name : SUT_STR(""));
}

static void read_again(sut_task *t, void *arg);

/* The descriptor tells of changes, not of state: read until there is nothing, or come back in the next turn. */
static void read_requests(sut_zap *z)
{
    zap_request q;
    int left = REQUESTS_A_TURN;

    while (left > 0 && request_read(&q, z->socket)) {
        const zap_verdict v = judge(z->access, &q);

        answer(z, &q, &v);
        request_close(&q);
        left--;
    }
    if (left == 0 && !z->again) {
        z->again = true;
        sut_loop_post(z->watch.loop, &z->task, read_again, z);
    }
    if (z->on_turn)
        z->on_turn(z->arg);
}

static void read_again(sut_task *t, void *arg)
{
    sut_zap *z = arg;

    (void)t;
    z->again = false;
    if (z->socket)
        read_requests(z);
}

static void on_request(sut_watch *w, unsigned events, void *arg)
{
    (void)w, (void)events;
    read_requests(arg);
}

sut_status sut_zap_init(sut_zap *z, void *zmq, sut_loop *loop, sut_access *access)
{
    const int linger = 0;
    int fd;
    size_t size = sizeof fd;
    sut_status r;

    *z = (sut_zap){.access = access};
    z->socket = zmq_socket(zmq, ZMQ_REP);
    if (!z->socket)
        return SUT_TRACE(-errno, "zmq_socket");
    if (zmq_setsockopt(z->socket, ZMQ_LINGER, &linger, sizeof linger) != 0 ||
        zmq_bind(z->socket, "inproc://zeromq.zap.01") != 0 || zmq_getsockopt(z->socket, ZMQ_FD, &fd, &size) != 0)
        return SUT_TRACE(-errno, "zap socket");
    r = sut_watch_start(loop, &z->watch, fd, EPOLLIN, on_request, z);
    if (r == 0)
        read_requests(z); /* ZMQ_FD speaks up only after the socket was once found empty */
    return r;
}

void sut_zap_deinit(sut_zap *z)
{
    sut_watch_stop(&z->watch);
    if (z->socket)
        zmq_close(z->socket);
    z->socket = NULL;
}
