/* Writing: one record of the write-ahead log for few events that nothing else comes with, else one transaction for all
 * that was handed over. What the writer keeps in memory (the id window, the sources' marks) is changed as the events
 * are judged and taken back if the write fails. */
#include "lmdb_engine.h"

#include <errno.h>

#define TAIL_PAGES 64 /* a transaction's copies of tree pages, with room to spare */

typedef struct writing {
    engine *e;
    MDB_txn *txn; /* of an ahead one: a reader's, NULL until it is needed */
    engine_state state;
    int64_t now_us;
    sut_buf ids;      /* for the id log */
    size_t ids_added; /* to the window */
    bool changed;
    bool ahead;        /* records go to e->ahead */
    bool needs_tables; /* but something that only a transaction can write has to be written */
    uint32_t logged;   /* events in e->ahead */
} writing;

static bool is_delayed(const writing *w, const sut_journal_event *ev)
{
    return ev->not_before_us > w->now_us;
}

static sut_status load_mark(writing *w, sut_str name, source_mark **out)
{
    engine *e = w->e;
    *out = source_table_get(e->marks, name);
    if (*out)
        return 0;
    if (!w->txn) {
        sut_status status = engine_begin(e, false, &w->txn);
        if (status)
            return status;
    }
    MDB_val k = {name.len, (void *)(uintptr_t)name.ptr}, v;
    int rc = mdb_get(w->txn, e->sources, &k, &v);
    if (rc && rc != MDB_NOTFOUND)
        return engine_fail(e, rc, "reading a source's mark");
    size_t end = 0;
    record_fault f = rc ? RECORD_OK : engine_check_named(e, SALT_SOURCE, &k, &v, SOURCE_BYTES, &end);
    if (f || (!rc && v.mv_size != end))
        return journal_fail(&e->base, -EBADMSG, "the mark of source %.*s %s", SUT_STR_FMT(name),
                            record_fault_text(f ? f : RECORD_CONTENT));
    sut_status status = source_table_add(e->marks, name, out);
    if (!status && !rc) {
        (*out)->known = true;
        (*out)->epoch = load_u64((const uint8_t *)v.mv_data + RECORD_HEAD);
        (*out)->number = load_u64((const uint8_t *)v.mv_data + RECORD_HEAD + 8);
    }
    return status;
}

static sut_status judge_numbered(writing *w, const sut_journal_event *ev, sut_append_result *r)
{
    source_mark *m;
    if (ev->source.len > SUT_SOURCE_MAX)
        return journal_fail(&w->e->base, -EINVAL, "a source's name has at most %d bytes", SUT_SOURCE_MAX);
    sut_status status = load_mark(w, ev->source, &m);
    if (status)
        return status;
    r->dedup = SUT_DEDUP_SOURCE;
    uint64_t number = ev->number;
    if (m->known && ev->epoch < m->epoch) {
        r->state = SUT_APPEND_FENCED;
        r->expected = m->epoch;
        return 0;
    }
    if (m->known && ev->number <= m->number) {
        r->state = SUT_APPEND_DUPLICATE;
        number = m->number; /* a new owner that repeats what the old one sent fences it all the same */
    } else if (m->known && ev->number != m->number + 1) {
        r->state = SUT_APPEND_GAP;
        r->expected = m->number + 1;
        return 0;
    }
    if (m->known && number == m->number && ev->epoch == m->epoch)
        return 0;
    w->changed = true;
    w->needs_tables |= r->state == SUT_APPEND_DUPLICATE;
    return source_table_change(w->e->marks, m, ev->epoch, number);
}

static sut_status judge_by_id(writing *w, const sut_journal_event *ev, uint64_t sequence, sut_append_result *r)
{
    r->dedup = SUT_DEDUP_WINDOW;
    const id_seen *before = id_window_find(w->e->window, ev->id);
    if (before) {
        r->state = SUT_APPEND_DUPLICATE;
        r->sequence = before->sequence;
        return 0;
    }
    id_seen seen = {.sequence = sequence, .time_us = w->e->clock_us};
    memcpy(seen.id, ev->id, sizeof seen.id);
    sut_status status = engine_id_entry(&w->ids, seen.id, sequence);
    if (!status)
        status = id_window_add(w->e->window, &seen);
    if (!status)
        w->ids_added++;
    return status;
}

static sut_status judge_group(writing *w, sut_append_group *g)
{
    uint64_t next = w->state.next;
    g->refused = false;
    for (size_t i = 0; i < g->count; i++) {
        sut_append_result *r = &g->results[i];
        const sut_journal_event *ev = &g->events[i];
        uint64_t sequence = is_delayed(w, ev) ? 0 : next;
        *r = (sut_append_result){.state = SUT_APPEND_TAKEN};
        sut_status status = ev->source.len ? judge_numbered(w, ev, r) : judge_by_id(w, ev, sequence, r);
        if (status)
            return status;
        if (r->state == SUT_APPEND_TAKEN) {
            r->sequence = sequence;
            next += sequence != 0;
        }
        g->refused |= r->state == SUT_APPEND_GAP || r->state == SUT_APPEND_FENCED;
    }
    return 0;
}

