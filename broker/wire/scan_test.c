/* The scan of bodies: everything hostile that msgpack can say is refused, and what is well-formed passes. */
#include "mp.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(scan, .timeout = 60);

typedef struct scan_case {
    const char *bytes;
    size_t len;
    sut_envelope_fault fault;
    const char *what;
} scan_case;
#define CASE(lit, fault, what)                                                                                         \
    {                                                                                                                  \
        (lit), sizeof(lit) - 1, (fault), (what)                                                                        \
    }

static const scan_case s_cases[] = {
    CASE("", SUT_ENV_OK, "an empty body is an empty map"),
    CASE("\x80", SUT_ENV_OK, "empty map"),
    CASE("\x81\xa1k\x01", SUT_ENV_OK, "one pair"),
    CASE("\xde\x00\x01\xd9\x01k\xd3\0\0\0\0\0\0\0\1", SUT_ENV_OK, "longer forms than needed"),
    CASE("\x82\xa1k\x91\x81\xa1k\xc0\xa1l\x80", SUT_ENV_OK, "the same key in another map"),
    CASE("\x81\xa1k\xc4\x02\xff\xfe", SUT_ENV_OK, "bin may hold anything"),
    CASE("\x81\xa0\xc0", SUT_ENV_OK, "an empty key is a key"),
    CASE("\x90", SUT_ENV_TYPE, "an array at the top"),
    CASE("\xa1k", SUT_ENV_TYPE, "a string at the top"),
    CASE("\x01", SUT_ENV_TYPE, "a number at the top"),
    CASE("\x81\x01\x01", SUT_ENV_TYPE, "a number as key"),
    CASE("\x81\xcb\x3f\xf0\0\0\0\0\0\0\x01", SUT_ENV_TYPE, "a float as key"),
    CASE("\x81\xc0\x01", SUT_ENV_TYPE, "nil as key"),
    CASE("\x81\x80\x01", SUT_ENV_TYPE, "a map as key"),
    CASE("\x81\xc4\x01k\x01", SUT_ENV_TYPE, "bin as key"),
    CASE("\x81\xa1k\xd4\x01\x00", SUT_ENV_TYPE, "fixext 1"),
    CASE("\x81\xa1k\xd6\xff\0\0\0\0", SUT_ENV_TYPE, "the timestamp ext"),
    CASE("\x81\xa1k\xc7\x01\x01\x00", SUT_ENV_TYPE, "ext 8"),
    CASE("\x81\xa1k\xc9\xff\xff\xff\xff\x01", SUT_ENV_TYPE, "ext 32 of 4 GiB"),
    CASE("\x81\xa1k\xc1", SUT_ENV_TYPE, "the byte that is never used"),
    CASE("\x81\xa1k\x01\x00", SUT_ENV_TAIL, "one byte behind"),
    CASE("\x80\x80", SUT_ENV_TAIL, "two maps"),
    CASE("\x82\xa1k\x01\xa1k\x02", SUT_ENV_DUPLICATE_KEY, "twice the same key"),
    CASE("\x82\xa1k\x01\xd9\x01k\x02", SUT_ENV_DUPLICATE_KEY, "twice the same key, in two forms"),
    CASE("\x81\xa1o\x91\x82\xa1k\x01\xa1k\x02", SUT_ENV_DUPLICATE_KEY, "twice the same key, nested"),
    CASE("\x82\xa0\x01\xa0\x02", SUT_ENV_DUPLICATE_KEY, "twice the empty key"),
    CASE("\x81\xa1\xff\x01", SUT_ENV_UTF8, "key not UTF-8"),
    CASE("\x81\xa1k\xa1\x80", SUT_ENV_UTF8, "a lone continuation byte"),
    CASE("\x81\xa1k\xa2\xc0\xaf", SUT_ENV_UTF8, "overlong slash"),
    CASE("\x81\xa1k\xa3\xe0\x80\xaf", SUT_ENV_UTF8, "overlong slash of three bytes"),
    CASE("\x81\xa1k\xa3\xed\xa0\x80", SUT_ENV_UTF8, "a lone surrogate"),
    CASE("\x81\xa1k\xa4\xf4\x90\x80\x80", SUT_ENV_UTF8, "past U+10FFFF"),
    CASE("\x81\xa1k\xaa"
         "12345678\xc3(",
         SUT_ENV_UTF8, "bad behind eight good bytes"),
    CASE("\x81\xa1k\xa1", SUT_ENV_TRUNCATED, "string without its bytes"),
    CASE("\x81\xa1k", SUT_ENV_TRUNCATED, "key without its value"),
    CASE("\x81", SUT_ENV_TRUNCATED, "pair missing"),
    CASE("\xdf\xff\xff\xff\xff", SUT_ENV_TRUNCATED, "a map of 4 G pairs"),
    CASE("\xdf\x80\x00\x00\x00", SUT_ENV_TRUNCATED, "a map of 2 G pairs: twice that overflows 32 bits"),
    CASE("\x81\xa1k\xdd\xff\xff\xff\xff\x00", SUT_ENV_TRUNCATED, "an array of 4 G elements"),
    CASE("\x81\xa1k\xdb\xff\xff\xff\xff", SUT_ENV_TRUNCATED, "a string of 4 GiB"),
    CASE("\x81\xa1k\xc6\xff\xff\xff\xff", SUT_ENV_TRUNCATED, "bin of 4 GiB"),
};

