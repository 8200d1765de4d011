/* The progress line. */
#include "progress.h"
#include "table.h"

#include "base/clock.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_WIDTH 20
#define REDRAW_NS (100 * SUT_NS_PER_MS)

void cli_progress_begin(cli_progress *p, const char *what, uint64_t total)
{
    *p = (cli_progress){.what = what, .total = total, .begun_ns = sut_now_ns(), .on = isatty(STDERR_FILENO) == 1};
    p->shown_ns = p->begun_ns; /* what is over within a tenth of a second needs no line */
}

const char *cli_progress_line(const char *what, uint64_t done, uint64_t total, double seconds, int width,
                              char out[PROGRESS_SIZE])
{
    char rate[UNIT_MAX], left[UNIT_MAX], bar[BAR_WIDTH + 1];
    double per_second = seconds > 0 ? (double)done / seconds : 0;
    unsigned long long n = done, of = total;
    cli_rate(per_second, rate);
    if (total == 0) {
        snprintf(out, PROGRESS_SIZE, "%llu %s  %s", n, what, rate);
    } else {
        uint64_t at = done > total ? total : done;
        size_t full = (size_t)((double)at / (double)total * BAR_WIDTH);
        memset(bar, '.', BAR_WIDTH);
        memset(bar, '#', full);
        bar[BAR_WIDTH] = '\0';
        cli_duration(per_second > 0 ? (double)(total - at) / per_second * 1000 : 0, left);
        snprintf(out, PROGRESS_SIZE, "[%s] %3.0f %%  %llu of %llu %s  %s  %s left", bar,
                 (double)at / (double)total * 100, n, of, what, rate, per_second > 0 ? left : "?");
    }
    if (width > 0 && width < PROGRESS_SIZE)
        out[width] = '\0';
    return out;
}

static int terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col - 1 : 79;
}

void cli_progress_show(cli_progress *p, uint64_t done)
{
    char line[PROGRESS_SIZE];
    uint64_t now = sut_now_ns();
    if (!p->on || now - p->shown_ns < REDRAW_NS)
        return;
    p->shown_ns = now;
    p->drawn = true;
    double seconds = (double)(now - p->begun_ns) / (double)SUT_NS_PER_S;
    fprintf(stderr, "\r\033[K%s", cli_progress_line(p->what, done, p->total, seconds, terminal_width(), line));
    fflush(stderr);
}

void cli_progress_end(cli_progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", stderr);
    p->drawn = false;
}
