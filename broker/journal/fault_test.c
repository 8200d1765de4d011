/* The journal on a disk that fails: what cannot be written is refused by name, reading goes on, and it resumes by
 * itself. Acknowledged events are in the journal whatever happened. */
#include "fixture.h"

#include "disk_shim.h"
#include "journal/service.h"
#include "wire/errors.h"

#include <stdatomic.h>

#define T0 INT64_C(1800000000000000)

static folder s_folder;
static disk_shim_switches *s_disk;
static sut_loop *s_loop;
static sut_journal_service *s_service;

static struct {
    uint64_t answers, changes, reads, read_count, next, told; /* told: `next` of what was appended */
    uint64_t acked[4096];
    size_t acked_count;
    int err;
    char message[256];
    sut_status writable, read_status;
    atomic_int opened;
    atomic_bool broken; /* it cannot be opened now */
} s_seen;

static void on_published(void *app, uint64_t tag, const sut_append_result *results, size_t count,
                         const sut_publish_fault *fault)
{
    (void)app;
    (void)count;
    s_seen.answers++;
    s_seen.err = fault ? fault->err : 0;
    s_seen.message[0] = 0;
    if (fault)
        snprintf(s_seen.message, sizeof s_seen.message, "%.*s", SUT_STR_FMT(fault->message));
    else if (results[0].state == SUT_APPEND_TAKEN || results[0].state == SUT_APPEND_DUPLICATE)
        s_seen.acked[s_seen.acked_count++] = tag;
}
static void on_appended(void *app, sut_journal_batch *batch)
{
    (void)app;
    s_seen.told = batch->next;
}
static void on_read(void *app, uint64_t tag, sut_status status, sut_journal_batch *batch)
{
    (void)app;
    (void)tag;
    s_seen.reads++;
    s_seen.read_status = status;
    s_seen.read_count = status ? 0 : batch->count;
}
static void on_stored(void *app, uint64_t tag, sut_status status, uint64_t id)
{
    (void)app;
    (void)tag;
    (void)status;
    (void)id;
}
static void on_done(void *app, struct sut_journal_job *job)
{
    (void)app;
    (void)job;
}
static void on_changed(void *app, uint64_t oldest, sut_status writable)
{
    (void)app;
    (void)oldest;
    s_seen.changes++;
    s_seen.writable = writable;
}
static const sut_journal_service_ops s_ops = {.published = on_published,
                                              .appended = on_appended,
                                              .read = on_read,
                                              .stored = on_stored,
                                              .done = on_done,
                                              .changed = on_changed};

static sut_journal *reopen(void *app)
{
    sut_journal *j = NULL;
    char error[256];
    sut_lmdb_options opt = {.path = s_folder.path, .map_bytes = 64u << 20};
    (void)app;
    s_seen.opened++;
    return s_seen.broken || sut_journal_open_lmdb(&j, &opt, error, sizeof error) ? NULL : j;
}

static void setup(void)
{
    s_folder = folder_make();
    s_disk = disk_shim_start(s_folder.path);
    disk_shim_works(s_disk);
    s_disk->failures = 0;
    memset((void *)&s_seen, 0, sizeof s_seen);
}

static void begin_with(uint64_t map_bytes, uint64_t max_bytes)
{
    sut_journal_service_options opt = {
        .retention = {.max_bytes = max_bytes}, .retain_every_ms = 60000, .settle_after_ms = 60000};
    sut_journal *j = journal_open(&s_folder, map_bytes);
    cr_assert_eq(sut_loop_new(&s_loop), 0);
    cr_assert_eq(sut_journal_service_new(&s_service, j, s_loop, &s_ops, NULL, reopen, &opt), 0);
}

static void begin(void)
{
    begin_with(0, 0);
}

static void teardown(void)
{
    disk_shim_works(s_disk);
    s_service = sut_journal_service_free(s_service);
    if (s_loop)
        cr_assert_eq(sut_loop_turn(s_loop, 0), 0);
    s_loop = sut_loop_free(s_loop);
    folder_remove(&s_folder);
}

TestSuite(fault, .init = setup, .fini = teardown, .timeout = 60);

/* ---- the engine alone ---- */

static sut_status append(sut_journal *j, uint64_t n)
{
    sut_journal_event e = event_make(n);
    sut_append_result r;
    sut_append_group g = {&e, &r, 1, false};
    return sut_journal_append(j, T0 + (int64_t)n, &g, 1);
}

static size_t count_events(sut_journal *j)
{
    sut_journal_query q = {.from = 1, .max_events = 100000, .max_scan = 100000, .max_bytes = 1u << 30};
    sut_journal_batch *b = NULL;
    cr_assert_eq(sut_journal_read(j, &q, &b), 0, "%s", sut_journal_last_error(j));
    size_t count = b->count;
    sut_journal_batch_unref(b);
    return count;
}

