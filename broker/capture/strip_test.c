/* What of a code is written: only what is one. */
#include "strip.h"

#include "base/str.h"

#include <criterion/criterion.h>

static void must_write(sut_span_kind kind, const char *subject, const char *code, const char *expected)
{
    stripper s;
    const sut_span in = {.kind = kind, .ended = true, .subject = sut_str_from(subject), .code = sut_str_from(code)};
    sut_span out;
    stripper_init(&s);
    strip(&s, &in, &out);
    cr_assert(sut_str_is(out.code, expected), "%s of %s: %.*s", code, subject, SUT_STR_FMT(out.code));
    stripper_deinit(&s);
}

Test(strip, a_call_s_code_is_a_declared_one)
{
    must_write(SUT_SPAN_CALL, "auth.login", "bad_credentials", "bad_credentials");
    must_write(SUT_SPAN_CALL, "auth.login", "unavailable", "unavailable");
    must_write(SUT_SPAN_CALL, "auth.login", "lost", "lost");
    must_write(SUT_SPAN_CALL, "auth.login", "", "");
    must_write(SUT_SPAN_CALL, "auth.login", "mary@example.org", "undeclared");
    must_write(SUT_SPAN_CALL, "other.method", "mary", "undeclared");
    must_write(SUT_SPAN_CALL, "other.method", "internal", "internal");
}

Test(strip, a_delivery_s_code_looks_like_one)
{
    must_write(SUT_SPAN_DELIVERY, "user.registered", "smtp_4xx", "smtp_4xx");
    must_write(SUT_SPAN_DELIVERY, "user.registered", "expired", "expired");
    must_write(SUT_SPAN_DELIVERY, "user.registered", "no such user: mary", "undeclared");
    must_write(SUT_SPAN_DELIVERY, "user.registered", "mary@example.org", "undeclared");
    must_write(SUT_SPAN_DELIVERY, "user.registered",
               "a_word_that_is_longer_than_any_code_of_ours_could_ever_be_by_a_good_deal", "undeclared");
}
