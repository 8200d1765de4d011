/* A peer's send queue: packing envelopes into frames of up to SUT_FRAME_MAX, and its bounds. */
#include "outbox.h"

#include <errno.h>
#include <stdlib.h>

typedef struct frame {
    sut_node node;
    uint8_t *bytes;
    size_t len;
    uint32_t envelopes;
} frame;

void sut_outbox_pool_deinit(sut_outbox_pool *p)
{
    while (p->count)
        free(p->spare[--p->count]);
}

/* Memory of a frame's size goes back to the pool, anything larger to the heap. */
static void pool_give(sut_outbox_pool *p, sut_buf *b)
{
    if (b->data && b->cap <= 2 * SUT_FRAME_MAX && p->count < SUT_OUTBOX_SPARES) {
        p->cap[p->count] = b->cap;
        p->spare[p->count++] = b->data;
        sut_buf_init(b, 0);
        return;
    }
    sut_buf_deinit(b);
}

static sut_status pool_take(sut_outbox_pool *p, sut_buf *b)
{
    sut_buf_init(b, 0);
    if (!p->count)
        return sut_buf_reserve(b, SUT_FRAME_MAX);
    b->data = p->spare[--p->count];
    b->cap = p->cap[p->count];
    return 0;
}

void sut_outbox_init(sut_outbox *o)
{
    *o = (sut_outbox){0};
    sut_buf_init(&o->open, 0);
    sut_list_init(&o->sealed);
}

static void frame_free(frame *f)
{
    free(f->bytes);
    free(f);
}

void sut_outbox_deinit(sut_outbox *o, sut_outbox_pool *pool)
{
    sut_node *n;

    if (!o->sealed.next) /* never initialised, or done before */
        return;
    while ((n = sut_list_pop_front(&o->sealed)))
        frame_free(SUT_CONTAINER(n, frame, node));
    pool_give(pool, &o->open);
    sut_outbox_init(o);
}

bool sut_outbox_empty(const sut_outbox *o)
{
    return o->envelopes == 0;
}

/* Closes the open frame: it goes behind the sealed ones. */
static sut_status seal(sut_outbox *o)
{
    frame *f = calloc(1, sizeof *f);

    if (!f)
        return -ENOMEM;
    f->envelopes = o->open_envelopes;
    f->bytes = sut_buf_steal(&o->open, &f->len);
    o->open_envelopes = 0;
    sut_list_push_back(&o->sealed, &f->node);
    return 0;
}

sut_status sut_outbox_add(sut_outbox *o, sut_outbox_pool *pool, const sut_outbox_bounds *bounds,
                          const sut_envelope *env)
{
    size_t size = sut_envelope_size_bound(env), before;
    sut_status r;

    if (o->envelopes && (o->bytes + size > bounds->bytes || o->envelopes >= bounds->envelopes))
        return SUT_OUTBOX_FULL;
    if (o->open.len && o->open.len + size > SUT_FRAME_MAX && (r = seal(o)) < 0)
        return r;
    if (!o->open.data && (r = pool_take(pool, &o->open)) < 0)
        return r;
    before = o->open.len;
    r = sut_envelope_encode(&o->open, env);
    if (r < 0) {
        o->open.len = before;
        return r;
    }
    o->bytes += o->open.len - before;
    o->open_envelopes++;
    o->envelopes++;
    return 0;
}

sut_status sut_outbox_add_frame(sut_outbox *o, uint8_t *bytes, size_t len, uint32_t envelopes)
{
    frame *f = calloc(1, sizeof *f);

    if (!f)
        return -ENOMEM;
    if (o->open.len && seal(o) < 0) {
        free(f);
        return -ENOMEM;
    }
    *f = (frame){.bytes = bytes, .len = len, .envelopes = envelopes};
    sut_list_push_back(&o->sealed, &f->node);
    o->bytes += len;
    o->envelopes += envelopes;
    return 0;
}

static sut_status flush_sealed(sut_outbox *o, sut_outbox_send_fn send, void *arg)
{
    while (!sut_list_empty(&o->sealed)) {
        frame *f = SUT_CONTAINER(o->sealed.next, frame, node);
        bool taken = false;
        sut_status r = send(arg, f->bytes, f->len, &taken);

        if (r < 0)
            return r;
        if (taken)
            f->bytes = NULL;
        o->bytes -= f->len;
        o->envelopes -= f->envelopes;
        (void)sut_list_pop_front(&o->sealed);
        frame_free(f);
    }
    return 0;
}

sut_status sut_outbox_flush(sut_outbox *o, sut_outbox_pool *pool, sut_outbox_send_fn send, void *arg)
{
    sut_status r = flush_sealed(o, send, arg);
    bool taken = false;

    if (r < 0 || !o->open.len)
        return r;
    r = send(arg, o->open.data, o->open.len, &taken);
    if (r < 0) /* stays open: later envelopes may still share the frame */
        return r;
    o->bytes -= o->open.len;
    o->envelopes -= o->open_envelopes;
    o->open_envelopes = 0;
    if (taken)
        sut_buf_init(&o->open, 0);
    sut_buf_reset(&o->open);
    pool_give(pool, &o->open);
    return 0;
}
