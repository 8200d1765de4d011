/* Statements on a real PostgreSQL: values both ways, errors, neighbours, transactions. */
#include "fixture_test.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define S_TABLE                                                                                                        \
    "CREATE TABLE thing (id bigint PRIMARY KEY, name text NOT NULL CONSTRAINT thing_name UNIQUE,"                      \
    " parent bigint CONSTRAINT thing_parent REFERENCES thing(id) DEFERRABLE INITIALLY DEFERRED,"                       \
    " n integer NOT NULL DEFAULT 0 CONSTRAINT thing_n CHECK (n < 1000))"

static const sut_pg_stmt s_make = {"make", S_TABLE, 0};
static const sut_pg_stmt s_insert = {"insert", "INSERT INTO thing (id, name, parent) VALUES ($1, $2, $3)", 3};
static const sut_pg_stmt s_add = {"add", "UPDATE thing SET n = n + $2 WHERE id = $1 RETURNING n", 2};
static const sut_pg_stmt s_get = {"get", "SELECT name, n FROM thing WHERE id = $1", 1};
static const sut_pg_stmt s_count = {"count", "SELECT count(*) FROM thing", 0};
static const sut_pg_stmt s_divide = {"divide", "SELECT 1000 / $1::integer", 1};
static const sut_pg_stmt s_sleep = {"sleep", "SELECT pg_sleep($1)::text", 1};

static sut_status insert(sut_request *rq, int64_t id, const char *name, int64_t parent)
{
    return sut_pg_run(rq, &s_insert,
                      SUT_PG_PARAMS(sut_pg_i64(id), sut_pg_text(sut_str_from(name)),
                                    parent ? sut_pg_i64(parent) : sut_pg_null(SUT_PG_I64)),
                      NULL);
}

static int64_t count(sut_request *rq)
{
    const sut_pg_result *r = NULL;
    cr_assert_eq(sut_pg_read(rq, &s_count, SUT_PG_NO_PARAMS, &r), 0);
    return sut_pg_get_i64(r, 0, 0);
}

static int64_t n_of(sut_request *rq, int64_t id)
{
    const sut_pg_result *r = NULL;
    cr_assert_eq(sut_pg_read(rq, &s_get, SUT_PG_PARAMS(sut_pg_i64(id)), &r), 0);
    cr_assert_eq(sut_pg_rows(r), 1);
    return sut_pg_get_i64(r, 0, 1);
}

static void make(sut_request *rq)
{
    cr_assert_eq(sut_pg_run(rq, &s_make, SUT_PG_NO_PARAMS, NULL), 0);
    cr_assert_eq(insert(rq, 1, "one", 0), 0);
    cr_assert_eq(insert(rq, 2, "two", 0), 0);
}

/* ---- values ---- */

static sut_status values(sut_request *rq, void *arg)
{
    (void)arg;
    static const sut_pg_stmt every = {
        "every",
        "SELECT $1::text, $2::integer, $3::bigint, $4::float8, $5::boolean, $6::timestamptz, $7::date, $8::jsonb,"
        " $9::bytea, $10::bigint[], $11::text[], $6::timestamptz = '2026-01-02 03:04:05.678901+00',"
        " $7::date = '1985-12-10', ($8->>'a')::integer, cardinality($10), ($11)[2], 7::smallint, 1.5::real",
        11};
    int64_t ids[] = {5, -6, INT64_MAX};
    sut_str words[] = {SUT_STR("x"), SUT_STR("yé"), SUT_STR("")};
    const sut_pg_result *r = NULL;
    sut_pg_params p =
        SUT_PG_PARAMS(sut_pg_text(SUT_STR("Ada ☃")), sut_pg_i32(INT32_MIN), sut_pg_i64(INT64_MAX), sut_pg_f64(-0.1),
                      sut_pg_bool(true), sut_pg_timestamptz(INT64_C(1767323045678901)), sut_pg_date(5822),
                      sut_pg_jsonb(SUT_STR("{\"a\": 41}")), sut_pg_bytea(((sut_str){"a\0b", 3})),
                      sut_pg_i64_array(ids, 3), sut_pg_text_array(words, 3));
    for (int round = 0; round < 2; round++) { /* prepared, then by its name */
        cr_assert_eq(sut_pg_read(rq, &every, p, &r), 0);
        cr_assert(sut_str_is(sut_pg_get_text(r, 0, 0), "Ada ☃"));
        cr_assert_eq(sut_pg_get_i32(r, 0, 1), INT32_MIN);
        cr_assert_eq(sut_pg_get_i64(r, 0, 2), INT64_MAX);
        cr_assert_float_eq(sut_pg_get_f64(r, 0, 3), -0.1, 0);
        cr_assert(sut_pg_get_bool(r, 0, 4));
        cr_assert_eq(sut_pg_get_timestamptz(r, 0, 5), INT64_C(1767323045678901));
        cr_assert_eq(sut_pg_get_date(r, 0, 6), 5822);
        cr_assert(sut_str_is(sut_pg_get_jsonb(r, 0, 7), "{\"a\": 41}"));
        cr_assert(sut_str_eq(sut_pg_get_bytea(r, 0, 8), ((sut_str){"a\0b", 3})));
        cr_assert(sut_pg_get_bool(r, 0, 11), "timestamptz is off");
        cr_assert(sut_pg_get_bool(r, 0, 12), "date is off");
        cr_assert_eq(sut_pg_get_i64(r, 0, 13), 41);
        cr_assert_eq(sut_pg_get_i64(r, 0, 14), 3);
        cr_assert(sut_str_is(sut_pg_get_text(r, 0, 15), "yé"));
        cr_assert_eq(sut_pg_get_i64(r, 0, 16), 7);
        cr_assert_float_eq(sut_pg_get_f64(r, 0, 17), 1.5, 0);
    }
    cr_assert_not(rq->faulty);
    return 0;
}

