/* Settings and secrets: what is taken, and the line that each mistake gets. */
#include "base/config.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct settings {
    const char *url, *name;
    int64_t port;
    bool spin;
} settings;

static const sut_setting s_table[] = {
    {"T_URL", SUT_SET_STRING, offsetof(settings, url), NULL, 0, 0, true, "the database"},
    {"T_NAME", SUT_SET_STRING, offsetof(settings, name), "", 0, 0, false, "a name"},
    {"T_PORT", SUT_SET_INT, offsetof(settings, port), "3000", 1, 65535, false, "the port"},
    {"T_SPIN", SUT_SET_BOOL, offsetof(settings, spin), "false", 0, 0, false, "spin or not"},
};

static char s_error[256];

static sut_status load(settings *s)
{
    s_error[0] = '\0';
    return sut_config_load(s_table, SUT_ARRAY_LEN(s_table), s, s_error, sizeof s_error);
}

static void clean(void)
{
    unsetenv("T_NAME");
    unsetenv("T_PORT");
    unsetenv("T_SPIN");
    setenv("T_URL", "postgres://u:canary@h/db", 1);
}

TestSuite(config, .timeout = 10, .init = clean);

Test(config, defaults_and_values)
{
    settings s;
    cr_assert_eq(load(&s), 0);
    cr_assert_str_eq(s.url, "postgres://u:canary@h/db");
    cr_assert_str_eq(s.name, "");
    cr_assert_eq(s.port, 3000);
    cr_assert_not(s.spin);
    setenv("T_PORT", "65535", 1);
    setenv("T_SPIN", "Yes", 1);
    setenv("T_NAME", "x", 1);
    cr_assert_eq(load(&s), 0);
    cr_assert_eq(s.port, 65535);
    cr_assert(s.spin);
    cr_assert_str_eq(s.name, "x");
    setenv("T_PORT", "", 1);
    cr_assert_eq(load(&s), 0);
    cr_assert_eq(s.port, 3000, "empty is not set");
}

