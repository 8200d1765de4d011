/* Reads bodies and writes answers through civetweb, with deadlines of our own. */
#include "worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#define STEP_BYTES        4096u
#define STEP_NS           (3 * SUT_NS_PER_S) /* for each step: so the minimum rate is STEP_BYTES in STEP_NS */
#define WRITE_NS          (10 * SUT_NS_PER_S)
#define BODY_KEEP_BYTES   (64u << 10) /* larger buffers are given back after the request */
#define CHUNKED_READ_SIZE STEP_BYTES

static sut_worker *worker_of(sut_exchange *x)
{
    return SUT_CONTAINER(x, sut_worker, x);
}

static sut_http_fault fault_of_read(sut_worker *w, bool late, bool gave_way)
{
    w->must_linger = true;
    w->x.rq.close = true;
    if (gave_way)
        return (sut_http_fault){503, "there are too many connections to wait for this body"};
    if (late)
        return (sut_http_fault){408, "the body did not come in time"};
    if (w->x.rq.chunked)
        return (sut_http_fault){400, "the chunked body is malformed or was cut off"};
    return (sut_http_fault){400, "the body is shorter than Content-Length"};
}

/* Reads at most `len` bytes into the body buffer; *got 0: the end. */
static sut_http_fault read_step(sut_worker *w, size_t len, uint64_t end_ns, size_t *got)
{
    *got = 0;
    if (sut_buf_reserve(&w->body, len)) {
        w->x.rq.close = w->must_linger = true;
        return (sut_http_fault){413, "the body is too large"};
    }
    uint64_t now = sut_now_ns(), step_end = now + STEP_NS;
    sut_worker_waits(w, now);
    sut_deadline_set(w, step_end < end_ns ? step_end : end_ns);
    int n = mg_read(w->conn, w->body.data + w->body.len, len);
    bool late = sut_deadline_clear(w), gave_way = sut_worker_gave_way(w);
    sut_worker_waits(w, 0);
    if (late || gave_way || n < 0 || (!w->x.rq.chunked && (size_t)n < len))
        return fault_of_read(w, late, gave_way);
    w->body.len += (size_t)n;
    w->bytes_read += (size_t)n;
    *got = (size_t)n;
    return (sut_http_fault){0, NULL};
}

static sut_http_fault read_counted(sut_worker *w, uint64_t end_ns)
{
    sut_http_fault fault = {0, NULL};
    uint64_t left = w->x.rq.content_length;
    while (left > 0 && fault.status == 0) {
        size_t got;
        fault = read_step(w, left < STEP_BYTES ? (size_t)left : STEP_BYTES, end_ns, &got);
        left -= got;
    }
    return fault;
}

static sut_http_fault read_chunked(sut_worker *w, uint64_t end_ns)
{
    for (;;) {
        size_t room = w->server->limits.body_bytes - w->body.len, got;
        if (room == 0) { /* only the end may follow */
            char one;
            sut_deadline_set(w, end_ns);
            int n = mg_read(w->conn, &one, 1);
            bool late = sut_deadline_clear(w);
            if (n == 0 && !late)
                return (sut_http_fault){0, NULL};
            if (n <= 0)
                return fault_of_read(w, late, false);
            w->x.rq.close = w->must_linger = true;
            return (sut_http_fault){413, "the body is too large"};
        }
        sut_http_fault fault = read_step(w, room < CHUNKED_READ_SIZE ? room : CHUNKED_READ_SIZE, end_ns, &got);
        if (fault.status || got == 0)
            return fault;
    }
}

sut_http_fault sut_exchange_body(sut_exchange *x, sut_str *body)
{
    sut_worker *w = worker_of(x);
    *body = SUT_STR_NONE;
    if (x->body_read || (!x->rq.chunked && x->rq.content_length == 0))
        return (sut_http_fault){0, NULL};
    x->body_read = true;
    sut_buf_reset(&w->body);
    if (x->rq.expect_continue && !x->answered)
        (void)mg_write(w->conn, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    uint64_t end_ns = sut_now_ns() + (uint64_t)w->server->opt.body_timeout_ms * SUT_NS_PER_MS;
    sut_http_fault fault = x->rq.chunked ? read_chunked(w, end_ns) : read_counted(w, end_ns);
    if (fault.status == 0 && w->body.len > 0 && sut_buf_str(&w->body, body)) {
        x->rq.close = true;
        return (sut_http_fault){413, "the body is too large"};
    }
    return fault;
}

static const char *reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Status"; /* the phrase means nothing to programs (RFC 9112 section 4) */
    }
}

