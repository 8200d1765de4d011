/* JSON and text parameters: what is taken makes a clean body that decodes, and comes back as the same JSON. */
#include "fuzz.h"

static void check_body(const sut_buf *body, sut_arena *a)
{
    FUZZ_BUF(json);
    FUZZ_BUF(second);
    FUZZ_BUF(again);
    sut_field_errors errs;
    all_rec record;
    sut_field_errors_init(&errs, a, 8);
    MUST(sut_body_scan(fuzz_str(body)) == SUT_ENV_OK);
    sut_status status = sut_record_decode(&all_desc, fuzz_str(body), SUT_UNKNOWN_REFUSE, a, &record, &errs);
    MUST(status <= 0);
    MUST(sut_body_to_json(&all_desc, fuzz_str(body), &json) == 0);
    status = sut_json_to_body(&all_desc, fuzz_str(&json), json.len, SUT_UNKNOWN_REFUSE, a, &second, &errs);
    if (status < 0) /* the arena is full */
        return;
    MUST(status == 0);
    MUST(sut_body_to_json(&all_desc, fuzz_str(&second), &again) == 0);
    MUST(sut_str_eq(fuzz_str(&json), fuzz_str(&again)));
}

/* The first byte picks the field, the rest is its text. */
static void check_text(sut_str input, sut_arena *a)
{
    FUZZ_BUF(body);
    FUZZ_BUF(json);
    sut_field_errors errs;
    if (input.len == 0)
        return;
    const sut_field *f = &all_fields[(unsigned char)input.ptr[0] % SUT_ARRAY_LEN(all_fields)];
    const sut_str text = {input.ptr + 1, input.len - 1};
    sut_field_errors_init(&errs, a, 8);
    MUST(sut_mp_add_map(&body, 1) == 0);
    sut_status status = sut_field_from_text(f, text, a, &body, &errs);
    if (status == SUT_RECORD_INVALID)
        MUST(errs.count > 0 && body.len == 1);
    if (status == 0)
        MUST(sut_body_scan(fuzz_str(&body)) == SUT_ENV_OK && sut_body_to_json(&all_desc, fuzz_str(&body), &json) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FUZZ_ARENA(a);
    FUZZ_BUF(body);
    const sut_str input = {(const char *)data, size};
    sut_field_errors errs;
    sut_field_errors_init(&errs, a, 8);
    sut_status status = sut_json_to_body(&all_desc, input, 1u << 16, SUT_UNKNOWN_REFUSE, a, &body, &errs);
    if (status == SUT_RECORD_INVALID)
        MUST(errs.count > 0 && body.len == 0);
    if (status == 0)
        check_body(&body, a);
    check_text(input, a);
    return 0;
}
