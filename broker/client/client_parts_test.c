/* The parts that need no broker: options, certificates, trace context, deadlines, mailbox. */
#include "config.h"
#include "deadlines.h"
#include "mailbox.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(parts, .timeout = 60);

static void write_secret(char path[64], const char *text, mode_t mode)
{
    snprintf(path, 64, "%s/sut-secret-XXXXXX",
             getenv("TMPDIR") && strlen(getenv("TMPDIR")) < 40 ? getenv("TMPDIR") : "/tmp");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(fchmod(fd, mode), 0);
    close(fd);
}

static void refused(sut_client_options opt, const char *must_name)
{
    client_config cfg;
    char error[256] = "";
    cr_assert_lt(client_config_init(&cfg, &opt, error, sizeof error), 0);
    cr_assert_not_null(strstr(error, must_name), "'%s' does not name %s", error, must_name);
    cr_assert_null(strchr(error, '\n'));
}

Test(parts, wrong_options_are_named)
{
    char secret[64], open_to_all[64], empty[64];
    write_secret(secret, "s3cret\n", 0600);
    write_secret(open_to_all, "s3cret\n", 0644);
    write_secret(empty, "\n", 0600);
    unsetenv("SUT_BROKER");
    unsetenv("SUT_NAME");
    unsetenv("SUT_SECRET_FILE");
    char long_path[256] = "ipc:///";
    memset(long_path + 7, 'x', 200);
    sut_client_options good = {.endpoint = "ipc:///tmp/x", .name = "n", .secret_file = secret};
    client_config cfg;
    char error[256];
    cr_assert_eq(client_config_init(&cfg, &good, error, sizeof error), 0, "%s", error);
    cr_assert_eq(cfg.queue_max, 65536);
    client_config_deinit(&cfg);
    sut_client_options bad = good;
    bad.endpoint = NULL;
    refused(bad, "SUT_BROKER");
    bad.endpoint = "http://x";
    refused(bad, "http://x");
    bad.endpoint = long_path;
    refused(bad, "107 bytes");
    bad = good;
    bad.name = NULL;
    refused(bad, "SUT_NAME");
    bad.name = "no blanks";
    refused(bad, "no blanks");
    bad = good;
    bad.instance = "a/b";
    refused(bad, "a/b");
    bad = good;
    bad.secret_file = NULL;
    refused(bad, "SUT_SECRET_FILE");
    bad.secret_file = "/nonexistent/secret";
    refused(bad, "/nonexistent/secret");
    bad.secret_file = open_to_all;
    refused(bad, open_to_all);
    bad.secret_file = empty;
    refused(bad, empty);
    bad = good;
    bad.endpoint = "tcp://127.0.0.1:1";
    refused(bad, "curve_file");
    bad.curve_file = secret;
    refused(bad, "server_key");
    bad.server_key = "0123456789012345678901234567890123456789";
    refused(bad, secret);
    unlink(secret);
    unlink(open_to_all);
    unlink(empty);
}

Test(parts, the_environment_fills_in)
{
    char secret[64];
    write_secret(secret, "s3cret", 0600);
    setenv("SUT_BROKER", "ipc:///tmp/from-env", 1);
    setenv("SUT_NAME", "env-name", 1);
    setenv("SUT_SECRET_FILE", secret, 1);
    client_config cfg;
    char error[256];
    cr_assert_eq(client_config_init(&cfg, &(sut_client_options){.queue_max = 5}, error, sizeof error), 0, "%s", error);
    cr_assert_str_eq(cfg.endpoint, "ipc:///tmp/from-env");
    cr_assert_str_eq(cfg.name, "env-name");
    cr_assert_eq(strncmp(cfg.instance, "env-name-", 9), 0);
    client_secret s;
    cr_assert_eq(client_secret_read(&cfg, &s, error, sizeof error), 0);
    cr_assert_str_eq(s.password, "s3cret");
    client_secret_wipe(&s);
    client_config_deinit(&cfg);
    unlink(secret);
}

#define KEY_P "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define KEY_S "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

Test(parts, certificates_are_read_as_czmq_writes_them)
{
    char p[CURVE_KEY_TEXT + 1], s[CURVE_KEY_TEXT + 1];
    cr_assert(client_zcert_parse("#   ****  Generated  ****\n\nmetadata\n    name = \"user-1\"\ncurve\n"
                                 "    public-key = \"" KEY_P "\"\n    secret-key = \"" KEY_S "\"\n",
                                 p, s));
    cr_assert_str_eq(p, KEY_P);
    cr_assert_str_eq(s, KEY_S);
    cr_assert_not(client_zcert_parse("curve\n    public-key = \"" KEY_P "\"\n", p, s));
    cr_assert_not(client_zcert_parse("    public-key = \"short\"\n    secret-key = \"" KEY_S "\"\n", p, s));
    cr_assert_not(client_zcert_parse("    public-key = \"" KEY_P, p, s));
    cr_assert_not(client_zcert_parse("", p, s));
}

