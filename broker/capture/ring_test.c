/* The ring on disk: what comes back, what is dropped, what damage does, and a disk that says no. */
#include "fixture.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char *s_dir;
static fixture_found s_found;

static void setup(void)
{
    s_dir = fixture_dir();
}

static void teardown(void)
{
    fixture_remove(s_dir);
}

TestSuite(ring, .timeout = 120, .init = setup, .fini = teardown);

static void add(ring *r, unsigned from, unsigned count)
{
    for (unsigned i = from; i < from + count; i++) {
        const sut_span s = fixture_span(i, 40 + i % 3);
        ring_add(r, &s, sut_wall_us());
    }
}

static size_t read_file(const char *path, uint8_t *out, size_t size)
{
    FILE *f = fopen(path, "rb");
    cr_assert(f);
    const size_t len = fread(out, 1, size, f);
    (void)fclose(f);
    return len;
}

static void write_file(const char *path, const uint8_t *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");
    cr_assert(f);
    cr_assert_eq(fwrite(bytes, 1, len, f), len);
    (void)fclose(f);
}

static char *first_segment(void)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/0000000000000001.cap", s_dir);
    return path;
}

Test(ring, spans_come_back_also_after_a_restart)
{
    ring *r = fixture_open(s_dir, 64u << 20);
    add(r, 0, 10);
    fixture_all(r, &s_found);
    cr_assert_eq(s_found.count, 10);
    ring_free(r);
    r = fixture_open(s_dir, 64u << 20);
    add(r, 10, 1);
    fixture_all(r, &s_found);
    cr_assert_eq(s_found.count, 11);
    for (size_t i = 0; i < 11; i++) {
        cr_assert_eq(s_found.numbers[i], i + 1);
        cr_assert_eq(s_found.users[i], 40 + (int64_t)i % 3);
        cr_assert(s_found.whole[i]);
    }
    ring_free(r);
}

Test(ring, queries_find_traces_users_and_times)
{
    ring *r = fixture_open(s_dir, 64u << 20);
    const sut_span wanted = fixture_span(7, 0);
    uint64_t at;
    bool more;
    add(r, 0, 30);
    ring_query q = {.trace_id = wanted.trace_id, .open = true, .examine_max = SIZE_MAX};
    ring_each(r, &q, fixture_note, &s_found, &at, &more);
    cr_assert_eq(s_found.count, 1);
    cr_assert_eq(s_found.numbers[0], 8);
    cr_assert_not(more);

    s_found.count = 0;
    q = (ring_query){.user_id = 41, .after = 20, .open = true, .examine_max = SIZE_MAX};
    ring_each(r, &q, fixture_note, &s_found, &at, &more);
    cr_assert_eq(s_found.count, 3); /* 23, 26, 29 */
    cr_assert_eq(s_found.numbers[0], 23);

    s_found.count = 0;
    q = (ring_query){.since_us = 1700000000000005, .until_us = 1700000000000008, .examine_max = SIZE_MAX};
    ring_each(r, &q, fixture_note, &s_found, &at, &more);
    cr_assert_eq(s_found.count, 4);

    s_found.count = 0;
    q = (ring_query){.examine_max = 5};
    ring_each(r, &q, fixture_note, &s_found, &at, &more);
    cr_assert_eq(s_found.count, 5);
    cr_assert(more);
    cr_assert_eq(at, 5);
    ring_free(r);
}

