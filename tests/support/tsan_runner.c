/* Runs Criterion's tests without Criterion's runner, for builds under ThreadSanitizer only: there BoxFort cannot map
 * its arena ("Could not initialize inheritable arena"). The tests are found in the section that the Test macro puts
 * them in; each runs in a forked child with its suite's and its own set-up, a few beside each other; the few functions
 * that the macros call are here. Arguments: --filter SUITE/TEST (a glob). Prints what Criterion prints of failures, and
 * its closing line. */
#include <criterion/criterion.h>
#include <criterion/options.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOWDOWN 5 /* TSan's, for time limits */
#define JOBS     4 /* tests at a time: most of them wait */

extern struct criterion_test *__start_cr_tst[], *__stop_cr_tst[];
extern struct criterion_suite *__start_cr_sts[] __attribute__((weak)), *__stop_cr_sts[] __attribute__((weak));

struct criterion_options criterion_options;
static const struct criterion_test *s_test;
static const struct criterion_suite *s_suite;
static struct {
    pid_t pid;
    const struct criterion_test *test;
} s_running[JOBS];
static int s_failing;

/* ---- what the macros call ---- */

int cr_asprintf(char **out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vasprintf(out, format, args);
    va_end(args);
    return n;
}

void cr_asprintf_free(char *text)
{
    free(text);
}

char *cr_translate_assert_msg(int index, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, index);
    const char *what = va_arg(args, const char *);
    va_end(args);
    return asprintf(&text, "%s", what) < 0 ? NULL : text;
}

void cri_asserts_passed_incr(void)
{
}

void criterion_send_assert(struct criterion_assert_stats *stats)
{
    if (!stats->passed)
        fprintf(stderr, "[----] %s:%u: Assertion Failed: %s\n", stats->file, stats->line, stats->message);
}

void criterion_abort_test(void)
{
    _exit(1);
}

void criterion_continue_test(void)
{
    _exit(1); /* no test of ours goes on after a failed expectation under TSan */
}

void criterion_skip_test(const char *format, ...)
{
    (void)format;
    exit(0);
}

/* No test of ours reads back what it has redirected. */
void cr_redirect_stdout(void)
{
    if (!freopen("/dev/null", "w", stdout))
        _exit(1);
}

/* Stays: what TSan reports, and why a test fails, is read there. */
void cr_redirect_stderr(void)
{
}

void criterion_internal_test_setup(void)
{
    if (s_suite && s_suite->data && s_suite->data->init)
        s_suite->data->init();
    if (s_test->data->init)
        s_test->data->init();
}

void criterion_internal_test_main(void (*fn)(void))
{
    fn();
}

void criterion_internal_test_teardown(void)
{
    if (s_test->data->fini)
        s_test->data->fini();
    if (s_suite && s_suite->data && s_suite->data->fini)
        s_suite->data->fini();
}

/* ---- the runner ---- */

static const struct criterion_suite *suite_of(const struct criterion_test *test)
{
    for (struct criterion_suite **s = __start_cr_sts; s && s < __stop_cr_sts; s++)
        if (*s && strcmp((*s)->name, test->category) == 0)
            return *s;
    return NULL;
}

static unsigned time_limit(void)
{
    double seconds = s_test->data->timeout;
    if (seconds <= 0 && s_suite && s_suite->data)
        seconds = s_suite->data->timeout;
    return seconds > 0 ? (unsigned)(seconds * SLOWDOWN) + 1 : 600;
}

static bool passed(const struct criterion_test *test, int status)
{
    if (WIFSIGNALED(status)) {
        if (WTERMSIG(status) == test->data->signal)
            return true;
        fprintf(stderr, "[----] %s::%s: %s\n", test->category, test->name, strsignal(WTERMSIG(status)));
        return false;
    }
    return test->data->signal == 0 && WEXITSTATUS(status) == test->data->exit_code;
}

static void failed(const struct criterion_test *test)
{
    s_failing++;
    fprintf(stderr, "[FAIL] %s::%s\n", test->category, test->name);
}

/* Waits until one of the running tests ends. False if none runs. */
static bool reap(void)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, 0)) < 0)
        if (errno != EINTR)
            return false;
    for (int i = 0; i < JOBS; i++)
        if (s_running[i].pid == pid) {
            s_running[i].pid = 0;
            if (!passed(s_running[i].test, status))
                failed(s_running[i].test);
        }
    return true;
}

static void start(const struct criterion_test *test)
{
    int i = 0;
    while (i < JOBS && s_running[i].pid)
        if (++i == JOBS && reap())
            i = 0;
    s_test = test;
    s_suite = suite_of(test);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        (void)alarm(time_limit());
        test->test();
        exit(0); /* TSan turns it into 66 if it has reported anything */
    }
    if (pid < 0)
        failed(test);
    else
        s_running[i].pid = pid, s_running[i].test = test;
}

int main(int argc, char **argv)
{
    const char *filter = argc == 3 && strcmp(argv[1], "--filter") == 0 ? argv[2] : "*";
    int tested = 0;
    for (struct criterion_test **t = __start_cr_tst; t < __stop_cr_tst; t++) {
        char name[256];
        if (!*t || (*t)->data->disabled)
            continue;
        (void)snprintf(name, sizeof name, "%s/%s", (*t)->category, (*t)->name);
        if (fnmatch(filter, name, 0) != 0)
            continue;
        tested++;
        if ((*t)->data->kind_ == CR_TEST_NORMAL)
            start(*t);
        else
            failed(*t);
    }
    while (reap())
        continue;
    fprintf(stderr, "[====] Synthesis: Tested: %d | Passing: %d | Failing: %d | Crashing: 0\n", tested,
            tested - s_failing, s_failing);
    return s_failing > 0 || tested == 0;
}
