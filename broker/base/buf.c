/* The growable byte buffer. `cap` never counts the one byte more that is always there for a NUL. */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAP 64

void sut_buf_init(sut_buf *b, size_t limit_bytes)
{
    *b = (sut_buf){.limit = limit_bytes};
}

void sut_buf_deinit(sut_buf *b)
{
    free(b->data);
    *b = (sut_buf){.limit = b->limit};
}

void sut_buf_reset(sut_buf *b)
{
    b->len = 0;
}

sut_status sut_buf_reserve(sut_buf *b, size_t extra_bytes)
{
    size_t want;
    if (__builtin_add_overflow(b->len, extra_bytes, &want) || want == SIZE_MAX || (b->limit && want > b->limit))
        return -EMSGSIZE;
    if (want <= b->cap)
        return 0;
    size_t cap = b->cap ? b->cap : FIRST_CAP;
    while (cap < want)
        cap = cap > SIZE_MAX / 2 ? want : cap * 2;
    if (b->limit && cap > b->limit)
        cap = b->limit;
    uint8_t *data = realloc(b->data, cap + 1);
    if (!data)
        return -ENOMEM;
    b->data = data;
    b->cap = cap;
    return 0;
}

sut_status sut_buf_append(sut_buf *b, const void *bytes, size_t len)
{
    sut_status r = sut_buf_reserve(b, len);
    if (r)
        return r;
    if (len)
        memcpy(b->data + b->len, bytes, len);
    b->len += len;
    return 0;
}

sut_status sut_buf_puts(sut_buf *b, const char *cstr)
{
    return sut_buf_append(b, cstr, strlen(cstr));
}

sut_status sut_buf_printf(sut_buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    sut_status r = n < 0 ? -EINVAL : sut_buf_reserve(b, (size_t)n);
    if (!r && n > 0) {
        (void)vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    va_end(args);
    return r;
}

uint8_t *sut_buf_steal(sut_buf *b, size_t *len)
{
    uint8_t *data = b->data;
    *len = b->len;
    *b = (sut_buf){.limit = b->limit};
    return data;
}

sut_status sut_buf_str(sut_buf *b, sut_str *out)
{
    if (!b->data) {
        *out = SUT_STR("");
        return 0;
    }
    b->data[b->len] = '\0';
    *out = (sut_str){(const char *)b->data, b->len};
    return 0;
}
