/* The whole of it: sights from a loop, a thread that captures them, questions and their answers. */
#include "fixture.h"

#include "capture/capture.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>

#define CANARY   "canary-5f1d"
#define US_PER_S 1000000

static sut_loop *s_loop;
static sut_capture *s_capture;
static char s_dir[64], s_keys[128];

static void open_capture(uint32_t one_in, uint32_t sights_per_second)
{
    char error[256] = "";
    const sut_capture_options opt = {.dir = s_dir,
                                     .key_file = s_keys,
                                     .bytes = 16u << 20,
                                     .one_in = one_in,
                                     .slow_us = US_PER_S,
                                     .sights_per_second = sights_per_second};
    cr_assert_eq(sut_capture_new(&s_capture, s_loop, &opt, error, sizeof error), 0, "%s", error);
}

static void setup(void)
{
    (void)snprintf(s_dir, sizeof s_dir, "%s", fixture_dir());
    (void)snprintf(s_keys, sizeof s_keys, "%s/capture.keys", s_dir);
    cr_assert_eq(sut_loop_new(&s_loop), 0);
}

static void teardown(void)
{
    s_capture = sut_capture_free(s_capture);
    s_loop = sut_loop_free(s_loop);
    fixture_remove(s_dir);
}

TestSuite(capture, .timeout = 60, .init = setup, .fini = teardown);

static char s_trace[SUT_TRACEPARENT_LEN + 1];

static sut_str trace(unsigned n)
{
    (void)snprintf(s_trace, sizeof s_trace, "00-%032x-%016x-00", n + 1, n + 1);
    return (sut_str){s_trace, SUT_TRACEPARENT_LEN};
}

/* auth.login {password, email} */
static sut_str login_body(void)
{
    return SUT_STR("\x82\xa5"
                   "email\xaf" CANARY "@a.b\xa8password\xab" CANARY);
}

/* As the core does: asked first, then told. */
static void see_call(unsigned n, const char *subject, const char *code)
{
    sut_sight s = {.kind = SUT_SIGHT_CALL,
                   .at_us = sut_wall_us(),
                   .attempt = 1,
                   .call = n + 1,
                   .from = SUT_STR("edge"),
                   .to = SUT_STR("auth"),
                   .subject = sut_str_from(subject),
                   .traceparent = trace(n),
                   .principal = {.user_id = 7, .level = 1},
                   .body = login_body()};
    s.picked = sut_capture_pick(s_capture, s.traceparent, s.subject, s.at_us);
    if (s.picked)
        sut_capture_see(s_capture, &s);
    s.kind = *code ? SUT_SIGHT_ERROR : SUT_SIGHT_REPLY;
    s.from = SUT_STR("auth");
    s.to = SUT_STR("edge");
    s.code = sut_str_from(code);
    s.body = SUT_STR("\x80");
    s.took_us = 10;
    if (s.picked || *code)
        sut_capture_see(s_capture, &s);
}

/* ---- questions ---- */

typedef struct question {
    sut_capture_job job;
    uint8_t trace_id[SUT_TRACE_ID_BYTES]; /* all zero: captured calls */
    uint64_t after;
    size_t limit, count, secrets;
    sut_span last; /* its strings are gone */
    bool answered;
} question;

static bool take(void *arg, const sut_span *s)
{
    question *q = arg;
    q->count++;
    q->last = *s;
    q->secrets += memmem(s->body.ptr ? s->body.ptr : "", s->body.len, "\xa8password\xab", 10) != NULL;
    return !q->limit || q->count < q->limit;
}

static void run(sut_capture_job *job, sut_capture_reader *r)
{
    question *q = SUT_CONTAINER(job, question, job);
    const sut_capture_filter filter = {.user_id = 7, .after = q->after};
    if (q->trace_id[15])
        sut_capture_each_of_trace(r, q->trace_id, take, q);
    else
        sut_capture_each(r, &filter, take, q, &q->after);
}

static void done(sut_capture_job *job)
{
    SUT_CONTAINER(job, question, job)->answered = true;
}

static void ask(question *q)
{
    q->job = (sut_capture_job){.run = run, .done = done};
    q->count = 0;
    q->answered = false;
    cr_assert_eq(sut_capture_ask(s_capture, &q->job), 0);
    while (!q->answered)
        cr_assert_eq(sut_loop_turn(s_loop, -1), 0);
}

Test(capture, what_is_seen_can_be_asked_for)
{
    open_capture(1, 0);
    see_call(0, "auth.login", "");
    question q = {.trace_id = {[15] = 1}};
    ask(&q);
    cr_assert_eq(q.count, 1);
    cr_assert(q.last.ended);
    cr_assert_eq(q.last.user_id, 7);
    cr_assert(q.last.has_body && q.last.cut, "without its secret");
    cr_assert_eq(q.secrets, 0);
    sut_capture_stats st;
    sut_capture_get_stats(s_capture, &st);
    cr_assert_eq(st.seen_total, 1);
    cr_assert_eq(st.taken_total, 2);
    cr_assert_eq(st.lost_total, 0);
    cr_assert_eq(st.fault, 0);
}

