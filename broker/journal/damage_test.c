/* Damage: a file that is cut anywhere, and bits that flip. Whoever opens it afterwards gets what was written, or a
 * prefix, or a refusal in words; never an event that nobody published, never an end without a word. Each trial is a
 * process of its own. SUT_LONG=1: every byte of the cuts, 1,000 flips. */
#include "fixture.h"

#include <signal.h>
#include <sys/wait.h>

#define T0     INT64_C(1800000000000000)
#define EVENTS 400
#define PAGE   4096

enum { ALL_THERE, PREFIX, REFUSED, EXITED_IN_WORDS, OUTCOMES };

static folder s_folder;
static uint8_t *s_image; /* of a sound journal */
static size_t s_size;
static char s_file[128];

static bool is_long(void)
{
    const char *l = getenv("SUT_LONG");
    return l && *l == '1';
}

static void read_file(void)
{
    FILE *f = fopen(s_file, "rb");
    cr_assert_not_null(f);
    fseek(f, 0, SEEK_END);
    s_size = (size_t)ftell(f);
    rewind(f);
    s_image = malloc(s_size);
    cr_assert(s_image && fread(s_image, 1, s_size, f) == s_size);
    fclose(f);
}

static void setup(void)
{
    s_folder = folder_make();
    snprintf(s_file, sizeof s_file, "%s/data.mdb", s_folder.path);
    sut_journal *j = journal_open(&s_folder, 0);
    for (uint64_t n = 1; n <= EVENTS; n++) {
        sut_journal_event e = event_make(n);
        cr_assert_eq(append_one(j, T0 + (int64_t)n, &e).sequence, n);
    }
    sut_dead_letter d = {.group = SUT_STR("mail"), .event = event_make(7)};
    sut_journal_value v = {SUT_STR("group.mail"), SUT_STR("a place")};
    uint64_t id;
    cr_assert(sut_journal_dead_put(j, &d, &id) == 0 && sut_journal_put(j, &v, 1) == 0);
    sut_journal_close(j);
    read_file();
}

static void teardown(void)
{
    free(s_image);
    folder_remove(&s_folder);
}

TestSuite(damage, .init = setup, .fini = teardown, .timeout = 600);

static void write_file(const uint8_t *bytes, size_t len)
{
    char wal[128];
    snprintf(wal, sizeof wal, "%s/journal.wal", s_folder.path);
    (void)unlink(wal); /* what a trial before this one has left there would be replayed */
    FILE *f = fopen(s_file, "wb");
    cr_assert_not_null(f);
    cr_assert_eq(fwrite(bytes, 1, len, f), len);
    cr_assert_eq(fclose(f), 0);
}

/* ---- one trial, in a process of its own ---- */

static void must(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "garbage: %s\n", what);
    _exit(99);
}

static void same_event(const sut_journal_event *e, uint64_t sequence)
{
    sut_journal_event want = event_make(sequence);
    must(e->sequence == sequence && e->time_us == T0 + (int64_t)sequence, "another sequence or time");
    must(memcmp(e->id, want.id, sizeof want.id) == 0 && sut_str_eq(e->subject, want.subject) &&
             sut_str_eq(e->key, want.key) && sut_str_eq(e->body, want.body) && sut_str_eq(e->publisher, want.publisher),
         "another event");
}

static bool same_dead(void *arg, const sut_dead_letter *d)
{
    (void)arg;
    sut_journal_event want = event_make(7);
    must(sut_str_is(d->group, "mail") && memcmp(d->event.id, want.id, sizeof want.id) == 0, "another dead letter");
    return true;
}

static void same_value(void *arg, sut_str name, sut_str value)
{
    (void)arg;
    must(sut_str_is(name, "group.mail") && sut_str_is(value, "a place"), "another value");
}

static uint64_t read_prefix(sut_journal *j, bool *complained)
{
    uint64_t next = 1;
    for (;;) {
        sut_journal_query q = {.from = next, .max_events = 50};
        sut_journal_batch *b;
        sut_status status = sut_journal_read(j, &q, &b);
        if (status) {
            must(*sut_journal_last_error(j) != 0, "no words");
            must(status != -EBADMSG || !sut_journal_last_damage(j) || sut_journal_last_damage(j) >= next,
                 "damage before");
            *complained = true;
            return next - 1;
        }
        for (size_t i = 0; i < b->count; i++)
            same_event(&b->events[i], next + i);
        if (b->count == 0)
            return next - 1;
        next += b->count;
        sut_journal_batch_unref(b);
    }
}

static int trial(void)
{
    sut_journal *j = NULL;
    char error[256] = "";
    bool complained = false;
    sut_lmdb_options opt = {.path = s_folder.path, .map_bytes = 64u << 20};
    alarm(20);
    if (sut_journal_open_lmdb(&j, &opt, error, sizeof error)) {
        must(*error != 0, "refused without words");
        return REFUSED;
    }
    uint64_t count = read_prefix(j, &complained);
    bool verified = sut_journal_verify(j, NULL, NULL) == 0;
    must(count == EVENTS || complained || !verified || stats_of(j).next == count + 1, "a hole that nobody names");
    must(!complained || !verified, "verify does not see what a reader sees");
    if (sut_journal_each_value(j, SUT_STR(""), same_value, NULL) ||
        sut_journal_dead_each(j, &(sut_dead_query){0}, same_dead, NULL))
        must(*sut_journal_last_error(j) != 0, "no words");
    sut_journal_event e = event_make(EVENTS + 1000);
    sut_append_result r;
    sut_append_group g = {&e, &r, 1, false};
    if (sut_journal_append(j, T0 + 2 * EVENTS, &g, 1))
        must(*sut_journal_last_error(j) != 0, "no words");
    sut_journal_close(j);
    return count == EVENTS ? ALL_THERE : PREFIX;
}

