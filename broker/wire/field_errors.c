/* Field errors: collecting them, and the RFC 6901 pointers that say where. */
#include "runtime.h"

#include <stdarg.h>
#include <stdio.h>

#define MESSAGE_MAX 400
#define INDEX_MAX   20 /* digits of a 64-bit number */

void sut_field_errors_init(sut_field_errors *e, sut_arena *a, size_t max)
{
    *e = (sut_field_errors){.arena = a, .max = max};
}

/* What vsnprintf wrote of `len` bytes; a character that was cut in two is left out, since messages must be UTF-8. */
static sut_str shown_of(const char *message, int len)
{
    sut_str shown = {message, len < 0 ? 0 : (size_t)len};
    if (shown.len < MESSAGE_MAX)
        return shown;
    shown.len = MESSAGE_MAX - 1;
    while (shown.len > 0 && !sut_mp_utf8(shown.ptr, shown.len))
        shown.len--;
    return shown;
}

static void add_error(sut_field_errors *e, sut_str pointer, const char *code, const char *fmt, va_list args)
{
    char message[MESSAGE_MAX];
    if (e->count < e->max && !e->items)
        e->items = sut_arena_array(e->arena, e->max, sizeof *e->items);
    if (e->count >= e->max || !e->items) {
        e->dropped++;
        return;
    }
    int len = vsnprintf(message, sizeof message, fmt, args);
    sut_field_error item = {
        .pointer = pointer, .code = sut_str_from(code), .message = sut_arena_str(e->arena, shown_of(message, len))};
    if (!item.pointer.ptr || !item.message.ptr) {
        e->dropped++;
        return;
    }
    e->items[e->count++] = item;
}

void sut_field_errors_add(sut_field_errors *e, sut_str pointer, const char *code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    sut_str copy = e->count < e->max ? sut_arena_str(e->arena, pointer.ptr ? pointer : SUT_STR("")) : SUT_STR_NONE;
    add_error(e, copy, code, fmt, args);
    va_end(args);
}

static size_t step_length(const sut_path *step)
{
    if (!step->name.ptr)
        return 1 + INDEX_MAX;
    size_t len = 1;
    for (size_t i = 0; i < step->name.len; i++)
        len += step->name.ptr[i] == '~' || step->name.ptr[i] == '/' ? 2 : 1;
    return len;
}

static char *put_step(char *p, const sut_path *step)
{
    *p++ = '/';
    if (!step->name.ptr)
        return p + sprintf(p, "%zu", step->index);
    for (size_t i = 0; i < step->name.len; i++) {
        char c = step->name.ptr[i];
        if (c == '~' || c == '/') {
            *p++ = '~';
            *p++ = c == '~' ? '0' : '1';
        } else {
            *p++ = c;
        }
    }
    return p;
}

/* Steps are linked from the leaf up; the pointer reads from the root down. */
static char *put_path(char *p, const sut_path *path)
{
    return path ? put_step(put_path(p, path->up), path) : p;
}

static sut_str pointer_of(sut_arena *a, const sut_path *path)
{
    size_t len = 1;
    for (const sut_path *step = path; step; step = step->up)
        len += step_length(step);
    char *text = sut_arena_alloc(a, len);
    if (!text)
        return SUT_STR_NONE;
    return (sut_str){text, (size_t)(put_path(text, path) - text)};
}

void sut_path_error(sut_field_errors *e, const sut_path *path, const char *code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add_error(e, e->count < e->max ? pointer_of(e->arena, path) : SUT_STR_NONE, code, fmt, args);
    va_end(args);
}
