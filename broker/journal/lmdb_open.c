/* Opening: the lock, the environment, what must be true of a file before any page of it is believed, the header. */
#include "lmdb_engine.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC        "SUTJRNL"
#define MAGIC_BYTES  8
#define HEADER_BYTES (RECORD_HEAD + MAGIC_BYTES + 16 + 8) /* magic, creation id, when */

static const char *const s_lock_name = "journal.lock";

static sut_status take_lock(engine *e, const char *path)
{
    char name[4096], owner[32] = "";
    int n = snprintf(name, sizeof name, "%s/%s", path, s_lock_name);
    if (n < 0 || (size_t)n >= sizeof name)
        return journal_fail(&e->base, -ENAMETOOLONG, "the journal's path is too long");
    e->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (e->lock_fd < 0)
        return journal_fail(&e->base, -errno, "%s: %s", name, strerror(errno));
    if (flock(e->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        n = snprintf(owner, sizeof owner, "%ld\n", (long)getpid());
        if (ftruncate(e->lock_fd, 0) || pwrite(e->lock_fd, owner, (size_t)n, 0) != n)
            sut_log(SUT_WARN, "journal", "lock.unnamed", SUT_KV("file", name), SUT_KV("error", strerror(errno)));
        return 0; /* the lock is what counts; a full disk must not keep anybody from reading */
    }
    if (errno != EWOULDBLOCK)
        return journal_fail(&e->base, -errno, "%s: %s", name, strerror(errno));
    ssize_t got = pread(e->lock_fd, owner, sizeof owner - 1, 0);
    owner[got > 0 ? got : 0] = 0;
    owner[strcspn(owner, "\n")] = 0;
    return journal_fail(&e->base, -EBUSY, "process %s has the journal in %s open for writing", owner, path);
}

/* The new names are durable only when their folder is. */
static sut_status sync_folder(engine *e, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd)) {
        sut_status status = journal_fail(&e->base, -errno, "syncing the folder %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return status;
    }
    close(fd);
    return 0;
}

/* LMDB tells no one where it has mapped the file, and its pointers must be judged before they are followed. */
static sut_status find_map(engine *e)
{
    struct stat st;
    char line[4352];
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps || fstat(e->data_fd, &st)) {
        sut_status status = journal_fail(&e->base, -errno, "finding the mapped file: %s", strerror(errno));
        if (maps)
            fclose(maps);
        return status;
    }
    while (fgets(line, sizeof line, maps)) {
        unsigned long start, end, offset, inode;
        // NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers
        if (sscanf(line, "%lx-%lx %*s %lx %*s %lu", &start, &end, &offset, &inode) == 4 && inode == st.st_ino &&
            offset == 0 && end - start > e->map_bytes) {
            e->map = (const uint8_t *)start; // NOLINT(performance-no-int-to-ptr): that is how the kernel tells it
            e->map_bytes = end - start;
        }
    }
    fclose(maps);
    atomic_store(&e->file_seen, (size_t)st.st_size);
    return e->map ? 0 : journal_fail(&e->base, -EIO, "the journal's file is not where it was mapped");
}

/* A file that is shorter than its own account of itself would be SIGBUS at some later read. */
static sut_status check_size(engine *e)
{
    MDB_envinfo info;
    MDB_stat main_stat;
    struct stat st;
    int rc = mdb_env_info(e->env, &info);
    if (!rc)
        rc = mdb_env_stat(e->env, &main_stat);
    if (!rc)
        rc = mdb_env_get_fd(e->env, &e->data_fd);
    if (rc)
        return engine_fail(e, rc, "asking the environment");
    if (fstat(e->data_fd, &st))
        return journal_fail(&e->base, -errno, "asking for the file's size: %s", strerror(errno));
    e->page_size = main_stat.ms_psize;
    if (e->page_size < 512 || e->page_size > 65536 || e->page_size & (e->page_size - 1))
        return journal_fail(&e->base, -EBADMSG, "the file's header is damaged: its pages cannot have %zu bytes",
                            e->page_size);
    e->map_pages = info.me_mapsize / e->page_size;
    size_t has = (size_t)st.st_size / e->page_size;
    if (info.me_last_pgno >= has && has > 0)
        return journal_fail(&e->base, -EBADMSG, "the file is cut off: it has %zu pages of the %zu that it claims", has,
                            info.me_last_pgno + 1);
    return 0;
}

