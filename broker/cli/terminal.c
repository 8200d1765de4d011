/* ANSI escapes (ECMA-48) and termios; a library for three escapes would be the larger thing. */
#include "terminal.h"
#include "inbox.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct {
    struct termios before;
    bool on;
} terminal;

void cli_terminal_end(void)
{
    if (!terminal.on)
        return;
    terminal.on = false;
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal.before);
}

bool cli_terminal_begin(void)
{
    static bool registered;
    const char *term = getenv("TERM");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || !term || strcmp(term, "dumb") == 0 ||
        tcgetattr(STDIN_FILENO, &terminal.before) != 0)
        return false;
    struct termios raw = terminal.before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) != 0)
        return false;
    if (!registered)
        registered = atexit(cli_terminal_end) == 0;
    terminal.on = true;
    fputs("\033[?1049h\033[?25l\033[2J", stdout);
    return true;
}

void cli_terminal_size(int *width, int *height)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
    *width = known ? size.ws_col : 80;
    *height = known ? size.ws_row : 24;
}

void cli_terminal_draw(const char *text, const char *foot)
{
    int width, height;
    cli_terminal_size(&width, &height);
    fputs("\033[H", stdout);
    for (const char *at = text; *at;) {
        size_t len = strcspn(at, "\n");
        fwrite(at, 1, len, stdout);
        fputs("\033[K\r\n", stdout);
        at += len + (at[len] == '\n');
    }
    printf("\033[J\033[%d;1H\033[7m%-*.*s\033[0m", height, width, width, foot);
    fflush(stdout);
}

int cli_terminal_key(int ms)
{
    struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = cli_stop_fd(), .events = POLLIN}};
    unsigned char key;
    if (!cli_stop_asked())
        (void)poll(p, 2, ms);
    if (cli_stop_asked())
        return -1;
    ssize_t n = p[0].revents ? read(STDIN_FILENO, &key, 1) : 0;
    if (p[0].revents && n <= 0)
        return -1; /* the terminal is gone */
    return n == 1 ? key : 0;
}
