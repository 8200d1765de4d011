/* What was: events of a tap from the journal, page by page, as its ring and its budget have room; nothing of it is
 * lost. The seam: while history is told, live events pass the tap by. Once a page ends where the loop has seen
 * everything, the tap goes on live from that very position, in the same turn, so that there is neither gap nor
 * duplicate. */
#include "hub.h"

#include "base/clock.h"

#include <errno.h>

void tap_history_drop(const sut_tap_hub *h, tap *t)
{
    if (t->history.owner)
        h->ops.release(h->app, t->history.owner);
    t->history.owner = NULL;
    t->history.events = NULL;
    t->history.count = t->history.at = 0;
}

/* False: the tap has ended. */
static bool read_on(sut_tap_hub *h, tap *t, int64_t from_time_us)
{
    const sut_tap_read r = {.from = t->history.next,
                            .from_time_us = from_time_us,
                            .patterns = t->request.subjects,
                            .pattern_count = t->request.subject_count};
    t->history.tag = ++h->next_tag;
    const sut_status st = h->ops.read(h->app, t->history.tag, &r);
    if (st == 0)
        return true;
    t->history.tag = 0;
    if (st == -EAGAIN)
        return true;
    tap_fail(h, t, SUT_ERR_UNAVAILABLE, "the journal cannot be read");
    return false;
}

sut_status tap_history_begin(sut_tap_hub *h, tap *t)
{
    if (!h->ops.read)
        return -ENODEV;
    t->state = TAP_HISTORY;
    t->history.next = 1;
    return 0;
}

static sut_sight sight_of(const sut_stored_event *e)
{
    sut_sight s = {.kind = SUT_SIGHT_EVENT,
                   .at_us = e->time_us,
                   .from = e->publisher,
                   .subject = e->subject,
                   .key = e->key,
                   .traceparent = e->traceparent,
                   .principal = e->principal,
                   .sequence = e->sequence,
                   .replayed = e->replayed,
                   .body = e->body};
    memcpy(s.event_id, e->id, SUT_EVENT_ID_LEN);
    return s;
}

/* Copies what fits; false: the rest must wait, or the end was reached. */
static bool tell(sut_tap_hub *h, tap *t, uint64_t now_ns)
{
    tap_history *y = &t->history;
    for (; y->at < y->count; y->at++) {
        sut_sight s = sight_of(&y->events[y->at]);
        if (t->request.has_until && s.at_us > t->request.until_us) {
            tap_begin_end(h, t);
            return false;
        }
        const bool shown = tap_wants(t, &s) && (tap_subject_mask(h, s.subject) >> t->slot & 1);
        if (shown && !tap_put(h, t, now_ns, &s))
            return false;
    }
    return true;
}

/* History has caught up with what the loop has seen. */
static void join(sut_tap_hub *h, tap *t)
{
    t->position = t->history.next;
    if (!t->request.follow || (t->request.has_until && sut_wall_us() > t->request.until_us))
        tap_begin_end(h, t);
    else
        t->state = TAP_LIVE;
}

bool tap_history_go_on(sut_tap_hub *h, tap *t, uint64_t now_ns)
{
    tap_history *y = &t->history;
    if (y->tag)
        return true;
    if (y->owner) {
        if (!tell(h, t, now_ns))
            return true;
        tap_history_drop(h, t);
        if (y->next >= h->next_event) {
            join(h, t);
            return true;
        }
    }
    /* The first page begins at a time, unless at the beginning. */
    return read_on(h, t, y->next == 1 && t->request.since_us > 0 ? t->request.since_us : 0);
}

static tap *find_reader(sut_tap_hub *h, uint64_t tag)
{
    for (sut_node *n = h->taps.next; tag && n != &h->taps; n = n->next) {
        tap *t = SUT_CONTAINER(n, tap, node);
        if (t->history.tag == tag)
            return t;
    }
    return NULL;
}

void sut_tap_hub_read_done(sut_tap_hub *h, uint64_t tag, sut_status status, const sut_stored_event *events,
                           size_t count, uint64_t next, uint64_t oldest, void *owner)
{
    tap *t = find_reader(h, tag);
    if (!t || status < 0) {
        if (t)
            tap_fail(h, t, SUT_ERR_UNAVAILABLE, "the journal cannot be read");
        if (owner)
            h->ops.release(h->app, owner);
        return;
    }
    tap_history *y = &t->history;
    if (y->next > 1 && oldest > y->next) { /* retention was faster */
        t->lost += oldest - y->next;
        t->lost_total += oldest - y->next;
        h->counts.lost_total += oldest - y->next;
    }
    y->tag = 0;
    y->events = events;
    y->count = count;
    y->at = 0;
    y->next = next > y->next ? next : y->next;
    y->owner = owner;
    (void)tap_history_go_on(h, t, sut_now_ns());
}