Test(pg, every_type_goes_both_ways, .timeout = 40)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, values, &p);
}

static sut_status nulls(sut_request *rq, void *arg)
{
    (void)arg;
    static const sut_pg_stmt stmt = {"nulls", "SELECT $1::text, $2::bigint, $3::date, $1 IS NULL, 'x'::text", 3};
    const sut_pg_result *r = NULL;
    cr_assert_eq(
        sut_pg_read(rq, &stmt,
                    SUT_PG_PARAMS(sut_pg_text(SUT_STR_NONE), sut_pg_null(SUT_PG_I64), sut_pg_null(SUT_PG_DATE)), &r),
        0);
    cr_assert(sut_pg_is_null(r, 0, 0));
    cr_assert_null(sut_pg_get_text(r, 0, 0).ptr);
    cr_assert_eq(sut_pg_get_i64(r, 0, 1), 0);
    cr_assert_eq(sut_pg_get_date(r, 0, 2), 0);
    cr_assert(sut_pg_get_bool(r, 0, 3));
    cr_assert_not(rq->faulty);
    cr_assert_eq(sut_pg_get_i64(r, 0, 4), 0, "text read as a number");
    cr_assert(rq->faulty);
    rq->faulty = false;
    cr_assert_null(sut_pg_get_text(r, 0, 9).ptr, "no such column");
    cr_assert(rq->faulty);
    rq->faulty = false;
    cr_assert_eq(sut_pg_get_i64(r, 1, 1), 0, "no such row");
    cr_assert(rq->faulty);
    return 0;
}

Test(pg, nulls_are_told_and_wrong_reads_are_faults, .timeout = 40)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, nulls, &p);
}

/* ---- errors ---- */

static sut_status errors(sut_request *rq, void *arg)
{
    (void)arg;
    make(rq);
    cr_assert_eq(insert(rq, 3, "one", 0), SUT_ERR_CONFLICT);
    cr_assert(sut_pg_violated(rq, "thing_name"));
    cr_assert_not(sut_pg_violated(rq, "thing_pkey"));
    cr_assert_str_eq(sut_pg_sqlstate(rq), "23505");
    /* The foreign key is deferred: it fails at the sync point, where the statement's own transaction commits. */
    cr_assert_eq(insert(rq, 4, "four", 77), SUT_ERR_CONFLICT);
    cr_assert(sut_pg_violated(rq, "thing_parent"));
    cr_assert_eq(count(rq), 2);
    /* A parameter of another type than at first is our fault, and is not sent. */
    cr_assert_eq(n_of(rq, 1), 0);
    cr_assert_eq(sut_pg_read(rq, &s_get, SUT_PG_PARAMS(sut_pg_i32(1)), &(const sut_pg_result *){NULL}),
                 SUT_ERR_INTERNAL);
    /* So is a write on the shared pipeline: PostgreSQL refuses it. */
    cr_assert_eq(sut_pg_read(rq, &s_add, SUT_PG_PARAMS(sut_pg_i64(1), sut_pg_i32(1)), &(const sut_pg_result *){NULL}),
                 SUT_ERR_INTERNAL);
    cr_assert_str_eq(sut_pg_sqlstate(rq), "25006");
    static const sut_pg_stmt wrong = {"wrong", "SELECT nothing FROM nowhere", 0};
    cr_assert_eq(sut_pg_read(rq, &wrong, SUT_PG_NO_PARAMS, &(const sut_pg_result *){NULL}), SUT_ERR_INTERNAL);
    cr_assert_eq(sut_pg_read(rq, &wrong, SUT_PG_NO_PARAMS, &(const sut_pg_result *){NULL}), SUT_ERR_INTERNAL);
    cr_assert_eq(count(rq), 2);
    return 0;
}

