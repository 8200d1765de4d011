/* Patterns of strings: PCRE2, compiled once a process, matched within limits that no pattern and no text can pass. */
#include "runtime.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define BUCKETS       64
#define PATTERNS_MAX  1024
#define MATCH_LIMIT   200000 /* steps of backtracking: some milliseconds */
#define HEAP_LIMIT_KB 1024
#define JIT_STACK_MIN (32 * 1024)
#define JIT_STACK_MAX (256 * 1024)

/* A compiled pattern. Never freed: patterns are in const tables, so there is a fixed number of them. */
typedef struct compiled {
    struct compiled *next;
    const char *pattern; /* the caller's pointer, which is how it is found */
    char *text;          /* our copy, in case that pointer ever comes to mean another pattern */
    pcre2_code *code;
} compiled;

static _Atomic(compiled *) s_buckets[BUCKETS];
static pthread_mutex_t s_adding = PTHREAD_MUTEX_INITIALIZER;
static unsigned s_count;

/* What a thread needs to match. The machine code of PCRE2's JIT would use 32 KiB of the caller's stack, which may be a
 * fiber's: so each thread has a stack for it. */
typedef struct matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
} matcher;

static pthread_key_t s_key;
static pthread_once_t s_key_once = PTHREAD_ONCE_INIT;
static bool s_key_made;

static void matcher_free(void *arg)
{
    matcher *m = arg;
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    pcre2_jit_stack_free(m->stack);
    free(m);
}

static void make_key(void)
{
    s_key_made = pthread_key_create(&s_key, matcher_free) == 0;
}

static matcher *matcher_new(void)
{
    matcher *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->data = pcre2_match_data_create(1, NULL);
    m->context = pcre2_match_context_create(NULL);
    m->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
    if (!m->data || !m->context || !m->stack || pthread_setspecific(s_key, m)) {
        matcher_free(m);
        return NULL;
    }
    pcre2_set_match_limit(m->context, MATCH_LIMIT);
    pcre2_set_heap_limit(m->context, HEAP_LIMIT_KB);
    pcre2_jit_stack_assign(m->context, NULL, m->stack);
    return m;
}

static matcher *matcher_get(void)
{
    if (pthread_once(&s_key_once, make_key) || !s_key_made)
        return NULL;
    matcher *m = pthread_getspecific(s_key);
    return m ? m : matcher_new();
}

static size_t bucket_of(const char *pattern)
{
    return (size_t)(((uintptr_t)pattern * UINT64_C(0x9e3779b97f4a7c15)) >> 58);
}
_Static_assert(BUCKETS == 1 << (64 - 58), "bucket_of gives one of the buckets");

static const compiled *find(compiled *list, const char *pattern)
{
    for (; list; list = list->next)
        if (list->pattern == pattern && strcmp(list->text, pattern) == 0)
            return list;
    return NULL;
}

static compiled *compile(const char *pattern)
{
    int error;
    PCRE2_SIZE at;
    compiled *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->pattern = pattern;
    c->text = strdup(pattern);
    c->code =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C,
                      &error, &at, NULL);
    if (!c->text || !c->code) {
        pcre2_code_free(c->code);
        free(c->text);
        free(c);
        return NULL;
    }
    (void)pcre2_jit_compile(c->code, PCRE2_JIT_COMPLETE); /* where it cannot be had, pcre2_match interprets */
    return c;
}

static const compiled *add(const char *pattern)
{
    size_t b = bucket_of(pattern);
    if (pthread_mutex_lock(&s_adding))
        return NULL;
    compiled *head = atomic_load_explicit(&s_buckets[b], memory_order_relaxed);
    const compiled *found = find(head, pattern); /* another thread may have been faster */
    if (!found && s_count < PATTERNS_MAX) {
        compiled *c = compile(pattern);
        if (c) {
            c->next = head;
            s_count++;
            atomic_store_explicit(&s_buckets[b], c, memory_order_release);
        }
        found = c;
    }
    pthread_mutex_unlock(&s_adding);
    return found;
}

sut_status sut_pattern_match(const char *pattern, sut_str s)
{
    const compiled *c = find(atomic_load_explicit(&s_buckets[bucket_of(pattern)], memory_order_acquire), pattern);
    if (!c)
        c = add(pattern);
    if (!c)
        return SUT_TRACE(-EINVAL, "a pattern of the schema does not compile");
    matcher *m = matcher_get();
    if (!m)
        return SUT_TRACE(-ENOMEM, "matching a pattern");
    int found =
        pcre2_match(c->code, (PCRE2_SPTR)(s.ptr ? s.ptr : ""), s.len, 0, PCRE2_NO_UTF_CHECK, m->data, m->context);
    return found == PCRE2_ERROR_NOMEMORY ? SUT_TRACE(-ENOMEM, "matching a pattern") : found >= 0;
}
