/* Reading the log. Read transactions are short: records are copied out and decoded after their end. */
#include "lmdb_engine.h"

#include <errno.h>

static bool wanted(const sut_journal_query *q, sut_str subject)
{
    for (size_t i = 0; i < q->pattern_count; i++)
        if (sut_subject_match(q->patterns[i], subject))
            return true;
    return q->pattern_count == 0;
}

/* Damage behind something good is left for the next read, which then begins with it. */
static sut_status scan(const engine *e, MDB_cursor *c, const sut_journal_query *q, batch_maker *m, uint64_t *next)
{
    size_t from = *next;
    MDB_val k = engine_number_key(&from), v;
    int rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    for (size_t looked = 0; !rc && looked < q->max_scan && m->count < q->max_events; looked++) {
        sut_journal_event ev;
        uint64_t sequence = *next;
        record_fault f = engine_key_number(e, &k, &sequence) ? engine_event(e, SALT_EVENT, &v, &ev) : RECORD_CONTENT;
        if (!f && sequence > q->to)
            break;
        if (f || ev.sequence != sequence)
            return m->count ? 0 : engine_bad_record(e, "log", sequence, f ? f : RECORD_CONTENT);
        if (wanted(q, ev.subject)) {
            if (m->count && m->bytes.len + v.mv_size > q->max_bytes)
                break;
            sut_status status = batch_maker_add(m, v.mv_data, v.mv_size);
            if (status)
                return status;
        }
        *next = sequence + 1;
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    }
    return rc && rc != MDB_NOTFOUND ? engine_fail(e, rc, "reading the log") : 0;
}

static sut_status read_in(const engine *e, MDB_txn *txn, const sut_journal_query *q, batch_maker *m, uint64_t *next,
                          uint64_t *oldest)
{
    MDB_cursor *c;
    engine_state s;
    sut_status status = engine_get_state(e, txn, &s);
    if (!status)
        status = engine_first(e, txn, s.next, oldest);
    if (status)
        return status;
    *next = q->from < *oldest ? *oldest : q->from;
    int rc = mdb_cursor_open(txn, e->log, &c);
    if (rc)
        return engine_fail(e, rc, "opening the log");
    status = scan(e, c, q, m, next);
    mdb_cursor_close(c);
    return status;
}

sut_status lmdb_read(sut_journal *j, const sut_journal_query *q, sut_journal_batch **out)
{
    engine *e = engine_of(j);
    batch_maker m;
    MDB_txn *txn;
    uint64_t next, oldest;
    sut_status status = engine_begin(e, false, &txn);
    if (status)
        return status;
    batch_maker_init(&m);
    status = read_in(e, txn, q, &m, &next, &oldest);
    mdb_txn_abort(txn);
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

/* Sequences have no gaps and times never go back, so that halving needs no index of times. */
static sut_status seek_in(const engine *e, MDB_txn *txn, int64_t time_us, uint64_t *sequence)
{
    engine_state s;
    uint64_t low = 0, high = 0;
    sut_status status = engine_get_state(e, txn, &s);
    if (!status)
        status = engine_first(e, txn, s.next, &low);
    if (!status)
        high = s.next;
    for (; !status && low < high;) {
        uint64_t middle = low + (high - low) / 2;
        int64_t at = 0;
        status = time_at(e, txn, middle, &at);
        if (!status && at < time_us)
            low = middle + 1;
        else
            high = middle;
    }
    *sequence = low;
    return status;
}

sut_status lmdb_seek_time(sut_journal *j, int64_t time_us, uint64_t *sequence)
{
    engine *e = engine_of(j);
    MDB_txn *txn;
    sut_status status = engine_begin(e, false, &txn);
    if (status)
        return status;
    status = seek_in(e, txn, time_us, sequence);
    mdb_txn_abort(txn);
    return status;
}
