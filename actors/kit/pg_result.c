/* Reading results in the binary format, and PostgreSQL's errors in our terms. */
#include "pg_result.h"

#include "pg_types.h"
#include "request.h"
#include "runtime.h"

#include "base/log.h"

#include <endian.h>
#include <stdlib.h>

struct sut_pg_result {
    sut_pg_result *next;
    sut_request *rq;
    const sut_pg_stmt *stmt;
    PGresult *pg;
};

sut_status sut_pg_result_keep(sut_request *rq, const sut_pg_stmt *stmt, PGresult *pg, const sut_pg_result **out)
{
    size_t bytes = PQresultMemorySize(pg);
    sut_pg_result *r = sut_request_alloc(rq, sizeof(*r));
    if (!r || rq->result_bytes + bytes > (size_t)rq->runtime->settings.request_memory) {
        PQclear(pg);
        return sut_fail_internal(rq, "the result of %s is larger than SUT_REQUEST_MEMORY allows", stmt->name);
    }
    rq->result_bytes += bytes;
    *r = (sut_pg_result){.next = rq->results, .rq = rq, .stmt = stmt, .pg = pg};
    rq->results = r;
    if (out)
        *out = r;
    return 0;
}

void sut_pg_results_free(sut_request *rq)
{
    for (sut_pg_result *r = rq->results; r; r = r->next)
        PQclear(r->pg);
    rq->results = NULL;
}

int sut_pg_rows(const sut_pg_result *r)
{
    return PQntuples(r->pg);
}

int64_t sut_pg_affected(const sut_pg_result *r)
{
    int64_t n = 0;
    return sut_parse_i64(sut_str_from(PQcmdTuples(r->pg)), 0, INT64_MAX, &n) ? n : 0;
}

/* ---- values ---- */

static void s_fault(const sut_pg_result *r, int row, int col, const char *wanted)
{
    r->rq->faulty = true;
    (void)sut_fail_internal(r->rq, "statement %s: row %d, column %d is no %s (its type is %u)", r->stmt->name, row, col,
                            wanted, PQftype(r->pg, col));
}

static bool s_exists(const sut_pg_result *r, int row, int col)
{
    return row >= 0 && row < PQntuples(r->pg) && col >= 0 && col < PQnfields(r->pg);
}

bool sut_pg_is_null(const sut_pg_result *r, int row, int col)
{
    if (s_exists(r, row, col))
        return PQgetisnull(r->pg, row, col);
    s_fault(r, row, col, "value of this result");
    return true;
}

/* The bytes of a value, `size` of them; NULL if it is NULL or not there. */
static const char *s_value(const sut_pg_result *r, int row, int col, int size, const char *wanted)
{
    if (sut_pg_is_null(r, row, col))
        return NULL;
    if (PQgetlength(r->pg, row, col) == size)
        return PQgetvalue(r->pg, row, col);
    s_fault(r, row, col, wanted);
    return NULL;
}

static uint64_t s_be64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return be64toh(v);
}

static uint32_t s_be32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return be32toh(v);
}

static int16_t s_be16(const char *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return (int16_t)be16toh(v);
}

int32_t sut_pg_get_i32(const sut_pg_result *r, int row, int col)
{
    Oid type = PQftype(r->pg, col);
    if (type == SUT_OID_INT2) {
        const char *p = s_value(r, row, col, 2, "smallint");
        return p ? s_be16(p) : 0;
    }
    const char *p = s_value(r, row, col, type == SUT_OID_INT4 ? 4 : -1, "integer");
    return p ? (int32_t)s_be32(p) : 0;
}

int64_t sut_pg_get_i64(const sut_pg_result *r, int row, int col)
{
    if (PQftype(r->pg, col) != SUT_OID_INT8)
        return sut_pg_get_i32(r, row, col);
    const char *p = s_value(r, row, col, 8, "bigint");
    return p ? (int64_t)s_be64(p) : 0;
}

double sut_pg_get_f64(const sut_pg_result *r, int row, int col)
{
    Oid type = PQftype(r->pg, col);
    if (type == SUT_OID_FLOAT4) {
        const char *p = s_value(r, row, col, 4, "real");
        uint32_t bits = p ? s_be32(p) : 0;
        float f;
        memcpy(&f, &bits, sizeof(f));
        return (double)f;
    }
    const char *p = s_value(r, row, col, type == SUT_OID_FLOAT8 ? 8 : -1, "double precision");
    uint64_t bits = p ? s_be64(p) : 0;
    double d;
    memcpy(&d, &bits, sizeof(d));
    return d;
}

bool sut_pg_get_bool(const sut_pg_result *r, int row, int col)
{
    const char *p = s_value(r, row, col, PQftype(r->pg, col) == SUT_OID_BOOL ? 1 : -1, "boolean");
    return p && p[0];
}

int64_t sut_pg_get_timestamptz(const sut_pg_result *r, int row, int col)
{
    const char *p = s_value(r, row, col, PQftype(r->pg, col) == SUT_OID_TIMESTAMPTZ ? 8 : -1, "timestamptz");
    return p ? (int64_t)s_be64(p) + SUT_PG_EPOCH_US : 0;
}

int32_t sut_pg_get_date(const sut_pg_result *r, int row, int col)
{
    const char *p = s_value(r, row, col, PQftype(r->pg, col) == SUT_OID_DATE ? 4 : -1, "date");
    return p ? (int32_t)s_be32(p) + SUT_PG_EPOCH_DAYS : 0;
}

