/* Refuses what civetweb 1.15 lets through: request smuggling and everything that two parsers could read in two ways
 * (RFC 9112). civetweb parses in place, so the bytes between its strings show what it skipped without a word: bare line
 * feeds, blanks before a colon, folded lines, and all headers behind the first line that it did not understand. */
#include "request.h"

#include <strings.h>

#define FAULT(code, text)                                                                                              \
    (sut_http_fault)                                                                                                   \
    {                                                                                                                  \
        (code), (text)                                                                                                 \
    }
#define FINE FAULT(0, NULL)

static bool is_tchar(unsigned char c) /* RFC 9110 section 5.6.2 */
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static sut_str trim(const char *value)
{
    sut_str s = sut_str_from(value);
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

sut_str sut_http_header_of(const sut_http_request *rq, const char *name, size_t *count)
{
    sut_str found = SUT_STR_NONE;
    size_t n = 0;
    for (size_t i = 0; i < rq->header_count; i++) {
        if (strcasecmp(rq->headers[i].name, name) != 0)
            continue;
        if (n++ == 0)
            found = trim(rq->headers[i].value);
    }
    if (count)
        *count = n;
    return found;
}

bool sut_http_has_token(sut_str value, const char *token)
{
    size_t len = strlen(token);
    for (size_t at = 0; at < value.len;) {
        while (at < value.len && (value.ptr[at] == ' ' || value.ptr[at] == ',' || value.ptr[at] == '\t'))
            at++;
        size_t end = at;
        while (end < value.len && value.ptr[end] != ',')
            end++;
        size_t n = end - at;
        while (n > 0 && (value.ptr[at + n - 1] == ' ' || value.ptr[at + n - 1] == '\t'))
            n--;
        if (n == len && strncasecmp(value.ptr + at, token, len) == 0)
            return true;
        at = end;
    }
    return false;
}

/* The request line: method SP target SP HTTP/x.y CRLF, nothing more. Returns where the first header must begin. */
static const char *check_line(const sut_http_raw *raw)
{
    const char *target_end = raw->query ? raw->query + strlen(raw->query) : raw->target + strlen(raw->target);
    if (raw->target != raw->method + strlen(raw->method) + 1)
        return NULL;
    if (raw->query && raw->query != raw->target + strlen(raw->target) + 1)
        return NULL;
    if (raw->version != target_end + 1 + sizeof("HTTP/") - 1)
        return NULL;
    if (strcmp(raw->version, "1.1") != 0 && strcmp(raw->version, "1.0") != 0)
        return NULL;
    return raw->version + sizeof("1.1\r\n") - 1;
}

/* One field line: name ":" blanks value CRLF, nothing more. Returns where the next must begin. */
static const char *check_field(const sut_http_header *h, const char *expected)
{
    if (h->name != expected)
        return NULL;
    const char *at = h->name;
    while (is_tchar((unsigned char)*at))
        at++;
    if (*at != '\0' || at == h->name)
        return NULL;
    at++; /* was the colon */
    while (at < h->value && *at == ' ')
        at++;
    if (at != h->value)
        return NULL;
    at += strlen(h->value);
    return at[0] == '\0' && at[1] == '\0' ? at + 2 : NULL; /* were CR and LF */
}

static sut_http_fault check_layout(const sut_http_raw *raw, const sut_http_limits *limits, size_t *header_bytes)
{
    if (raw->header_count > SUT_HTTP_HEADERS_MAX)
        return FAULT(400, "there are more than 63 header fields");
    const char *next = check_line(raw);
    if (!next)
        return FAULT(400, "the request line is malformed");
    for (size_t i = 0; i < raw->header_count; i++) {
        next = check_field(&raw->headers[i], next);
        if (!next)
            return FAULT(400, "a header field is malformed or folded");
    }
    if (raw->header_count == 0)
        return FAULT(400, "the Host header is missing");
    *header_bytes = (size_t)(next + 2 - raw->method);
    if (*header_bytes > limits->header_bytes)
        return FAULT(431, "the header fields are too large"); /* and nothing is looked at near the buffer's end */
    if (next[0] != '\r' || next[1] != '\0')                   /* the last byte was the final LF */
        return FAULT(400, "a header field is malformed or folded");
    return FINE;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Visible ASCII without '#', and every '%' begins a triplet that is not %00. */
static bool uri_chars_fine(sut_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x21 || c > 0x7e || c == '#')
            return false;
        if (c != '%')
            continue;
        if (s.len - i < 3 || hex_value(s.ptr[i + 1]) < 0 || hex_value(s.ptr[i + 2]) < 0)
            return false;
        if (s.ptr[i + 1] == '0' && s.ptr[i + 2] == '0')
            return false;
    }
    return true;
}