static int run_trial(const char *what, size_t at)
{
    int how, pipes[2];
    char words[512] = "";
    cr_assert_eq(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(pipes[1], STDERR_FILENO);
        close(pipes[0]);
        _exit(trial());
    }
    close(pipes[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(pipes[0], words + len, sizeof words - 1 - len)) > 0; len += (size_t)n)
        continue;
    close(pipes[0]);
    cr_assert_eq(waitpid(child, &how, 0), child);
    if (WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT && len > 0) /* libc or a sanitizer found out first, and said so */
        return EXITED_IN_WORDS;
    cr_assert(WIFEXITED(how), "%s %zu: signal %d", what, at, WTERMSIG(how));
    int code = WEXITSTATUS(how);
    if (code == SUT_EXIT_IO) {
        cr_assert_not_null(strstr(words, "sut journal verify"), "%s %zu: exited without a word", what, at);
        return EXITED_IN_WORDS;
    }
    cr_assert(code < EXITED_IN_WORDS, "%s %zu: %d %s", what, at, code, words);
    return code;
}

/* ---- what is done to the file ---- */

Test(damage, a_file_that_is_cut_anywhere_in_its_last_pages)
{
    size_t outcomes[OUTCOMES] = {0}, step = is_long() ? 1 : 97;
    for (size_t cut = 1; cut <= 2 * PAGE; cut += step) {
        write_file(s_image, s_size - cut);
        outcomes[run_trial("cut", cut)]++;
    }
    write_file(s_image, s_size - 2 * PAGE);
    run_trial("cut", 2 * PAGE);
    fprintf(stderr, "cut: %zu whole, %zu prefixes, %zu refused, %zu ended\n", outcomes[0], outcomes[1], outcomes[2],
            outcomes[3]);
}

Test(damage, a_tail_of_zeros)
{
    for (size_t cut = 512; cut <= 4 * PAGE; cut += is_long() ? 512 : 1536) {
        uint8_t *copy = malloc(s_size);
        memcpy(copy, s_image, s_size);
        memset(copy + s_size - cut, 0, cut);
        write_file(copy, s_size);
        free(copy);
        run_trial("zeros", cut);
    }
}

Test(damage, flipped_bits)
{
    size_t outcomes[OUTCOMES] = {0}, flips = is_long() ? 1000 : 100;
    const char *s = getenv("SUT_SEED");
    uint64_t seed = s ? strtoull(s, NULL, 10) : 20170;
    for (size_t i = 0; i < flips; i++) {
        uint64_t bit = sut_prng(&seed) % (s_size * 8);
        if (i % 4 == 0) /* pages' heads and tables of contents are where it hurts */
            bit = (bit / 8 / PAGE * PAGE) * 8 + sut_prng(&seed) % (64 * 8);
        s_image[bit / 8] ^= (uint8_t)(1u << bit % 8);
        write_file(s_image, s_size);
        outcomes[run_trial("bit", bit)]++;
        s_image[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    fprintf(stderr, "%zu flips: %zu whole, %zu prefixes, %zu refused, %zu ended\n", flips, outcomes[0], outcomes[1],
            outcomes[2], outcomes[3]);
    cr_assert(outcomes[ALL_THERE] > 0 && outcomes[PREFIX] > 0);
}

/* Where the nth record's publisher stands in the file, 0: there are not so many. */
static size_t record_at(size_t nth)
{
    const char mark[] = "post.1";
    for (size_t i = 0; i + sizeof mark < s_size; i++)
        if (memcmp(s_image + i, mark, sizeof mark - 1) == 0 && nth-- == 0)
            return i;
    return 0;
}

/* A journal with one damaged record that is in use: pages that are not any more hold copies. */
static sut_journal *one_damaged(uint64_t *sequence)
{
    size_t at;
    for (size_t nth = 100; (at = record_at(nth)) != 0; nth++) {
        bool complained = false;
        s_image[at] ^= 1;
        write_file(s_image, s_size);
        s_image[at] ^= 1;
        sut_journal *j = journal_open(&s_folder, 0);
        *sequence = read_prefix(j, &complained) + 1;
        if (complained)
            return j;
        sut_journal_close(j);
    }
    cr_assert_fail("no record is in use");
    return NULL;
}

static void note_line(void *arg, const char *line)
{
    snprintf(arg, 256, "%s", line);
}

/* The one record that is damaged is named; those before and behind it are given. */
Test(damage, a_record_in_the_middle_is_named)
{
    uint64_t bad, found;
    char line[256] = "", want[64];
    sut_journal *j = one_damaged(&bad);
    cr_assert_eq(sut_journal_last_damage(j), bad);
    sut_journal_query q = {.from = bad + 1, .max_events = 10};
    sut_journal_batch *b;
    cr_assert_eq(sut_journal_read(j, &q, &b), 0);
    same_event(&b->events[0], bad + 1);
    sut_journal_batch_unref(b);
    cr_assert_eq(sut_journal_seek_time(j, T0 + (int64_t)bad + 5, &found), 0);
    cr_assert_eq(found, bad + 5);
    cr_assert_eq(sut_journal_verify(j, note_line, line), -EBADMSG);
    snprintf(want, sizeof want, "log: record %llu has a wrong checksum", (unsigned long long)bad);
    cr_assert_str_eq(line, want);
    sut_journal_close(j);
}
