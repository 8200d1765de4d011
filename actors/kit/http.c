/* One transfer of libcurl for each call; the loop tells libcurl which sockets are ready and when its time is up. */
#include "http_multi.h"

#include "request.h"
#include "runtime.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define S_CONNECTIONS_MAX 32L
#define S_CONNECT_MS      2000L
#define S_TIMEOUT_MS      10000

struct sut_http_multi {
    sut_loop *loop;
    CURLM *multi;
    sut_timer timer;
    sut_node sockets; /* s_socket */
    uint32_t running;
};

typedef struct s_socket {
    sut_http_multi *http;
    sut_watch watch;
    sut_node node;
} s_socket;

typedef struct s_transfer {
    sut_request *rq;
    CURL *easy;
    struct curl_slist *headers;
    sut_buf body;
    bool done, added, too_large;
    CURLcode result;
    char detail[CURL_ERROR_SIZE];
} s_transfer;

/* ---- between libcurl and the loop ---- */

static void s_reap(sut_http_multi *m)
{
    int left;
    for (CURLMsg *msg; (msg = curl_multi_info_read(m->multi, &left)) != NULL;) {
        s_transfer *t = NULL;
        if (msg->msg != CURLMSG_DONE)
            continue;
        const CURLcode result = msg->data.result; /* msg does not outlive the next call */
        if (curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t) != CURLE_OK || !t)
            continue;
        t->result = result;
        t->done = true;
        sut_request_wake(t->rq, 0);
    }
}

static void s_act(sut_http_multi *m, curl_socket_t fd, int what)
{
    int running;
    CURLMcode code = curl_multi_socket_action(m->multi, fd, what, &running);
    if (code != CURLM_OK)
        sut_log(SUT_ERROR, "http", "http.multi_failed", SUT_KV("error", curl_multi_strerror(code)));
    s_reap(m);
}

static void s_on_event(sut_watch *w, unsigned events, void *arg)
{
    const s_socket *s = arg;
    int what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
               (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
    s_act(s->http, w->fd, what); /* may free `s` */
}

static void s_on_timer(sut_timer *t, void *arg)
{
    (void)t;
    s_act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int s_set_timer(CURLM *multi, long ms, void *arg)
{
    sut_http_multi *m = arg;
    (void)multi;
    if (ms < 0) {
        sut_timer_stop(&m->timer);
        return 0;
    }
    return sut_timer_start_ms(m->loop, &m->timer, (uint64_t)ms, s_on_timer, m) ? -1 : 0;
}

static void s_forget(s_socket *s)
{
    sut_watch_stop(&s->watch);
    sut_node_unlink(&s->node);
    free(s);
}

static int s_watch_new(sut_http_multi *m, curl_socket_t fd, unsigned events)
{
    s_socket *s = calloc(1, sizeof(*s));
    if (!s)
        return -1;
    s->http = m;
    sut_list_push_back(&m->sockets, &s->node);
    if (sut_watch_start(m->loop, &s->watch, fd, events, s_on_event, s) ||
        curl_multi_assign(m->multi, fd, s) != CURLM_OK) {
        s_forget(s);
        return -1;
    }
    return 0;
}

static int s_set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *own)
{
    sut_http_multi *m = arg;
    s_socket *s = own;
    (void)easy;
    unsigned events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (what != CURL_POLL_REMOVE)
        return s ? sut_watch_modify(&s->watch, events) ? -1 : 0 : s_watch_new(m, fd, events);
    if (s)
        s_forget(s);
    return 0;
}

sut_status sut_http_multi_new(sut_http_multi **out, sut_loop *loop)
{
    static bool begun; /* the loop's thread only; freed with the process */
    if (!begun && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return SUT_TRACE(-ENOMEM, "libcurl");
    begun = true;
    sut_http_multi *m = calloc(1, sizeof(*m));
    CURLM *multi = m ? curl_multi_init() : NULL;
    if (!multi) {
        free(m);
        return SUT_TRACE(-ENOMEM, "libcurl");
    }
    m->loop = loop;
    m->multi = multi;
    sut_list_init(&m->sockets);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, s_set_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, m);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, s_set_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, m);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, S_CONNECTIONS_MAX);
    curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, S_CONNECTIONS_MAX);
    *out = m;
    return 0;
}

sut_http_multi *sut_http_multi_free(sut_http_multi *m)
{
    if (!m)
        return NULL;
    curl_multi_cleanup(m->multi);
    sut_timer_stop(&m->timer);
    for (sut_node *n; (n = sut_list_pop_front(&m->sockets)) != NULL;)
        s_forget(SUT_CONTAINER(n, s_socket, node));
    free(m);
    return NULL;
}

/* ---- one transfer ---- */

static size_t s_on_body(char *bytes, size_t size, size_t count, void *arg)
{
    s_transfer *t = arg;
    (void)size; /* 1, says libcurl */
    t->too_large = sut_buf_append(&t->body, bytes, count) != 0;
    return t->too_large ? CURL_WRITEFUNC_ERROR : count;
}

static bool s_is_clean(sut_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '\r' || s.ptr[i] == '\n' || s.ptr[i] == '\0')
            return false;
    return true;
}

static bool s_add_header(s_transfer *t, const char *name, sut_str value)
{
    sut_str line = sut_request_printf(t->rq, "%s: %.*s", name, SUT_STR_FMT(value));
    struct curl_slist *longer = line.ptr && s_is_clean(line) ? curl_slist_append(t->headers, line.ptr) : NULL;
    t->headers = longer ? longer : t->headers;
    return longer != NULL;
}

