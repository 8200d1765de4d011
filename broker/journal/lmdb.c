/* What every function of the engine needs: failures, transactions, the state record, checked values. */
#include "lmdb_engine.h"

#include <errno.h>
#include <sys/stat.h>

#define STATE_WORDS 8
#define STATE_BYTES (RECORD_HEAD + STATE_WORDS * 8)

static sut_status status_of(int rc)
{
    switch (rc) {
    case 0: return 0;
    case MDB_MAP_FULL:
    case EDQUOT:
    case EFBIG: return -ENOSPC;
    case MDB_NOTFOUND: return -ENOENT;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE: return -EBADMSG;
    case MDB_TXN_FULL: return -EMSGSIZE;
    default: return rc > 0 ? -rc : -EIO; /* MDB_PANIC, MDB_MAP_RESIZED and whatever else only a new opening cures */
    }
}

sut_status engine_fail(const engine *e, int rc, const char *what)
{
    return journal_fail(&e->base, status_of(rc), "%s: %s", what, mdb_strerror(rc));
}

sut_status engine_bad_record(const engine *e, const char *table, uint64_t number, record_fault f)
{
    const uint64_t sequence = strcmp(table, "log") == 0 ? number : 0;
    return journal_damaged(&e->base, sequence, "record %llu of the table %s %s", (unsigned long long)number, table,
                           record_fault_text(f));
}

sut_status engine_read_only(const engine *e)
{
    return journal_fail(&e->base, -EROFS, "this journal was opened for reading");
}

sut_status engine_begin(engine *e, bool write, MDB_txn **txn)
{
    if (write && e->read_only)
        return engine_read_only(e);
    int rc = mdb_txn_begin(e->env, NULL, write ? 0 : MDB_RDONLY, txn);
    return rc ? engine_fail(e, rc, "beginning a transaction") : 0;
}

sut_status engine_begin_write(engine *e, MDB_txn **txn, engine_state *state)
{
    sut_status status = engine_begin(e, true, txn);
    *state = e->state;
    if (status)
        return status;
    status = engine_tail_apply(e, *txn, state);
    if (status)
        mdb_txn_abort(*txn);
    return status;
}

sut_status engine_put_state(engine *e, MDB_txn *txn, const engine_state *s)
{
    const uint64_t words[] = {s->next,      (uint64_t)s->last_us, s->record_bytes, s->delayed_number,
                              s->dead_next, s->ids_next,          s->ids_logged,   s->first};
    uint8_t bytes[STATE_BYTES];
    memcpy(bytes + RECORD_HEAD, words, sizeof words);
    record_seal(SALT_STATE, 0, bytes, sizeof bytes);
    MDB_val k = engine_key("state"), v = {sizeof bytes, bytes};
    int rc = mdb_put(txn, e->meta, &k, &v, 0);
    return rc ? engine_fail(e, rc, "writing the state") : 0;
}

/* For journals from before the state knew it. */
static sut_status first_of_log(const engine *e, MDB_txn *txn, uint64_t next, uint64_t *first)
{
    MDB_cursor *c;
    MDB_val k, v;
    *first = next;
    int rc = mdb_cursor_open(txn, e->log, &c);
    if (rc)
        return engine_fail(e, rc, "opening the log");
    rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
    bool sound = rc || engine_key_number(e, &k, first);
    mdb_cursor_close(c);
    if (!sound)
        return journal_fail(&e->base, -EBADMSG, "the log's first key is damaged");
    return rc && rc != MDB_NOTFOUND ? engine_fail(e, rc, "reading the log's begin") : 0;
}

