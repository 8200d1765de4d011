/* PostgreSQL for fibers: libpq in pipeline mode on the loop, statements prepared once a connection, binary both ways.
 *
 * Three ways to the database, and it matters which one:
 *
 * - sut_pg_read: one single fast read, on a connection that all fibers share (read-only, statement_timeout 250 ms). By
 *   far the fastest. Refused while the request has a transaction open: a write that waited in that pipeline for a row
 *   lock, whose owner waits behind it, would be a deadlock that PostgreSQL cannot see.
 * - sut_pg_run: one statement of any kind (a write, a slow read) on a connection of its own from the pool: one round
 *   trip. Refused likewise: a request that holds one connection never waits for a second.
 * - sut_pg_tx_run: a transaction on a connection of its own; BEGIN and COMMIT travel with the statements.
 *
 *     static const sut_pg_stmt s_get = {"note_get", "SELECT body, created_at FROM notes WHERE note_id = $1", 1};
 *     const sut_pg_result *r;
 *     sut_status st = sut_pg_read(rq, &s_get, SUT_PG_PARAMS(sut_pg_i64(in->note_id)), &r);
 *     if (st)
 *         return st;
 *     if (sut_pg_rows(r) == 0)
 *         return sut_fail(rq, SUT_ERR_NOT_FOUND, "There is no such note.");
 *     out->body = sut_pg_get_text(r, 0, 0);
 *
 * Errors (all set message and retry-after on `rq`, so that a handler may return them):
 *   SUT_ERR_UNAVAILABLE        database away, breaker open, or rolled back for a retryable reason: certainly not
 *                              executed
 *   SUT_ERR_OUTCOME_UNKNOWN    the connection was lost while a write or a COMMIT was on its way
 *   SUT_ERR_OVERLOADED         no connection within the bound of waiters
 *   SUT_ERR_DEADLINE_EXCEEDED, SUT_ERR_CANCELLED
 *   SUT_ERR_CONFLICT           unique, foreign key or exclusion constraint; sut_pg_violated tells which
 *   SUT_ERR_INTERNAL           anything else PostgreSQL refuses: our fault, logged with SQLSTATE and statement
 *
 * Results and all strings in them live as long as the request. */
#ifndef SUT_KIT_PG_H
#define SUT_KIT_PG_H

#include "kit/kit.h"

#define SUT_PG_PARAMS_MAX 40

/* One a query, static const. The name is the prepared statement's: unique in the program (it is checked). Placeholders
 * are $1 … $n; a parameter must always be given with the same sut_pg_* type. */
typedef struct sut_pg_stmt {
    const char *name;
    const char *sql;
    uint8_t nparams;
} sut_pg_stmt;

/* ---- parameters ---- */

typedef enum sut_pg_type {
    SUT_PG_TEXT, /* also varchar, citext, enums: the server infers which */
    SUT_PG_I32,
    SUT_PG_I64,
    SUT_PG_F64,
    SUT_PG_BOOL,
    SUT_PG_TIMESTAMPTZ, /* microseconds since 1970 UTC */
    SUT_PG_DATE,        /* days since 1970-01-01 */
    SUT_PG_JSONB,       /* JSON text */
    SUT_PG_BYTEA,
    SUT_PG_I64_ARRAY, /* bigint[]: for = ANY($1) */
    SUT_PG_TEXT_ARRAY
} sut_pg_type;

typedef struct sut_pg_param {
    sut_pg_type type;
    bool null;
    union {
        int64_t i; /* I32, I64, BOOL, TIMESTAMPTZ, DATE */
        double f;
        sut_str s; /* TEXT, JSONB, BYTEA */
        struct {
            const int64_t *items;
            size_t count;
        } i64s;
        struct {
            const sut_str *items;
            size_t count;
        } strs;
    } v;
} sut_pg_param;

static inline sut_pg_param sut_pg_null(sut_pg_type type)
{
    return (sut_pg_param){.type = type, .null = true};
}
static inline sut_pg_param sut_pg_i32(int32_t v)
{
    return (sut_pg_param){.type = SUT_PG_I32, .v.i = v};
}
static inline sut_pg_param sut_pg_i64(int64_t v)
{
    return (sut_pg_param){.type = SUT_PG_I64, .v.i = v};
}
static inline sut_pg_param sut_pg_f64(double v)
{
    return (sut_pg_param){.type = SUT_PG_F64, .v.f = v};
}
static inline sut_pg_param sut_pg_bool(bool v)
{
    return (sut_pg_param){.type = SUT_PG_BOOL, .v.i = v};
}
static inline sut_pg_param sut_pg_timestamptz(int64_t wall_us)
{
    return (sut_pg_param){.type = SUT_PG_TIMESTAMPTZ, .v.i = wall_us};
}
static inline sut_pg_param sut_pg_date(int32_t days)
{
    return (sut_pg_param){.type = SUT_PG_DATE, .v.i = days};
}
/* An absent string (ptr NULL) is NULL. Bytes are not copied before the call returns or, for sut_pg_queue, are copied
 * there. */
static inline sut_pg_param sut_pg_text(sut_str s)
{
    return (sut_pg_param){.type = SUT_PG_TEXT, .null = s.ptr == NULL, .v.s = s};
}
static inline sut_pg_param sut_pg_jsonb(sut_str s)
{
    return (sut_pg_param){.type = SUT_PG_JSONB, .null = s.ptr == NULL, .v.s = s};
}
static inline sut_pg_param sut_pg_bytea(sut_str s)
{
    return (sut_pg_param){.type = SUT_PG_BYTEA, .null = s.ptr == NULL, .v.s = s};
}
static inline sut_pg_param sut_pg_i64_array(const int64_t *items, size_t count)
{
    return (sut_pg_param){.type = SUT_PG_I64_ARRAY, .v.i64s = {items, count}};
}
static inline sut_pg_param sut_pg_text_array(const sut_str *items, size_t count)
{
    return (sut_pg_param){.type = SUT_PG_TEXT_ARRAY, .v.strs = {items, count}};
}