sut_status engine_put_record(engine *e, MDB_txn *txn, uint64_t sequence, const void *record, size_t len)
{
    size_t number = sequence;
    MDB_val k = engine_number_key(&number), v = {len, (void *)(uintptr_t)record};
    int rc = mdb_put(txn, e->log, &k, &v, MDB_APPEND);
    return rc ? engine_fail(e, rc, "appending") : 0;
}

sut_status engine_encode_event(engine *e, engine_state *s, sut_journal_event *ev)
{
    ev->sequence = s->next;
    sut_buf_reset(&e->scratch);
    sut_status status = record_put_event(&e->scratch, SALT_EVENT, ev);
    if (status)
        return journal_fail(&e->base, status, "an event of %.*s cannot be encoded", SUT_STR_FMT(ev->subject));
    s->next++;
    s->record_bytes += e->scratch.len;
    s->last_us = ev->time_us;
    return 0;
}

sut_status engine_log_event(engine *e, MDB_txn *txn, engine_state *s, sut_journal_event *ev)
{
    sut_status status = engine_encode_event(e, s, ev);
    return status ? status : engine_put_record(e, txn, ev->sequence, e->scratch.data, e->scratch.len);
}

static sut_status delay_event(writing *w, sut_journal_event *ev)
{
    engine *e = w->e;
    uint8_t key[DELAYED_KEY];
    ev->sequence = 0;
    sut_buf_reset(&e->scratch);
    sut_status status = record_put_event(&e->scratch, SALT_DELAYED, ev);
    if (status)
        return journal_fail(&e->base, status, "an event of %.*s cannot be encoded", SUT_STR_FMT(ev->subject));
    store_key(key, (uint64_t)ev->not_before_us);
    store_key(key + 8, w->state.delayed_number++);
    MDB_val k = {sizeof key, key}, v = {e->scratch.len, e->scratch.data};
    int rc = mdb_put(w->txn, e->delayed, &k, &v, MDB_NOOVERWRITE);
    w->state.last_us = w->now_us;
    return rc ? engine_fail(e, rc, "keeping a delayed event") : 0;
}

static sut_status log_ahead(writing *w, sut_journal_event *ev)
{
    engine *e = w->e;
    sut_status status = engine_encode_event(e, &w->state, ev);
    const uint32_t len = (uint32_t)e->scratch.len;
    if (!status)
        status = sut_buf_append(&e->ahead, &len, sizeof len);
    if (!status)
        status = sut_buf_append(&e->ahead, e->scratch.data, len);
    w->logged++;
    return status;
}

static sut_status store(writing *w, sut_journal_event *ev)
{
    if (is_delayed(w, ev))
        return delay_event(w, ev);
    return w->ahead ? log_ahead(w, ev) : engine_log_event(w->e, w->txn, &w->state, ev);
}

static sut_status store_group(writing *w, sut_append_group *g)
{
    sut_status status = 0;
    for (size_t i = 0; i < g->count && !status; i++) {
        sut_journal_event *ev = &g->events[i];
        if (g->results[i].state != SUT_APPEND_TAKEN)
            continue;
        ev->time_us = w->now_us;
        w->changed = true;
        status = store(w, ev);
    }
    return status;
}

static sut_status take_group(writing *w, sut_append_group *g)
{
    size_t marks = source_table_mark(w->e->marks), ids = w->ids_added, logged = w->ids.len;
    bool changed = w->changed;
    sut_status status = judge_group(w, g);
    if (status || !g->refused)
        return status ? status : store_group(w, g);
    source_table_undo(w->e->marks, marks);
    id_window_take_back(w->e->window, w->ids_added - ids);
    w->ids_added = ids;
    w->ids.len = logged;
    w->changed = changed;
    for (size_t i = 0; i < g->count; i++)
        if (g->results[i].state == SUT_APPEND_TAKEN)
            g->results[i].sequence = 0;
    return 0;
}

sut_status engine_put_mark(engine *e, MDB_txn *txn, sut_str source, uint64_t epoch, uint64_t number)
{
    uint8_t bytes[SOURCE_BYTES + SUT_SOURCE_MAX];
    store_u64(bytes + RECORD_HEAD, epoch);
    store_u64(bytes + RECORD_HEAD + 8, number);
    memcpy(bytes + SOURCE_BYTES, source.ptr, source.len);
    record_seal(SALT_SOURCE, (uint16_t)source.len, bytes, SOURCE_BYTES + source.len);
    MDB_val k = {source.len, (void *)(uintptr_t)source.ptr}, v = {SOURCE_BYTES + source.len, bytes};
    int rc = mdb_put(txn, e->sources, &k, &v, 0);
    return rc ? engine_fail(e, rc, "writing a source's mark") : 0;
}

static sut_status put_marks(writing *w)
{
    source_mark *m;
    sut_status status = 0;
    for (size_t i = 0; !status && (m = source_table_changed(w->e->marks, i)); i++) {
        if (!m->dirty) /* written already: it changed more than once */
            continue;
        status = engine_put_mark(w->e, w->txn, (sut_str){m->name, m->name_len}, m->epoch, m->number);
        m->dirty = status != 0;
    }
    return status;
}

