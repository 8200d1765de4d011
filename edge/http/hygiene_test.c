/* A request's bytes, laid out as civetweb's parser leaves them: layout() does to a head what that parser does to one
 * that it takes. What the parser itself makes of hostile heads is tested on the real one in tests/integration/edge. */
#include "request.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(hygiene, .timeout = 30);

static const sut_http_limits limits = {.target_bytes = 4096, .header_bytes = 16384, .body_bytes = 1000};

typedef struct laid_out {
    char text[20000];
    sut_http_header headers[80];
    sut_http_raw raw;
} laid_out;

static char *cut(char *at, char mark)
{
    char *end = strchr(at, mark);
    cr_assert_not_null(end);
    *end = '\0';
    return end + 1;
}

static void layout(laid_out *l, const char *head)
{
    memset(l, 0, sizeof(*l));
    (void)snprintf(l->text, sizeof(l->text), "%s", head);
    size_t len = strlen(l->text);
    l->text[len - 1] = '\0';
    char *at = l->text;
    l->raw.method = at;
    at = cut(at, ' ');
    l->raw.target = at;
    char *version = cut(at, ' ');
    char *query = strchr(at, '?');
    if (query) {
        *query = '\0';
        l->raw.query = query + 1;
    }
    l->raw.version = version + 5;
    at = cut(version, '\r');
    *at++ = '\0';
    while (*at != '\r' && *at != '\0') {
        sut_http_header *h = &l->headers[l->raw.header_count++];
        h->name = at;
        at = cut(at, ':');
        at += strspn(at, " \t");
        h->value = at;
        at = cut(at, '\r');
        *at++ = '\0';
    }
    l->raw.headers = l->headers;
}

static sut_http_fault check(const char *head, sut_http_request *rq)
{
    static laid_out l;
    layout(&l, head);
    return sut_http_check(&l.raw, &limits, rq);
}

static int status(const char *head)
{
    sut_http_request rq;
    return check(head, &rq).status;
}

Test(hygiene, a_good_request)
{
    sut_http_request rq;
    cr_assert_eq(check("POST /a/b?c=d HTTP/1.1\r\nHost: e:80\r\nContent-Length: 12\r\nX:  y \r\n\r\n", &rq).status, 0);
    cr_assert(sut_str_is(rq.method, "POST"));
    cr_assert(sut_str_is(rq.path, "/a/b"));
    cr_assert(sut_str_is(rq.query, "c=d"));
    cr_assert(rq.http11 && !rq.close && rq.has_length && !rq.chunked && !rq.expect_continue);
    cr_assert_eq(rq.content_length, 12);
    cr_assert(sut_str_is(sut_http_header_of(&rq, "x", NULL), "y"));
}