static bool s_add_headers(s_transfer *t, const sut_http_request *in)
{
    bool good = in->header_count <= SUT_HTTP_HEADERS_MAX && s_add_header(t, "Expect", SUT_STR(""));
    if (good && in->content_type)
        good = s_add_header(t, "Content-Type", sut_str_from(in->content_type));
    for (size_t i = 0; good && i < in->header_count; i++)
        good = s_is_clean(in->headers[i].value) && s_add_header(t, in->headers[i].name, in->headers[i].value);
    return good;
}

static long s_timeout_ms(const sut_request *rq, const sut_http_request *in)
{
    uint64_t ms = in->timeout_ms ? in->timeout_ms : S_TIMEOUT_MS, now = sut_now_ns();
    if (rq->deadline_ns == SUT_NEVER)
        return (long)ms;
    uint64_t left = rq->deadline_ns > now ? (rq->deadline_ns - now) / SUT_NS_PER_MS : 0;
    return (long)(left < ms ? left + 1 : ms);
}

static void s_set(s_transfer *t, const sut_http_request *in)
{
    CURL *e = t->easy;
    curl_easy_setopt(e, CURLOPT_PRIVATE, t);
    curl_easy_setopt(e, CURLOPT_URL, in->url);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "shareuptime/" SUT_VERSION);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, S_CONNECT_MS);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, s_timeout_ms(t->rq, in));
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, s_on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->detail);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
    if (in->user) {
        curl_easy_setopt(e, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(e, CURLOPT_USERNAME, in->user);
        curl_easy_setopt(e, CURLOPT_PASSWORD, in->password ? in->password : "");
    }
    if (in->content_type) {
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)in->body.len);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, in->body.ptr ? in->body.ptr : "");
    }
    if (in->method && strcmp(in->method, "HEAD") == 0)
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    else if (in->method)
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, in->method);
}

static bool s_was_sent(const s_transfer *t)
{
    curl_off_t before_us = 0; /* until it was about to be sent */
    return curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &before_us) == CURLE_OK && before_us > 0;
}

static sut_status s_meaning(sut_request *rq, const s_transfer *t)
{
    switch (t->result) {
    case CURLE_OK: return 0;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return sut_fail_internal(rq, "an HTTP request cannot be made: %s", t->detail);
    case CURLE_OUT_OF_MEMORY: return sut_fail_internal(rq, "no memory for an HTTP request");
    default: break;
    }
    if (t->too_large)
        return sut_fail_internal(rq, "the answer to an HTTP request is too large");
    sut_log(SUT_WARN, "http", "http.failed", SUT_KV("why", *t->detail ? t->detail : curl_easy_strerror(t->result)));
    if (!s_was_sent(t))
        return sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, SUT_RETRY_SOON_MS,
                              "A server behind this one cannot be reached.");
    if (t->result == CURLE_OPERATION_TIMEDOUT)
        return sut_fail(rq, SUT_ERR_DEADLINE_EXCEEDED, "A server behind this one did not answer in time.");
    return sut_fail_retry(rq, SUT_ERR_OUTCOME_UNKNOWN, SUT_RETRY_SOON_MS,
                          "A server behind this one was lost while it worked on this.");
}

static sut_status s_take(sut_request *rq, const s_transfer *t, sut_http_reply *out)
{
    long status = 0;
    const char *type = NULL;
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
    *out = (sut_http_reply){.status = (int)status};
    out->body = sut_request_str(rq, (sut_str){t->body.len ? (const char *)t->body.data : "", t->body.len});
    out->content_type = type ? sut_request_str(rq, sut_str_from(type)) : SUT_STR_NONE;
    if (!out->body.ptr || (type && !out->content_type.ptr))
        return sut_fail_internal(rq, "the answer to an HTTP request is larger than SUT_REQUEST_MEMORY allows");
    return 0;
}

static sut_status s_exchange(sut_request *rq, sut_http_multi *m, s_transfer *t, sut_http_reply *out)
{
    if (curl_multi_add_handle(m->multi, t->easy) != CURLM_OK)
        return sut_fail_internal(rq, "libcurl takes no transfer");
    t->added = true;
    m->running++;
    sut_status st = sut_request_park(rq);
    if (st && !t->done)
        return sut_request_say_interrupted(rq, st);
    st = s_meaning(rq, t);
    return st ? st : s_take(rq, t, out);
}

static void s_end(sut_http_multi *m, s_transfer *t)
{
    if (t->added) {
        curl_multi_remove_handle(m->multi, t->easy);
        m->running--;
    }
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    sut_buf_deinit(&t->body);
}

/* NULL: no memory. */
static sut_http_multi *s_multi(sut_runtime *rt)
{
    sut_http_multi *fresh = NULL;
    if (!rt->http && sut_http_multi_new(&fresh, rt->loop) == 0)
        rt->http = fresh;
    return rt->http;
}

sut_status sut_http(sut_request *rq, const sut_http_request *in, sut_http_reply *out)
{
    sut_status st = sut_request_interrupted(rq);
    if (st)
        return sut_request_say_interrupted(rq, st);
    sut_http_multi *m = s_multi(rq->runtime);
    if (!m)
        return sut_fail_internal(rq, "no memory for HTTP");
    if (m->running >= SUT_HTTP_MAX)
        return sut_fail_retry(rq, SUT_ERR_OVERLOADED, SUT_RETRY_SOON_MS, "Too much waits for other servers.");
    s_transfer t = {.rq = rq, .easy = curl_easy_init()};
    sut_buf_init(&t.body, in->max_reply ? in->max_reply : SUT_HTTP_REPLY_BYTES);
    if (!t.easy || !s_add_headers(&t, in)) {
        st = sut_fail_internal(rq, "an HTTP request cannot be made");
    } else {
        s_set(&t, in);
        st = s_exchange(rq, m, &t, out);
    }
    s_end(m, &t);
    return st;
}
