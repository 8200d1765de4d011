/* sut: the command line of the bus. Finds the command, reads its options, runs it. */
#include "cli.h"
#include "key.h"

#include "base/log.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static int usage(const char *error)
{
    cli_complain("%s", error);
    fputs("  sut help says how\n", stderr);
    return SUT_EXIT_USAGE;
}

static int run(const cli_command *cmd, int argc, char **argv, cli_args *a)
{
    char error[256];
    if (cmd->run && !cli_parse(argc - 1, (const char *const *)argv + 1, cmd, a, error, sizeof error))
        return usage(error);
    if (a->help) {
        cli_help_command(cmd, stdout);
        return SUT_EXIT_OK;
    }
    int code = cli_environment(a);
    if (code != 0)
        return code;
    if (!cmd->run)
        return sut_key_command(argc, argv);
    return cmd->run(a, stdout);
}

int main(int argc, char **argv)
{
    char error[256];
    int next;
    cli_args a = {.json = false};
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return SUT_EXIT_SOFTWARE;
    setenv("LOG_LEVEL", "error", 0); /* what matters is said in words; LOG_LEVEL=debug shows more */
    sut_log_init("sut");
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return cli_run_version(&a, stdout);
    if (!cli_parse_common(argc, (const char *const *)argv, &a, &next, error, sizeof error))
        return usage(error);
    if (next == argc) {
        cli_help(a.help ? stdout : stderr);
        return a.help ? SUT_EXIT_OK : SUT_EXIT_USAGE;
    }
    const cli_command *cmd = cli_command_find(argv[next]);
    if (!cmd) {
        snprintf(error, sizeof error, "there is no command '%.60s'", argv[next]);
        return usage(error);
    }
    int code = run(cmd, argc - next, argv + next, &a);
    if (fflush(stdout) != 0 && code == 0) {
        cli_complain("standard output cannot be written");
        code = SUT_EXIT_IO;
    }
    return code;
}
