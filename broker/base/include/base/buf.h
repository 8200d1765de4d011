/* A growable byte buffer with a bound. Owned by its holder; not thread-safe. */
#ifndef SUT_BASE_BUF_H
#define SUT_BASE_BUF_H

#include "base/str.h"

typedef struct sut_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t limit; /* 0: no bound; else appending past it fails with -EMSGSIZE and changes nothing */
} sut_buf;

void sut_buf_init(sut_buf *b, size_t limit_bytes);
void sut_buf_deinit(sut_buf *b); /* idempotent */
void sut_buf_reset(sut_buf *b);  /* len = 0, memory kept */
SUT_MUST_CHECK sut_status sut_buf_reserve(sut_buf *b, size_t extra_bytes);
SUT_MUST_CHECK sut_status sut_buf_append(sut_buf *b, const void *bytes, size_t len);
SUT_MUST_CHECK sut_status sut_buf_puts(sut_buf *b, const char *cstr);
SUT_MUST_CHECK sut_status sut_buf_printf(sut_buf *b, const char *fmt, ...) SUT_PRINTF(2, 3);
/* Hands the memory over to the caller (free()) and leaves `b` empty. */
uint8_t *sut_buf_steal(sut_buf *b, size_t *len);
/* The contents as a sut_str, NUL-terminated behind len; valid until the next change. */
SUT_MUST_CHECK sut_status sut_buf_str(sut_buf *b, sut_str *out);

#endif
