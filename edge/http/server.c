/* civetweb's life and its callbacks. Everything that a request can be refused for before a handler sees it is refused
 * here. */
#include "worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "problem.h"
#include "proxy.h"
#include "socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TARGET_MAX_BYTES  4096
#define HEADERS_MAX_BYTES 16384
#define STOP_NUDGE_MS     20

_Static_assert(HEADERS_MAX_BYTES < SUT_REQUEST_BUFFER, "what is over our limit must still fit civetweb's buffer");

static void *on_thread(const struct mg_context *ctx, int type)
{
    sut_server *s = mg_get_user_data(ctx);
    if (type == 0)
        sut_connections_accept_here(&s->connections);
    if (type != 1)
        return NULL;
    sut_worker *w = NULL;
    if (sut_worker_new(&w, s)) {
        sut_log(SUT_ERROR, "edge", "worker.no_memory");
        return NULL;
    }
    (void)pthread_mutex_lock(&s->lock);
    bool room = s->worker_count < SUT_THREADS_MAX;
    if (room)
        s->workers[s->worker_count++] = w;
    (void)pthread_mutex_unlock(&s->lock);
    return room ? w : sut_worker_free(w);
}

static void on_thread_end(const struct mg_context *ctx, int type, void *pointer)
{
    sut_worker *w = pointer;
    if (type != 1 || !w)
        return;
    sut_server *s = mg_get_user_data(ctx);
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->worker_count; i++) {
        if (s->workers[i] == w) {
            s->workers[i] = s->workers[--s->worker_count];
            break;
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
    sut_worker_free(w);
}

static int on_connection(const struct mg_connection *conn, void **data)
{
    (void)data;
    sut_worker *w = mg_get_thread_pointer(conn);
    if (w) {
        w->conn = (struct mg_connection *)conn;
        w->peer_port = 0;
        w->slot = NULL;
        w->ended = w->must_linger = false;
        w->bytes_read = 0;
        w->idle_since_ns = sut_now_ns();
    }
    return 0;
}

static in_addr_t address_of(const struct mg_request_info *ri)
{
    struct in_addr address = {0};
    (void)inet_pton(AF_INET, ri->remote_addr, &address);
    return address.s_addr;
}

static void on_close(const struct mg_connection *conn)
{
    sut_server *s = mg_get_user_data(mg_get_context(conn));
    const struct mg_request_info *ri = mg_get_request_info(conn);
    if (ri)
        sut_connections_remove(&s->connections, address_of(ri), (uint16_t)ri->remote_port);
}

/* Who the peer is, at the first request of a connection. */
static void learn_peer(sut_worker *w, const struct mg_request_info *ri)
{
    sut_server *s = w->server;
    w->peer = address_of(ri);
    w->peer_port = (uint16_t)ri->remote_port;
    w->slot = sut_connections_find(&s->connections, w->peer, w->peer_port);
    w->trusted_proxy = false;
    for (size_t i = 0; i < s->proxy_count; i++)
        w->trusted_proxy = w->trusted_proxy || s->proxies[i] == w->peer;
}

/* A new exchange on the worker's connection. */
static sut_exchange *begin(sut_worker *w, const struct mg_request_info *ri)
{
    sut_exchange *x = &w->x;
    if (!w->peer_port)
        learn_peer(w, ri);
    memset(&x->rq, 0, sizeof(x->rq));
    x->rq.close = true;
    x->answered = x->body_read = false;
    x->begun_ns = sut_now_ns();
    x->client = sut_str_from(ri->remote_addr);
    x->common_headers = SUT_STR_NONE;
    x->trace[0] = '\0';
    return x;
}

static sut_http_fault check(sut_worker *w, const struct mg_request_info *ri)
{
    size_t count = ri->num_headers > 0 ? (size_t)ri->num_headers : 0;
    for (size_t i = 0; i < count && i < SUT_ARRAY_LEN(w->headers); i++)
        w->headers[i] = (sut_http_header){ri->http_headers[i].name, ri->http_headers[i].value};
    const sut_http_raw raw = {.method = ri->request_method,
                              .target = ri->request_uri,
                              .query = ri->query_string,
                              .version = ri->http_version,
                              .headers = w->headers,
                              .header_count = count};
    return sut_http_check(&raw, &w->server->limits, &w->x.rq);
}

static int on_request(struct mg_connection *conn)
{
    sut_worker *w = mg_get_thread_pointer(conn);
    if (!w || w->ended) { /* nothing that follows on an ended connection is read, let alone done */
        mg_disable_connection_keep_alive(conn);
        return 503;
    }
    sut_server *s = w->server;
    const struct mg_request_info *ri = mg_get_request_info(conn);
    sut_exchange *x = begin(w, ri);
    sut_worker_waits(w, 0);
    atomic_fetch_add_explicit(&s->busy, 1, memory_order_relaxed);
    sut_http_fault fault = check(w, ri);
    if (fault.status) {
        w->must_linger = true;
        sut_problem_fault(x, &fault);
    } else {
        if (w->trusted_proxy)
            x->client = sut_proxy_client(&x->rq, x->client);
        s->opt.handler(s->opt.arg, x);
        sut_str rest;
        if (!x->rq.close && !x->body_read && sut_exchange_body(x, &rest).status)
            x->rq.close = true;
    }
    w->bytes_read += x->rq.header_bytes;
    w->idle_since_ns = sut_now_ns();
    sut_exchange_end(w);
    sut_worker_waits(w, w->idle_since_ns);
    atomic_fetch_sub_explicit(&s->busy, 1, memory_order_relaxed);
    return 200;
}

/* civetweb could parse the request line but does not know the method: it is for the handler to say what would be
 * allowed (RFC 9110 section 15.5.6). */
static bool is_unknown_method(const struct mg_request_info *ri, int status)
{
    return status == 400 && ri->request_method && ri->request_uri && ri->request_uri[0] == '/' && ri->http_version &&
           ri->http_version[0] == '1' && ri->num_headers == 0;
}

/* civetweb says 400 "Malformed message" for a head that is malformed, too large, or did not come in time. */
static sut_http_fault fault_of(const sut_worker *w, const struct mg_request_info *ri, int status)
{
    if (status == 505)
        return (sut_http_fault){505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
    if (!ri->request_method && sut_socket_bytes_read(sut_worker_fd(w)) >= w->bytes_read + SUT_REQUEST_BUFFER)
        return (sut_http_fault){431, "the header fields are too large"};
    uint64_t waited_ms = (sut_now_ns() - w->idle_since_ns) / SUT_NS_PER_MS;
    uint64_t limit_ms = w->bytes_read > 0 ? w->server->opt.keep_alive_ms : w->server->opt.header_timeout_ms;
    if (!ri->request_method && waited_ms >= limit_ms)
        return (sut_http_fault){408, "the request did not come in time"};
    return (sut_http_fault){400, "the request is malformed"};
}

static int on_error(struct mg_connection *conn, int status, const char *message)
{
    (void)message;
    sut_worker *w = mg_get_thread_pointer(conn);
    mg_disable_connection_keep_alive(conn);
    if (!w || w->ended)
        return 0;
    const struct mg_request_info *ri = mg_get_request_info(conn);
    sut_exchange *x = begin(w, ri);
    w->must_linger = true;
    if (is_unknown_method(ri, status)) {
        const char *query = strchr(ri->request_uri, '?');
        x->rq.method = sut_str_from(ri->request_method);
        x->rq.path = (sut_str){ri->request_uri, query ? (size_t)(query - ri->request_uri) : strlen(ri->request_uri)};
        x->rq.http11 = true;
        w->server->opt.handler(w->server->opt.arg, x);
    } else {
        sut_http_fault fault = fault_of(w, ri, status);
        sut_problem_fault(x, &fault);
    }
    sut_exchange_end(w);
    return 0;
}

static int on_log(const struct mg_connection *conn, const char *message)
{
    (void)conn;
    sut_log(SUT_DEBUG, "civetweb", "log", SUT_KV("message", message));
    return 1;
}

static sut_status check_port(const char *port, char *error, size_t error_size)
{
    int64_t number;
    size_t len = strlen(port);
    if (len > 1 && (port[len - 1] == 's' || port[len - 1] == 'r')) {
        (void)snprintf(error, error_size,
                       "PORT: '%s' asks for TLS, which civetweb 1.15 cannot load with OpenSSL 3: it would serve plain "
                       "text without a word. HTTPS ends at HAProxy in front of the edge",
                       port);
        return -EINVAL;
    }
    if (strspn(port, "0123456789") != len || !sut_parse_i64((sut_str){port, len}, 0, 65535, &number)) {
        (void)snprintf(error, error_size, "PORT: '%s' must be a number from 0 to 65535", port);
        return -EINVAL;
    }
    return 0;
}

sut_status sut_server_check(const sut_server_options *opt, char *error, size_t error_size)
{
    struct in_addr address;
    if (opt->tls && *opt->tls) {
        (void)snprintf(
            error, error_size,
            "SSL_CERTIFICATE: TLS cannot be had from civetweb 1.15 with OpenSSL 3: it would serve plain text "
            "without a word. HTTPS ends at HAProxy in front of the edge; leave this empty");
        return -EINVAL;
    }
    if (strchr(opt->host, ':')) {
        (void)snprintf(error, error_size, "HOST: '%s' is IPv6, which Debian's civetweb is built without", opt->host);
        return -EINVAL;
    }
    if (inet_pton(AF_INET, opt->host, &address) != 1) {
        (void)snprintf(error, error_size, "HOST: '%s' must be an IPv4 address, such as 127.0.0.1 or 0.0.0.0",
                       opt->host);
        return -EINVAL;
    }
    if (opt->threads <= SUT_THREADS_SPARE || opt->threads > SUT_THREADS_MAX) {
        (void)snprintf(error, error_size, "EDGE_THREADS: must be 9 to %d", SUT_THREADS_MAX);
        return -EINVAL;
    }
    return check_port(opt->port, error, error_size);
}

static sut_status parse_proxies(sut_server *s, char *error, size_t error_size)
{
    for (const char *at = s->opt.proxies ? s->opt.proxies : ""; *at;) {
        char text[INET_ADDRSTRLEN];
        size_t len = strcspn(at, ",");
        struct in_addr address;
        bool fits = len > 0 && len < sizeof(text) && s->proxy_count < SUT_PROXIES_MAX;
        if (fits) {
            memcpy(text, at, len);
            text[len] = '\0';
        }
        if (!fits || inet_pton(AF_INET, text, &address) != 1) {
            (void)snprintf(error, error_size, "TRUSTED_PROXIES: at most 16 IPv4 addresses parted by commas");
            return -EINVAL;
        }
        s->proxies[s->proxy_count++] = address.s_addr;
        at += len + (at[len] == ',');
    }
    return 0;
}

static sut_status start(sut_server *s, char *error, size_t error_size)
{
    char listen[64], threads[16], header_ms[16], idle_ms[16], buffer[16], queue[16];
    (void)snprintf(listen, sizeof(listen), "%s:%s", s->opt.host, s->opt.port);
    (void)snprintf(threads, sizeof(threads), "%u", s->opt.threads);
    (void)snprintf(header_ms, sizeof(header_ms), "%u", s->opt.header_timeout_ms);
    (void)snprintf(idle_ms, sizeof(idle_ms), "%u", s->opt.keep_alive_ms);
    (void)snprintf(buffer, sizeof(buffer), "%d", SUT_REQUEST_BUFFER);
    (void)snprintf(queue, sizeof(queue), "%d", SUT_THREADS_SPARE * 8);
    const char *options[] = {"listening_ports",
                             listen,
                             "num_threads",
                             threads,
                             "request_timeout_ms",
                             header_ms,
                             "enable_keep_alive",
                             "yes",
                             "keep_alive_timeout_ms",
                             idle_ms,
                             "tcp_nodelay",
                             "1",
                             "max_request_size",
                             buffer,
                             "connection_queue",
                             queue,
                             "decode_url",
                             "no",
                             "enable_auth_domain_check",
                             "no",
                             "enable_directory_listing",
                             "no",
                             NULL};
    const struct mg_callbacks callbacks = {.begin_request = on_request,
                                           .http_error = on_error,
                                           .log_message = on_log,
                                           .init_thread = on_thread,
                                           .exit_thread = on_thread_end,
                                           .init_connection = on_connection,
                                           .connection_close = on_close};
    errno = 0;
    s->ctx = mg_start(&callbacks, s, options);
    struct mg_server_port port;
    if (!s->ctx || mg_get_server_ports(s->ctx, 1, &port) != 1) {
        (void)snprintf(error, error_size, "PORT: cannot listen on %s: %s", listen,
                       errno ? strerror(errno) : "the address is taken or not ours");
        return -EADDRINUSE;
    }
    s->port = (uint16_t)port.port;
    return 0;
}

sut_status sut_server_start(sut_server **out, const sut_server_options *opt, char *error, size_t error_size)
{
    *out = NULL;
    sut_status st = sut_server_check(opt, error, error_size);
    if (st)
        return st;
    (void)snprintf(error, error_size, "out of memory");
    sut_server *s = calloc(1, sizeof(*s));
    if (!s)
        return SUT_TRACE(-ENOMEM, "server");
    s->opt = *opt;
    s->limits = (sut_http_limits){TARGET_MAX_BYTES, HEADERS_MAX_BYTES, opt->body_bytes};
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_mutex_init(&s->connections.lock, NULL);
    s->connections.max = opt->threads - SUT_THREADS_SPARE;
    s->connections.per_address = opt->per_address;
    s->connections.exempt = s->proxies;
    st = parse_proxies(s, error, error_size);
    s->connections.exempt_count = s->proxy_count;
    if (st == 0)
        st = start(s, error, error_size);
    if (st) {
        sut_server_stop(s);
        return st;
    }
    *out = s;
    return 0;
}

unsigned sut_server_port(const sut_server *s)
{
    return s->port;
}

void sut_server_drain(sut_server *s)
{
    if (atomic_exchange(&s->draining, true))
        return;
    sut_connections_close(&s->connections);
    if (!sut_socket_stop_listening(s->port))
        sut_log(SUT_WARN, "edge", "server.still_listening");
}

unsigned sut_server_busy(const sut_server *s)
{
    return atomic_load_explicit(&s->busy, memory_order_relaxed);
}

/* mg_stop waits for every worker, and a worker that waits for input notices only within two seconds: so the reads are
 * ended first, and again while it waits, since a connection may have been taken up in between. */
static void *stop_civetweb(void *arg)
{
    mg_stop(arg);
    return NULL;
}

sut_server *sut_server_stop(sut_server *s)
{
    if (!s)
        return NULL;
    atomic_store(&s->draining, true);
    sut_connections_close(&s->connections);
    pthread_t thread;
    if (s->ctx && pthread_create(&thread, NULL, stop_civetweb, s->ctx) == 0) {
        struct timespec until;
        do {
            sut_connections_end_reads(&s->connections);
            (void)clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += STOP_NUDGE_MS * 1000000L;
            until.tv_sec += until.tv_nsec / 1000000000L;
            until.tv_nsec %= 1000000000L;
        } while (pthread_timedjoin_np(thread, NULL, &until) == ETIMEDOUT);
    } else if (s->ctx) {
        mg_stop(s->ctx);
    }
    (void)pthread_mutex_destroy(&s->connections.lock);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
    return NULL;
}
