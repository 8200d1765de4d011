/* sut replay: which history, and where it goes. */
#include "replay.h"
#include "ask.h"
#include "inbox.h"
#include "input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool cli_speed_parse(const char *text, double *speed)
{
    char *end;
    *speed = 0;
    if (!text || strcmp(text, "max") == 0)
        return true;
    *speed = strtod(text, &end);
    return end != text && (strcmp(end, "x") == 0 || *end == '\0') && isfinite(*speed) && *speed > 0 && *speed <= 1e6;
}

static bool patterns_valid(const json_t *list)
{
    const json_t *v;
    size_t i;
    json_array_foreach(list, i, v)
    {
        const char *pattern = json_string_value(v);
        if (!cli_patterns_valid(&pattern, 1))
            return false;
    }
    return true;
}

static bool agree(const cli_args *a, int ways)
{
    const char *wrong = NULL;
    if (ways != 1)
        wrong = "where to? one of --to-group NAME, --to-broker URL, --diff --against URL";
    else if (a->diff && !a->against)
        wrong = "--diff compares with another broker: --against URL";
    else if (a->personal && !a->reason)
        wrong = "--personal needs --reason TEXT, which is journalled";
    else if (!a->diff && (a->against || a->user || a->personal))
        wrong = "--against, --user and --personal belong to --diff";
    else if (a->diff && a->speed)
        wrong = "--diff takes one call after the other: there is no --speed";
    else if (!a->to_broker && !a->diff && (a->other_name || a->other_secret_file))
        wrong = "--other-name and --other-secret-file belong to --to-broker and --diff";
    if (wrong)
        cli_complain("%s", wrong);
    return !wrong;
}

int cli_run_replay(const cli_args *a, FILE *out)
{
    cli_replay r = {.args = a, .out = out};
    cli_args told = *a;
    if (a->diff && a->to_broker && !a->against) { /* the same said otherwise */
        told.against = a->to_broker;
        told.to_broker = NULL;
        r.args = a = &told;
    }
    int ways = (a->to_group != NULL) + (a->to_broker != NULL) + a->diff;
    if (!agree(a, ways) || !cli_place_option("--from", a->from, false, &r.from) ||
        !cli_place_option("--to", a->to, false, &r.to))
        return SUT_EXIT_USAGE;
    if (!cli_speed_parse(a->speed, &r.speed)) {
        cli_complain("--speed '%.40s': must be max, 1x, 10x or so", a->speed);
        return SUT_EXIT_USAGE;
    }
    r.subjects = cli_list(a->subject);
    int code = patterns_valid(r.subjects) ? cli_stop_begin() : SUT_EXIT_USAGE;
    if (code == 0)
        code = a->to_group ? cli_replay_to_group(&r) : a->to_broker ? cli_replay_to_broker(&r) : cli_replay_diff(&r);
    json_decref(r.subjects);
    return code;
}