Test(capture, pages_go_on_where_the_last_one_ended)
{
    open_capture(1, 1000000);
    for (unsigned i = 0; i < 50; i++)
        see_call(i, "auth.login", "");
    question q = {.limit = 20};
    ask(&q);
    cr_assert_eq(q.count, 20);
    ask(&q);
    cr_assert_eq(q.count, 20);
    cr_assert_neq(q.after, 0);
    ask(&q);
    cr_assert_eq(q.count, 10);
    cr_assert_eq(q.after, 0);
}

Test(capture, the_broker_s_own_methods_are_left_out)
{
    open_capture(1, 0);
    see_call(0, "broker.captured_calls", "forbidden");
    question q = {.trace_id = {[15] = 1}};
    ask(&q);
    cr_assert_eq(q.count, 0);
}

Test(capture, errors_and_restarts)
{
    open_capture(0, 0);
    see_call(0, "auth.login", "");
    see_call(1, "auth.login", "bad_credentials");
    question good = {.trace_id = {[15] = 1}}, bad = {.trace_id = {[15] = 2}};
    ask(&good);
    cr_assert_eq(good.count, 1, "in memory");
    s_capture = sut_capture_free(s_capture);
    open_capture(0, 0);
    ask(&good);
    ask(&bad);
    cr_assert_eq(good.count, 0);
    cr_assert_eq(bad.count, 1);
}

Test(capture, secrets_are_nowhere_on_disk)
{
    static uint8_t bytes[1 << 20];
    char path[400];
    size_t found = 0;
    open_capture(1, 1000000);
    for (unsigned i = 0; i < 20; i++)
        see_call(i, i % 2 ? "auth.login" : "auth.no_such_method", i % 3 ? "" : "bad_credentials");
    s_capture = sut_capture_free(s_capture);
    DIR *d = opendir(s_dir);
    cr_assert(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        (void)snprintf(path, sizeof path, "%s/%s", s_dir, e->d_name);
        FILE *f = fopen(path, "rb");
        const size_t len = f ? fread(bytes, 1, sizeof bytes, f) : 0;
        if (f)
            (void)fclose(f);
        found += memmem(bytes, len, "auth.login", 10) != NULL;
        cr_assert_not(memmem(bytes, len, CANARY, sizeof CANARY - 1), "%s", path);
    }
    closedir(d);
    cr_assert_eq(found, 1, "the search finds what is open");
}

Test(capture, a_flood_is_bounded_and_counted)
{
    sut_capture_stats st;
    open_capture(1, 0);
    for (unsigned i = 0; i < 20000; i++)
        see_call(i, "auth.login", i % 2 ? "" : "not_found");
    sut_capture_get_stats(s_capture, &st);
    cr_assert_eq(st.seen_total, 20000);
    cr_assert_gt(st.passed_total, 0);
    cr_assert_lt(st.taken_total, 40000);
    question q = {.limit = 1};
    ask(&q);
    cr_assert_eq(q.count, 1);
}

Test(capture, keys_may_change_at_any_time)
{
    char text[256];
    open_capture(1, 1000000);
    see_call(0, "auth.login", "");
    question first = {.trace_id = {[15] = 1}}, second = {.trace_id = {[15] = 2}};
    ask(&first);
    const int fd = open(s_keys, O_RDWR);
    cr_assert_geq(fd, 0);
    const ssize_t old = read(fd, text + 70, sizeof text - 70);
    cr_assert_gt(old, 60);
    (void)memcpy(text, "new 000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f", 68);
    text[68] = '\n';
    text[69] = '\n';
    cr_assert_eq(pwrite(fd, text, 70 + (size_t)old, 0), 70 + old);
    close(fd);
    sut_capture_reload(s_capture);
    see_call(1, "auth.login", "");
    ask(&second);
    ask(&first);
    cr_assert(first.last.has_body && second.last.has_body);
    cr_assert_eq(first.count + second.count, 2);
    cr_assert_eq(truncate(s_keys, 10), 0);
    sut_capture_reload(s_capture); /* is logged, and the old ones stay */
    ask(&first);
    cr_assert_eq(first.count, 1);
}

Test(capture, wrong_options_are_told)
{
    char error[256] = "";
    sut_capture *c = NULL;
    const sut_capture_options opt = {.dir = "/proc/nowhere/capture", .key_file = s_keys, .bytes = 16u << 20};
    cr_assert_lt(sut_capture_new(&c, s_loop, &opt, error, sizeof error), 0);
    cr_assert(strstr(error, "/proc/nowhere/capture"), "%s", error);
    cr_assert_not(c);
}
