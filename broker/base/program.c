/* What every main() of ours starts with (declared in base/config.h): the three options that print something, the
 * settings, the log, and the one way to die. */
#include "base/config.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *s_name;

void sut_program_die(int code, const char *fmt, ...)
{
    char text[1024], line[1200];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (char *p = text; *p; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    int n = snprintf(line, sizeof line, "%s: error: %s\n", s_name ? s_name : program_invocation_short_name, text);
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0) {
        /* nowhere to say so; the exit code remains */
    }
    exit(code);
}

/* Settings that every program has, whatever its table says. */
static void print_common(void)
{
    printf(
        "| `DEBUG` | text | none | Namespaces whose debug lines are written, as `shareuptime:*,-shareuptime:loop`. |\n"
        "| `LOG_LEVEL` | debug, info, warn or error | `info` | Lines below this level are not written. |\n");
}

static void print_help(const char *name, const char *summary, const sut_setting *table, size_t count)
{
    printf("usage: %s [--help | --version | --settings]\n\n%s\n\n"
           "Settings are read from the environment:\n\n"
           "| variable | value | default | meaning |\n|---|---|---|---|\n",
           name, summary);
    sut_config_print(table, count);
    print_common();
}

static void options(int argc, char **argv, const char *name, const char *summary, const sut_setting *table,
                    size_t count)
{
    if (argc < 2)
        return;
    if (argc > 2)
        sut_program_die(SUT_EXIT_USAGE, "one option at most; try %s --help", name);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(name, summary, table, count);
    } else if (strcmp(argv[1], "--version") == 0) {
        printf("%s %s\n", name, SUT_VERSION);
    } else if (strcmp(argv[1], "--settings") == 0) {
        sut_config_print(table, count);
        print_common();
    } else {
        sut_program_die(SUT_EXIT_USAGE, "unknown option \"%.60s\"; try %s --help", argv[1], name);
    }
    if (fflush(stdout) != 0)
        sut_program_die(SUT_EXIT_IO, "standard output cannot be written");
    exit(SUT_EXIT_OK);
}

void sut_program_start(int argc, char **argv, const char *name, const char *summary, const sut_setting *table,
                       size_t count, void *settings)
{
    static const char *const levels[] = {"", "debug", "info", "warn", "error"};
    char error[512];
    s_name = name;
    options(argc, argv, name, summary, table, count);
    const char *level = getenv("LOG_LEVEL");
    bool known = !level;
    for (size_t i = 0; level && i < SUT_ARRAY_LEN(levels); i++)
        known = known || strcmp(level, levels[i]) == 0;
    if (!known)
        sut_program_die(SUT_EXIT_CONFIG, "LOG_LEVEL: \"%.40s\" is not debug, info, warn or error", level);
    if (sut_config_load(table, count, settings, error, sizeof error))
        sut_program_die(SUT_EXIT_CONFIG, "%s", error);
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        sut_program_die(SUT_EXIT_SOFTWARE, "SIGPIPE cannot be ignored");
    sut_log_init(name);
}