static sut_envelope_fault scan_copy(const void *bytes, size_t len)
{
    char *exact = malloc(len ? len : 1); /* so that a sanitizer sees a read past the end */
    cr_assert_not_null(exact);
    memcpy(exact, bytes, len);
    sut_envelope_fault fault = sut_body_scan((sut_str){exact, len});
    free(exact);
    return fault;
}

Test(scan, cases)
{
    for (size_t i = 0; i < SUT_ARRAY_LEN(s_cases); i++) {
        const scan_case *c = &s_cases[i];
        sut_envelope_fault fault = scan_copy(c->bytes, c->len);
        cr_expect_eq(fault, c->fault, "%s: got \"%s\", want \"%s\"", c->what, sut_envelope_fault_text(fault),
                     sut_envelope_fault_text(c->fault));
    }
}

Test(scan, truncated_at_every_byte_is_refused)
{
    static const char body[] = "\x85\xa2id\xcd\x01\x00\xa4name\xa3"
                               "abc\xa4tags\x92\xa1x\xd9\x01y\xa3map\x81\xa1k\xcb\0\0\0\0\0\0\0\0\xa3"
                               "bin\xc5\x00\x02\x01\x02";
    cr_assert_eq(scan_copy(body, sizeof body - 1), SUT_ENV_OK);
    for (size_t len = 1; len < sizeof body - 1; len++)
        cr_assert_eq(scan_copy(body, len), SUT_ENV_TRUNCATED, "cut at %zu", len);
}

static size_t nest(uint8_t *out, unsigned depth)
{
    size_t len = 0;
    out[len++] = 0x81;
    out[len++] = 0xa0;
    for (unsigned i = 1; i < depth; i++)
        out[len++] = 0x91;
    out[len++] = 0xc0;
    return len;
}

Test(scan, depth_is_exact)
{
    uint8_t body[300];
    cr_assert_eq(scan_copy(body, nest(body, SUT_MSGPACK_DEPTH_MAX)), SUT_ENV_OK);
    cr_assert_eq(scan_copy(body, nest(body, SUT_MSGPACK_DEPTH_MAX + 1)), SUT_ENV_DEPTH);
    cr_assert_eq(scan_copy(body, nest(body, 155)), SUT_ENV_DEPTH);
}

/* A map of `count` keys of three bytes, where key `twice` repeats the first one's text. */
static size_t wide_map(uint8_t *out, unsigned count, unsigned twice)
{
    size_t len = 0;
    out[len++] = 0xde;
    out[len++] = (uint8_t)(count >> 8);
    out[len++] = (uint8_t)count;
    for (unsigned i = 0; i < count; i++) {
        unsigned name = i == twice ? 0 : i;
        out[len++] = 0xa3;
        out[len++] = 'k';
        out[len++] = (uint8_t)('0' + name / 64);
        out[len++] = (uint8_t)('0' + name % 64);
        out[len++] = 0xc0;
    }
    return len;
}

