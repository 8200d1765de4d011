/* The write-ahead log: what is only there is read, found again after a kill, and moved on; and what damage to it does.
 */
#include "fixture.h"

#include "disk_shim.h"
#include "wal.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define T0 INT64_C(1800000000000000)

static folder s_folder;
static disk_shim_switches *s_disk;

static void setup(void)
{
    s_folder = folder_make();
    s_disk = disk_shim_start(s_folder.path);
    disk_shim_works(s_disk);
}
static void teardown(void)
{
    disk_shim_works(s_disk);
    folder_remove(&s_folder);
}

TestSuite(wal, .init = setup, .fini = teardown, .timeout = 120);

static const char *file_named(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", s_folder.path, name);
    return path;
}

static int64_t changed_at(const char *name)
{
    struct stat st;
    return stat(file_named(name), &st) ? -1 : st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
}

static void append_from(sut_journal *j, uint64_t from, uint64_t count)
{
    for (uint64_t n = from; n < from + count; n++) {
        sut_journal_event e = event_make(n);
        cr_assert_eq(append_one(j, T0 + (int64_t)n, &e).sequence, n);
    }
}

/* Reads all from `from` on; the last sequence. */
static uint64_t read_from(sut_journal *j, uint64_t from)
{
    uint64_t next = from;
    for (;;) {
        sut_journal_query q = {.from = next, .max_events = 100};
        sut_journal_batch *b;
        cr_assert_eq(sut_journal_read(j, &q, &b), 0, "%s", sut_journal_last_error(j));
        for (size_t i = 0; i < b->count; i++) {
            sut_journal_event want = event_make(next);
            cr_assert(b->events[i].sequence == next && !memcmp(b->events[i].id, want.id, sizeof want.id));
            next++;
        }
        bool end = b->count == 0;
        sut_journal_batch_unref(b);
        if (end)
            return next - 1;
    }
}

/* Does it in a process that ends without closing the journal. */
static void killed_after(void (*fn)(sut_journal *j))
{
    int how;
    pid_t child = fork();
    if (child == 0) {
        fn(journal_open(&s_folder, 0));
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &how, 0), child);
    cr_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
}

static void twenty(sut_journal *j)
{
    append_from(j, 1, 20);
}

Test(wal, few_events_leave_the_tables_alone_and_are_read)
{
    sut_journal *j = journal_open(&s_folder, 0);
    uint64_t found;
    append_from(j, 1, 1); /* asks the disk for room, too */
    int64_t before = changed_at("data.mdb");
    append_from(j, 2, 9);
    cr_assert_eq(changed_at("data.mdb"), before);
    cr_assert_eq(read_from(j, 1), 10);
    cr_assert_eq(read_from(j, 7), 10);
    cr_assert(sut_journal_seek_time(j, T0 + 4, &found) == 0 && found == 4);
    cr_assert(sut_journal_seek_time(j, T0 + 11, &found) == 0 && found == 11);
    sut_journal_stats st = stats_of(j), after;
    cr_assert(st.records == 10 && st.next == 11 && st.first == 1 && st.first_us == T0 + 1 && st.last_us == T0 + 10);
    cr_assert_eq(sut_journal_settle(j), 0);
    cr_assert_neq(changed_at("data.mdb"), before);
    after = stats_of(j);
    cr_assert(after.records == 10 && after.next == 11 && after.record_bytes == st.record_bytes);
    cr_assert_eq(read_from(j, 1), 10);
    before = changed_at("data.mdb");
    cr_assert_eq(sut_journal_settle(j), 0);
    cr_assert_eq(changed_at("data.mdb"), before, "there was nothing to move");
    append_from(j, 11, 5);
    cr_assert(sut_journal_seek_time(j, T0 + 4, &found) == 0 && found == 4);
    cr_assert(sut_journal_seek_time(j, T0 + 13, &found) == 0 && found == 13);
    cr_assert_eq(read_from(j, 5), 15);
    cr_assert_eq(sut_journal_verify(j, NULL, NULL), 0);
    sut_journal_close(j);
}