Test(pg, errors_are_told_apart, .timeout = 40)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, errors, &p);
}

typedef struct division {
    int32_t by;
    sut_status status;
    int64_t result;
} division;

static sut_status divide(sut_request *rq, void *arg)
{
    division *d = arg;
    const sut_pg_result *r = NULL;
    d->status = sut_pg_read(rq, &s_divide, SUT_PG_PARAMS(sut_pg_i32(d->by)), &r);
    if (!d->status)
        d->result = sut_pg_get_i64(r, 0, 0);
    return 0;
}

/* The first one also carries the Parse that the others rely on. */
static sut_status neighbours(sut_request *rq, void *arg)
{
    (void)arg;
    for (int bad = 0; bad < 3; bad++) {
        division d[100];
        for (int i = 0; i < 100; i++)
            d[i] = (division){.by = i % 10 == bad ? 0 : i + 1};
        fix_all(rq, divide, d, 100, sizeof(d[0]));
        for (int i = 0; i < 100; i++) {
            cr_assert_eq(d[i].status, d[i].by ? 0 : SUT_ERR_INTERNAL, "%d: %d", i, d[i].status);
            cr_assert(!d[i].by || d[i].result == 1000 / d[i].by);
        }
    }
    return 0;
}

Test(pg, an_error_in_the_shared_pipeline_stays_with_its_statement, .timeout = 40)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, neighbours, &p);
}

static sut_status slow_reader(sut_request *rq, void *arg)
{
    const sut_pg_result *r = NULL;
    *(sut_status *)arg = sut_pg_read(rq, &s_sleep, SUT_PG_PARAMS(sut_pg_f64(20)), &r);
    return 0;
}

static sut_status timeouts(sut_request *rq, void *arg)
{
    (void)arg;
    make(rq);
    sut_status slow = -1;
    fix_all(rq, slow_reader, &slow, 1, 0);
    cr_assert_eq(slow, SUT_ERR_DEADLINE_EXCEEDED, "cut off by statement_timeout: %d", slow);
    cr_assert_eq(count(rq), 2);
    /* Our own deadline, in the pool: the connection is given up, the next statement gets another. */
    uint64_t deadline = rq->deadline_ns;
    rq->deadline_ns = sut_now_ns() + 50 * SUT_NS_PER_MS;
    sut_timer_stop(&rq->timer);
    cr_assert_eq(sut_pg_run(rq, &s_sleep, SUT_PG_PARAMS(sut_pg_f64(20)), NULL), SUT_ERR_DEADLINE_EXCEEDED);
    cr_assert_eq(sut_pg_read(rq, &s_count, SUT_PG_NO_PARAMS, &(const sut_pg_result *){NULL}),
                 SUT_ERR_DEADLINE_EXCEEDED);
    rq->deadline_ns = deadline;
    rq->expired = false;
    sut_timer_stop(&rq->timer);
    cr_assert_eq(insert(rq, 3, "three", 0), 0);
    return 0;
}

Test(pg, nothing_waits_past_its_time, .timeout = 40)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, timeouts, &p);
}

/* ---- transactions ---- */

static sut_status queue_insert(sut_pg_tx *tx, int64_t id, const char *name)
{
    return sut_pg_queue(tx, &s_insert,
                        SUT_PG_PARAMS(sut_pg_i64(id), sut_pg_text(sut_str_from(name)), sut_pg_null(SUT_PG_I64)));
}

typedef struct steps {
    sut_status end_with;
    const char *names[3];
    bool read_inside;
} steps;

static sut_status run_steps(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    const steps *s = arg;
    for (int i = 0; i < 3; i++) {
        sut_status st = s->names[i] ? queue_insert(tx, 10 + i, s->names[i]) : 0;
        if (st)
            return st;
    }
    if (s->read_inside) {
        cr_assert_eq(sut_pg_read(rq, &s_count, SUT_PG_NO_PARAMS, &(const sut_pg_result *){NULL}), SUT_ERR_INTERNAL);
        cr_assert_eq(sut_pg_run(rq, &s_count, SUT_PG_NO_PARAMS, NULL), SUT_ERR_INTERNAL);
    }
    return s->end_with;
}

