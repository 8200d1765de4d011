/* Statistics, verification, backup. */
#include "lmdb_engine.h"

#include "base/arena.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int entries(MDB_txn *txn, MDB_dbi table, uint64_t *out)
{
    MDB_stat st;
    int rc = mdb_stat(txn, table, &st);
    *out = rc ? 0 : st.ms_entries;
    return rc;
}

/* Zero if the log is empty or the record there is damaged: verify is the one to complain. */
static int64_t time_of(const engine *e, MDB_txn *txn, uint64_t sequence)
{
    size_t number = sequence;
    MDB_val k = engine_number_key(&number), v;
    sut_journal_event ev;
    return mdb_get(txn, e->log, &k, &v) || engine_event(e, SALT_EVENT, &v, &ev) ? 0 : ev.time_us;
}

static sut_status stats_in(const engine *e, MDB_txn *txn, sut_journal_stats *out)
{
    engine_state s;
    sut_status status = engine_get_state(e, txn, &s);
    if (status)
        return status;
    out->first = s.first;
    out->next = s.next;
    out->record_bytes = s.record_bytes;
    out->first_us = time_of(e, txn, out->first);
    out->last_us = s.next > out->first ? time_of(e, txn, s.next - 1) : 0;
    int rc = entries(txn, e->log, &out->records);
    if (!rc)
        rc = entries(txn, e->delayed, &out->delayed);
    if (!rc)
        rc = entries(txn, e->dead, &out->dead);
    if (!rc)
        rc = entries(txn, e->sources, &out->sources);
    return rc ? engine_fail(e, rc, "counting") : 0;
}

sut_status lmdb_get_stats(sut_journal *j, sut_journal_stats *out)
{
    engine *e = engine_of(j);
    struct stat st;
    size_t pages = 0;
    sut_status status;
    do {
        MDB_txn *txn;
        status = engine_begin(e, false, &txn);
        if (status)
            return status;
        status = stats_in(e, txn, out);
        mdb_txn_abort(txn);
        if (!status)
            status = engine_tail_stats(e, out);
    } while (status > 0);
    if (!status)
        status = engine_free_pages(e, &pages);
    if (!status && fstat(e->data_fd, &st))
        status = journal_fail(j, -errno, "asking for the file's size: %s", strerror(errno));
    if (status)
        return status;
    out->free_pages = pages;
    out->file_bytes = (uint64_t)st.st_size;
    out->map_bytes = (uint64_t)e->map_pages * e->page_size;
    out->dedup_ids = atomic_load_explicit(&e->window_count, memory_order_relaxed);
    memcpy(out->creation_id, e->creation_id, sizeof out->creation_id);
    out->format = RECORD_FORMAT;
    return 0;
}

/* ---- verify ---- */

typedef struct verifying {
    const engine *e;
    MDB_txn *txn;
    engine_state state;
    sut_arena *arena;
    MDB_val key; /* of the record that is looked at */
    sut_journal_report_fn report;
    void *arg;
    size_t faults;
    uint64_t expected, bytes; /* of the log */
    int64_t time_us;
} verifying;

static void complain(verifying *c, const char *fmt, ...) SUT_PRINTF(2, 3);
static void complain(verifying *c, const char *fmt, ...)
{
    char line[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    c->faults++;
    if (c->report)
        c->report(c->arg, line);
}

/* A walk passes by a branch that leads searches astray. */
static void check_found(verifying *c, const char *table, MDB_dbi dbi, uint64_t number, const MDB_val *v)
{
    size_t key = number;
    MDB_val k = engine_number_key(&key), found;
    int rc = mdb_get(c->txn, dbi, &k, &found);
    if (rc || found.mv_data != v->mv_data)
        complain(c, "%s: record %llu is there, but not found by its number", table, (unsigned long long)number);
}

static record_fault check_log(verifying *c, uint64_t number, const MDB_val *v)
{
    sut_journal_event ev;
    check_found(c, "log", c->e->log, number, v);
    if (c->expected && number != c->expected)
        complain(c, "log: %llu should be next, %llu is", (unsigned long long)c->expected, (unsigned long long)number);
    c->expected = number + 1;
    c->bytes += v->mv_size;
    record_fault f = engine_event(c->e, SALT_EVENT, v, &ev);
    if (f)
        return f;
    if (ev.sequence != number)
        complain(c, "log: the record at %llu says that it is %llu", (unsigned long long)number,
                 (unsigned long long)ev.sequence);
    if (ev.time_us < c->time_us)
        complain(c, "log: %llu is older than the one before it", (unsigned long long)number);
    c->time_us = ev.time_us;
    return RECORD_OK;
}

static record_fault check_delayed(verifying *c, uint64_t number, const MDB_val *v)
{
    sut_journal_event ev;
    (void)number;
    return engine_event(c->e, SALT_DELAYED, v, &ev);
}

static record_fault check_dead(verifying *c, uint64_t number, const MDB_val *v)
{
    sut_dead_letter d;
    sut_arena_reset(c->arena);
    check_found(c, "dead", c->e->dead, number, v);
    record_fault f = engine_inside(c->e, v) ? record_get_dead(v->mv_data, v->mv_size, c->arena, &d) : RECORD_CONTENT;
    return !f && d.id != number ? RECORD_CONTENT : f;
}

static record_fault check_source(verifying *c, uint64_t number, const MDB_val *v)
{
    size_t end = 0;
    (void)number;
    record_fault f = engine_check_named(c->e, SALT_SOURCE, &c->key, v, SOURCE_BYTES, &end);
    return !f && v->mv_size != end ? RECORD_CONTENT : f;
}

static record_fault check_value(verifying *c, uint64_t number, const MDB_val *v)
{
    size_t end;
    (void)number;
    return engine_check_named(c->e, SALT_VALUE, &c->key, v, RECORD_HEAD, &end);
}

static record_fault check_ids(verifying *c, uint64_t number, const MDB_val *v)
{
    (void)number;
    return engine_check(c->e, SALT_IDS, v);
}

typedef record_fault (*check_fn)(verifying *c, uint64_t number, const MDB_val *v);

static void walk(verifying *c, const char *table, MDB_dbi dbi, bool numbered, check_fn check)
{
    MDB_cursor *cursor;
    MDB_val k, v;
    uint64_t nth = 0;
    int rc = mdb_cursor_open(c->txn, dbi, &cursor);
    if (rc) {
        complain(c, "%s: %s", table, mdb_strerror(rc));
        return;
    }
    while (!(rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT))) {
        uint64_t number = ++nth;
        c->key = k;
        record_fault f = RECORD_CONTENT;
        if (!numbered || engine_key_number(c->e, &k, &number))
            f = check(c, number, &v);
        if (f)
            complain(c, "%s: record %llu %s", table, (unsigned long long)number, record_fault_text(f));
    }
    mdb_cursor_close(cursor);
    if (rc != MDB_NOTFOUND)
        complain(c, "%s: the rest cannot be read: %s", table, mdb_strerror(rc));
}

