/* Reading the log. Read transactions are short: records are copied out and decoded after their end. */
#include "lmdb_engine.h"

#include <errno.h>

sut_status engine_missing(const engine *e, uint64_t from, uint64_t to)
{
    return journal_damaged(&e->base, from, "records %llu to %llu of the table log are missing",
                           (unsigned long long)from, (unsigned long long)to);
}

static sut_status unreadable(const engine *e, int rc, uint64_t sequence)
{
    sut_status status = engine_fail(e, rc, "reading the log");
    return status != -EBADMSG ? status
                              : journal_damaged(&e->base, sequence, "the page of record %llu of the table log: %s",
                                                (unsigned long long)sequence, mdb_strerror(rc));
}

/* Damage behind something good is left for the next read, which then begins with it. */
static sut_status scan(const engine *e, MDB_cursor *c, const sut_journal_query *q, batch_maker *m, uint64_t *next,
                       uint64_t end)
{
    size_t from = *next;
    MDB_val k = engine_number_key(&from), v;
    int rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    for (size_t looked = 0; !rc && looked < q->max_scan && m->count < q->max_events; looked++) {
        sut_journal_event ev;
        uint64_t sequence = *next;
        if (*next > q->to)
            break;
        record_fault f = engine_key_number(e, &k, &sequence) ? engine_event(e, SALT_EVENT, &v, &ev) : RECORD_CONTENT;
        if (sequence != *next)
            return m->count ? 0 : engine_missing(e, *next, sequence > *next && sequence < end ? sequence - 1 : end - 1);
        if (f || ev.sequence != sequence)
            return m->count ? 0 : engine_bad_record(e, "log", sequence, f ? f : RECORD_CONTENT);
        if (journal_wanted(q, ev.subject)) {
            if (m->count && m->bytes.len + v.mv_size > q->max_bytes)
                break;
            sut_status status = batch_maker_add(m, v.mv_data, v.mv_size);
            if (status)
                return status;
        }
        *next = sequence + 1;
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    }
    if (rc == MDB_NOTFOUND)
        return *next < end && *next <= q->to && !m->count ? engine_missing(e, *next, end - 1) : 0;
    return rc && !m->count ? unreadable(e, rc, *next) : 0;
}

/* *end: where the tables end. */
static sut_status read_in(const engine *e, MDB_txn *txn, const sut_journal_query *q, batch_maker *m, uint64_t *next,
                          uint64_t *oldest, uint64_t *end)
{
    MDB_cursor *c;
    engine_state s;
    sut_status status = engine_get_state(e, txn, &s);
    if (status)
        return status;
    *oldest = s.first;
    *end = s.next;
    *next = *next < *oldest ? *oldest : *next;
    int rc = mdb_cursor_open(txn, e->log, &c);
    if (rc)
        return engine_fail(e, rc, "opening the log");
    status = scan(e, c, q, m, next, s.next);
    mdb_cursor_close(c);
    return status;
}

sut_status lmdb_read(sut_journal *j, const sut_journal_query *q, sut_journal_batch **out)
{
    engine *e = engine_of(j);
    batch_maker m;
    uint64_t next = q->from, oldest = 0, end = 0;
    sut_status status;
    batch_maker_init(&m);
    do {
        MDB_txn *txn;
        status = engine_begin(e, false, &txn);
        if (status)
            break;
        status = read_in(e, txn, q, &m, &next, &oldest, &end);
        mdb_txn_abort(txn);
        if (!status && next >= end)
            status = engine_tail_read(e, q, &m, &next);
    } while (status > 0);
    if (!status)
        status = batch_maker_finish(&m, out);
    batch_maker_deinit(&m);
    if (!status) {
        (*out)->next = next;
        (*out)->oldest = oldest;
    }
    return status;
}

static sut_status time_at(const engine *e, MDB_txn *txn, uint64_t sequence, int64_t *out)
{
    size_t number = sequence;
    MDB_val k = engine_number_key(&number), v;
    sut_journal_event ev;
    int rc = mdb_get(txn, e->log, &k, &v);
    if (rc)
        return rc == MDB_NOTFOUND ? engine_bad_record(e, "log", sequence, RECORD_SHORT)
                                  : engine_fail(e, rc, "reading the log");
    record_fault f = engine_event(e, SALT_EVENT, &v, &ev);
    if (f)
        return engine_bad_record(e, "log", sequence, f);
    *out = ev.time_us;
    return 0;
}

/* The time of the first record from `*at` on that is sound; *at becomes `high` if there is none. */
static sut_status sound_time(const engine *e, MDB_txn *txn, uint64_t *at, uint64_t high, int64_t *time_us)
{
    for (; *at < high; ++*at) {
        sut_status status = time_at(e, txn, *at, time_us);
        if (status != -EBADMSG)
            return status;
    }
    return 0;
}

/* Sequences have no gaps and times never go back, so that halving needs no index of times. */
static sut_status seek_in(const engine *e, MDB_txn *txn, int64_t time_us, uint64_t *sequence, uint64_t *end)
{
    engine_state s;
    uint64_t low = 0, high = 0;
    sut_status status = engine_get_state(e, txn, &s);
    if (!status) {
        low = s.first;
        high = *end = s.next;
    }
    for (; !status && low < high;) {
        uint64_t middle = low + (high - low) / 2, sound = middle;
        int64_t at = 0;
        status = sound_time(e, txn, &sound, high, &at);
        if (!status && sound < high && at < time_us)
            low = sound + 1;
        else
            high = middle;
    }
    *sequence = low;
    return status;
}

sut_status lmdb_seek_time(sut_journal *j, int64_t time_us, uint64_t *sequence)
{
    engine *e = engine_of(j);
    sut_status status;
    do {
        MDB_txn *txn;
        uint64_t end = 0;
        status = engine_begin(e, false, &txn);
        if (status)
            return status;
        status = seek_in(e, txn, time_us, sequence, &end);
        mdb_txn_abort(txn);
        if (!status && *sequence == end)
            status = engine_tail_seek(e, time_us, sequence);
    } while (status > 0);
    return status;
}