Test(fault, a_full_disk_leaves_nothing_half_written)
{
    sut_journal *j = journal_open(&s_folder, 0);
    uint64_t taken = 0, n = 0;
    s_disk->size_limit = stats_of(j).file_bytes + 300000;
    for (sut_status status = 0; !status || status == -ENOSPC; n++) {
        status = append(j, n);
        taken += !status;
        if (s_disk->failures > 20)
            break;
    }
    cr_assert(taken > 50 && taken < n);
    cr_assert_eq(count_events(j), taken, "%zu of %llu", count_events(j), (unsigned long long)taken);
    cr_assert_eq(sut_journal_probe(j), -ENOSPC);
    cr_assert_eq(sut_journal_verify(j, NULL, NULL), 0);
    s_disk->size_limit = 0;
    cr_assert_eq(sut_journal_probe(j), 0, "%s", sut_journal_last_error(j));
    cr_assert_eq(append(j, n), 0);
    sut_journal_close(j);
    j = journal_open(&s_folder, 0);
    cr_assert_eq(count_events(j), taken + 1);
    sut_journal_close(j);
}

Test(fault, a_sync_that_failed_wants_a_new_opening)
{
    sut_journal *j = journal_open(&s_folder, 0);
    cr_assert_eq(append(j, 1), 0);
    s_disk->sync_errno = EIO;
    cr_assert_eq(append(j, 2), -EIO);
    cr_assert_eq(sut_journal_probe(j), -EIO);
    cr_assert_eq(count_events(j), 1, "reading goes on");
    s_disk->sync_errno = 0;
    sut_journal_close(j);
    j = journal_open(&s_folder, 0);
    cr_assert_eq(count_events(j), 1);
    cr_assert_eq(append(j, 2), 0);
    sut_journal_close(j);
}

Test(fault, a_journal_on_a_full_disk_can_still_be_opened_and_read)
{
    sut_journal *j = journal_open(&s_folder, 0);
    cr_assert_eq(append(j, 1), 0);
    sut_journal_close(j);
    s_disk->write_errno = ENOSPC;
    j = journal_open(&s_folder, 0);
    cr_assert_eq(count_events(j), 1);
    cr_assert_eq(append(j, 2), -ENOSPC);
    sut_journal_close(j);
}

/* ---- the service ---- */

static void publish(uint64_t n)
{
    uint64_t answers = s_seen.answers;
    sut_journal_event e = event_make(n);
    cr_assert_eq(sut_journal_service_publish(s_service, n, &e, 1), 0);
    while (s_seen.answers == answers)
        cr_assert_eq(sut_loop_turn(s_loop, 1000), 0);
}

static void wait_writable(sut_status status)
{
    while (s_seen.writable != status)
        cr_assert_eq(sut_loop_turn(s_loop, 1000), 0);
}

static size_t read_all(void)
{
    uint64_t reads = s_seen.reads;
    sut_journal_query q = {.from = 1};
    cr_assert_eq(sut_journal_service_read(s_service, 1, &q), 0);
    while (s_seen.reads == reads)
        cr_assert_eq(sut_loop_turn(s_loop, 1000), 0);
    cr_assert_eq(s_seen.read_status, 0);
    return s_seen.read_count;
}

static sut_journal_service_stats service_stats(void)
{
    sut_journal_service_stats st;
    sut_journal_service_get_stats(s_service, &st);
    return st;
}

Test(fault, a_full_disk_refuses_by_name_and_resumes_without_a_publish)
{
    begin();
    publish(1);
    s_disk->write_errno = ENOSPC;
    publish(2);
    cr_assert_eq(s_seen.err, SUT_ERR_STORAGE_FULL);
    cr_assert_not_null(strstr(s_seen.message, "No space left"), "%s", s_seen.message);
    wait_writable(-ENOSPC);
    cr_assert(service_stats().writable == -ENOSPC && strstr(service_stats().fault, "No space left"));
    cr_assert_eq(read_all(), 1, "reading goes on");
    s_disk->write_errno = 0;
    wait_writable(0);
    cr_assert_str_empty(service_stats().fault);
    publish(2);
    cr_assert_eq(s_seen.err, 0);
    cr_assert_eq(read_all(), 2);
}

Test(fault, the_probe_takes_its_time)
{
    begin();
    s_disk->write_errno = ENOSPC;
    publish(1);
    uint64_t failures = s_disk->failures, end = sut_now_ns() + 700 * SUT_NS_PER_MS;
    while (sut_now_ns() < end)
        cr_assert_eq(sut_loop_turn(s_loop, 50), 0);
    cr_assert(s_disk->failures > failures && s_disk->failures - failures < 12, "%llu probes",
              (unsigned long long)(s_disk->failures - failures));
}

