/* Working on sagas: one attempt after another until the end or a wait; and the runner, which takes up what is due. */
#include "saga_store.h"

#include "kit/call.h"
#include "kit/task.h"
#include "runtime.h"

#include "base/clock.h"
#include "base/health.h"
#include "base/log.h"

#include <stdio.h>

#define S_ATTEMPTS        20
#define S_BACKOFF_MS      200u
#define S_BACKOFF_MAX_MS  60000u
#define S_RECORD_MS       4000 /* within the lease's spare time */
#define S_RUNNER_EVERY_MS 500
#define S_BATCH           16
#define S_RESUME_MS       (10 * 60 * 1000)

static const sut_saga_step *s_step(const sut_saga_run *run)
{
    return &run->saga->steps[run->step];
}

int64_t sut_saga_id(const sut_saga_run *run)
{
    return run->id;
}

const void *sut_saga_context(const sut_saga_run *run)
{
    return run->context;
}

sut_str sut_saga_key(const sut_saga_run *run)
{
    return sut_str_from(run->key);
}

/* ---- where to ---- */

/* The step to undo next, looking from `step` (excluded) towards the first. */
static bool s_before(const sut_saga *saga, size_t *step)
{
    while (*step > 0)
        if (saga->steps[--*step].compensate)
            return true;
    return false;
}

static sut_saga_change s_forth(const sut_saga_run *run)
{
    bool last = run->back || run->step + 1 == run->saga->step_count;
    sut_saga_change c = {.status = "running", .step = run->step, .back = run->back, .attempt = 1, .outcome = "ok"};
    if (run->back)
        last = !s_before(run->saga, &c.step);
    else if (!last)
        c.step++;
    if (last) {
        c.status = run->back ? "undone" : "done";
        c.step = run->step;
    }
    return c;
}

static sut_saga_change s_turned(const sut_saga_run *run, sut_str code)
{
    sut_saga_change c = {.status = "running",
                         .step = run->step,
                         .back = true,
                         .attempt = 1,
                         .code = code,
                         .outcome = run->back ? "stuck" : "failed"};
    if (run->back)
        c.status = "stuck";
    else if (!s_step(run)->compensate && !s_before(run->saga, &c.step))
        c.status = "undone";
    return c;
}

static sut_saga_change s_later(const sut_saga_run *run, sut_str code)
{
    uint32_t random, shift = run->attempt < 10 ? run->attempt : 10;
    uint32_t ms = S_BACKOFF_MS << shift;
    if (ms > S_BACKOFF_MAX_MS)
        ms = S_BACKOFF_MAX_MS;
    sut_random(&random, sizeof(random));
    return (sut_saga_change){.status = "running",
                             .step = run->step,
                             .back = run->back,
                             .attempt = run->attempt,
                             .delay_ms = ms / 2 + random % (ms / 2),
                             .code = code,
                             .outcome = "retry"};
}

/* ---- one attempt ---- */

static bool s_is_transient(sut_status st)
{
    switch (st) {
    case SUT_ERR_UNAVAILABLE:
    case SUT_ERR_NO_SUCH_SERVICE:
    case SUT_ERR_OUTCOME_UNKNOWN:
    case SUT_ERR_OVERLOADED:
    case SUT_ERR_RATE_LIMITED:
    case SUT_ERR_DEADLINE_EXCEEDED:
    case SUT_ERR_CANCELLED:
    case SUT_ERR_INTERNAL: return true;
    default: return st < 0;
    }
}

/* A code, never a message: that may hold what a person typed. */
static sut_str s_code(const sut_request *rq, sut_status st)
{
    if (st == SUT_KIT_REMOTE)
        return sut_kit_remote_code(rq);
    const sut_error_desc *desc = NULL;
    if (st > 0 && rq->method)
        desc = sut_method_error_number(rq->method, st);
    if (!desc && st > 0)
        desc = sut_platform_error(st);
    return desc ? sut_str_from(desc->code) : st < 0 ? SUT_STR("internal") : SUT_STR("refused");
}

/* The request's deadline, but never later than `ms` from now. */
static void s_limit(sut_request *rq, uint64_t whole_ns, uint64_t ms)
{
    uint64_t limit = sut_now_ns() + ms * SUT_NS_PER_MS;
    sut_timer_stop(&rq->timer);
    rq->expired = false;
    rq->deadline_ns = limit < whole_ns ? limit : whole_ns;
}

static sut_status s_attempt(sut_request *rq, sut_saga_run *run)
{
    const sut_saga_step *step = s_step(run);
    sut_saga_fn fn = run->back ? step->compensate : step->run;
    run->recorded = run->lost = false;
    if (run->attempt > (step->attempts ? step->attempts : S_ATTEMPTS))
        return SUT_ERR_UNAVAILABLE; /* it took the process with it each time */
    snprintf(run->key, sizeof(run->key), "saga:%.16s:%lld:%zu:%s", rq->runtime->opt->name, (long long)run->id,
             run->step, run->back ? "back" : "run");
    sut_request_clear_error(rq);
    return fn ? fn(rq, run) : 0;
}

typedef struct s_step_tx {
    sut_saga_run *run;
    sut_pg_tx_fn fn;
    void *arg;
    sut_saga_change change;
} s_step_tx;

static sut_status s_run_step_tx(sut_request *rq, sut_pg_tx *tx, void *arg)
{
    s_step_tx *s = arg;
    sut_status st = s->fn(rq, tx, s->arg);
    return st ? st : sut_saga_change_tx(tx, s->run, &s->change);
}

