/* sut completion: scripts for shells, from the same tables as the parser. Method names are asked from `sut` itself. */
#include "cli.h"

#include <string.h>

static void commands(FILE *out)
{
    for (size_t i = 0; i < cli_command_count; i++)
        fprintf(out, "%s%s", i ? " " : "", cli_commands[i].name);
}

static void options(FILE *out, const cli_command *cmd)
{
    bool first = true;
    for (size_t i = 0; i < cli_option_count; i++) {
        bool known = cli_option_is_common(cli_options[i].name);
        for (size_t k = 0; !known && cmd->options[k]; k++)
            known = strcmp(cmd->options[k], cli_options[i].name) == 0;
        if (known)
            fprintf(out, "%s%s", first ? "" : " ", cli_options[i].name);
        first = first && !known;
    }
}

static void words(FILE *out, const cli_command *cmd)
{
    for (size_t i = 0; cmd->words[i]; i++)
        fprintf(out, "%s%s", i ? " " : "", cmd->words[i]);
}

static void bash(FILE *out)
{
    fputs(
        "# bash completion of sut: eval \"$(sut completion bash)\"\n"
        "_sut() {\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= i\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        case ${COMP_WORDS[i]} in\n"
        "        --run|--broker|--name|--secret-file|--timeout) ((i++)) ;;\n"
        "        -*) ;;\n"
        "        *) command=${COMP_WORDS[i]}; break ;;\n"
        "        esac\n"
        "    done\n"
        "    case $before in\n"
        "    --run) COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n"
        "    --secret-file|--other-secret-file|--file) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n"
        "    --dir) COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n"
        "    --group|--to-group) COMPREPLY=($(compgen -W \"$(sut groups --names 2>/dev/null)\" -- \"$word\")); return "
        ";;\n"
        "    --speed) COMPREPLY=($(compgen -W '1x 10x max' -- \"$word\")); return ;;\n"
        "    --start) COMPREPLY=($(compgen -W 'end beginning' -- \"$word\")); return ;;\n"
        "    --ack) COMPREPLY=($(compgen -W 'auto none nack' -- \"$word\")); return ;;\n"
        "    --kind) COMPREPLY=($(compgen -W 'call reply event error' -- \"$word\")); return ;;\n"
        "    esac\n"
        "    case $command:$before in\n"
        "    call:call|methods:methods) COMPREPLY=($(compgen -W \"$(sut methods --names 2>/dev/null)\" -- \"$word\")); "
        "return ;;\n"
        "    publish:publish|subscribe:subscribe) COMPREPLY=($(compgen -W \"$(sut methods --events --names "
        "2>/dev/null)\" -- \"$word\")); return ;;\n"
        "    record:record|fixture:fixture) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n",
        out);
    for (size_t i = 0; i < cli_command_count; i++)
        if (cli_commands[i].words) {
            const char *name = cli_commands[i].name;
            fprintf(out, "    %s:%s) COMPREPLY=($(compgen -W '", name, name);
            words(out, &cli_commands[i]);
            fputs("' -- \"$word\")); return ;;\n", out);
        }
    fputs("    esac\n"
          "    case $command in\n"
          "    '') COMPREPLY=($(compgen -W '",
          out);
    commands(out);
    fputs("' -- \"$word\")) ;;\n", out);
    for (size_t i = 0; i < cli_command_count; i++) {
        fprintf(out, "    %s) COMPREPLY=($(compgen -W '", cli_commands[i].name);
        options(out, &cli_commands[i]);
        fputs("' -- \"$word\")) ;;\n", out);
    }
    fputs("    esac\n}\ncomplete -F _sut sut\n", out);
}

static void zsh(FILE *out)
{
    fputs("#compdef sut\n"
          "# zsh completion of sut: sut completion zsh > a file named _sut in a folder of $fpath\n"
          "_sut() {\n"
          "    local -a commands\n    commands=(\n",
          out);
    for (size_t i = 0; i < cli_command_count; i++)
        fprintf(out, "        '%s:%s'\n", cli_commands[i].name, cli_commands[i].summary);
    fputs("    )\n"
          "    if (( CURRENT == 2 )); then\n"
          "        _describe command commands\n"
          "        return\n"
          "    fi\n"
          "    case $words[2] in\n"
          "    call|methods) (( CURRENT == 3 )) && { compadd -- ${(f)\"$(sut methods --names 2>/dev/null)\"}; return } "
          ";;\n"
          "    publish|subscribe) (( CURRENT == 3 )) && { compadd -- ${(f)\"$(sut methods --events --names "
          "2>/dev/null)\"}; return } ;;\n",
          out);
    for (size_t i = 0; i < cli_command_count; i++)
        if (cli_commands[i].words) {
            fprintf(out, "    %s) (( CURRENT == 3 )) && { compadd -- ", cli_commands[i].name);
            words(out, &cli_commands[i]);
            fputs("; return } ;;\n", out);
        }
    fputs("    esac\n"
          "    case $words[2] in\n",
          out);
    for (size_t i = 0; i < cli_command_count; i++) {
        fprintf(out, "    %s) compadd -- ", cli_commands[i].name);
        options(out, &cli_commands[i]);
        fputs(" ;;\n", out);
    }
    fputs("    esac\n}\n_sut \"$@\"\n", out);
}

int cli_run_completion(const cli_args *a, FILE *out)
{
    if (strcmp(a->position[0], "bash") == 0) {
        bash(out);
    } else if (strcmp(a->position[0], "zsh") == 0) {
        zsh(out);
    } else {
        cli_complain("completion '%.40s': must be bash or zsh", a->position[0]);
        return SUT_EXIT_USAGE;
    }
    return SUT_EXIT_OK;
}
