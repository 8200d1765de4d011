/* Memory and error collection of the generator (context.h). */
#include "context.h"

#include "base/config.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void pg_context_init(pg_context *c)
{
    *c = (pg_context){.arena = NULL};
    if (sut_arena_new(&c->arena, 0) < 0)
        sut_program_die(SUT_EXIT_SOFTWARE, "out of memory");
}

void pg_context_deinit(pg_context *c)
{
    c->arena = sut_arena_free(c->arena);
    c->errors = NULL;
}

void *pg_alloc(pg_context *c, size_t count, size_t size)
{
    void *p = sut_arena_array(c->arena, count ? count : 1, size);
    if (!p)
        sut_program_die(SUT_EXIT_SOFTWARE, "out of memory");
    return p;
}

char *pg_strdup(pg_context *c, const char *s, size_t len)
{
    char *copy = pg_alloc(c, len + 1, 1);
    memcpy(copy, s, len);
    return copy;
}

static char *vprintf_arena(pg_context *c, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (len < 0)
        sut_program_die(SUT_EXIT_SOFTWARE, "cannot format a message");
    char *text = pg_alloc(c, (size_t)len + 1, 1);
    (void)vsnprintf(text, (size_t)len + 1, fmt, ap);
    return text;
}

char *pg_printf(pg_context *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = vprintf_arena(c, fmt, ap);
    va_end(ap);
    return text;
}

void pg_error(pg_context *c, pg_pos pos, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    pg_error_item *e = PG_NEW(c, pg_error_item);
    e->pos = pos;
    e->message = vprintf_arena(c, fmt, ap);
    va_end(ap);
    e->next = c->errors;
    c->errors = e;
    c->error_count++;
}

static int compare_errors(const void *a, const void *b)
{
    const pg_error_item *x = *(const pg_error_item *const *)a;
    const pg_error_item *y = *(const pg_error_item *const *)b;
    int by_file = strcmp(x->pos.file, y->pos.file);
    if (by_file)
        return by_file;
    if (x->pos.line != y->pos.line)
        return x->pos.line < y->pos.line ? -1 : 1;
    if (x->pos.column != y->pos.column)
        return x->pos.column < y->pos.column ? -1 : 1;
    return strcmp(x->message, y->message);
}

void pg_print_errors(const pg_context *c, sut_buf *out)
{
    const pg_error_item **sorted = calloc(c->error_count + 1, sizeof(const pg_error_item *));
    if (!sorted)
        sut_program_die(SUT_EXIT_SOFTWARE, "out of memory");
    size_t n = 0;
    for (const pg_error_item *e = c->errors; e; e = e->next)
        sorted[n++] = e;
    qsort(sorted, n, sizeof(const pg_error_item *), compare_errors);
    for (size_t i = 0; i < n; i++) {
        const pg_error_item *e = sorted[i];
        if (i > 0 && compare_errors(&sorted[i - 1], &sorted[i]) == 0)
            continue;
        if (sut_buf_printf(out, "%s:%d:%d: error: %s\n", e->pos.file, e->pos.line, e->pos.column, e->message) < 0)
            sut_program_die(SUT_EXIT_SOFTWARE, "out of memory");
    }
    free(sorted);
}

static bool differ(char a, char b)
{
    return tolower((unsigned char)a) != tolower((unsigned char)b);
}

/* Edit distance whatever the case, with adjacent transpositions (optimal string alignment), words of up to 63
 * bytes. */
static unsigned edit_distance(const char *a, const char *b)
{
    enum { WORD_MAX = 64 };
    size_t la = strlen(a), lb = strlen(b);
    if (la >= WORD_MAX || lb >= WORD_MAX)
        return WORD_MAX;
    unsigned row[3][WORD_MAX + 1];
    for (size_t j = 0; j <= lb; j++)
        row[1][j] = (unsigned)j;
    for (size_t i = 1; i <= la; i++) {
        unsigned *before = row[(i - 1) % 3], *last = row[i % 3], *now = row[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned best = last[j - 1] + differ(a[i - 1], b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[(la + 1) % 3][lb];
}

const char *pg_did_you_mean(pg_context *c, const char *word, const char *const *candidates, size_t count)
{
    const char *nearest = NULL;
    unsigned best = (unsigned)strlen(word) / 3 + 1;
    for (size_t i = 0; i < count; i++) {
        unsigned d = candidates[i] ? edit_distance(word, candidates[i]) : best + 1;
        if (d < best || (d == best && !nearest)) {
            best = d;
            nearest = candidates[i];
        }
    }
    return nearest ? pg_printf(c, "; did you mean \"%s\"?", nearest) : "";
}
