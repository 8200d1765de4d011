/* Redaction: it makes clean bodies, has nothing more to take from them, and never lets a secret through. */
#include "chain.h"
#include "record_fixture.h"

#define CANARY "canary-7391"

/* The redacted body of `body` with a secret field of our own put in front says nothing of the secret. */
static void check_canary(sut_str body, bool personal)
{
    FUZZ_BUF(with);
    FUZZ_BUF(out);
    sut_mp_in in = sut_mp_in_of(body);
    sut_mp_item map;
    if (memmem(body.ptr, body.len, CANARY, sizeof CANARY - 1) || sut_mp_next(&in, &map) || map.type != SUT_MP_MAP)
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
    chain_redact(&all_desc, body);
    check_canary(body, false);
    check_canary(body, true);
    return 0;
}
