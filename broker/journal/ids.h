/* The window of event ids that have been seen: a ring in order of arrival with a hash index. Not thread-safe.
 * Whoever adds can take back what was added last, so that a transaction that fails leaves no trace. */
#ifndef SUT_JOURNAL_IDS_H
#define SUT_JOURNAL_IDS_H

#include "wire/envelope.h"

typedef struct id_seen {
    uint8_t id[SUT_EVENT_ID_LEN];
    uint64_t sequence; /* 0: delayed */
    int64_t time_us;
} id_seen;

typedef struct id_window id_window;

SUT_MUST_CHECK sut_status id_window_new(id_window **out, uint32_t max_ids, int64_t max_age_us);
id_window *id_window_free(id_window *w);
const id_seen *id_window_find(const id_window *w, const uint8_t id[SUT_EVENT_ID_LEN]);
/* The id must not be there. Goes past max_ids until the next id_window_expire. -ENOMEM. */
SUT_MUST_CHECK sut_status id_window_add(id_window *w, const id_seen *seen);
void id_window_take_back(id_window *w, size_t count); /* the last ones added */
void id_window_expire(id_window *w, int64_t now_us);  /* forgets what is too old or too much */
size_t id_window_count(const id_window *w);

#endif
