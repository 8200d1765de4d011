/* What the fuzz targets share. Each target is one LLVMFuzzerTestOneInput: libFuzzer drives it where clang builds with
 * SUT_FUZZ (scripts/ci/fuzz), and regress_main.c runs it over its kept corpus in every build (AFL++ takes it as well).
 * A target says what must hold with MUST, which holds in release builds too. */
#ifndef SUT_FUZZ_H
#define SUT_FUZZ_H

#include "runtime.h"

#include <stdio.h>
#include <stdlib.h>

#define FUZZ_ARENA_MAX (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            (void)fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #condition);                           \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static inline sut_str fuzz_str(const sut_buf *b)
{
    return (sut_str){(const char *)b->data, b->len};
}

static inline void fuzz_arena_free(sut_arena **a)
{
    *a = sut_arena_free(*a);
}

/* Cleared at the end of the scope, so that a target may return anywhere. */
#define FUZZ_BUF(name)                                                                                                 \
    sut_buf name SUT_CLEANUP(sut_buf_deinit);                                                                          \
    sut_buf_init(&name, 0)
#define FUZZ_ARENA(name)                                                                                               \
    sut_arena *name SUT_CLEANUP(fuzz_arena_free) = NULL;                                                               \
    MUST(sut_arena_new(&name, FUZZ_ARENA_MAX) == 0)

#endif
