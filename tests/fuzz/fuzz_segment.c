/* Segments of captured spans: whatever the file holds, reading ends, and what it gives is inside the file and well
 * formed. The corpus is sealed under a key of ones, so that what lies behind the seal is reached, too. */
#include "fuzz.h"
#include "scan.h"
#include "span_bytes.h"

#include <string.h>

typedef struct source {
    const uint8_t *at;
    size_t left;
} source;

/* In pieces of uneven size. */
static size_t read_some(void *arg, uint8_t *out, size_t size)
{
    source *s = arg;
    size_t n = s->left % 97 + 1;
    n = n < s->left ? n : s->left;
    n = n < size ? n : size;
    memcpy(out, s->at, n);
    s->at += n;
    s->left -= n;
    return n;
}

static bool within(sut_str s, const void *bytes, size_t len)
{
    return !s.len || (s.ptr >= (const char *)bytes && s.ptr + s.len <= (const char *)bytes + len);
}

static void check_meta(const segment_record *r, const uint8_t *data, size_t size)
{
    FUZZ_BUF(again);
    sut_span span;
    if (!span_get_meta(r->meta, &span))
        return;
    MUST(within(span.subject, data, size) && within(span.from, data, size) && within(span.to, data, size));
    MUST(within(span.code, data, size) && within(span.group, data, size));
    MUST(sut_subject_valid(span.subject) && span.level <= 3);
    MUST(span_put_meta(&again, &span) == 0);
    MUST(again.len == r->meta.len && memcmp(again.data, r->meta.ptr, again.len) == 0);
}

static void check_inner(seal *s, const segment_record *r)
{
    FUZZ_BUF(plain);
    sut_span span;
    if (seal_open(s, r->number, r->meta, r->sealed, &plain) != 0 || !span_get_inner(fuzz_str(&plain), &span))
        return;
    MUST(within(span.key, plain.data, plain.len) && within(span.body, plain.data, plain.len));
    MUST(within(span.reply, plain.data, plain.len));
}

/* What the seal would let through, had it been made of these bytes. */
static void check_unsealed(const segment_record *r)
{
    sut_span span;
    if (span_get_inner(r->sealed, &span))
        MUST(within(span.key, r->sealed.ptr, r->sealed.len) && within(span.body, r->sealed.ptr, r->sealed.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t window[SCAN_WINDOW_BYTES];
    source from = {data, size};
    scan records = {.read = read_some, .arg = &from, .window = window};
    segment_head head;
    segment_record record;
    sut_key key = {.kid = "k1", .len = 32};
    seal s;
    size_t seen = 0;
    memset(key.bytes, 1, key.len);
    if (scan_begin(&records, &head))
        memset(&head, 0, sizeof head);
    MUST(strlen(head.kid) <= SUT_KID_MAX);
    MUST(seal_init(&s, &key, head.salt) == 0);
    while (scan_next(&records, &record)) {
        seen += record.bytes;
        MUST(record.bytes > 0 && seen <= size);
        MUST(within(record.meta, window, sizeof window) && within(record.sealed, window, sizeof window));
        check_meta(&record, window, sizeof window);
        check_inner(&s, &record);
        check_unsealed(&record);
    }
    const sut_str bytes = {(const char *)data, size};
    sut_span span;
    (void)span_get_meta(bytes, &span);
    (void)span_get_inner(bytes, &span);
    seal_deinit(&s);
    return 0;
}