static sut_status open_env(engine *e, const sut_lmdb_options *opt)
{
    unsigned flags = MDB_NOTLS | (opt->read_only ? MDB_RDONLY : 0) | (opt->no_sync ? MDB_NOSYNC : 0);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int rc = mdb_env_create(&e->env), dead = 0;
    if (rc)
        return engine_fail(e, rc, opt->path);
    rc = mdb_env_set_maxdbs(e->env, 8);
    if (!rc && opt->map_bytes)
        rc = mdb_env_set_mapsize(e->env, (opt->map_bytes + page - 1) / page * page);
    engine_guard(e, opt->path);
    if (!rc)
        rc = mdb_env_open(e->env, opt->path, flags, 0600);
    if (rc == MDB_INVALID || rc == MDB_VERSION_MISMATCH)
        return journal_fail(&e->base, -EBADMSG, "%s/data.mdb is no file of LMDB, or of another version of it: %s",
                            opt->path, mdb_strerror(rc));
    if (rc)
        return engine_fail(e, rc, opt->path);
    sut_status status = check_size(e);
    if (status)
        return status;
    rc = mdb_reader_check(e->env, &dead); /* slots of readers that died pin pages */
    return rc ? engine_fail(e, rc, "clearing the readers' table") : 0;
}

static int open_tables(engine *e, MDB_txn *txn, unsigned create)
{
    const struct {
        const char *name;
        unsigned flags;
        MDB_dbi *dbi;
    } tables[] = {{"meta", 0, &e->meta},
                  {"log", MDB_INTEGERKEY, &e->log},
                  {"ids", MDB_INTEGERKEY, &e->ids},
                  {"sources", 0, &e->sources},
                  {"delayed", 0, &e->delayed},
                  {"values", 0, &e->values},
                  {"dead", MDB_INTEGERKEY, &e->dead}};
    int rc = 0;
    for (size_t i = 0; i < SUT_ARRAY_LEN(tables) && !rc; i++)
        rc = mdb_dbi_open(txn, tables[i].name, tables[i].flags | create, tables[i].dbi);
    return rc;
}

static sut_status write_header(engine *e, MDB_txn *txn)
{
    uint8_t bytes[HEADER_BYTES];
    memcpy(bytes + RECORD_HEAD, MAGIC, MAGIC_BYTES);
    sut_random(e->creation_id, sizeof e->creation_id);
    memcpy(bytes + RECORD_HEAD + MAGIC_BYTES, e->creation_id, sizeof e->creation_id);
    store_u64(bytes + RECORD_HEAD + MAGIC_BYTES + 16, (uint64_t)sut_wall_us());
    record_seal(SALT_HEADER, 0, bytes, sizeof bytes);
    MDB_val k = engine_key("header"), v = {sizeof bytes, bytes};
    int rc = mdb_put(txn, e->meta, &k, &v, MDB_NOOVERWRITE);
    return rc ? engine_fail(e, rc, "writing the header") : 0;
}

static sut_status read_header(engine *e, MDB_txn *txn)
{
    MDB_val k = engine_key("header"), v;
    int rc = mdb_get(txn, e->meta, &k, &v);
    if (rc)
        return journal_fail(&e->base, -EBADMSG, "this is no journal: it has no header (%s)", mdb_strerror(rc));
    record_fault f = engine_check(e, SALT_HEADER, &v);
    const uint8_t *bytes = v.mv_data;
    if (f == RECORD_VERSION)
        return journal_fail(&e->base, -EBADMSG, "the journal is of format %u, this build knows only %u", bytes[4],
                            RECORD_FORMAT);
    if (!f && (v.mv_size != HEADER_BYTES || memcmp(bytes + RECORD_HEAD, MAGIC, MAGIC_BYTES) != 0))
        f = RECORD_CONTENT;
    if (f)
        return journal_fail(&e->base, -EBADMSG, "the journal's header %s", record_fault_text(f));
    memcpy(e->creation_id, bytes + RECORD_HEAD + MAGIC_BYTES, sizeof e->creation_id);
    return 0;
}

static sut_status create(engine *e, const char *path)
{
    MDB_txn *txn;
    engine_state first = {.first = 1, .next = 1, .dead_next = 1, .ids_next = 1};
    sut_status status = engine_begin(e, true, &txn);
    if (status)
        return status;
    int rc = open_tables(e, txn, MDB_CREATE);
    status = rc ? engine_fail(e, rc, "making the tables") : write_header(e, txn);
    if (status) {
        mdb_txn_abort(txn);
        return status;
    }
    status = engine_commit(e, txn, &first);
    return status ? status : sync_folder(e, path);
}