Test(parts, traceparents_follow_w3c)
{
    static const char *const wrong[] = {"",
                                        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
                                        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                                        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                                        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                                        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                                        "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
                                        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x"};
    for (size_t i = 0; i < SUT_ARRAY_LEN(wrong); i++)
        cr_assert_not(sut_traceparent_valid(sut_str_from(wrong[i])), "%s", wrong[i]);
    sut_str parent = SUT_STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
    cr_assert(sut_traceparent_valid(parent));
    char child[SUT_TRACEPARENT_LEN + 1], fresh[SUT_TRACEPARENT_LEN + 1], other[SUT_TRACEPARENT_LEN + 1];
    sut_traceparent_make(parent, child);
    sut_traceparent_make(SUT_STR("garbage"), fresh);
    sut_traceparent_make(SUT_STR_NONE, other);
    cr_assert(sut_traceparent_valid(sut_str_from(child)));
    cr_assert(sut_traceparent_valid(sut_str_from(fresh)));
    cr_assert_eq(memcmp(child, parent.ptr, 36), 0);
    cr_assert_neq(memcmp(child + 36, parent.ptr + 36, 16), 0);
    cr_assert_neq(memcmp(fresh, other, 35), 0);
    cr_assert_str_eq(child + 52, "-00", "flags are the parent's");
    sut_traceparent_make(SUT_STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), child);
    cr_assert_str_eq(child + 52, "-01");
    cr_assert_str_eq(fresh + 52, "-00", "nobody has asked for this one");
}

/* ---- deadlines ---- */

typedef struct entry {
    client_deadline d;
    uint64_t at_ns;
    unsigned expired;
} entry;

typedef struct wheel_fixture {
    client_deadlines w;
    sut_loop *loop;
    uint64_t now; /* 0: the clock's */
    unsigned expired;
    entry *remove_too; /* taken out by the callback of another one */
} wheel_fixture;

static void on_expired(client_deadline *d, void *arg)
{
    wheel_fixture *x = arg;
    entry *e = SUT_CONTAINER(d, entry, d);
    cr_assert_leq(e->at_ns, x->now ? x->now : sut_now_ns(), "expired before its time");
    e->expired++;
    x->expired++;
    if (x->remove_too) {
        client_deadlines_remove(&x->w, &x->remove_too->d);
        x->remove_too = NULL;
    }
}

static void wheel_start(wheel_fixture *x)
{
    *x = (wheel_fixture){.now = sut_now_ns()};
    cr_assert_eq(sut_loop_new(&x->loop), 0);
    client_deadlines_init(&x->w, x->loop, x->now, on_expired, x);
}

Test(parts, each_deadline_expires_once_and_within_two_ms)
{
    wheel_fixture x;
    wheel_start(&x);
    enum { COUNT = 5000 };
    entry *e = calloc(COUNT, sizeof *e);
    uint64_t start = x.now, seed = 7;
    unsigned removed = 0;
    for (int i = 0; i < COUNT; i++) {
        e[i].at_ns = start + sut_prng(&seed) % (10 * SUT_NS_PER_S); /* up to ten rounds of the wheel */
        cr_assert_eq(client_deadlines_add(&x.w, &e[i].d, e[i].at_ns), 0);
    }
    for (int i = 0; i < COUNT; i += 3, removed++)
        client_deadlines_remove(&x.w, &e[i].d);
    for (; x.now < start + 11 * SUT_NS_PER_S; x.now += sut_prng(&seed) % (3 * SUT_NS_PER_MS)) {
        client_deadlines_run(&x.w, x.now);
        for (int i = 0; i < COUNT; i += 97)
            if (i % 3 && e[i].at_ns + 2 * SUT_NS_PER_MS < x.now)
                cr_assert_eq(e[i].expired, 1);
    }
    cr_assert_eq(x.expired, COUNT - removed);
    cr_assert_eq(x.w.count, 0);
    for (int i = 0; i < COUNT; i++)
        cr_assert_eq(e[i].expired, i % 3 ? 1 : 0);
    client_deadlines_stop(&x.w);
    sut_loop_free(x.loop);
    free(e);
}

