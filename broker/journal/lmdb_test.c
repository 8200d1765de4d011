/* What the engine `lmdb` promises about its file: locks, versions, damage, space, and a writer that is killed. */
#include "fixture.h"

#include "base/crc32c.h"
#include "record.h"

#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define T0 INT64_C(1800000000000000)

static folder s_folder;

static void setup(void)
{
    s_folder = folder_make();
}
static void teardown(void)
{
    folder_remove(&s_folder);
}

TestSuite(lmdb, .init = setup, .fini = teardown, .timeout = 120);

static sut_status try_open(bool read_only, char *error, size_t size)
{
    sut_journal *j = NULL;
    sut_lmdb_options opt = {.path = s_folder.path, .map_bytes = read_only ? 0 : 64u << 20, .read_only = read_only};
    sut_status status = sut_journal_open_lmdb(&j, &opt, error, size);
    sut_journal_close(j);
    return status;
}

static void fill(sut_journal *j, uint64_t from, uint64_t count)
{
    for (uint64_t i = from; i < from + count; i++) {
        sut_journal_event e = event_make(i);
        append_one(j, T0 + (int64_t)i, &e);
    }
}

Test(lmdb, a_second_writer_is_told_who_has_it)
{
    char error[256], pid[32];
    sut_journal *j = journal_open(&s_folder, 0);
    cr_assert_eq(try_open(false, error, sizeof error), -EBUSY);
    snprintf(pid, sizeof pid, "process %d has", getpid());
    cr_assert_not_null(strstr(error, pid), "%s", error);
    sut_journal_close(j);
    cr_assert_eq(try_open(false, error, sizeof error), 0);
}

/* In a child: LMDB forbids to open a file twice in one process. */
Test(lmdb, a_reader_works_beside_the_writer)
{
    sut_journal *j = journal_open(&s_folder, 0);
    fill(j, 1, 10);
    pid_t child = fork();
    if (child == 0) {
        sut_journal *r = NULL;
        sut_journal_batch *b = NULL;
        char error[256];
        sut_lmdb_options opt = {.path = s_folder.path, .read_only = true};
        sut_journal_query q = {.from = 1};
        sut_journal_event e = event_make(99);
        sut_append_result res;
        sut_append_group g = {&e, &res, 1, false};
        bool ok = sut_journal_open_lmdb(&r, &opt, error, sizeof error) == 0 && sut_journal_read(r, &q, &b) == 0 &&
                  b->count == 10 && sut_journal_append(r, T0, &g, 1) == -EROFS && !sut_journal_verify(r, NULL, NULL);
        _exit(ok ? 0 : 1);
    }
    int how;
    cr_assert_eq(waitpid(child, &how, 0), child);
    cr_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    sut_journal_close(j);
}

Test(lmdb, a_backup_is_a_journal)
{
    folder copy = folder_make();
    sut_journal *j = journal_open(&s_folder, 0);
    fill(j, 1, 50);
    cr_assert_eq(sut_journal_backup(j, copy.path), 0, "%s", sut_journal_last_error(j));
    cr_assert_eq(sut_journal_backup(j, copy.path), -ENOTEMPTY);
    sut_journal_stats mine = stats_of(j);
    sut_journal_close(j);
    j = journal_open(&copy, 0);
    sut_journal_stats st = stats_of(j);
    cr_assert(st.records == 50 && st.dedup_ids == 50);
    cr_assert_arr_eq(st.creation_id, mine.creation_id, 16);
    cr_assert_eq(sut_journal_verify(j, NULL, NULL), 0);
    sut_journal_close(j);
    folder_remove(&copy);
}

/* Rewrites the header with the given format version and a right checksum, or takes it away. */
static void spoil_header(int version)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi meta;
    char name[] = "header";
    MDB_val k = {6, name}, v;
    cr_assert_eq(mdb_env_create(&env) || mdb_env_set_maxdbs(env, 8) || mdb_env_open(env, s_folder.path, 0, 0600), 0);
    cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn) || mdb_dbi_open(txn, "meta", 0, &meta), 0);
    cr_assert_eq(mdb_get(txn, meta, &k, &v), 0);
    uint8_t bytes[256];
    size_t len = v.mv_size;
    memcpy(bytes, v.mv_data, len);
    if (version) {
        const uint8_t salt = SALT_HEADER;
        bytes[4] = (uint8_t)version;
        store_u32(bytes, crc32c(crc32c(0, &salt, 1), bytes + 4, len - 4));
        v = (MDB_val){len, bytes};
        cr_assert_eq(mdb_put(txn, meta, &k, &v, 0), 0);
    } else {
        cr_assert_eq(mdb_del(txn, meta, &k, NULL), 0);
    }
    cr_assert_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

typedef struct raw {
    MDB_env *env;
    MDB_txn *txn;
} raw;

static raw raw_open(void)
{
    raw r;
    cr_assert_eq(mdb_env_create(&r.env) || mdb_env_set_maxdbs(r.env, 8) || mdb_env_open(r.env, s_folder.path, 0, 0600),
                 0);
    cr_assert_eq(mdb_txn_begin(r.env, NULL, 0, &r.txn), 0);
    return r;
}

