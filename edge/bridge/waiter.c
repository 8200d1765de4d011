/* futex(2) through syscall(2): glibc has no wrapper. */
#include "waiter.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define KEEP_BYTES (64u << 10) /* a larger answer's memory is given back */

sut_status sut_waiter_new(sut_waiter **out)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return SUT_TRACE(-ENOMEM, "waiter");
    sut_buf_init(&(*out)->bytes, 0);
    return 0;
}

sut_waiter *sut_waiter_free(sut_waiter *w)
{
    if (w) {
        sut_buf_deinit(&w->bytes);
        free(w);
    }
    return NULL;
}

void sut_waiter_arm(sut_waiter *w)
{
    if (w->bytes.cap > KEEP_BYTES)
        sut_buf_deinit(&w->bytes);
    sut_buf_reset(&w->bytes);
    memset(&w->reply, 0, sizeof(w->reply));
    atomic_store_explicit(&w->done, 0, memory_order_relaxed);
}

static sut_status copy(sut_waiter *w, const sut_result *r)
{
    sut_status st = sut_buf_reserve(&w->bytes, r->body.len + r->code.len + r->message.len + 3);
    const sut_str from[] = {r->body, r->code, r->message};
    sut_str *to[] = {&w->reply.body, &w->reply.code, &w->reply.message};
    for (size_t i = 0; i < SUT_ARRAY_LEN(from) && st == 0; i++) {
        to[i]->ptr = (const char *)w->bytes.data + w->bytes.len;
        to[i]->len = from[i].len;
        if (from[i].len > 0)
            st = sut_buf_append(&w->bytes, from[i].ptr, from[i].len);
        if (st == 0)
            st = sut_buf_append(&w->bytes, "", 1);
    }
    return st;
}

void sut_waiter_fire(sut_waiter *w, const sut_result *r)
{
    w->reply.err = r->err;
    w->reply.retry_after_ms = r->retry_after_ms;
    w->reply.http_status = r->http_status;
    if (copy(w, r)) {
        memset(&w->reply, 0, sizeof(w->reply));
        w->reply.err = SUT_ERR_INTERNAL;
        w->reply.code = SUT_STR("internal");
    }
    atomic_store_explicit(&w->done, 1, memory_order_release);
    (void)syscall(SYS_futex, &w->done, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

bool sut_waiter_sleep(sut_waiter *w, uint32_t timeout_ms)
{
    const struct timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = (long)(timeout_ms % 1000) * 1000000};
    while (atomic_load_explicit(&w->done, memory_order_acquire) == 0) {
        if (syscall(SYS_futex, &w->done, FUTEX_WAIT_PRIVATE, 0, &timeout, NULL, 0) == -1 && errno == ETIMEDOUT)
            return atomic_load_explicit(&w->done, memory_order_acquire) != 0;
    }
    return true;
}
