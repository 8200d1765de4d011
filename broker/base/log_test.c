/* The log, read back through a pipe in place of standard error. */
#include "base/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int s_pipe[2];
static char s_text[65536];

static void capture(void)
{
    cr_assert_eq(pipe(s_pipe), 0);
    cr_assert_eq(dup2(s_pipe[1], STDERR_FILENO), STDERR_FILENO);
    cr_assert_eq(fcntl(s_pipe[0], F_SETFL, O_NONBLOCK), 0);
    unsetenv("DEBUG");
    unsetenv("LOG_LEVEL");
}

/* What was written since the last look. */
static const char *captured(void)
{
    size_t len = 0;
    ssize_t n;
    while (len < sizeof s_text - 1 && (n = read(s_pipe[0], s_text + len, sizeof s_text - 1 - len)) > 0)
        len += (size_t)n;
    s_text[len] = '\0';
    return s_text;
}

/* The line behind its time stamp, which is checked for shape only. */
static const char *line_after_ts(void)
{
    const char *text = captured();
    cr_assert_eq(strncmp(text, "ts=2", 4), 0, "%s", text);
    cr_assert_eq(text[3 + 27], ' ');
    cr_assert_eq(text[3 + 26], 'Z');
    return text + 3 + 28;
}

TestSuite(log, .timeout = 10, .init = capture);

Test(log, a_line_holds_all_that_was_given)
{
    sut_log(SUT_INFO, "broker", "peer.welcome", SUT_KV("peer", "user-1"), SUT_KV_U("session", UINT64_MAX),
            SUT_KV_I("delta", -5), SUT_KV_F("ratio", 0.25));
    cr_assert_str_eq(line_after_ts(),
                     "level=info ns=broker event=peer.welcome peer=user-1 session=18446744073709551615 "
                     "delta=-5 ratio=0.25\n");
    sut_log_init("sut-broker");
    sut_log_set_trace("0af7651916cd43dd8448eb211c80319c");
    sut_log(SUT_WARN, "broker", "x");
    cr_assert_str_eq(line_after_ts(),
                     "level=warn proc=sut-broker ns=broker event=x trace=0af7651916cd43dd8448eb211c80319c\n");
    sut_log_set_trace(NULL);
    sut_log(SUT_ERROR, "broker", "y");
    cr_assert_str_eq(line_after_ts(), "level=error proc=sut-broker ns=broker event=y\n");
}

Test(log, values_cannot_forge_keys_or_lines)
{
    sut_log(SUT_INFO, "a", "b", SUT_KV("v", "two words"), SUT_KV("e", ""), SUT_KV("n", NULL), SUT_KV("k", "a=b"),
            SUT_KV("q", "say \"hi\"\\"), SUT_KV("l", "x\nlevel=error\r\x1b[31m\x7f"));
    cr_assert_str_eq(line_after_ts(), "level=info ns=a event=b v=\"two words\" e=\"\" n=\"\" k=\"a=b\" "
                                      "q=\"say \\\"hi\\\"\\\\\" l=\"x\\nlevel=error\\x0d\\x1b[31m\\x7f\"\n");
    sut_log(SUT_INFO, "a", "b", SUT_KV("u", "\xC3\xA9t\xC3\xA9"), SUT_KV("bad", "\xFFz"),
            SUT_KV_S("nul", ((sut_str){"a\0b", 3})));
    cr_assert_str_eq(line_after_ts(), "level=info ns=a event=b u=\xC3\xA9t\xC3\xA9 bad=\"\\xffz\" nul=\"a\\x00b\"\n");
}

Test(log, what_does_not_fit_is_left_out_whole_and_said)
{
    static char large[5000];
    memset(large, 'x', sizeof large - 1);
    sut_log(SUT_INFO, "a", "b", SUT_KV("large", large), SUT_KV_U("after", 1));
    cr_assert_str_eq(line_after_ts(), "level=info ns=a event=b after=1 truncated=true\n");
    large[4030] = '\0';
    sut_log(SUT_INFO, "a", "b", SUT_KV("large", large));
    const char *text = captured();
    cr_assert_leq(strlen(text), 4096);
    cr_assert_eq(text[strlen(text) - 1], '\n');
}

