/* Bodies: scan → decode → encode → decode → JSON → body: each step takes what the one before made, and nothing changes
 * on the way. */
#include "fuzz.h"

/* What valid struct `record` becomes by way of JSON must be the bytes that it has already. */
static void check_json(const sut_buf *encoded, sut_arena *a)
{
    FUZZ_BUF(json);
    FUZZ_BUF(body);
    FUZZ_BUF(again);
    all_rec record;
    sut_field_errors errs;
    sut_field_errors_init(&errs, a, 8);
    MUST(sut_body_to_json(&all_desc, fuzz_str(encoded), &json) == 0);
    MUST(sut_utf8_valid(fuzz_str(&json), NULL));
    sut_status status = sut_json_to_body(&all_desc, fuzz_str(&json), json.len, SUT_UNKNOWN_REFUSE, a, &body, &errs);
    if (status < 0) /* the arena is full */
        return;
    MUST(status == 0);
    status = sut_record_decode(&all_desc, fuzz_str(&body), SUT_UNKNOWN_REFUSE, a, &record, &errs);
    if (status < 0)
        return;
    MUST(status == 0);
    MUST(sut_record_encode(&all_desc, &record, &again) == 0);
    MUST(sut_str_eq(fuzz_str(encoded), fuzz_str(&again)));
}

static void check_record(const all_rec *record, sut_arena *a)
{
    FUZZ_BUF(first);
    FUZZ_BUF(second);
    all_rec again;
    sut_field_errors errs;
    sut_field_errors_init(&errs, a, 8);
    MUST(sut_record_validate(&all_desc, record, &errs) == 0);
    MUST(sut_record_encode(&all_desc, record, &first) == 0);
    sut_status status = sut_record_decode(&all_desc, fuzz_str(&first), SUT_UNKNOWN_REFUSE, a, &again, &errs);
    if (status < 0)
        return;
    MUST(status == 0);
    MUST(sut_record_encode(&all_desc, &again, &second) == 0);
    MUST(sut_str_eq(fuzz_str(&first), fuzz_str(&second)));
    check_json(&first, a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FUZZ_ARENA(a);
    FUZZ_BUF(json);
    const sut_str body = {(const char *)data, size};
    sut_field_errors errs;
    sut_error_body error;
    all_rec record;
    sut_field_errors_init(&errs, a, 8);
    if (sut_body_to_json(&all_desc, body, &json) == 0) /* needs no scan before */
        MUST(sut_utf8_valid(fuzz_str(&json), NULL));
    bool clean = sut_body_scan(body) == SUT_ENV_OK;
    if (sut_msgpack_to_json(body, &json) == 0)
        MUST(clean && sut_utf8_valid(fuzz_str(&json), NULL));
    if (sut_error_body_decode(a, body, &error) == 0)
        MUST(clean);
    sut_status status = sut_record_decode(&all_desc, body, SUT_UNKNOWN_IGNORE, a, &record, &errs);
    if (status == SUT_RECORD_INVALID)
        MUST(errs.count > 0);
    if (status == 0) {
        MUST(clean && errs.count == 0);
        check_record(&record, a);
    }
    return 0;
}
