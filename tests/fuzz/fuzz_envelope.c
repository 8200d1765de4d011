/* Envelopes: a frame of anything is walked; what decodes must encode, and decode to the same again. */
#include "fuzz.h"

static bool same(sut_str a, sut_str b)
{
    return sut_str_eq(a, b);
}

static void check_same(const sut_envelope *a, const sut_envelope *b)
{
    MUST(a->version == b->version && a->kind == b->kind && a->id == b->id && a->ttl_ms == b->ttl_ms);
    MUST(same(a->subject, b->subject) && same(a->key, b->key) && (a->key.ptr == NULL) == (b->key.ptr == NULL));
    MUST(a->principal.user_id == b->principal.user_id && a->principal.level == b->principal.level);
    MUST(same(a->principal.session, b->principal.session) && same(a->traceparent, b->traceparent));
    MUST(same(a->opt.idempotency_key, b->opt.idempotency_key) && same(a->opt.instance, b->opt.instance));
    MUST(a->opt.attempt == b->opt.attempt && a->opt.credits == b->opt.credits);
    MUST(a->opt.retry_after_ms == b->opt.retry_after_ms && a->opt.http_status == b->opt.http_status);
    MUST(a->opt.sequence == b->opt.sequence && a->opt.session == b->opt.session);
    MUST(same(a->body, b->body));
}

static void check_inside(sut_str s, const uint8_t *data, size_t size)
{
    if (s.len > 0)
        MUST((const uint8_t *)s.ptr >= data && (const uint8_t *)s.ptr + s.len <= data + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FUZZ_BUF(out);
    size_t at = 0;
    while (at < size) {
        sut_envelope env, again;
        size_t used, used_again;
        if (sut_envelope_decode(data + at, size - at, &env, &used)) {
            MUST(used == 0);
            break;
        }
        MUST(used > 0 && used <= size - at && used <= SUT_ENVELOPE_MAX);
        check_inside(env.subject, data, size);
        check_inside(env.body, data, size);
        check_inside(env.opt.idempotency_key, data, size);
        sut_buf_reset(&out);
        MUST(sut_envelope_encode(&out, &env) == 0);
        MUST(out.len <= sut_envelope_size_bound(&env));
        MUST(sut_envelope_decode(out.data, out.len, &again, &used_again) == SUT_ENV_OK && used_again == out.len);
        check_same(&env, &again);
        at += used;
    }
    return 0;
}
