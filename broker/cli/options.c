/* The parser of the command line, over the tables of options and commands. */
#include "cli.h"

#include <string.h>

#define COMMON_COUNT 7 /* the first ones are known to every command */

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
    static const char *const shorts[][2] = {{"-h", "--help"}, {"-v", "--verbose"}, {"-y", "--yes"}};
    for (size_t i = 0; i < SUT_ARRAY_LEN(shorts); i++)
        if (strcmp(arg, shorts[i][0]) == 0)
            return find_option(shorts[i][1]);
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
