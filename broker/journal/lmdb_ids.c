/* The id log: each commit appends the ids that it took as one record, and takes away what the window has forgotten. So
 * the window is filled again at start by reading from the log's end, and no index of random ids is ever written. */
#include "lmdb_engine.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define ENTRY_BYTES (SUT_EVENT_ID_LEN + 8)
#define RECORD_IDS  4096              /* a record, so that none is larger than a record may be */
#define IDS_HEAD    (RECORD_HEAD + 8) /* when */

#define CLOCK_STEP_US INT64_C(5000000)

int64_t engine_clock(engine *e, int64_t now_us)
{
    const int64_t step = e->wall_us ? now_us - e->wall_us : 0;
    if (e->clock_us == 0)
        e->clock_us = now_us;
    if (step > 0)
        e->clock_us += step < CLOCK_STEP_US ? step : CLOCK_STEP_US;
    e->wall_us = now_us;
    return e->clock_us;
}

static size_t entries_of(const MDB_val *v)
{
    return (v->mv_size - IDS_HEAD) / ENTRY_BYTES;
}

static record_fault check_ids(const engine *e, const MDB_val *v)
{
    if (v->mv_size < IDS_HEAD || (v->mv_size - IDS_HEAD) % ENTRY_BYTES)
        return RECORD_CONTENT;
    return engine_check(e, SALT_IDS, v);
}

static int64_t time_of(const MDB_val *v)
{
    return (int64_t)load_u64((const uint8_t *)v->mv_data + RECORD_HEAD);
}

static sut_status add_entries(engine *e, const MDB_val *v)
{
    const uint8_t *p = (const uint8_t *)v->mv_data + IDS_HEAD;
    sut_status status = 0;
    for (size_t i = 0; i < entries_of(v) && !status; i++, p += ENTRY_BYTES) {
        id_seen seen = {.sequence = load_u64(p + SUT_EVENT_ID_LEN), .time_us = time_of(v)};
        memcpy(seen.id, p, SUT_EVENT_ID_LEN);
        if (!id_window_find(e->window, seen.id))
            status = id_window_add(e->window, &seen);
    }
    return status;
}

/* A record is some 25 pages in a row: asked for at once they are one read of a cold disk, not one each. A hint only. */
static void read_ahead(const MDB_val *v)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)v->mv_data & ~(page - 1);
    (void)madvise((void *)begin, (uintptr_t)v->mv_data + v->mv_size - begin, MADV_WILLNEED);
}

/* Walks back until enough is seen, then forward again: the window wants them in the order of time. */
static sut_status load_with(engine *e, MDB_cursor *c)
{
    MDB_val k, v;
    size_t count = 0;
    uint64_t number = 0;
    int rc = mdb_cursor_get(c, &k, &v, MDB_LAST);
    if (!rc && !check_ids(e, &v))
        e->clock_us = time_of(&v);
    for (; !rc; rc = mdb_cursor_get(c, &k, &v, MDB_PREV)) {
        read_ahead(&v);
        record_fault f = engine_key_number(e, &k, &number) ? check_ids(e, &v) : RECORD_CONTENT;
        if (f)
            return engine_bad_record(e, "ids", number, f);
        if (count >= e->dedup_max || e->clock_us - time_of(&v) > e->dedup_us)
            break;
        count += entries_of(&v);
    }
    if (rc && rc != MDB_NOTFOUND)
        return engine_fail(e, rc, "reading the id log");
    rc = mdb_cursor_get(c, &k, &v, rc ? MDB_FIRST : MDB_GET_CURRENT);
    for (; !rc; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        sut_status status = add_entries(e, &v);
        if (status)
            return status;
    }
    id_window_expire(e->window, e->clock_us);
    atomic_store(&e->window_count, id_window_count(e->window));
    return rc == MDB_NOTFOUND ? 0 : engine_fail(e, rc, "reading the id log");
}

sut_status engine_load_ids(engine *e, MDB_txn *txn)
{
    MDB_cursor *c;
    int rc = mdb_cursor_open(txn, e->ids, &c);
    if (rc)
        return engine_fail(e, rc, "opening the id log");
    sut_status status = load_with(e, c);
    mdb_cursor_close(c);
    return status;
}

static sut_status log_some(engine *e, MDB_txn *txn, engine_state *s, const uint8_t *entries, size_t bytes)
{
    uint8_t head[IDS_HEAD] = {0};
    store_u64(head + RECORD_HEAD, (uint64_t)e->clock_us);
    sut_buf_reset(&e->scratch);
    sut_status status = sut_buf_append(&e->scratch, head, sizeof head);
    if (!status)
        status = sut_buf_append(&e->scratch, entries, bytes);
    if (status)
        return status;
    record_seal(SALT_IDS, 0, e->scratch.data, e->scratch.len);
    size_t number = s->ids_next++;
    MDB_val k = engine_number_key(&number), v = {e->scratch.len, e->scratch.data};
    int rc = mdb_put(txn, e->ids, &k, &v, MDB_APPEND);
    s->ids_logged += bytes / ENTRY_BYTES;
    return rc ? engine_fail(e, rc, "writing the id log") : 0;
}

sut_status engine_id_entry(sut_buf *entries, const uint8_t id[SUT_EVENT_ID_LEN], uint64_t sequence)
{
    sut_status status = sut_buf_append(entries, id, SUT_EVENT_ID_LEN);
    return status ? status : sut_buf_append(entries, &sequence, sizeof sequence);
}

sut_status engine_log_ids(engine *e, MDB_txn *txn, engine_state *s, const sut_buf *entries)
{
    sut_status status = 0;
    for (size_t at = 0; at < entries->len && !status; at += RECORD_IDS * ENTRY_BYTES) {
        size_t left = entries->len - at, most = RECORD_IDS * ENTRY_BYTES;
        status = log_some(e, txn, s, entries->data + at, left < most ? left : most);
    }
    return status;
}

sut_status engine_trim_ids(engine *e, MDB_txn *txn, engine_state *s, unsigned max)
{
    MDB_cursor *c;
    MDB_val k, v;
    int rc = mdb_cursor_open(txn, e->ids, &c);
    if (rc)
        return engine_fail(e, rc, "opening the id log");
    while (max-- && !(rc = mdb_cursor_get(c, &k, &v, MDB_FIRST))) {
        /* a damaged one is of no use to anybody: its count is unknown, and the total only decides when to trim */
        size_t count = check_ids(e, &v) ? 0 : entries_of(&v);
        if (count && e->clock_us - time_of(&v) <= e->dedup_us && s->ids_logged < e->dedup_max + count)
            break;
        rc = mdb_cursor_del(c, 0);
        if (rc)
            break;
        s->ids_logged -= count < s->ids_logged ? count : s->ids_logged;
    }
    mdb_cursor_close(c);
    return rc && rc != MDB_NOTFOUND ? engine_fail(e, rc, "trimming the id log") : 0;
}
