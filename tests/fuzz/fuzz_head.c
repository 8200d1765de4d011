/* Request heads: an input is laid out in place as civetweb's parser leaves it (blanks, colons and line ends become
 * NULs), as sloppily as that parser does it; what the checks then let through must be what the input said. */
#include "cors.h"
#include "fuzz.h"
#include "negotiate.h"
#include "proxy.h"
#include "request.h"

typedef struct head {
    char *text;
    sut_http_raw raw;
    sut_http_header headers[SUT_HTTP_HEADERS_MAX + 1];
} head;

static void head_free(head *h)
{
    free(h->text);
}

/* Ends a word at `at` and goes on behind all blanks. */
static char *next_word(char *at)
{
    at += strcspn(at, " \r\n");
    while (*at == ' ' || *at == '\r' || *at == '\n')
        *at++ = '\0';
    return at;
}

static char *end_line(char *at)
{
    at += strcspn(at, "\r\n");
    if (*at == '\r')
        *at++ = '\0';
    if (*at == '\n')
        *at++ = '\0';
    return at;
}

static bool lay_headers(head *h, char *at)
{
    while (h->raw.header_count < SUT_ARRAY_LEN(h->headers)) {
        char *colon = at;
        while (*colon > ' ' && *colon != ':' && *colon < 127)
            colon++;
        if (colon == at)
            break;
        while (*colon == ' ')
            *colon++ = '\0';
        if (*colon != ':')
            return false;
        *colon = '\0';
        sut_http_header *f = &h->headers[h->raw.header_count++];
        f->name = at;
        f->value = colon + 1 + strspn(colon + 1, " \t");
        at = end_line(colon + 1 + strspn(colon + 1, " \t"));
    }
    h->raw.headers = h->headers;
    return true;
}

/* False for what civetweb itself refuses. */
static bool lay_out(head *h, const uint8_t *data, size_t size)
{
    memset(h, 0, sizeof *h);
    if (size < 8 || memchr(data, 0, size))
        return false;
    h->text = malloc(size + 3); /* the checks look two bytes past a head that ends in two line feeds */
    MUST(h->text);
    memcpy(h->text, data, size);
    memset(h->text + size, 0, 3);
    h->text[size - 1] = '\0';
    char *target = next_word(h->text), *version = next_word(target), *fields = next_word(version);
    if (strncmp(version, "HTTP/", 5) != 0)
        return false;
    h->raw.method = h->text;
    h->raw.target = target;
    h->raw.version = version + 5;
    char *query = strchr(target, '?');
    if (query) {
        *query = '\0';
        h->raw.query = query + 1;
    }
    return lay_headers(h, fields);
}

static void check_taken(const sut_http_request *rq, const head *h)
{
    size_t count = 0;
    MUST(rq->header_count == h->raw.header_count && rq->header_count <= SUT_HTTP_HEADERS_MAX);
    MUST(!(rq->chunked && rq->has_length));
    (void)sut_http_header_of(rq, "host", &count);
    MUST(count == 1);
    (void)sut_http_header_of(rq, "content-length", &count);
    MUST(count == (rq->has_length ? 1u : 0u));
    (void)sut_http_header_of(rq, "transfer-encoding", &count);
    MUST(count == (rq->chunked ? 1u : 0u));
    MUST(rq->path.len > 0 && rq->path.ptr[0] == '/' && rq->path.len + rq->query.len <= 4096);
    for (size_t i = 0; i < rq->header_count; i++)
        MUST(!strpbrk(rq->headers[i].name, " \t\r\n:") && !strpbrk(rq->headers[i].value, "\r\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const sut_http_limits limits = {.target_bytes = 4096, .header_bytes = 16384, .body_bytes = 1 << 18};
    head h SUT_CLEANUP(head_free);
    sut_http_request rq;
    char error[200];
    sut_cors cors;
    if (!lay_out(&h, data, size) || sut_http_check(&h.raw, &limits, &rq).status)
        return 0;
    check_taken(&rq, &h);
    FUZZ_ARENA(a);
    (void)sut_accepts_json(&rq);
    (void)sut_sends_json(&rq);
    MUST(sut_proxy_client(&rq, SUT_STR("127.0.0.1")).len > 0);
    MUST(sut_cors_init(&cors, "https://a.example", error, sizeof error) == 0);
    (void)sut_cors_headers(&cors, &rq, "GET", true, a);
    return 0;
}
