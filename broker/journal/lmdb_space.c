/* Room in the map. LMDB needs free pages to delete, too: an append that takes the last ones would leave retention
 * nothing to work with, and the journal would stay full for ever. So appends stop while a reserve is left.
 *
 * How many pages are free is only found by reading the free list. That is done when the file has reached its bound and
 * what was counted last has been used up; in between each append takes its worst case off the count. */
#include "lmdb_engine.h"

#include <errno.h>
#include <fcntl.h>

#define RESERVE_MIN    32
#define RESERVE_MAX    4096
#define OVERHEAD_PAGES 24 /* a transaction's copies of tree pages, and the free list's own */
#define PROBE_BYTES    (256u << 10)
#define ASK_BYTES      (8u << 20)

size_t engine_used_file_pages(const engine *e)
{
    MDB_envinfo info;
    return mdb_env_info(e->env, &info) ? e->map_pages : info.me_last_pgno + 1;
}

sut_status engine_free_pages(const engine *e, size_t *out)
{
    MDB_txn *txn;
    MDB_cursor *c;
    MDB_val k, v;
    size_t pages = 0, count;
    int rc = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn);
    if (rc)
        return engine_fail(e, rc, "beginning a transaction");
    rc = mdb_cursor_open(txn, 0, &c); /* table 0 is the free list: transaction → count, page numbers */
    if (!rc) {
        while (!(rc = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
            if (v.mv_size < sizeof count)
                continue;
            memcpy(&count, v.mv_data, sizeof count);
            pages += count;
        }
        mdb_cursor_close(c);
    }
    mdb_txn_abort(txn);
    *out = pages;
    return rc == MDB_NOTFOUND ? 0 : engine_fail(e, rc, "reading the free list");
}

sut_status engine_room(engine *e, size_t bytes)
{
    size_t reserve = e->map_pages / 64, used = engine_used_file_pages(e);
    reserve = reserve < RESERVE_MIN ? RESERVE_MIN : reserve > RESERVE_MAX ? RESERVE_MAX : reserve;
    size_t tail = e->map_pages > used ? e->map_pages - used : 0;
    size_t need = bytes / e->page_size + bytes / e->page_size / 8 + OVERHEAD_PAGES;
    if (tail >= need + reserve)
        return 0;
    if (tail + e->free_guess < need + reserve) {
        sut_status status = engine_free_pages(e, &e->free_guess);
        if (status)
            return status;
    }
    if (tail + e->free_guess < need + reserve)
        return journal_fail(&e->base, -ENOSPC, "the journal's map is full: %zu pages, %zu of them free", e->map_pages,
                            tail + e->free_guess);
    e->free_guess -= need < e->free_guess ? need : e->free_guess;
    return 0;
}

/* Room for a usual batch behind what is used, so that not the first page that happens to be free decides. It is kept
 * for the file, which grows into it; the file's size stays as it is. */
static sut_status ask_disk(const engine *e, size_t bytes)
{
    off_t used = (off_t)(engine_used_file_pages(e) * e->page_size), map = (off_t)(e->map_pages * e->page_size);
    off_t len = map - used < (off_t)bytes ? map - used : (off_t)bytes;
    if (len <= 0 || fallocate(e->data_fd, FALLOC_FL_KEEP_SIZE, used, len) == 0 || errno == EOPNOTSUPP ||
        errno == ENOSYS)
        return 0;
    return journal_fail(&e->base, -errno, "asking the disk for room: %s", strerror(errno));
}

sut_status engine_ask_disk(engine *e, size_t bytes)
{
    const off_t used = (off_t)(engine_used_file_pages(e) * e->page_size);
    if (used + (off_t)bytes <= e->asked_end)
        return 0;
    sut_status status = ask_disk(e, bytes + ASK_BYTES);
    if (!status)
        e->asked_end = used + (off_t)(bytes + ASK_BYTES);
    return status;
}

sut_status lmdb_probe(sut_journal *j)
{
    engine *e = engine_of(j);
    engine_state state;
    MDB_txn *txn;
    sut_status status = engine_room(e, 0);
    if (!status)
        status = ask_disk(e, PROBE_BYTES);
    if (!status)
        status = engine_begin_write(e, &txn, &state);
    if (!status)
        status = engine_commit(e, txn, &state);
    e->no_ahead = status != 0;
    return status;
}