static sut_status transactions(sut_request *rq, void *arg)
{
    (void)arg;
    make(rq);
    cr_assert_eq(sut_pg_tx_run(rq, run_steps, &(steps){.end_with = SUT_ERR_FORBIDDEN, .names = {"a", "b"}}),
                 SUT_ERR_FORBIDDEN);
    cr_assert_eq(count(rq), 2, "rolled back");
    cr_assert_eq(sut_pg_tx_run(rq, run_steps, &(steps){.names = {"a", "b", "a"}}), SUT_ERR_CONFLICT);
    cr_assert(sut_pg_violated(rq, "thing_name"), "a queued statement's error comes with COMMIT");
    cr_assert_eq(count(rq), 2);
    cr_assert_eq(sut_pg_tx_run(rq, run_steps, &(steps){.names = {"a", "b"}}), 0);
    cr_assert_eq(count(rq), 4);
    cr_assert_eq(sut_pg_tx_run(rq, run_steps, &(steps){.names = {"z"}, .end_with = 0, .read_inside = true}),
                 SUT_ERR_INTERNAL, "a shared read inside is a fault, and nothing is committed");
    rq->faulty = false;
    cr_assert_eq(count(rq), 4);
    cr_assert_eq(sut_pg_tx_run(rq, run_steps, &(steps){0}), 0, "an empty one does nothing");
    return 0;
}

Test(pg, transactions_are_all_or_nothing, .timeout = 40)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, transactions, &p);
}

/* One exec and several queued writes: BEGIN and COMMIT ride along. Counted as sync points at the server's log would
 * need; here by what our own connection sent. */
static sut_status read_own_write(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    (void)rq;
    const sut_pg_result *r = NULL;
    sut_status st = queue_insert(tx, 50, "fifty");
    if (!st)
        st = sut_pg_exec(tx, &s_get, SUT_PG_PARAMS(sut_pg_i64(50)), &r);
    if (st)
        return st;
    cr_assert(sut_str_is(sut_pg_get_text(r, 0, 0), "fifty"));
    *(int *)arg += 1;
    return sut_pg_queue(tx, &s_add, SUT_PG_PARAMS(sut_pg_i64(50), sut_pg_i32(7)));
}

static sut_status own_writes(sut_request *rq, void *arg)
{
    (void)arg;
    make(rq);
    int runs = 0;
    cr_assert_eq(sut_pg_tx_run(rq, read_own_write, &runs), 0);
    cr_assert_eq(runs, 1);
    cr_assert_eq(n_of(rq, 50), 7);
    return 0;
}

Test(pg, a_transaction_sees_its_own_writes, .timeout = 40)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, own_writes, &p);
}

typedef struct many {
    int count, twice; /* how many to queue; the place of one whose name was there before, or 0 */
} many;

static sut_status queue_many(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    const many *m = arg;
    sut_status st = 0;
    for (int i = 1; st == 0 && i <= m->count; i++)
        st = queue_insert(tx, 1000 + i, sut_request_printf(rq, "many %d", i == m->twice ? 1 : i).ptr);
    return st;
}

static sut_status long_queues(sut_request *rq, void *arg)
{
    (void)arg;
    make(rq);
    const int64_t before = count(rq);
    for (int twice = 2; twice <= 150; twice += 37) {
        cr_assert_eq(sut_pg_tx_run(rq, queue_many, &(many){150, twice}), SUT_ERR_CONFLICT, "%d", twice);
        cr_assert_eq(count(rq), before, "of what was sent before the commit nothing stays");
    }
    cr_assert_eq(sut_pg_tx_run(rq, queue_many, &(many){150, 0}), 0);
    cr_assert_eq(count(rq), before + 150);
    return 0;
}

Test(pg, more_is_queued_than_travels_at_once, .timeout = 40)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, long_queues, &p);
}

/* Two transactions lock two rows in opposite order: PostgreSQL undoes one, the kit runs it again, both end well. */
typedef struct crossing {
    int64_t first, second;
    int *at_first;
    sut_status status;
    int runs;
} crossing;

static sut_status cross(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    crossing *c = arg;
    c->runs++;
    sut_status st = sut_pg_exec(tx, &s_add, SUT_PG_PARAMS(sut_pg_i64(c->first), sut_pg_i32(1)), NULL);
    if (st)
        return st;
    (*c->at_first)++;
    while (*c->at_first < 2)
        cr_assert_eq(sut_request_sleep_ms(rq, 1), 0);
    return sut_pg_exec(tx, &s_add, SUT_PG_PARAMS(sut_pg_i64(c->second), sut_pg_i32(1)), NULL);
}

