/* Redaction: it makes clean bodies, has nothing more to take from them, and never lets a secret through. */
#include "fuzz.h"

#define CANARY "canary-7391"

/* The redacted body of `body` with a secret field of our own put in front says nothing of the secret. */
static void check_canary(sut_str body, bool personal)
{
    FUZZ_BUF(with);
    FUZZ_BUF(out);
    sut_mp_in in = sut_mp_in_of(body);
    sut_mp_item map;
    if (memmem(body.ptr, body.len, CANARY, sizeof CANARY - 1) || sut_mp_next(&in, &map))
        return;
    MUST(sut_mp_add_map(&with, map.v.count + 1) == 0);
    MUST(sut_mp_add_str(&with, SUT_STR("secret")) == 0);
    MUST(sut_mp_add_str(&with, SUT_STR(CANARY)) == 0);
    MUST(sut_buf_append(&with, in.at, (size_t)(in.end - in.at)) == 0);
    if (sut_record_redact(&all_desc, fuzz_str(&with), personal, &out))
        return; /* it had a secret of its own, or one key too many */
    MUST(!memmem(out.data, out.len, CANARY, sizeof CANARY - 1));
    MUST(memmem(out.data, out.len, "<redacted>", 10));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const sut_str body = {(const char *)data, size};
    for (int personal = 0; personal < 2; personal++) {
        FUZZ_BUF(once);
        FUZZ_BUF(twice);
        if (sut_record_redact(&all_desc, body, personal, &once)) {
            MUST(once.len == 0);
            continue;
        }
        MUST(sut_body_scan(body) == SUT_ENV_OK);
        MUST(sut_body_scan(fuzz_str(&once)) == SUT_ENV_OK);
        MUST(sut_record_redact(&all_desc, fuzz_str(&once), personal, &twice) == 0);
        if (size > 0) /* of nothing, an empty map in its shortest form */
            MUST(sut_str_eq(fuzz_str(&once), fuzz_str(&twice)));
        check_canary(body, personal);
    }
    return 0;
}
