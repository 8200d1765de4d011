/* Writing: one transaction for all that was handed over. What the writer keeps in memory (the id window, the sources'
 * marks) is changed as the events are judged and taken back if the transaction fails. */
#include "lmdb_engine.h"

#include <errno.h>

typedef struct writing {
    engine *e;
    MDB_txn *txn;
    engine_state state;
    int64_t now_us;
    sut_buf ids;      /* for the id log */
    size_t ids_added; /* to the window */
    bool changed;
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
    sut_status status = sut_buf_append(&w->ids, seen.id, sizeof seen.id);
    if (!status)
        status = sut_buf_append(&w->ids, &sequence, sizeof sequence);
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

sut_status engine_log_event(engine *e, MDB_txn *txn, engine_state *s, sut_journal_event *ev)
{
    ev->sequence = s->next;
    sut_buf_reset(&e->scratch);
    sut_status status = record_put_event(&e->scratch, SALT_EVENT, ev);
    if (status)
        return journal_fail(&e->base, status, "an event of %.*s cannot be encoded", SUT_STR_FMT(ev->subject));
    size_t number = s->next;
    MDB_val k = engine_number_key(&number), v = {e->scratch.len, e->scratch.data};
    int rc = mdb_put(txn, e->log, &k, &v, MDB_APPEND);
    if (rc)
        return engine_fail(e, rc, "appending");
    s->next++;
    s->record_bytes += e->scratch.len;
    s->last_us = ev->time_us;
    return 0;
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

static sut_status store_group(writing *w, sut_append_group *g)
{
    sut_status status = 0;
    for (size_t i = 0; i < g->count && !status; i++) {
        sut_journal_event *ev = &g->events[i];
        if (g->results[i].state != SUT_APPEND_TAKEN)
            continue;
        ev->time_us = w->now_us;
        w->changed = true;
        status = is_delayed(w, ev) ? delay_event(w, ev) : engine_log_event(w->e, w->txn, &w->state, ev);
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

static sut_status put_marks(writing *w)
{
    source_mark *m;
    for (size_t i = 0; (m = source_table_changed(w->e->marks, i)); i++) {
        uint8_t bytes[SOURCE_BYTES + SUT_SOURCE_MAX];
        if (!m->dirty) /* written already: it changed more than once */
            continue;
        store_u64(bytes + RECORD_HEAD, m->epoch);
        store_u64(bytes + RECORD_HEAD + 8, m->number);
        memcpy(bytes + SOURCE_BYTES, m->name, m->name_len);
        record_seal(SALT_SOURCE, (uint16_t)m->name_len, bytes, SOURCE_BYTES + m->name_len);
        MDB_val k = {m->name_len, m->name}, v = {SOURCE_BYTES + m->name_len, bytes};
        int rc = mdb_put(w->txn, w->e->sources, &k, &v, 0);
        if (rc)
            return engine_fail(w->e, rc, "writing a source's mark");
        m->dirty = false;
    }
    return 0;
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

sut_status lmdb_write(sut_journal *j, journal_write *job)
{
    engine *e = engine_of(j);
    writing w = {.e = e, .state = e->state};
    w.now_us = job->now_us > e->state.last_us ? job->now_us : e->state.last_us;
    sut_status status = job->group_count ? engine_room(e, bytes_of(job)) : 0;
    if (!status)
        status = engine_begin(e, true, &w.txn);
    if (status)
        return status;
    sut_buf_init(&w.ids, 0);
    if (job->group_count)
        id_window_expire(e->window, e->clock_us ? e->clock_us : engine_clock(e, job->now_us));
    status = write_in(&w, job);
    w.changed |= job->value_count || job->dead_count;
    if (status || !w.changed)
        mdb_txn_abort(w.txn);
    else
        status = engine_commit(e, w.txn, &w.state);
    if (status)
        forget(&w, job);
    else
        source_table_keep(e->marks);
    sut_buf_deinit(&w.ids);
    atomic_store_explicit(&e->window_count, id_window_count(e->window), memory_order_relaxed);
    return status;
}
