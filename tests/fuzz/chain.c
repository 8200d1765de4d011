/* The way of a body through the record runtime (chain.h). A full arena (a negative status) ends the way silently. */
#include "chain.h"

#define JSON_MAX (1u << 16)

static void *scratch(const sut_record *desc, sut_arena *a)
{
    return sut_arena_alloc(a, desc->size);
}

/* What is written as JSON and read again is the same body. */
static void check_json(const sut_record *desc, const sut_buf *encoded, sut_arena *a)
{
    FUZZ_BUF(json);
    FUZZ_BUF(body);
    FUZZ_BUF(again);
    sut_field_errors errs;
    void *record = scratch(desc, a);
    sut_field_errors_init(&errs, a, 8);
    MUST(sut_body_to_json(desc, fuzz_str(encoded), &json) == 0);
    MUST(sut_utf8_valid(fuzz_str(&json), NULL));
    sut_status status = sut_json_to_body(desc, fuzz_str(&json), json.len, SUT_UNKNOWN_REFUSE, a, &body, &errs);
    if (status < 0 || !record)
        return;
    MUST(status == 0);
    status = sut_record_decode(desc, fuzz_str(&body), SUT_UNKNOWN_REFUSE, a, record, &errs);
    if (status < 0)
        return;
    MUST(status == 0);
    MUST(sut_record_encode(desc, record, &again) == 0);
    MUST(sut_str_eq(fuzz_str(encoded), fuzz_str(&again)));
}

/* A struct that was decoded is valid, and encodes to bytes that decode to the same bytes again. */
static void check_record(const sut_record *desc, const void *record, sut_arena *a)
{
    FUZZ_BUF(first);
    FUZZ_BUF(second);
    sut_field_errors errs;
    void *again = scratch(desc, a);
    sut_field_errors_init(&errs, a, 8);
    MUST(sut_record_validate(desc, record, &errs) == 0);
    MUST(sut_record_encode(desc, record, &first) == 0);
    MUST(sut_body_scan(fuzz_str(&first)) == SUT_ENV_OK);
    sut_status status = again ? sut_record_decode(desc, fuzz_str(&first), SUT_UNKNOWN_REFUSE, a, again, &errs) : -1;
    if (status < 0)
        return;
    MUST(status == 0);
    MUST(sut_record_encode(desc, again, &second) == 0);
    MUST(sut_str_eq(fuzz_str(&first), fuzz_str(&second)));
    check_json(desc, &first, a);
}

void chain_body(const sut_record *desc, sut_str body, sut_arena *a)
{
    FUZZ_BUF(json);
    sut_field_errors errs;
    sut_error_body error;
    void *record = scratch(desc, a);
    sut_field_errors_init(&errs, a, 8);
    if (sut_body_to_json(desc, body, &json) == 0) /* needs no scan before */
        MUST(sut_utf8_valid(fuzz_str(&json), NULL));
    bool clean = sut_body_scan(body) == SUT_ENV_OK;
    if (sut_msgpack_to_json(body, &json) == 0)
        MUST(clean && sut_utf8_valid(fuzz_str(&json), NULL));
    if (sut_error_body_decode(a, body, &error) == 0)
        MUST(clean);
    sut_status status = record ? sut_record_decode(desc, body, SUT_UNKNOWN_IGNORE, a, record, &errs) : -1;
    if (status == SUT_RECORD_INVALID)
        MUST(errs.count + errs.dropped > 0);
    if (status == 0) {
        MUST(clean && errs.count == 0);
        check_record(desc, record, a);
    }
}

/* The first byte picks the field, the rest is its text. */
static void check_text(const sut_record *desc, sut_str input, sut_arena *a)
{
    FUZZ_BUF(body);
    FUZZ_BUF(json);
    sut_field_errors errs;
    if (input.len == 0 || desc->count == 0)
        return;
    const sut_field *f = &desc->fields[(unsigned char)input.ptr[0] % desc->count];
    const sut_str text = {input.ptr + 1, input.len - 1};
    sut_field_errors_init(&errs, a, 8);
    MUST(sut_mp_add_map(&body, 1) == 0);
    sut_status status = sut_field_from_text(f, text, a, &body, &errs);
    if (status == SUT_RECORD_INVALID)
        MUST(errs.count + errs.dropped > 0 && body.len == 1);
    if (status == 0)
        MUST(sut_body_scan(fuzz_str(&body)) == SUT_ENV_OK && sut_body_to_json(desc, fuzz_str(&body), &json) == 0);
}

void chain_json(const sut_record *desc, sut_str text, sut_arena *a)
{
    FUZZ_BUF(body);
    sut_field_errors errs;
    void *record = scratch(desc, a);
    sut_field_errors_init(&errs, a, 8);
    sut_status status = sut_json_to_body(desc, text, JSON_MAX, SUT_UNKNOWN_REFUSE, a, &body, &errs);
    if (status == SUT_RECORD_INVALID)
        MUST(errs.count + errs.dropped > 0 && body.len == 0);
    if (status == 0 && record) {
        MUST(sut_body_scan(fuzz_str(&body)) == SUT_ENV_OK);
        status = sut_record_decode(desc, fuzz_str(&body), SUT_UNKNOWN_REFUSE, a, record, &errs);
        MUST(status <= 0);
        if (status == 0)
            check_record(desc, record, a);
    }
    check_text(desc, text, a);
}

void chain_redact(const sut_record *desc, sut_str body)
{
    for (int personal = 0; personal < 2; personal++) {
        FUZZ_BUF(once);
        FUZZ_BUF(twice);
        if (sut_record_redact(desc, body, personal, &once)) {
            MUST(once.len == 0);
            continue;
        }
        MUST(sut_body_scan(body) == SUT_ENV_OK);
        MUST(sut_body_scan(fuzz_str(&once)) == SUT_ENV_OK);
        MUST(sut_record_redact(desc, fuzz_str(&once), personal, &twice) == 0);
        if (body.len > 0) /* of nothing, an empty map in its shortest form */
            MUST(sut_str_eq(fuzz_str(&once), fuzz_str(&twice)));
    }
}
