/* Clocks, RFC 3339, random bytes. */
#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

Test(clock, times_are_written_as_rfc_3339, .timeout = 5)
{
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {INT64_C(1767323045678901), "2026-01-02T03:04:05.678901Z"},
        {INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z"},
        {INT64_C(4107542399000000), "2100-02-28T23:59:59.000000Z"},
        {INT64_C(4107542400000000), "2100-03-01T00:00:00.000000Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999999Z"},
        {INT64_MIN, "0000-01-01T00:00:00.000000Z"},
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        char text[SUT_RFC3339_SIZE];
        sut_rfc3339(cases[i].us, text);
        cr_assert_str_eq(text, cases[i].text);
    }
}

Test(clock, dates_agree_with_the_c_library, .timeout = 10)
{
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        int64_t s = (int64_t)(sut_prng(&seed) % UINT64_C(315569520000)) - INT64_C(62167219200);
        time_t t = (time_t)s;
        struct tm tm;
        char want[64], text[SUT_RFC3339_SIZE];
        cr_assert_not_null(gmtime_r(&t, &tm));
        snprintf(want, sizeof want, "%04d-%02d-%02dT%02d:%02d:%02d.000000Z", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        sut_rfc3339(s * 1000000, text);
        cr_assert_str_eq(text, want);
    }
}

Test(clock, the_monotonic_clock_never_steps_back, .timeout = 5)
{
    uint64_t last = sut_now_ns();
    for (int i = 0; i < 100000; i++) {
        uint64_t now = sut_now_ns();
        cr_assert_geq(now, last);
        last = now;
    }
}

Test(clock, random_bytes_fill_the_whole_block, .timeout = 5)
{
    uint8_t seen[600] = {0}, bytes[600];
    for (int round = 0; round < 16; round++) {
        sut_random(bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++)
            seen[i] |= bytes[i];
    }
    for (size_t i = 0; i < sizeof seen; i++)
        cr_assert_neq(seen[i], 0, "byte %zu was never set", i); /* by chance: 600 in 2^128 */
}

/* Reference values of SplitMix64 for the seed 1234567 (S. Vigna's splitmix64.c). */
Test(clock, the_generator_is_splitmix64, .timeout = 5)
{
    uint64_t state = 1234567;
    cr_assert_eq(sut_prng(&state), UINT64_C(6457827717110365317));
    cr_assert_eq(sut_prng(&state), UINT64_C(3203168211198807973));
}
