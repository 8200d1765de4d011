/* The send queue of a peer: packing, bounds, order, and what a refusing socket leaves behind. */
#include "outbox.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

TestSuite(outbox, .timeout = 20);

typedef struct wire_end {
    uint8_t *bytes;
    size_t len, frames, largest;
    size_t room; /* frames that are still accepted */
    sut_status refusal;
    bool takes; /* keeps the memory */
} wire_end;

static sut_status receive(void *arg, uint8_t *bytes, size_t len, bool *taken)
{
    wire_end *w = arg;

    if (!w->room)
        return w->refusal;
    w->room--;
    w->frames++;
    w->largest = len > w->largest ? len : w->largest;
    w->bytes = realloc(w->bytes, w->len + len);
    memcpy(w->bytes + w->len, bytes, len);
    w->len += len;
    *taken = w->takes;
    if (w->takes)
        free(bytes);
    return 0;
}

static const sut_outbox_bounds wide = {8u << 20, 65536};
static char filler[SUT_ENVELOPE_MAX];

static sut_status add(sut_outbox *o, sut_outbox_pool *pool, const sut_outbox_bounds *bounds, uint64_t id, size_t body)
{
    return sut_outbox_add(o, pool, bounds,
                          &(sut_envelope){.version = SUT_PROTOCOL_VERSION,
                                          .kind = SUT_REPLY,
                                          .id = id,
                                          .subject = SUT_STR("a.b"),
                                          .body = {filler, body}});
}

/* All envelopes that arrived, in order from 1. */
static void expect_ids(const wire_end *w, uint64_t last)
{
    size_t at = 0;

    for (uint64_t id = 1; id <= last; id++) {
        sut_envelope env;
        size_t used;

        cr_assert_eq(sut_envelope_decode(w->bytes + at, w->len - at, &env, &used), SUT_ENV_OK);
        cr_assert_eq(env.id, id);
        at += used;
    }
    cr_assert_eq(at, w->len);
}

Test(outbox, what_is_added_in_a_turn_is_one_frame)
{
    sut_outbox_pool pool = {0};
    sut_outbox o;
    wire_end w = {.room = 100};

    sut_outbox_init(&o);
    for (uint64_t id = 1; id <= 50; id++)
        cr_assert_eq(add(&o, &pool, &wide, id, 100), 0);
    cr_assert_eq(sut_outbox_flush(&o, &pool, receive, &w), 0);
    cr_assert_eq(w.frames, 1);
    cr_assert(sut_outbox_empty(&o));
    cr_assert_eq(o.bytes, 0);
    expect_ids(&w, 50);
    free(w.bytes);
    sut_outbox_deinit(&o, &pool);
    sut_outbox_pool_deinit(&pool);
}

Test(outbox, frames_end_at_their_limit_unless_one_envelope_is_larger)
{
    sut_outbox_pool pool = {0};
    sut_outbox o;
    wire_end w = {.room = 100, .takes = true};

    sut_outbox_init(&o);
    for (uint64_t id = 1; id <= 20; id++)
        cr_assert_eq(add(&o, &pool, &wide, id, 10000), 0);
    cr_assert_eq(sut_outbox_flush(&o, &pool, receive, &w), 0);
    cr_assert_leq(w.largest, (size_t)SUT_FRAME_MAX);
    cr_assert_eq(w.frames, 4);
    cr_assert_eq(add(&o, &pool, &wide, 21, 500000), 0);
    cr_assert_eq(add(&o, &pool, &wide, 22, 10), 0);
    cr_assert_eq(sut_outbox_flush(&o, &pool, receive, &w), 0);
    cr_assert_gt(w.largest, 500000);
    cr_assert_eq(w.frames, 6);
    expect_ids(&w, 22);
    free(w.bytes);
    sut_outbox_deinit(&o, &pool);
    sut_outbox_pool_deinit(&pool);
}

Test(outbox, a_refusal_keeps_everything_in_order)
{
    sut_outbox_pool pool = {0};
    sut_outbox o;
    wire_end w = {.room = 2, .refusal = -EAGAIN};
    uint64_t id = 0;

    sut_outbox_init(&o);
    while (id < 40)
        cr_assert_eq(add(&o, &pool, &wide, ++id, 10000), 0);
    cr_assert_eq(sut_outbox_flush(&o, &pool, receive, &w), -EAGAIN);
    while (id < 45)
        cr_assert_eq(add(&o, &pool, &wide, ++id, 10), 0);
    cr_assert_eq(sut_outbox_flush(&o, &pool, receive, &w), -EAGAIN);
    cr_assert_not(sut_outbox_empty(&o));
    w.room = 100;
    cr_assert_eq(sut_outbox_flush(&o, &pool, receive, &w), 0);
    cr_assert(sut_outbox_empty(&o));
    cr_assert_eq(o.bytes, 0);
    expect_ids(&w, 45);
    free(w.bytes);
    sut_outbox_deinit(&o, &pool);
    sut_outbox_pool_deinit(&pool);
}