Test(wal, a_query_stops_where_it_should_in_the_tail)
{
    sut_journal *j = journal_open(&s_folder, 0);
    sut_str other = SUT_STR("mail.*"), ours = SUT_STR("post.*");
    sut_journal_batch *b;
    append_from(j, 1, 5);
    cr_assert_eq(sut_journal_settle(j), 0);
    append_from(j, 6, 20);
    const struct {
        sut_journal_query q;
        size_t count;
        uint64_t next;
    } cases[] = {{{.from = 1, .to = 9}, 9, 10},
                 {{.from = 1, .max_events = 8}, 8, 9},
                 {{.from = 4, .patterns = &other, .pattern_count = 1}, 0, 26},
                 {{.from = 4, .patterns = &ours, .pattern_count = 1, .max_events = 3}, 3, 7},
                 {{.from = 8, .max_bytes = 1}, 1, 9},
                 {{.from = 20, .max_scan = 3, .patterns = &other, .pattern_count = 1}, 0, 23},
                 {{.from = 26}, 0, 26},
                 {{.from_time_us = T0 + 24}, 2, 26}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        cr_assert_eq(sut_journal_read(j, &cases[i].q, &b), 0);
        cr_assert(b->count == cases[i].count && b->next == cases[i].next, "case %zu: %zu %llu", i, b->count,
                  (unsigned long long)b->next);
        sut_journal_batch_unref(b);
    }
    sut_journal_close(j);
}

static void mixed(sut_journal *j)
{
    sut_journal_event later = event_make(100), numbered;
    sut_journal_value v = {SUT_STR("group/a"), SUT_STR("1")};
    append_from(j, 1, 3);
    later.not_before_us = T0 + 1000000;
    cr_assert_eq(append_one(j, T0 + 4, &later).sequence, 0);
    append_from(j, 4, 3);
    cr_assert_eq(sut_journal_put(j, &v, 1), 0);
    for (uint64_t n = 7; n <= 9; n++) {
        numbered = event_of("auth.outbox", 2, n);
        cr_assert_eq(append_one(j, T0 + (int64_t)n, &numbered).sequence, n);
    }
}

Test(wal, a_killed_writer_s_events_are_found_again)
{
    killed_after(mixed);
    sut_journal *j = journal_open(&s_folder, 0);
    sut_journal_event known = event_make(2), numbered = event_of("auth.outbox", 2, 9),
                      old = event_of("auth.outbox", 1, 10);
    cr_assert_eq(read_from(j, 1), 9);
    cr_assert_eq(stats_of(j).delayed, 1);
    cr_assert_eq(append_one(j, T0 + 20, &known).state, SUT_APPEND_DUPLICATE);
    known = event_make(5);
    sut_append_result r = append_one(j, T0 + 20, &known);
    cr_assert(r.state == SUT_APPEND_DUPLICATE && r.sequence == 5);
    cr_assert_eq(append_one(j, T0 + 20, &numbered).state, SUT_APPEND_DUPLICATE);
    cr_assert_eq(append_one(j, T0 + 20, &old).state, SUT_APPEND_FENCED);
    numbered.number = 10;
    cr_assert_eq(append_one(j, T0 + 20, &numbered).sequence, 10);
    cr_assert_eq(sut_journal_verify(j, NULL, NULL), 0);
    sut_journal_close(j);
    j = journal_open(&s_folder, 0);
    numbered.number = 11;
    cr_assert_eq(append_one(j, T0 + 20, &numbered).sequence, 11);
    sut_journal_close(j);
}

Test(wal, a_higher_epoch_that_repeats_fences_across_a_kill)
{
    sut_journal *j = journal_open(&s_folder, 0);
    sut_journal_event e = event_of("auth.outbox", 1, 1);
    append_one(j, T0, &e);
    e.epoch = 2;
    cr_assert_eq(append_one(j, T0, &e).state, SUT_APPEND_DUPLICATE);
    e = event_of("auth.outbox", 1, 2);
    cr_assert_eq(append_one(j, T0, &e).state, SUT_APPEND_FENCED);
    sut_journal_close(j);
    j = journal_open(&s_folder, 0);
    cr_assert_eq(append_one(j, T0, &e).state, SUT_APPEND_FENCED);
    sut_journal_close(j);
}