/* Rewrites a record without `cut` bytes at `at`, as an older build wrote it. */
static void raw_shorten(const raw *r, const char *table, const char *key, record_salt salt, size_t at, size_t cut)
{
    uint8_t bytes[512];
    MDB_dbi dbi;
    MDB_val k = {strlen(key), (void *)(uintptr_t)key}, v;
    cr_assert_eq(mdb_dbi_open(r->txn, table, 0, &dbi) || mdb_get(r->txn, dbi, &k, &v), 0);
    size_t len = v.mv_size - cut;
    memcpy(bytes, v.mv_data, at);
    memcpy(bytes + at, (const uint8_t *)v.mv_data + at + cut, len - at);
    record_seal(salt, 0, bytes, len);
    v = (MDB_val){len, bytes};
    cr_assert_eq(mdb_put(r->txn, dbi, &k, &v, 0), 0);
}

static void note_value(void *arg, sut_str name, sut_str value)
{
    snprintf(arg, 64, "%.*s=%.*s", SUT_STR_FMT(name), SUT_STR_FMT(value));
}

Test(lmdb, records_of_older_builds_are_read)
{
    char seen[64] = "";
    sut_journal *j = journal_open(&s_folder, 0);
    sut_journal_value place = {SUT_STR("group.a"), SUT_STR("here")};
    sut_journal_event e = event_of("auth", 1, 7);
    fill(j, 1, 5);
    append_one(j, T0 + 9, &e);
    cr_assert_eq(sut_journal_put(j, &place, 1), 0);
    sut_journal_close(j);
    raw r = raw_open();
    raw_shorten(&r, "meta", "state", SALT_STATE, RECORD_HEAD + 7 * 8, 8);             /* no first sequence */
    raw_shorten(&r, "values", "group.a", SALT_VALUE, RECORD_HEAD, strlen("group.a")); /* no name */
    raw_shorten(&r, "sources", "auth", SALT_SOURCE, RECORD_HEAD + 16, strlen("auth"));
    cr_assert_eq(mdb_txn_commit(r.txn), 0);
    mdb_env_close(r.env);
    j = journal_open(&s_folder, 0);
    cr_assert(stats_of(j).first == 1 && stats_of(j).next == 7);
    cr_assert_eq(sut_journal_verify(j, NULL, NULL), 0);
    cr_assert_eq(sut_journal_each_value(j, SUT_STR("group."), note_value, seen), 0);
    cr_assert_str_eq(seen, "group.a=here");
    cr_assert_eq(append_one(j, T0 + 10, &e).state, SUT_APPEND_DUPLICATE);
    fill(j, 100, 1);
    cr_assert_eq(sut_journal_verify(j, NULL, NULL), 0);
    sut_journal_close(j);
}

Test(lmdb, other_formats_and_other_files_are_refused_in_words)
{
    char error[256], name[128];
    sut_journal_close(journal_open(&s_folder, 0));
    spoil_header(9);
    cr_assert_eq(try_open(false, error, sizeof error), -EBADMSG);
    cr_assert_not_null(strstr(error, "of format 9"), "%s", error);
    spoil_header(0);
    cr_assert_eq(try_open(false, error, sizeof error), -EBADMSG);
    cr_assert_not_null(strstr(error, "no journal"), "%s", error);
    snprintf(name, sizeof name, "%s/data.mdb", s_folder.path);
    FILE *f = fopen(name, "w");
    cr_assert_not_null(f);
    for (int i = 0; i < 5000; i++)
        fputs("not a database\n", f);
    fclose(f);
    cr_assert_eq(try_open(false, error, sizeof error), -EBADMSG);
}

Test(lmdb, a_file_that_is_cut_off_is_refused)
{
    char error[256], name[128];
    struct stat st;
    sut_journal *j = journal_open(&s_folder, 0);
    fill(j, 1, 300);
    sut_journal_close(j);
    snprintf(name, sizeof name, "%s/data.mdb", s_folder.path);
    cr_assert_eq(stat(name, &st), 0);
    for (off_t size = st.st_size - 4096; size >= 0; size -= 4096) {
        cr_assert_eq(truncate(name, size), 0);
        pid_t child = fork();
        if (child == 0)
            _exit(try_open(true, error, sizeof error) < 0 ? 0 : 1);
        int how;
        cr_assert_eq(waitpid(child, &how, 0), child);
        cr_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0, "cut to %ld: %x", (long)size, how);
    }
}

/* Appends bodies of `size` bytes until something stops it. */
static sut_status append_large(sut_journal *j, uint64_t *n, size_t size, uint64_t count)
{
    uint8_t *body = calloc(1, size + 8);
    sut_status status = 0;
    cr_assert_not_null(body);
    memcpy(body, "\x81\xa1n\xc6", 4);
    *(uint32_t *)(void *)(body + 4) = __builtin_bswap32((uint32_t)size);
    for (uint64_t i = 0; i < count && !status; i++) {
        sut_append_result r;
        sut_journal_event e = event_make(++*n);
        sut_append_group g = {&e, &r, 1, false};
        e.body = (sut_str){(char *)body, size + 8};
        status = sut_journal_append(j, T0 + (int64_t)*n, &g, 1);
    }
    free(body);
    return status;
}