Test(hygiene, framing)
{
    cr_assert_eq(status("POST / HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: Chunked\r\n\r\n"), 0);
    cr_assert_eq(status("POST / HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: gzip\r\n\r\n"), 400);
    cr_assert_eq(status("POST / HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"), 400);
    cr_assert_eq(status("POST / HTTP/1.0\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
    cr_assert_eq(status("POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
    cr_assert_eq(status("POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"), 400);
    cr_assert_eq(status("POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 1000\r\n\r\n"), 0);
    cr_assert_eq(status("POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 1001\r\n\r\n"), 413);
    cr_assert_eq(status("POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 18446744073709551617\r\n\r\n"), 400);
    static const char *const wrong[] = {"", "+1", "-1", "1 1", "1,1", "0x1", "1.0", "a"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(wrong); i++) {
        char head[128];
        (void)snprintf(head, sizeof(head), "POST / HTTP/1.1\r\nHost: e\r\nContent-Length: %s\r\n\r\n", wrong[i]);
        cr_assert_eq(status(head), 400, "%s", wrong[i]);
    }
}

Test(hygiene, bytes_that_the_parser_skipped)
{
    laid_out l;
    sut_http_request rq;
    layout(&l, "GET / HTTP/1.1\r\nHost: e\r\nX-A: b\r\nX-B: c\r\n\r\n");
    l.raw.header_count = 2; /* as when it stops at a folded line */
    cr_assert_eq(sut_http_check(&l.raw, &limits, &rq).status, 400);
    layout(&l, "GET / HTTP/1.1\r\nHost: e\r\nX-A: b\r\n\r\n");
    l.headers[1].name++;
    cr_assert_eq(sut_http_check(&l.raw, &limits, &rq).status, 400);
    layout(&l, "GET / HTTP/1.1\r\nHost: e\r\nX-A: b\r\n\r\n");
    l.raw.version++;
    cr_assert_eq(sut_http_check(&l.raw, &limits, &rq).status, 400);
    layout(&l, "GET / HTTP/1.1\r\nHost: e\r\n\r\n");
    l.raw.header_count = 0;
    cr_assert_eq(sut_http_check(&l.raw, &limits, &rq).status, 400);
}

Test(hygiene, names_are_tokens)
{
    cr_assert_eq(status("GET / HTTP/1.1\r\nHost: e\r\nX-A~!#$%&'*+.^_`|: b\r\n\r\n"), 0);
    cr_assert_eq(status("GET / HTTP/1.1\r\nHost: e\r\nX(A: b\r\n\r\n"), 400);
    cr_assert_eq(status("GET / HTTP/1.1\r\nHost: e\r\nX\xc3: b\r\n\r\n"), 400);
    cr_assert_eq(status("GET / HTTP/1.1\r\nHost: e\r\nX : b\r\n\r\n"), 400);
}

Test(hygiene, hosts)
{
    cr_assert_eq(status("GET / HTTP/1.1\r\nX: e\r\n\r\n"), 400);
    cr_assert_eq(status("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
    cr_assert_eq(status("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"), 400);
    cr_assert_eq(status("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400);
    cr_assert_eq(status("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), 0);
}

Test(hygiene, targets)
{
    cr_assert_eq(status("GET /%41?%7e=%2F HTTP/1.1\r\nHost: e\r\n\r\n"), 0);
    cr_assert_eq(status("GET /%0 HTTP/1.1\r\nHost: e\r\n\r\n"), 400);
    cr_assert_eq(status("GET /%00 HTTP/1.1\r\nHost: e\r\n\r\n"), 400);
    cr_assert_eq(status("GET /?%00 HTTP/1.1\r\nHost: e\r\n\r\n"), 400);
    cr_assert_eq(status("GET /%g0 HTTP/1.1\r\nHost: e\r\n\r\n"), 400);
    cr_assert_eq(status("GET /% HTTP/1.1\r\nHost: e\r\n\r\n"), 400);
    cr_assert_eq(status("GET /\x80 HTTP/1.1\r\nHost: e\r\n\r\n"), 400);
    cr_assert_eq(status("GET x HTTP/1.1\r\nHost: e\r\n\r\n"), 400);
    cr_assert_eq(status("GET http://e/ HTTP/1.1\r\nHost: e\r\n\r\n"), 400);
    cr_assert_eq(status("GET / HTTP/1.2\r\nHost: e\r\n\r\n"), 400);
}

Test(hygiene, when_the_connection_ends)
{
    sut_http_request rq;
    cr_assert_eq(check("GET / HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n", &rq).status, 0);
    cr_assert(rq.close);
    cr_assert_eq(check("GET / HTTP/1.1\r\nHost: e\r\nConnection: te, Keep-Alive\r\n\r\n", &rq).status, 0);
    cr_assert_not(rq.close);
    cr_assert_eq(check("GET / HTTP/1.0\r\nHost: e\r\n\r\n", &rq).status, 0);
    cr_assert(rq.close);
    cr_assert_eq(check("GET / HTTP/1.1\r\nHost: e\r\nExpect: 100-Continue\r\n\r\n", &rq).status, 0);
    cr_assert(rq.expect_continue);
    cr_assert_eq(check("GET / HTTP/1.1\r\nHost: e\r\nExpect: x\r\n\r\n", &rq).status, 417);
    cr_assert(rq.close);
}
