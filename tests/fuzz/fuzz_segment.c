/* Segments of captured spans: whatever the file holds, reading ends, and what it gives is inside the file and well
 * formed. The corpus is sealed under a key of ones, so that what lies behind the seal is reached, too. */
#include "fuzz.h"
#include "record.h"
#include "segment.h"

#include <string.h>

static bool within(sut_str s, const void *bytes, size_t len)
{
    return !s.len || (s.ptr >= (const char *)bytes && s.ptr + s.len <= (const char *)bytes + len);
}

static void check_meta(const segment_record *r, const uint8_t *data, size_t size)
{
    FUZZ_BUF(again);
    sut_span span;
    if (!record_get_meta(r->meta, &span))
        return;
    MUST(within(span.subject, data, size) && within(span.from, data, size) && within(span.to, data, size));
    MUST(within(span.code, data, size) && within(span.group, data, size));
    MUST(sut_subject_valid(span.subject) && span.level <= 3);
    MUST(record_put_meta(&again, &span) == 0);
    MUST(again.len == r->meta.len && memcmp(again.data, r->meta.ptr, again.len) == 0);
}

static void check_inner(seal *s, const segment_record *r)
{
    FUZZ_BUF(plain);
    sut_span span;
    if (seal_open(s, r->number, r->meta, r->sealed, &plain) != 0 || !record_get_inner(fuzz_str(&plain), &span))
        return;
    MUST(within(span.key, plain.data, plain.len) && within(span.body, plain.data, plain.len));
    MUST(within(span.reply, plain.data, plain.len));
}

/* What the seal would let through, had it been made of these bytes. */
static void check_unsealed(const segment_record *r)
{
    sut_span span;
    if (record_get_inner(r->sealed, &span))
        MUST(within(span.key, r->sealed.ptr, r->sealed.len) && within(span.body, r->sealed.ptr, r->sealed.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    segment_head head;
    segment_record record;
    sut_key key = {.kid = "k1", .len = 32};
    seal s;
    memset(key.bytes, 1, key.len);
    if (segment_get_head(data, size, &head))
        memset(&head, 0, sizeof head);
    MUST(strlen(head.kid) <= SUT_KID_MAX);
    MUST(seal_init(&s, &key, head.salt) == 0);
    for (size_t at = 0; at < size;) {
        const size_t found = segment_find_record(data, size, at, &record);
        MUST(found >= at && found <= size);
        if (found == size)
            break;
        MUST(record.bytes > 0 && record.bytes <= size - found);
        MUST(within(record.meta, data, size) && within(record.sealed, data, size));
        check_meta(&record, data, size);
        check_inner(&s, &record);
        check_unsealed(&record);
        at = found + record.bytes;
    }
    const sut_str bytes = {(const char *)data, size};
    sut_span span;
    (void)record_get_meta(bytes, &span);
    (void)record_get_inner(bytes, &span);
    seal_deinit(&s);
    return 0;
}