static sut_http_fault check_target(const sut_http_raw *raw, const sut_http_limits *limits, sut_http_request *rq)
{
    rq->method = sut_str_from(raw->method);
    rq->path = sut_str_from(raw->target);
    rq->query = sut_str_from(raw->query);
    if (rq->path.len + rq->query.len > limits->target_bytes)
        return FAULT(414, "the request target is too long");
    if (rq->path.len == 0 || rq->path.ptr[0] != '/')
        return FAULT(400, "the request target must begin with a slash");
    if (!uri_chars_fine(rq->path) || !uri_chars_fine(rq->query))
        return FAULT(400, "the request target has a character or a percent escape that it may not have");
    return FINE;
}

/* uri-host [":" port], as far as two parsers could disagree about it. */
static bool host_fine(sut_str host)
{
    if (host.len == 0 || host.len > 255)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  (c != 0 && strchr(".-_:[]~", c) != NULL);
        if (!ok)
            return false;
    }
    return true;
}

static bool parse_length(sut_str s, uint64_t *out)
{
    if (s.len == 0 || s.len > 18)
        return false;
    uint64_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(s.ptr[i] - '0');
    }
    *out = n;
    return true;
}

static sut_http_fault check_framing(sut_http_request *rq, const sut_http_limits *limits)
{
    size_t lengths, codings;
    sut_str length = sut_http_header_of(rq, "Content-Length", &lengths);
    sut_str coding = sut_http_header_of(rq, "Transfer-Encoding", &codings);
    if (codings > 0 && lengths > 0)
        return FAULT(400, "Content-Length and Transfer-Encoding must not come together");
    if (codings > 0) {
        if (codings > 1 || coding.len != 7 || strncasecmp(coding.ptr, "chunked", 7) != 0 || !rq->http11)
            return FAULT(400, "the only transfer coding that is accepted is chunked, once, in HTTP/1.1");
        rq->chunked = true;
        return FINE;
    }
    if (lengths > 1)
        return FAULT(400, "there is more than one Content-Length");
    rq->has_length = lengths == 1;
    if (rq->has_length && !parse_length(length, &rq->content_length))
        return FAULT(400, "Content-Length is not a number");
    if (rq->content_length > limits->body_bytes)
        return FAULT(413, "the body is too large");
    return FINE;
}

/* civetweb keeps the connection open by this same rule. */
static bool wants_close(const sut_http_request *rq)
{
    sut_str connection = sut_http_header_of(rq, "Connection", NULL);
    if (connection.ptr)
        return !sut_http_has_token(connection, "keep-alive");
    return !rq->http11;
}

sut_http_fault sut_http_check(const sut_http_raw *raw, const sut_http_limits *limits, sut_http_request *out)
{
    memset(out, 0, sizeof(*out));
    out->close = true;
    sut_http_fault fault = check_layout(raw, limits, &out->header_bytes);
    if (fault.status)
        return fault;
    out->headers = raw->headers;
    out->header_count = raw->header_count;
    out->http11 = strcmp(raw->version, "1.1") == 0;
    fault = check_target(raw, limits, out);
    if (fault.status)
        return fault;
    size_t hosts;
    sut_str host = sut_http_header_of(out, "Host", &hosts);
    if (hosts != 1 || !host_fine(host))
        return FAULT(400, hosts == 0 ? "the Host header is missing" : "the Host header is doubled or malformed");
    fault = check_framing(out, limits);
    if (fault.status)
        return fault;
    sut_str expect = sut_http_header_of(out, "Expect", NULL);
    out->expect_continue = expect.ptr && expect.len == 12 && strncasecmp(expect.ptr, "100-continue", 12) == 0;
    if (expect.ptr && !out->expect_continue)
        return FAULT(417, "only the expectation 100-continue can be met");
    out->close = wants_close(out);
    return FINE;
}
