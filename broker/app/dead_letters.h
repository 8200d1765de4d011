/* Dead letters in the memory of a request: what the journal's reader copies out of it for the loop. */
#ifndef SUT_APP_DEAD_LETTERS_H
#define SUT_APP_DEAD_LETTERS_H

#include "control_request.h"

typedef struct sut_dead_pick { /* which ones: the fields that the methods share */
    const int64_t *ids;        /* with id_count; else the filter */
    size_t id_count;
    sut_dead_query filter;
    bool heads_only; /* without bodies */
} sut_dead_pick;

typedef struct sut_dead_list {
    sut_dead_letter **items; /* owned by the request's arena */
    size_t count, max;
    const int64_t **missing; /* ids that are not there */
    size_t missing_count;
    bool more; /* there were more than `max` */
} sut_dead_list;

/* On the reader's thread: copies what was picked, at most `max`. -ENOMEM when the arena is full. */
SUT_MUST_CHECK sut_status sut_dead_list_fill(sut_control_request *rq, sut_journal *j, const sut_dead_pick *pick,
                                             size_t max, sut_dead_list *out);

#endif