Test(fault, after_a_failed_sync_only_what_a_new_opening_finds_counts)
{
    begin();
    publish(1);
    s_disk->sync_errno = EIO;
    publish(2);
    cr_assert_eq(s_seen.err, SUT_ERR_OUTCOME_UNKNOWN, "it may be on the disk");
    cr_assert_not_null(strstr(s_seen.message, "publish it again with the same id"), "%s", s_seen.message);
    wait_writable(-EIO);
    publish(3);
    cr_assert_eq(s_seen.err, SUT_ERR_UNAVAILABLE, "not tried: certainly not there");
    cr_assert_geq(s_seen.opened, 1);
    cr_assert_eq(read_all(), 1, "reading goes on");
    s_disk->sync_errno = 0;
    wait_writable(0);
    publish(2);
    publish(3);
    cr_assert_eq(s_seen.err, 0);
    cr_assert_eq(read_all(), 3);
}

/* The header page is written and synced at once; if that fails the commit may be there or not, and the loop must hear
 * of it either way. */
Test(fault, a_commit_that_succeeded_unsaid_is_told_as_a_place)
{
    begin();
    publish(1);
    s_disk->late_errno = EIO;
    publish(2);
    cr_assert_eq(s_seen.err, SUT_ERR_OUTCOME_UNKNOWN);
    while (s_seen.told < 3)
        cr_assert_eq(sut_loop_turn(s_loop, 1000), 0);
    cr_assert_eq(read_all(), 2, "it was there");
    s_disk->write_errno = 0;
    wait_writable(0);
    publish(2);
    cr_assert_eq(s_seen.err, 0);
    cr_assert_eq(read_all(), 2, "a duplicate: each once");
}

Test(fault, what_failed_and_came_again_is_there_once)
{
    begin();
    publish(1);
    cr_assert_eq(s_seen.told, 2);
    for (uint64_t n = 2; n < 12; n++) {
        s_disk->sync_errno = n % 2 ? EIO : 0;
        s_disk->write_errno = n % 4 == 1 ? EIO : 0;
        publish(n);
        s_disk->sync_errno = s_disk->write_errno = 0;
        if (s_seen.err == SUT_ERR_OUTCOME_UNKNOWN) {
            wait_writable(-EIO);
            wait_writable(0);
            publish(n);
        }
        cr_assert_eq(s_seen.err, 0, "%s", s_seen.message);
        cr_assert_eq(s_seen.told, read_all() + 1, "the loop knows of all that is in the log");
    }
    cr_assert_eq(s_seen.acked_count, 11);
    cr_assert_eq(read_all(), 11, "each once");
}

Test(fault, a_journal_that_cannot_be_opened_again_refuses_all_until_it_can)
{
    begin();
    publish(1);
    s_seen.broken = true;
    s_disk->sync_errno = EIO;
    publish(2);
    wait_writable(-EIO);
    while (s_seen.opened < 2)
        cr_assert_eq(sut_loop_turn(s_loop, 50), 0);
    sut_journal_query q = {.from = 1};
    uint64_t reads = s_seen.reads;
    cr_assert_eq(sut_journal_service_read(s_service, 1, &q), 0);
    while (s_seen.reads == reads)
        cr_assert_eq(sut_loop_turn(s_loop, 1000), 0);
    cr_assert_eq(s_seen.read_status, -EIO);
    publish(3);
    cr_assert_eq(s_seen.err, SUT_ERR_UNAVAILABLE);
    s_disk->sync_errno = 0;
    s_seen.broken = false;
    wait_writable(0);
    publish(3);
    cr_assert_eq(s_seen.err, 0);
}

Test(fault, a_disk_that_turned_read_only_refuses_and_resumes)
{
    begin();
    publish(1);
    s_disk->write_errno = EROFS;
    publish(2);
    cr_assert_eq(s_seen.err, SUT_ERR_UNAVAILABLE);
    wait_writable(-EROFS);
    cr_assert_eq(read_all(), 1);
    s_disk->write_errno = 0;
    wait_writable(0);
}

/* Retention does not wait for its time when there is no room. */
Test(fault, a_full_map_refuses_until_retention_has_made_room)
{
    static char body[30004] = "\x81\xa1n\xc5\x75\x2c";
    uint64_t n = 0;
    begin_with(4u << 20, 1u << 20);
    for (s_seen.err = 0; !s_seen.err && n < 1000; n++) {
        sut_journal_event e = event_make(n);
        uint64_t answers = s_seen.answers;
        e.body = (sut_str){body, 6 + 29996};
        cr_assert_eq(sut_journal_service_publish(s_service, n, &e, 1), 0);
        while (s_seen.answers == answers)
            cr_assert_eq(sut_loop_turn(s_loop, 1000), 0);
    }
    cr_assert_eq(s_seen.err, SUT_ERR_STORAGE_FULL, "%s", s_seen.message);
    cr_assert_not_null(strstr(s_seen.message, "the journal's map is full"), "%s", s_seen.message);
    wait_writable(-ENOSPC);
    wait_writable(0);
    publish(n);
    cr_assert_eq(s_seen.err, 0);
}
