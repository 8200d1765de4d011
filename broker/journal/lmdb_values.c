/* Small durable values, and dead letters. */
#include "lmdb_engine.h"

#include "base/arena.h"

#include <errno.h>

static MDB_val val_of(sut_str s)
{
    return (MDB_val){s.len, (void *)(uintptr_t)s.ptr};
}

static sut_status put_value(engine *e, MDB_txn *txn, const sut_journal_value *value)
{
    MDB_val k = val_of(value->name), v;
    if (!value->value.ptr) {
        int rc = mdb_del(txn, e->values, &k, NULL);
        return rc && rc != MDB_NOTFOUND ? engine_fail(e, rc, "removing a value") : 0;
    }
    sut_buf_reset(&e->scratch);
    sut_status status = sut_buf_append(&e->scratch, "\0\0\0\0\0\0\0", RECORD_HEAD);
    if (!status)
        status = sut_buf_append(&e->scratch, value->name.ptr, value->name.len);
    if (!status)
        status = sut_buf_append(&e->scratch, value->value.ptr, value->value.len);
    if (status)
        return status;
    record_seal(SALT_VALUE, (uint16_t)value->name.len, e->scratch.data, e->scratch.len);
    v = (MDB_val){e->scratch.len, e->scratch.data};
    int rc = mdb_put(txn, e->values, &k, &v, 0);
    return rc ? engine_fail(e, rc, "writing a value") : 0;
}

sut_status engine_put_values(engine *e, MDB_txn *txn, const sut_journal_value *values, size_t count)
{
    sut_status status = 0;
    for (size_t i = 0; i < count && !status; i++)
        status = put_value(e, txn, &values[i]);
    return status;
}

static sut_status each_value_in(const engine *e, MDB_cursor *c, sut_str prefix, sut_journal_value_fn fn, void *arg)
{
    MDB_val k = val_of(prefix), v;
    int rc = mdb_cursor_get(c, &k, &v, prefix.len ? MDB_SET_RANGE : MDB_FIRST);
    for (; !rc; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        sut_str name = {k.mv_data, k.mv_size};
        if (!engine_inside(e, &k))
            return journal_fail(&e->base, -EBADMSG, "a key of the table values is damaged");
        if (name.len < prefix.len || (prefix.len && memcmp(name.ptr, prefix.ptr, prefix.len) != 0))
            return 0;
        size_t at = RECORD_HEAD;
        record_fault f = engine_check_named(e, SALT_VALUE, &k, &v, RECORD_HEAD, &at);
        if (f)
            return journal_fail(&e->base, -EBADMSG, "the value %.*s %s", SUT_STR_FMT(name), record_fault_text(f));
        fn(arg, name, (sut_str){(const char *)v.mv_data + at, v.mv_size - at});
    }
    return rc == MDB_NOTFOUND ? 0 : engine_fail(e, rc, "reading values");
}

sut_status lmdb_each_value(sut_journal *j, sut_str prefix, sut_journal_value_fn fn, void *arg)
{
    engine *e = engine_of(j);
    MDB_txn *txn;
    MDB_cursor *c;
    sut_status status = engine_begin(e, false, &txn);
    if (status)
        return status;
    int rc = mdb_cursor_open(txn, e->values, &c);
    status = rc ? engine_fail(e, rc, "opening the values") : each_value_in(e, c, prefix, fn, arg);
    if (!rc)
        mdb_cursor_close(c);
    mdb_txn_abort(txn);
    return status;
}

/* ---- dead letters ---- */

static sut_status put_one_dead(engine *e, MDB_txn *txn, engine_state *s, journal_dead_op *op)
{
    sut_dead_letter d = *op->put;
    d.generation &= 0xffffff;
    if (d.id == 0) {
        sut_status status = engine_find_dead(e, txn, &d, &op->id);
        if (status || op->id)
            return status;
        d.id = s->dead_next;
    }
    if (d.id >= s->dead_next)
        s->dead_next = d.id + 1;
    op->id = d.id;
    sut_buf_reset(&e->scratch);
    sut_status status = record_put_dead(&e->scratch, &d);
    if (status)
        return journal_fail(&e->base, status, "a dead letter cannot be encoded");
    size_t number = d.id;
    MDB_val k = engine_number_key(&number), v = {e->scratch.len, e->scratch.data};
    int rc = mdb_put(txn, e->dead, &k, &v, 0);
    return rc ? engine_fail(e, rc, "writing a dead letter") : engine_mark_dead(e, txn, &d);
}

/* Without a mark if the letter cannot be read: one that leads nowhere is not believed. */
static sut_status unmark(engine *e, MDB_txn *txn, MDB_val *k)
{
    MDB_val v;
    sut_arena *a;
    sut_dead_letter d;
    if (mdb_get(txn, e->dead, k, &v))
        return 0;
    sut_status status = sut_arena_new(&a, 0);
    if (status)
        return status;
    if (engine_inside(e, &v) && !record_get_dead(v.mv_data, v.mv_size, a, &d))
        status = engine_unmark_dead(e, txn, &d);
    sut_arena_free(a);
    return status;
}