sut_status engine_get_state(const engine *e, MDB_txn *txn, engine_state *s)
{
    uint64_t words[STATE_WORDS];
    MDB_val k = engine_key("state"), v;
    int rc = mdb_get(txn, e->meta, &k, &v);
    if (rc)
        return journal_fail(&e->base, -EBADMSG, "the state record cannot be read: %s", mdb_strerror(rc));
    const bool knows_first = v.mv_size == STATE_BYTES;
    record_fault f = knows_first || v.mv_size == STATE_BYTES - 8 ? engine_check(e, SALT_STATE, &v) : RECORD_CONTENT;
    if (f)
        return journal_fail(&e->base, -EBADMSG, "the state record %s", record_fault_text(f));
    memcpy(words, (const uint8_t *)v.mv_data + RECORD_HEAD, v.mv_size - RECORD_HEAD);
    *s = (engine_state){.next = words[0],
                        .last_us = (int64_t)words[1],
                        .record_bytes = words[2],
                        .delayed_number = words[3],
                        .dead_next = words[4],
                        .ids_next = words[5],
                        .ids_logged = words[6],
                        .first = knows_first ? words[7] : 0};
    return knows_first ? 0 : first_of_log(e, txn, s->next, &s->first);
}

/* If it was the header page that failed nobody knows which of its two states is on the disk, whatever the reason was:
 * LMDB then lets nobody in any more. */
static sut_status commit_failed(const engine *e, int rc)
{
    MDB_txn *txn;
    int after = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn);
    if (!after)
        mdb_txn_abort(txn);
    if (after != MDB_PANIC)
        return engine_fail(e, rc, "committing");
    return journal_fail(&e->base, -EIO, "committing, at the header page: %s", mdb_strerror(rc));
}

sut_status engine_commit(engine *e, MDB_txn *txn, const engine_state *state)
{
    sut_status status = engine_put_state(e, txn, state);
    if (status) {
        mdb_txn_abort(txn);
        return status;
    }
    int rc = mdb_txn_commit(txn);
    if (rc)
        return commit_failed(e, rc);
    e->state = *state;
    engine_tail_applied(e);
    return 0;
}

/* The file only grows, so its size is asked for again only when something lies behind what was seen. */
static size_t file_bytes(const engine *e, size_t needed)
{
    engine *own = (engine *)(uintptr_t)e; /* a cache: no change of the engine to whoever looks */
    size_t seen = atomic_load_explicit(&own->file_seen, memory_order_relaxed);
    struct stat st;
    if (needed > seen && fstat(e->data_fd, &st) == 0) {
        seen = (size_t)st.st_size;
        atomic_store_explicit(&own->file_seen, seen, memory_order_relaxed);
    }
    return seen;
}

bool engine_inside(const engine *e, const MDB_val *v)
{
    uintptr_t at = (uintptr_t)v->mv_data, start = (uintptr_t)e->map;
    if (v->mv_size > RECORD_MAX_BYTES)
        return false;
    if (at < start || at >= start + e->map_bytes)
        return true; /* a page that this transaction has copied to the heap */
    size_t end = at - start + v->mv_size;
    return end <= file_bytes(e, end);
}

record_fault engine_check(const engine *e, record_salt salt, const MDB_val *v)
{
    return engine_inside(e, v) ? record_check(salt, v->mv_data, v->mv_size) : RECORD_CONTENT;
}

record_fault engine_check_named(const engine *e, record_salt salt, const MDB_val *k, const MDB_val *v, size_t at,
                                size_t *end)
{
    record_fault f = engine_inside(e, k) ? engine_check(e, salt, v) : RECORD_CONTENT;
    if (f)
        return f;
    const uint8_t *bytes = v->mv_data;
    const size_t len = load_u16(bytes + 6);
    *end = at + len;
    if (v->mv_size < at + len || (len && (len != k->mv_size || memcmp(bytes + at, k->mv_data, len) != 0)))
        return RECORD_CONTENT;
    return RECORD_OK;
}

record_fault engine_event(const engine *e, record_salt salt, const MDB_val *v, sut_journal_event *out)
{
    record_fault f = engine_check(e, salt, v);
    return f ? f : record_decode_event(v->mv_data, v->mv_size, out);
}

bool engine_key_number(const engine *e, const MDB_val *k, uint64_t *out)
{
    if (k->mv_size != sizeof *out || !engine_inside(e, k))
        return false;
    memcpy(out, k->mv_data, sizeof *out);
    return true;
}
