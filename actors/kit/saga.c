/* Sagas in the table: every statement that touches a row.
 *
 * Each change names lease and position that it starts from. A worker whose lease has been taken over changes nothing;
 * and one that does not know whether its COMMIT arrived cannot put the saga back to a step that it has left. */
#include "saga_store.h"

#include "runtime.h"

#include "base/buf.h"
#include "base/log.h"

#include <errno.h>

#define S_ATTEMPT_MS     10000
#define S_LEASE_SPARE_MS 5000 /* for what a step's deadline does not bound: its COMMIT and the record */
#define S_CONTEXT_MAX    (64u << 10)
#define S_SECRET_DEPTH   16
#define S_CLEAN_EVERY_MS (10 * 60 * 1000)
#define S_CLEAN_BATCH    1000

static const char s_table[] =
    "CREATE TABLE sut_saga ("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " name text NOT NULL, key text, context bytea, step text NOT NULL, back boolean NOT NULL DEFAULT false,"
    " attempt integer NOT NULL, next_at timestamptz NOT NULL DEFAULT clock_timestamp(),"
    " fence bigint NOT NULL DEFAULT 1, claimed_until timestamptz,"
    " status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'done', 'undone', 'stuck')),"
    " error_code text, history jsonb NOT NULL DEFAULT '[]',"
    " created_at timestamptz NOT NULL DEFAULT clock_timestamp(),"
    " updated_at timestamptz NOT NULL DEFAULT clock_timestamp(), UNIQUE (name, key));\n"
    "CREATE INDEX sut_saga_due ON sut_saga (next_at) WHERE status = 'running';\n"
    "CREATE INDEX sut_saga_stuck ON sut_saga (id) WHERE status = 'stuck';\n"
    "CREATE INDEX sut_saga_ended ON sut_saga (updated_at) WHERE status IN ('done', 'undone');\n";
static const sut_pg_migration s_items[] = {{1, "0001_sagas", s_table}};
const sut_pg_migrations sut_saga_migrations = {"kit_saga", s_items, SUT_ARRAY_LEN(s_items)};

static const sut_pg_stmt s_insert = {
    "sut_saga_insert",
    "INSERT INTO sut_saga (name, key, context, step, attempt, claimed_until) VALUES ($1, $2, $3, $4, $5,"
    " clock_timestamp() + make_interval(secs => $6)) ON CONFLICT (name, key) DO NOTHING RETURNING id",
    6};

/* The history keeps the last 64 outcomes. */
static const sut_pg_stmt s_change = {
    "sut_saga_change",
    "UPDATE sut_saga SET status = $3, step = $4, back = $5, attempt = $6,"
    " next_at = clock_timestamp() + make_interval(secs => $7),"
    " claimed_until = clock_timestamp() + make_interval(secs => $8),"
    " context = CASE WHEN $3 IN ('done', 'undone') THEN NULL ELSE context END,"
    " error_code = coalesce(left($9, 64), error_code), history = CASE WHEN jsonb_array_length(history) < 64 THEN "
    "history"
    " ELSE history - 0 END || jsonb_build_object('step', step, 'back', back, 'attempt', attempt, 'outcome', $10::text,"
    " 'code', left($9, 64), 'at', clock_timestamp()), updated_at = clock_timestamp()"
    " WHERE id = $1 AND fence = $2 AND status = 'running' AND step = $11 AND back = $12",
    12};

static const sut_pg_stmt s_release = {
    "sut_saga_release",
    "UPDATE sut_saga SET claimed_until = NULL, attempt = attempt - 1 WHERE id = $1 AND fence = $2 AND status ="
    " 'running'",
    2};

/* Only sagas that this build knows: during an upgrade the others are the other builds'. */
static const sut_pg_stmt s_claim = {
    "sut_saga_claim",
    "UPDATE sut_saga SET fence = fence + 1, attempt = attempt + 1, claimed_until = clock_timestamp() +"
    " make_interval(secs => $3) WHERE id IN (SELECT id FROM sut_saga WHERE status = 'running' AND name = ANY($1)"
    " AND next_at <= clock_timestamp() AND (claimed_until IS NULL OR claimed_until < clock_timestamp())"
    " ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING id, fence",
    3};