sut_status sut_saga_tx(sut_request *rq, sut_saga_run *run, sut_pg_tx_fn fn, void *arg)
{
    if (run->recorded)
        return sut_fail_internal(rq, "saga %s: a second transaction in one step", run->saga->name);
    s_step_tx s = {.run = run, .fn = fn, .arg = arg, .change = s_forth(run)};
    sut_status st = sut_pg_tx_run(rq, s_run_step_tx, &s);
    run->recorded = st == 0;
    return st;
}

static void s_tell(const sut_saga_run *run, const sut_saga_change *c)
{
    bool stuck = strcmp(c->status, "stuck") == 0;
    sut_log(stuck         ? SUT_ERROR
            : c->code.ptr ? SUT_WARN
                          : SUT_DEBUG,
            "kit", stuck ? "saga.stuck" : "saga.step", SUT_KV("name", run->saga->name), SUT_KV_I("saga", run->id),
            SUT_KV("step", s_step(run)->name), SUT_KV("way", run->back ? "back" : "run"),
            SUT_KV_U("attempt", run->attempt), SUT_KV("result", c->outcome), SUT_KV_S("code", c->code));
}

/* Records what became of the attempt; false: the saga is not ours to go on with now. */
static bool s_record(sut_request *rq, sut_saga_run *run, sut_status st, uint64_t whole_ns)
{
    const sut_saga_step *step = s_step(run);
    if (run->recorded)
        st = 0;
    bool again = s_is_transient(st) && run->attempt < (step->attempts ? step->attempts : S_ATTEMPTS);
    sut_saga_change c = st == 0 ? s_forth(run) : again ? s_later(run, s_code(rq, st)) : s_turned(run, s_code(rq, st));
    s_limit(rq, whole_ns, S_RECORD_MS);
    if (run->lost || (!run->recorded && sut_saga_change_run(rq, run, &c)))
        return false;
    s_tell(run, &c);
    sut_saga_apply(run, &c);
    return c.delay_ms == 0;
}

sut_status sut_saga_go(sut_request *rq, sut_saga_run *run, sut_saga_end *end)
{
    uint64_t whole_ns = rq->deadline_ns;
    sut_request_error refusal = {0};
    sut_status refused = 0;
    bool ours = true;
    run->end = SUT_SAGA_PENDING;
    while (ours && run->end == SUT_SAGA_PENDING && !rq->runtime->draining) {
        bool forward = !run->back;
        s_limit(rq, whole_ns, sut_saga_timeout_ms(s_step(run)));
        sut_status st = s_attempt(rq, run);
        sut_request_error error = rq->error;
        ours = s_record(rq, run, st, whole_ns);
        if (ours && forward && st) {
            refusal = error;
            refused = st;
        }
    }
    if (ours && run->end == SUT_SAGA_PENDING && sut_saga_release(rq, run))
        sut_log(SUT_WARN, "kit", "saga.lease_left", SUT_KV_I("saga", run->id)); /* it runs out */
    s_limit(rq, whole_ns, 0);
    rq->deadline_ns = whole_ns;
    *end = run->end;
    sut_request_clear_error(rq);
    if (run->end == SUT_SAGA_DONE)
        return 0;
    if (!refused || run->end == SUT_SAGA_PENDING)
        return sut_fail(rq, SUT_ERR_OUTCOME_UNKNOWN, "This is still under way.");
    rq->error = refusal;
    return refused;
}

/* ---- the runner ---- */

typedef struct s_lease {
    int64_t id, fence;
} s_lease;

static sut_status s_resume(sut_request *rq, void *arg)
{
    const s_lease *lease = arg;
    sut_saga_run *run;
    sut_saga_end end;
    sut_status st = sut_saga_load(rq, lease->id, lease->fence, &run);
    if (st || !run)
        return st;
    st = sut_saga_go(rq, run, &end);
    return st < 0 ? st : 0; /* what became of it has been logged step by step */
}

static sut_status s_show_health(sut_request *rq)
{
    char detail[64];
    int64_t stuck;
    sut_status st = sut_saga_count_stuck(rq, &stuck);
    if (st)
        return st;
    snprintf(detail, sizeof(detail), "%lld stuck", (long long)stuck);
    sut_health_set("sagas", false, stuck ? SUT_HEALTH_DEGRADED : SUT_HEALTH_UP, stuck ? detail : NULL);
    return 0;
}

/* Each in a fiber of its own: one that waits holds up no other. A lease that finds no fiber runs out by itself. */
static sut_status s_sweep(sut_request *rq, void *arg)
{
    (void)arg;
    if (rq->runtime->background_count + S_BATCH > SUT_BACKGROUND_MAX / 2)
        return 0;
    const sut_pg_result *r;
    sut_status st = sut_saga_claim(rq, S_BATCH, &r);
    for (int i = 0; !st && i < sut_pg_rows(r); i++) {
        s_lease lease = {sut_pg_get_i64(r, i, 0), sut_pg_get_i64(r, i, 1)};
        st = sut_background(rq, "kit.saga", s_resume, &lease, sizeof(lease), S_RESUME_MS);
    }
    return st ? st : s_show_health(rq);
}

const sut_periodic sut_saga_runner = {.name = "kit.saga_runner", .fn = s_sweep, .every_ms = S_RUNNER_EVERY_MS};
