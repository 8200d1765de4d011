/* Terminal or not. */
#include "tty.h"

#include <stdlib.h>
#include <unistd.h>

bool cli_colours(FILE *out)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return fileno(out) >= 0 && isatty(fileno(out)) == 1 && !(no && *no) && !(term && term[0] == 'd'); /* dumb */
}

static const char *code(FILE *out, const char *escape)
{
    return cli_colours(out) ? escape : "";
}

const char *cli_dim(FILE *out)
{
    return code(out, "\033[2m");
}

const char *cli_bold(FILE *out)
{
    return code(out, "\033[1m");
}

const char *cli_red(FILE *out)
{
    return code(out, "\033[31m");
}

const char *cli_green(FILE *out)
{
    return code(out, "\033[32m");
}

const char *cli_yellow(FILE *out)
{
    return code(out, "\033[33m");
}

const char *cli_cyan(FILE *out)
{
    return code(out, "\033[36m");
}

const char *cli_plain(FILE *out)
{
    return code(out, "\033[0m");
}

void cli_print_clean(FILE *out, const char *before, const char *text)
{
    fputs(before, out);
    for (; *text; text++)
        fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}
