/* Inside of the server: the server itself and its worker threads. A civetweb worker serves one connection at a time,
 * from its first request to its last, so a worker's state is the connection's state too. */
#ifndef SUT_HTTP_WORKER_H
#define SUT_HTTP_WORKER_H

#include "connections.h"
#include "exchange.h"

#include <civetweb.h>
#include <stdatomic.h>
#include <time.h>

#define SUT_THREADS_MAX    SUT_CONNECTIONS_MAX
#define SUT_THREADS_SPARE  8 /* workers above the cap of connections: a queue for a thread never forms */
#define SUT_PROXIES_MAX    16
#define SUT_REQUEST_BUFFER 32768 /* civetweb's buffer for a request's head */

typedef struct sut_worker {
    sut_exchange x;
    sut_server *server;
    struct mg_connection *conn;
    sut_buf body, out;
    sut_http_header headers[SUT_HTTP_HEADERS_MAX]; /* of the request at hand */
    _Atomic uint64_t deadline_ns; /* of the read or write at hand: DEADLINE_NONE, DEADLINE_FIRED, or a time */
    /* the connection */
    in_addr_t peer;
    uint16_t peer_port; /* 0: not known yet; civetweb tells the peer only with its first request */
    bool trusted_proxy;
    sut_connection *slot; /* NULL: not known yet */
    bool ended;           /* nothing more is read from it */
    bool must_linger;     /* input is left unread: see sut_socket_linger */
    uint64_t bytes_read;  /* by requests that are over */
    uint64_t idle_since_ns;
    /* the Date header, made once a second */
    time_t date_s;
    char date[40];
} sut_worker;

enum { DEADLINE_NONE = 0, DEADLINE_FIRING = 1, DEADLINE_FIRED = 2 };

struct sut_server {
    sut_server_options opt;
    sut_http_limits limits;
    struct mg_context *ctx;
    uint16_t port;
    in_addr_t proxies[SUT_PROXIES_MAX];
    size_t proxy_count;
    atomic_bool draining;
    atomic_uint busy;
    sut_connections connections;
    pthread_mutex_t lock; /* guards what follows */
    sut_worker *workers[SUT_THREADS_MAX];
    size_t worker_count;
};

/* worker.c */
SUT_MUST_CHECK sut_status sut_worker_new(sut_worker **out, sut_server *server);
sut_worker *sut_worker_free(sut_worker *w);
/* exchange.c: after the answer: frees what the request held, ends the connection if it must. */
void sut_exchange_end(sut_worker *w);
/* The descriptor of the worker's connection, or -1. */
int sut_worker_fd(const sut_worker *w);
/* Since when the worker has waited for its client; 0: it does not. */
static inline void sut_worker_waits(sut_worker *w, uint64_t since_ns)
{
    if (w->slot)
        atomic_store_explicit(&w->slot->waiting_since_ns, since_ns, memory_order_relaxed);
}
/* Waited, and was ended to make room for others. */
static inline bool sut_worker_gave_way(const sut_worker *w)
{
    return w->slot && atomic_load_explicit(&w->slot->waiting_since_ns, memory_order_acquire) == 0;
}
/* deadline.c: past the deadline, reads from and writes to the connection end. */
void sut_deadline_set(sut_worker *w, uint64_t deadline_ns);
bool sut_deadline_clear(sut_worker *w); /* true if it has passed and the connection was ended */

#endif
