/* Delayed events: what is due moves into the log. */
#include "lmdb_engine.h"

#include "base/log.h"

#include <errno.h>

typedef struct releasing {
    engine *e;
    MDB_txn *txn;
    MDB_cursor *due;
    engine_state state;
    batch_maker maker;
    int64_t now_us, time_us, next_us;
} releasing;

/* The value is copied first: a put may move the page that it lies on. */
static sut_status move_one(releasing *r, const MDB_val *v)
{
    sut_journal_event ev;
    sut_buf copy;
    record_fault f = engine_check(r->e, SALT_DELAYED, v);
    if (f) { /* it would hold up all that come after it */
        sut_log(SUT_ERROR, "journal", "delayed.damaged", SUT_KV("why", record_fault_text(f)));
        return 0;
    }
    sut_buf_init(&copy, 0);
    sut_status status = sut_buf_append(&copy, v->mv_data, v->mv_size);
    if (!status && record_decode_event(copy.data, copy.len, &ev))
        status = journal_fail(&r->e->base, -EBADMSG, "a delayed event cannot be decoded");
    if (!status) {
        ev.time_us = r->time_us;
        status = engine_log_event(r->e, r->txn, &r->state, &ev);
    }
    if (!status)
        status = batch_maker_add(&r->maker, r->e->scratch.data, r->e->scratch.len);
    sut_buf_deinit(&copy);
    return status;
}

static sut_status move_due(releasing *r, size_t max)
{
    MDB_val k, v;
    int rc;
    r->next_us = INT64_MAX;
    while (!(rc = mdb_cursor_get(r->due, &k, &v, MDB_FIRST))) {
        if (k.mv_size != DELAYED_KEY || !engine_inside(r->e, &k))
            return journal_fail(&r->e->base, -EBADMSG, "a key of the table delayed is damaged");
        r->next_us = (int64_t)load_key(k.mv_data);
        if (r->next_us > r->now_us || max-- == 0)
            return 0;
        sut_status status = move_one(r, &v);
        if (status)
            return status;
        rc = mdb_cursor_get(r->due, &k, &v, MDB_FIRST);
        if (!rc)
            rc = mdb_cursor_del(r->due, 0);
        if (rc)
            break;
        r->next_us = INT64_MAX;
    }
    return rc == MDB_NOTFOUND ? 0 : engine_fail(r->e, rc, "reading delayed events");
}

/* Most often nothing is due: that needs no write transaction. */
static sut_status anything_due(engine *e, int64_t now_us, bool *due, int64_t *next_us)
{
    MDB_txn *txn;
    MDB_cursor *c;
    MDB_val k, v;
    *next_us = INT64_MAX;
    *due = false;
    sut_status status = engine_begin(e, false, &txn);
    if (status)
        return status;
    int rc = mdb_cursor_open(txn, e->delayed, &c);
    if (!rc) {
        rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
        if (!rc && k.mv_size == DELAYED_KEY && engine_inside(e, &k))
            *next_us = (int64_t)load_key(k.mv_data);
        mdb_cursor_close(c);
    }
    mdb_txn_abort(txn);
    *due = *next_us <= now_us;
    return rc && rc != MDB_NOTFOUND ? engine_fail(e, rc, "reading delayed events") : 0;
}

static sut_status release_in(releasing *r, size_t max)
{
    engine *e = r->e;
    int rc = mdb_cursor_open(r->txn, e->delayed, &r->due);
    sut_status status = rc ? engine_fail(e, rc, "opening delayed events") : move_due(r, max);
    if (!rc)
        mdb_cursor_close(r->due);
    if (!status)
        status = batch_maker_finish(&r->maker, &e->moved);
    if (status)
        mdb_txn_abort(r->txn);
    else
        status = engine_commit(e, r->txn, &r->state);
    if (status)
        e->moved = sut_journal_batch_unref(e->moved);
    return status;
}

sut_status lmdb_release_due(sut_journal *j, int64_t now_us, size_t max, sut_journal_batch **moved, int64_t *next_us)
{
    engine *e = engine_of(j);
    releasing r = {.e = e, .now_us = now_us};
    bool due;
    *moved = NULL;
    e->moved = sut_journal_batch_unref(e->moved);
    sut_status status = anything_due(e, now_us, &due, next_us);
    if (status || !due)
        return status;
    r.time_us = now_us > e->state.last_us ? now_us : e->state.last_us;
    status = engine_begin_write(e, &r.txn, &r.state);
    if (status)
        return status;
    batch_maker_init(&r.maker);
    status = release_in(&r, max);
    batch_maker_deinit(&r.maker);
    if (!status) {
        e->moved->next = r.state.next;
        *moved = e->moved;
        *next_us = r.next_us;
    }
    return status;
}