static sut_status load(engine *e)
{
    MDB_txn *txn;
    sut_status status = engine_begin(e, false, &txn);
    if (status)
        return status;
    int rc = open_tables(e, txn, 0);
    if (rc)
        status = journal_fail(&e->base, -EBADMSG, "this is no journal: a table is not there (%s)", mdb_strerror(rc));
    if (!status)
        status = read_header(e, txn);
    if (!status)
        status = engine_get_state(e, txn, &e->state);
    if (!status && !e->read_only)
        status = engine_load_ids(e, txn);
    if (status) {
        mdb_txn_abort(txn);
        return status;
    }
    rc = mdb_txn_commit(txn); /* a reader's: it keeps the tables' handles */
    return rc ? engine_fail(e, rc, "opening the tables") : 0;
}

static void lmdb_close(sut_journal *j)
{
    engine *e = engine_of(j);
    if (e->env && e->wal && !e->read_only && lmdb_settle(j)) /* it stays where it is, and is found there again */
        sut_log(SUT_WARN, "journal", "wal.left", SUT_KV("why", sut_journal_last_error(j)));
    e->moved = sut_journal_batch_unref(e->moved);
    if (e->env)
        mdb_env_close(e->env);
    engine_unguard(e);
    if (e->lock_fd >= 0)
        close(e->lock_fd);
    e->window = id_window_free(e->window);
    e->marks = source_table_free(e->marks);
    sut_buf_deinit(&e->scratch);
    engine_tail_close(e);
    free(e);
}

static const journal_ops s_ops = {.write = lmdb_write,
                                  .release_due = lmdb_release_due,
                                  .read = lmdb_read,
                                  .seek_time = lmdb_seek_time,
                                  .each_value = lmdb_each_value,
                                  .dead_each = lmdb_dead_each,
                                  .dead_get = lmdb_dead_get,
                                  .retain = lmdb_retain,
                                  .probe = lmdb_probe,
                                  .settle = lmdb_settle,
                                  .get_stats = lmdb_get_stats,
                                  .verify = lmdb_verify,
                                  .backup = lmdb_backup,
                                  .close = lmdb_close};

static sut_status prepare(engine *e, const sut_lmdb_options *opt)
{
    if (opt->read_only)
        return 0;
    if (opt->map_bytes < 1u << 20)
        return journal_fail(&e->base, -EINVAL, "a journal's map has at least 1 MiB");
    if (mkdir(opt->path, 0700) && errno != EEXIST)
        return journal_fail(&e->base, -errno, "%s: %s", opt->path, strerror(errno));
    sut_status status = id_window_new(&e->window, e->dedup_max, e->dedup_us);
    if (!status)
        status = source_table_new(&e->marks);
    return status ? status : take_lock(e, opt->path);
}

static sut_status open_engine(engine *e, const sut_lmdb_options *opt)
{
    MDB_stat main_stat;
    sut_status status = prepare(e, opt);
    if (!status)
        status = open_env(e, opt);
    if (!status)
        status = find_map(e);
    if (status)
        return status;
    engine_guard_map(e);
    int rc = mdb_env_stat(e->env, &main_stat);
    if (rc)
        return engine_fail(e, rc, "asking the environment");
    status = main_stat.ms_entries == 0 && !e->read_only ? create(e, opt->path) : load(e);
    return status ? status : engine_tail_open(e, opt->path, opt->no_sync);
}

sut_status sut_journal_open_lmdb(sut_journal **out, const sut_lmdb_options *opt, char *error, size_t error_size)
{
    engine *e = calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    e->base.ops = &s_ops;
    e->lock_fd = e->data_fd = -1;
    e->read_only = opt->read_only;
    e->dedup_max = opt->dedup_ids ? opt->dedup_ids : 1000000;
    e->dedup_us = opt->dedup_us ? opt->dedup_us : INT64_C(600000000);
    sut_buf_init(&e->scratch, 0);
    engine_tail_init(e);
    sut_status status = open_engine(e, opt);
    if (status) {
        if (error_size)
            snprintf(error, error_size, "%s", sut_journal_last_error(&e->base));
        lmdb_close(&e->base);
        return status;
    }
    *out = &e->base;
    return 0;
}
