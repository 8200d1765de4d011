/* The journal's life in the daemon, and its answers on their way to the core. */
#include "broker.h"
#include "control_request.h"
#include "traffic.h"

#include "base/clock.h"
#include "base/log.h"
#include "journal/lmdb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define US_PER_S     1000000
#define GROUP_PREFIX "group."

/* ---- answers ---- */

static void on_published(void *app, uint64_t tag, const sut_append_result *results, size_t count,
                         const sut_publish_fault *fault)
{
    sut_broker *b = app;
    struct sut_core_position positions[SUT_PUBLISH_BATCH_MAX];
    sut_core_publish_answer answer = {.positions = positions, .count = count};

    if (tag == SUT_TAG_OWN) {
        if (fault)
            sut_log(SUT_ERROR, "broker", "audit.refused", SUT_KV_S("error", fault->message));
        return;
    }
    if (fault)
        answer = (sut_core_publish_answer){fault->err, fault->message, fault->errors, fault->error_count, NULL, 0};
    for (size_t i = 0; i < answer.count && i < SUT_PUBLISH_BATCH_MAX; i++)
        positions[i] = (struct sut_core_position){
            .sequence = results[i].sequence,
            .duplicate = results[i].state == SUT_APPEND_DUPLICATE,
            .dedup = results[i].dedup,
        };
    b->events.published_total += answer.count;
    sut_core_published(b->core, sut_now_ns(), tag, &answer);
    sut_traffic_soon(b);
}

static void on_appended(void *app, sut_journal_batch *batch)
{
    sut_broker *b = app;

    b->events.appended_total += batch->count;
    b->now_ns = sut_now_ns();
    sut_core_appended(b->core, b->now_ns, batch->events, batch->count, batch->next);
    sut_tap_hub_appended(b->taps.hub, batch->next);
    sut_traffic_soon(b);
}

static void on_read(void *app, uint64_t tag, sut_status status, sut_journal_batch *batch)
{
    sut_broker *b = app;

    if (status < 0 && status != -EBADMSG) /* damage is logged where it is found */
        sut_log(SUT_ERROR, "broker", "journal.unreadable", SUT_KV_I("status", status));
    if (tag & SUT_TAP_READ_TAG)
        sut_taps_read_done(b, tag, status, batch);
    else if (status == 0)
        sut_core_read_done(b->core, sut_now_ns(), tag, 0, batch->events, batch->count, batch->next, batch->oldest);
    else
        sut_core_read_done(b->core, sut_now_ns(), tag, status, NULL, 0, batch ? batch->next : 0, 0);
    sut_traffic_soon(b);
}

static void on_stored(void *app, uint64_t tag, sut_status status, uint64_t id)
{
    sut_broker *b = app;
    const uint64_t theirs = tag >> SUT_TAG_BITS, now = sut_now_ns();

    switch (tag & ((1u << SUT_TAG_BITS) - 1)) {
    case SUT_TAG_SAVED: sut_core_saved(b->core, now, theirs, status == -ENOENT ? 0 : status); break;
    case SUT_TAG_BURIED: sut_core_buried(b->core, now, theirs, status, id); break;
    case SUT_TAG_REDRIVE: sut_control_redrive_stored(b, theirs, status); break;
    default: sut_control_drop_stored(b, status); break;
    }
    sut_traffic_soon(b);
}

static void on_done(void *app, sut_journal_job *job)
{
    sut_control_request_done(job);
    sut_traffic_soon(app);
}

static void on_changed(void *app, uint64_t oldest, sut_status writable)
{
    sut_broker *b = app;

    if (writable < 0 && b->events.writable == 0)
        sut_log(SUT_ERROR, "broker", "journal.unwritable", SUT_KV("error", strerror(-writable)));
    else if (writable == 0 && b->events.writable < 0)
        sut_log(SUT_INFO, "broker", "journal.writable", SUT_KV_U("oldest", oldest));
    b->events.writable = writable;
    sut_core_retained(b->core, sut_now_ns(), oldest);
    sut_traffic_soon(b);
}

static const sut_journal_service_ops s_service_ops = {
    .check = sut_event_check,
    .published = on_published,
    .appended = on_appended,
    .read = on_read,
    .stored = on_stored,
    .done = on_done,
    .changed = on_changed,
};

/* ---- life ---- */

static sut_status open_journal(const sut_broker_settings *s, sut_journal **out, char *error, size_t error_size)
{
    const sut_lmdb_options opt = {.path = s->journal_dir, .map_bytes = (uint64_t)s->journal_bytes};

    return sut_journal_open_lmdb(out, &opt, error, error_size);
}

/* On the writer's thread, after an I/O error. */
static sut_journal *reopen(void *app)
{
    const sut_broker *b = app;
    char why[256] = "";
    sut_journal *j = NULL;

    if (open_journal(b->settings, &j, why, sizeof why) < 0)
        sut_log(SUT_ERROR, "broker", "journal.unopenable", SUT_KV("error", why));
    return j;
}

