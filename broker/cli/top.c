/* sut top: looks once a second. */
#include "top.h"
#include "ask.h"
#include "inbox.h"
#include "terminal.h"
#include "times.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

typedef struct watching {
    const cli_args *args;
    sut_client *client;
    cli_top_counter *counter; /* NULL: we may not tap */
    cli_top_look looks[2];
    int current;
    bool has_before;
    cli_top_sort sort;
} watching;

static const char *const sort_names[TOP_SORTS] = {"rate", "latency", "queue", "name"};

/* What cannot be had (no right, no journal) is left out of the page; without the status there is none. */
static int look(watching *w, FILE *out)
{
    w->current ^= 1;
    cli_top_look *l = &w->looks[w->current];
    cli_args quiet = *w->args;
    cli_top_look_deinit(l);
    int code = cli_ask(w->args, w->client, "broker.status", NULL, &l->status, out);
    if (code != 0)
        return code;
    quiet.json = true; /* its errors go to a stream that nobody reads */
    FILE *nowhere = fopen("/dev/null", "we");
    if (!nowhere)
        return SUT_EXIT_IO;
    if (cli_ask(&quiet, w->client, "broker.groups", NULL, &l->groups, nowhere) != 0)
        l->groups = NULL;
    if (cli_ask(&quiet, w->client, "broker.journal", NULL, &l->journal, nowhere) != 0)
        l->journal = NULL;
    fclose(nowhere);
    if (w->counter)
        cli_top_counter_take(w->counter, l);
    l->at_ns = sut_now_ns();
    l->wall_us = sut_wall_us();
    return 0;
}

static const cli_top_look *before(const watching *w)
{
    return w->has_before ? &w->looks[w->current ^ 1] : NULL;
}

static int print_json(const watching *w, FILE *out)
{
    const cli_top_look *l = &w->looks[w->current];
    json_t *o = json_object();
    cli_set(o, "status", json_incref(l->status));
    cli_set(o, "groups", l->groups ? json_incref(json_object_get(l->groups, "groups")) : NULL);
    cli_set(o, "journal", json_incref(l->journal));
    int code = cli_dump(o, out);
    json_decref(o);
    return code;
}

/* Two looks an interval apart, so that there are rates. */
static int once(watching *w, uint32_t interval_ms, FILE *out)
{
    int code = look(w, out);
    if (code == 0 && w->args->json)
        return print_json(w, out);
    if (code == 0 && !cli_stop_wait(interval_ms)) {
        w->has_before = true;
        code = look(w, out);
    }
    if (code != 0)
        return code;
    return cli_top_render(&w->looks[w->current], before(w), w->sort, 0, 0, out) ? SUT_EXIT_OK : SUT_EXIT_SOFTWARE;
}

static bool draw(const watching *w)
{
    int width, height;
    char foot[128], *text = NULL;
    size_t size = 0;
    cli_terminal_size(&width, &height);
    FILE *memory = open_memstream(&text, &size);
    if (!memory)
        return false;
    bool made = cli_top_render(&w->looks[w->current], before(w), w->sort, width, height - 1, memory);
    made = fclose(memory) == 0 && made;
    snprintf(foot, sizeof foot, " q quit   s sort (now by %s)", sort_names[w->sort]);
    if (made)
        cli_terminal_draw(text, foot);
    free(text);
    return made;
}

/* Until it is time for the next look. False: the end. */
static bool keys(watching *w, uint64_t until_ns)
{
    for (uint64_t now = sut_now_ns(); now < until_ns; now = sut_now_ns()) {
        int key = cli_terminal_key((int)((until_ns - now) / SUT_NS_PER_MS) + 1);
        if (key < 0 || key == 'q' || key == 'Q')
            return false;
        if (key != 's' && key != 'S')
            continue;
        w->sort = (cli_top_sort)((w->sort + 1) % TOP_SORTS);
        if (!draw(w))
            return false;
    }
    return true;
}

static int live(watching *w, uint32_t interval_ms, FILE *out)
{
    int code = look(w, out); /* what is wrong is said before the screen changes */
    if (code != 0)
        return code;
    if (!cli_terminal_begin())
        return once(w, interval_ms, out);
    while (draw(w) && keys(w, sut_now_ns() + interval_ms * SUT_NS_PER_MS)) {
        w->has_before = true;
        if ((code = look(w, out)) != 0)
            break;
    }
    cli_terminal_end();
    return code;
}

int cli_run_top(const cli_args *a, FILE *out)
{
    int64_t interval_us = 1000000;
    if (!cli_span_option("--interval", a->interval, &interval_us))
        return SUT_EXIT_USAGE;
    if (interval_us < 100000 || interval_us > INT64_C(3600) * 1000000) {
        cli_complain("--interval: must be from 100ms to 1h");
        return SUT_EXIT_USAGE;
    }
    uint32_t interval_ms = (uint32_t)(interval_us / 1000);
    watching *w = calloc(1, sizeof *w);
    if (!w)
        return SUT_EXIT_SOFTWARE;
    w->args = a;
    int code = cli_stop_begin();
    if (code == 0)
        code = cli_connect(a, &w->client);
    if (code == 0) {
        if (cli_top_counter_new(&w->counter, w->client) != 0)
            w->counter = NULL;
        code = a->once || a->json ? once(w, interval_ms, out) : live(w, interval_ms, out);
        cli_top_counter_free(w->counter);
        sut_client_free(w->client);
    }
    cli_top_look_deinit(&w->looks[0]);
    cli_top_look_deinit(&w->looks[1]);
    free(w);
    return code;
}
