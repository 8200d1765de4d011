/* broker.dead_redrive: dead letters go to their groups again. First each is marked in the journal (with its new body,
 * if it was edited), so that a redrive that was answered survives a restart; then the core gets it. */
#include "broker.h"
#include "dead_letters.h"
#include "traffic.h"

#include "base/clock.h"
#include "base/log.h"

#include "broker_schema.h"

#include <errno.h>
#include <stdio.h>

#define ATTEMPTS_MAX 64
#define UNMARKED     (UINT64_MAX >> SUT_TAG_BITS) /* nobody waits for that write */

typedef struct redrive {
    sut_dead_pick pick;
    sut_dead_list list;
    size_t max;
    size_t marked, answered; /* writes asked for, writes done */
    sut_status *written;     /* of each letter */
    sut_str unedited;        /* body of the single one that is edited */
    int64_t *redriven;
    const broker_dead_failure **failed;
    size_t redriven_count, failed_count;
} redrive;

static sut_status ask_letters(sut_control_request *rq, sut_journal *j)
{
    redrive *r = rq->state;
    const sut_status st = sut_dead_list_fill(rq, j, &r->pick, r->max, &r->list);

    if (st < 0)
        return st;
    r->written = sut_arena_array(rq->arena, r->list.count + 1, sizeof *r->written);
    r->redriven = sut_arena_array(rq->arena, r->list.count + 1, sizeof *r->redriven);
    r->failed = sut_arena_array(rq->arena, r->list.count + r->list.missing_count + 1, sizeof(void *));
    return r->written && r->redriven && r->failed ? 0 : -ENOMEM;
}

static void failed(sut_control_request *rq, int64_t id, sut_str code, sut_str message)
{
    redrive *r = rq->state;
    broker_dead_failure *f = sut_control_alloc(rq, sizeof *f);

    if (!f)
        return;
    *f = (broker_dead_failure){id, code, message};
    r->failed[r->failed_count++] = f;
}

/* The core did not take it: it is as it was, or the next start would redrive what was refused. */
static void unmark(sut_control_request *rq, sut_dead_letter *d)
{
    const redrive *r = rq->state;

    d->redriving = false;
    if (r->unedited.ptr)
        d->event.body = r->unedited;
    if (sut_journal_service_dead_put(rq->broker->events.journal, UNMARKED << SUT_TAG_BITS | SUT_TAG_REDRIVE, d) < 0)
        sut_log(SUT_ERROR, "broker", "redrive.marked", SUT_KV_S("group", d->group), SUT_KV_U("dead_letter", d->id));
}

static void give(sut_control_request *rq, sut_dead_letter *d)
{
    redrive *r = rq->state;
    sut_core_attempt attempts[ATTEMPTS_MAX];
    const size_t count = d->attempt_count < ATTEMPTS_MAX ? d->attempt_count : ATTEMPTS_MAX;
    char why[200] = "";

    for (size_t i = 0; i < count; i++) {
        const sut_dead_attempt *a = &d->attempts[i];
        attempts[i] = (sut_core_attempt){a->attempt, a->time_us, a->consumer, a->code, a->message};
    }
    const sut_status st =
        sut_core_redrive(rq->broker->core, sut_now_ns(), d->group, d->id, &d->event, attempts, count, why, sizeof why);
    if (st == 0) {
        r->redriven[r->redriven_count++] = (int64_t)d->id;
        return;
    }
    failed(rq, (int64_t)d->id, st == -ENOENT ? SUT_STR("not_found") : SUT_STR("conflict"),
           sut_arena_printf(rq->arena, "%s", why[0] ? why : "it cannot be given now"));
    if (st != -EALREADY) /* else it is on its way */
        unmark(rq, d);
}

static void finish(sut_control_request *rq)
{
    redrive *r = rq->state;

    rq->broker->events.redriving = NULL;
    for (size_t i = 0; i < r->list.count; i++) {
        sut_dead_letter *d = r->list.items[i];
        if (r->written[i] < 0)
            failed(rq, (int64_t)d->id, SUT_STR("storage_full"),
                   sut_arena_printf(rq->arena, "%s", strerror(-r->written[i])));
        else
            give(rq, d);
    }
    for (size_t i = 0; i < r->list.missing_count; i++)
        failed(rq, *r->list.missing[i], SUT_STR("not_found"), SUT_STR("there is no such dead letter"));
    sut_traffic_soon(rq->broker);
    sut_control_reply(rq, &(broker_dead_redrive_out){.redriven = {r->redriven, r->redriven_count},
                                                     .failed = {(void *)r->failed, r->failed_count}});
}