/* RFC 9110 section 5.6.7 */
static sut_str date_header(sut_worker *w)
{
    time_t now = (time_t)(sut_wall_us() / 1000000);
    if (now != w->date_s) {
        struct tm tm;
        (void)gmtime_r(&now, &tm);
        (void)strftime(w->date, sizeof(w->date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
        w->date_s = now;
    }
    return sut_str_from(w->date);
}

static sut_status append(sut_buf *b, sut_str s)
{
    return s.len > 0 ? sut_buf_append(b, s.ptr, s.len) : 0;
}

/* Ends the head, adds the body, writes all at once. */
static void finish(sut_worker *w, sut_str body)
{
    sut_exchange *x = &w->x;
    if (atomic_load_explicit(&w->server->draining, memory_order_relaxed))
        x->rq.close = true;
    bool unread = !x->body_read && (x->rq.chunked || x->rq.content_length > 0);
    if (unread && x->rq.expect_continue)
        x->rq.close = true; /* whether the body comes now is the client's choice */
    if (unread && x->rq.close)
        w->must_linger = true;
    sut_str connection = x->rq.close    ? SUT_STR("Connection: close\r\n\r\n")
                         : x->rq.http11 ? SUT_STR("\r\n")
                                        : SUT_STR("Connection: keep-alive\r\n\r\n");
    sut_status st = append(&w->out, date_header(w));
    if (st == 0)
        st = append(&w->out, connection);
    if (st == 0 && !sut_str_is(x->rq.method, "HEAD"))
        st = append(&w->out, body);
    x->answered = true;
    int sent = 0;
    if (st == 0) {
        sut_deadline_set(w, sut_now_ns() + WRITE_NS);
        sent = mg_write(w->conn, w->out.data, w->out.len);
        (void)sut_deadline_clear(w);
    }
    if (sent < 0 || (size_t)sent != w->out.len || st)
        x->rq.close = true; /* half an answer may be on its way: nothing may follow it */
}

void sut_exchange_send_rendered(sut_exchange *x, sut_str head, sut_str body)
{
    sut_worker *w = worker_of(x);
    sut_buf_reset(&w->out);
    if (append(&w->out, head)) {
        x->rq.close = x->answered = true;
        return;
    }
    finish(w, body);
}

/* For every answer: no sniffing, no framing, no referrer, nothing kept by caches; HSTS is HAProxy's to say, which has
 * the certificate. */
#define SECURITY_HEADERS                                                                                               \
    "Cache-Control: no-store\r\n"                                                                                      \
    "X-Content-Type-Options: nosniff\r\n"                                                                              \
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"                                          \
    "X-Frame-Options: DENY\r\n"                                                                                        \
    "Referrer-Policy: no-referrer\r\n"

void sut_exchange_send(sut_exchange *x, const sut_response *r)
{
    sut_worker *w = worker_of(x);
    x->status = r->status;
    sut_buf_reset(&w->out);
    sut_status st = sut_buf_printf(&w->out, "HTTP/1.1 %d %s\r\n" SECURITY_HEADERS, r->status, reason(r->status));
    if (st == 0 && r->content_type)
        st = sut_buf_printf(&w->out, "Content-Type: %s\r\n", r->content_type);
    if (st == 0 && r->status != 204)
        st = sut_buf_printf(&w->out, "Content-Length: %zu\r\n", r->body.len);
    if (st == 0 && r->retry_after_ms > 0)
        st = sut_buf_printf(&w->out, "Retry-After: %u\r\n", (r->retry_after_ms + 999) / 1000);
    if (st == 0)
        st = sut_buf_printf(&w->out, "X-Request-Id: %.*s\r\n", SUT_STR_FMT(sut_exchange_trace_id(x)));
    if (st == 0)
        st = append(&w->out, x->common_headers);
    if (st == 0)
        st = append(&w->out, r->headers);
    if (st) {
        x->rq.close = x->answered = true;
        return;
    }
    finish(w, r->body);
}

sut_str sut_exchange_traceparent(sut_exchange *x)
{
    if (!x->trace[0]) {
        size_t count;
        sut_str parent = sut_http_header_of(&x->rq, "traceparent", &count);
        sut_traceparent_make(count == 1 ? parent : SUT_STR_NONE, x->trace);
        memcpy(x->trace_id, x->trace + sizeof("00-") - 1, sizeof(x->trace_id) - 1);
        x->trace_id[sizeof(x->trace_id) - 1] = '\0';
        sut_log_set_trace(x->trace_id);
    }
    return (sut_str){x->trace, SUT_TRACEPARENT_LEN};
}

sut_str sut_exchange_trace_id(sut_exchange *x)
{
    (void)sut_exchange_traceparent(x);
    return sut_str_from(x->trace_id);
}

int sut_worker_fd(const sut_worker *w)
{
    return w->slot ? w->slot->fd : -1;
}

bool sut_exchange_gone(sut_exchange *x)
{
    char byte;
    int fd = sut_worker_fd(worker_of(x));
    if (fd < 0)
        return true;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* What stands in the place of a verb may be anything, secrets included: only the verbs of HTTP are logged. */
static sut_str verb_to_log(sut_str method)
{
    static const char *const verbs[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(verbs); i++) {
        if (sut_str_is(method, verbs[i]))
            return method;
    }
    return SUT_STR("other");
}

void sut_exchange_end(sut_worker *w)
{
    if (w->x.trace[0]) { /* not for /health, which is asked for all day */
        sut_log(SUT_DEBUG, "http", "answered", SUT_KV_S("verb", verb_to_log(w->x.rq.method)),
                SUT_KV_I("status", w->x.status), SUT_KV_U("us", (sut_now_ns() - w->x.begun_ns) / SUT_NS_PER_US));
        sut_log_set_trace(NULL);
    }
    if (w->body.cap > BODY_KEEP_BYTES)
        sut_buf_deinit(&w->body);
    if (w->out.cap > BODY_KEEP_BYTES)
        sut_buf_deinit(&w->out);
    sut_arena_reset(w->x.arena);
    if (!w->x.rq.close)
        return;
    w->ended = true;
    mg_disable_connection_keep_alive(w->conn);
    if (w->must_linger) {
        int fd = sut_worker_fd(w);
        if (fd >= 0)
            sut_socket_linger(fd);
    }
}
