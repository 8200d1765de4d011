/* The tail: what is durable in the write-ahead log and on its way into the tables. The writer adds to it and takes all
 * of it away; the reader looks at the tables first, then here, and at the tables again if the tail has moved on since.
 */
#include "lmdb_engine.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>

#define MOVED_ON   1
#define TAIL_SHARE 64 /* of a small map the tail must not need too much */

/* One event of `bytes` at *at; false at the end. Both were checked when they came here. */
static bool step(const uint8_t *bytes, size_t len, size_t *at, const uint8_t **record, size_t *record_len)
{
    uint32_t n;
    if (len - *at < sizeof n)
        return false;
    memcpy(&n, bytes + *at, sizeof n);
    if (n < RECORD_EVENT || n > len - *at - sizeof n)
        return false;
    *record = bytes + *at + sizeof n;
    *record_len = n;
    *at += sizeof n + n;
    return true;
}

static uint64_t sequence_of(const uint8_t *record)
{
    return load_u64(record + 16);
}

/* ---- the writer ---- */

static bool empty(const engine *e)
{
    return e->tail.count == 0;
}

bool engine_tail_takes(const engine *e, size_t bytes)
{
    return !e->read_only && !e->no_ahead && (empty(e) || wal_begun(e->wal)) && wal_has_room(e->wal, bytes) &&
           e->tail.record_bytes + bytes <= e->map_bytes / TAIL_SHARE;
}

sut_status engine_tail_put(engine *e, const wal_events *events, const engine_state *state)
{
    log_tail *t = &e->tail;
    pthread_mutex_lock(&t->lock);
    sut_status status = sut_buf_reserve(&t->bytes, events->len);
    pthread_mutex_unlock(&t->lock);
    if (!status)
        status = wal_append(e->wal, events);
    if (status)
        return status;
    pthread_mutex_lock(&t->lock);
    memcpy(t->bytes.data + t->bytes.len, events->bytes, events->len);
    t->bytes.len += events->len;
    t->count += events->count;
    t->record_bytes += events->len - events->count * sizeof(uint32_t);
    t->next = state->next;
    pthread_mutex_unlock(&t->lock);
    e->state = *state;
    return 0;
}

static sut_status apply_one(engine *e, MDB_txn *txn, const uint8_t *record, size_t len, sut_buf *ids)
{
    sut_journal_event ev;
    record_fault f = record_decode_event(record, len, &ev);
    if (f)
        return engine_bad_record(e, "log", sequence_of(record), f);
    sut_status status = engine_put_record(e, txn, ev.sequence, record, len);
    if (status)
        return status;
    return ev.source.len ? engine_put_mark(e, txn, ev.source, ev.epoch, ev.number)
                         : engine_id_entry(ids, ev.id, ev.sequence);
}

sut_status engine_tail_apply(engine *e, MDB_txn *txn, engine_state *s)
{
    const log_tail *t = &e->tail; /* nobody else changes it */
    const uint8_t *record;
    size_t at = 0, len;
    sut_buf ids;
    sut_status status = 0;
    if (empty(e))
        return 0;
    sut_buf_init(&ids, 0);
    while (!status && step(t->bytes.data, t->bytes.len, &at, &record, &len))
        status = apply_one(e, txn, record, len, &ids);
    if (!e->clock_us)
        (void)engine_clock(e, s->last_us);
    if (!status)
        status = engine_log_ids(e, txn, s, &ids);
    sut_buf_deinit(&ids);
    return status ? status : engine_trim_ids(e, txn, s, 4);
}

void engine_tail_applied(engine *e)
{
    log_tail *t = &e->tail;
    pthread_mutex_lock(&t->lock);
    t->first = t->next = e->state.next;
    t->count = t->record_bytes = 0;
    sut_buf_reset(&t->bytes);
    pthread_mutex_unlock(&t->lock);
    if (e->wal)
        wal_restart(e->wal);
}

sut_status lmdb_settle(sut_journal *j)
{
    engine *e = engine_of(j);
    engine_state state;
    MDB_txn *txn;
    if (empty(e))
        return 0;
    sut_status status = engine_begin_write(e, &txn, &state);
    return status ? status : engine_commit(e, txn, &state);
}

/* ---- after a kill ---- */

/* The writer's memory of it is as if it had just been written. */
static sut_status remember(engine *e, const sut_journal_event *ev)
{
    source_mark *m;
    sut_status status = 0;
    if (ev->source.len) {
        m = source_table_get(e->marks, ev->source);
        if (!m)
            status = source_table_add(e->marks, ev->source, &m);
        return status ? status : source_table_change(e->marks, m, ev->epoch, ev->number);
    }
    id_seen seen = {.sequence = ev->sequence, .time_us = e->clock_us ? e->clock_us : engine_clock(e, ev->time_us)};
    memcpy(seen.id, ev->id, sizeof seen.id);
    return id_window_find(e->window, seen.id) ? 0 : id_window_add(e->window, &seen);
}

static sut_status load_one(engine *e, const uint8_t *record, size_t len)
{
    log_tail *t = &e->tail;
    sut_journal_event ev;
    const uint32_t n = (uint32_t)len;
    record_fault f = record_get_event(SALT_EVENT, record, len, &ev);
    if (f)
        return engine_bad_record(e, "log", sequence_of(record), f);
    if (ev.sequence < t->next)
        return 0; /* a part of a record of a backup */
    sut_status status = e->read_only ? 0 : remember(e, &ev);
    if (!status)
        status = sut_buf_append(&t->bytes, &n, sizeof n);
    if (!status)
        status = sut_buf_append(&t->bytes, record, len);
    if (status)
        return status;
    t->count++;
    t->record_bytes += len;
    t->next = e->state.next = ev.sequence + 1;
    e->state.record_bytes += len;
    e->state.last_us = ev.time_us;
    return 0;
}