Test(ring, what_is_on_disk_does_not_show_what_is_sealed)
{
    static uint8_t bytes[1 << 20];
    ring *r = fixture_open(s_dir, 64u << 20);
    add(r, 0, 3);
    ring_free(r);
    const size_t len = read_file(first_segment(), bytes, sizeof bytes);
    cr_assert(memmem(bytes, len, "user.profile_get", 16), "the search finds what is open");
    cr_assert_not(memmem(bytes, len, "mary-jane", 9));
    cr_assert_not(memmem(bytes, len, "lane-7", 6));
    struct stat info;
    cr_assert_eq(stat(first_segment(), &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600);
}

Test(ring, without_its_key_only_the_open_part_is_told)
{
    static sut_keyring other;
    ring *r = fixture_open(s_dir, 64u << 20);
    add(r, 0, 1);
    other = *fixture_keys();
    other.keys[0] = other.keys[1]; /* rotated, and the old one is gone */
    other.count = 1;
    ring_set_keys(r, &other);
    add(r, 1, 1);
    fixture_all(r, &s_found);
    cr_assert_eq(s_found.count, 2);
    cr_assert_not(s_found.with_body[0]);
    cr_assert(s_found.whole[1]);
    ring_set_keys(r, fixture_keys()); /* both are there: both can be read */
    fixture_all(r, &s_found);
    cr_assert(s_found.whole[0] && s_found.whole[1]);
    ring_free(r);
}

Test(ring, it_stays_within_its_bytes_and_drops_the_oldest)
{
    const uint64_t bytes = 4u << 20;
    ring *r = fixture_open(s_dir, bytes);
    ring_stats st;
    for (unsigned i = 0; i < 40; i++) {
        add(r, i * 1000, 1000);
        ring_flush(r, sut_wall_us());
        ring_get_stats(r, &st);
        cr_assert_leq(st.bytes, bytes);
    }
    cr_assert_eq(st.written_total, 40000);
    cr_assert_lt(st.records, 40000);
    cr_assert_gt(st.records, 5000);
    cr_assert_eq(st.fault, 0);
    ring_free(r);
    r = fixture_open(s_dir, bytes);
    ring_load(r);
    ring_stats again;
    ring_get_stats(r, &again);
    cr_assert_eq(again.records, st.records);
    ring_free(r);
}

Test(ring, what_is_too_old_is_dropped)
{
    const ring_options opt = {.dir = s_dir, .bytes = 64u << 20, .age_us = 3600 * INT64_C(1000000)};
    char error[256];
    ring *r;
    ring_stats st;
    const int64_t now = 1700000000000000;
    cr_assert_eq(ring_new(&r, &opt, fixture_keys(), error, sizeof error), 0);
    const sut_span s = fixture_span(1, 1);
    ring_add(r, &s, now);
    ring_flush(r, now + 3599 * INT64_C(1000000));
    ring_get_stats(r, &st);
    cr_assert_eq(st.records, 1);
    ring_flush(r, now + 3601 * INT64_C(1000000));
    ring_get_stats(r, &st);
    cr_assert_eq(st.records, 0);
    cr_assert_eq(st.bytes, 0);
    ring_free(r);
}

Test(ring, a_torn_tail_loses_only_what_is_torn)
{
    static uint8_t bytes[1 << 20];
    ring *r = fixture_open(s_dir, 64u << 20);
    add(r, 0, 5);
    ring_free(r);
    const size_t len = read_file(first_segment(), bytes, sizeof bytes);
    const size_t record = (len - SEGMENT_HEAD_BYTES) / 5;
    cr_assert_eq(SEGMENT_HEAD_BYTES + 5 * record, len);
    for (size_t cut = len - 2 * record; cut <= len; cut++) {
        write_file(first_segment(), bytes, cut);
        r = fixture_open(s_dir, 64u << 20);
        fixture_all(r, &s_found);
        const size_t want = (cut - SEGMENT_HEAD_BYTES) / record;
        cr_assert_eq(s_found.count, want, "cut at %zu", cut);
        for (size_t i = 0; i < want; i++)
            cr_assert(s_found.whole[i]);
        add(r, 99, 1); /* and goes on */
        fixture_all(r, &s_found);
        cr_assert_eq(s_found.count, want + 1);
        cr_assert_eq(s_found.numbers[want], want + 1);
        ring_free(r);
        char second[128];
        (void)snprintf(second, sizeof second, "%s/0000000000000002.cap", s_dir);
        cr_assert_eq(unlink(second), 0);
    }
}

Test(ring, flipped_bits_never_become_a_span)
{
    static uint8_t bytes[1 << 20];
    uint64_t seed = 4711;
    ring *r = fixture_open(s_dir, 64u << 20);
    add(r, 0, 8);
    ring_free(r);
    const size_t len = read_file(first_segment(), bytes, sizeof bytes);
    for (int round = 0; round < 1000; round++) {
        const size_t bit = sut_prng(&seed) % (len * 8);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        write_file(first_segment(), bytes, len);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        r = fixture_open(s_dir, 64u << 20);
        fixture_all(r, &s_found);
        cr_assert_eq(s_found.count, bit / 8 < SEGMENT_HEAD_BYTES ? 0 : 7, "bit %zu", bit);
        for (size_t i = 0; i < s_found.count; i++)
            cr_assert(s_found.whole[i], "bit %zu", bit);
        ring_free(r);
    }
}

/* Files are read through a window: damage anywhere costs the record that it is in, and no other. */
Test(ring, damage_at_the_edges_of_windows)
{
    static char body[20000];
    static uint8_t bytes[4u << 20];
    uint64_t seed = 99;
    ring *r = fixture_open(s_dir, 128u << 20);
    for (unsigned i = 0; i < 150; i++) {
        sut_span s = fixture_span(i, 1);
        s.body = (sut_str){body, sizeof body};
        ring_add(r, &s, sut_wall_us());
    }
    ring_free(r);
    const size_t len = read_file(first_segment(), bytes, sizeof bytes), record = (len - SEGMENT_HEAD_BYTES) / 150;
    cr_assert_gt(len, 5u << 19, "more than two windows");
    for (unsigned round = 0; round < 60; round++) {
        const size_t at = round < 40 ? (1u << 20) - 20 + round : SEGMENT_HEAD_BYTES + sut_prng(&seed) % (len - 100);
        bytes[at] ^= 0x55;
        write_file(first_segment(), bytes, len);
        bytes[at] ^= 0x55;
        r = fixture_open(s_dir, 128u << 20);
        fixture_all(r, &s_found);
        cr_assert_eq(s_found.count, 149, "byte %zu", at);
        const uint64_t missing = (at - SEGMENT_HEAD_BYTES) / record + 1;
        for (size_t i = 0; i < 149; i++)
            cr_assert_eq(s_found.numbers[i], i + 1 + (i + 1 >= missing), "byte %zu", at);
        ring_free(r);
    }
}

Test(ring, garbage_in_the_folder_keeps_nobody_from_starting)
{
    char path[128];
    const struct {
        const char *name, *text;
    } files[] = {{"0000000000000001.cap", ""},
                 {"0000000000000002.cap", "SUTCAP\r\n"},
                 {"0000000000000003.cap", "no segment at all, but long enough for a head: xxxxxxxxxxxxxxxxxxxxxxxxxxx"},
                 {"readme", "x"},
                 {"000000000000000g.cap", "x"}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(files); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", s_dir, files[i].name);
        write_file(path, (const uint8_t *)files[i].text, strlen(files[i].text));
    }
    ring *r = fixture_open(s_dir, 64u << 20);
    add(r, 0, 1);
    fixture_all(r, &s_found);
    cr_assert_eq(s_found.count, 1);
    cr_assert(s_found.whole[0]);
    ring_free(r);
}

Test(ring, a_full_disk_is_told_and_it_goes_on_when_there_is_room)
{
    /* RLIMIT_FSIZE is as good as a full disk: write fails with EFBIG. */
    struct rlimit before, small;
    ring *r = fixture_open(s_dir, 64u << 20);
    ring_stats st;
    int64_t now = sut_wall_us();
    (void)signal(SIGXFSZ, SIG_IGN);
    add(r, 0, 5);
    ring_flush(r, now);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1200; /* in the middle of a record */
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    add(r, 5, 20);
    ring_flush(r, now);
    ring_get_stats(r, &st);
    cr_assert_eq(st.fault, EFBIG);
    cr_assert_eq(st.lost_total, 20);
    cr_assert_eq(st.records, 5);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    sut_span s = fixture_span(50, 1);
    ring_add(r, &s, now); /* a second has not passed */
    ring_get_stats(r, &st);
    cr_assert_eq(st.lost_total, 21);
    ring_add(r, &s, now + 2000000);
    ring_flush(r, now + 2000000);
    ring_get_stats(r, &st);
    cr_assert_eq(st.fault, 0);
    fixture_all(r, &s_found);
    cr_assert_eq(s_found.count, 6);
    for (size_t i = 0; i < 6; i++)
        cr_assert(s_found.whole[i]);
    ring_free(r);
}

Test(ring, one_broker_a_folder)
{
    const ring_options opt = {.dir = s_dir, .bytes = 64u << 20};
    char error[256] = "";
    ring *r = fixture_open(s_dir, 64u << 20), *other = NULL;
    cr_assert_eq(ring_new(&other, &opt, fixture_keys(), error, sizeof error), -EBUSY);
    cr_assert(strstr(error, "another broker"), "%s", error);
    ring_free(r);
}