static void retain_all(sut_journal *j, uint64_t max_bytes)
{
    bool more = true;
    sut_journal_retention r = {.max_bytes = max_bytes};
    for (int i = 0; more && i < 1000; i++)
        cr_assert_eq(sut_journal_retain(j, T0, &r, &more), 0, "%s", sut_journal_last_error(j));
}

Test(lmdb, a_full_map_refuses_then_retention_makes_room)
{
    uint64_t n = 0;
    sut_journal *j = journal_open(&s_folder, 4u << 20);
    sut_journal_value v = {SUT_STR("group/a"), SUT_STR("1")};
    sut_journal_batch *b;
    sut_journal_query q = {.from = 1};
    cr_assert_eq(append_large(j, &n, 3000, 100000), -ENOSPC);
    cr_assert_not_null(strstr(sut_journal_last_error(j), "full"));
    sut_journal_stats st = stats_of(j);
    cr_assert_eq(st.records, n - 1, "what was refused left nothing");
    cr_assert_eq(sut_journal_read(j, &q, &b), 0);
    sut_journal_batch_unref(b);
    cr_assert_eq(sut_journal_put(j, &v, 1), 0, "a cursor fits where events do not");
    retain_all(j, st.record_bytes / 2);
    cr_assert_eq(append_large(j, &n, 3000, 100), 0, "%s", sut_journal_last_error(j));
    cr_assert_eq(sut_journal_verify(j, NULL, NULL), 0);
    sut_journal_close(j);
}

Test(lmdb, pages_are_used_again)
{
    uint64_t n = 0;
    sut_journal *j = journal_open(&s_folder, 4u << 20);
    for (int i = 0; i < 140; i++) { /* ten times the map */
        cr_assert_eq(append_large(j, &n, 3000, 100), 0, "round %d: %s", i, sut_journal_last_error(j));
        retain_all(j, 1u << 20);
    }
    sut_journal_stats st = stats_of(j);
    cr_assert(st.file_bytes <= 4u << 20 && st.next == n + 1 && st.record_bytes <= 1u << 20);
    cr_assert_eq(sut_journal_verify(j, NULL, NULL), 0);
    for (int i = 0; i < 60; i++) { /* max_bytes 0: what the map holds */
        cr_assert_eq(append_large(j, &n, 3000, 50), 0, "round %d: %s", i, sut_journal_last_error(j));
        retain_all(j, 0);
    }
    sut_journal_close(j);
}

/* Writes each sequence that it was given into the pipe once it is acknowledged, until it is killed. */
static void write_for_ever(int out, uint64_t from)
{
    sut_journal *j = NULL;
    char error[256];
    sut_lmdb_options opt = {.path = s_folder.path, .map_bytes = 64u << 20};
    if (sut_journal_open_lmdb(&j, &opt, error, sizeof error))
        _exit(1);
    for (uint64_t n = from;; n++) {
        if (n % 13 == 0 && sut_journal_settle(j))
            _exit(1);
        sut_journal_event e = event_make(n);
        sut_append_result r;
        sut_append_group g = {&e, &r, 1, false};
        if (sut_journal_append(j, T0 + (int64_t)n, &g, 1) || write(out, &n, sizeof n) != sizeof n)
            _exit(1);
    }
}

Test(lmdb, a_killed_writer_loses_nothing_acknowledged)
{
    uint64_t acked = 0, seed = 42;
    for (int round = 0; round < 25; round++) {
        int pipes[2];
        cr_assert_eq(pipe(pipes), 0);
        pid_t child = fork();
        if (child == 0) {
            close(pipes[0]);
            write_for_ever(pipes[1], acked + 1); /* the one in doubt comes again: a duplicate, or taken now */
        }
        close(pipes[1]);
        uint64_t n, stop_at = acked + 1 + sut_prng(&seed) % 40;
        while (read(pipes[0], &n, sizeof n) == sizeof n) {
            acked = n;
            if (n == stop_at)
                kill(child, SIGKILL);
        }
        close(pipes[0]);
        int how;
        cr_assert_eq(waitpid(child, &how, 0), child);
        cr_assert(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    }
    sut_journal *j = journal_open(&s_folder, 0);
    sut_journal_batch *b;
    sut_journal_query q = {.from = 1, .max_events = 100000};
    cr_assert_eq(sut_journal_verify(j, NULL, NULL), 0);
    cr_assert_eq(sut_journal_read(j, &q, &b), 0);
    cr_assert(b->count == acked || b->count == acked + 1, "%zu of %lu", b->count, (unsigned long)acked);
    for (size_t i = 0; i < b->count; i++) {
        uint64_t n;
        memcpy(&n, b->events[i].id, sizeof n);
        cr_assert_eq(n, i + 1, "each once, in order");
    }
    sut_journal_batch_unref(b);
    sut_journal_close(j);
}
