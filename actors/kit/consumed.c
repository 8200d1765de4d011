/* Which events a consumer has had: recorded in the transaction of their effect, so that neither is there without the
 * other. Two deliveries of one event at the same time meet at the primary key: the second waits for the first's COMMIT.
 */
#include "consume.h"

#include "runtime.h"

#define S_CLEAN_EVERY_MS  (10 * 60 * 1000)
#define S_CLEAN_BATCH     1000
#define S_CLEAN_BATCH_MAX 100 /* a run */

static const sut_pg_stmt s_record = {"sut_consumed_record",
                                     "INSERT INTO sut_consumed (grp, generation, event_id) VALUES ($1, $2, $3)"
                                     " ON CONFLICT DO NOTHING RETURNING 1",
                                     3};
static const sut_pg_stmt s_clean = {
    "sut_consumed_clean",
    "DELETE FROM sut_consumed WHERE ctid = ANY (ARRAY(SELECT ctid FROM sut_consumed WHERE at <= now() -"
    " make_interval(days => $1) LIMIT $2))",
    2};

sut_status sut_consume_record(sut_request *rq, sut_pg_tx *tx, bool *seen)
{
    const sut_pg_result *r;
    const sut_consuming *c = rq->consuming;
    *seen = false;
    if (!c || c->recorded)
        return 0;
    sut_status st =
        sut_pg_exec(tx, &s_record,
                    SUT_PG_PARAMS(sut_pg_text(sut_str_from(c->event.group)), sut_pg_i64(c->event.generation),
                                  sut_pg_bytea((sut_str){(const char *)c->event.id, sizeof(c->event.id)})),
                    &r);
    *seen = st == 0 && sut_pg_rows(r) == 0;
    return st;
}

void sut_consume_committed(sut_request *rq)
{
    if (rq->consuming)
        rq->consuming->recorded = true;
}

static sut_status s_clean_up(sut_request *rq, void *arg)
{
    (void)arg;
    const sut_pg_result *r;
    sut_status st = 0;
    int32_t days = (int32_t)rq->runtime->settings.consumed_days;
    for (unsigned i = 0; !st && i < S_CLEAN_BATCH_MAX; i++) {
        st = sut_pg_run(rq, &s_clean, SUT_PG_PARAMS(sut_pg_i32(days), sut_pg_i64(S_CLEAN_BATCH)), &r);
        if (!st && sut_pg_affected(r) < S_CLEAN_BATCH)
            return 0;
    }
    return st;
}

const sut_periodic sut_consumed_cleaner = {
    .name = "kit.consumed_cleaner", .fn = s_clean_up, .every_ms = S_CLEAN_EVERY_MS};