Test(config, each_mistake_names_the_variable_and_what_would_be_right)
{
    static const struct {
        const char *name, *value, *error;
    } cases[] = {
        {"T_URL", "", "T_URL is not set: the database"},
        {"T_PORT", "0", "T_PORT: \"0\" is not a whole number from 1 to 65535"},
        {"T_PORT", "65536", "T_PORT: \"65536\" is not a whole number from 1 to 65535"},
        {"T_PORT", "80 ", "T_PORT: \"80 \" is not a whole number from 1 to 65535"},
        {"T_PORT", "http\n", "T_PORT: \"http?\" is not a whole number from 1 to 65535"},
        {"T_SPIN", "maybe", "T_SPIN: \"maybe\" is not true or false"},
    };
    for (size_t i = 0; i < SUT_ARRAY_LEN(cases); i++) {
        settings s;
        clean();
        setenv(cases[i].name, cases[i].value, 1);
        cr_assert_eq(load(&s), -EINVAL);
        cr_assert_str_eq(s_error, cases[i].error);
    }
    char large[500];
    memset(large, '7', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    settings s;
    setenv("T_PORT", large, 1);
    cr_assert_eq(load(&s), -EINVAL);
    cr_assert_not_null(strstr(s_error, "7...\" is not"));
    cr_assert_lt(strlen(s_error), 140);
}

Test(config, a_wrong_secret_is_not_shown)
{
    const sut_setting table[] = {{"T_URL", SUT_SET_INT, offsetof(settings, port), NULL, 0, 9, true, "a number"}};
    settings s;
    cr_assert_eq(sut_config_load(table, 1, &s, s_error, sizeof s_error), -EINVAL);
    cr_assert_null(strstr(s_error, "canary"));
}

/* ---- secrets ---- */

static char s_path[256];

static void secret_file(const char *text, mode_t mode)
{
    const char *dir = getenv("TMPDIR");
    snprintf(s_path, sizeof s_path, "%s/sut-config-test-XXXXXX", dir ? dir : "/tmp");
    int fd = mkstemp(s_path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(fchmod(fd, mode), 0);
    close(fd);
}

static sut_status load_secret(size_t max, char **out, size_t *len)
{
    return sut_secret_load(s_path, max, out, len, s_error, sizeof s_error);
}

Test(config, a_secret_loses_its_newline)
{
    char *secret = NULL;
    size_t len = 0;
    secret_file("hunter2\n", 0600);
    cr_assert_eq(load_secret(100, &secret, &len), 0, "%s", s_error);
    cr_assert_eq(len, 7);
    cr_assert_str_eq(secret, "hunter2");
    free(secret);
    unlink(s_path);
}

static void expect_refused(size_t max, const char *why)
{
    char *secret = NULL;
    size_t len = 0;
    cr_assert_lt(load_secret(max, &secret, &len), 0);
    cr_assert_null(secret);
    cr_assert_eq(strncmp(s_error, s_path, strlen(s_path)), 0, "%s", s_error);
    cr_assert_not_null(strstr(s_error, why), "%s", s_error);
    cr_assert_null(strstr(s_error, "canary"));
}

Test(config, a_secret_that_others_can_read_is_refused)
{
    secret_file("canary\n", 0604);
    expect_refused(100, "mode to 0600");
    chmod(s_path, 0620);
    expect_refused(100, "mode to 0600");
    chmod(s_path, 0600);
    expect_refused(3, "larger");
    if (geteuid() == 0) {
        cr_assert_eq(chown(s_path, 12345, 0), 0);
        expect_refused(100, "owned by");
    }
    unlink(s_path);
    expect_refused(100, "cannot be opened: No such file");
    cr_assert_eq(mkfifo(s_path, 0600), 0);
    expect_refused(100, "not a regular file");
    unlink(s_path);
}

Test(config, an_empty_secret_is_refused)
{
    secret_file("", 0600);
    expect_refused(100, "is empty");
    unlink(s_path);
}

/* ---- the start of a program ---- */

/* Runs sut_program_start in a child and returns its exit code; what it printed is in `out`. */
static int start(char *const *argv, int argc, char *out, size_t size)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    fflush(NULL);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        settings s;
        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        sut_program_start(argc, (char **)argv, "sut-test", "Tests.", s_table, SUT_ARRAY_LEN(s_table), &s);
        _exit(signal(SIGPIPE, SIG_DFL) == SIG_IGN && s.port == 3000 ? 99 : 98);
    }
    close(fds[1]);
    size_t len = 0;
    ssize_t n;
    while ((n = read(fds[0], out + len, size - 1 - len)) > 0)
        len += (size_t)n;
    out[len] = '\0';
    close(fds[0]);
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* LeakSanitizer may add lines of its own to a forked child's standard error. */
static void expect_line(const char *out, const char *line)
{
    cr_assert_eq(strncmp(out, line, strlen(line)), 0, "%s", out);
#ifndef SUT_ASAN
    cr_assert_str_eq(out, line);
#endif
}

Test(config, a_program_starts_or_says_why_not)
{
    static char name[] = "x", settings_option[] = "--settings", version[] = "--version", wrong[] = "--wrong";
    char out[4096];
    cr_assert_eq(start((char *[]){name, NULL}, 1, out, sizeof out), 99);
    cr_assert_str_eq(out, "");
    cr_assert_eq(start((char *[]){name, settings_option, NULL}, 2, out, sizeof out), SUT_EXIT_OK);
    cr_assert_not_null(strstr(out, "| `T_PORT` | 1 to 65535 | `3000` | the port |\n"));
    cr_assert_not_null(strstr(out, "| `T_URL` | text | required | the database (secret) |\n"));
    cr_assert_null(strstr(out, "canary"));
    cr_assert_eq(start((char *[]){name, version, NULL}, 2, out, sizeof out), SUT_EXIT_OK);
    cr_assert_eq(strncmp(out, "sut-test ", 9), 0);
    cr_assert_eq(start((char *[]){name, wrong, NULL}, 2, out, sizeof out), SUT_EXIT_USAGE);
    expect_line(out, "sut-test: error: unknown option \"--wrong\"; try sut-test --help\n");
    setenv("T_PORT", "many", 1);
    cr_assert_eq(start((char *[]){name, NULL}, 1, out, sizeof out), SUT_EXIT_CONFIG);
    expect_line(out, "sut-test: error: T_PORT: \"many\" is not a whole number from 1 to 65535\n");
    clean();
    setenv("LOG_LEVEL", "loud", 1);
    cr_assert_eq(start((char *[]){name, NULL}, 1, out, sizeof out), SUT_EXIT_CONFIG);
    expect_line(out, "sut-test: error: LOG_LEVEL: \"loud\" is not debug, info, warn or error\n");
}