Test(outbox, a_lost_route_is_told)
{
    sut_outbox_pool pool = {0};
    sut_outbox o;
    wire_end w = {.refusal = -EHOSTUNREACH};

    sut_outbox_init(&o);
    cr_assert_eq(add(&o, &pool, &wide, 1, 10), 0);
    cr_assert_eq(sut_outbox_flush(&o, &pool, receive, &w), -EHOSTUNREACH);
    sut_outbox_deinit(&o, &pool);
    sut_outbox_deinit(&o, &pool);
    sut_outbox_pool_deinit(&pool);
}

Test(outbox, it_is_bounded_by_bytes_and_by_count)
{
    const sut_outbox_bounds by_bytes = {100000, 1000}, by_count = {8u << 20, 10};
    sut_outbox_pool pool = {0};
    sut_outbox o;
    int held = 0;

    sut_outbox_init(&o);
    while (add(&o, &pool, &by_bytes, 1, 10000) == 0)
        held++;
    cr_assert_eq(held, 9);
    cr_assert_leq(o.bytes, (size_t)100000);
    sut_outbox_deinit(&o, &pool);
    sut_outbox_init(&o);
    for (held = 0; add(&o, &pool, &by_count, 1, 10) == 0;)
        held++;
    cr_assert_eq(held, 10);
    sut_outbox_deinit(&o, &pool);
    sut_outbox_pool_deinit(&pool);
}

Test(outbox, one_large_envelope_always_fits_an_empty_box)
{
    const sut_outbox_bounds small = {1000, 1000};
    sut_outbox_pool pool = {0};
    sut_outbox o;

    sut_outbox_init(&o);
    cr_assert_eq(add(&o, &pool, &small, 1, 900000), 0);
    cr_assert_eq(add(&o, &pool, &small, 2, 10), SUT_OUTBOX_FULL);
    sut_outbox_deinit(&o, &pool);
    sut_outbox_pool_deinit(&pool);
}

Test(outbox, idle_boxes_hold_no_memory)
{
    sut_outbox_pool pool = {0};
    sut_outbox boxes[40];
    wire_end w = {.room = 1000};

    for (size_t i = 0; i < SUT_ARRAY_LEN(boxes); i++) {
        sut_outbox_init(&boxes[i]);
        cr_assert_eq(add(&boxes[i], &pool, &wide, 1, 10), 0);
    }
    for (size_t i = 0; i < SUT_ARRAY_LEN(boxes); i++) {
        cr_assert_eq(sut_outbox_flush(&boxes[i], &pool, receive, &w), 0);
        cr_assert_null(boxes[i].open.data);
    }
    cr_assert_eq(pool.count, (size_t)SUT_OUTBOX_SPARES);
    free(w.bytes);
    sut_outbox_pool_deinit(&pool);
}

static void add_frame(sut_outbox *o, uint64_t first, uint64_t count)
{
    sut_buf b;
    size_t len;

    sut_buf_init(&b, 0);
    for (uint64_t i = 0; i < count; i++)
        cr_assert_eq(sut_envelope_encode(&b, &(sut_envelope){.kind = SUT_PING, .id = first + i}), 0);
    uint8_t *bytes = sut_buf_steal(&b, &len);
    cr_assert_eq(sut_outbox_add_frame(o, bytes, len, (uint32_t)count), 0);
}

Test(outbox, frames_that_are_encoded_already_keep_their_place)
{
    sut_outbox_pool pool = {0};
    sut_outbox o;
    wire_end w = {.room = 1, .refusal = -EAGAIN};

    sut_outbox_init(&o);
    cr_assert_eq(add(&o, &pool, &wide, 1, 10), 0);
    add_frame(&o, 2, 3);
    add_frame(&o, 5, 1);
    cr_assert_eq(add(&o, &pool, &wide, 6, 10), 0);
    cr_assert_eq(o.envelopes, 6);
    cr_assert_eq(sut_outbox_flush(&o, &pool, receive, &w), -EAGAIN);
    w.room = 100;
    w.takes = true;
    cr_assert_eq(sut_outbox_flush(&o, &pool, receive, &w), 0);
    expect_ids(&w, 6);
    cr_assert_eq(w.frames, 4);
    cr_assert(sut_outbox_empty(&o));
    cr_assert_eq(o.bytes, 0);
    add_frame(&o, 7, 2); /* one that is never sent is freed with the box */
    sut_outbox_deinit(&o, &pool);
    sut_outbox_pool_deinit(&pool);
    free(w.bytes);
}