static sut_status on_load(void *arg, const wal_events *events)
{
    engine *e = arg;
    const uint8_t *record;
    size_t at = 0, len;
    sut_status status = 0;
    if (events->first > e->tail.next && e->read_only && empty(e))
        return 0; /* a writer has gone on meanwhile */
    while (!status && step(events->bytes, events->len, &at, &record, &len))
        status = load_one(e, record, len);
    return status;
}

void engine_tail_init(engine *e)
{
    (void)pthread_mutex_init(&e->tail.lock, NULL); /* of the default kind: it cannot fail */
    sut_buf_init(&e->tail.bytes, 0);
    sut_buf_init(&e->ahead, 0);
}

sut_status engine_tail_open(engine *e, const char *path, bool no_sync)
{
    log_tail *t = &e->tail;
    const uint64_t first = e->state.next;
    t->first = t->next = first;
    sut_status status = wal_new(&e->wal, &e->base, path, e->creation_id, no_sync);
    if (!status)
        status = wal_load(e->wal, first, on_load, e);
    if (!e->read_only) {
        source_table_keep(e->marks, false);
        atomic_store(&e->window_count, id_window_count(e->window));
    }
    if (!status && !e->read_only && !empty(e))
        sut_log(SUT_INFO, "journal", "wal.replayed", SUT_KV_U("from", first), SUT_KV_U("next", t->next),
                SUT_KV_U("events", t->count));
    return status;
}

void engine_tail_close(engine *e)
{
    e->wal = wal_free(e->wal);
    sut_buf_deinit(&e->tail.bytes);
    sut_buf_deinit(&e->ahead);
    pthread_mutex_destroy(&e->tail.lock);
}

/* ---- the reader ---- */

static sut_status read_locked(const engine *e, const sut_journal_query *q, batch_maker *m, uint64_t *next)
{
    const log_tail *t = &e->tail;
    const uint8_t *record;
    size_t at = 0, len, looked = 0;
    sut_status status = 0;
    while (!status && *next <= q->to && looked < q->max_scan && m->count < q->max_events &&
           step(t->bytes.data, t->bytes.len, &at, &record, &len)) {
        sut_journal_event ev;
        const uint64_t sequence = sequence_of(record);
        if (sequence < *next)
            continue;
        if (sequence > *next)
            return m->count ? 0 : engine_missing(e, *next, sequence - 1);
        if (record_decode_event(record, len, &ev))
            return m->count ? 0 : engine_bad_record(e, "log", sequence, RECORD_CONTENT);
        if (journal_wanted(q, ev.subject)) {
            if (m->count && m->bytes.len + len > q->max_bytes)
                break;
            status = batch_maker_add(m, record, len);
        }
        *next += status == 0;
        looked++;
    }
    return status;
}

sut_status engine_tail_read(engine *e, const sut_journal_query *q, batch_maker *m, uint64_t *next)
{
    log_tail *t = &e->tail;
    pthread_mutex_lock(&t->lock);
    sut_status status = t->first > *next ? MOVED_ON : read_locked(e, q, m, next);
    pthread_mutex_unlock(&t->lock);
    return status;
}

sut_status engine_tail_seek(engine *e, int64_t time_us, uint64_t *sequence)
{
    log_tail *t = &e->tail;
    const uint8_t *record;
    size_t at = 0, len;
    pthread_mutex_lock(&t->lock);
    sut_status status = t->first > *sequence ? MOVED_ON : 0;
    while (!status && *sequence < t->next && step(t->bytes.data, t->bytes.len, &at, &record, &len)) {
        const uint64_t here = sequence_of(record);
        if (here < *sequence)
            continue;
        *sequence = here;
        if ((int64_t)load_u64(record + 8) >= time_us)
            break;
        ++*sequence;
    }
    pthread_mutex_unlock(&t->lock);
    return status;
}

sut_status engine_tail_stats(engine *e, sut_journal_stats *st)
{
    log_tail *t = &e->tail;
    const uint8_t *record = NULL;
    size_t at = 0, len;
    pthread_mutex_lock(&t->lock);
    sut_status status = t->first > st->next ? MOVED_ON : 0;
    while (!status && step(t->bytes.data, t->bytes.len, &at, &record, &len)) {
        if (sequence_of(record) < st->next)
            continue;
        st->records++;
        st->record_bytes += len;
        st->last_us = (int64_t)load_u64(record + 8);
        st->first_us = st->first_us ? st->first_us : st->last_us;
        st->next = sequence_of(record) + 1;
    }
    pthread_mutex_unlock(&t->lock);
    return status;
}

sut_status engine_tail_copy(engine *e, const char *path, bool *any)
{
    log_tail *t = &e->tail;
    sut_buf bytes;
    wal_events events;
    sut_buf_init(&bytes, 0);
    pthread_mutex_lock(&t->lock);
    sut_status status = sut_buf_append(&bytes, t->bytes.data, t->bytes.len);
    events = (wal_events){.first = t->first, .count = (uint32_t)(t->next - t->first)};
    pthread_mutex_unlock(&t->lock);
    events.bytes = bytes.data;
    events.len = bytes.len;
    *any = events.len > 0;
    if (!status && *any)
        status = wal_write_copy(e->wal, path, &events);
    sut_buf_deinit(&bytes);
    return status;
}
