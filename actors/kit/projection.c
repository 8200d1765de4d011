/* Rebuilding a projection: one fiber that goes through the steps of kit/projection.h. Its state is a row that all
 * instances see; the run's number in it fences a run that was taken for dead. */
#include "kit/projection.h"

#include "runtime.h"
#include "stream.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>

#define S_SUBJECTS_MAX   16
#define S_NOTE_EVERY_MAX 256 /* events that are applied between two notes of progress */

static const sut_pg_stmt s_begin = {
    "sut_projection_begin",
    "INSERT INTO sut_projections AS p (name, run, state, renewed_at) VALUES ($1, 1, 'running', now()) ON CONFLICT "
    "(name)"
    " DO UPDATE SET run = p.run + 1, state = 'running', error = NULL, rows = 0, replayed = 0, missing = 0, extra = 0,"
    " different = 0, renewed_at = now() WHERE p.state <> 'running' OR p.renewed_at < now() - interval '30 seconds'"
    " RETURNING run",
    1};
static const sut_pg_stmt s_note = {"sut_projection_note",
                                   "UPDATE sut_projections SET rows = $3, replayed = $4, renewed_at = now() WHERE name"
                                   " = $1 AND run = $2 AND state = 'running'",
                                   4};
static const sut_pg_stmt s_end = {
    "sut_projection_end",
    "UPDATE sut_projections SET state = $3, error = $4, rows = $5, replayed = $6, missing = $7, extra = $8,"
    " different = $9, renewed_at = now() WHERE name = $1 AND run = $2 AND state = 'running'",
    9};
static const sut_pg_stmt s_look = {
    "sut_projection_look",
    "SELECT CASE WHEN state = 'running' AND renewed_at < now() - interval '30 seconds' THEN 'failed' ELSE state END,"
    " coalesce(error, CASE WHEN state = 'running' AND renewed_at < now() - interval '30 seconds' THEN"
    " 'the instance that did it is gone' END), rows, replayed, missing, extra, different FROM sut_projections"
    " WHERE name = $1",
    1};

typedef struct s_run {
    const sut_projection *what;
    const sut_delivery_port *port;
    int64_t number, rows, replayed;
    sut_projection_diff diff;
    sut_stream stream;
} s_run;

static const sut_projection *s_find(const sut_runtime *rt, sut_str name)
{
    for (size_t i = 0; i < rt->opt->projection_count; i++)
        if (sut_str_is(name, rt->opt->projections[i].name))
            return &rt->opt->projections[i];
    return NULL;
}

/* ---- the steps ---- */

static sut_status s_note_progress(sut_request *rq, const s_run *run)
{
    const sut_pg_result *r;
    sut_status st = sut_pg_run(rq, &s_note,
                               SUT_PG_PARAMS(sut_pg_text(sut_str_from(run->what->name)), sut_pg_i64(run->number),
                                             sut_pg_i64(run->rows), sut_pg_i64(run->replayed)),
                               &r);
    if (!st && sut_pg_affected(r) == 0)
        st = sut_fail(rq, SUT_ERR_FENCED, "another run has begun");
    if (!st && rq->runtime->draining)
        st = sut_fail(rq, SUT_ERR_UNAVAILABLE, "the actor was stopped");
    if (!st)
        sut_request_recycle(rq);
    return st;
}

static sut_status s_open(sut_request *rq, s_run *run, uint64_t sequence)
{
    const char *subjects[S_SUBJECTS_MAX];
    if (run->what->event_count > S_SUBJECTS_MAX)
        return sut_fail_internal(rq, "projection %s has too many events", run->what->name);
    for (size_t i = 0; i < run->what->event_count; i++)
        subjects[i] = run->what->events[i]->subject;
    return sut_stream_open(&run->stream, rq, run->port, subjects, run->what->event_count, sequence);
}

static sut_status s_snapshot(sut_request *rq, s_run *run)
{
    sut_projection_page page = {.more = true};
    sut_status st = sut_pg_tx_run(rq, run->what->fresh, NULL);
    while (!st && page.more) {
        page.more = false;
        page.rows = 0;
        st = run->what->page(rq, &page);
        run->rows += page.rows;
        if (!st)
            st = s_note_progress(rq, run);
    }
    return st;
}

static sut_status s_apply(sut_request *rq, s_run *run, const sut_envelope *env)
{
    const sut_event *event = NULL;
    for (size_t i = 0; i < run->what->event_count; i++)
        if (sut_str_is(env->subject, run->what->events[i]->subject))
            event = run->what->events[i];
    if (!event)
        return 0;
    void *body = sut_request_alloc(rq, event->body->size + 1);
    if (!body)
        return sut_fail_internal(rq, "no memory for an event");
    sut_status st = sut_record_decode(event->body, env->body, SUT_UNKNOWN_IGNORE, rq->arena, body, &rq->error.fields);
    if (st)
        return sut_fail(rq, SUT_ERR_INVALID, "event %llu breaks its schema", (unsigned long long)env->opt.sequence);
    run->replayed++;
    return run->what->apply(rq, event, body);
}

