/* Reading the ring: the index says where, the record is read, checked and unsealed. */
#include "ring_state.h"

#include "base/clock.h"
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

static bool open_file(ring *r, const ring_segment *s)
{
    char path[PATH_MAX];
    if (r->read_id == s->id && r->read_fd >= 0)
        return true;
    ring_forget_read(r);
    ring_path(r, s->id, path, sizeof path);
    r->read_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (r->read_fd < 0)
        return false;
    r->read_id = s->id;
    const sut_key *key = sut_keyring_find(r->keys, sut_str_from(s->head.kid));
    r->read_sealed = key && seal_init(&r->read_seal, key, s->head.salt) == 0;
    return true;
}

/* How long a record is stands in it: one read is enough for most. */
static bool read_record(ring *r, uint64_t offset, segment_record *out)
{
    size_t want = 2048, len = 0;
    for (;;) {
        const ssize_t n = pread(r->read_fd, r->record + len, want - len, (off_t)(offset + len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0)
            len += (size_t)n;
        if (segment_get_record(r->record, len, 0, out))
            return true;
        if (n <= 0 || want == SEGMENT_RECORD_MAX)
            return false;
        if (len == want)
            want = SEGMENT_RECORD_MAX;
    }
}

/* What does not fit its seal was changed, and is no span. Without its key the open part is all there is. */
static bool get_span(ring *r, const segment_record *record, bool unseal, sut_span *out)
{
    if (!record_get_meta(record->meta, out))
        return false;
    out->number = record->number;
    if (!unseal || !r->read_sealed)
        return true;
    sut_buf_reset(&r->inner);
    return seal_open(&r->read_seal, record->number, record->meta, record->sealed, &r->inner) == 0 &&
           record_get_inner((sut_str){(const char *)r->inner.data, r->inner.len}, out);
}

static bool segment_fits(const ring_segment *s, const ring_query *q)
{
    return s->count && s->last > q->after && (!q->since_us || s->newest_us >= q->since_us) &&
           (!q->until_us || s->oldest_us <= q->until_us);
}

static bool entry_fits(const ring_entry *e, const ring_query *q, uint32_t trace, uint32_t user)
{
    return (!q->trace_id || e->trace == trace) && (!q->user_id || e->user == user) &&
           (!q->since_us || (int64_t)e->at_s >= q->since_us / 1000000) &&
           (!q->until_us || (int64_t)e->at_s <= q->until_us / 1000000);
}

static bool span_fits(const sut_span *s, const ring_query *q)
{
    return (!q->trace_id || memcmp(s->trace_id, q->trace_id, sizeof s->trace_id) == 0) &&
           (!q->user_id || s->user_id == q->user_id) && (!q->since_us || s->at_us >= q->since_us) &&
           (!q->until_us || s->at_us <= q->until_us);
}

/* The first entry behind `after`; entries are in the order of their numbers. */
static size_t first_behind(const ring_segment *s, uint64_t after)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (s->first + s->entries[middle].number > after)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

typedef struct walk {
    ring *r;
    const ring_query *q;
    bool (*fn)(void *arg, const sut_span *s);
    void *arg;
    uint64_t *at;
    size_t examined;
    uint32_t trace, user;
} walk;

/* False: that was enough. */
static bool walk_segment(walk *w, const ring_segment *s)
{
    if (!open_file(w->r, s)) {
        w->r->damaged_total++;
        return true;
    }
    for (size_t i = first_behind(s, w->q->after); i < s->count; i++) {
        segment_record record;
        sut_span span;
        if (!entry_fits(&s->entries[i], w->q, w->trace, w->user))
            continue;
        if (w->examined++ == w->q->examine_max)
            return false;
        *w->at = s->first + s->entries[i].number;
        if (!read_record(w->r, s->entries[i].offset, &record) || !get_span(w->r, &record, w->q->open, &span))
            w->r->damaged_total++;
        else if (span_fits(&span, w->q) && !w->fn(w->arg, &span))
            return false;
    }
    return true;
}

void ring_each(ring *r, const ring_query *q, bool (*fn)(void *arg, const sut_span *s), void *arg, uint64_t *at,
               bool *more)
{
    walk w = {.r = r, .q = q, .fn = fn, .arg = arg, .at = at};
    ring_load(r);
    ring_flush(r, sut_wall_us());
    w.trace = q->trace_id ? ring_trace_hash(q->trace_id) : 0;
    w.user = ring_user_hash(q->user_id);
    *at = q->after;
    *more = false;
    for (const sut_node *n = r->segments.next; n != &r->segments && !*more; n = n->next) {
        const ring_segment *s = SUT_CONTAINER(n, ring_segment, node);
        if (segment_fits(s, q))
            *more = !walk_segment(&w, s);
    }
}