static sut_status remove_dead(engine *e, MDB_txn *txn, journal_dead_op *op)
{
    for (size_t i = 0; i < op->remove_count; i++) {
        size_t number = op->remove[i];
        MDB_val k = engine_number_key(&number);
        sut_status status = unmark(e, txn, &k);
        if (status)
            return status;
        int rc = mdb_del(txn, e->dead, &k, NULL);
        if (rc && rc != MDB_NOTFOUND)
            return engine_fail(e, rc, "removing a dead letter");
        if (rc)
            op->status =
                journal_fail(&e->base, -ENOENT, "there is no dead letter %llu", (unsigned long long)op->remove[i]);
    }
    return 0;
}

sut_status engine_put_dead(engine *e, MDB_txn *txn, engine_state *s, journal_dead_op *ops, size_t count)
{
    sut_status status = 0;
    for (size_t i = 0; i < count && !status; i++) {
        ops[i].status = 0;
        status = ops[i].put ? put_one_dead(e, txn, s, &ops[i]) : remove_dead(e, txn, &ops[i]);
    }
    return status;
}

static bool dead_wanted(const sut_dead_query *q, const sut_dead_letter *d)
{
    if ((q->group.ptr && !sut_str_eq(q->group, d->group)) || (q->key.ptr && !sut_str_eq(q->key, d->event.key)) ||
        (q->redriving_only && !d->redriving))
        return false;
    for (size_t i = 0; i < q->subject_count; i++)
        if (sut_subject_match(q->subjects[i], d->event.subject))
            return true;
    return q->subject_count == 0;
}

static sut_status load_dead(const engine *e, const MDB_val *k, const MDB_val *v, sut_arena *a, sut_dead_letter *d)
{
    uint64_t id = 0;
    record_fault f = engine_key_number(e, k, &id) && engine_inside(e, v) ? record_get_dead(v->mv_data, v->mv_size, a, d)
                                                                         : RECORD_CONTENT;
    if (!f && d->id != id)
        f = RECORD_CONTENT;
    return f ? engine_bad_record(e, "dead", id, f) : 0;
}

static sut_status dead_each_in(const engine *e, MDB_cursor *c, const sut_dead_query *q, sut_arena *a, sut_dead_fn fn,
                               void *arg)
{
    size_t from = q->after + 1, given = 0;
    MDB_val k = engine_number_key(&from), v;
    int rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    for (; !rc && given < q->max; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
        sut_dead_letter d = {0};
        sut_arena_reset(a);
        sut_status status = load_dead(e, &k, &v, a, &d);
        if (status)
            return status;
        if (!dead_wanted(q, &d))
            continue;
        given++;
        if (!fn(arg, &d))
            return 0;
    }
    return rc && rc != MDB_NOTFOUND ? engine_fail(e, rc, "reading dead letters") : 0;
}

sut_status lmdb_dead_each(sut_journal *j, const sut_dead_query *q, sut_dead_fn fn, void *arg)
{
    engine *e = engine_of(j);
    MDB_txn *txn;
    MDB_cursor *c;
    sut_arena *a;
    sut_status status = sut_arena_new(&a, 0);
    if (status)
        return status;
    status = engine_begin(e, false, &txn);
    if (!status) {
        int rc = mdb_cursor_open(txn, e->dead, &c);
        status = rc ? engine_fail(e, rc, "opening dead letters") : dead_each_in(e, c, q, a, fn, arg);
        if (!rc)
            mdb_cursor_close(c);
        mdb_txn_abort(txn);
    }
    sut_arena_free(a);
    return status;
}

sut_status lmdb_dead_get(sut_journal *j, uint64_t id, sut_dead_fn fn, void *arg)
{
    engine *e = engine_of(j);
    MDB_txn *txn;
    sut_arena *a;
    sut_dead_letter d;
    size_t number = id;
    MDB_val k = engine_number_key(&number), v;
    sut_status status = sut_arena_new(&a, 0);
    if (status)
        return status;
    status = engine_begin(e, false, &txn);
    if (!status) {
        int rc = mdb_get(txn, e->dead, &k, &v);
        if (rc == MDB_NOTFOUND)
            status = journal_fail(j, -ENOENT, "there is no dead letter %llu", (unsigned long long)id);
        else
            status = rc ? engine_fail(e, rc, "reading a dead letter") : load_dead(e, &k, &v, a, &d);
        if (!status)
            (void)fn(arg, &d);
        mdb_txn_abort(txn);
    }
    sut_arena_free(a);
    return status;
}
