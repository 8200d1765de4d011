/* Retention: the log's oldest records and old dead letters go, some a call, so that the writer is never away for long.
 * Their pages return to the free list and are used again; the file never shrinks. */
#include "lmdb_engine.h"

#include "base/arena.h"

#include <errno.h>

#define STEP_RECORDS 2048
#define STEP_BYTES   (8u << 20)

typedef struct retaining {
    engine *e;
    MDB_txn *txn;
    engine_state state;
    int64_t now_us;
    const sut_journal_retention *rule;
    uint64_t surplus; /* bytes that are too many */
    bool changed, more;
} retaining;

/* What max_bytes 0 means: the map, of which an eighth stays free. As bytes of records that have to go. */
static sut_status surplus_of_map(const engine *e, uint64_t *surplus)
{
    size_t file = engine_used_file_pages(e), bound = e->map_pages - e->map_pages / 8, unused;
    *surplus = 0;
    if (file <= bound)
        return 0;
    sut_status status = engine_free_pages(e, &unused);
    if (!status && file > unused && file - unused > bound)
        *surplus = (file - unused - bound) * e->page_size;
    return status;
}

/* Counts the records at the log's begin that have to go. A damaged one goes when one behind it does: its own time is
 * not to be believed, and it must not hold up the others. */
static sut_status count_old(retaining *r, MDB_cursor *c, size_t *count)
{
    MDB_val k, v;
    uint64_t bytes = 0;
    size_t looked = 0;
    *count = 0;
    int rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
    for (; !rc && looked < STEP_RECORDS && bytes < STEP_BYTES; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        bool too_many = bytes < r->surplus;
        looked++;
        bytes += v.mv_size;
        if (!too_many && r->rule->max_age_us == 0)
            return 0;
        if (!too_many) {
            if (engine_check(r->e, SALT_EVENT, &v))
                continue;
            if (r->now_us - (int64_t)load_u64((const uint8_t *)v.mv_data + 8) <= r->rule->max_age_us)
                return 0;
        }
        *count = looked;
    }
    r->more = !rc;
    return rc && rc != MDB_NOTFOUND ? engine_fail(r->e, rc, "reading the log's begin") : 0;
}

static sut_status remove_first(retaining *r, MDB_cursor *c, size_t count)
{
    MDB_val k, v;
    while (count--) {
        int rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
        if (rc)
            return engine_fail(r->e, rc, "reading the log's begin");
        uint64_t sequence = r->state.first;
        r->state.first = (engine_key_number(r->e, &k, &sequence) ? sequence : r->state.first) + 1;
        r->state.record_bytes -= v.mv_size < r->state.record_bytes ? v.mv_size : r->state.record_bytes;
        rc = mdb_cursor_del(c, 0);
        if (rc)
            return engine_fail(r->e, rc, "removing from the log's begin");
        r->changed = true;
    }
    return 0;
}

static sut_status retain_log(retaining *r)
{
    MDB_cursor *c;
    size_t count;
    int rc = mdb_cursor_open(r->txn, r->e->log, &c);
    if (rc)
        return engine_fail(r->e, rc, "opening the log");
    sut_status status = count_old(r, c, &count);
    if (!status)
        status = remove_first(r, c, count);
    mdb_cursor_close(c);
    return status;
}

/* In order of ids, which is nearly the order of death: a letter that was put again keeps its id. One that is being
 * redriven stays. */
static sut_status dead_in(retaining *r, MDB_cursor *c, sut_arena *a)
{
    MDB_val k, v;
    int rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
    for (size_t looked = 0; !rc && looked < STEP_RECORDS; looked++, rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        sut_dead_letter d;
        sut_arena_reset(a);
        if (!engine_inside(r->e, &v) || record_get_dead(v.mv_data, v.mv_size, a, &d) || d.redriving)
            continue;
        if (r->now_us - d.died_us <= r->rule->dead_age_us)
            return 0;
        sut_status status = engine_unmark_dead(r->e, r->txn, &d);
        if (status)
            return status;
        rc = mdb_cursor_del(c, 0);
        if (rc)
            break;
        r->changed = true;
    }
    return rc && rc != MDB_NOTFOUND ? engine_fail(r->e, rc, "removing old dead letters") : 0;
}

static sut_status retain_dead(retaining *r)
{
    MDB_cursor *c;
    sut_arena *a;
    if (r->rule->dead_age_us == 0)
        return 0;
    sut_status status = sut_arena_new(&a, 0);
    if (status)
        return status;
    int rc = mdb_cursor_open(r->txn, r->e->dead, &c);
    status = rc ? engine_fail(r->e, rc, "opening dead letters") : dead_in(r, c, a);
    if (!rc)
        mdb_cursor_close(c);
    sut_arena_free(a);
    return status;
}

static sut_status surplus(const engine *e, const sut_journal_retention *rule, uint64_t *out)
{
    if (rule->max_bytes == 0)
        return surplus_of_map(e, out);
    *out = e->state.record_bytes > rule->max_bytes ? e->state.record_bytes - rule->max_bytes : 0;
    return 0;
}

sut_status lmdb_retain(sut_journal *j, int64_t now_us, const sut_journal_retention *rule, bool *more)
{
    engine *e = engine_of(j);
    retaining r = {.e = e, .now_us = now_us, .rule = rule};
    (void)engine_clock(e, now_us);
    e->no_ahead = false;
    sut_status status = surplus(e, rule, &r.surplus);
    if (!status)
        status = engine_begin_write(e, &r.txn, &r.state);
    if (status)
        return status;
    uint64_t ids = r.state.ids_logged;
    status = retain_log(&r);
    if (!status)
        status = retain_dead(&r);
    if (!status)
        status = engine_trim_ids(e, r.txn, &r.state, STEP_RECORDS);
    r.changed |= ids != r.state.ids_logged;
    if (status || (!r.changed && !e->tail.count))
        mdb_txn_abort(r.txn);
    else
        status = engine_commit(e, r.txn, &r.state);
    if (!status) {
        *more = r.more;
        e->free_guess = r.changed ? 0 : e->free_guess; /* counted anew when it matters */
    }
    return status;
}