static sut_status write_in(writing *w, journal_write *job)
{
    sut_status status = 0;
    for (size_t i = 0; i < job->group_count && !status; i++)
        status = take_group(w, &job->groups[i]);
    if (!status)
        status = put_marks(w);
    if (!status)
        status = engine_log_ids(w->e, w->txn, &w->state, &w->ids);
    if (!status && w->ids.len)
        status = engine_trim_ids(w->e, w->txn, &w->state, 4);
    if (!status)
        status = engine_put_values(w->e, w->txn, job->values, job->value_count);
    if (!status)
        status = engine_put_dead(w->e, w->txn, &w->state, job->dead, job->dead_count);
    return status;
}

static size_t bytes_of(const journal_write *job)
{
    size_t bytes = 0;
    for (size_t i = 0; i < job->group_count; i++)
        for (size_t n = 0; n < job->groups[i].count; n++) {
            const sut_journal_event *ev = &job->groups[i].events[n];
            bytes += ev->body.len + ev->key.len + ev->subject.len + ev->publisher.len + 256;
        }
    return bytes;
}

static void forget(writing *w, journal_write *job)
{
    source_table_undo(w->e->marks, 0);
    id_window_take_back(w->e->window, w->ids_added);
    for (size_t i = 0; i < job->group_count; i++)
        for (size_t n = 0; n < job->groups[i].count; n++)
            job->groups[i].events[n].sequence = 0;
}

static void end(writing *w)
{
    engine *e = w->e;
    sut_buf_deinit(&w->ids);
    atomic_store_explicit(&e->window_count, id_window_count(e->window), memory_order_relaxed);
}

static int64_t log_time(const engine *e, const journal_write *job)
{
    return job->now_us > e->state.last_us ? job->now_us : e->state.last_us;
}

static sut_status write_tables(engine *e, journal_write *job)
{
    writing w = {.e = e, .now_us = log_time(e, job)};
    sut_status status = engine_begin_write(e, &w.txn, &w.state);
    if (status)
        return status;
    sut_buf_init(&w.ids, 0);
    status = write_in(&w, job);
    w.changed |= job->value_count || job->dead_count;
    if (status || !w.changed)
        mdb_txn_abort(w.txn);
    else
        status = engine_commit(e, w.txn, &w.state);
    if (status)
        forget(&w, job);
    else
        source_table_keep(e->marks, e->tail.count == 0);
    end(&w);
    return status;
}

static bool fits_ahead(const engine *e, const journal_write *job)
{
    if (job->value_count || job->dead_count || !engine_tail_takes(e, bytes_of(job)))
        return false;
    for (size_t i = 0; i < job->group_count; i++)
        for (size_t n = 0; n < job->groups[i].count; n++)
            if (job->groups[i].events[n].not_before_us > job->now_us)
                return false;
    return true;
}

static sut_status put_ahead(writing *w)
{
    engine *e = w->e;
    const wal_events events = {.first = e->state.next, .count = w->logged, .bytes = e->ahead.data, .len = e->ahead.len};
    if (w->logged == 0)
        return 0;
    sut_status status = engine_ask_disk(e, 2 * (e->tail.record_bytes + events.len) + e->page_size * TAIL_PAGES);
    return status ? status : engine_tail_put(e, &events, &w->state);
}

/* *done is left false if a transaction has to do it; nothing has happened then. */
static sut_status write_ahead(engine *e, journal_write *job, bool *done)
{
    writing w = {.e = e, .state = e->state, .now_us = log_time(e, job), .ahead = true};
    sut_status status = 0;
    sut_buf_init(&w.ids, 0);
    sut_buf_reset(&e->ahead);
    for (size_t i = 0; i < job->group_count && !status; i++)
        status = take_group(&w, &job->groups[i]);
    *done = status || (!w.needs_tables && engine_tail_takes(e, e->ahead.len));
    if (!status && *done) {
        status = put_ahead(&w);
        if (status == -ENOSPC || status == -EDQUOT || status == -EROFS || status == -EFBIG) {
            *done = false; /* what is free inside of the database's file may do */
            e->no_ahead = true;
            status = 0;
        }
    }
    if (w.txn)
        mdb_txn_abort(w.txn);
    if (status || !*done)
        forget(&w, job);
    else
        source_table_keep(e->marks, false);
    end(&w);
    return status;
}

sut_status lmdb_write(sut_journal *j, journal_write *job)
{
    engine *e = engine_of(j);
    bool done = false;
    if (e->read_only)
        return engine_read_only(e);
    sut_status status = job->group_count ? engine_room(e, bytes_of(job) + e->tail.record_bytes) : 0;
    if (status)
        return status;
    if (job->group_count)
        id_window_expire(e->window, e->clock_us ? e->clock_us : engine_clock(e, job->now_us));
    if (fits_ahead(e, job))
        status = write_ahead(e, job, &done);
    return status || done ? status : write_tables(e, job);
}