void sut_control_redrive_stored(sut_broker *b, uint64_t index, sut_status status)
{
    sut_control_request *rq = b->events.redriving;
    redrive *r = rq ? rq->state : NULL;

    if (!r || index >= r->list.count)
        return;
    r->written[index] = status;
    if (++r->answered == r->marked)
        finish(rq);
}

/* False: it was refused, and the request is over. */
static bool edit(sut_control_request *rq, const broker_dead_redrive_in *in)
{
    redrive *r = rq->state;
    sut_publish_fault fault;
    sut_journal_event *event;

    if (in->has_body != SUT_PRESENT)
        return true;
    if (r->list.count != 1 || r->pick.id_count != 1) {
        sut_control_fail(rq, SUT_ERR_INVALID, "a body replaces that of a single one: give one id");
        return false;
    }
    event = &r->list.items[0]->event;
    r->unedited = event->body;
    event->body = in->body;
    if (sut_event_check(rq->broker, event, rq->arena, &fault) == 0)
        return true;
    if (fault.error_count)
        sut_control_fail(rq, fault.err, "%.*s: %.*s %.*s", SUT_STR_FMT(fault.message),
                         SUT_STR_FMT(fault.errors[0].pointer), SUT_STR_FMT(fault.errors[0].message));
    else
        sut_control_fail(rq, fault.err, "%.*s", SUT_STR_FMT(fault.message));
    return false;
}

static void mark_all(sut_control_request *rq)
{
    redrive *r = rq->state;

    rq->broker->events.redriving = rq;
    for (size_t i = 0; i < r->list.count; i++) {
        sut_dead_letter *d = r->list.items[i];
        d->redriving = true;
        r->written[i] =
            sut_journal_service_dead_put(rq->broker->events.journal, (uint64_t)i << SUT_TAG_BITS | SUT_TAG_REDRIVE, d);
        r->marked += r->written[i] == 0;
    }
    if (!r->marked)
        finish(rq);
}

static void redrive_letters(sut_control_request *rq, sut_status status)
{
    redrive *r = rq->state;

    if (status == -ENOMEM)
        sut_control_fail(rq, SUT_ERR_OVERLOADED, "they are too large for one request: take fewer");
    else if (status < 0)
        sut_control_fail_status(rq, status, "the journal cannot be read");
    else if (!r->list.count && !r->list.missing_count)
        sut_control_fail(rq, SUT_ERR_NOT_FOUND, "no dead letter fits");
    else if (rq->broker->events.redriving)
        sut_control_fail(rq, SUT_ERR_OVERLOADED, "others are being redriven: try again");
    else if (edit(rq, rq->in))
        mark_all(rq);
}

void sut_control_dead_redrive(sut_control_request *rq)
{
    const broker_dead_redrive_in *in = rq->in;
    redrive *r = rq->state = sut_control_alloc(rq, sizeof *r);

    if (!r) {
        sut_control_fail(rq, SUT_ERR_OVERLOADED, "no memory");
        return;
    }
    if (in->has_ids != SUT_PRESENT && in->has_group != SUT_PRESENT && in->has_subjects != SUT_PRESENT &&
        in->has_key != SUT_PRESENT) {
        sut_control_fail(rq, SUT_ERR_INVALID, "say which: ids, group, subjects or key");
        return;
    }
    r->pick.ids = in->ids.items;
    r->pick.id_count = in->has_ids == SUT_PRESENT ? in->ids.count : 0;
    r->max = r->pick.id_count > (size_t)in->limit ? r->pick.id_count : (size_t)in->limit;
    r->pick.filter = (sut_dead_query){
        .group = in->has_group == SUT_PRESENT ? in->group : SUT_STR_NONE,
        .subjects = in->subjects.items,
        .subject_count = in->has_subjects == SUT_PRESENT ? in->subjects.count : 0,
        .key = in->has_key == SUT_PRESENT ? in->key : SUT_STR_NONE,
    };
    sut_control_query(rq, ask_letters, redrive_letters);
}
