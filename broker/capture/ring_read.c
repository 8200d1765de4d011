/* Reading the ring: segments that may hold what is asked for are scanned, records checked and unsealed. */
#include "ring_state.h"

#include "base/clock.h"
#include "span_bytes.h"

typedef struct walk {
    ring *r;
    const ring_query *q;
    bool (*fn)(void *arg, const sut_span *s);
    void *arg;
    uint64_t *at, end; /* records from `end` on came while we read */
    size_t examined;
    seal seal;
    bool sealed; /* there is a key for this segment */
} walk;

static bool segment_fits(const ring_segment *s, const ring_query *q)
{
    return s->count && s->last > q->after && (!q->since_us || s->newest_us >= q->since_us) &&
           (!q->until_us || s->oldest_us <= q->until_us);
}

static bool span_fits(const sut_span *s, const ring_query *q)
{
    return (!q->trace_id || memcmp(s->trace_id, q->trace_id, sizeof s->trace_id) == 0) &&
           (!q->user_id || s->user_id == q->user_id) && (!q->since_us || s->at_us >= q->since_us) &&
           (!q->until_us || s->at_us <= q->until_us);
}

/* What does not fit its seal was changed, and is no span. Without its key the open part is all there is. */
static bool unseal(walk *w, const segment_record *record, sut_span *span)
{
    sut_buf *inner = &w->r->inner;
    if (!w->q->open || !w->sealed)
        return true;
    sut_buf_reset(inner);
    return seal_open(&w->seal, record->number, record->meta, record->sealed, inner) == 0 &&
           span_get_inner((sut_str){(const char *)inner->data, inner->len}, span);
}

/* False: that was enough. */
static bool take(walk *w, const segment_record *record)
{
    sut_span span;
    if (record->number <= w->q->after)
        return true;
    if (record->number >= w->end || w->examined == w->q->examine_max)
        return false;
    w->examined++;
    *w->at = record->number;
    if (!span_get_meta(record->meta, &span) || !span_fits(&span, w->q))
        return true;
    span.number = record->number;
    if (unseal(w, record, &span))
        return w->fn(w->arg, &span);
    w->r->damaged_total++;
    return true;
}

static bool walk_segment(walk *w, const ring_segment *s)
{
    ring_file file;
    scan records;
    segment_head head;
    segment_record record;
    bool go_on = true;
    if (ring_scan_open(w->r, s->id, &file, &records) < 0) {
        w->r->damaged_total++;
        return true;
    }
    if (!scan_begin(&records, &head)) {
        const sut_key *key = sut_keyring_find(w->r->keys, sut_str_from(head.kid));
        w->sealed = key && seal_init(&w->seal, key, head.salt) == 0;
        while (go_on && scan_next(&records, &record))
            go_on = take(w, &record);
        seal_deinit(&w->seal);
    }
    ring_scan_close(&file);
    return go_on;
}

void ring_each(ring *r, const ring_query *q, bool (*fn)(void *arg, const sut_span *s), void *arg, uint64_t *at,
               bool *more)
{
    ring_load(r);
    ring_flush(r, sut_wall_us());
    walk w = {.r = r, .q = q, .fn = fn, .arg = arg, .at = at, .end = r->next_number};
    *at = q->after;
    *more = false;
    r->reading = true;
    for (const sut_node *n = r->segments.next; n != &r->segments && !*more; n = n->next) {
        const ring_segment *s = SUT_CONTAINER(n, ring_segment, node);
        if (s->first >= w.end)
            break;
        if (segment_fits(s, q))
            *more = !walk_segment(&w, s);
        if (q->between)
            q->between(q->between_arg);
    }
    r->reading = false;
}
