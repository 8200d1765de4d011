/* Idempotency keys: at most once, the same reply, never somebody else's. */
#include "idempotency.h"

#include "fixture_test.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static const sut_pg_stmt s_make = {"make", "CREATE TABLE t (user_id bigint, at bigserial)", 0};
static const sut_pg_stmt s_put = {"put", "INSERT INTO t (user_id) VALUES ($1) RETURNING at", 1};
static const sut_pg_stmt s_count = {"count", "SELECT count(*) FROM t", 0};
static const sut_pg_stmt s_age = {"age", "UPDATE sut_idempotency SET created_at = now() - interval '25 hours'", 0};
static const sut_pg_stmt s_kept = {"kept", "SELECT count(*) FROM sut_idempotency", 0};

/* fix.mine puts a row and answers with its number; user 7 is refused at the end. */
static sut_status put_row(sut_request *rq, sut_pg_tx *tx, void *out)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_exec(tx, &s_put, SUT_PG_PARAMS(sut_pg_i64(sut_request_user_id(rq))), &r);
    if (st)
        return st;
    ((fix_user *)out)->user_id = sut_pg_get_i64(r, 0, 0);
    return sut_request_user_id(rq) == 7 ? sut_fail(rq, SUT_ERR_FORBIDDEN, "not you") : 0;
}

static sut_status mine(sut_request *rq, const void *in, void *out)
{
    (void)in;
    return sut_pg_tx_once(rq, put_row, out, out);
}

static const sut_service_entry s_entries[] = {{&fix_mine, mine}};

static sut_status put(sut_request *rq, int64_t user_id, int32_t level, const char *key, int64_t input, int64_t *row)
{
    sut_principal p = {.user_id = user_id, .level = level};
    fix_user in = {input}, out = {0};
    sut_status st = sut_test_call_keyed(rq, &fix_mine, &p, key, &in, &out, NULL);
    *row = out.user_id;
    return st;
}

static int64_t number(sut_request *rq, const sut_pg_stmt *stmt)
{
    const sut_pg_result *r;
    cr_assert_eq(sut_pg_read(rq, stmt, SUT_PG_NO_PARAMS, &r), 0);
    return sut_pg_get_i64(r, 0, 0);
}

typedef struct racer {
    sut_status status;
    int64_t row;
} racer;

static sut_status race(sut_request *rq, void *arg)
{
    racer *r = arg;
    r->status = put(rq, 4, 1, "race", 4, &r->row);
    return 0;
}

static sut_status keys(sut_request *rq, void *arg)
{
    (void)arg;
    int64_t first, again;
    cr_assert_eq(sut_pg_run(rq, &s_make, SUT_PG_NO_PARAMS, NULL), 0);
    cr_assert_eq(put(rq, 1, 1, "a", 1, &first), 0);
    cr_assert_eq(put(rq, 1, 1, "a", 1, &again), 0);
    cr_assert_eq(again, first, "the same reply");
    cr_assert_eq(number(rq, &s_count), 1, "once");
    cr_assert_eq(put(rq, 1, 1, "b", 1, &again), 0);
    cr_assert_neq(again, first, "another key");
    cr_assert_eq(put(rq, 2, 1, "a", 2, &again), 0);
    cr_assert_neq(again, first, "somebody else's key is another key");
    cr_assert_eq(put(rq, 9, 3, "a", 1, &again), 0);
    cr_assert_eq(put(rq, 9, 3, "a", 2, &again), SUT_ERR_CONFLICT, "the same key for another input");
    cr_assert_eq(put(rq, 1, 1, NULL, 1, &again), 0, "without a key nothing is kept");
    cr_assert_eq(number(rq, &s_count), 5);
    cr_assert_eq(put(rq, 7, 1, "a", 7, &again), SUT_ERR_FORBIDDEN);
    cr_assert_eq(put(rq, 7, 1, "a", 7, &again), SUT_ERR_FORBIDDEN, "what failed is not kept, and may be tried again");
    cr_assert_eq(number(rq, &s_count), 5);
    racer r[8];
    fix_all(rq, race, r, 8, sizeof(r[0]));
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(r[i].status, 0, "%d", r[i].status);
        cr_assert_eq(r[i].row, r[0].row);
    }
    cr_assert_eq(number(rq, &s_count), 6, "eight at once, one effect");
    cr_assert_eq(sut_pg_run(rq, &s_age, SUT_PG_NO_PARAMS, NULL), 0);
    cr_assert_eq(put(rq, 1, 1, "a", 1, &again), 0);
    cr_assert_neq(again, first, "a day later it is a new key");
    cr_assert_eq(sut_idempotency_cleaner.fn(rq, NULL), 0);
    cr_assert_eq(number(rq, &s_kept), 1, "the old ones are removed");
    return 0;
}

Test(idempotency, a_key_is_executed_once, .timeout = 40)
{
    sut_actor_options o = fix_pg_options;
    o.entries = s_entries;
    o.entry_count = 1;
    sut_test_postgres p;
    fix_run_pg(&o, keys, &p);
}
