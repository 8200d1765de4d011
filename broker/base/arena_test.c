/* The region: alignment, zeroing, the bound, reuse after a reset. */
#include "base/arena.h"
#include "base/clock.h"

#include <criterion/criterion.h>

static sut_arena *new_arena(size_t limit)
{
    sut_arena *a = NULL;
    cr_assert_eq(sut_arena_new(&a, limit), 0);
    return a;
}

Test(arena, allocations_are_aligned_zeroed_and_apart, .timeout = 10)
{
    sut_arena *a = new_arena(0);
    uint64_t seed = 3;
    uint8_t *blocks[500];
    size_t sizes[500];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 500; i++) {
            sizes[i] = i % 50 == 0 ? 20000 : (size_t)(sut_prng(&seed) % 300);
            blocks[i] = sut_arena_alloc(a, sizes[i]);
            cr_assert_not_null(blocks[i]);
            cr_assert_eq((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
            for (size_t k = 0; k < sizes[i]; k++)
                cr_assert_eq(blocks[i][k], 0);
            memset(blocks[i], i & 0xFF, sizes[i]);
        }
        for (int i = 0; i < 500; i++)
            for (size_t k = 0; k < sizes[i]; k++)
                cr_assert_eq(blocks[i][k], i & 0xFF, "block %d was overwritten", i);
        sut_arena_reset(a);
        cr_assert_eq(sut_arena_used(a), 0);
    }
    cr_assert_null(sut_arena_free(a));
    cr_assert_null(sut_arena_free(NULL));
}

Test(arena, the_bound_holds_over_all_chunks_and_a_reset_gives_it_back, .timeout = 5)
{
    sut_arena *a = new_arena(100000);
    size_t got = 0;
    while (sut_arena_alloc(a, 1000))
        got++;
    cr_assert_leq(got, 100);
    cr_assert_geq(got, 97);
    cr_assert_leq(sut_arena_used(a), 100000);
    cr_assert_null(sut_arena_alloc(a, 100000));
    sut_arena_reset(a);
    cr_assert_not_null(sut_arena_alloc(a, 90000));
    sut_arena_free(a);
}

Test(arena, absurd_sizes_are_refused, .timeout = 5)
{
    sut_arena *a = new_arena(0);
    cr_assert_null(sut_arena_alloc(a, SIZE_MAX));
    cr_assert_null(sut_arena_alloc(a, SIZE_MAX - 4));
    cr_assert_null(sut_arena_array(a, SIZE_MAX / 2, 3));
    cr_assert_null(sut_arena_str(a, (sut_str){"x", SIZE_MAX}).ptr);
    cr_assert_not_null(sut_arena_array(a, 0, 16));
    sut_arena_free(a);
}

Test(arena, strings_are_copied_with_a_nul, .timeout = 5)
{
    sut_arena *a = new_arena(200);
    char text[] = {'a', '\0', 'b'};
    sut_str copy = sut_arena_str(a, (sut_str){text, 3});
    text[0] = 'x';
    cr_assert_eq(copy.len, 3);
    cr_assert_eq(memcmp(copy.ptr, "a\0b", 4), 0);
    cr_assert_str_eq(sut_arena_str(a, SUT_STR_NONE).ptr, "");
    sut_str made = sut_arena_printf(a, "%s-%d", "user", 42);
    cr_assert_eq(made.len, 7);
    cr_assert_str_eq(made.ptr, "user-42");
    cr_assert_null(sut_arena_printf(a, "%500d", 1).ptr);
    sut_arena_free(a);
}
