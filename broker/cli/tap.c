/* sut tap: what passes, a line each. */
#include "ask.h"
#include "input.h"
#include "tap_feed.h"
#include "tty.h"

#include "base/clock.h"

#include <string.h>

static void say_lost(const cli_args *a, double lost, const char *where, FILE *out)
{
    if (lost <= 0)
        return;
    if (a->json)
        fprintf(stderr, "sut: %.0f records were lost %s\n", lost, where);
    else
        fprintf(out, "%s… %.0f records were lost %s%s\n", cli_yellow(out), lost, where, cli_plain(out));
}

static void show(const cli_args *a, const json_t *line, FILE *out)
{
    say_lost(a, cli_num(line, "lost"), "at the broker: this tap or its budget was too slow", out);
    if (a->json)
        cli_dump(line, out);
    else
        cli_render_record(line, sut_wall_us(), out);
}

/* Ends by Ctrl-C, by the limit, or when the tap does. */
static int watch(const cli_args *a, cli_tap_feed *feed, int64_t limit, FILE *out)
{
    cli_tapped *t;
    int64_t seen = 0;
    while (seen < limit) {
        cli_got got = cli_tap_take(feed, 0, &t);
        if (got == CLI_GOT_NOTHING) { /* only now: flushing each line would be the slowest part */
            fflush(out);
            got = cli_tap_take(feed, -1, &t);
        }
        if (got == CLI_GOT_STOP)
            return 0;
        if (got == CLI_GOT_NOTHING)
            continue;
        say_lost(a, (double)cli_tap_lost(feed), "here: the output is too slow", out);
        if (!t->line) {
            int code = cli_tap_ended(a, t, out);
            cli_tapped_free(t);
            return code;
        }
        show(a, t->line, out);
        cli_tapped_free(t);
        seen++;
    }
    return 0;
}

int cli_run_tap(const cli_args *a, FILE *out)
{
    sut_client *client;
    cli_tap_feed feed;
    int64_t limit = INT64_MAX;
    if (!cli_number("--limit", a->limit, 1, INT64_MAX, &limit))
        return SUT_EXIT_USAGE;
    json_t *request = cli_tap_request(a, 0);
    int code = request ? cli_stop_begin() : SUT_EXIT_USAGE;
    if (code == 0)
        code = cli_connect(a, &client);
    if (code != 0) {
        json_decref(request);
        return code;
    }
    code = cli_tap_open(&feed, client, request, a->raw);
    if (code == 0) {
        code = watch(a, &feed, limit, out);
        cli_tap_close(&feed);
    }
    json_decref(request);
    sut_client_free(client);
    return code;
}
