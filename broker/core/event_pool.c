/* Memory of events: copies that groups share, and filters; charged to limits.event_bytes. */
#include "event_state.h"

#include <errno.h>
#include <stdlib.h>

void core_event_charge_always(struct core_events *e, uint64_t bytes)
{
    e->counts.bytes_held += bytes;
    if (e->counts.bytes_held > e->counts.bytes_held_max)
        e->counts.bytes_held_max = e->counts.bytes_held;
}

/* What tools keep may fill one half, so that what groups of the platform need is never used up by them. */
bool core_event_room(const struct core_events *e, uint64_t bytes, bool for_tool)
{
    const uint64_t most = for_tool ? e->limits.event_bytes / 2 : e->limits.event_bytes;
    return bytes <= most && e->counts.bytes_held <= most - bytes;
}

bool core_event_charge(struct core_events *e, uint64_t bytes)
{
    if (!core_event_room(e, bytes, false))
        return false;
    core_event_charge_always(e, bytes);
    return true;
}

void core_event_discharge(struct core_events *e, uint64_t bytes)
{
    e->counts.bytes_held -= bytes;
}

static sut_str keep_str(char **at, sut_str s)
{
    if (!s.ptr)
        return SUT_STR_NONE;
    char *to = *at;
    if (s.len > 0)
        memcpy(to, s.ptr, s.len);
    to[s.len] = '\0';
    *at += s.len + 1;
    return (sut_str){to, s.len};
}

core_event *core_event_keep(struct core_events *e, const sut_stored_event *event, bool for_tool, bool always)
{
    size_t size = sizeof(core_event) + event->subject.len + event->key.len + event->principal.session.len +
                  event->traceparent.len + event->source.len + event->publisher.len + event->body.len + 7;
    if (!always && !core_event_room(e, size, for_tool))
        return NULL;
    core_event *copy = malloc(size);
    if (!copy)
        return NULL;
    core_event_charge_always(e, size);
    char *at = copy->bytes;
    copy->refs = 1;
    copy->size = size;
    copy->event = *event;
    copy->event.subject = keep_str(&at, event->subject);
    copy->event.key = keep_str(&at, event->key);
    copy->event.principal.session = keep_str(&at, event->principal.session);
    copy->event.traceparent = keep_str(&at, event->traceparent);
    copy->event.source = keep_str(&at, event->source);
    copy->event.publisher = keep_str(&at, event->publisher);
    copy->event.body = keep_str(&at, event->body);
    return copy;
}

core_event *core_event_ref(core_event *copy)
{
    copy->refs++;
    return copy;
}

void core_event_unref(struct core_events *e, core_event *copy)
{
    if (!copy || --copy->refs > 0)
        return;
    core_event_discharge(e, copy->size);
    free(copy);
}

/* ---- filters ---- */

sut_status core_filter_set(core_filter *f, const sut_str *patterns, size_t count)
{
    core_filter next = {.count = count};
    size_t bytes = 0;
    if (count == 0 || count > SUT_GROUP_SUBJECTS)
        return -EINVAL;
    for (size_t i = 0; i < count; i++)
        bytes += patterns[i].len + 1;
    next.text = malloc(bytes);
    if (!next.text)
        return SUT_TRACE(-ENOMEM, "filter of events");
    char *at = next.text;
    for (size_t i = 0; i < count; i++)
        next.patterns[i] = keep_str(&at, patterns[i]);
    core_filter_free(f);
    *f = next;
    return 0;
}

void core_filter_free(core_filter *f)
{
    free(f->text);
    *f = (core_filter){0};
}

/* As in access lists, a pattern that starts with a wildcard is not meant for what is the broker's own. */
static bool is_own(sut_str subject)
{
    static const char own[] = CORE_CONTROL_PREFIX;
    return subject.len >= sizeof(own) - 1 && memcmp(subject.ptr, own, sizeof(own) - 1) == 0;
}

bool core_filter_matches(const core_filter *f, sut_str subject)
{
    const bool own = is_own(subject);
    for (size_t i = 0; i < f->count; i++) {
        const char first = f->patterns[i].ptr[0];
        if (!(own && (first == '*' || first == '>')) && sut_subject_match(f->patterns[i], subject))
            return true;
    }
    return false;
}

static bool has(const core_filter *f, sut_str pattern)
{
    for (size_t i = 0; i < f->count; i++) {
        if (sut_str_eq(f->patterns[i], pattern))
            return true;
    }
    return false;
}

bool core_filter_same(const core_filter *f, const sut_str *patterns, size_t count)
{
    core_filter other = {.count = count};
    for (size_t i = 0; i < count; i++) {
        if (!has(f, patterns[i]))
            return false;
        other.patterns[i] = patterns[i];
    }
    for (size_t i = 0; i < f->count; i++) {
        if (!has(&other, f->patterns[i]))
            return false;
    }
    return true;
}
