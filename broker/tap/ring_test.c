/* The ring and the bucket: bounds, wrapping, order, two threads. */
#include "bucket.h"
#include "ring.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

TestSuite(ring, .timeout = 30);
TestSuite(bucket, .timeout = 30);

static bool put(tap_ring *r, size_t len, uint8_t with)
{
    void *at = tap_ring_begin(r, len);
    if (!at)
        return false;
    memset(at, with, len);
    tap_ring_commit(r);
    return true;
}

static void must_take(tap_ring *r, size_t len, uint8_t with)
{
    size_t got;
    const uint8_t *at = tap_ring_peek(r, &got);
    cr_assert_not_null(at);
    cr_assert_eq(got, len);
    for (size_t i = 0; i < len; i++)
        cr_assert_eq(at[i], with);
    tap_ring_pop(r);
}

Test(ring, records_come_back_in_order_whatever_their_size)
{
    tap_ring r;
    size_t len;
    cr_assert_eq(tap_ring_init(&r, 1024), 0);
    cr_assert_null(tap_ring_peek(&r, &len));
    for (unsigned i = 0; i < 10000; i++) {
        const size_t a = i * 7 % 250, b = i * 13 % 250;
        cr_assert(put(&r, a, (uint8_t)i));
        cr_assert(put(&r, b, (uint8_t)~i));
        must_take(&r, a, (uint8_t)i);
        must_take(&r, b, (uint8_t)~i);
    }
    cr_assert_null(tap_ring_peek(&r, &len));
    tap_ring_deinit(&r);
}

Test(ring, it_is_bounded_and_what_is_refused_leaves_no_trace)
{
    tap_ring r;
    unsigned count = 0;
    size_t len;
    cr_assert_eq(tap_ring_init(&r, 1024), 0);
    cr_assert_not(put(&r, 257, 1)); /* more than a quarter never goes in */
    while (put(&r, 100, (uint8_t)count))
        count++;
    cr_assert_eq(count, 1024 / 112);
    cr_assert_leq(tap_ring_used(&r), 1024);
    for (unsigned i = 0; i < count; i++)
        must_take(&r, 100, (uint8_t)i);
    cr_assert_null(tap_ring_peek(&r, &len));
    cr_assert(put(&r, 256, 9));
    must_take(&r, 256, 9);
    tap_ring_deinit(&r);
}

#define CROSSINGS 200000

static void *taker(void *arg)
{
    tap_ring *r = arg;
    uint64_t wanted = 0;
    while (wanted < CROSSINGS) {
        size_t len;
        const uint8_t *at = tap_ring_peek(r, &len);
        uint64_t value;
        if (!at)
            continue;
        memcpy(&value, at, sizeof value);
        if (value != wanted || len != 8 + value % 57)
            return arg;
        wanted++;
        tap_ring_pop(r);
    }
    return NULL;
}

Test(ring, two_threads_lose_and_mix_nothing)
{
    tap_ring r;
    pthread_t thread;
    void *failed;
    cr_assert_eq(tap_ring_init(&r, 4096), 0);
    cr_assert_eq(pthread_create(&thread, NULL, taker, &r), 0);
    for (uint64_t i = 0; i < CROSSINGS;) {
        void *at = tap_ring_begin(&r, 8 + i % 57);
        if (!at)
            continue;
        memcpy(at, &i, sizeof i);
        tap_ring_commit(&r);
        i++;
    }
    pthread_join(thread, &failed);
    cr_assert_null(failed);
    tap_ring_deinit(&r);
}

Test(bucket, it_lets_pass_its_burst_and_then_its_rate)
{
    uint64_t now = SUT_NS_PER_S, passed = 0;
    tap_bucket b = tap_bucket_of(1000000, 50000, now);
    while (tap_bucket_has(&b, now, 1000)) {
        tap_bucket_take(&b, 1000);
        passed += 1000;
    }
    cr_assert_eq(passed, 50000);
    for (int i = 0; i < 10000; i++) {
        now += 100 * SUT_NS_PER_US; /* a second in all */
        while (tap_bucket_has(&b, now, 1000)) {
            tap_bucket_take(&b, 1000);
            passed += 1000;
        }
    }
    cr_assert_geq(passed, 1045000);
    cr_assert_leq(passed, 1050000);
}

Test(bucket, what_is_larger_than_it_passes_when_it_is_full_and_is_paid_back)
{
    uint64_t now = SUT_NS_PER_S;
    tap_bucket b = tap_bucket_of(1000000, 1000, now);
    cr_assert(tap_bucket_has(&b, now, 500000));
    tap_bucket_take(&b, 500000);
    cr_assert_not(tap_bucket_has(&b, now + 400 * SUT_NS_PER_MS, 1));
    cr_assert(tap_bucket_has(&b, now + 600 * SUT_NS_PER_MS, 1));
    cr_assert(tap_bucket_has(&b, now + 86400 * SUT_NS_PER_S, 1000)); /* a day fills it, and not over its brim */
    cr_assert_eq(b.tokens, 1000);
}
