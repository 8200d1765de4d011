/* The byte buffer: growth, the bound, stealing. */
#include "base/buf.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

Test(buf, it_grows_and_keeps_its_bytes, .timeout = 5)
{
    sut_buf b;
    sut_buf_init(&b, 0);
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(sut_buf_printf(&b, "%03d,", i), 0);
    cr_assert_eq(b.len, 4000);
    sut_str s;
    cr_assert_eq(sut_buf_str(&b, &s), 0);
    cr_assert_eq(s.len, 4000);
    cr_assert_eq(s.ptr[4000], '\0');
    cr_assert_eq(memcmp(s.ptr + 4 * 777, "777,", 4), 0);
    sut_buf_reset(&b);
    cr_assert_eq(b.len, 0);
    cr_assert_geq(b.cap, 4000);
    sut_buf_deinit(&b);
    sut_buf_deinit(&b);
    cr_assert_null(b.data);
}

Test(buf, past_the_bound_nothing_changes, .timeout = 5)
{
    sut_buf b;
    sut_buf_init(&b, 10);
    cr_assert_eq(sut_buf_puts(&b, "12345"), 0);
    cr_assert_eq(sut_buf_append(&b, "678901", 6), -EMSGSIZE);
    cr_assert_eq(sut_buf_printf(&b, "%s", "678901"), -EMSGSIZE);
    cr_assert_eq(sut_buf_reserve(&b, SIZE_MAX), -EMSGSIZE);
    cr_assert_eq(b.len, 5);
    cr_assert_eq(sut_buf_printf(&b, "%s", "67890"), 0, "exactly the bound fits");
    sut_str s;
    cr_assert_eq(sut_buf_str(&b, &s), 0);
    cr_assert_str_eq(s.ptr, "1234567890");
    sut_buf_deinit(&b);
    cr_assert_eq(b.limit, 10, "the bound outlives the memory");
}

Test(buf, an_empty_one_is_an_empty_string, .timeout = 5)
{
    sut_buf b;
    sut_str s;
    sut_buf_init(&b, 0);
    cr_assert_eq(sut_buf_append(&b, NULL, 0), 0);
    cr_assert_eq(sut_buf_str(&b, &s), 0);
    cr_assert_eq(s.len, 0);
    cr_assert_str_eq(s.ptr, "");
    sut_buf_deinit(&b);
}

Test(buf, stealing_hands_the_memory_over, .timeout = 5)
{
    sut_buf b;
    size_t len = 0;
    sut_buf_init(&b, 100);
    cr_assert_eq(sut_buf_puts(&b, "mine"), 0);
    uint8_t *bytes = sut_buf_steal(&b, &len);
    cr_assert_eq(len, 4);
    cr_assert_eq(memcmp(bytes, "mine", 4), 0);
    cr_assert_null(b.data);
    cr_assert_eq(b.len + b.cap, 0);
    cr_assert_eq(sut_buf_puts(&b, "next"), 0);
    free(bytes);
    sut_buf_deinit(&b);
}