static void check_totals(verifying *c)
{
    if (c->expected && c->expected != c->state.next)
        complain(c, "log: ends before %llu, the state says %llu", (unsigned long long)c->expected,
                 (unsigned long long)c->state.next);
    if (c->bytes != c->state.record_bytes)
        complain(c, "log: has %llu bytes of records, the state says %llu", (unsigned long long)c->bytes,
                 (unsigned long long)c->state.record_bytes);
}

sut_status lmdb_verify(sut_journal *j, sut_journal_report_fn report, void *arg)
{
    engine *e = engine_of(j);
    verifying c = {.e = e, .report = report, .arg = arg};
    sut_status status = sut_arena_new(&c.arena, 0);
    if (status)
        return status;
    status = engine_begin(e, false, &c.txn);
    if (status) {
        sut_arena_free(c.arena);
        return status;
    }
    if (engine_get_state(e, c.txn, &c.state))
        complain(&c, "meta: %s", sut_journal_last_error(j));
    c.expected = c.state.first;
    walk(&c, "log", e->log, true, check_log);
    walk(&c, "delayed", e->delayed, false, check_delayed);
    walk(&c, "dead", e->dead, true, check_dead);
    walk(&c, "sources", e->sources, false, check_source);
    walk(&c, "values", e->values, false, check_value);
    walk(&c, "ids", e->ids, true, check_ids);
    check_totals(&c);
    mdb_txn_abort(c.txn);
    sut_arena_free(c.arena);
    return c.faults ? journal_fail(j, -EBADMSG, "%zu faults were found", c.faults) : 0;
}

/* ---- backup ---- */

static sut_status must_be_empty(const engine *e, const char *path)
{
    DIR *d = opendir(path);
    const struct dirent *entry;
    bool empty = true;
    if (!d)
        return journal_fail(&e->base, -errno, "%s: %s", path, strerror(errno));
    while (empty && (entry = readdir(d)))
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(d);
    return empty ? 0 : journal_fail(&e->base, -ENOTEMPTY, "%s is not empty", path);
}

static sut_status sync_path(const engine *e, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    sut_status status = fd < 0 || fsync(fd) ? journal_fail(&e->base, -errno, "%s: %s", path, strerror(errno)) : 0;
    if (fd >= 0)
        close(fd);
    return status;
}

/* The copy's own tail goes into its tables, so that a backup is one file. */
static sut_status settle_copy(const engine *e, const char *path)
{
    static const char *const left_over[] = {WAL_NAME, "journal.lock", "lock.mdb"};
    const sut_lmdb_options opt = {.path = path, .map_bytes = (uint64_t)e->map_pages * e->page_size};
    sut_journal *copy = NULL;
    char error[256] = "", file[4096];
    sut_status status = sut_journal_open_lmdb(&copy, &opt, error, sizeof error);
    if (!status) {
        status = sut_journal_settle(copy);
        if (status)
            snprintf(error, sizeof error, "%s", sut_journal_last_error(copy));
        sut_journal_close(copy);
    }
    if (status)
        return journal_fail(&e->base, status, "completing the copy: %s", error);
    for (size_t i = 0; !status && i < SUT_ARRAY_LEN(left_over); i++)
        if (snprintf(file, sizeof file, "%s/%s", path, left_over[i]) < (int)sizeof file && unlink(file) &&
            errno != ENOENT)
            status = journal_fail(&e->base, -errno, "removing %s: %s", file, strerror(errno));
    return status;
}

sut_status lmdb_backup(sut_journal *j, const char *path)
{
    engine *e = engine_of(j);
    char file[4096];
    bool tail = false;
    int n = snprintf(file, sizeof file, "%s/data.mdb", path);
    if (n < 0 || (size_t)n >= sizeof file)
        return journal_fail(j, -ENAMETOOLONG, "the backup's path is too long");
    sut_status status = must_be_empty(e, path);
    if (status)
        return status;
    status = engine_tail_copy(e, path, &tail); /* first: what leaves it now is in the tables that are copied */
    int rc = status ? 0 : mdb_env_copy2(e->env, path, 0);
    if (rc)
        return engine_fail(e, rc, "copying");
    if (!status)
        status = sync_path(e, file);
    if (!status && tail)
        status = settle_copy(e, path);
    return status ? status : sync_path(e, path);
}
