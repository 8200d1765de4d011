/* broker.dead_letters, broker.dead_letter, broker.dead_drop. */
#include "audit.h"
#include "broker.h"
#include "dead_letters.h"

#include "broker_schema.h"

#include <errno.h>

typedef struct letters {
    sut_dead_pick pick;
    sut_dead_list list;
    size_t max;
    uint64_t *ids; /* of a drop that is being written */
} letters;

static sut_status ask_letters(sut_control_request *rq, sut_journal *j)
{
    letters *l = rq->state;

    return sut_dead_list_fill(rq, j, &l->pick, l->max, &l->list);
}

static letters *letters_new(sut_control_request *rq, size_t max)
{
    letters *l = rq->state = sut_control_alloc(rq, sizeof *l);

    if (l)
        l->max = max;
    else
        sut_control_fail(rq, SUT_ERR_OVERLOADED, "no memory");
    return l;
}

static bool fails(sut_control_request *rq, sut_status status)
{
    if (status == -ENOMEM)
        sut_control_fail(rq, SUT_ERR_OVERLOADED, "they are too large for one answer: ask for fewer");
    else if (status < 0)
        sut_control_fail_status(rq, status, "the journal cannot be read");
    return status < 0;
}

static broker_dead_letter_head head_of(const sut_dead_letter *d)
{
    const sut_dead_attempt *last = d->attempt_count ? &d->attempts[d->attempt_count - 1] : NULL;

    return (broker_dead_letter_head){
        .id = (int64_t)d->id,
        .group = d->group,
        .subject = d->event.subject,
        .key = d->event.key,
        .has_key = d->event.key.ptr ? SUT_PRESENT : SUT_ABSENT,
        .sequence = (int64_t)d->event.sequence,
        .event_id = {(const char *)d->event.id, SUT_EVENT_ID_LEN},
        .published_at = d->event.time_us,
        .died_at = d->died_us,
        .attempts = (int32_t)d->attempt_count,
        .code = last ? last->code : SUT_STR(""),
        .message = last ? last->message : SUT_STR(""),
        .redriving = d->redriving,
    };
}

/* ---- list ---- */

static void answer_list(sut_control_request *rq, sut_status status)
{
    const letters *l = rq->state;
    broker_dead_letters_out out = {0};
    const broker_dead_letter_head **items;
    broker_dead_letter_head *heads;

    if (fails(rq, status))
        return;
    items = sut_arena_array(rq->arena, l->list.count + 1, sizeof(void *));
    heads = sut_arena_array(rq->arena, l->list.count + 1, sizeof *heads);
    if (!items || !heads) {
        (void)fails(rq, -ENOMEM);
        return;
    }
    for (size_t i = 0; i < l->list.count; i++) {
        heads[i] = head_of(l->list.items[i]);
        items[i] = &heads[i];
    }
    out.items = (sut_list){(void *)items, l->list.count};
    if (l->list.more) {
        out.after = heads[l->list.count - 1].id;
        out.has_after = SUT_PRESENT;
    }
    sut_control_reply(rq, &out);
}

void sut_control_dead_letters(sut_control_request *rq)
{
    const broker_dead_letters_in *in = rq->in;
    letters *l = letters_new(rq, (size_t)in->limit);

    if (!l)
        return;
    l->pick.heads_only = true;
    l->pick.filter = (sut_dead_query){
        .group = in->has_group == SUT_PRESENT ? in->group : SUT_STR_NONE,
        .subjects = in->subjects.items,
        .subject_count = in->has_subjects == SUT_PRESENT ? in->subjects.count : 0,
        .key = in->has_key == SUT_PRESENT ? in->key : SUT_STR_NONE,
        .after = (uint64_t)in->after,
    };
    sut_control_query(rq, ask_letters, answer_list);
}

/* ---- show ---- */

static const broker_dead_attempt *const *attempts_of(sut_control_request *rq, const sut_dead_letter *d)
{
    const broker_dead_attempt **items = sut_arena_array(rq->arena, d->attempt_count + 1, sizeof(void *));
    broker_dead_attempt *attempts = sut_arena_array(rq->arena, d->attempt_count + 1, sizeof *attempts);

    if (!items || !attempts)
        return NULL;
    for (size_t i = 0; i < d->attempt_count; i++) {
        const sut_dead_attempt *a = &d->attempts[i];
        attempts[i] = (broker_dead_attempt){(int32_t)a->attempt, a->time_us, a->consumer, a->code, a->message};
        items[i] = &attempts[i];
    }
    return items;
}