typedef struct sut_pg_params {
    const sut_pg_param *items;
    size_t count;
} sut_pg_params;
#define SUT_PG_PARAMS(...)                                                                                             \
    ((sut_pg_params){(const sut_pg_param[]){__VA_ARGS__},                                                              \
                     sizeof((const sut_pg_param[]){__VA_ARGS__}) / sizeof(sut_pg_param)})
#define SUT_PG_NO_PARAMS ((sut_pg_params){NULL, 0})

/* ---- results ---- */

typedef struct sut_pg_result sut_pg_result;

int sut_pg_rows(const sut_pg_result *r);
int64_t sut_pg_affected(const sut_pg_result *r); /* rows that an INSERT, UPDATE or DELETE touched */
bool sut_pg_is_null(const sut_pg_result *r, int row, int col);
/* A NULL reads as 0, false or an absent string. A wrong column number or type is a fault of ours: it is logged, reads
 * as NULL, and the request is answered `internal` (and its transaction rolled back) whatever the handler returns. */
int64_t sut_pg_get_i64(const sut_pg_result *r, int row, int col); /* smallint, integer, bigint */
int32_t sut_pg_get_i32(const sut_pg_result *r, int row, int col); /* smallint, integer */
double sut_pg_get_f64(const sut_pg_result *r, int row, int col);  /* real, double precision */
bool sut_pg_get_bool(const sut_pg_result *r, int row, int col);
int64_t sut_pg_get_timestamptz(const sut_pg_result *r, int row, int col); /* microseconds since 1970 UTC */
int32_t sut_pg_get_date(const sut_pg_result *r, int row, int col);        /* days since 1970-01-01 */
sut_str sut_pg_get_text(const sut_pg_result *r, int row, int col);        /* text, varchar, citext, enums, json, name */
sut_str sut_pg_get_jsonb(const sut_pg_result *r, int row, int col);       /* its JSON text */
sut_str sut_pg_get_bytea(const sut_pg_result *r, int row, int col);

/* ---- one statement ---- */

/* A single fast read on the shared pipeline. `*out` is set if 0 is returned. */
SUT_MUST_CHECK sut_status sut_pg_read(sut_request *rq, const sut_pg_stmt *stmt, sut_pg_params params,
                                      const sut_pg_result **out);
/* Any single statement, a transaction of its own. `out` may be NULL. */
SUT_MUST_CHECK sut_status sut_pg_run(sut_request *rq, const sut_pg_stmt *stmt, sut_pg_params params,
                                     const sut_pg_result **out);

/* ---- transactions ---- */

typedef struct sut_pg_tx sut_pg_tx;
typedef sut_status (*sut_pg_tx_fn)(sut_request *rq, sut_pg_tx *tx, void *arg);

/* Runs fn in a transaction: COMMIT if it returns 0, else ROLLBACK and its status is returned. Serialization failures
 * and deadlocks are retried from the start, at most 4 times, with jitter, while time remains: so fn must have no effect
 * besides the transaction's. One transaction a request at a time. */
SUT_MUST_CHECK sut_status sut_pg_tx_run(sut_request *rq, sut_pg_tx_fn fn, void *arg);

/* As sut_pg_tx_run, and for a call that carries an idempotency key at most once in 24 hours: the reply is kept by
 * principal, method and key, in this same transaction, and given again to a call that repeats the key; fn does not run
 * then. So `out` is the handler's, and fn must have filled all of it when it returns 0. The same key with another input
 * is SUT_ERR_CONFLICT. For the one transaction of a handler whose method is not idempotent by itself. Not for methods
 * with secret fields, since input's hash and reply are kept: there it is SUT_ERR_INTERNAL, always. */
SUT_MUST_CHECK sut_status sut_pg_tx_once(sut_request *rq, sut_pg_tx_fn fn, void *arg, void *out);

/* Executes now: sends what is queued (BEGIN too, if it is the first) and this, and waits: one round trip. */
SUT_MUST_CHECK sut_status sut_pg_exec(sut_pg_tx *tx, const sut_pg_stmt *stmt, sut_pg_params params,
                                      const sut_pg_result **out);
/* Queues without waiting: it travels with the next sut_pg_exec or with COMMIT, and its error is reported there. Its
 * result is not kept. A write that needs no answer should be queued. Parameters are copied. Where 64 are queued, they
 * are sent and waited for first. */
SUT_MUST_CHECK sut_status sut_pg_queue(sut_pg_tx *tx, const sut_pg_stmt *stmt, sut_pg_params params);

/* After SUT_ERR_CONFLICT: was it this constraint ("users_email_key")? */
bool sut_pg_violated(const sut_request *rq, const char *constraint);
/* SQLSTATE of the request's last database error; "" if none. */
const char *sut_pg_sqlstate(const sut_request *rq);

/* ---- migrations: numbered SQL files, embedded by sut_actor() of CMake as NAME_migrations ---- */

typedef struct sut_pg_migration {
    int number;       /* 1, 2 … without gaps */
    const char *name; /* "0001_notes" */
    const char *sql;
} sut_pg_migration;

typedef struct sut_pg_migrations {
    const char *service;
    const sut_pg_migration *items;
    size_t count;
} sut_pg_migrations;

#endif
