/* The port: what is the same for every engine. */
#include "port.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Two threads may use a journal: each sees its own last failure, so that neither tears the other's line. */
static _Thread_local struct {
    const sut_journal *of;
    char line[256];
    uint64_t damaged;
} s_last;

sut_status journal_fail(const sut_journal *j, sut_status status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s_last.line, sizeof s_last.line, fmt, ap);
    va_end(ap);
    s_last.of = j;
    s_last.damaged = 0;
    return status;
}

sut_status journal_damaged(const sut_journal *j, uint64_t sequence, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s_last.line, sizeof s_last.line, fmt, ap);
    va_end(ap);
    s_last.of = j;
    s_last.damaged = sequence;
    return -EBADMSG;
}

uint64_t sut_journal_last_damage(const sut_journal *j)
{
    return s_last.of == j ? s_last.damaged : 0;
}

const char *sut_journal_last_error(const sut_journal *j)
{
    return s_last.of == j ? s_last.line : "";
}

bool journal_value_ok(const sut_journal_value *v)
{
    return v->name.ptr && v->name.len > 0 && v->name.len <= 128 && v->value.len <= SUT_JOURNAL_VALUE_MAX;
}

bool journal_wanted(const sut_journal_query *q, sut_str subject)
{
    for (size_t i = 0; i < q->pattern_count; i++)
        if (sut_subject_match(q->patterns[i], subject))
            return true;
    return q->pattern_count == 0;
}

sut_status journal_write_all(sut_journal *j, journal_write *w)
{
    for (size_t i = 0; i < w->value_count; i++)
        if (!journal_value_ok(&w->values[i]))
            return journal_fail(j, w->values[i].value.len > SUT_JOURNAL_VALUE_MAX ? -EMSGSIZE : -EINVAL,
                                "a value's name has 1 to 128 bytes, its value at most %u", SUT_JOURNAL_VALUE_MAX);
    return j->ops->write(j, w);
}

sut_status sut_journal_append(sut_journal *j, int64_t now_us, sut_append_group *groups, size_t count)
{
    journal_write w = {.now_us = now_us, .groups = groups, .group_count = count};
    return journal_write_all(j, &w);
}

sut_status sut_journal_release_due(sut_journal *j, int64_t now_us, size_t max, sut_journal_batch **moved,
                                   int64_t *next_us)
{
    return j->ops->release_due(j, now_us, max, moved, next_us);
}

sut_status sut_journal_read(sut_journal *j, const sut_journal_query *q, sut_journal_batch **out)
{
    sut_journal_query full = *q;
    *out = NULL;
    full.max_events = q->max_events ? q->max_events : 1024;
    full.max_scan = q->max_scan ? q->max_scan : 65536;
    full.max_bytes = q->max_bytes ? q->max_bytes : 1u << 20;
    full.to = q->to ? q->to : UINT64_MAX;
    if (full.from_time_us) {
        sut_status status = j->ops->seek_time(j, full.from_time_us, &full.from);
        if (status)
            return status;
    }
    return j->ops->read(j, &full, out);
}

sut_status sut_journal_seek_time(sut_journal *j, int64_t time_us, uint64_t *sequence)
{
    return j->ops->seek_time(j, time_us, sequence);
}

sut_status sut_journal_put(sut_journal *j, const sut_journal_value *values, size_t count)
{
    journal_write w = {.values = values, .value_count = count};
    return journal_write_all(j, &w);
}

sut_status sut_journal_each_value(sut_journal *j, sut_str prefix, sut_journal_value_fn fn, void *arg)
{
    return j->ops->each_value(j, prefix, fn, arg);
}

sut_status sut_journal_dead_put(sut_journal *j, const sut_dead_letter *d, uint64_t *id)
{
    journal_dead_op op = {.put = d};
    journal_write w = {.dead = &op, .dead_count = 1};
    sut_status status = journal_write_all(j, &w);
    if (!status)
        *id = op.id;
    return status;
}

sut_status sut_journal_dead_remove(sut_journal *j, const uint64_t *ids, size_t count)
{
    journal_dead_op op = {.remove = ids, .remove_count = count};
    journal_write w = {.dead = &op, .dead_count = 1};
    sut_status status = journal_write_all(j, &w);
    return status ? status : op.status;
}

sut_status sut_journal_dead_each(sut_journal *j, const sut_dead_query *q, sut_dead_fn fn, void *arg)
{
    sut_dead_query full = *q;
    full.max = q->max ? q->max : 100;
    return j->ops->dead_each(j, &full, fn, arg);
}

sut_status sut_journal_dead_get(sut_journal *j, uint64_t id, sut_dead_fn fn, void *arg)
{
    return j->ops->dead_get(j, id, fn, arg);
}

sut_status sut_journal_retain(sut_journal *j, int64_t now_us, const sut_journal_retention *r, bool *more)
{
    *more = false;
    return j->ops->retain(j, now_us, r, more);
}

sut_status sut_journal_probe(sut_journal *j)
{
    return j->ops->probe(j);
}

sut_status sut_journal_settle(sut_journal *j)
{
    return j->ops->settle(j);
}

sut_status sut_journal_get_stats(sut_journal *j, sut_journal_stats *out)
{
    *out = (sut_journal_stats){.format = 0};
    return j->ops->get_stats(j, out);
}

sut_status sut_journal_verify(sut_journal *j, sut_journal_report_fn report, void *arg)
{
    return j->ops->verify(j, report, arg);
}

sut_status sut_journal_backup(sut_journal *j, const char *path)
{
    return j->ops->backup(j, path);
}

sut_journal *sut_journal_close(sut_journal *j)
{
    if (j)
        j->ops->close(j);
    return NULL;
}
