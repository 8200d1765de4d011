/* HTTP as one transfer of libcurl's for each call. */
#include "kit/http.h"
#include "kit/transfer.h"

#include "request.h"
#include "runtime.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

#include <curl/curl.h>
#include <string.h>

#define S_CONNECT_MS 2000L
#define S_TIMEOUT_MS 10000

typedef struct s_exchange {
    sut_request *rq;
    CURL *easy;
    struct curl_slist *headers;
    sut_buf body;
    bool too_large;
    char detail[CURL_ERROR_SIZE];
} s_exchange;

static size_t s_on_body(char *bytes, size_t size, size_t count, void *arg)
{
    s_exchange *x = arg;
    (void)size; /* 1, says libcurl */
    x->too_large = sut_buf_append(&x->body, bytes, count) != 0;
    return x->too_large ? CURL_WRITEFUNC_ERROR : count;
}

static bool s_is_clean(sut_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '\r' || s.ptr[i] == '\n' || s.ptr[i] == '\0')
            return false;
    return true;
}

static bool s_add_header(s_exchange *x, const char *name, sut_str value)
{
    sut_str line = sut_request_printf(x->rq, "%s: %.*s", name, SUT_STR_FMT(value));
    struct curl_slist *longer = line.ptr && s_is_clean(line) ? curl_slist_append(x->headers, line.ptr) : NULL;
    x->headers = longer ? longer : x->headers;
    return longer != NULL;
}

static bool s_add_headers(s_exchange *x, const sut_http_request *in)
{
    bool good = in->header_count <= SUT_HTTP_HEADERS_MAX && s_add_header(x, "Expect", SUT_STR(""));
    if (good && in->content_type)
        good = s_add_header(x, "Content-Type", sut_str_from(in->content_type));
    for (size_t i = 0; good && i < in->header_count; i++)
        good = s_is_clean(in->headers[i].value) && s_add_header(x, in->headers[i].name, in->headers[i].value);
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

static void s_set(s_exchange *x, const sut_http_request *in)
{
    CURL *e = x->easy;
    curl_easy_setopt(e, CURLOPT_URL, in->url);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "shareuptime/" SUT_VERSION);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, S_CONNECT_MS);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, s_timeout_ms(x->rq, in));
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, s_on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->detail);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, x->headers);
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

static bool s_was_sent(const s_exchange *x)
{
    curl_off_t before_us = 0; /* until it was about to be sent */
    return curl_easy_getinfo(x->easy, CURLINFO_PRETRANSFER_TIME_T, &before_us) == CURLE_OK && before_us > 0;
}

static sut_status s_meaning(const s_exchange *x, CURLcode code)
{
    sut_request *rq = x->rq;
    switch (code) {
    case CURLE_OK: return 0;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return sut_fail_internal(rq, "an HTTP request cannot be made: %s", x->detail);
    case CURLE_OUT_OF_MEMORY: return sut_fail_internal(rq, "no memory for an HTTP request");
    default: break;
    }
    if (x->too_large)
        return sut_fail_internal(rq, "the answer to an HTTP request is too large");
    sut_log(SUT_WARN, "http", "http.failed", SUT_KV("why", *x->detail ? x->detail : curl_easy_strerror(code)));
    if (!s_was_sent(x))
        return sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, SUT_RETRY_SOON_MS,
                              "A server behind this one cannot be reached.");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return sut_fail(rq, SUT_ERR_DEADLINE_EXCEEDED, "A server behind this one did not answer in time.");
    return sut_fail_retry(rq, SUT_ERR_OUTCOME_UNKNOWN, SUT_RETRY_SOON_MS,
                          "A server behind this one was lost while it worked on this.");
}

static sut_status s_take(const s_exchange *x, sut_http_reply *out)
{
    sut_request *rq = x->rq;
    long status = 0;
    const char *type = NULL;
    (void)curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(x->easy, CURLINFO_CONTENT_TYPE, &type);
    *out = (sut_http_reply){.status = (int)status};
    out->body = sut_request_str(rq, (sut_str){x->body.len ? (const char *)x->body.data : "", x->body.len});
    out->content_type = type ? sut_request_str(rq, sut_str_from(type)) : SUT_STR_NONE;
    if (!out->body.ptr || (type && !out->content_type.ptr))
        return sut_fail_internal(rq, "the answer to an HTTP request is larger than SUT_REQUEST_MEMORY allows");
    return 0;
}

sut_status sut_http(sut_request *rq, const sut_http_request *in, sut_http_reply *out)
{
    s_exchange x = {.rq = rq, .easy = curl_easy_init()};
    sut_status st;
    int code = CURLE_OK;
    sut_buf_init(&x.body, in->max_reply ? in->max_reply : SUT_HTTP_REPLY_BYTES);
    if (!x.easy || !s_add_headers(&x, in)) {
        st = sut_fail_internal(rq, "an HTTP request cannot be made");
    } else {
        s_set(&x, in);
        st = sut_transfer(rq, x.easy, &code);
    }
    if (!st)
        st = s_meaning(&x, (CURLcode)code);
    if (!st)
        st = s_take(&x, out);
    curl_easy_cleanup(x.easy);
    curl_slist_free_all(x.headers);
    sut_buf_deinit(&x.body);
    return st;
}
