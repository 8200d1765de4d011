/* Batches. Records are copied as they are and decoded from the copy: one decoding more, but the read transaction that
 * pins pages ends before anything is made of them. */
#include "batch.h"

#include "record.h"

#include <errno.h>
#include <stdlib.h>

typedef struct record_batch {
    journal_batch base;
    uint8_t *bytes;
    sut_journal_event events[];
} record_batch;

void journal_batch_init(journal_batch *b, void (*release)(journal_batch *b))
{
    b->pub = (sut_journal_batch){.events = NULL};
    atomic_init(&b->refs, 1);
    b->release = release;
}

sut_journal_batch *sut_journal_batch_ref(sut_journal_batch *b)
{
    if (b)
        atomic_fetch_add_explicit(&SUT_CONTAINER(b, journal_batch, pub)->refs, 1, memory_order_relaxed);
    return b;
}

sut_journal_batch *sut_journal_batch_unref(sut_journal_batch *b)
{
    if (b) {
        journal_batch *own = SUT_CONTAINER(b, journal_batch, pub);
        if (atomic_fetch_sub_explicit(&own->refs, 1, memory_order_acq_rel) == 1)
            own->release(own);
    }
    return NULL;
}

static void release_records(journal_batch *b)
{
    record_batch *own = SUT_CONTAINER(b, record_batch, base);
    free(own->bytes);
    free(own);
}

void batch_maker_init(batch_maker *m)
{
    sut_buf_init(&m->bytes, 0);
    sut_buf_init(&m->offsets, 0);
    m->count = 0;
}

void batch_maker_deinit(batch_maker *m)
{
    sut_buf_deinit(&m->bytes);
    sut_buf_deinit(&m->offsets);
    m->count = 0;
}

sut_status batch_maker_add(batch_maker *m, const void *record, size_t len)
{
    size_t end = m->bytes.len + len;
    sut_status status = sut_buf_append(&m->offsets, &end, sizeof end);
    if (!status)
        status = sut_buf_append(&m->bytes, record, len);
    if (!status)
        m->count++;
    return status;
}

static sut_status decode_all(const batch_maker *m, const uint8_t *bytes, sut_journal_event *events)
{
    size_t start = 0;
    for (size_t i = 0; i < m->count; i++) {
        size_t end;
        memcpy(&end, m->offsets.data + i * sizeof end, sizeof end);
        if (record_decode_event(bytes + start, end - start, &events[i]))
            return -EBADMSG;
        start = end;
    }
    return 0;
}

sut_status batch_maker_finish(batch_maker *m, sut_journal_batch **out)
{
    record_batch *b = malloc(sizeof *b + m->count * sizeof b->events[0]);
    if (!b) {
        batch_maker_deinit(m);
        return -ENOMEM;
    }
    size_t len;
    journal_batch_init(&b->base, release_records);
    b->bytes = sut_buf_steal(&m->bytes, &len);
    sut_status status = decode_all(m, b->bytes, b->events);
    b->base.pub.events = b->events;
    b->base.pub.count = m->count;
    batch_maker_deinit(m);
    if (status)
        release_records(&b->base);
    else
        *out = &b->base.pub;
    return status;
}
