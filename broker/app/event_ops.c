/* What the core asks of the schemas and of the journal. */
#include "broker.h"

#include "base/clock.h"
#include "wire/schema.h"

#include <errno.h>

static void on_event(void *app, sut_str subject, sut_core_event_desc *out)
{
    const sut_event *e = sut_event_find(subject);

    (void)app;
    *out = e ? (sut_core_event_desc){.known = true, .open = e->open, .service = sut_str_from(e->service)}
             : (sut_core_event_desc){.known = false};
}

static sut_str on_group_service(void *app, sut_str group)
{
    (void)app;
    return sut_str_from(sut_group_service(group));
}

static int64_t on_wall(void *app)
{
    (void)app;
    return sut_wall_us();
}

static uint64_t on_random(void *app)
{
    sut_broker *b = app;

    return sut_prng(&b->events.prng);
}

/* While groups are restored there is nobody yet to ask: the core tries again. */
static bool asleep(const sut_broker *b)
{
    return !b->events.journal;
}

static sut_status on_publish(void *app, uint64_t tag, const sut_stored_event *events, size_t count)
{
    sut_broker *b = app;

    return asleep(b) ? -EAGAIN : sut_journal_service_publish(b->events.journal, tag, events, count);
}

static sut_status on_read(void *app, uint64_t tag, const sut_core_read *r)
{
    sut_broker *b = app;
    const sut_journal_query q = {
        .from = r->from,
        .from_time_us = r->from_time_us,
        .patterns = r->patterns,
        .pattern_count = r->pattern_count,
        .max_events = r->max_events,
        .max_bytes = r->max_bytes,
    };

    return asleep(b) ? -EAGAIN : sut_journal_service_read(b->events.journal, tag, &q);
}

#define GROUP_PREFIX "group."

static sut_status on_save(void *app, uint64_t tag, sut_str group, sut_str value)
{
    sut_broker *b = app;
    char name[sizeof GROUP_PREFIX + SUT_GROUP_NAME_MAX];
    const size_t prefix = sizeof GROUP_PREFIX - 1;

    if (group.len > SUT_GROUP_NAME_MAX)
        return -EINVAL;
    if (asleep(b))
        return -EAGAIN;
    memcpy(name, GROUP_PREFIX, prefix);
    memcpy(name + prefix, group.ptr, group.len);
    return sut_journal_service_put(b->events.journal, tag << SUT_TAG_BITS | SUT_TAG_SAVED,
                                   &(sut_journal_value){{name, prefix + group.len}, value}, 1);
}

#define ATTEMPTS_MAX 64

static sut_status on_bury(void *app, uint64_t tag, const sut_core_dead *d)
{
    sut_broker *b = app;
    sut_dead_attempt attempts[ATTEMPTS_MAX];
    const size_t skipped = d->attempt_count > ATTEMPTS_MAX ? d->attempt_count - ATTEMPTS_MAX : 0;
    const size_t count = d->attempt_count - skipped; /* the last ones: those of redrives are added to the first ones */

    if (asleep(b))
        return -EAGAIN;
    for (size_t i = 0; i < count; i++) {
        const sut_core_attempt *a = &d->attempts[skipped + i];
        attempts[i] = (sut_dead_attempt){a->attempt, a->time_us, a->consumer, a->code, a->message};
    }
    const sut_dead_letter letter = {
        .id = d->dead_id,
        .group = d->group,
        .generation = d->generation,
        .died_us = sut_wall_us(),
        .event = *d->event,
        .attempts = attempts,
        .attempt_count = count,
    };
    return sut_journal_service_dead_put(b->events.journal, tag << SUT_TAG_BITS | SUT_TAG_BURIED, &letter);
}

static sut_status on_forget(void *app, uint64_t tag, uint64_t dead_id)
{
    sut_broker *b = app;

    return asleep(b)
               ? -EAGAIN
               : sut_journal_service_dead_remove(b->events.journal, tag << SUT_TAG_BITS | SUT_TAG_SAVED, &dead_id, 1);
}

const sut_core_event_ops sut_event_ops = {
    .event = on_event,
    .group_service = on_group_service,
    .wall_us = on_wall,
    .random = on_random,
    .publish = on_publish,
    .read = on_read,
    .save = on_save,
    .bury = on_bury,
    .forget = on_forget,
};