Test(wal, more_than_it_holds)
{
    static char body[3004] = "\x81\xa1n\xc5\x0b\xb4";
    sut_journal *j = journal_open(&s_folder, 0);
    for (uint64_t n = 1; n <= 3000; n++) {
        sut_journal_event e = event_make(n);
        if (n % 7 == 0)
            e.body = (sut_str){body, 6 + 2996};
        cr_assert_eq(append_one(j, T0 + (int64_t)n, &e).sequence, n);
        if (n % 500 == 0)
            cr_assert_eq(read_from(j, 1), n);
    }
    cr_assert_eq(sut_journal_verify(j, NULL, NULL), 0);
    sut_journal_close(j);
    j = journal_open(&s_folder, 0);
    cr_assert_eq(read_from(j, 1), 3000);
    sut_journal_close(j);
}

/* In a child: LMDB forbids to open a file twice in one process. */
Test(wal, another_process_reads_it_too)
{
    sut_journal *j = journal_open(&s_folder, 0);
    int how;
    append_from(j, 1, 5);
    cr_assert_eq(sut_journal_settle(j), 0);
    append_from(j, 6, 5);
    pid_t child = fork();
    if (child == 0) {
        sut_journal *r = NULL;
        char error[256];
        sut_lmdb_options opt = {.path = s_folder.path, .read_only = true};
        if (sut_journal_open_lmdb(&r, &opt, error, sizeof error))
            _exit(1);
        _exit(read_from(r, 1) == 10 && stats_of(r).next == 11 ? 0 : 2);
    }
    cr_assert_eq(waitpid(child, &how, 0), child);
    cr_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0, "%d", how);
    append_from(j, 11, 1);
    sut_journal_close(j);
}

Test(wal, a_backup_has_it_in_its_tables)
{
    folder copy = folder_make();
    char path[128];
    sut_journal *j = journal_open(&s_folder, 0);
    append_from(j, 1, 12);
    cr_assert_eq(sut_journal_backup(j, copy.path), 0, "%s", sut_journal_last_error(j));
    append_from(j, 13, 1);
    sut_journal_close(j);
    snprintf(path, sizeof path, "%s/%s", copy.path, WAL_NAME);
    cr_assert_neq(access(path, F_OK), 0);
    j = journal_open(&copy, 0);
    cr_assert_eq(read_from(j, 1), 12);
    sut_journal_close(j);
    folder_remove(&copy);
}

/* ---- a disk that fails ---- */

Test(wal, without_room_for_it_the_tables_do)
{
    sut_journal *j = journal_open(&s_folder, 0);
    append_from(j, 1, 1);
    cr_assert_eq(sut_journal_settle(j), 0);
    sut_journal_close(j);
    cr_assert_eq(unlink(file_named(WAL_NAME)), 0);
    j = journal_open(&s_folder, 0);
    s_disk->size_limit = 1u << 20;
    append_from(j, 2, 5);
    cr_assert_neq(access(file_named(WAL_NAME), F_OK), 0, "no part of it is left behind");
    s_disk->size_limit = 0;
    cr_assert_eq(sut_journal_probe(j), 0);
    append_from(j, 7, 5);
    cr_assert_eq(access(file_named(WAL_NAME), F_OK), 0);
    cr_assert_eq(read_from(j, 1), 11);
    sut_journal_close(j);
}

Test(wal, what_cannot_be_moved_stays_and_is_read)
{
    sut_journal *j = journal_open(&s_folder, 0);
    append_from(j, 1, 10);
    s_disk->write_errno = ENOSPC;
    cr_assert_eq(sut_journal_settle(j), -ENOSPC);
    cr_assert_eq(read_from(j, 1), 10);
    sut_journal_close(j);
    j = journal_open(&s_folder, 0);
    cr_assert_eq(read_from(j, 1), 10, "a full disk keeps nobody from reading");
    s_disk->write_errno = 0;
    cr_assert_eq(sut_journal_settle(j), 0);
    append_from(j, 11, 1);
    sut_journal_close(j);
}

/* ---- damage ---- */