static void answer_letter(sut_control_request *rq, sut_status status)
{
    const broker_dead_letter_in *in = rq->in;
    const letters *l = rq->state;
    sut_buf shown SUT_CLEANUP(sut_buf_deinit);

    sut_buf_init(&shown, SUT_ENVELOPE_MAX);
    if (fails(rq, status))
        return;
    if (!l->list.count) {
        sut_control_fail(rq, SUT_ERR_NOT_FOUND, "there is no dead letter %lld", (long long)in->id);
        return;
    }
    const sut_dead_letter *d = l->list.items[0];
    const sut_event *event = sut_event_find(d->event.subject);
    const broker_dead_letter_head head = head_of(d);
    const broker_dead_attempt *const *attempts = attempts_of(rq, d);
    if (!attempts || sut_record_redact(event ? event->body : NULL, d->event.body, !in->personal, &shown) < 0) {
        (void)fails(rq, -ENOMEM);
        return;
    }
    const broker_dead_letter_out out = {
        .letter = &head,
        .publisher = d->event.publisher.ptr ? d->event.publisher : SUT_STR(""),
        .user_id = d->event.principal.user_id,
        .has_user_id = d->event.principal.user_id ? SUT_PRESENT : SUT_ABSENT,
        .traceparent = d->event.traceparent,
        .has_traceparent = d->event.traceparent.len ? SUT_PRESENT : SUT_ABSENT,
        .attempt_list = {(void *)(uintptr_t)attempts, d->attempt_count},
        .body = {(const char *)shown.data, shown.len},
    };
    sut_control_reply(rq, &out);
}

void sut_control_dead_letter(sut_control_request *rq)
{
    const broker_dead_letter_in *in = rq->in;
    letters *l;

    if (in->personal && !sut_audit_personal(rq, in->has_reason == SUT_PRESENT ? in->reason : SUT_STR_NONE))
        return;
    l = letters_new(rq, 1);
    if (!l)
        return;
    l->pick.ids = &in->id;
    l->pick.id_count = 1;
    sut_control_query(rq, ask_letters, answer_letter);
}

/* ---- drop ---- */

static void drop_letters(sut_control_request *rq, sut_status status)
{
    letters *l = rq->state;
    sut_broker *b = rq->broker;

    if (fails(rq, status))
        return;
    l->ids = sut_arena_array(rq->arena, l->list.count + 1, sizeof *l->ids);
    if (!l->ids) {
        (void)fails(rq, -ENOMEM);
        return;
    }
    for (size_t i = 0; i < l->list.count; i++)
        l->ids[i] = l->list.items[i]->id;
    if (!l->list.count) {
        sut_control_fail(rq, SUT_ERR_NOT_FOUND, "no dead letter fits");
        return;
    }
    if (b->events.dropping) {
        sut_control_fail(rq, SUT_ERR_OVERLOADED, "others are being dropped: try again");
        return;
    }
    if (sut_journal_service_dead_remove(b->events.journal, SUT_TAG_DROP, l->ids, l->list.count) < 0)
        sut_control_fail(rq, SUT_ERR_OVERLOADED, "the journal's queue is full: try again");
    else
        b->events.dropping = rq;
}

void sut_control_drop_stored(sut_broker *b, sut_status status)
{
    sut_control_request *rq = b->events.dropping;

    b->events.dropping = NULL;
    if (!rq)
        return;
    if (status < 0 && status != -ENOENT) {
        sut_control_fail_status(rq, status, "they could not be removed");
        return;
    }
    const letters *l = rq->state;
    sut_control_reply(rq, &(broker_dead_drop_out){.dropped = {l->ids, l->list.count}});
}

void sut_control_dead_drop(sut_control_request *rq)
{
    const broker_dead_drop_in *in = rq->in;
    letters *l;

    if (in->has_ids != SUT_PRESENT && in->has_group != SUT_PRESENT && in->has_subjects != SUT_PRESENT &&
        in->has_key != SUT_PRESENT) {
        sut_control_fail(rq, SUT_ERR_INVALID, "say which: ids, group, subjects or key");
        return;
    }
    l = letters_new(rq, (size_t)in->limit);
    if (!l)
        return;
    l->pick.heads_only = true;
    l->pick.ids = in->ids.items;
    l->pick.id_count = in->has_ids == SUT_PRESENT ? in->ids.count : 0;
    l->pick.filter = (sut_dead_query){
        .group = in->has_group == SUT_PRESENT ? in->group : SUT_STR_NONE,
        .subjects = in->subjects.items,
        .subject_count = in->has_subjects == SUT_PRESENT ? in->subjects.count : 0,
        .key = in->has_key == SUT_PRESENT ? in->key : SUT_STR_NONE,
    };
    if (l->pick.id_count > l->max)
        l->max = l->pick.id_count;
    sut_control_query(rq, ask_letters, drop_letters);
}
