/* The rows of sut_saga, and what works on them. Private to the kit. */
#ifndef SUT_KIT_SAGA_STORE_H
#define SUT_KIT_SAGA_STORE_H

#include "kit/saga.h"

struct sut_runtime;

#define SUT_SAGA_KEY_SIZE 64
#define SUT_SAGA_CODE_MAX 64

struct sut_saga_run {
    const sut_saga *saga;
    int64_t id, fence;
    size_t step;
    bool back;
    uint32_t attempt;
    const void *context;
    char key[SUT_SAGA_KEY_SIZE];
    bool recorded; /* the step's own transaction has advanced the row */
    bool lost;     /* somebody else has it now, or nobody knows */
    sut_saga_end end;
};

/* Where a saga goes from here. */
typedef struct sut_saga_change {
    const char *status; /* as in the table */
    size_t step;
    bool back;
    uint32_t attempt;
    uint32_t delay_ms;   /* running: before the next attempt; 0: we go on and keep the lease */
    sut_str code;        /* why it failed; absent: it did not */
    const char *outcome; /* for the history */
} sut_saga_change;

extern const sut_pg_migrations sut_saga_migrations;
extern const sut_periodic sut_saga_runner, sut_saga_cleaner;

uint32_t sut_saga_timeout_ms(const sut_saga_step *step);
/* Statement and parameters of a change are the same in a transaction and outside; sets run->lost if it is not ours. */
SUT_MUST_CHECK sut_status sut_saga_change_tx(sut_pg_tx *tx, sut_saga_run *run, const sut_saga_change *change);
SUT_MUST_CHECK sut_status sut_saga_change_run(sut_request *rq, sut_saga_run *run, const sut_saga_change *change);
void sut_saga_apply(sut_saga_run *run, const sut_saga_change *change);
/* Gives an untouched attempt back: another instance may begin at once. */
SUT_MUST_CHECK sut_status sut_saga_release(sut_request *rq, const sut_saga_run *run);
/* Leases up to `limit` rows that are due; columns id, fence. */
SUT_MUST_CHECK sut_status sut_saga_claim(sut_request *rq, int32_t limit, const sut_pg_result **out);
/* The row that (id, fence) leases, or `*out` NULL: lost, or not of this build and put aside as stuck. */
SUT_MUST_CHECK sut_status sut_saga_load(sut_request *rq, int64_t id, int64_t fence, sut_saga_run **out);
SUT_MUST_CHECK sut_status sut_saga_count_stuck(sut_request *rq, int64_t *count);

/* saga_method.c: NAME.saga_list, saga_show and saga_retry; NULL: none of them. */
const sut_service_entry *sut_saga_entry(const struct sut_runtime *rt, sut_str subject);

#endif