Test(scan, keys_of_wide_maps_are_compared)
{
    uint8_t body[2048];
    for (unsigned count = 1; count <= 256; count++) {
        cr_assert_eq(scan_copy(body, wide_map(body, count, UINT32_MAX)), SUT_ENV_OK, "%u keys", count);
        if (count > 1)
            cr_assert_eq(scan_copy(body, wide_map(body, count, count - 1)), SUT_ENV_DUPLICATE_KEY, "%u keys", count);
    }
    for (unsigned twice = 1; twice < 256; twice++)
        cr_assert_eq(scan_copy(body, wide_map(body, 256, twice)), SUT_ENV_DUPLICATE_KEY, "key %u", twice);
    cr_assert_eq(scan_copy(body, wide_map(body, 257, UINT32_MAX)), SUT_ENV_RANGE);
}

Test(scan, keys_that_share_all_but_their_middle_are_told_apart)
{
    uint8_t body[4096];
    size_t len = 0;
    body[len++] = 0xdc + 2;
    body[len++] = 0;
    body[len++] = 100;
    for (int i = 0; i < 100; i++) {
        body[len++] = 0xa0 | 18;
        memcpy(body + len, "aaaaaaaa__bbbbbbbb", 18);
        body[len + 8] = (uint8_t)('0' + i / 10);
        body[len + 9] = (uint8_t)('0' + i % 10);
        len += 18;
        body[len++] = 0xc0;
    }
    cr_assert_eq(scan_copy(body, len), SUT_ENV_OK);
    memcpy(body + 3 + 99 * 20 + 1 + 8, "42", 2);
    cr_assert_eq(scan_copy(body, len), SUT_ENV_DUPLICATE_KEY);
}

Test(scan, keys_of_open_maps_are_bounded)
{
    uint8_t inner[2048], body[4096];
    size_t inner_len = wide_map(inner, 256, UINT32_MAX);
    size_t len = 0;
    for (int level = 0; level < 3; level++) { /* {"": {"": {"": {256 keys}}}} is fine */
        body[len++] = 0x81;
        body[len++] = 0xa0;
    }
    memcpy(body + len, inner, inner_len);
    cr_assert_eq(scan_copy(body, len + inner_len), SUT_ENV_OK);
    /* three maps of 256 inside each other are not: the last value of each is the next map */
    len = 0;
    for (int level = 0; level < 3; level++) {
        memcpy(body + len, inner, inner_len - 1);
        len += inner_len - 1;
    }
    body[len++] = 0xc0;
    cr_assert_eq(scan_copy(body, len), SUT_ENV_RANGE);
}

Test(scan, size_is_bounded)
{
    uint8_t *body = calloc(1, SUT_ENVELOPE_MAX + 1);
    cr_assert_not_null(body);
    memcpy(body, "\x81\xa1k\xc6\x00\x0f\xff\xf8", 8); /* 8 bytes before the bin's bytes */
    cr_assert_eq(scan_copy(body, SUT_ENVELOPE_MAX), SUT_ENV_OK);
    cr_assert_eq(scan_copy(body, SUT_ENVELOPE_MAX + 1), SUT_ENV_TOO_LARGE);
    free(body);
}

Test(scan, random_bytes_are_survived)
{
    uint64_t seed = 7;
    for (int round = 0; round < 200000; round++) {
        uint8_t body[64];
        size_t len = 1 + sut_prng(&seed) % (sizeof body - 1);
        for (size_t i = 0; i < len; i++)
            body[i] = (uint8_t)sut_prng(&seed);
        body[0] = (uint8_t)(0x80 | (body[0] & 0x0f));
        sut_envelope_fault fault = sut_body_scan((sut_str){(char *)body, len});
        cr_assert_leq((int)fault, (int)SUT_ENV_TRACEPARENT);
    }
}