Test(parts, a_jump_over_rounds_expires_all_that_is_due)
{
    wheel_fixture x;
    wheel_start(&x);
    entry e[3] = {
        {.at_ns = x.now + SUT_NS_PER_MS}, {.at_ns = x.now + 5 * SUT_NS_PER_S}, {.at_ns = x.now + 90 * SUT_NS_PER_S}};
    for (int i = 0; i < 3; i++)
        cr_assert_eq(client_deadlines_add(&x.w, &e[i].d, e[i].at_ns), 0);
    x.now += 60 * SUT_NS_PER_S; /* the process was stopped for a minute */
    client_deadlines_run(&x.w, x.now);
    cr_assert_eq(x.expired, 2);
    cr_assert_eq(e[2].expired, 0);
    client_deadlines_stop(&x.w);
    sut_loop_free(x.loop);
}

Test(parts, a_callback_may_remove_its_neighbour)
{
    wheel_fixture x;
    wheel_start(&x);
    entry e[2] = {{.at_ns = x.now + SUT_NS_PER_MS}, {.at_ns = x.now + SUT_NS_PER_MS}};
    for (int i = 0; i < 2; i++)
        cr_assert_eq(client_deadlines_add(&x.w, &e[i].d, e[i].at_ns), 0);
    x.remove_too = &e[1];
    x.now += SUT_NS_PER_S;
    client_deadlines_run(&x.w, x.now);
    cr_assert_eq(e[0].expired, 1);
    cr_assert_eq(e[1].expired, 0);
    client_deadlines_stop(&x.w);
    sut_loop_free(x.loop);
}

Test(parts, the_loop_fires_deadlines_by_itself)
{
    wheel_fixture x;
    wheel_start(&x);
    entry e = {.at_ns = x.now + 30 * SUT_NS_PER_MS};
    x.now = 0;
    cr_assert_eq(client_deadlines_add(&x.w, &e.d, e.at_ns), 0);
    unsigned turns = 0;
    for (; !x.expired; turns++)
        cr_assert_eq(sut_loop_turn(x.loop, -1), 0);
    cr_assert_leq(turns, 4, "%u turns: the wheel wakes the loop without need", turns);
    client_deadlines_stop(&x.w);
    sut_loop_free(x.loop);
}

/* ---- mailbox ---- */

typedef struct letter {
    client_mail mail;
    unsigned thread, number;
} letter;

#define LETTERS 20000
static letter letters[4][LETTERS];
static _Atomic unsigned wakes;

typedef struct writer {
    client_mailbox *box;
    unsigned thread;
    pthread_t handle;
} writer;

static void *write_letters(void *arg)
{
    writer *w = arg;
    for (unsigned i = 0; i < LETTERS; i++) {
        letters[w->thread][i] = (letter){.thread = w->thread, .number = i};
        cr_assert(client_mailbox_put(w->box, &letters[w->thread][i].mail));
    }
    return NULL;
}

static void on_wake(void *arg)
{
    (void)arg;
    wakes++;
}

Test(parts, mails_of_four_threads_arrive_once_and_in_order)
{
    sut_loop *loop;
    cr_assert_eq(sut_loop_new(&loop), 0);
    client_mailbox *box;
    cr_assert_eq(client_mailbox_new(&box, loop, on_wake, NULL), 0);
    writer w[4];
    for (unsigned t = 0; t < 4; t++) {
        w[t] = (writer){.box = box, .thread = t};
        pthread_create(&w[t].handle, NULL, write_letters, &w[t]);
    }
    unsigned next[4] = {0}, total = 0;
    while (total < 4 * LETTERS) {
        cr_assert_eq(sut_loop_turn(loop, 1000), 0); /* sleeps until it is woken */
        for (client_mail *m = client_mailbox_take(box), *after; m; m = after, total++) {
            after = m->next;
            letter *l = SUT_CONTAINER(m, letter, mail);
            cr_assert_eq(l->number, next[l->thread]++);
        }
    }
    for (int t = 0; t < 4; t++)
        pthread_join(w[t].handle, NULL);
    cr_assert_eq(sut_loop_turn(loop, 0), 0); /* a wake-up may be left over */
    cr_assert_geq(wakes, 1);
    client_mailbox_close(box);
    letter late = {.number = 0};
    cr_assert_not(client_mailbox_put(box, &late.mail));
    client_mailbox_drop(box);
    sut_loop_free(loop);
}

Test(parts, a_posted_wake_outlives_its_box_s_owner)
{
    sut_loop *loop;
    cr_assert_eq(sut_loop_new(&loop), 0);
    client_mailbox *box;
    cr_assert_eq(client_mailbox_new(&box, loop, on_wake, NULL), 0);
    client_mailbox_wake(box);
    client_mailbox_close(box);
    client_mailbox_drop(box);
    cr_assert_eq(sut_loop_turn(loop, 0), 0);
    cr_assert_eq(wakes, 0);
    sut_loop_free(loop);
}