static const sut_pg_stmt s_load = {
    "sut_saga_load",
    "SELECT name, context, step, back, attempt FROM sut_saga WHERE id = $1 AND fence = $2 AND status = 'running'", 2};

static const sut_pg_stmt s_put_aside = {
    "sut_saga_put_aside",
    "UPDATE sut_saga SET status = 'stuck', error_code = $3, claimed_until = NULL, updated_at = clock_timestamp()"
    " WHERE id = $1 AND fence = $2 AND status = 'running'",
    3};

static const sut_pg_stmt s_stuck = {"sut_saga_count_stuck", "SELECT count(*) FROM sut_saga WHERE status = 'stuck'", 0};

static const sut_pg_stmt s_clean = {
    "sut_saga_clean",
    "DELETE FROM sut_saga WHERE ctid = ANY (ARRAY(SELECT ctid FROM sut_saga WHERE status IN ('done', 'undone') AND"
    " updated_at < now() - interval '7 days' LIMIT 1000))",
    0};

uint32_t sut_saga_timeout_ms(const sut_saga_step *step)
{
    return step->timeout_ms ? step->timeout_ms : S_ATTEMPT_MS;
}

static double s_lease_s(const sut_saga_step *step)
{
    return (sut_saga_timeout_ms(step) + S_LEASE_SPARE_MS) / 1000.0;
}

/* ---- beginning ---- */

static bool s_is_secret(const sut_field *f, int depth)
{
    bool secret = (f->flags & SUT_F_SECRET) || depth == 0;
    for (size_t i = 0; !secret && f->record && i < f->record->count; i++)
        secret = s_is_secret(&f->record->fields[i], depth - 1);
    return secret || (f->element && s_is_secret(f->element, depth - 1));
}

static sut_status s_encode_context(sut_request *rq, const sut_saga *saga, const void *context, sut_str *out)
{
    *out = SUT_STR_NONE;
    if (!saga->context)
        return 0;
    for (size_t i = 0; i < saga->context->count; i++)
        if (s_is_secret(&saga->context->fields[i], S_SECRET_DEPTH))
            return sut_fail_internal(rq, "the context of saga %s has secret fields", saga->name);
    sut_buf b SUT_CLEANUP(sut_buf_deinit);
    sut_buf_init(&b, S_CONTEXT_MAX);
    sut_status st = sut_record_encode(saga->context, context, &b);
    if (st)
        return sut_fail_internal(rq, "the context of saga %s cannot be encoded (%d)", saga->name, st);
    *out = sut_request_str(rq, (sut_str){(const char *)b.data, b.len});
    return out->ptr ? 0 : SUT_TRACE(-ENOMEM, "saga context");
}

/* From the bytes, so that a step sees the same in the request that began the saga and in the runner. */
static sut_status s_decode_context(sut_request *rq, sut_saga_run *run, sut_str bytes)
{
    const sut_record *record = run->saga->context;
    if (!record)
        return 0;
    void *value = sut_request_alloc(rq, record->size + 1);
    if (!value)
        return SUT_TRACE(-ENOMEM, "saga context");
    sut_field_errors errors;
    sut_field_errors_init(&errors, rq->arena, 1);
    run->context = value;
    return sut_record_decode(record, bytes, SUT_UNKNOWN_IGNORE, rq->arena, value, &errors);
}

