/* At most once a key: the reply is kept in the transaction that it tells of, and given again.
 *
 * Two calls with one key at the same time: both run, the second waits at the primary key for the first's COMMIT, finds
 * its row, undoes itself and gives the first one's reply. */
#include "idempotency.h"

#include "request.h"
#include "runtime.h"

#include "base/buf.h"
#include "base/log.h"

#include <errno.h>

#define S_CLEAN_EVERY_MS (10 * 60 * 1000)

static const sut_pg_stmt s_look = {"sut_idempotency_look",
                                   "SELECT reply, fingerprint = sha256($4::bytea) FROM sut_idempotency WHERE principal "
                                   "= $1 AND method = $2 AND key = $3"
                                   " AND created_at > now() - interval '24 hours'",
                                   4};
/* No row: somebody else's is there. An expired one is taken over. */
static const sut_pg_stmt s_keep = {
    "sut_idempotency_keep",
    "INSERT INTO sut_idempotency AS i (principal, method, key, fingerprint, reply) VALUES ($1, $2, $3, "
    "sha256($4::bytea),"
    " $5) ON CONFLICT (principal, method, key) DO UPDATE SET fingerprint = excluded.fingerprint, reply ="
    " excluded.reply, created_at = now() WHERE i.created_at <= now() - interval '24 hours' RETURNING 1",
    5};
static const sut_pg_stmt s_clean = {
    "sut_idempotency_clean",
    "DELETE FROM sut_idempotency WHERE ctid = ANY (ARRAY(SELECT ctid FROM sut_idempotency WHERE created_at <= now() -"
    " interval '24 hours' LIMIT 1000))",
    0};

typedef struct s_once {
    sut_pg_tx_fn fn;
    void *arg;
    void *out;
    sut_str body; /* the input in its canonical encoding */
} s_once;

/* Encodes into the request's memory. */
static sut_status s_encode(sut_request *rq, const sut_record *desc, const void *value, sut_str *out)
{
    sut_buf b SUT_CLEANUP(sut_buf_deinit);
    sut_buf_init(&b, SUT_ENVELOPE_MAX);
    sut_status st = sut_record_encode(desc, value, &b);
    if (st)
        return st;
    *out = sut_request_str(rq, (sut_str){b.len ? (const char *)b.data : "", b.len});
    return out->ptr ? 0 : -ENOMEM;
}

/* Sets *found and fills `out` if this key was answered before. */
static sut_status s_replay(sut_request *rq, const s_once *once, bool *found)
{
    const sut_method *m = rq->method;
    const sut_pg_result *r;
    *found = false;
    sut_status st = sut_pg_read(rq, &s_look,
                                SUT_PG_PARAMS(sut_pg_i64(rq->principal.user_id), sut_pg_text(sut_str_from(m->name)),
                                              sut_pg_text(rq->idempotency_key), sut_pg_bytea(once->body)),
                                &r);
    if (st || sut_pg_rows(r) == 0)
        return st;
    if (!sut_pg_get_bool(r, 0, 1))
        return sut_fail(rq, SUT_ERR_CONFLICT, "This idempotency key was used for another request.");
    sut_field_errors errors;
    sut_field_errors_init(&errors, rq->arena, 1);
    st = sut_record_decode(m->out, sut_pg_get_bytea(r, 0, 0), SUT_UNKNOWN_IGNORE, rq->arena, once->out, &errors);
    if (st)
        return sut_fail_internal(rq, "the kept reply of %s cannot be read", m->name);
    *found = true;
    rq->kept_reply = SUT_STR_NONE;
    sut_log(SUT_DEBUG, "kit:call", "call.replayed", SUT_KV("method", m->name));
    return 0;
}

static sut_status s_run_and_keep(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    s_once *once = arg;
    const sut_method *m = rq->method;
    sut_status st = once->fn(rq, tx, once->arg);
    if (!st)
        st = s_encode(rq, m->out, once->out, &rq->kept_reply);
    if (st)
        return st;
    const sut_pg_result *r;
    st = sut_pg_exec(tx, &s_keep,
                     SUT_PG_PARAMS(sut_pg_i64(rq->principal.user_id), sut_pg_text(sut_str_from(m->name)),
                                   sut_pg_text(rq->idempotency_key), sut_pg_bytea(once->body),
                                   sut_pg_bytea(rq->kept_reply)),
                     &r);
    if (!st && sut_pg_rows(r) == 0)
        st = sut_fail(rq, SUT_ERR_CONFLICT, "This idempotency key is in use.");
    return st;
}

/* Schemas are shallow; what is deeper than this is taken for secret. */
#define S_SECRET_DEPTH 16

static bool s_field_is_secret(const sut_field *f, int depth);

static bool s_has_secret(const sut_record *record, int depth)
{
    for (size_t i = 0; record && i < record->count; i++)
        if (s_field_is_secret(&record->fields[i], depth))
            return true;
    return false;
}

static bool s_field_is_secret(const sut_field *f, int depth)
{
    return (f->flags & SUT_F_SECRET) || depth == 0 || s_has_secret(f->record, depth - 1) ||
           (f->element && s_field_is_secret(f->element, depth - 1));
}

sut_status sut_pg_tx_once(sut_request *rq, sut_pg_tx_fn fn, void *arg, void *out)
{
    if (rq->method && (s_has_secret(rq->method->in, S_SECRET_DEPTH) || s_has_secret(rq->method->out, S_SECRET_DEPTH)))
        return sut_fail_internal(rq, "%s has secret fields: neither they nor their hash may be kept", rq->method->name);
    if (!rq->idempotency_key.len || !rq->method || !rq->input)
        return sut_pg_tx_run(rq, fn, arg);
    s_once once = {.fn = fn, .arg = arg, .out = out};
    bool found = false;
    sut_status st = s_encode(rq, rq->method->in, rq->input, &once.body);
    if (!st)
        st = s_replay(rq, &once, &found);
    if (st || found)
        return st;
    st = sut_pg_tx_run(rq, s_run_and_keep, &once);
    if (st <= 0 || st == SUT_ERR_DEADLINE_EXCEEDED || st == SUT_ERR_CANCELLED || st == SUT_ERR_INTERNAL)
        return st;
    /* It may have failed because the same call, at the same time, was faster: then its reply is ours. */
    sut_request_error failure = rq->error;
    memset(out, 0, rq->method->out->size);
    sut_status looked = s_replay(rq, &once, &found);
    if (found)
        return 0;
    if (looked == SUT_ERR_CONFLICT)
        return looked;
    rq->error = failure;
    return st;
}

static sut_status s_clean_up(sut_request *rq, void *arg)
{
    (void)arg;
    const sut_pg_result *r;
    sut_status st;
    do {
        st = sut_pg_run(rq, &s_clean, SUT_PG_NO_PARAMS, &r);
    } while (!st && sut_pg_affected(r) == 1000);
    return st;
}

const sut_periodic sut_idempotency_cleaner = {
    .name = "kit.idempotency_cleaner", .fn = s_clean_up, .every_ms = S_CLEAN_EVERY_MS};
