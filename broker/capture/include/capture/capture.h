/* Captures what passes the broker: calls with their answers, events and deliveries, trace by trace, into a ring of
 * files on disk, so that "what did user 42 see five minutes ago" has an answer.
 *
 * The loop hands sights over by copy (sut_capture_see), never waits and never pays for more than an allowance; what is
 * beyond it is counted. A thread of its own puts them together, takes out what is secret, seals what may be personal,
 * and writes. One trace in `one_in` is captured whole; of the others those with an error, a slow call or a failed
 * delivery, with what of them is still in memory. It is diagnostics: nothing is fsynced, and nothing here stops the
 * bus. */
#ifndef SUT_CAPTURE_CAPTURE_H
#define SUT_CAPTURE_CAPTURE_H

#include "base/list.h"
#include "base/loop.h"
#include "capture/span.h"
#include "wire/sight.h"

typedef struct sut_capture sut_capture;

typedef struct sut_capture_options {
    const char *dir;            /* made if it is not there, mode 0700 */
    const char *key_file;       /* `KID HEXKEY` lines, the first one seals; made with a random key if it is not there */
    uint64_t bytes;             /* of the ring at most */
    int64_t age_us;             /* spans older than that are dropped; 0: only by bytes */
    uint32_t one_in;            /* head sampling; 0: none */
    uint64_t slow_us;           /* calls and deliveries that took so long are captured; 0: none for that */
    bool flagged;               /* traces whose flags say `sampled` are captured, too */
    uint32_t sights_per_second; /* for each class of capture/sample.h; 0: 4,000 */
} sut_capture_options;

/* Opens folder and keys and starts the thread, which then reads what is there. -EINVAL, -EBUSY and so on with one line
 * in `error`. A disk that cannot be written is none of these: the thread tries again. */
SUT_MUST_CHECK sut_status sut_capture_new(sut_capture **out, sut_loop *loop, const sut_capture_options *opt,
                                          char *error, size_t error_size);
/* Writes what is there and ends the thread; jobs that wait are forgotten, and no `done` runs any more. Returns NULL. */
sut_capture *sut_capture_free(sut_capture *c);

/* All on the loop's thread. Does the capture want this call, which begins now? What it says must come back as
 * sut_sight.picked, with bits of others left out. */
#define SUT_CAPTURE_PICKED 3
uint8_t sut_capture_pick(sut_capture *c, sut_str traceparent, sut_str subject, int64_t at_us);
/* Borrows the sight for the call only. */
void sut_capture_see(sut_capture *c, const sut_sight *s);
/* Reads the key file again; what is wrong with it is logged, and the old keys stay. */
void sut_capture_reload(sut_capture *c);

/* ---- asking: on the capture thread, which knows what has not been written yet ---- */

typedef struct sut_capture_reader sut_capture_reader;
typedef struct sut_capture_job sut_capture_job;
struct sut_capture_job {
    void (*run)(sut_capture_job *job, sut_capture_reader *r); /* on the capture thread */
    void (*done)(sut_capture_job *job);                       /* on the loop's thread, afterwards */
    sut_node node;
    sut_task task;
    sut_capture *capture;
};
/* The job stays the caller's memory. -EAGAIN: too many wait. */
SUT_MUST_CHECK sut_status sut_capture_ask(sut_capture *c, sut_capture_job *job);

typedef bool (*sut_capture_fn)(void *arg, const sut_span *s); /* false: enough. The span is borrowed */
/* All of a trace: what was captured, in the order of its end, then what is only in memory. Lane keys are there, bodies
 * are not. */
void sut_capture_each_of_trace(sut_capture_reader *r, const uint8_t trace_id[SUT_TRACE_ID_BYTES], sut_capture_fn fn,
                               void *arg);

typedef struct sut_capture_filter {
    int64_t user_id;            /* 0: any */
    int64_t since_us, until_us; /* 0: no bound */
    uint64_t after;             /* only spans with larger numbers */
} sut_capture_filter;
/* Captured spans with bodies (as in sut_span) by number, until fn returns false, having taken its last one, or a
 * bounded number was looked at. `*after` is where the next page goes on; 0: that was all. */
void sut_capture_each(sut_capture_reader *r, const sut_capture_filter *f, sut_capture_fn fn, void *arg,
                      uint64_t *after);

typedef struct sut_capture_stats {
    uint64_t seen_total, taken_total; /* calls asked about, events and deliveries; sights handed over */
    uint64_t passed_total;            /* beyond the allowance */
    uint64_t lost_total;              /* sights for which the queue had no room, spans that the disk did not take */
    uint64_t spans_total;             /* written */
    uint64_t damaged_total;           /* places in files that were passed over */
    uint64_t segments, records, bytes;
    uint64_t memory_bytes; /* queue, open calls, recent spans */
    uint64_t one_in;       /* for now: more than set while there is too much; 0: no head sampling */
    int64_t oldest_us;
    int fault; /* errno of what keeps it from writing; 0: it writes */
} sut_capture_stats;
void sut_capture_get_stats(sut_capture *c, sut_capture_stats *out);

#endif
