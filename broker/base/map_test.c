/* The hash maps against a plain reference: 100,000 random operations each; and SipHash's published vectors. */
#include "base/clock.h"
#include "base/map.h"
#include "siphash.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#define KEYS 3000

static int s_values[KEYS];
static bool s_present[KEYS];

/* Phases of mostly putting and mostly taking, so that the table grows and shrinks again. */
static bool puts_now(int step, uint64_t dice)
{
    return step / 20000 % 2 == 0 ? dice % 4 != 0 : dice % 4 == 0;
}

Test(map, u64_agrees_with_a_reference, .timeout = 20)
{
    sut_u64map *m = NULL;
    cr_assert_eq(sut_u64map_new(&m), 0);
    uint64_t seed = 11;
    size_t count = 0;
    for (int step = 0; step < 100000; step++) {
        size_t k = sut_prng(&seed) % KEYS;
        uint64_t key = k % 2 ? k : (uint64_t)k << 40; /* dense ones, and ones that differ only in high bits */
        void *want = s_present[k] ? &s_values[k] : NULL;
        cr_assert_eq(sut_u64map_get(m, key), want);
        if (puts_now(step, sut_prng(&seed))) {
            cr_assert_eq(sut_u64map_put(m, key, &s_values[k]), want ? -EEXIST : 0);
            count += !want;
            s_present[k] = true;
        } else {
            cr_assert_eq(sut_u64map_take(m, key), want);
            count -= want != NULL;
            s_present[k] = false;
        }
        cr_assert_eq(sut_u64map_count(m), count);
    }
    size_t pos = 0, seen = 0;
    uint64_t key;
    void *value;
    while (sut_u64map_next(m, &pos, &key, &value)) {
        size_t k = (size_t)((int *)value - s_values);
        cr_assert(s_present[k]);
        cr_assert_eq(key, k % 2 ? k : (uint64_t)k << 40);
        seen++;
    }
    cr_assert_eq(seen, count);
    cr_assert_eq(sut_u64map_put(m, 1, NULL), -EINVAL);
    cr_assert_null(sut_u64map_free(m));
    cr_assert_null(sut_u64map_free(NULL));
}

static sut_str key_text(size_t k, char text[64])
{
    int n = k % 3 ? snprintf(text, 64, "user:%zu", k)
                  : snprintf(text, 64, "%zu%cwith a NUL and a long tail of bytes", k, 0);
    return (sut_str){text, (size_t)n};
}

Test(map, strings_agree_with_a_reference, .timeout = 20)
{
    sut_strmap *m = NULL;
    cr_assert_eq(sut_strmap_new(&m), 0);
    uint64_t seed = 12;
    size_t count = 0;
    char text[64];
    for (int step = 0; step < 100000; step++) {
        size_t k = sut_prng(&seed) % KEYS;
        sut_str key = key_text(k, text);
        void *want = s_present[k] ? &s_values[k] : NULL;
        cr_assert_eq(sut_strmap_get(m, key), want);
        if (puts_now(step, sut_prng(&seed))) {
            cr_assert_eq(sut_strmap_put(m, key, &s_values[k]), want ? -EEXIST : 0);
            count += !want;
            s_present[k] = true;
        } else {
            cr_assert_eq(sut_strmap_take(m, key), want);
            count -= want != NULL;
            s_present[k] = false;
        }
        cr_assert_eq(sut_strmap_count(m), count);
    }
    size_t pos = 0, seen = 0;
    sut_str key;
    void *value;
    while (sut_strmap_next(m, &pos, &key, &value)) {
        size_t k = (size_t)((int *)value - s_values);
        cr_assert(s_present[k]);
        cr_assert(sut_str_eq(key, key_text(k, text)));
        cr_assert_eq(key.ptr[key.len], '\0');
        seen++;
    }
    cr_assert_eq(seen, count);
    cr_assert_null(sut_strmap_free(m));
    cr_assert_null(sut_strmap_free(NULL));
}

Test(map, the_empty_string_is_a_key_like_any_other, .timeout = 5)
{
    sut_strmap *m = NULL;
    int value = 0;
    cr_assert_eq(sut_strmap_new(&m), 0);
    cr_assert_null(sut_strmap_get(m, SUT_STR_NONE));
    cr_assert_eq(sut_strmap_put(m, SUT_STR(""), &value), 0);
    cr_assert_eq(sut_strmap_get(m, SUT_STR_NONE), &value);
    cr_assert_eq(sut_strmap_put(m, SUT_STR_NONE, &value), -EEXIST);
    cr_assert_eq(sut_strmap_take(m, SUT_STR("")), &value);
    sut_strmap_free(m);
}

/* Appendix A of the SipHash paper, and the first of its list of vectors: key 00..0f. */
Test(map, siphash_has_its_published_values, .timeout = 5)
{
    const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    uint8_t bytes[15];
    for (uint8_t i = 0; i < 15; i++)
        bytes[i] = i;
    cr_assert_eq(sut_siphash(key, bytes, 15, 2, 4), UINT64_C(0xa129ca6149be45e5));
    cr_assert_eq(sut_siphash(key, bytes, 0, 2, 4), UINT64_C(0x726fdb47dd0e0e31));
    cr_assert_eq(sut_siphash(key, bytes, 8, 2, 4), UINT64_C(0x93f5f5799a932462));
}