static void flip(size_t at)
{
    uint8_t byte;
    int fd = open(file_named(WAL_NAME), O_RDWR);
    cr_assert(fd >= 0 && pread(fd, &byte, 1, (off_t)at) == 1);
    byte ^= 1;
    cr_assert_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

Test(wal, half_of_the_last_record_is_none)
{
    killed_after(twenty);
    flip(20 * WAL_BLOCK + 100);
    sut_journal *j = journal_open(&s_folder, 0);
    cr_assert_eq(read_from(j, 1), 19);
    append_from(j, 20, 3);
    cr_assert_eq(sut_journal_verify(j, NULL, NULL), 0);
    sut_journal_close(j);
}

static void must_stop_at(sut_journal *j, uint64_t bad)
{
    sut_journal_query q = {.from = bad};
    sut_journal_batch *b;
    cr_assert_eq(sut_journal_read(j, &q, &b), -EBADMSG);
    cr_assert_eq(sut_journal_last_damage(j), bad);
    cr_assert_eq(read_from(j, bad + 1), 20);
}

/* The others keep their places: no number is given out twice, and whoever reads is told what is missing. */
Test(wal, a_damaged_record_before_others_is_a_hole)
{
    killed_after(twenty);
    flip(7 * WAL_BLOCK + 100);
    sut_journal *j = journal_open(&s_folder, 0);
    must_stop_at(j, 7);
    cr_assert_eq(sut_journal_settle(j), 0);
    must_stop_at(j, 7);
    cr_assert_eq(stats_of(j).next, 21);
    cr_assert_eq(sut_journal_verify(j, NULL, NULL), -EBADMSG);
    sut_journal_close(j);
}

static void must_refuse(const char *words)
{
    sut_journal *j = NULL;
    char error[256] = "";
    sut_lmdb_options opt = {.path = s_folder.path, .map_bytes = 64u << 20};
    cr_assert_eq(sut_journal_open_lmdb(&j, &opt, error, sizeof error), -EBADMSG);
    cr_assert(strstr(error, words) && strstr(error, WAL_NAME), "%s", error);
}

Test(wal, a_damaged_header_is_refused_in_words)
{
    killed_after(twenty);
    flip(20);
    must_refuse("without the file the journal opens");
}

Test(wal, another_journal_s_is_refused)
{
    folder other = s_folder;
    char from[128];
    killed_after(twenty);
    s_folder = folder_make();
    killed_after(twenty);
    snprintf(from, sizeof from, "%s/%s", other.path, WAL_NAME);
    cr_assert_eq(rename(from, file_named(WAL_NAME)), 0);
    must_refuse("belongs to another journal");
    folder_remove(&other);
}

Test(wal, what_is_left_of_an_earlier_run_is_nothing)
{
    killed_after(twenty);
    sut_journal *j = journal_open(&s_folder, 0);
    append_from(j, 21, 1); /* the twenty go into the tables with it */
    append_from(j, 22, 1); /* begins a run, over the first record only */
    sut_journal_close(j);
    j = journal_open(&s_folder, 0);
    cr_assert_eq(stats_of(j).next, 23);
    cr_assert_eq(read_from(j, 1), 22);
    sut_journal_close(j);
}

/* ---- two threads ---- */

static atomic_uint_fast64_t s_acked;
static atomic_bool s_stop;

static void *read_on(void *arg)
{
    sut_journal *j = arg;
    uint64_t rounds = 0;
    while (!atomic_load(&s_stop) || rounds == 0) {
        uint64_t acked = atomic_load(&s_acked), found;
        cr_assert_geq(read_from(j, acked > 30 ? acked - 30 : 1), acked);
        cr_assert_geq(stats_of(j).next, acked + 1);
        cr_assert(acked == 0 || (sut_journal_seek_time(j, T0 + (int64_t)acked, &found) == 0 && found == acked));
        rounds++;
    }
    return NULL;
}

Test(wal, a_reader_sees_all_that_is_acknowledged_while_it_moves)
{
    pthread_t reader;
    sut_journal *j = journal_open(&s_folder, 0);
    cr_assert_eq(pthread_create(&reader, NULL, read_on, j), 0);
    for (uint64_t n = 1; n <= 1500; n++) {
        append_from(j, n, 1);
        atomic_store(&s_acked, n);
        if (n % 11 == 0)
            cr_assert_eq(sut_journal_settle(j), 0);
    }
    atomic_store(&s_stop, true);
    cr_assert_eq(pthread_join(reader, NULL), 0);
    sut_journal_close(j);
}
