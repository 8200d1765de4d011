/* Batches of events: counted references, and memory that whoever made it knows how to release. */
#ifndef SUT_JOURNAL_BATCH_H
#define SUT_JOURNAL_BATCH_H

#include "base/buf.h"
#include "base/list.h"
#include "journal/journal.h"

#include <stdatomic.h>

typedef struct journal_batch journal_batch;
struct journal_batch {
    sut_journal_batch pub; /* first: the public pointer is this one */
    atomic_uint refs;
    void (*release)(journal_batch *b); /* frees `b` too; may run on any thread */
};

void journal_batch_init(journal_batch *b, void (*release)(journal_batch *b)); /* one reference */

/* Collects checked records; the events of the finished batch point into its own copy of them. */
typedef struct batch_maker {
    sut_buf bytes, offsets;
    size_t count;
} batch_maker;
void batch_maker_init(batch_maker *m);
void batch_maker_deinit(batch_maker *m);
SUT_MUST_CHECK sut_status batch_maker_add(batch_maker *m, const void *record, size_t len);
/* Decodes what was added, in order. -ENOMEM, -EBADMSG. The maker is empty afterwards. */
SUT_MUST_CHECK sut_status batch_maker_finish(batch_maker *m, sut_journal_batch **out);

#endif
