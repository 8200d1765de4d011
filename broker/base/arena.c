/* The region allocator: chunks in a list, the first one in the same block as the arena itself. */
#include "base/arena.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ALIGNMENT   _Alignof(max_align_t)
#define FIRST_BYTES 4096
#define CHUNK_BYTES 32768

/* Under ASan what is not handed out is poisoned, so that use after a reset and writes past an allocation are seen. */
#ifdef SUT_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

typedef struct chunk {
    struct chunk *next;
    size_t used, size;
    _Alignas(max_align_t) uint8_t bytes[];
} chunk;

struct sut_arena {
    size_t limit, used;
    chunk *current; /* where small allocations go */
    chunk *others;  /* all chunks but the first */
    chunk *first;
};

#define HEADER_BYTES ((sizeof(sut_arena) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT)

sut_status sut_arena_new(sut_arena **out, size_t limit_bytes)
{
    uint8_t *block = malloc(FIRST_BYTES);
    if (!block)
        return -ENOMEM;
    sut_arena *a = (sut_arena *)(void *)block;
    chunk *first = (chunk *)(void *)(block + HEADER_BYTES);
    *first = (chunk){.size = FIRST_BYTES - HEADER_BYTES - sizeof(chunk)};
    ASAN_POISON_MEMORY_REGION(first->bytes, first->size);
    *a = (sut_arena){.limit = limit_bytes, .first = first, .current = first};
    *out = a;
    return 0;
}

static void free_others(sut_arena *a)
{
    while (a->others) {
        chunk *c = a->others;
        a->others = c->next;
        ASAN_UNPOISON_MEMORY_REGION(c->bytes, c->size);
        free(c);
    }
}

sut_arena *sut_arena_free(sut_arena *a)
{
    if (!a)
        return NULL;
    free_others(a);
    ASAN_UNPOISON_MEMORY_REGION(a->first->bytes, a->first->size);
    free(a);
    return NULL;
}

void sut_arena_reset(sut_arena *a)
{
    free_others(a);
    a->first->used = 0;
    ASAN_POISON_MEMORY_REGION(a->first->bytes, a->first->size);
    a->current = a->first;
    a->used = 0;
}

size_t sut_arena_used(const sut_arena *a)
{
    return a->used;
}

/* A chunk with room for `bytes`. One made for a single large allocation does not become the current one, so that the
 * rest of the current one stays in use. */
static chunk *chunk_for(sut_arena *a, size_t bytes)
{
    if (a->current->size - a->current->used >= bytes)
        return a->current;
    bool large = bytes > CHUNK_BYTES / 4;
    size_t size = large ? bytes : CHUNK_BYTES;
    if (size > SIZE_MAX - sizeof(chunk))
        return NULL;
    chunk *c = malloc(sizeof(chunk) + size);
    if (!c)
        return NULL;
    *c = (chunk){.next = a->others, .size = size};
    ASAN_POISON_MEMORY_REGION(c->bytes, c->size);
    a->others = c;
    if (!large)
        a->current = c;
    return c;
}

void *sut_arena_alloc(sut_arena *a, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    size_t rounded = bytes ? (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : ALIGNMENT;
    if (a->limit && (rounded > a->limit || a->used > a->limit - rounded))
        return NULL;
    chunk *c = chunk_for(a, rounded);
    if (!c)
        return NULL;
    uint8_t *p = c->bytes + c->used;
    c->used += rounded;
    a->used += rounded;
    ASAN_UNPOISON_MEMORY_REGION(p, bytes);
    memset(p, 0, bytes);
    return p;
}

void *sut_arena_array(sut_arena *a, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return sut_arena_alloc(a, bytes);
}

sut_str sut_arena_str(sut_arena *a, sut_str s)
{
    char *copy = s.len < SIZE_MAX ? sut_arena_alloc(a, s.len + 1) : NULL;
    if (!copy)
        return SUT_STR_NONE;
    if (s.len)
        memcpy(copy, s.ptr, s.len);
    return (sut_str){copy, s.len};
}

sut_str sut_arena_printf(sut_arena *a, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    char *text = n < 0 ? NULL : sut_arena_alloc(a, (size_t)n + 1);
    if (text)
        (void)vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(args);
    return text ? (sut_str){text, (size_t)n} : SUT_STR_NONE;
}