Test(log, levels_follow_the_environment)
{
    static const struct {
        const char *level;
        bool on[4];
    } cases[] = {{"debug", {true, true, true, true}},
                 {"info", {false, true, true, true}},
                 {"warn", {false, false, true, true}},
                 {"error", {false, false, false, true}},
                 {"nonsense", {false, true, true, true}}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        setenv("LOG_LEVEL", cases[i].level, 1);
        sut_log_init("p");
        for (int level = 0; level < 4; level++)
            cr_assert_eq(sut_log_on((sut_log_level)level, "any"), cases[i].on[level], "%s %d", cases[i].level, level);
    }
    setenv("LOG_LEVEL", "error", 1);
    sut_log_init("p");
    sut_log(SUT_INFO, "a", "b");
    cr_assert_str_eq(captured(), "");
}

Test(log, debug_names_namespaces_as_the_debug_package_does)
{
    static const struct {
        const char *debug, *ns;
        bool on;
    } cases[] = {
        {"", "broker", false},
        {"shareuptime:*", "broker", true},
        {"shareuptime:*", "kit:fiber", true},
        {"shareuptime:broker", "broker", true},
        {"shareuptime:broker", "broker:peers", false},
        {"shareuptime:kit:*", "kit:fiber", true},
        {"shareuptime:kit:*", "kit", false},
        {"shareuptime:a, shareuptime:b", "b", true},
        {"shareuptime:a shareuptime:b", "a", true},
        {"shareuptime:*,-shareuptime:loop", "loop", false},
        {"shareuptime:*,-shareuptime:loop", "loops", true},
        {"-shareuptime:kit:*,shareuptime:*", "kit:pg", false},
        {"-shareuptime:kit:*", "broker", false},
        {"*", "anything", true},
        {"*:fi*r", "kit:fiber", true},
        {"*:fi*r", "kit:fibers", false},
        {"express:*", "broker", false},
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        setenv("DEBUG", cases[i].debug, 1);
        sut_log_init("p");
        cr_assert_eq(sut_log_on(SUT_DEBUG, cases[i].ns), cases[i].on, "DEBUG=%s %s", cases[i].debug, cases[i].ns);
        cr_assert(sut_log_on(SUT_INFO, cases[i].ns));
    }
    setenv("DEBUG", "shareuptime:trace", 1);
    sut_log_init("p");
    cr_assert_eq(SUT_TRACE(-ENOENT, "open"), -ENOENT);
    const char *text = captured();
    cr_assert_not_null(strstr(text, "status=-2 error=\"No such file or directory\" what=open file=log_test.c line="));
}

Test(log, a_reader_that_has_stopped_holds_nobody_up)
{
    static char pad[3000];
    memset(pad, 'x', sizeof pad - 1);
    for (int i = 0; i < 100; i++) /* more than any pipe holds */
        sut_log(SUT_INFO, "a", "b", SUT_KV("pad", pad));
    const char *text = captured();
    size_t len = strlen(text), written = 0;
    cr_assert_eq(text[len - 1], '\n');
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        written++;
    cr_assert_lt(written, 100);
    char want[80];
    snprintf(want, sizeof want, "level=info ns=a event=c dropped=%zu\n", 100 - written);
    sut_log(SUT_INFO, "a", "c");
    cr_assert_str_eq(line_after_ts(), want);
    sut_log(SUT_INFO, "a", "d");
    cr_assert_str_eq(line_after_ts(), "level=info ns=a event=d\n");
}

static void *write_lines(void *arg)
{
    sut_log_set_trace(arg);
    for (int i = 0; i < 100; i++)
        sut_log(SUT_INFO, "a", "b", SUT_KV("pad", "0123456789012345678901234567890123456789"), SUT_KV_I("end", 1));
    return NULL;
}

Test(log, lines_of_several_threads_stay_whole)
{
    static char names[3][33] = {"00000000000000000000000000000001", "00000000000000000000000000000002", ""};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, write_lines, names[i][0] ? names[i] : NULL), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    char *rest = NULL;
    int lines = 0, traced = 0;
    captured();
    for (char *p = strtok_r(s_text, "\n", &rest); p; p = strtok_r(NULL, "\n", &rest), lines++) {
        size_t len = strlen(p);
        cr_assert_eq(strncmp(p, "ts=", 3), 0);
        cr_assert_str_eq(p + len - 6, " end=1");
        traced += strstr(p, " trace=0000") != NULL;
    }
    cr_assert_eq(lines, 300);
    cr_assert_eq(traced, 200, "the trace belongs to its thread");
}
