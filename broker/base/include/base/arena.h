/* A region: many allocations, one release. One a request; never shared by threads. */
#ifndef SUT_BASE_ARENA_H
#define SUT_BASE_ARENA_H

#include "base/str.h"

typedef struct sut_arena sut_arena;

/* `limit_bytes` bounds all that is ever allocated from it between resets (0: no bound). */
SUT_MUST_CHECK sut_status sut_arena_new(sut_arena **out, size_t limit_bytes);
sut_arena *sut_arena_free(sut_arena *a); /* returns NULL; NULL is fine */
void sut_arena_reset(sut_arena *a);      /* frees all but the first chunk, which is used again */
size_t sut_arena_used(const sut_arena *a);

/* Zeroed, aligned to max_align_t. NULL past the limit or out of memory. */
void *sut_arena_alloc(sut_arena *a, size_t bytes);
#define SUT_ARENA_NEW(a, type) ((type *)sut_arena_alloc((a), sizeof(type)))
/* NULL also if count * size overflows. */
void *sut_arena_array(sut_arena *a, size_t count, size_t size);
/* Copy with a NUL behind it; ptr NULL on failure. */
sut_str sut_arena_str(sut_arena *a, sut_str s);
sut_str sut_arena_printf(sut_arena *a, const char *fmt, ...) SUT_PRINTF(2, 3);

#endif