static sut_status run_cross(sut_request *rq, void *arg)
{
    crossing *c = arg;
    c->status = sut_pg_tx_run(rq, cross, c);
    return 0;
}

static sut_status crossings(sut_request *rq, void *arg)
{
    (void)arg;
    make(rq);
    int at_first = 0;
    crossing c[2] = {{1, 2, &at_first, -1, 0}, {2, 1, &at_first, -1, 0}};
    fix_all(rq, run_cross, c, 2, sizeof(c[0]));
    cr_assert_eq(c[0].status, 0);
    cr_assert_eq(c[1].status, 0);
    cr_assert_eq(c[0].runs + c[1].runs, 3, "one was undone and run again");
    cr_assert_eq(n_of(rq, 1), 2);
    cr_assert_eq(n_of(rq, 2), 2);
    return 0;
}

Test(pg, deadlocked_transactions_are_run_again, .timeout = 40)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, crossings, &p);
}

/* DESIGN section 6: a write that waits for a row lock, whose owner then reads through the shared pipeline. If the write
 * waited in that pipeline the owner's read would wait behind it for ever. Here the write waits on a connection of its
 * own, reads of others pass, the owner's read is refused while it holds the lock and served inside its transaction. */
typedef struct lock_story {
    bool locked, writer_waits, release, writer_done, read_done;
    sut_status owner, writer, reader;
} lock_story;

static sut_status hold_lock(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    lock_story *s = arg;
    sut_status st = sut_pg_exec(tx, &s_add, SUT_PG_PARAMS(sut_pg_i64(1), sut_pg_i32(1)), NULL);
    if (st)
        return st;
    s->locked = true;
    fix_until(rq, &s->release);
    const sut_pg_result *r = NULL;
    st = sut_pg_exec(tx, &s_get, SUT_PG_PARAMS(sut_pg_i64(1)), &r);
    cr_assert_not(s->writer_done, "the writer must still wait for this lock");
    return st;
}

static sut_status owner(sut_request *rq, void *arg)
{
    lock_story *s = arg;
    s->owner = sut_pg_tx_run(rq, hold_lock, s);
    return 0;
}

static sut_status writer(sut_request *rq, void *arg)
{
    lock_story *s = arg;
    fix_until(rq, &s->locked);
    s->writer_waits = true;
    s->writer = sut_pg_run(rq, &s_add, SUT_PG_PARAMS(sut_pg_i64(1), sut_pg_i32(10)), NULL);
    s->writer_done = true;
    return 0;
}

static sut_status reader(sut_request *rq, void *arg)
{
    static const sut_pg_stmt waiting = {
        "waiting", "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'sut'", 0};
    lock_story *s = arg;
    fix_until(rq, &s->writer_waits);
    const sut_pg_result *r = NULL;
    for (int64_t waiters = 0; waiters == 0;) { /* until PostgreSQL itself says that the writer waits for the lock */
        s->reader = sut_pg_read(rq, &waiting, SUT_PG_NO_PARAMS, &r);
        if (s->reader)
            return 0;
        waiters = sut_pg_get_i64(r, 0, 0);
    }
    s->reader = sut_pg_read(rq, &s_get, SUT_PG_PARAMS(sut_pg_i64(1)), &r); /* the locked row, as it was */
    cr_assert_eq(sut_pg_get_i64(r, 0, 1), 0);
    cr_assert_not(s->writer_done);
    s->release = true;
    return 0;
}

static sut_status run_role(sut_request *rq, void *arg)
{
    static int next;
    static sut_status (*const roles[])(sut_request *, void *) = {owner, writer, reader};
    return roles[next++](rq, arg);
}

static sut_status lock_stories(sut_request *rq, void *arg)
{
    (void)arg;
    make(rq);
    lock_story s = {.owner = -1, .writer = -1, .reader = -1};
    fix_all(rq, run_role, &s, 3, 0);
    cr_assert_eq(s.owner, 0);
    cr_assert_eq(s.writer, 0);
    cr_assert_eq(s.reader, 0);
    cr_assert_eq(n_of(rq, 1), 11);
    return 0;
}

Test(pg, a_row_lock_cannot_stop_the_shared_pipeline, .timeout = 30)
{
    sut_test_postgres p;
    fix_run_pg(&fix_pg_options, lock_stories, &p);
}
