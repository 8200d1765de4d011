/* Help, from the tables that the parser uses. */
#include "cli.h"

#include <string.h>

static void print_option(const cli_option *o, FILE *out)
{
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
    fprintf(out, "  %-24s %s\n", left, o->doc);
}

static void print_common(FILE *out)
{
    fputs("\nOptions of every command:\n", out);
    for (size_t i = 0; i < cli_option_count; i++)
        if (cli_option_is_common(cli_options[i].name))
            print_option(&cli_options[i], out);
}

static void print_group(cli_command_group group, FILE *out)
{
    fprintf(out, "\n%s:\n", cli_group_titles[group]);
    for (size_t i = 0; i < cli_command_count; i++) {
        const cli_command *c = &cli_commands[i];
        char left[96];
        if (c->group != group)
            continue;
        snprintf(left, sizeof left, "%s %s", c->name, c->positions);
        if (strlen(left) > 32)
            fprintf(out, "  %s\n  %-32s %s\n", left, "", c->summary);
        else
            fprintf(out, "  %-32s %s\n", left, c->summary);
    }
}

void cli_help(FILE *out)
{
    fputs("usage: sut [OPTION]... COMMAND [ARGUMENT]...\n\n"
          "Calls methods and handles events on the ShareUpTime bus, and shows what it does.\n",
          out);
    for (int g = 0; g < CLI_GROUP_COUNT; g++)
        print_group((cli_command_group)g, out);
    print_common(out);
    fputs("\nWithout --run or SUT_BROKER, the system of the checkout around the current directory is used (run/env).\n"
          "Exit codes: 0 done; 1 the method answered with its own error; 64 wrong command line; 65 wrong input;\n"
          "66 no such file; 69 not available; 70 a fault; 75 try again later; 77 refused; 78 wrong setting.\n\n"
          "  sut help COMMAND                  options and examples of one\n"
          "  sut call user.profile_get '{\"user_id\": 4096}'\n"
          "  sut tap 'auth.>'\n",
          out);
}

void cli_help_command(const cli_command *cmd, FILE *out)
{
    fprintf(out, "usage: sut %s%s%s [OPTION]...\n\n%s\n", cmd->name, *cmd->positions ? " " : "", cmd->positions,
            cmd->summary);
    if (cmd->options[0])
        fputs("\nOptions:\n", out);
    for (size_t k = 0; cmd->options[k]; k++)
        for (size_t i = 0; i < cli_option_count; i++)
            if (strcmp(cli_options[i].name, cmd->options[k]) == 0)
                print_option(&cli_options[i], out);
    print_common(out);
    if (cmd->examples)
        fprintf(out, "\nExamples:\n%s", cmd->examples);
}

int cli_run_help(const cli_args *a, FILE *out)
{
    if (a->position_count == 0) {
        cli_help(out);
        return SUT_EXIT_OK;
    }
    const cli_command *cmd = cli_command_find(a->position[0]);
    if (!cmd) {
        cli_complain("there is no command '%.60s'; sut help lists them", a->position[0]);
        return SUT_EXIT_USAGE;
    }
    cli_help_command(cmd, out);
    return SUT_EXIT_OK;
}

int cli_run_version(const cli_args *a, FILE *out)
{
    if (a->json)
        fprintf(out, "{\"version\":\"%s\",\"protocol\":%d}\n", SUT_VERSION, SUT_PROTOCOL_VERSION);
    else
        fprintf(out, "sut %s (protocol %d)\n", SUT_VERSION, SUT_PROTOCOL_VERSION);
    return SUT_EXIT_OK;
}