sut_status sut_saga_start(sut_request *rq, sut_pg_tx *tx, const sut_saga *saga, sut_str key, const void *context,
                          sut_saga_run **out)
{
    sut_str bytes;
    const sut_pg_result *r;
    sut_status st = s_encode_context(rq, saga, context, &bytes);
    if (st)
        return st;
    sut_pg_param lease = out ? sut_pg_f64(s_lease_s(&saga->steps[0])) : sut_pg_null(SUT_PG_F64);
    st = sut_pg_exec(tx, &s_insert,
                     SUT_PG_PARAMS(sut_pg_text(sut_str_from(saga->name)), sut_pg_text(key), sut_pg_bytea(bytes),
                                   sut_pg_text(sut_str_from(saga->steps[0].name)), sut_pg_i32(out ? 1 : 0), lease),
                     &r);
    if (st)
        return st;
    if (sut_pg_rows(r) == 0)
        return sut_fail(rq, SUT_ERR_CONFLICT, "This is under way already.");
    if (!out)
        return 0;
    sut_saga_run *run = SUT_REQUEST_NEW(rq, sut_saga_run);
    if (!run)
        return SUT_TRACE(-ENOMEM, "saga");
    *run = (sut_saga_run){.saga = saga, .id = sut_pg_get_i64(r, 0, 0), .fence = 1, .attempt = 1};
    *out = run;
    st = s_decode_context(rq, run, bytes);
    return st ? sut_fail_internal(rq, "the context of saga %s breaks its record", saga->name) : 0;
}

/* ---- going on ---- */

#define S_CHANGE_PARAMS(run, c)                                                                                        \
    SUT_PG_PARAMS(sut_pg_i64((run)->id), sut_pg_i64((run)->fence), sut_pg_text(sut_str_from((c)->status)),             \
                  sut_pg_text(sut_str_from((run)->saga->steps[(c)->step].name)), sut_pg_bool((c)->back),               \
                  sut_pg_i32((int32_t)(c)->attempt), sut_pg_f64((c)->delay_ms / 1000.0), s_lease_of((run), (c)),       \
                  sut_pg_text((c)->code), sut_pg_text(sut_str_from((c)->outcome)),                                     \
                  sut_pg_text(sut_str_from((run)->saga->steps[(run)->step].name)), sut_pg_bool((run)->back))

static sut_pg_param s_lease_of(const sut_saga_run *run, const sut_saga_change *c)
{
    bool keep = c->delay_ms == 0 && strcmp(c->status, "running") == 0;
    return keep ? sut_pg_f64(s_lease_s(&run->saga->steps[c->step])) : sut_pg_null(SUT_PG_F64);
}

static sut_status s_changed(sut_saga_run *run, sut_status st, const sut_pg_result *r)
{
    if (st || sut_pg_affected(r) == 1)
        return st;
    run->lost = true;
    return SUT_ERR_CONFLICT;
}

sut_status sut_saga_change_tx(sut_pg_tx *tx, sut_saga_run *run, const sut_saga_change *c)
{
    const sut_pg_result *r = NULL;
    sut_status st = sut_pg_exec(tx, &s_change, S_CHANGE_PARAMS(run, c), &r);
    return s_changed(run, st, r);
}

sut_status sut_saga_change_run(sut_request *rq, sut_saga_run *run, const sut_saga_change *c)
{
    const sut_pg_result *r = NULL;
    sut_status st = sut_pg_run(rq, &s_change, S_CHANGE_PARAMS(run, c), &r);
    return s_changed(run, st, r);
}

void sut_saga_apply(sut_saga_run *run, const sut_saga_change *c)
{
    run->step = c->step;
    run->back = c->back;
    run->attempt = c->attempt;
    if (strcmp(c->status, "running") == 0)
        run->end = SUT_SAGA_PENDING;
    else if (strcmp(c->status, "stuck") == 0)
        run->end = SUT_SAGA_STUCK;
    else
        run->end = strcmp(c->status, "done") == 0 ? SUT_SAGA_DONE : SUT_SAGA_UNDONE;
}

sut_status sut_saga_release(sut_request *rq, const sut_saga_run *run)
{
    return sut_pg_run(rq, &s_release, SUT_PG_PARAMS(sut_pg_i64(run->id), sut_pg_i64(run->fence)), NULL);
}

