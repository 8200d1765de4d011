/* The command line: one table of options, one of commands, and the parser over both. */
#include "cli.h"

#include <string.h>

#define AT(field) offsetof(cli_args, field)

const cli_option cli_options[] = {
    {"--run", "DIR", AT(run_dir), "use the system of this run directory (its env file)"},
    {"--broker", "URL", AT(broker), "the broker's endpoint, instead of SUT_BROKER"},
    {"--name", "NAME", AT(name), "our name as a peer, instead of SUT_NAME"},
    {"--secret-file", "FILE", AT(secret_file), "the file of our secret, instead of SUT_SECRET_FILE"},
    {"--timeout", "MS", AT(timeout), "how long to wait for the answer"},
    {"--json", NULL, AT(json), "print JSON on one line, for programs"},
    {"--help", NULL, AT(help), "print help"},
    {"--idempotency-key", "KEY", AT(idempotency_key), "the same key never executes twice within 24 hours"},
    {"--key", "KEY", AT(key), "the key of the call's lane"},
    {"--instance", "ID", AT(instance), "only this instance of the service"},
    {"--as", "USER[:LEVEL]", AT(as), "for whom (only peers with the role edge or actor may)"},
    {"--raw", NULL, AT(raw), "send and show what is given, without a schema"},
    {"--names", NULL, AT(names), "only names, one a line"},
};
const size_t cli_option_count = SUT_ARRAY_LEN(cli_options);

#define COMMON_COUNT 7 /* the first ones are known to every command */

static const char *const call_options[] = {"--idempotency-key", "--key", "--instance", "--as", "--raw", NULL};
static const char *const methods_options[] = {"--names", NULL};
static const char *const no_options[] = {NULL};

const cli_command cli_commands[] = {
    {"call", "METHOD [JSON | - | @FILE]", 1, 2, call_options, "call a method", cli_run_call},
    {"status", "", 0, 0, no_options, "what the broker does: load, services, peers", cli_run_status},
    {"services", "", 0, 0, no_options, "services, their instances, credits, queues and latencies", cli_run_services},
    {"peers", "", 0, 0, no_options, "who is connected", cli_run_peers},
    {"methods", "[METHOD]", 0, 1, methods_options, "methods that can be called; the fields of one", cli_run_methods},
    {"ping", "", 0, 0, no_options, "is the broker there, and how fast does it answer", cli_run_ping},
    {"key", "new | revoke | list", 0, 0, no_options, "add and remove peers", NULL},
    {"completion", "bash | zsh", 1, 1, no_options, "print the completion script of a shell", cli_run_completion},
    {"help", "[COMMAND]", 0, 1, no_options, "print help", cli_run_help},
    {"version", "", 0, 0, no_options, "print the version", cli_run_version},
};
const size_t cli_command_count = SUT_ARRAY_LEN(cli_commands);

const cli_command *cli_command_find(const char *name)
{
    for (size_t i = 0; i < cli_command_count; i++)
        if (strcmp(cli_commands[i].name, name) == 0)
            return &cli_commands[i];
    return NULL;
}

bool cli_option_is_common(const char *name)
{
    for (size_t i = 0; i < COMMON_COUNT; i++)
        if (strcmp(cli_options[i].name, name) == 0)
            return true;
    return false;
}

/* The option that `arg` names, as `--name` or `--name=value`. */
static const cli_option *find_option(const char *arg)
{
    size_t len = strcspn(arg, "=");
    if (strcmp(arg, "-h") == 0)
        return find_option("--help");
    for (size_t i = 0; i < cli_option_count; i++)
        if (strlen(cli_options[i].name) == len && strncmp(cli_options[i].name, arg, len) == 0)
            return &cli_options[i];
    return NULL;
}

static bool known_to(const cli_command *cmd, const cli_option *o)
{
    if (cli_option_is_common(o->name))
        return true;
    for (size_t i = 0; cmd && cmd->options[i]; i++)
        if (strcmp(cmd->options[i], o->name) == 0)
            return true;
    return false;
}

/* Takes the option at argv[*at] and moves *at behind it. */
static bool take_option(int argc, const char *const *argv, int *at, const cli_command *cmd, cli_args *a, char *error,
                        size_t size)
{
    const char *arg = argv[(*at)++];
    const cli_option *o = find_option(arg);
    const char *value = strchr(arg, '=');
    if (!o || !known_to(cmd, o)) {
        snprintf(error, size, "unknown option '%.60s'%s%s", arg, cmd ? " for " : "", cmd ? cmd->name : "");
        return false;
    }
    if (!o->argument) {
        if (value) {
            snprintf(error, size, "%s takes no value", o->name);
            return false;
        }
        *(bool *)(void *)((char *)a + o->offset) = true;
        return true;
    }
    value = value ? value + 1 : *at < argc ? argv[(*at)++] : NULL;
    if (!value || !*value) {
        snprintf(error, size, "%s needs a value: %s %s", o->name, o->name, o->argument);
        return false;
    }
    *(const char **)(void *)((char *)a + o->offset) = value;
    return true;
}

bool cli_parse_common(int argc, const char *const *argv, cli_args *a, int *next, char *error, size_t error_size)
{
    *next = 1;
    while (*next < argc && argv[*next][0] == '-' && argv[*next][1])
        if (!take_option(argc, argv, next, NULL, a, error, error_size))
            return false;
    return true;
}

bool cli_parse(int argc, const char *const *argv, const cli_command *cmd, cli_args *a, char *error, size_t error_size)
{
    bool only_positions = false;
    for (int at = 0; at < argc;) {
        const char *arg = argv[at];
        if (!only_positions && strcmp(arg, "--") == 0) {
            only_positions = true;
            at++;
        } else if (!only_positions && arg[0] == '-' && arg[1]) {
            if (!take_option(argc, argv, &at, cmd, a, error, error_size))
                return false;
        } else if (a->position_count == cmd->positions_max) {
            snprintf(error, error_size, "too many arguments: '%.60s'", arg);
            return false;
        } else {
            a->position[a->position_count++] = arg;
            at++;
        }
    }
    if (!a->help && a->position_count < cmd->positions_min) {
        snprintf(error, error_size, "too few arguments: sut %s %s", cmd->name, cmd->positions);
        return false;
    }
    return true;
}