static sut_str s_bytes(const sut_pg_result *r, int row, int col, bool right_type, const char *wanted)
{
    if (sut_pg_is_null(r, row, col))
        return SUT_STR_NONE;
    if (right_type)
        return (sut_str){PQgetvalue(r->pg, row, col), (size_t)PQgetlength(r->pg, row, col)};
    s_fault(r, row, col, wanted);
    return SUT_STR_NONE;
}

sut_str sut_pg_get_text(const sut_pg_result *r, int row, int col)
{
    Oid t = PQftype(r->pg, col);
    bool text = t == SUT_OID_TEXT || t == SUT_OID_VARCHAR || t == SUT_OID_BPCHAR || t == SUT_OID_NAME ||
                t == SUT_OID_JSON || t == SUT_OID_UNKNOWN || t >= SUT_OID_FIRST_OWN;
    return s_bytes(r, row, col, text, "text");
}

sut_str sut_pg_get_bytea(const sut_pg_result *r, int row, int col)
{
    return s_bytes(r, row, col, PQftype(r->pg, col) == SUT_OID_BYTEA, "bytea");
}

sut_str sut_pg_get_jsonb(const sut_pg_result *r, int row, int col)
{
    sut_str s = s_bytes(r, row, col, PQftype(r->pg, col) == SUT_OID_JSONB, "jsonb");
    return s.len ? (sut_str){s.ptr + 1, s.len - 1} : s; /* behind the format's version */
}

/* ---- errors ---- */

static const char *s_field(const PGresult *error, int which)
{
    const char *s = PQresultErrorField(error, which);
    return s ? s : "";
}

sut_pg_meaning sut_pg_meaning_of(const PGresult *error)
{
    static const struct {
        const char *prefix;
        sut_pg_meaning meaning;
    } map[] = {
        {"23505", SUT_PG_MEANS_CONFLICT}, /* unique */
        {"23503", SUT_PG_MEANS_CONFLICT}, /* foreign key */
        {"23P01", SUT_PG_MEANS_CONFLICT}, /* exclusion */
        {"40001", SUT_PG_MEANS_RETRY},    /* serialization_failure */
        {"40P01", SUT_PG_MEANS_RETRY},    /* deadlock_detected */
        {"57014", SUT_PG_MEANS_TIMEOUT},  /* query_canceled */
        {"55P03", SUT_PG_MEANS_TIMEOUT},  /* lock_not_available */
        {"25P03", SUT_PG_MEANS_AWAY},     /* idle_in_transaction_session_timeout */
        {"57P", SUT_PG_MEANS_AWAY},       /* admin_shutdown, crash_shutdown, cannot_connect_now */
        {"53", SUT_PG_MEANS_AWAY},        /* insufficient_resources */
        {"08", SUT_PG_MEANS_AWAY},        /* connection exception */
        {"25006", SUT_PG_MEANS_FAULT},    /* a write on the read-only pipeline */
    };
    const char *state = s_field(error, PG_DIAG_SQLSTATE);
    for (size_t i = 0; i < SUT_ARRAY_LEN(map); i++)
        if (strncmp(state, map[i].prefix, strlen(map[i].prefix)) == 0)
            return map[i].meaning;
    return SUT_PG_MEANS_FAULT;
}

static void s_note(sut_request *rq, const PGresult *error)
{
    const char *state = s_field(error, PG_DIAG_SQLSTATE);
    if (strlen(state) < SUT_SQLSTATE_SIZE)
        memcpy(rq->error.sqlstate, state, strlen(state) + 1);
    rq->error.constraint = sut_request_str(rq, sut_str_from(s_field(error, PG_DIAG_CONSTRAINT_NAME)));
}

/* Neither DETAIL nor the message's parameters: they may hold personal data. The primary message of a syntax or type
 * error names columns and types; those of class 22 quote values. */
static void s_log(const sut_pg_stmt *stmt, const PGresult *error, const char *event)
{
    const char *state = s_field(error, PG_DIAG_SQLSTATE);
    bool quotes_values = strncmp(state, "22", 2) == 0;
    sut_log(SUT_ERROR, "pg", event, SUT_KV("statement", stmt->name), SUT_KV("sqlstate", state),
            SUT_KV("message", quotes_values ? "(withheld)" : s_field(error, PG_DIAG_MESSAGE_PRIMARY)),
            SUT_KV("constraint", s_field(error, PG_DIAG_CONSTRAINT_NAME)));
}

sut_status sut_pg_fail(sut_request *rq, const sut_pg_stmt *stmt, const PGresult *error)
{
    s_note(rq, error);
    switch (sut_pg_meaning_of(error)) {
    case SUT_PG_MEANS_CONFLICT: return sut_fail(rq, SUT_ERR_CONFLICT, "This collides with something that exists.");
    case SUT_PG_MEANS_RETRY: return sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, 50, "Too many changes at once; try again.");
    case SUT_PG_MEANS_TIMEOUT:
        s_log(stmt, error, "pg.statement_timeout");
        return sut_fail(rq, SUT_ERR_DEADLINE_EXCEEDED, "The database took too long.");
    case SUT_PG_MEANS_AWAY:
        s_log(stmt, error, "pg.away");
        return sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, SUT_RETRY_SOON_MS, "The database is not available.");
    case SUT_PG_MEANS_FAULT: break;
    }
    s_log(stmt, error, "pg.error");
    rq->error.message = SUT_STR_NONE;
    return SUT_ERR_INTERNAL;
}

bool sut_pg_violated(const sut_request *rq, const char *constraint)
{
    return rq->error.constraint.len && sut_str_is(rq->error.constraint, constraint);
}

const char *sut_pg_sqlstate(const sut_request *rq)
{
    return rq->error.sqlstate;
}