/* ---- the runner's ---- */

sut_status sut_saga_claim(sut_request *rq, int32_t limit, const sut_pg_result **out)
{
    const sut_actor_options *opt = rq->runtime->opt;
    double lease = 0;
    sut_str *names = sut_request_alloc(rq, opt->saga_count * sizeof(*names));
    if (!names)
        return SUT_TRACE(-ENOMEM, "saga names");
    for (size_t i = 0; i < opt->saga_count; i++) {
        names[i] = sut_str_from(opt->sagas[i]->name);
        for (size_t k = 0; k < opt->sagas[i]->step_count; k++)
            if (s_lease_s(&opt->sagas[i]->steps[k]) > lease)
                lease = s_lease_s(&opt->sagas[i]->steps[k]);
    }
    return sut_pg_run(rq, &s_claim,
                      SUT_PG_PARAMS(sut_pg_text_array(names, opt->saga_count), sut_pg_i64(limit), sut_pg_f64(lease)),
                      out);
}

static const sut_saga *s_find(const sut_actor_options *opt, sut_str name)
{
    for (size_t i = 0; i < opt->saga_count; i++)
        if (sut_str_is(name, opt->sagas[i]->name))
            return opt->sagas[i];
    return NULL;
}

static sut_status s_set_aside(sut_request *rq, int64_t id, int64_t fence, const char *code)
{
    sut_log(SUT_ERROR, "kit", "saga.stuck", SUT_KV_I("saga", id), SUT_KV("code", code));
    return sut_pg_run(rq, &s_put_aside,
                      SUT_PG_PARAMS(sut_pg_i64(id), sut_pg_i64(fence), sut_pg_text(sut_str_from(code))), NULL);
}

sut_status sut_saga_load(sut_request *rq, int64_t id, int64_t fence, sut_saga_run **out)
{
    const sut_pg_result *r;
    *out = NULL;
    sut_status st = sut_pg_run(rq, &s_load, SUT_PG_PARAMS(sut_pg_i64(id), sut_pg_i64(fence)), &r);
    if (st || sut_pg_rows(r) == 0)
        return st;
    sut_saga_run *run = SUT_REQUEST_NEW(rq, sut_saga_run);
    if (!run)
        return SUT_TRACE(-ENOMEM, "saga");
    *run = (sut_saga_run){.saga = s_find(rq->runtime->opt, sut_pg_get_text(r, 0, 0)),
                          .id = id,
                          .fence = fence,
                          .back = sut_pg_get_bool(r, 0, 3),
                          .attempt = (uint32_t)sut_pg_get_i32(r, 0, 4)};
    sut_str step = sut_pg_get_text(r, 0, 2);
    while (run->saga && run->step < run->saga->step_count && !sut_str_is(step, run->saga->steps[run->step].name))
        run->step++;
    if (!run->saga || run->step == run->saga->step_count)
        return s_set_aside(rq, id, fence, "unknown_step");
    st = s_decode_context(rq, run, sut_pg_get_bytea(r, 0, 1));
    if (st > 0)
        return s_set_aside(rq, id, fence, "unreadable_context");
    *out = st ? NULL : run;
    return st;
}

sut_status sut_saga_count_stuck(sut_request *rq, int64_t *count)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_run(rq, &s_stuck, SUT_PG_NO_PARAMS, &r);
    *count = st ? 0 : sut_pg_get_i64(r, 0, 0);
    return st;
}

static sut_status s_clean_up(sut_request *rq, void *arg)
{
    (void)arg;
    const sut_pg_result *r;
    sut_status st;
    do {
        st = sut_pg_run(rq, &s_clean, SUT_PG_NO_PARAMS, &r);
    } while (!st && sut_pg_affected(r) == S_CLEAN_BATCH);
    return st;
}

const sut_periodic sut_saga_cleaner = {.name = "kit.saga_cleaner", .fn = s_clean_up, .every_ms = S_CLEAN_EVERY_MS};
