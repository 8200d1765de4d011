/* Projections: a copy of what another actor owns, in our database, kept current by a consumer with versioned upserts.
 * One that went wrong is built anew beside the live copy, and swapped in:
 *
 *   1. the journal's end is noted;
 *   2. `fresh` makes an empty copy, and `page` fills it from the owner's batch reads;
 *   3. what came after the noted end is told again to `apply`;
 *   4. `swap` counts how the copy differs from the live one, and takes its place.
 *
 * The snapshot is younger than the noted end, so retention never makes a rebuild wrong; and since all writes into the
 * copy are versioned upserts, it does not matter that some of what is told again is in the snapshot already. The live
 * copy is used and kept current all the while.
 *
 * An actor lists its projections in its options and declares SERVICE.rebuild_start and SERVICE.rebuild_status, whose
 * handlers call the two functions below: that is what `sut rebuild SERVICE.NAME` asks. */
#ifndef SUT_KIT_PROJECTION_H
#define SUT_KIT_PROJECTION_H

#include "kit/pg.h"

typedef struct sut_projection_page {
    int64_t after; /* in: 0, or where the last page ended; out: where this one did */
    int64_t rows;  /* out: how many it had */
    bool more;     /* out */
} sut_projection_page;

typedef struct sut_projection_diff {   /* of the fresh copy, against the live one */
    int64_t missing, extra, different; /* missing: only the fresh one has it */
} sut_projection_diff;

struct sut_projection {
    const char *name;               /* "username" */
    const sut_event *const *events; /* what changes it */
    size_t event_count;
    sut_pg_tx_fn fresh; /* arg: NULL */
    sut_status (*page)(sut_request *rq, sut_projection_page *page);
    sut_status (*apply)(sut_request *rq, const sut_event *event, const void *body);
    sut_pg_tx_fn swap; /* arg: a sut_projection_diff to fill */
};

/* Begins, and returns. SUT_ERR_NOT_FOUND: no such projection; SUT_ERR_CONFLICT: it is being rebuilt, by whichever
 * instance. */
SUT_MUST_CHECK sut_status sut_projection_rebuild(sut_request *rq, sut_str name);

typedef struct sut_projection_status {
    sut_str state; /* "idle" (never rebuilt), "running", "done", "failed" */
    sut_str error; /* failed: why; else absent */
    int64_t rows, replayed;
    sut_projection_diff diff;
} sut_projection_status;
/* How the last rebuild is going or went, whichever instance does it. */
SUT_MUST_CHECK sut_status sut_projection_look(sut_request *rq, sut_str name, sut_projection_status *out);

#endif