static sut_status s_replay(sut_request *rq, s_run *run)
{
    for (unsigned n = 1;; n++) {
        sut_delivery *d;
        sut_status st = sut_stream_next(&run->stream, rq, &d);
        if (st || !d)
            return st;
        st = s_apply(rq, run, run->port->envelope(d));
        run->port->ack(d);
        if (st)
            return st;
        if (n % S_NOTE_EVERY_MAX == 0)
            st = s_note_progress(rq, run);
        else
            sut_request_recycle(rq);
        if (st)
            return st;
    }
}

static sut_status s_steps(sut_request *rq, s_run *run)
{
    sut_status st = s_open(rq, run, 0);
    const uint64_t next = run->stream.position; /* of what comes from now on */
    sut_stream_close(&run->stream);
    if (!st)
        st = s_snapshot(rq, run);
    if (!st)
        st = s_open(rq, run, next);
    if (!st)
        st = s_replay(rq, run);
    sut_stream_close(&run->stream);
    if (!st)
        st = s_note_progress(rq, run); /* still ours? */
    return st ? st : sut_pg_tx_run(rq, run->what->swap, &run->diff);
}

/* ---- the fiber ---- */

static void s_conclude(sut_request *rq, const s_run *run, sut_status result)
{
    sut_str why = SUT_STR_NONE;
    if (result)
        why = rq->error.message.ptr ? rq->error.message : sut_request_printf(rq, "error %d: see the log", result);
    sut_log(result ? SUT_ERROR : SUT_INFO, "kit", result ? "projection.failed" : "projection.rebuilt",
            SUT_KV("projection", run->what->name), SUT_KV_S("why", why), SUT_KV_I("rows", run->rows),
            SUT_KV_I("replayed", run->replayed), SUT_KV_I("missing", run->diff.missing),
            SUT_KV_I("extra", run->diff.extra), SUT_KV_I("different", run->diff.different));
    sut_status st =
        sut_pg_run(rq, &s_end,
                   SUT_PG_PARAMS(sut_pg_text(sut_str_from(run->what->name)), sut_pg_i64(run->number),
                                 sut_pg_text(result ? SUT_STR("failed") : SUT_STR("done")), sut_pg_text(why),
                                 sut_pg_i64(run->rows), sut_pg_i64(run->replayed), sut_pg_i64(run->diff.missing),
                                 sut_pg_i64(run->diff.extra), sut_pg_i64(run->diff.different)),
                   NULL);
    if (st) /* who looks sees it as failed in 30 s */
        sut_log(SUT_ERROR, "kit", "projection.not_noted", SUT_KV("projection", run->what->name), SUT_KV_I("error", st));
}

static sut_status s_rebuild(sut_request *rq, void *arg)
{
    s_run *run = arg;
    sut_status st = s_steps(rq, run);
    s_conclude(rq, run, st);
    free(run);
    return st;
}

static sut_status s_launch(sut_request *rq, const sut_projection *what, int64_t number)
{
    sut_runtime *rt = rq->runtime;
    sut_request *child = NULL;
    s_run *run = calloc(1, sizeof(*run));
    if (!run || sut_runtime_acquire(rt, &child)) {
        free(run);
        return SUT_TRACE(-ENOMEM, "rebuild");
    }
    run->what = what;
    run->port = rt->deliveries;
    run->number = number;
    sut_request_begin(child, "kit.rebuild", SUT_NEVER, (sut_str){rq->traceparent, SUT_TRACEPARENT_LEN});
    sut_runtime_launch(rt, child, s_rebuild, run);
    return 0;
}

sut_status sut_projection_rebuild(sut_request *rq, sut_str name)
{
    const sut_pg_result *r;
    const sut_projection *what = s_find(rq->runtime, name);
    if (!what)
        return sut_fail(rq, SUT_ERR_NOT_FOUND, "There is no such projection.");
    if (!rq->runtime->deliveries)
        return sut_fail_retry(rq, SUT_ERR_UNAVAILABLE, SUT_RETRY_SOON_MS, "There is no stream of events yet.");
    sut_status st = sut_pg_run(rq, &s_begin, SUT_PG_PARAMS(sut_pg_text(name)), &r);
    if (st)
        return st;
    if (sut_pg_rows(r) == 0)
        return sut_fail(rq, SUT_ERR_CONFLICT, "It is being rebuilt.");
    return s_launch(rq, what, sut_pg_get_i64(r, 0, 0));
}

sut_status sut_projection_look(sut_request *rq, sut_str name, sut_projection_status *out)
{
    const sut_pg_result *r;
    *out = (sut_projection_status){.state = SUT_STR("idle")};
    if (!s_find(rq->runtime, name))
        return sut_fail(rq, SUT_ERR_NOT_FOUND, "There is no such projection.");
    sut_status st = sut_pg_read(rq, &s_look, SUT_PG_PARAMS(sut_pg_text(name)), &r);
    if (st || sut_pg_rows(r) == 0)
        return st;
    *out = (sut_projection_status){.state = sut_pg_get_text(r, 0, 0),
                                   .error = sut_pg_get_text(r, 0, 1),
                                   .rows = sut_pg_get_i64(r, 0, 2),
                                   .replayed = sut_pg_get_i64(r, 0, 3),
                                   .diff = {.missing = sut_pg_get_i64(r, 0, 4),
                                            .extra = sut_pg_get_i64(r, 0, 5),
                                            .different = sut_pg_get_i64(r, 0, 6)}};
    return 0;
}