typedef struct restoring {
    sut_broker *broker;
    sut_status status;
    size_t count;
} restoring;

static void restore_group(void *arg, sut_str name, sut_str value)
{
    restoring *r = arg;
    const size_t prefix = sizeof GROUP_PREFIX - 1;
    const sut_str group = {name.ptr + prefix, name.len - prefix};
    const sut_status st = sut_core_group_restore(r->broker->core, sut_now_ns(), group, value);

    r->count++;
    if (st < 0 && r->status == 0)
        r->status = st;
    if (st < 0)
        sut_log(SUT_ERROR, "broker", "group.unreadable", SUT_KV_S("group", group), SUT_KV_I("status", st));
}

#define RESTORED_ATTEMPTS 64

static bool restore_redrive(void *arg, const sut_dead_letter *d)
{
    restoring *r = arg;
    sut_core_attempt attempts[RESTORED_ATTEMPTS];
    const size_t count = d->attempt_count < RESTORED_ATTEMPTS ? d->attempt_count : RESTORED_ATTEMPTS;
    char why[128];

    for (size_t i = 0; i < count; i++) {
        const sut_dead_attempt *a = &d->attempts[i];
        attempts[i] = (sut_core_attempt){a->attempt, a->time_us, a->consumer, a->code, a->message};
    }
    if (sut_core_redrive(r->broker->core, sut_now_ns(), d->group, d->id, &d->event, attempts, count, why, sizeof why) <
        0)
        sut_log(SUT_WARN, "broker", "redrive.lost", SUT_KV_S("group", d->group), SUT_KV_U("dead_letter", d->id),
                SUT_KV("error", why));
    return true;
}

/* What the journal knows of groups and of dead letters that were on their way. A group that cannot be read would begin
 * anew, and lose its place: so the start ends there. */
static sut_status restore(sut_broker *b, sut_journal *j, const sut_journal_stats *stats)
{
    restoring r = {.broker = b};
    sut_status st = sut_core_events_start(b->core, &b->limits.events, &sut_event_ops, stats->first, stats->next);

    if (st == 0)
        st = sut_journal_each_value(j, SUT_STR(GROUP_PREFIX), restore_group, &r);
    if (st == 0)
        st = r.status;
    if (st == 0)
        st = sut_journal_dead_each(j, &(sut_dead_query){.redriving_only = true, .max = SIZE_MAX}, restore_redrive, &r);
    if (st == 0)
        sut_log(SUT_INFO, "broker", "journal.open", SUT_KV("folder", b->settings->journal_dir),
                SUT_KV_U("first", stats->first), SUT_KV_U("next", stats->next), SUT_KV_U("groups", r.count),
                SUT_KV_U("dead_letters", stats->dead));
    return st;
}

static int fail(char *error, size_t error_size, sut_status st, const char *why)
{
    snprintf(error, error_size, "SUT_JOURNAL_DIR: %s", *why ? why : strerror(-st));
    return st == -EBUSY ? SUT_EXIT_UNAVAILABLE : st == -EINVAL || st == -EBADMSG ? SUT_EXIT_CONFIG : SUT_EXIT_IO;
}

int sut_events_open(sut_broker *b, char *error, size_t error_size)
{
    const sut_broker_settings *s = b->settings;
    const sut_journal_service_options opt = {
        .retention = {.max_age_us = s->journal_age_s * US_PER_S,
                      .max_bytes = (uint64_t)s->journal_bytes / 4 * 3, /* the rest: dead letters, free pages */
                      .dead_age_us = s->dead_age_s * US_PER_S},
    };
    sut_journal *j = NULL;
    sut_journal_stats stats;
    char why[256] = "";
    sut_status st;

    if (!s->journal_dir[0])
        return 0;
    sut_random(&b->events.prng, sizeof b->events.prng);
    st = open_journal(s, &j, why, sizeof why);
    if (st == 0)
        st = sut_journal_get_stats(j, &stats);
    if (st == 0)
        st = restore(b, j, &stats);
    if (st == 0)
        sut_tap_hub_appended(b->taps.hub, stats.next);
    if (st < 0) {
        if (j && !why[0])
            snprintf(why, sizeof why, "%s", sut_journal_last_error(j));
        j = sut_journal_close(j);
        return fail(error, error_size, st, why);
    }
    st = sut_journal_service_new(&b->events.journal, j, b->loop, &s_service_ops, b, reopen, &opt);
    if (st < 0)
        return fail(error, error_size, st, "its threads cannot start");
    b->events.open = true;
    return 0;
}

void sut_events_close(sut_broker *b)
{
    b->events.journal = sut_journal_service_free(b->events.journal);
    b->events.open = false;
    sut_control_requests_drop(b);
}
